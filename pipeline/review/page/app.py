"""The review page's server: Starlette over a `ReviewService`.  Who may ask: `access`; what a reviewer may know: `service`."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from pipeline.core.errors import LabelmillError, MissingExtra
from pipeline.review.log.judgements import REASONS, as_name
from pipeline.review.page.access import LOOPBACK, AccessMiddleware, Guesses, is_secret, sign
from pipeline.review.page.intake import RefusedJudgement
from pipeline.review.page.service import ReviewService

try:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles
except ImportError as error:
    raise MissingExtra("the review page", "review") from error

HERE = Path(__file__).parent
_MOST_BYTES = 4 * 2**20
_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"


@dataclass(frozen=True)
class PageSettings:
    """Settings of the page for one job.  `reviewers`: the names that may review (None: any); `allowed`: the labels of a closed
    set; `is_json`: a label is JSON; `report` makes the report's HTML of the figures that its reader may know; `root`: the path at
    which a proxy shows the page ("": it is not known, and addresses are relative)."""

    job: str
    label: str
    many: bool
    allowed: list[str] | None
    is_json: bool
    max_phrases: int
    reviewers: list[str] | None
    report: Callable[[dict[str, Any]], str]
    root: str = ""
    guidelines: str = ""  # what the job tells its reviewers


def create(service: ReviewService, settings: PageSettings, secret: bytes, token: str | None) -> Starlette:
    """Return the ASGI application.  Without a token it answers this machine only."""
    pages = _Pages(service, settings, secret, token)
    routes = [
        Route("/", pages.page),
        Route("/login", pages.login, methods=["GET", "POST"]),
        Route("/report", pages.report),
        Route("/api/queue", pages.queue),
        Route("/api/history", pages.history),
        Route("/api/noted", pages.noted),
        Route("/api/search", pages.search),
        Route("/api/article", pages.article, methods=["POST"]),
        Route("/api/here", pages.here, methods=["POST"]),
        Route("/api/figures", pages.figures),
        Route("/api/check", pages.check, methods=["POST"]),
        Route("/api/reveal", pages.reveal, methods=["POST"]),
        Route("/api/judgements", pages.judgements, methods=["POST"]),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
    app = Starlette(routes=routes, exception_handlers={LabelmillError: _error_line, Exception: _error_line})
    app.add_middleware(AccessMiddleware, allowed=pages.may_ask, root=settings.root)
    return app


class _Pages:
    def __init__(self, service: ReviewService, settings: PageSettings, secret: bytes, token: str | None) -> None:
        self._service, self._settings, self._token = service, settings, token
        # the service takes one call at a time, and each thread that read articles keeps some MB; a report must not hold it up
        self._service_thread, self._report_thread = ThreadPoolExecutor(1, "service"), ThreadPoolExecutor(1, "report")
        self._search_thread = ThreadPoolExecutor(1, "search")
        self._csrf, self._session = sign(secret, "csrf", token), sign(secret, "session", token)
        # two jobs of one name may share a browser; tokens change
        self._storage = sign(secret, "storage", None)[:12]
        name = hashlib.sha256(self._session.encode()).hexdigest()[:8]
        self._cookie = f"labelmill_{name}"  # one for each job: browsers share cookies between ports
        self._guesses = Guesses()
        self._root = f"{settings.root.rstrip('/')}/" if settings.root.strip("/") else ""
        self._templates = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True)

    async def _in_service_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Run work that takes a while in the service's thread; the server goes on answering."""
        return await asyncio.get_running_loop().run_in_executor(self._service_thread, work, *arguments)

    # --- who may ask ---

    async def may_ask(self, request: Request) -> Response | None:
        """Return None, or the response that refuses the request."""
        if self._token is None:
            host = request.url.hostname or ""
            return None if host in LOOPBACK else _error(403, f"this server answers {LOOPBACK[0]} only, not {host!r}")
        path = request.url.path
        if path == "/login" or path.startswith("/static/"):
            return None
        if is_secret(request.cookies.get(self._cookie, ""), self._session):
            return None
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer":  # another scheme is that of a proxy before this server, and no guess
            right = await self._guess(request, token)
            return (
                None
                if right
                else _error(429, "too many wrong tokens; wait")
                if right is None
                else _error(401, "wrong token")
            )
        if path == "/":
            return self._to("login")
        return _error(401, "no token: open the page again and log in")

    async def _guess(self, request: Request, given: str) -> bool | None:
        address = request.client.host if request.client else ""
        return await self._guesses.is_right(address, given, self._token or "")

    def _to(self, page: str) -> Response:
        return RedirectResponse(f"{self._root}{page}" or "./", 303)

    async def login(self, request: Request) -> Response:
        ui, status = _ui(request), 200
        if self._token is None:
            return self._to("")
        if request.method == "POST":
            form = await _form(request)
            right = await self._guess(request, form.get("token", ""))
            if right:
                answer = self._to("")
                answer.set_cookie(
                    self._cookie, self._session, httponly=True, samesite="strict", secure=request.url.scheme == "https"
                )
                return answer
            status = 429 if right is None else 401
        page = self._templates.get_template("login.html").render(ui=ui, status=status, root=self._root)
        return HTMLResponse(page, status)

    # --- pages ---

    async def page(self, request: Request) -> Response:
        reviewer = self._reviewer(request.query_params.get("reviewer"))
        left = await self._in_service_thread(self._service.left, reviewer or "")
        lane = request.query_params.get("lane", "")
        settings = {
            "job": self._settings.job,
            "reviewer": reviewer,
            "reviewers": self._settings.reviewers,
            "lane": lane if lane in left else next(iter(left)),
            "lanes": [{"name": name, "left": count} for name, count in left.items()],
            "csrf": self._csrf,
            "storage": self._storage,
            "ui": _ui(request),
            "label": self._settings.label,
            "many": self._settings.many,
            "allowed": self._settings.allowed,
            "json": self._settings.is_json,
            "max_phrases": self._settings.max_phrases,
            "model": self._service.model,
            "reasons": [reason for reason in REASONS if reason != "edited"],
            "root": self._root,
            "guidelines": self._settings.guidelines,
        }
        return HTMLResponse(self._templates.get_template("page.html").render(settings=settings, root=self._root))

    async def report(self, request: Request) -> Response:
        figures = await self._in_service_thread(
            self._service.figures, self._reviewer(request.query_params.get("reviewer")) or ""
        )
        html = await asyncio.get_running_loop().run_in_executor(self._report_thread, self._settings.report, figures)
        return HTMLResponse(html, headers={"Content-Security-Policy": _REPORT_POLICY})

    # --- data ---

    async def queue(self, request: Request) -> Response:
        query = request.query_params
        reviewer, lane = self._reviewer(query.get("reviewer")), query.get("lane", "audit")
        if not reviewer:
            return _error(403, "no reviewer of that name", kind="reviewer")
        left = await self._in_service_thread(self._service.left, reviewer)
        if lane not in left:
            return _error(404, f"no lane {lane!r} here; there are: {', '.join(left)}")
        have = [text for text in query.get("have", "").split(",") if len(text) == 64 and _is_hex(text)]
        items = await self._in_service_thread(self._service.next, reviewer, lane, _count(query.get("n"), 8), have)
        short = await self._in_service_thread(self._service.short, reviewer)
        return JSONResponse({"articles": items, "left": left[lane], "figures": short})

    async def history(self, request: Request) -> Response:
        query = request.query_params
        reviewer = self._reviewer(query.get("reviewer"))
        if not reviewer:
            return _error(403, "no reviewer of that name", kind="reviewer")
        count = _count(query.get("n"), 10)
        entries = await self._in_service_thread(self._service.history, reviewer, query.get("before", ""), count)
        return JSONResponse({"judgements": entries})

    async def noted(self, request: Request) -> Response:
        reviewer = self._reviewer(request.query_params.get("reviewer"))
        if not reviewer:
            return _error(403, "no reviewer of that name", kind="reviewer")
        return JSONResponse({"judgements": await self._in_service_thread(self._service.noted, reviewer)})

    async def search(self, request: Request) -> Response:
        reviewer = self._reviewer(request.query_params.get("reviewer"))
        if not reviewer:
            return _error(403, "no reviewer of that name", kind="reviewer")
        words = request.query_params.get("q", "")
        # not in the service's thread: it reads all articles, and nobody's next one must wait for that
        results = await asyncio.get_running_loop().run_in_executor(
            self._search_thread, self._service.search, reviewer, words
        )
        return JSONResponse({"articles": results})

    async def article(self, request: Request) -> Response:
        """Answer with an article that the reviewer chose."""
        return await self._one_article(request, self._service.article)

    async def here(self, request: Request) -> Response:
        """Note that a page is open, or was closed."""
        reviewer, body = await self._sent(request, "open")
        if isinstance(body, Response):
            return body
        await self._in_service_thread(self._service.presence, reviewer, bool(body["open"]))
        return JSONResponse({})

    async def figures(self, request: Request) -> Response:
        reader = self._reviewer(request.query_params.get("reviewer")) or ""
        return JSONResponse(await self._in_service_thread(self._service.figures, reader))

    async def check(self, request: Request) -> Response:
        """Answer with the task's own word for a label, null where it is none."""
        _, body = await self._sent(request, "label")
        if isinstance(body, Response):
            return body
        return JSONResponse({"label": await self._in_service_thread(self._service.check, str(body["label"]))})

    async def reveal(self, request: Request) -> Response:
        """Answer with the label of a blind article, once what its reviewer wrote is stored."""
        return await self._one_article(request, self._service.reveal)

    async def _one_article(self, request: Request, give: Callable[[str, Any], dict[str, Any]]) -> Response:
        reviewer, body = await self._sent(request, "key")
        if isinstance(body, Response):
            return body
        try:
            return JSONResponse(await self._in_service_thread(give, reviewer, body))
        except RefusedJudgement as error:
            return _error(400, str(error))

    async def judgements(self, request: Request) -> Response:
        reviewer, body = await self._sent(request, "judgements")
        if isinstance(body, Response):
            return body
        if not isinstance(body["judgements"], list):
            return _error(400, "judgements are no list")
        stored, refused = await self._in_service_thread(self._service.store, reviewer, body["judgements"])
        left = await self._in_service_thread(self._service.left, reviewer)
        short = await self._in_service_thread(self._service.short, reviewer)
        return JSONResponse({"stored": stored, "refused": refused, "left": left, "figures": short})

    async def _sent(self, request: Request, what: str) -> tuple[str, Any]:
        """Return the sender and the body, which has `what`; in the body's place a response where that is missing or forbidden."""
        if not is_secret(request.headers.get("x-csrf-token", ""), self._csrf):
            return "", _error(403, "not from this page: open it again")
        try:
            body = json.loads(await _body(request))
            reviewer, _ = self._reviewer(body["reviewer"]), body[what]
        except (ValueError, KeyError, TypeError, RecursionError):
            return "", _error(400, f"no {what} in this request")
        return (reviewer, body) if reviewer else ("", _error(403, "no reviewer of that name", kind="reviewer"))

    def _reviewer(self, sent: Any) -> str | None:
        name = as_name(sent if isinstance(sent, str) else "").encode(errors="replace").decode()[:80]
        return name if name and (self._settings.reviewers is None or name in self._settings.reviewers) else None


# --- small helpers ---


def _error_line(request: Request, error: Exception) -> Response:
    """Answer any failure with one line for the person, as on the command line."""
    what = str(error) if isinstance(error, LabelmillError) else f"{type(error).__name__}: {error}"
    return _error(500, " ".join(what.split())[:500])


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
    """Read a request's body, at most 4 MiB.  Raises ValueError beyond."""
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
