"""Processes that extract pages, handed from a crawl to the next: to start one takes half a second of processor."""

from __future__ import annotations

import socket
import subprocess
from collections import defaultdict

import pytest

from pipeline.collect.html.workers import PageWorkers, _Worker

Process = tuple[subprocess.Popen[bytes], socket.socket]


class WorkerShelf:
    """Idle processes by their limits."""

    def __init__(self) -> None:
        self._idle = defaultdict[str, list[Process]](list)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Let crawls take processes from here first, and put those here that have no page under way at their end."""
        start, close = _Worker._start, PageWorkers.close

        def take(worker: _Worker) -> socket.socket:
            idle = self._idle[str(worker._limits)]
            while idle:
                process, connection = idle.pop()
                if process.poll() is None:
                    worker._process, worker._socket = process, connection
                    return connection
                connection.close()
            return start(worker)

        def put(workers: PageWorkers) -> None:
            while workers._idle:
                worker = workers._idle.pop()
                if worker._process is not None and worker._socket is not None:
                    self._idle[str(worker._limits)].append((worker._process, worker._socket))
                    worker._process = worker._socket = None
            close(workers)

        patch.setattr(_Worker, "_start", take)
        patch.setattr(PageWorkers, "close", put)

    def close(self) -> None:
        """End all processes."""
        for process, connection in (pair for pairs in self._idle.values() for pair in pairs):
            process.kill()
            process.wait()
            connection.close()
