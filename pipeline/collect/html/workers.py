"""Pool of worker processes for extraction: a page that hangs, eats memory or crashes a parser costs only itself.

A thread for each worker sends it one page at a time over a socket and waits for the answer. The worker is a plain child process
(no fork of this one, which has threads; no import of the caller's main module). It ends when its socket closes, whatever
became of the parent, and an alarm of its own ends it where it is too busy to notice.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, get_args

from pipeline.collect.html import extract
from pipeline.collect.html.extract import Mode, Page
from pipeline.core.errors import LabelmillError

try:
    import resource
except ImportError:  # no POSIX
    resource = None  # type: ignore[assignment]

_log = logging.getLogger("labelmill.collect")
Key = TypeVar("Key")
Item = tuple[Key, bytes, str, str | None]  # key, body, URL, charset of the HTTP header

PAGES_A_WORKER = 2000  # before it is replaced: lxml and the caches below never give memory back
AHEAD_PAGES = 1000  # read ahead, so that one page that takes all its time does not idle the other workers
AHEAD_BYTES = 64 * 2**20  # of bodies that wait for a worker
_START_SECONDS = 60
_GRACE_SECONDS = 1  # after the parent's limit, until the worker's own alarm
_HEADER = struct.Struct("!II")  # a message's sizes: bytes of JSON, bytes of the body


class PageWorkers:
    """A pool of `count` processes, as a context manager; they start with the first pages.

    `seconds` a page may take, of the clock; `megabytes` of address space a process may have (150 are taken by the
    libraries; not enforced on macOS).
    """

    def __init__(
        self,
        count: int,
        seconds: float = 20,
        megabytes: int = 1000,
        mode: Mode = "fast",
        pages_a_worker: int = PAGES_A_WORKER,
    ) -> None:
        """Create a pool without processes yet.  Raises MissingExtra where trafilatura is not installed."""
        extract.require()
        if sys.platform == "win32":
            raise LabelmillError(
                "crawl: pages are extracted in processes that need Linux or macOS; on Windows, use WSL"
            )
        if resource is None:
            _log.warning("pages are extracted without a limit on memory, for Python has no module `resource` here")
        if count < 1 or mode not in get_args(Mode):
            raise ValueError(f"count={count}, mode={mode!r}")
        self._limits = {"seconds": seconds, "megabytes": megabytes, "mode": mode, "pages": pages_a_worker}
        # a stack: few pages keep few processes busy
        self._idle = [_Worker(self._limits) for _ in range(count)]
        self._all = tuple(self._idle)
        self._pool = ThreadPoolExecutor(count, "page-worker")

    def __enter__(self) -> PageWorkers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all processes at once; results that nobody took are lost."""
        for worker in self._all:
            worker.close(for_good=True)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def extract_all(self, items: Iterable[Item[Key]]) -> Iterator[tuple[Key, Page]]:
        """Yield pages in the order of their items, read ahead within bounds.  Raises LabelmillError where no worker starts."""
        waiting: deque[tuple[Key, int, Future[Page]]] = deque()
        try:
            for key, body, url, charset in items:
                waiting.append((key, len(body), self._pool.submit(self._one, body, url, charset)))
                while waiting and (waiting[0][2].done() or _is_far_ahead(waiting)):
                    done, _, page = waiting.popleft()
                    yield done, page.result()
            while waiting:
                done, _, page = waiting.popleft()
                yield done, page.result()
        finally:
            for _, _, page in waiting:
                page.cancel()

    def _one(self, body: bytes, url: str, charset: str | None) -> Page:
        worker = self._idle.pop()  # there are as many workers as threads
        try:
            return worker.extract(body, url, charset)
        finally:
            self._idle.append(worker)


def _is_far_ahead(waiting: deque[tuple[Any, int, Future[Page]]]) -> bool:
    unread = sum(size for _, size, page in waiting if not page.done())
    return len(waiting) >= AHEAD_PAGES or unread > AHEAD_BYTES


