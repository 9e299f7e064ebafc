"""A server that may misbehave in any way, for tests and benchmarks of crawling: bytes on a loopback socket.

::

    async with CrawlServer({"/": page(b"<p>hello")}) as server: ...   # in this loop
    with Running(CrawlServer(...)) as server: ...                     # in a thread

A page is bytes that are sent as they are, or an async function of (Request, writer) that writes what it likes; it may
return False to close the connection.  `server.seen` holds the requests.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

REASONS = {200: "OK", 301: "Moved", 302: "Found", 304: "Not Modified", 404: "Not Found", 429: "Slow Down"}


@dataclass
class Request:
    path: str
    headers: dict[str, str]  # by lower-case name


Page = bytes | Callable[[Request, asyncio.StreamWriter], Awaitable[bool | None]]


def page(body: bytes = b"", status: int = 200, content_type: str | None = "text/html", **headers: str) -> bytes:
    """A whole response; `Last_Modified` stands for Last-Modified."""
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [f"Content-Type: {content_type}"] if content_type is not None else []
    lines += [f"Content-Length: {len(body)}"] if status not in (204, 304) else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def redirect(location: str, status: int = 302) -> bytes:
    return page(b"elsewhere", status, Location=location)


@dataclass
class CrawlServer:
    pages: dict[str, Page] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    seen: list[Request] = field(default_factory=list)
    connections: int = 0
    url: str = ""  # http://127.0.0.1:port

    async def __aenter__(self) -> CrawlServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http{'s' if self.tls else ''}://127.0.0.1:{port}"
        self._tasks: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.seen]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._answer(await reader.readuntil(b"\r\n\r\n"), writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # the client has gone, or the test is over
        finally:
            self._tasks.discard(task)
            writer.transport.abort() if writer.transport.get_write_buffer_size() > 2**16 else writer.close()

    async def _answer(self, head: bytes, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection is to be kept."""
        first, *lines = head.decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        request = Request(first.split(" ")[1], headers)
        self.seen.append(request)
        found = self.pages.get(request.path, page(b"none", 404))
        keep: bool | None = True
        if isinstance(found, bytes):
            writer.write(found)
        else:
            keep = await found(request, writer)
        await writer.drain()
        return keep is not False


class Running:
    """The server in a thread: `with Running(CrawlServer(pages)) as server: server.url`."""

    def __init__(self, server: CrawlServer) -> None:
        self.server = server
        self._ready = threading.Event()

    def __enter__(self) -> CrawlServer:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self.server

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with self.server:
            self._ready.set()
            await self._stop.wait()

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
