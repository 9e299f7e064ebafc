"""Access to the review server: who may ask, and what binds the browser that does.

On a loopback address anyone may ask whose `Host` names this machine (a web page elsewhere that resolves to it does not); on any
other address who has the token, by a cookie or as a bearer.  What changes something needs a header that only our own page can
send.  Both are made of a secret that stays beside the job, so an open page survives a restart of the server.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import MissingExtra
from pipeline.review.log.judgements import as_name

try:
    from starlette.requests import Request
except ImportError as error:
    raise MissingExtra("the review page", "review") from error

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0  # seconds that a wrong token waits for its answer
_FREE = 5  # wrong ones that wait no longer than the first; then twice as long every time
_MOST_WAITING, _MOST_ADDRESSES = 20, 10_000
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_HEADERS = {
    # Articles and labels are strangers' text: should markup get through, it runs and loads nothing.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def load_secret(folder: Path) -> bytes:
    """Return the secret of a job's review, made at first use; nobody else may read it."""
    path = folder / ".secret"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # O_EXCL: of two servers that start at once one makes it.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    except FileExistsError:
        pass
    return path.read_bytes()


def parse_names(given: Sequence[str]) -> list[str]:
    """Return the names of a login list, without blanks and repetitions."""
    return list(dict.fromkeys(filter(None, map(as_name, given))))


def sign(secret: bytes, what: str, token: str | None) -> str:
    """Return what proves that somebody was let in for `what`."""
    return hmac.new(secret, f"{what}\0{token or ''}".encode(), hashlib.sha256).hexdigest()


def is_secret(given: str, secret: str) -> bool:
    """Return whether a text is the secret, compared in constant time; nothing equals an empty secret."""
    return bool(secret) and hmac.compare_digest(given.encode(), secret.encode())


@dataclass
class _Guesser:
    """Address that tokens come from: its turn, how many wait for it, how many were wrong."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    wrong: int = 0


class Guesses:
    """Tokens by the address that they come from: each waits for its turn, and a wrong one keeps the turn, longer every time.

    So whoever guesses learns of some thousand tokens a day, by however many connections.
    """

    def __init__(self) -> None:
        self._guessers: OrderedDict[str, _Guesser] = OrderedDict()

    async def is_right(self, address: str, given: str, token: str) -> bool | None:
        """Return whether it is the token; None where too many from this address wait for their turn."""
        guesser = self._guessers.setdefault(address, _Guesser())
        self._guessers.move_to_end(address)
        # Else whoever has many addresses could fill the memory.
        if len(self._guessers) > _MOST_ADDRESSES:
            self._guessers.popitem(last=False)
        if guesser.waiting >= _MOST_WAITING:
            return None
        guesser.waiting += 1
        try:
            async with guesser.turn:
                # looked at in its turn only: else many connections at once would find the right one among many
                if is_secret(given, token):
                    guesser.wrong = 0
                    return True
                guesser.wrong += 1
                await asyncio.sleep(min(_FIRST_PAUSE * 2.0 ** max(0, guesser.wrong - _FREE), _LONGEST_PAUSE))
                return False
        finally:
            guesser.waiting -= 1


class AccessMiddleware:
    """Middleware that refuses who may not ask, and adds to every answer the headers that bind the browser.

    What a proxy left of its own path (`root`) is taken off the request's.
    """

    def __init__(self, app: ASGIApp, allowed: Callable[[Request], Awaitable[Response | None]], root: str = "") -> None:
        self._app, self._allowed, self._root = app, allowed, root.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                policy = [(k.lower().encode(), v.encode()) for k, v in _HEADERS.items()]
                message["headers"] = [*message["headers"], *(pair for pair in policy if pair[0] not in present)]
            await send(message)

        if self._root and (scope["path"] + "/").startswith(self._root + "/"):
            scope = {**scope, "path": scope["path"][len(self._root) :] or "/", "raw_path": None}
        refusal = await self._allowed(Request(scope))
        await (refusal or self._app)(scope, receive, with_headers)
