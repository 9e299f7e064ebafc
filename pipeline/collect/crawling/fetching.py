"""One GET: redirects followed by hand, limits on size and time, and a result that is a value whatever the server does.

Proxies of the environment are not used: a proxy resolves names itself, so the guard would not see the address that is connected
to.  No cookies are kept, TLS certificates are verified, user names in URLs are dropped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from pipeline.collect import compression
from pipeline.collect.crawling import response as responses
from pipeline.collect.crawling.memory_budget import FREE_BYTES, MemoryLease
from pipeline.collect.crawling.response import FetchResult, Unusable, printable
from pipeline.collect.crawling.ssrf_guard import SsrfGuard, is_loopback

__all__ = ["ANY", "HTML", "FetchLimits", "FetchResult", "Fetcher", "MayFollow"]

HTML = frozenset({"text/html", "application/xhtml+xml"})
ANY: frozenset[str] = frozenset()  # every content type
DRAIN_BYTES = 2**16  # at most of an unwanted body, read so that its connection can be used again
# A new connection costs a handshake or two; a server that trickles its error page costs more.
DRAIN_SECONDS = 1.0
MAX_HEADER_BYTES = 2**14  # bytes of one header; 128 of them is aiohttp's own limit
BUFFER = 2**16  # bytes; aiohttp holds up to twice that unread

MayFollow = Callable[[str], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Limits of one `get`: bytes of its body (decoded, and encoded), seconds of all hops and of one connect, redirects."""

    body_bytes: int = 20 * 2**20
    seconds: float = 30.0
    connect_seconds: float = 10.0
    redirects: int = 5


