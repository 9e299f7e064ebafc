"""The review page's server: Starlette over a `Desk`, for this machine, or behind a token for others.

Who may ask: on a loopback address anyone whose `Host` names this machine (a web page elsewhere that resolves to it does
not); on any other address who has the token, by a cookie or as a bearer.  What changes something needs a header that only our
own page can send.  Both are made of a secret that stays beside the job, so an open page survives a restart of the server.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader

from pipeline.errors import LabelmillError, MissingExtra
from pipeline.review.desk import Desk
from pipeline.review.judgements import REASONS
from pipeline.text.folding import fold_space

try:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles
except ImportError as error:
    raise MissingExtra("the review page", "review") from error

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

HERE = Path(__file__).parent
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_MOST_BYTES = 4 * 2**20
_WRONG_TOKEN = 0.5  # seconds that a wrong one waits for its answer
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"


@dataclass(frozen=True)
class Front:
    """What the page says of the job.  `reviewers`: the names that may review (null: any); `allowed`: the labels of a closed set;
    `report` makes the report's HTML."""

    job: str
    label: str
    many: bool
    allowed: list[str] | None
    max_phrases: int
    reviewers: list[str] | None
    report: Callable[[], str]


def secret_of(folder: Path) -> bytes:
    """The secret of a job's review, made at first use; nobody else may read it."""
    path = folder / ".secret"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    except FileExistsError:
        pass
    return path.read_bytes()