class _Worker:
    """One worker process, replaced when it dies, overruns, or has served its pages."""

    def __init__(self, limits: dict[str, Any]) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._lock, self._closed = threading.Lock(), False  # closing may happen while a page is under way

    def extract(self, body: bytes, url: str, charset: str | None) -> Page:
        """Extract one page; whatever goes wrong with the process is the page's `reason`."""
        connection = self._living() or self._start()
        deadline = time.monotonic() + self._limits["seconds"]
        try:
            _send(connection, {"url": url, "charset": charset}, body, deadline)
            answer, _ = _receive(connection, deadline)
        except TimeoutError:
            self.close()
            return Page(reason="too_slow", detail=f"more than {self._limits['seconds']:g} s")
        except (OSError, EOFError):
            return Page(reason="crashed", detail=self._how_it_ended())
        if answer.pop("last"):
            self.close()
        return Page.of(answer)

    def _living(self) -> socket.socket | None:
        """Return the connection, or None where the process died while idle, for which no page is to blame."""
        if self._process is not None and self._process.poll() is not None:
            self.close()
        return self._socket

    def _start(self) -> socket.socket:
        """Start a process and wait until it has loaded its libraries.  Raises LabelmillError."""
        try:
            connection = self._spawn()
            deadline = time.monotonic() + _START_SECONDS
            _send(connection, self._limits, b"", deadline)
            error = _receive(connection, deadline)[0]["error"]
        except (OSError, EOFError) as failure:
            error = f"{failure or self._how_it_ended()}; is megabytes={self._limits['megabytes']} too little?"
        if error is not None:
            self.close()
            raise LabelmillError(f"crawl: a worker for pages did not start: {error}")
        return connection

    def _spawn(self) -> socket.socket:
        parent_end, worker_end = socket.socketpair()
        path = os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path)
        # each further thread or arena would take address space, which is limited
        threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        command = [sys.executable, "-P", "-c", "from pipeline.collect.html.workers import serve; serve()"]
        with self._lock, worker_end:
            if self._closed:
                raise EOFError("closed")
            self._socket = parent_end
            self._process = subprocess.Popen(
                command, stdin=worker_end.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env={**os.environ, **threads, "PYTHONPATH": path},
                start_new_session=True,  # Ctrl-C is the parent's business
            )  # fmt: skip
        return parent_end

    def _how_it_ended(self) -> str:
        process = self._process
        if process is not None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(1)
        self.close()
        code = process.returncode if process is not None else None
        return f"signal {signal.Signals(-code).name}" if code and code < 0 else f"exit status {code}"

    def close(self, for_good: bool = False) -> None:
        """Kill the process, if there is one, and wait for its end.  A page under way becomes `crashed`."""
        with self._lock:
            self._closed = self._closed or for_good
            process, connection, self._process, self._socket = self._process, self._socket, None, None
        if process is not None:
            process.kill()
            process.wait()
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for it
            connection.close()


# --- messages: JSON and a body; no pickle, for a worker reads what strangers wrote ---


def _send(connection: socket.socket, message: dict[str, Any], body: bytes, deadline: float | None) -> None:
    head = json.dumps(message).encode()
    connection.settimeout(_left(deadline))
    connection.sendall(_HEADER.pack(len(head), len(body)) + head)
    connection.settimeout(_left(deadline))
    connection.sendall(body)


def _receive(connection: socket.socket, deadline: float | None) -> tuple[dict[str, Any], bytes]:
    """Receive one message.  Raises TimeoutError, EOFError where the other side has closed, OSError."""
    head, body = _HEADER.unpack(_read(connection, _HEADER.size, deadline))
    message: dict[str, Any] = json.loads(_read(connection, head, deadline))
    return message, _read(connection, body, deadline)


def _read(connection: socket.socket, size: int, deadline: float | None) -> bytes:
    buffer = bytearray()
    while len(buffer) < size:
        connection.settimeout(_left(deadline))
        piece = connection.recv(min(size - len(buffer), 2**20))
        if not piece:
            raise EOFError
        buffer += piece
    return bytes(buffer)


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    if (left := deadline - time.monotonic()) <= 0:
        raise TimeoutError
    return left


# --- the worker ---


def serve() -> None:
    """Serve pages on standard input, which is a socket, until it closes."""
    connection = socket.socket(fileno=0)
    logging.disable(logging.CRITICAL)  # the libraries' messages about pages
    limits, _ = _receive(connection, None)
    error = _prepare(limits)
    _send(connection, {"error": error}, b"", None)
    for left in range(limits["pages"] - 1, -1, -1):
        try:
            item, body = _receive(connection, None)
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_REAL, limits["seconds"] + _GRACE_SECONDS)  # SIGALRM ends a process
        page = extract.extract(body, item["url"], item["charset"], limits["mode"])
        large = _is_large(limits["megabytes"])
        # the libraries may have taken a lack of memory for a lack of text
        if large and page.reason is not None:
            page = Page(reason="out_of_memory", detail=f"{len(body)} bytes; {page.reason}: {page.detail}")
        last = left == 0 or large or page.reason == "out_of_memory"
        with suppress(BrokenPipeError, ConnectionResetError):
            _send(connection, {**asdict(page), "last": last}, b"", None)
        signal.setitimer(signal.ITIMER_REAL, 0)
        del page, item, body


def _prepare(limits: dict[str, Any]) -> str | None:
    """Apply the limits and load the libraries; return what went wrong, or None."""
    try:
        _limit_memory(int(limits["megabytes"]) * 2**20)
        extract.extract(
            b"<html><body><p>The first page loads what is loaded late.</p></body></html>", "http://localhost/", None
        )
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _limit_memory(size: int) -> None:
    if resource is not None:
        with suppress(ValueError, OSError):  # macOS knows no such limit
            resource.setrlimit(resource.RLIMIT_AS, (size, size))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _is_large(megabytes: int) -> bool:
    """Return whether the process once held so much memory that the next large page may not fit."""
    return _peak() > 0.5 * megabytes * 2**20


def _peak() -> int:
    """Return the most memory that this process has held, in bytes.  Linux's `ru_maxrss` begins with what the parent holds."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError, ValueError):  # no Linux
        if resource is None:
            return 0
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
