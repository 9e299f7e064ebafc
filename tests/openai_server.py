"""A small server that speaks OpenAI's chat completions, for tests and benchmarks: real HTTP, on loopback only.

Run it by itself with `python tests/openai_server.py [--port N] [--faults F] [--latency S]`; it prints its address.
Replies are made of the longest words of the article, so that they are the same for the same request.  `faults` is the
share of requests that are answered by an error, drawn from the request's own bytes and how often it came.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

_NO_KEY = {"error": {"message": "Unauthorized", "type": "invalid_request_error", "code": None}}


@dataclass
class Server:
    """`seen` counts requests by body digest, `answered` the paid ones; `script` overrides what is answered."""

    faults: float = 0.0
    latency: float = 0.0
    models: tuple[str, ...] = ("gpt-6-luna",)
    seen: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    listed: int = 0  # how often its models were asked for
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    listed_to: list[dict[str, str]] = field(default_factory=list)  # headers of those who asked for its models
    quiet: bool = False
    forgetful: bool = False  # remembers nothing at all, for a million requests
    drip: bool = False  # answer 50 bytes at a time
    in_flight: int = 0
    most_in_flight: int = 0
    script: Any = None  # (body, how often it came) -> (status, body, headers) or None
    per_minute: int | None = None  # enforced by the second
    advertise: bool = False  # tell of it in headers
    refused: int = 0
    _second: int = 0
    _used: int = 0
    hang: Any = None  # (body, how often it came) -> whether it is never answered
    hold: Any = None  # body -> whether it is answered only once `released` is set
    released: threading.Event = field(default_factory=threading.Event)
    extra: dict[str, Any] = field(default_factory=dict)  # of each model in the list
    wants_key: bool = False
    lists_freely: bool = True  # also to those without a key
    url: str = ""

    async def chat(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        digest = hashlib.sha256(raw).hexdigest()
        if self._lacks_key(request):
            return web.json_response(_NO_KEY, status=401)
        if self.forgetful:
            return web.json_response(completion(json.loads(raw), "harbour; city; spring"))
        if self.per_minute and not self._within_limit():
            self.refused += 1
            answer = {"error": {"message": "too many requests", "type": "requests", "code": "rate_limit_exceeded"}}
            return web.json_response(answer, status=429, headers={"retry-after": "1"})
        self.seen[digest] += 1
        body = json.loads(raw)
        if not self.quiet:
            self.bodies.append(body)
            self.headers.append(dict(request.headers))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(3600 if self.hang and self.hang(body, self.seen[digest]) else self.latency)
            if self.hold and self.hold(body):
                while not self.released.is_set():
                    await asyncio.sleep(0.01)
            if self.script and (scripted := self.script(body, self.seen[digest])):
                status, answer, headers = scripted
                if status == 200:
                    self.answered[digest] += 1
                text = answer if isinstance(answer, str) else json.dumps(answer)
                return web.Response(status=status, text=text, headers=headers, content_type="application/json")
            if int(digest[:8], 16) / 2**32 < self.faults and self.seen[digest] == 1:
                return web.json_response({"error": {"message": "try again", "type": "server_error"}}, status=503)
            self.answered[digest] += 1
            answer = completion(body, keyphrases(body))
            headers = {"x-ratelimit-limit-requests": str(self.per_minute)} if self.advertise else None
            return await self._drip(request, answer) if self.drip else web.json_response(answer, headers=headers)
        finally:
            self.in_flight -= 1

    def _lacks_key(self, request: web.Request) -> bool:
        return self.wants_key and "authorization" not in request.headers

    def _within_limit(self) -> bool:
        assert self.per_minute
        if int(time.monotonic()) != self._second:
            self._second, self._used = int(time.monotonic()), 0
        self._used += 1
        return self._used <= self.per_minute / 60

    async def _drip(self, request: web.Request, answer: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        data = json.dumps(answer).encode()
        for start in range(0, len(data), 50):
            await response.write(data[start : start + 50])
            await asyncio.sleep(0.005)
        return response

    async def list_models(self, request: web.Request) -> web.Response:
        self.listed += 1
        self.listed_to.append(dict(request.headers))
        if self._lacks_key(request) and not self.lists_freely:
            return web.json_response(_NO_KEY, status=401)
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "test", **self.extra} for name in self.models]
        return web.json_response({"object": "list", "data": data})

    def app(self) -> web.Application:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_get("/v1/models", self.list_models)
        return app


def keyphrases(body: dict[str, Any]) -> str:
    content = body["messages"][-1]["content"]
    text = re.search("<article>(.*?)</article>", content, re.DOTALL)
    words = re.findall(r"\w{3,}", text[1] if text else content.rpartition("Article:")[2])
    return "; ".join(sorted(dict.fromkeys(words), key=lambda word: (-len(word), word))[:5])


def completion(body: dict[str, Any], text: str | None, finish: str = "stop") -> dict[str, Any]:
    return {
        "id": "chatcmpl-" + hashlib.sha256(json.dumps(body).encode()).hexdigest()[:12],
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


class Running:
    """The server in a thread: `with Running(Server()) as server: server.url`."""

    def __init__(self, server: Server, port: int = 0) -> None:
        self.server, self._port = server, port
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None

    def __enter__(self) -> Server:
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self.server

    async def _serve(self) -> None:
        runner = web.AppRunner(self.server.app(), access_log=None, shutdown_timeout=0.1)  # some never answer
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self._port)
        await site.start()
        self.server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        self._stop = asyncio.Event()
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    def __exit__(self, *_: object) -> None:
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--faults", type=float, default=0.0)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--quiet", action="store_true", help="remember no bodies, for long runs")
    parser.add_argument("--forgetful", action="store_true", help="remember nothing, for very long runs")
    options = parser.parse_args()
    server = Server(options.faults, options.latency, quiet=options.quiet, forgetful=options.forgetful)
    with Running(server, options.port) as running:
        print(running.url, flush=True)
        threading.Event().wait()