def create(desk: Desk, front: Front, secret: bytes, token: str | None) -> Starlette:
    """The application.  Without a token it answers this machine only."""
    pages = _Pages(desk, front, secret, token)
    routes = [
        Route("/", pages.page),
        Route("/login", pages.login, methods=["GET", "POST"]),
        Route("/report", pages.report),
        Route("/api/queue", pages.queue),
        Route("/api/history", pages.history),
        Route("/api/figures", pages.figures),
        Route("/api/judgements", pages.judgements, methods=["POST"]),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
    app = Starlette(routes=routes, exception_handlers={LabelmillError: _told, Exception: _told})
    app.add_middleware(_Guard, allowed=pages.may_ask)
    return app


def _sign(secret: bytes, what: str, token: str | None) -> str:
    return hmac.new(secret, f"{what}\0{token or ''}".encode(), hashlib.sha256).hexdigest()


class _Guard:
    """Every answer with the headers that bind the browser; none at all for who may not ask."""

    def __init__(self, app: ASGIApp, allowed: Callable[[Request], Response | None]) -> None:
        self._app, self._allowed = app, allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                more = [(k.lower().encode(), v.encode()) for k, v in _HEADERS.items()]
                message["headers"] = [*message["headers"], *(pair for pair in more if pair[0] not in there)]
            await send(message)

        refusal = self._allowed(Request(scope))
        await (refusal or self._app)(scope, receive, with_headers)


class _Pages:
    def __init__(self, desk: Desk, front: Front, secret: bytes, token: str | None) -> None:
        self._desk, self._front, self._token = desk, front, token
        # the desk serves one at a time, and each thread that read articles keeps some MB; a report must not hold it up
        self._desk_thread, self._report_thread = ThreadPoolExecutor(1, "desk"), ThreadPoolExecutor(1, "report")
        self._csrf, self._session = _sign(secret, "csrf", token), _sign(secret, "session", token)
        self._storage = _sign(secret, "storage", None)[:12]  # two jobs of one name may share a browser; tokens change
        name = hashlib.sha256(self._session.encode()).hexdigest()[:8]
        self._cookie = f"labelmill_{name}"  # one for each job: browsers share cookies between ports
        self._templates = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True)

    async def _at_desk(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """The outcome of work that takes a while; the server goes on answering."""
        return await asyncio.get_running_loop().run_in_executor(self._desk_thread, work, *arguments)

    # --- who may ask ---

    def may_ask(self, request: Request) -> Response | None:
        """None, or the refusal."""
        if self._token is None:
            host = request.url.hostname or ""
            return None if host in LOOPBACK else _error(403, f"this server answers {LOOPBACK[0]} only, not {host!r}")
        path = request.url.path
        if path == "/login" or path.startswith("/static/") or self._is_known(request):
            return None
        if path == "/":
            return RedirectResponse("/login", 303)
        return _error(401, "no token: open the page again and log in")

    def _is_known(self, request: Request) -> bool:
        cookie = request.cookies.get(self._cookie, "")
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        return _same(cookie, self._session) or _same(bearer, self._token or "")

    async def login(self, request: Request) -> Response:
        ui, wrong = _ui(request), False
        if self._token is None:
            return RedirectResponse("/", 303)
        if request.method == "POST":
            form = await _form(request)
            if _same(form.get("token", ""), self._token):
                answer = RedirectResponse("/", 303)
                answer.set_cookie(
                    self._cookie, self._session, httponly=True, samesite="strict", secure=request.url.scheme == "https"
                )
                return answer
            wrong = True
            await asyncio.sleep(_WRONG_TOKEN)
        page = self._templates.get_template("login.html").render(ui=ui, error=wrong)
        return HTMLResponse(page, 401 if wrong else 200)

    # --- pages ---

    async def page(self, request: Request) -> Response:
        reviewer = self._reviewer(request.query_params.get("reviewer"))
        left = await self._at_desk(self._desk.left, reviewer or "")
        lane = request.query_params.get("lane", "")
        settings = {
            "job": self._front.job,
            "reviewer": reviewer,
            "reviewers": self._front.reviewers,
            "lane": lane if lane in left else next(iter(left)),
            "lanes": [{"name": name, "left": count} for name, count in left.items()],
            "csrf": self._csrf,
            "storage": self._storage,
            "ui": _ui(request),
            "label": self._front.label,
            "many": self._front.many,
            "allowed": self._front.allowed,
            "max_phrases": self._front.max_phrases,
            "model": self._desk.model,
            "reasons": [reason for reason in REASONS if reason != "edited"],
        }
        return HTMLResponse(self._templates.get_template("page.html").render(settings=settings))

    async def report(self, request: Request) -> Response:
        html = await asyncio.get_running_loop().run_in_executor(self._report_thread, self._front.report)
        return HTMLResponse(html, headers={"Content-Security-Policy": _REPORT_POLICY})

    # --- data ---

    async def queue(self, request: Request) -> Response:
        asked = request.query_params
        reviewer, lane = self._reviewer(asked.get("reviewer")), asked.get("lane", "audit")
        if not reviewer:
            return _error(403, "no reviewer of that name", kind="reviewer")
        left = await self._at_desk(self._desk.left, reviewer)
        if lane not in left:
            return _error(404, f"no lane {lane!r} here; there are: {', '.join(left)}")
        have = [text for text in asked.get("have", "").split(",") if len(text) == 64 and _is_hex(text)]
        cards = await self._at_desk(self._desk.next, reviewer, lane, _count(asked.get("n"), 8), have)
        short = await self._at_desk(self._desk.short)
        return JSONResponse({"articles": cards, "left": left[lane], "figures": short})

    async def history(self, request: Request) -> Response:
        asked = request.query_params
        reviewer = self._reviewer(asked.get("reviewer"))
        if not reviewer:
            return _error(403, "no reviewer of that name", kind="reviewer")
        count = _count(asked.get("n"), 10)
        found = await self._at_desk(self._desk.history, reviewer, asked.get("before", ""), count)
        return JSONResponse({"judgements": found})

    async def figures(self, request: Request) -> Response:
        return JSONResponse(await self._at_desk(self._desk.figures))

    async def judgements(self, request: Request) -> Response:
        if not _same(request.headers.get("x-csrf-token", ""), self._csrf):
            return _error(403, "not from this page: open it again")
        try:
            body = json.loads(await _body(request))
            reviewer, sent = self._reviewer(body["reviewer"]), body["judgements"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return _error(400, "no judgements in this request")
        if not reviewer or not isinstance(sent, list):
            return _error(403, "no reviewer of that name", kind="reviewer")
        stored, refused = await self._at_desk(self._desk.store, reviewer, sent)
        left = await self._at_desk(self._desk.left, reviewer)
        short = await self._at_desk(self._desk.short)
        return JSONResponse({"stored": stored, "refused": refused, "left": left, "figures": short})

    def _reviewer(self, given: Any) -> str | None:
        name = fold_space(given if isinstance(given, str) else "").encode(errors="replace").decode()[:80]
        return name if name and (self._front.reviewers is None or name in self._front.reviewers) else None


# --- small helpers ---


def _told(request: Request, error: Exception) -> Response:
    """One line for the person, as on the command line."""
    what = str(error) if isinstance(error, LabelmillError) else f"{type(error).__name__}: {error}"
    return _error(500, " ".join(what.split())[:500])


def _same(given: str, wanted: str) -> bool:
    return bool(wanted) and hmac.compare_digest(given.encode(), wanted.encode())


def _error(status: int, text: str, **more: str) -> Response:
    return JSONResponse({"error": text, **more}, status)


def _ui(request: Request) -> str:
    wanted = request.query_params.get("ui") or request.headers.get("accept-language", "")
    return "ko" if wanted.lower().startswith("ko") else "en"


def _count(given: str | None, default: int) -> int:
    return min(max(int(given), 1), 50) if given and given.isdecimal() and len(given) < 4 else default


def _is_hex(text: str) -> bool:
    return not set(text) - set("0123456789abcdef")


async def _body(request: Request) -> bytes:
    """At most 4 MiB of it.  Raises ValueError beyond."""
    parts, size = list[bytes](), 0
    async for part in request.stream():
        size += len(part)
        if size > _MOST_BYTES:
            raise ValueError("too large")
        parts.append(part)
    return b"".join(parts)


async def _form(request: Request) -> dict[str, str]:
    from urllib.parse import parse_qsl

    try:
        return dict(parse_qsl((await _body(request)).decode()))
    except ValueError:
        return {}


def names_of(given: Sequence[str]) -> list[str]:
    """The names of a login list, without blanks and repetitions."""
    return list(dict.fromkeys(filter(None, map(fold_space, given))))
