"""A small HTTP proxy for tests: forwards requests and tunnels, on loopback only; it may ask for a user and a password."""

from __future__ import annotations

import base64
import http.client
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_OF_ONE_HOP = {"proxy-authorization", "proxy-connection", "connection", "transfer-encoding", "content-length"}


@dataclass
class Proxy:
    """`asked` has the method and target of each request; `user` is `name:password` where one is needed; `refuses` is the status of
    every tunnel, where it opens none."""

    user: str = ""
    refuses: int | None = None
    asked: list[str] = field(default_factory=list)
    where: str = ""  # host:port


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def log_message(self, *_: Any) -> None: ...

    def do_CONNECT(self) -> None:
        self.proxy.asked.append(f"CONNECT {self.path}")
        if not self._is_let_in():
            return
        if self.proxy.refuses:
            self._say(self.proxy.refuses)
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as there:
            self.send_response(200)
            self.end_headers()
            self._tunnel(there)

    def _tunnel(self, there: socket.socket) -> None:
        ends = {self.connection: there, there: self.connection}
        while readable := select.select(list(ends), [], [], 10)[0]:
            for end in readable:
                if not (data := end.recv(65536)):
                    return
                ends[end].sendall(data)

    def do_GET(self) -> None:
        self._forward()

    def do_POST(self) -> None:
        self._forward()

    def _forward(self) -> None:
        self.proxy.asked.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if not self._is_let_in():
            return
        target = urlsplit(self.path)
        there = http.client.HTTPConnection(target.netloc, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_ONE_HOP}
        there.request(self.command, target.path, body, headers)
        answer = there.getresponse()
        self._say(answer.status, answer.read(), answer.getheader("content-type", "text/plain"))
        there.close()

    def _is_let_in(self) -> bool:
        user = "Basic " + base64.b64encode(self.proxy.user.encode()).decode()
        if self.proxy.user and self.headers.get("proxy-authorization") != user:
            self._say(407, b"<html>Proxy Authentication Required</html>")
            return False
        return True

    def _say(self, status: int, body: bytes = b"", kind: str = "text/html") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running(user: str = "", refuses: int | None = None) -> Iterator[Proxy]:
    """A proxy in a thread."""
    proxy = Proxy(user, refuses)
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    proxy.where = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@contextmanager
def running_socks() -> Iterator[Proxy]:
    """A SOCKS 5 proxy in a thread: no user, names and addresses alike."""
    proxy = Proxy()
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy.where = f"127.0.0.1:{server.getsockname()[1]}"
        threading.Thread(target=_accept, args=(server, proxy), daemon=True).start()
        yield proxy


def _accept(server: socket.socket, proxy: Proxy) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:  # closed
            return
        threading.Thread(target=_serve_socks, args=(connection, proxy), daemon=True).start()


def _serve_socks(here: socket.socket, proxy: Proxy) -> None:
    with here:
        here.recv(2 + here.recv(2)[1])
        here.sendall(b"\x05\x00")
        kind = here.recv(4)[3]
        host = socket.inet_ntoa(here.recv(4)) if kind == 1 else here.recv(here.recv(1)[0]).decode()
        port = int.from_bytes(here.recv(2))
        proxy.asked.append(f"{host}:{port}")
        with socket.create_connection((host, port)) as there:
            here.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            _Handler._tunnel(_Connected(here), there)  # type: ignore[arg-type]


@dataclass
class _Connected:
    connection: socket.socket
