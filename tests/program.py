"""The command line in processes of their own, forked from one that has imported it: a start costs milliseconds, not the import.

A program that was started here is as real as one of a fresh interpreter: own process, signals, environment, folder and exit
code; `kill` is SIGKILL.  Where a test is about what an interpreter does while it starts, it takes `sys.executable`.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TypeVar

ROOT = Path(__file__).parent.parent
Readable = TypeVar("Readable", IO[str], socket.socket)
_MOST_BYTES = 2**20  # of a request: arguments and environment


class Program:
    """`labelmill ARGUMENTS` with what tests use of `subprocess.Popen`; its output is read as text, or thrown away.

    `before` is Python that runs in it first; `imported` are modules that it has already, beside the command line's.
    """

    def __init__(
        self, *arguments: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None, stdout: bool = False,
        stderr: bool = True, start_new_session: bool = False, before: str = "", imported: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self.args = [str(argument) for argument in arguments]
        self.returncode: int | None = None
        (self.stdout, out), (self.stderr, err) = _stream(stdout), _stream(stderr)
        self._end, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)} if env is None else env
        request = {
            "arguments": self.args,
            "cwd": str(cwd),
            "env": environment,
            "session": start_new_session,
            "before": before,
        }
        try:
            socket.send_fds(_parent(imported), [json.dumps(request).encode()], [out, err, end.fileno()])
        finally:
            for descriptor in (out, err):
                os.close(descriptor)
            end.close()
        self.pid = int(self._end.recv(16))

    def poll(self) -> int | None:
        """Return the exit code (minus the signal's number), None while it runs."""
        if self.returncode is None and _readable([self._end], 0):
            self._note_end()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not _readable([self._end], timeout):
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self._note_end()
        assert self.returncode is not None
        return self.returncode

    def _note_end(self) -> None:
        self.returncode = os.waitstatus_to_exitcode(int(self._end.recv(16)))
        self._end.close()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return what it wrote until its end, of its output and its errors.  Raises TimeoutExpired."""
        until = None if timeout is None else time.monotonic() + timeout
        streams: dict[IO[str], list[bytes]] = {stream: [] for stream in (self.stdout, self.stderr) if stream}
        open_streams = list(streams)
        while open_streams:
            ready = _readable(open_streams, None if until is None else max(0.0, until - time.monotonic()))
            if not ready:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            for stream in ready:
                streams[stream].append(part := os.read(stream.fileno(), 2**16))
                if not part:
                    open_streams.remove(stream)
        self.wait(None if until is None else max(0.0, until - time.monotonic()))
        out, err = (b"".join(streams[s]).decode() if s else "" for s in (self.stdout, self.stderr))
        return out, err


def also_from(folder: Path) -> str:
    """Return what a program runs first, so that it finds modules in a folder, too; `PYTHONPATH` is for those that it starts."""
    return f"import sys; sys.path.insert(0, {str(folder)!r})"


def run(
    *arguments: str | Path, cwd: Path = ROOT, imported: tuple[str, ...] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    program = Program(*arguments, cwd=cwd, env=env, stdout=True, imported=imported)
    out, err = program.communicate(timeout=120)
    return subprocess.CompletedProcess(program.args, program.wait(), out, err)


def _readable(files: Sequence[Readable], timeout: float | None) -> list[Readable]:
    """Return those of some files of which there is something to read, once there is, or none after the timeout."""
    poll = select.poll()  # a worker of pytest may have more files open than `select` takes
    by_number = {file.fileno(): file for file in files}
    for number in by_number:
        poll.register(number, select.POLLIN)
    return [by_number[number] for number, _ in poll.poll(None if timeout is None else timeout * 1000)]


def _stream(wanted: bool) -> tuple[IO[str] | None, int]:
    """Return our end of a pipe, and the program's (of nothing, where it is not wanted)."""
    if not wanted:
        return None, os.open(os.devnull, os.O_WRONLY)
    ours, theirs = os.pipe()
    return os.fdopen(ours, encoding="utf-8", newline=""), theirs


@functools.cache
def _parent(imported: tuple[str, ...]) -> socket.socket:
    """Return the way to this process's own parent of such programs; it goes when we do, or our end is closed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    code = [sys.executable, "-m", "tests.program", str(theirs.fileno()), *imported]
    # Torch reads how many threads it may have when it is imported: several programs on two cores would wait for one another's.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(code, cwd=ROOT, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    theirs.close()
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


# What a job over HTTP imports: nothing that reads the environment when it is imported (`huggingface_hub`), nor what only some
# commands need (torch).
_IMPORTED = (
    "dotenv", "filelock", "pandas", "quicktok", "tqdm.asyncio", "uvicorn", "uvloop",
    "pipeline.clean.tasks.keyphrases", "pipeline.cli.group", "pipeline.cli.looking", "pipeline.cli.main", "pipeline.cli.releasing",
    "pipeline.cli.running", "pipeline.cli.setting_up", "pipeline.collect.sources.files", "pipeline.engines.kinds.local",
    "pipeline.label.openai_api.model_list", "pipeline.label.providers.openai", "pipeline.review.page.app", "pipeline.runner",
    "pipeline.train.students.ranker",
)  # fmt: skip


def _import_the_program(imported: Sequence[str]) -> None:
    for module in (*_IMPORTED, *imported):
        importlib.import_module(module)
    import openai

    from pipeline.core.text.tokens import encoding_counter

    # What is read at the first use only: half a second of the client's types, the vocabulary that tokens are counted by.
    _ = openai.resources.AsyncModels
    encoding_counter("cl100k_base")
    gc.collect()
    gc.freeze()  # else the collector of each program would write to the pages that all share


def _serve(requests: socket.socket) -> None:
    """Fork a watcher for each request; it forks the program, tells its pid and then how it ended."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, _MOST_BYTES, 3)
        if not message:
            return
        if (watcher := os.fork()) == 0:
            break
        for descriptor in descriptors:
            os.close(descriptor)
        _reap(watcher)
    requests.close()
    if (pid := os.fork()) == 0:
        _become(json.loads(message), descriptors)
        return
    out, err, end = descriptors
    os.close(out)
    os.close(err)
    os.write(end, str(pid).encode())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    status = os.waitpid(pid, 0)[1]
    with socket.socket(fileno=end) as ended, contextlib.suppress(BrokenPipeError):  # nobody asks any more
        ended.send(str(status).encode())
    os._exit(0)


_watchers: set[int] = set()


def _reap(watcher: int) -> None:
    _watchers.add(watcher)
    for pid in list(_watchers):
        if os.waitpid(pid, os.WNOHANG)[0]:
            _watchers.discard(pid)


def _become(request: dict, descriptors: list[int]) -> None:  # type: ignore[type-arg]
    out, err, end = descriptors
    os.close(end)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    if request["session"]:
        os.setsid()
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = ["labelmill", *request["arguments"]]
    exec(request["before"], {})
    runpy.run_module("pipeline.cli", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _import_the_program(sys.argv[2:])
    _serve(socket.socket(fileno=int(sys.argv[1])))
