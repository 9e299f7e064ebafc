"""A real S3 server on loopback (moto's) behind a proxy that fails as stores and networks do."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BUCKET = "tables"
_OF_ONE_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "date", "server"}
_SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
_DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
Request = tuple[str, str]  # method, target


@dataclass
class Store:
    """The server and what it does: `asked` has every request; `fails` tells of each which failure it meets, None: none.

    `slow`: 503 SlowDown.  `denied`: 403.  `cut`: the answer breaks off in its middle.  `dropped`: none comes, and nothing is done.
    `lost`: it is done, and no answer comes.
    """

    url: str
    backend: int  # the port of the server itself
    asked: list[Request] = field(default_factory=list)
    fails: Callable[[Request], str | None] = lambda request: None
    page: int = 0  # the most objects of a page of a listing; 0: as many as S3 gives

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "AKIATESTTESTTEST",
            "AWS_SECRET_ACCESS_KEY": "not-for-anybodys-eyes",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def begin_anew(self) -> None:
        """Empty the bucket, forget what was asked, fail no more."""
        self.fails, self.page = lambda request: None, 0
        self.request("POST", "/moto-api/reset")
        self.request("PUT", f"/{BUCKET}")
        self.asked.clear()

    @cached_property
    def _client(self) -> Any:
        import boto3

        names = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
        return boto3.client("s3", endpoint_url=f"http://127.0.0.1:{self.backend}", **names)

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """Return what the server holds below a prefix, by name."""
        client = self._client
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        names = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return {name: client.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in names}

    def writes(self) -> list[Request]:
        """Return what was asked for that changes something."""
        return [request for request in self.asked if request[0] not in ("GET", "HEAD")]

    def request(self, method: str, target: str, body: bytes = b"") -> bytes:
        """Ask the server itself, as if by other hands."""
        status, _, content = _forwarded(self.backend, method, target, {}, body)
        assert status < 300, (status, content)
        return content


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm, wbufsize = True, 2**16  # an answer is one packet, and waits for none
    store: Store

    def log_message(self, *_: Any) -> None: ...

    def _answer(self) -> None:
        body = self._body()
        request = (self.command, self.path)
        self.store.asked.append(request)
        failure = self.store.fails(request)
        if failure in ("slow", "denied"):
            return self._send(503 if failure == "slow" else 403, {}, _SLOW_DOWN if failure == "slow" else _DENIED)
        if failure == "dropped":
            return self._hang_up()
        paged = f"&max-keys={self.store.page}" if self.store.page and "list-type=2" in self.path else ""
        target = re.sub(r"&max-keys=\d+", "", self.path) + paged if paged else self.path
        status, headers, content = _forwarded(self.store.backend, self.command, target, dict(self.headers), body)
        if failure == "lost":
            return self._hang_up()
        self._send(status, headers, content, cut=failure == "cut")

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer

    def _body(self) -> bytes:
        if self.headers.get("expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
            self.wfile.flush()
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _send(self, status: int, headers: dict[str, str], content: bytes, cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.close()


def _forwarded(
    port: int, method: str, target: str, headers: dict[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    there = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    kept = {name: value for name, value in headers.items() if name.lower() not in {*_OF_ONE_HOP, "expect"}}
    there.request(method, target, body, kept)
    answer = there.getresponse()
    content = answer.read()
    given = {name: value for name, value in answer.getheaders() if name.lower() not in _OF_ONE_HOP}
    if method == "HEAD":
        given["content-length"] = answer.getheader("content-length", "0")
    there.close()
    return answer.status, given, content


@contextmanager
def running() -> Iterator[Store]:
    """Run both, with an empty bucket."""
    from moto.server import ThreadedMotoServer

    backend = ThreadedMotoServer(port=0, verbose=False)
    backend.start()
    front = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {}))
    front.daemon_threads = True
    store = Store(f"http://127.0.0.1:{front.server_address[1]}", backend.get_host_and_port()[1])
    front.RequestHandlerClass.store = store  # type: ignore[attr-defined]
    threading.Thread(target=front.serve_forever, daemon=True).start()
    try:
        yield store
    finally:
        front.shutdown()
        front.server_close()
        backend.stop()
