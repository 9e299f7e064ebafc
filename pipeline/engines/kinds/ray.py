"""Engine of a Ray cluster: a map's tasks are Ray's, which places them, and runs those of a lost node elsewhere.

The job's folder and its sources must lie where all nodes see them under the same path, and labelmill be installed there.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from pipeline.core import engine
from pipeline.core.engine import Build, Task
from pipeline.core.errors import LabelmillError, MissingExtra
from pipeline.engines import worker

_log = logging.getLogger("labelmill.engine")
_RETRIES = 3  # of a task whose worker or node is lost
_CANCEL_SECONDS = 30
_CONNECT_SECONDS = 10
_LOOK_SECONDS = 30  # while no task ends, whether any node could hold one
_NODE_SECONDS = 300  # that a cluster may take to start a node that is large enough


class Options(engine.EngineOptions):
    type: Literal["ray"] = "ray"
    address: str | None = "auto"  # of a cluster: auto, ray://host:10001; null: one is started on this machine
    cpus: float = Field(default=1, gt=0)  # of a task: more where its models need more memory than a core's share


class Engine(engine.Engine):
    """Tasks of Ray, twice as many at a time as the cluster has room for."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._is_ours = False  # the connection
        self._starter: ThreadPoolExecutor | None = None
        self._start: Future[Any] | None = None

    def map(self, stage: str, build: Build, tasks: Iterable[Task], count: int) -> Iterator[Any]:
        left, running = iter(tasks), dict[Any, Task]()
        yield from self._meanwhile(build, left)
        if (task := next(left, None)) is None:
            return
        ray = self._connected()
        run = ray.remote(max_retries=_RETRIES, num_cpus=self._options.cpus)(_run)
        level = logging.getLogger("labelmill").getEffectiveLevel()
        fixed = ray.put((str(Path.cwd()), sys.path, level, worker.sent(build)))
        is_full = self._is_full(ray)  # before ours are there, so others have the cores
        try:
            while task or running:
                while task and len(running) < self._room(ray):
                    running[run.remote(fixed, task.given)] = task
                    task = next(left, None)
                done = self._first_done(ray, stage, list(running), is_full)
                is_full = False
                result = _result(ray, stage, running[done].name, done)
                del running[done]
                yield worker.log(result)
        finally:
            # an error, a signal: whoever made the map must not find its files changed afterwards
            if running:
                self._end(ray, list(running))

    def _meanwhile(self, build: Build, left: Iterator[Task]) -> Iterator[Any]:
        """Run tasks in this process while a cluster of ours starts, which takes some seconds and less than a core."""
        is_there = self._is_ours or ("ray" in sys.modules and sys.modules["ray"].is_initialized())
        if self._options.address or is_there or (task := next(left, None)) is None:
            return
        # The thread is kept: where the one that started Ray's processes ends, the system ends them.
        self._starter = self._starter or ThreadPoolExecutor(1)
        self._start = self._starter.submit(self._connected)
        run = build()
        yield run(task.given)
        while not self._start.done() and (task := next(left, None)):
            yield run(task.given)
        self._start.result()

    def _end(self, ray: Any, running: list[Any]) -> None:
        """End tasks that are under way; a cluster of ours with them."""
        # Where a task is cancelled as its result arrives, Ray (2.60) ends this process by an assertion of its own. A cluster of
        # others leaves no other way: then the exit code is 1, nothing is lost, and the same command goes on.
        if self._is_ours and not self._options.address:
            return self.close()
        for reference in running:
            ray.cancel(reference, force=True)
        ray.wait(running, num_returns=len(running), timeout=_CANCEL_SECONDS)

    def _first_done(self, ray: Any, stage: str, running: list[Any], is_full: bool) -> Any:
        """Return a task that is over.  Raises LabelmillError where no node can hold one: Ray would wait for ever, in silence.

        Where others had all cores when the map began (`is_full`), a line tells what is waited for.
        """
        patience = _NODE_SECONDS if self._options.address else 0  # a cluster of ours gets no more nodes
        until = time.monotonic() + patience
        while True:
            cores = max((node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]), default=0)
            if fits := self._options.cpus <= cores:
                until = time.monotonic() + patience
            done, _ = ray.wait(running, num_returns=1, timeout=_LOOK_SECONDS if fits else min(_LOOK_SECONDS, patience))
            if done:
                return done[0]
            if fits:
                if is_full:
                    _log.warning(self._waits_for_others(ray, stage))
                    is_full = False
                continue
            message = f"{stage}: engine.cpus: {self._options.cpus:g}, and the largest node of the cluster has {cores:g}"
            if time.monotonic() >= until:
                raise LabelmillError(f"{message}; what is made is kept, the same command goes on with fewer")
            _log.warning(f"{message}; waiting for a larger one")

    def _is_full(self, ray: Any) -> bool:
        """Return whether the cluster has cores enough for a task, and others have them."""
        return bool(
            ray.available_resources().get("CPU", 0) < self._options.cpus <= ray.cluster_resources().get("CPU", 0)
        )

    def _waits_for_others(self, ray: Any, stage: str) -> str:
        cores = ray.cluster_resources().get("CPU", 0)
        return (
            f"{stage}: nothing has ended for {_LOOK_SECONDS} s, and others had the {cores:g} cores of the cluster; it begins when "
            "they leave some; to run on this machine instead: Ctrl-C, then the same command with --set engine.type=local"
        )

    def _room(self, ray: Any) -> int:
        """Return how many tasks may be under way: nodes come and go."""
        return max(2, 2 * int(ray.cluster_resources().get("CPU", 1) / self._options.cpus))

    def _connected(self) -> Any:
        # else each start warns of a future default
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
        except ImportError as error:
            raise MissingExtra("engine: {type: ray}", "ray") from error
        if not ray.is_initialized():
            own: dict[str, Any] = {} if self._options.address else {"include_dashboard": False}
            try:
                _check_reached(self._options.address)
                with _signals_kept():
                    ray.init(self._options.address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
            except (OSError, RuntimeError, ValueError) as error:
                reason = str(error).strip().splitlines()[0]
                raise LabelmillError(
                    f"engine.address: {self._options.address}: no Ray cluster to be reached ({reason})"
                ) from error
            self._is_ours = True
        return ray

    def close(self) -> None:
        if self._start is not None:
            wait([self._start])
        if self._is_ours:
            import ray

            ray.shutdown()
            self._is_ours = False
        if self._starter is not None:
            self._starter.shutdown()
            self._starter = self._start = None


def _check_reached(address: str | None) -> None:
    """Raise OSError where nobody listens at an address with a port: Ray itself would wait for minutes."""
    parts = urlsplit(address if address and "://" in address else f"//{address}")
    if parts.hostname and parts.port:
        socket.create_connection((parts.hostname, parts.port), _CONNECT_SECONDS).close()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep the handlers of signals, which Ray takes for itself as it starts."""
    if threading.current_thread() is not threading.main_thread():  # no signals there
        yield
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _run(fixed: tuple[str, list[str], int, worker.Build], given: Any) -> worker.Result:
    """Run a task in a process of Ray: in the folder and with the modules of the process that has the job."""
    folder, path, level, build = fixed
    worker.one_thread()
    logging.getLogger("labelmill").setLevel(level)
    os.chdir(folder)
    sys.path += [entry for entry in path if entry not in sys.path]
    return worker.run(build, given)


def _result(ray: Any, stage: str, name: str, reference: Any) -> worker.Result:
    """Return a task's result.  Raises what it raised, and LabelmillError where Ray gave up on it."""
    try:
        result: worker.Result = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        worker.log_before(error.cause)
        raise error.cause from None
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0]
        raise LabelmillError(
            f"{stage}: {name} was lost with its worker {_RETRIES + 1} times (Ray: {reason}); what is made is kept, the same "
            "command goes on"
        ) from error
    return result
