"""What origins ask of robots, and which rights they reserve: asked for once, and again when the answer has grown old."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.crawling import robots
from pipeline.crawling.fetching import ANY, Fetcher

RETRY_SECONDS = (5.0, 30.0)  # between tries, of a page as well
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
    def __init__(self, fetcher: Fetcher, agent: str) -> None:
        self._fetcher, self._agent = fetcher, agent
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
        found, why = robots.Robots(refusal="unreachable"), ""
        for pause in (*RETRY_SECONDS, 0.0):
            got = await self._fetcher.get(f"{origin}/robots.txt", types=ANY, body_bytes=robots.MOST_BYTES)
            if got.reason in UNREAD:
                return Rules(robots.Robots(), robots.TdmRules(), time.monotonic() + robots.HOLDS)
            status = None if got.reason in (*TRANSIENT, "tls", "undecodable", "too_many_headers") else got.status
            found, why = (
                robots.parse(status, got.body, self._agent, f"{origin}/robots.txt"),
                f"{got.reason} {got.detail}",
            )
            if not found.unreachable:
                break
            await asyncio.sleep(pause)
        tdm = robots.TdmRules()
        if not found.unreachable:
            address = f"{origin}/.well-known/tdmrep.json"
            said = await self._fetcher.get(address, types=ANY, body_bytes=robots.MOST_BYTES)
            tdm = robots.tdm_file(said.status if said.reason is None else None, said.body, address)
        return Rules(found, tdm, time.monotonic() + found.holds, why)
