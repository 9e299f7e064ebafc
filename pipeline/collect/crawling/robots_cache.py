"""What origins ask of robots, and which rights they reserve: asked for once, and again when the answer has grown old."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.collect.crawling import robots
from pipeline.collect.crawling.fetching import ANY, Fetcher
from pipeline.collect.urls import host_of, normal

RETRY_SECONDS = (5.0, 30.0)  # between tries of a page
UNREACHABLE_SECONDS = 4.0  # that an origin whose robots.txt could not be had is not asked again
TRANSIENT = ("dns", "connect", "timeout", "broken")
UNREAD = ("refused_address", "bad_url", "bad_scheme", "no_contact")  # a page of such an origin will say so itself


@dataclass(frozen=True, slots=True)
class Rules:
    """What an origin (scheme, host and port) asks."""

    asked: robots.Robots  # by robots.txt
    tdm: robots.TdmRules
    until: float  # monotonic seconds
    why: str = ""  # robots.txt could not be had


class Permissions:
    """`turn(host)` returns when a host may be asked; `ended(host, delay)` hears that it was, and how slow it wants us."""

    def __init__(
        self,
        fetcher: Fetcher,
        agent: str,
        turn: Callable[[str], Awaitable[None]],
        ended: Callable[[list[str], float | None], None],
    ) -> None:
        self._fetcher, self._agent, self._turn, self._ended = fetcher, agent, turn, ended
        self._rules: dict[str, asyncio.Task[Rules]] = {}  # by origin

    async def refusal(self, url: str) -> str | None:
        """Why a URL must not be asked, or None."""
        asked = (await self.of(url)).asked
        return None if asked.allowed(url) else f"robots_{asked.refusal or 'disallowed'}"

    def give_up(self) -> None:
        for task in self._rules.values():
            task.cancel()

    async def of(self, url: str) -> Rules:
        """Asked once for an origin, and again when the answer has grown old."""
        parts = urlsplit(normal(url) or url)  # user names and default ports make no other origin
        origin = f"{parts.scheme}://{parts.netloc}"
        task = self._rules.get(origin)
        if task is None or (task.done() and task.result().until < time.monotonic()):
            task = self._rules[origin] = asyncio.create_task(self._ask_rules(origin))
        return await asyncio.shield(task)

    async def _ask_rules(self, origin: str) -> Rules:
        host = host_of(origin)
        await self._turn(host)
        got = await self._fetcher.get(f"{origin}/robots.txt", types=ANY, body_bytes=robots.MOST_BYTES)
        if got.reason in UNREAD and not got.hops:
            return Rules(robots.Robots(), robots.TdmRules(), time.monotonic() + robots.HOLDS)
        status = None if got.reason in (*TRANSIENT, "tls", "undecodable", "too_many_headers") else got.status
        found = robots.parse(status, got.body, self._agent, f"{origin}/robots.txt")
        self._ended([host], None if found.refusal else found.delay or 0.0)
        if found.refusal is not None:  # who cannot be reached now is asked again when its pages are tried again
            holds = max(UNREACHABLE_SECONDS, got.retry_after or 0.0) if found.unreachable else found.holds
            return Rules(found, robots.TdmRules(), time.monotonic() + holds, f"{got.reason} {got.detail}")
        address = f"{origin}/.well-known/tdmrep.json"
        await self._turn(host)
        said = await self._fetcher.get(address, types=ANY, body_bytes=robots.MOST_BYTES)
        self._ended([host], None)
        tdm = robots.tdm_file(said.status if said.reason is None else None, said.body, address)
        return Rules(found, tdm, time.monotonic() + found.holds)
