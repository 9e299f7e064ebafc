"""One address: whether it may be asked, the request when its host's turn has come, and what that comes to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from pipeline.collect.crawling.fetching import ANY, Fetched, Fetcher
from pipeline.collect.crawling.host_pace import Host, Hosts
from pipeline.collect.crawling.memory_budget import Place
from pipeline.collect.crawling.outcomes import Manners, Outcomes, outcome_of
from pipeline.collect.crawling.robots import TdmRules
from pipeline.collect.crawling.robots_cache import RETRY_SECONDS, TRANSIENT, Permissions
from pipeline.collect.crawling.types import Outcome, Url
from pipeline.collect.urls import host_of

TRIES = 3
LONGEST_WAIT = 600.0  # seconds that a host may ask for; who asks for more is left to the next run
SITEMAP_BYTES = 60 * 2**20
FETCHED = "fetched_already"  # in this run: what a redirect leads to


class Redirected(NamedTuple):
    """What a page's redirect led to: the answer of its target as well."""

    got: Fetched
    tdm: TdmRules


class Asker:
    """`fetched(address)`: the number of the page there, where it was fetched in this run."""

    def __init__(
        self,
        fetcher: Fetcher,
        hosts: Hosts,
        outcomes: Outcomes,
        manners: Manners,
        fetched: Callable[[str], Awaitable[int | None]],
    ) -> None:
        self._fetcher, self._hosts, self._outcomes, self._manners = fetcher, hosts, outcomes, manners
        self._fetched = fetched
        self._permissions = Permissions(fetcher, manners.agent, hosts.turn, hosts.ended)

    def give_up(self) -> None:
        self._permissions.give_up()

    async def ask(self, host: Host, url: Url, place: Place) -> tuple[Outcome, Redirected | None]:
        rules = await self._permissions.of(url.url)
        if rules.asked.unreachable:
            return self._later(
                host, url, Outcome(url.number, "failed", reason="robots_unreachable", detail=rules.why)
            ), None
        if not rules.asked.allowed(url.url):
            return Outcome(url.number, "skipped", reason=f"robots_{rules.asked.refusal or 'disallowed'}"), None
        host.delay = max(self._manners.delay, rules.asked.delay or 0.0)
        await self._hosts.turn(host.name)
        got = await self._get(url, place)
        self._hosts.ended({host.name, *map(host_of, got.hops)})
        outcome, redirected = await self._outcome(host, url, got)
        outcome.found += self._outcomes.sitemaps(url, rules.asked.sitemaps)
        return outcome, redirected

    async def _outcome(self, host: Host, url: Url, got: Fetched) -> tuple[Outcome, Redirected | None]:
        if got.reason == FETCHED:
            return Outcome(url.number, "done", got.status, same_as=await self._fetched(got.final_url)), None
        if got.reason is not None:
            return self._failed(host, url, got), None
        tdm = (await self._permissions.of(got.final_url)).tdm
        if url.is_page:
            return self._outcomes.of(url, got, tdm), Redirected(got, tdm) if got.hops else None
        return await asyncio.to_thread(self._outcomes.of, url, got, tdm), None  # a large one takes seconds

    async def _get(self, url: Url, place: Place) -> Fetched:
        known = url.url, url.etag, url.last_modified, url.final_url
        if url.is_page:
            return await self._fetcher.get(*known, may_follow=self._may_follow_page, place=place)
        return await self._fetcher.get(
            *known, types=ANY, may_follow=self._may_follow, body_bytes=SITEMAP_BYTES, place=place
        )

    async def _may_follow_page(self, url: str) -> str | None:
        return FETCHED if await self._fetched(url) is not None else await self._may_follow(url)

    async def _may_follow(self, url: str) -> str | None:
        """Why a redirect's target must not be asked; None when its turn has come."""
        refusal = await self._permissions.refusal(url)
        if refusal is None:
            await self._hosts.turn(host_of(url))
        return refusal

    def _failed(self, host: Host, url: Url, got: Fetched) -> Outcome:
        """Tried again a few times where that may help; a host that asks for much patience is left to the next run."""
        outcome = outcome_of(url, got, "failed")
        after = got.retry_after or 0.0
        if got.status in (429, 503):
            hosts = {host.name, host_of(got.final_url)}  # a redirect may have led to another, which said so
            if after > LONGEST_WAIT:
                self._hosts.leave(hosts)
                return outcome
            self._hosts.pause(hosts, after)
        may_help = got.reason in TRANSIENT or got.status == 429 or (got.status or 0) >= 500
        return self._later(host, url, outcome, after) if may_help else outcome

    def _later(self, host: Host, url: Url, outcome: Outcome, after: float = 0.0) -> Outcome:
        """To be tried again, where it has not been too often."""
        if url.tries + 1 >= TRIES or host.is_left:
            return outcome
        pause = max(after, RETRY_SECONDS[min(url.tries, len(RETRY_SECONDS) - 1)])
        again_at = time.time() + pause
        return Outcome(url.number, "waiting", outcome.status, outcome.reason, outcome.detail, again_at=again_at)
