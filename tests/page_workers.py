"""Processes that extract pages, handed from a crawl to the next: to start one takes half a second of processor."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline.collect.html.workers import PageWorkers, _Worker

Process = tuple[subprocess.Popen[bytes], socket.socket]
_MOST = 8  # processes that wait for a crawl like theirs
_OF_A_TEST = {"PYTEST_CURRENT_TEST"}  # in the environment, and read by nothing that extracts


class WorkerShelf:
    """Idle processes by what they were started with, the latest last."""

    def __init__(self) -> None:
        self._idle: list[tuple[str, Process]] = []
        self._lock = threading.Lock()

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Let crawls take processes from here first, and put those here that have no page under way at their end."""
        start, close = _Worker._start, PageWorkers.close

        def take(worker: _Worker) -> socket.socket:
            with worker._lock:  # a closed one starts none, and nobody would end one that it took
                process = None if worker._closed else self._taken(_inherited(worker))
                if process is not None:
                    worker._process, worker._socket = process
                    return process[1]
            return start(worker)

        def put(workers: PageWorkers) -> None:
            while workers._idle:
                worker = workers._idle.pop()
                if worker._process is not None and worker._socket is not None:
                    self._add(_inherited(worker), (worker._process, worker._socket))
                    worker._process = worker._socket = None
            close(workers)

        patch.setattr(_Worker, "_start", take)
        patch.setattr(PageWorkers, "close", put)

    def __len__(self) -> int:
        return len(self._idle)

    def _taken(self, key: str) -> Process | None:
        """Take a living process from the shelf, None where it has none that was started with the same."""
        with self._lock:
            for pair in [pair for pair in self._idle if pair[0] == key]:
                self._idle.remove(pair)
                if pair[1][0].poll() is None:
                    return pair[1]
                _end(pair[1])
        return None

    def _add(self, key: str, process: Process) -> None:
        with self._lock:
            self._idle.append((key, process))
            oldest, self._idle = self._idle[:-_MOST], self._idle[-_MOST:]
        for _, one in oldest:
            _end(one)

    def close(self) -> None:
        """End all processes."""
        while self._idle:
            _end(self._idle.pop()[1])


def _inherited(worker: _Worker) -> str:
    """Return all that a worker's process is started with: its limits, and what it has of this process."""
    environment = {name: value for name, value in os.environ.items() if name not in _OF_A_TEST}
    return repr((worker._limits, sorted(environment.items()), sys.path, str(Path.cwd())))


def _end(process: Process) -> None:
    process[0].kill()
    process[0].wait()
    process[1].close()
