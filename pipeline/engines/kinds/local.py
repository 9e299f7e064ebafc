"""Engine of this machine: a process a core, started where the work left is worth it."""

from __future__ import annotations

import logging
import pickle
import pickletools
import re
import signal
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import current_process
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from pipeline.core import engine
from pipeline.core.engine import Build, Task
from pipeline.core.errors import LabelmillError
from pipeline.engines import machine, worker

_log = logging.getLogger("labelmill.engine")
_START_SECONDS = 3.0  # of work that processes must save: each takes about one to import what it runs
_MANY_MORE = 1.25  # times as many workers as there are, for which those are worth ending: each takes a second to start
_TRIES = 2  # of a task whose worker is lost: one may be killed for another's memory
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def _bytes_of(given: Any) -> Any:
    """Return bytes of a size as people write it: 8GB, 500 MB, or a number of bytes."""
    if not isinstance(given, str):
        return given
    match = re.fullmatch(r"([\d.]+)\s*([KMGT]?)(i?)B?", given.strip(), re.IGNORECASE)
    if match is None:
        raise ValueError("write it as 8GB")
    unit = _UNITS[match[2].upper()]
    return int(float(match[1]) * (1024 ** list(_UNITS.values()).index(unit) if match[3] else unit))


class Options(engine.EngineOptions):
    type: str = "local"
    workers: Literal["auto"] | Annotated[int, Field(ge=1, le=1024)] = (
        "auto"  # processes; auto: one a core, where worth it
    )
    memory: Annotated[int, Field(ge=2**20), BeforeValidator(_bytes_of)] | None = (
        None  # of all together; null: half of what is free
    )


class Engine(engine.Engine):
    """Maps begin in this process; where what is left takes long enough, worker processes go on."""

    def __init__(self, options: Options) -> None:
        self._options, self.memory = options, options.memory
        self._pool: ProcessPoolExecutor | None = None
        self._workers = 0  # of the pool
        self._context = _Context()

    def map(self, stage: str, build: Build, tasks: Iterable[Task], count: int) -> Iterator[Any]:
        left = _Tasks(iter(tasks), count)
        yield from self._here(build, left, self._is_worth)
        if (task := left.next()) is None:
            return
        left.put_back([task])
        if (sent := _sent(build, task)) is not None:
            yield from self._in_workers(stage, sent, left)
        else:
            yield from self._here(build, left, lambda *_: False)

    def _here(self, build: Build, left: _Tasks, are_enough: Callable[[int, Sequence[float]], bool]) -> Iterator[Any]:
        """Run tasks in this process until so many are left, after those that took so many seconds, that others should go on."""
        seconds, run = list[float](), None
        while not are_enough(left.count, seconds) and (task := left.next()):
            run = run or build()
            started = time.monotonic()
            result = run(task.given)
            seconds.append(time.monotonic() - started)
            yield result

    def _is_worth(self, left: int, seconds: Sequence[float]) -> bool:
        """Tell whether processes would save more than they cost, by the quickest task so far: the first one loads models."""
        if current_process().daemon:  # a worker of somebody else's pool: such a process may start none
            return False
        if self._options.workers != "auto":
            return min(self._count(), left) > 1
        if not (len(seconds) > 1 or sum(seconds) > _START_SECONDS):
            return False  # the first task alone tells little: it loads models
        work, cost = min(seconds) * left, 0 if self._pool else _START_SECONDS
        # To count workers some files of the system are read, a tenth of the time of a small job: not where any number is too many.
        return work > cost and work * (1 - 1 / max(min(self._count(), left), 1)) > cost

    def _count(self) -> int:
        """Return how many workers there are to be: as many as the memory holds, each taken to be as large as this process.

        What the workers hold that there are is free to those that there are to be.
        """
        wanted, room = self._options.workers, self._options.memory
        if room is None and wanted == "auto" and (free := machine.free_memory()) is not None:
            room = (free + self._context.resident()) // 2
        fitting = sys.maxsize if room is None else max(1, room // max(machine.resident(), 1))
        return min(machine.cores() if wanted == "auto" else wanted, fitting)

    def _in_workers(self, stage: str, build: worker.Build, left: _Tasks) -> Iterator[Any]:
        losses = Counter[str]()
        running: dict[Future[worker.Result], Task] = {}
        self._fit()
        try:
            while True:
                try:
                    self._submit(build, left, running)
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        result = _result(future)
                        del running[future]
                        yield worker.log(result)
                except BrokenProcessPool:
                    left.put_back(running.values())
                    self._note_loss(stage, [task.name for task in running.values()], losses)
                    running.clear()
        except BaseException as error:
            # an error, a signal: whoever made the map must not find its files changed afterwards
            if running or not isinstance(error, GeneratorExit):
                self._kill()
            raise

    def _fit(self) -> None:
        """End the workers where memory holds fewer by now, or many more; those that it holds are started as they are needed."""
        if self._pool is not None and not self._workers <= self._count() <= _MANY_MORE * self._workers:
            self.close()

    def _submit(self, build: worker.Build, left: _Tasks, running: dict[Future[worker.Result], Task]) -> None:
        """Keep the workers busy, with a task each that waits."""
        if self._pool is None:
            self._workers = self._count()
            level = logging.getLogger("labelmill").getEffectiveLevel()
            self._pool = ProcessPoolExecutor(self._workers, self._context, worker.begin, (level,))
        while len(running) < 2 * self._workers and (task := left.next()):
            try:
                with _ctrl_c_held():
                    running[self._pool.submit(worker.run, build, task.given)] = task
            except BrokenProcessPool:
                left.put_back([task])
                raise

    def _note_loss(self, stage: str, names: Sequence[str], losses: Counter[str]) -> None:
        how = self._context.how_one_ended()
        self._kill()
        losses.update(names)
        if again := [name for name in names if losses[name] >= _TRIES]:
            raise LabelmillError(
                f"{stage}: a worker process ended again ({how}) while {', '.join(again[:3])} was made; out of memory? set "
                "engine.workers or engine.memory; what is made is kept, the same command goes on"
            )
        _log.warning(f"{stage}: a worker process ended ({how}); what it had begun is made again ({len(names)} shards)")

    def _kill(self) -> None:
        if self._pool is not None:
            for process in self._context.started:
                if process.pid is not None:  # else a signal came before it was started
                    process.kill()
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
            self._context.started.clear()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
            self._context.started.clear()


def _result(future: Future[worker.Result]) -> worker.Result:
    try:
        return future.result()
    except BrokenProcessPool:
        raise
    except Exception as error:
        worker.log_before(error)
        raise


@contextmanager
def _ctrl_c_held() -> Iterator[None]:
    """Let Ctrl-C wait while workers are started: a half-started one would be lost, and one that began would tell it as an error.

    They inherit that they do not hear it, until they ignore it by themselves.
    """
    if threading.current_thread() is not threading.main_thread() or sys.platform == "win32":
        yield
        return
    came, handler = list[int](), signal.getsignal(signal.SIGINT) or signal.SIG_DFL
    # another thread may be the one that hears it
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)


