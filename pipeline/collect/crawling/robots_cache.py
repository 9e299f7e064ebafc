"""Cache of each origin's robots.txt and TDM reservations, fetched once and again when the answer has expired."""

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
UNREACHABLE_SECONDS = 4.0  # until an origin whose robots.txt could not be fetched is asked again
TRANSIENT = ("dns", "connect", "timeout", "broken")
# there is no robots.txt to fetch: a page of that origin fails with this reason itself
UNREAD = ("refused_address", "bad_url", "bad_scheme", "no_contact")


@dataclass(frozen=True, slots=True)
class OriginRules:
    """Rules of one origin (scheme, host and port)."""

    robots_txt: robots.Robots
    tdm: robots.TdmRules
    expires_at: float  # monotonic seconds
    failure: str = ""  # why robots.txt could not be fetched


class RobotsCache:
    """Rules by origin.

    `wait_turn(host)` returns when a request to the host may start; `request_ended(hosts, delay)` is called after it, with the
    seconds that robots.txt asks for between two requests, or None.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        agent: str,
        wait_turn: Callable[[str], Awaitable[None]],
        request_ended: Callable[[list[str], float | None], None],
    ) -> None:
        self._fetcher, self._agent, self._wait_turn, self._request_ended = fetcher, agent, wait_turn, request_ended
        self._tasks_by_origin: dict[str, asyncio.Task[OriginRules]] = {}

    async def refusal(self, url: str) -> str | None:
        """Return why a URL must not be requested, as a reason that begins with `robots_`, or None."""
        robots_txt = (await self.rules_of(url)).robots_txt
        return None if robots_txt.allowed(url) else f"robots_{robots_txt.refusal or 'disallowed'}"

    def give_up(self) -> None:
        """Cancel the requests that are under way."""
        for task in self._tasks_by_origin.values():
            task.cancel()

    async def rules_of(self, url: str) -> OriginRules:
        """Return the rules of a URL's origin, fetched once for all that wait for them, and again when they have expired."""
        # without user names and default ports, which make no other origin
        parts = urlsplit(normal(url) or url)
        origin = f"{parts.scheme}://{parts.netloc}"
        task = self._tasks_by_origin.get(origin)
        if task is None or (task.done() and task.result().expires_at < time.monotonic()):
            task = self._tasks_by_origin[origin] = asyncio.create_task(self._fetch_rules(origin))
        return await asyncio.shield(task)

    async def _fetch_rules(self, origin: str) -> OriginRules:
        host = host_of(origin)
        await self._wait_turn(host)
        answer = await self._fetcher.get(f"{origin}/robots.txt", types=ANY, body_bytes=robots.MAX_BYTES)
        if answer.reason in UNREAD and not answer.hops:
            return OriginRules(robots.Robots(), robots.TdmRules(), time.monotonic() + robots.HOLD_SECONDS)
        status = None if answer.reason in (*TRANSIENT, "tls", "undecodable", "too_many_headers") else answer.status
        robots_txt = robots.parse(status, answer.body, self._agent, f"{origin}/robots.txt")
        self._request_ended([host], None if robots_txt.refusal else robots_txt.delay or 0.0)
        if robots_txt.refusal is not None:  # held briefly, so that a retry of its pages asks again
            holds = max(UNREACHABLE_SECONDS, answer.retry_after or 0.0) if robots_txt.unreachable else robots_txt.holds
            return OriginRules(
                robots_txt, robots.TdmRules(), time.monotonic() + holds, f"{answer.reason} {answer.detail}"
            )
        address = f"{origin}/.well-known/tdmrep.json"
        if not robots_txt.allowed(address):  # it is a request like any other
            return OriginRules(robots_txt, robots.TdmRules(), time.monotonic() + robots_txt.holds)
        await self._wait_turn(host)
        tdm_answer = await self._fetcher.get(address, types=ANY, body_bytes=robots.MAX_BYTES)
        self._request_ended([host], None)
        tdm = robots.tdm_file(tdm_answer.status if tdm_answer.reason is None else None, tdm_answer.body, address)
        return OriginRules(robots_txt, tdm, time.monotonic() + robots_txt.holds)
