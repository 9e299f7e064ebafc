"""What origins ask of robots, and which rights they reserve: asked for once, and again when the answer has grown old."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.crawling import robots
from pipeline.crawling.addresses import host_of
from pipeline.crawling.fetching import ANY, Fetcher

RETRY_SECONDS = (5.0, 30.0)  # between tries of a page
UNREACHABLE_SECONDS = 4.0  # that an origin whose robots.txt could not be had is not asked again
TRANSIENT = ("dns", "connect", "timeout", "broken")
UNREAD = ("refused_address", "bad_url", "bad_scheme")  # a page of such an origin will say so itself


@dataclass(frozen=True, slots=True)
class Rules:
    """What an origin (scheme, host and port) asks."""

    asked: robots.Robots  # by robots.txt
    tdm: robots.TdmRules
    until: float  # monotonic seconds
    why: str = ""  # robots.txt could not be had


class Permissions:
    """`turn(host)` returns when a host may be asked."""

    def __init__(self, fetcher: Fetcher, agent: str, turn: Callable[[str], Awaitable[None]]) -> None:
        self._fetcher, self._agent, self._turn = fetcher, agent, turn
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
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        task = self._rules.get(origin)
        if task is None or (task.done() and task.result().until < time.monotonic()):
            task = self._rules[origin] = asyncio.create_task(self._ask_rules(origin))
        return await asyncio.shield(task)

    async def _ask_rules(self, origin: str) -> Rules:
        await self._turn(host_of(origin))
        got = await self._fetcher.get(f"{origin}/robots.txt", types=ANY, body_bytes=robots.MOST_BYTES)
        if got.reason in UNREAD:
            return Rules(robots.Robots(), robots.TdmRules(), time.monotonic() + robots.HOLDS)
        status = None if got.reason in (*TRANSIENT, "tls", "undecodable", "too_many_headers") else got.status
        found = robots.parse(status, got.body, self._agent, f"{origin}/robots.txt")
        if found.refusal is not None:  # who cannot be reached now is asked again when its pages are tried again
            holds = max(UNREACHABLE_SECONDS, got.retry_after or 0.0) if found.unreachable else found.holds
            return Rules(found, robots.TdmRules(), time.monotonic() + holds, f"{got.reason} {got.detail}")
        address = f"{origin}/.well-known/tdmrep.json"
        await self._turn(host_of(origin))
        said = await self._fetcher.get(address, types=ANY, body_bytes=robots.MOST_BYTES)
        tdm = robots.tdm_file(said.status if said.reason is None else None, said.body, address)
        return Rules(found, tdm, time.monotonic() + found.holds)