def _sent(build: Build, task: Task) -> worker.Build | None:
    """Return what a worker is sent first, None where that or a task cannot be sent: a class that no module has by its name."""
    try:
        sent = worker.sent(build)
        for pickled in (sent[1], pickle.dumps(task.given)):
            if any(text == "__main__" for _, text, _ in pickletools.genops(pickled)):
                raise pickle.PicklingError("it is of the main module, which workers do not run")
        return sent
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        _log.info(f"everything runs in one process, for what others need cannot be sent to them ({error})")
        return None


class _Tasks:
    """The tasks that nobody runs yet: those of a lost worker first, then as they are drawn; about `count` in all."""

    def __init__(self, tasks: Iterator[Task], count: int) -> None:
        self._tasks, self.count = tasks, count
        self._again = deque[Task]()

    def next(self) -> Task | None:
        """Return a task, None where there is none."""
        task = self._again.popleft() if self._again else next(self._tasks, None)
        self.count = max(0, self.count - 1) if task else 0
        return task

    def put_back(self, tasks: Iterable[Task]) -> None:
        before = len(self._again)
        self._again.extend(tasks)
        self.count += len(self._again) - before


class _Process(SpawnProcess):
    """A process that does not run the caller's main module: a script without `if __name__ == "__main__"`, a notebook."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            return SpawnProcess._Popen(process_obj)
        finally:
            sys.modules["__main__"] = main


class _Context(SpawnContext):
    """Processes by spawning, for a fork of a process with threads may hang; they are remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[_Process] = []

    def Process(self, *args: Any, **kwargs: Any) -> _Process:  # type: ignore[override]
        self.started.append(_Process(*args, **kwargs))
        return self.started[-1]

    def resident(self) -> int:
        """Return the bytes of memory that the processes hold together."""
        return sum(machine.resident(process.pid) for process in self.started if process.pid is not None)

    def how_one_ended(self) -> str:
        """Return the exit status of a process that is over."""
        for process in self.started:
            process.join(0.2)
        codes = [process.exitcode for process in self.started if process.exitcode]
        # the pool itself ends the others (SIGTERM) when one is lost
        code = next((code for code in codes if code != -15), codes[0] if codes else None)
        return f"signal {-code}" if code and code < 0 else f"exit status {code}"