class Fetcher:
    """An HTTP client: `async with Fetcher("mybot/1.0 (+https://...)") as fetcher: await fetcher.get(url)`.

    How many requests run at once, and how many to a host, is the caller's business.  `types` are the content types that
    are accepted; a body without one is sniffed.  `resolver` resolves names in place of the system.
    Without `strangers` no host but this machine is asked: the crawl names no contact (reason `no_contact`).
    """

    def __init__(
        self,
        user_agent: str,
        guard: SsrfGuard | None = None,
        *,
        types: Collection[str] = HTML,
        limits: FetchLimits | None = None,
        resolver: AbstractResolver | None = None,
        strangers: bool = True,
    ) -> None:
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": compression.codings()}
        self._guard, self._types, self._limits = guard or SsrfGuard(), types, limits or FetchLimits()
        self._resolver, self._strangers = resolver, strangers
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Fetcher:
        self._sessions = {trusted: self._session(trusted) for trusted in (False, True)}
        return self

    async def __aexit__(self, *_: object) -> None:
        for session in self._sessions.values():
            await session.close()

    def _session(self, trusted: bool) -> aiohttp.ClientSession:
        """Return a session: a trusted one for hosts that the job allows by name, whatever their addresses, else a guarded one."""
        connector = aiohttp.TCPConnector(
            # How many connections there are is the crawler's business (`connections`, `per_host`).
            limit=0,
            ttl_dns_cache=300,
            resolver=self._resolver,
            socket_factory=None if trusted else self._guard.open_socket,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._limits.connect_seconds),
            auto_decompress=False,  # it would undo a whole chunk at once
            trust_env=False,
            max_field_size=MAX_HEADER_BYTES,
            read_bufsize=BUFFER,
        )
        # Where a kept-alive connection breaks, aiohttp would retry at once; the crawler retries at the host's pace.
        session._retry_connection = False
        return session

    async def get(
        self,
        url: str,
        etag: str | None = None,
        last_modified: str | None = None,
        given_by: str | None = None,
        types: Collection[str] | None = None,
        may_follow: MayFollow | None = None,
        body_bytes: int | None = None,
        lease: MemoryLease | None = None,
    ) -> FetchResult:
        """Fetch a URL; raises nothing that a server or a URL could cause.

        `etag` and `last_modified` are an earlier 200's validators, for which a 304 may come; they are sent to no address but the
        one that gave them (`given_by`; None: `url`), for another page may have the same.  `types` and `body_bytes` replace the
        fetcher's.  `may_follow` returns for each redirect's target None or a reason not to follow; it may take its time
        (robots.txt, the host's pace).  A long body waits for memory from `lease`, which the caller releases.
        """
        limit = self._limits.body_bytes if body_bytes is None else body_bytes
        wanted = _Wanted(self._types if types is None else types, limit, body_bytes is None, lease)
        conditions = {given_by or url: _conditions(etag, last_modified)}
        answer = await self._hop(url, conditions.get(url, {}), wanted, self._limits.seconds)
        hops, seconds = [url], answer.seconds
        while (target := responses.target(answer)) is not None:
            hops.append(target)
            if refusal := await self._not_followed(hops, may_follow):
                answer = replace(answer, reason=refusal[0], detail=refusal[1])
                break
            # All hops share one allowance of time: each with its own would let a chain of slow redirects hold a slot for
            # minutes.
            answer = await self._hop(target, conditions.get(target, {}), wanted, self._limits.seconds - seconds)
            seconds += answer.seconds
        return replace(answer, url=url, final_url=hops[-1], hops=tuple(hops[1:]), seconds=seconds)

    async def _not_followed(self, hops: list[str], may_follow: MayFollow | None) -> tuple[str, str] | None:
        """Return (reason, detail) where the last of `hops` must not be requested, else None."""
        *before, target = hops
        if target in before:
            return "redirect_loop", target
        if len(before) > self._limits.redirects:
            return "too_many_redirects", f"more than {self._limits.redirects}"
        try:
            self._checked(target)
        except Unusable as error:
            return error.reason, error.detail
        reason = await may_follow(target) if may_follow else None
        return (reason, target) if reason else None

    def _checked(self, url: str) -> URL:
        """Return the URL in the form that is requested.  Raises Unusable."""
        try:
            address = URL(url).with_fragment(None)
            scheme, host, _ = address.scheme, address.raw_host, address.port
        except ValueError as error:
            raise Unusable("bad_url", printable(f"{url[:200]}: {error}")) from error
        if scheme not in ("http", "https"):
            raise Unusable("bad_scheme" if scheme else "bad_url", printable(url[:200]))
        if not host:
            raise Unusable("bad_url", printable(url[:200]))
        if why := self._guard.host_refusal(host):
            raise Unusable("refused_address", f"{host} is {why}")
        if not self._strangers and not is_loopback(host):
            raise Unusable("no_contact", f"{host} is asked only where the job names a contact")
        return address.with_user(None) if address.raw_user or address.raw_password else address

    async def _hop(self, url: str, conditions: dict[str, str], wanted: _Wanted, seconds: float) -> FetchResult:
        """Make one request, without redirects; never raises."""
        started = time.monotonic()
        head = FetchResult(url, url)
        body, reason, detail = b"", None, ""
        try:
            address = self._checked(url)
            session = self._sessions[self._guard.trusts(address.raw_host or "")]
            async with (
                asyncio.timeout(seconds) as clock,
                session.get(address, headers=wanted.accept | conditions, allow_redirects=False) as response,
            ):
                head = responses.head(url, response)
                body = await _body(response, wanted, clock, conditional=bool(conditions))
        except Unusable as error:
            body, reason, detail = error.body, error.reason, error.detail
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: what cannot be sent, or decoded
            reason, detail = responses.classify(error)
        return replace(head, body=body, reason=reason, detail=detail, seconds=time.monotonic() - started)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Bodies that a request accepts."""

    types: Collection[str]
    body_bytes: int
    is_page: bool  # else the head of a longer body is of use, such as the first 500 kB of a robots.txt
    lease: MemoryLease | None

    @property
    def accept(self) -> dict[str, str]:
        return {"Accept": ", ".join([*sorted(self.types), "*/*;q=0.1"]) if self.types else "*/*"}


def _conditions(etag: str | None, last_modified: str | None) -> dict[str, str]:
    validators = {"If-None-Match": etag, "If-Modified-Since": last_modified}
    return {name: value for name, value in validators.items() if value and value.isascii() and value.isprintable()}


async def _body(
    response: aiohttp.ClientResponse, wanted: _Wanted, clock: asyncio.Timeout, *, conditional: bool
) -> bytes:
    """Return the decoded body of a response.  Raises Unusable for whatever is not a body to use."""
    # A 304 that nobody asked for is no answer, and falls through to the statuses below.
    if response.status == 304 and conditional:
        return b""
    if response.status != 200:
        await _drain(response)
        raise Unusable(f"http_{response.status}", printable(response.reason or ""))
    kind = responses.content_type(response.headers)
    if kind and wanted.types and kind not in wanted.types:
        raise Unusable("wrong_type", kind)
    if wanted.is_page and (response.content_length or 0) > wanted.body_bytes:
        raise Unusable("too_large", f"{response.content_length} bytes announced")
    body = await _read(response, wanted, clock, sniff=bool(wanted.types) and not kind)
    if wanted.lease is not None:
        wanted.lease.shrink(len(body))
    return body


async def _read(response: aiohttp.ClientResponse, wanted: _Wanted, clock: asyncio.Timeout, *, sniff: bool) -> bytes:
    """Read and decode a body piece by piece, within its limits.  Raises Unusable."""
    limit, received = wanted.body_bytes, 0
    text = bytearray()
    try:
        decoder = compression.decoder(", ".join(response.headers.getall("Content-Encoding", ())))
        while data := await response.content.readany():
            received += len(data)
            # Decoded within what is left of the limit, so a bomb costs its limit and not its size.
            for piece in decoder.feed(data, limit - len(text)) if decoder else (data,):
                text += piece
                if len(text) > FREE_BYTES and wanted.lease is not None:
                    await _acquire(wanted.lease, limit, clock)
            if len(text) > limit or received > limit:
                raise Unusable("too_large", f"more than {limit} bytes", bytes(text[:limit]))
            if sniff and len(text) >= responses.SNIFFED_BYTES:
                _check_sniffed(text, wanted.types)
                sniff = False
        if decoder:
            decoder.finish()
    except compression.Undecodable as error:
        raise Unusable("undecodable", printable(str(error))) from error
    if sniff:
        _check_sniffed(text, wanted.types)
    return bytes(text)


async def _acquire(lease: MemoryLease, count: int, clock: asyncio.Timeout) -> None:
    """Acquire memory with the request's clock stopped: that wait is not the server's time."""
    until, started = clock.when(), time.monotonic()
    clock.reschedule(None)
    await lease.acquire(count)
    clock.reschedule(None if until is None else until + time.monotonic() - started)


def _check_sniffed(text: bytearray, types: Collection[str]) -> None:
    if not any(kind in types for kind in responses.sniffed(bytes(text[: responses.SNIFFED_BYTES]))):
        raise Unusable("wrong_type", f"no content type, and it does not look like {' or '.join(sorted(types))}")


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read a short unwanted body, so that the connection can be used again; a long or slow one is cut off by closing it."""
    if (response.content_length or 0) > DRAIN_BYTES:
        return
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(DRAIN_SECONDS):
            left = DRAIN_BYTES
            while left > 0 and (data := await response.content.readany()):
                left -= len(data)
