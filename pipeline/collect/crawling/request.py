"""One URL's request: whether robots.txt allows it, the wait for its host's turn, and the outcome of its answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from pipeline.collect.crawling.fetching import ANY, Fetcher, FetchResult
from pipeline.collect.crawling.host_pace import HostRegistry, HostState
from pipeline.collect.crawling.memory_budget import MemoryLease
from pipeline.collect.crawling.outcomes import CrawlPolicy, OutcomeBuilder, outcome_of
from pipeline.collect.crawling.robots import TdmRules
from pipeline.collect.crawling.robots_cache import RETRY_SECONDS, TRANSIENT, RobotsCache
from pipeline.collect.crawling.types import CrawlOutcome, QueuedUrl
from pipeline.collect.urls import host_of

TRIES = 3
MAX_RETRY_AFTER = 600.0  # seconds; a host whose Retry-After is longer is left to the next run
SITEMAP_BYTES = 60 * 2**20
FETCHED = "fetched_already"  # the reason to follow a redirect no further: this run has its target


class RedirectAnswer(NamedTuple):
    """The answer that a page got over a redirect, which is its target's answer too."""

    result: FetchResult
    tdm: TdmRules


class UrlRequester:
    """Requests one URL at a time; `fetched_page(address)` returns the number of the page there, if this run has fetched it."""

    def __init__(
        self,
        fetcher: Fetcher,
        hosts: HostRegistry,
        outcomes: OutcomeBuilder,
        policy: CrawlPolicy,
        fetched_page: Callable[[str], Awaitable[int | None]],
    ) -> None:
        self._fetcher, self._hosts, self._outcomes, self._policy = fetcher, hosts, outcomes, policy
        self._fetched_page = fetched_page
        self._robots_cache = RobotsCache(fetcher, policy.agent, hosts.wait_turn, hosts.request_ended)

    def give_up(self) -> None:
        """Cancel the requests for robots.txt that are under way, so that nothing waits for them."""
        self._robots_cache.give_up()

    async def ask(
        self, host: HostState, url: QueuedUrl, lease: MemoryLease
    ) -> tuple[CrawlOutcome, RedirectAnswer | None]:
        """Request one URL when its host's turn has come; the second value is set where a page answered over a redirect."""
        rules = await self._robots_cache.rules_of(url.url)
        if rules.robots_txt.unreachable:
            return self._retry_later(
                host, url, CrawlOutcome(url.number, "failed", reason="robots_unreachable", detail=rules.failure)
            ), None
        if not rules.robots_txt.allowed(url.url):
            return CrawlOutcome(
                url.number, "skipped", reason=f"robots_{rules.robots_txt.refusal or 'disallowed'}"
            ), None
        host.delay = max(self._policy.delay, rules.robots_txt.delay or 0.0)
        await self._hosts.wait_turn(host.name)
        result = await self._get(url, lease)
        self._hosts.request_ended({host.name, *map(host_of, result.hops)})
        outcome, redirected = await self._outcome_of_result(host, url, result)
        outcome.discovered += self._outcomes.sitemaps(url, rules.robots_txt.sitemaps)
        return outcome, redirected

    async def _outcome_of_result(
        self, host: HostState, url: QueuedUrl, result: FetchResult
    ) -> tuple[CrawlOutcome, RedirectAnswer | None]:
        if result.reason == FETCHED:
            return CrawlOutcome(
                url.number, "done", result.status, same_as=await self._fetched_page(result.final_url)
            ), None
        if result.reason is not None:
            return self._failure_outcome(host, url, result), None
        tdm = (await self._robots_cache.rules_of(result.final_url)).tdm
        if url.is_page:
            return self._outcomes.build(url, result, tdm), RedirectAnswer(result, tdm) if result.hops else None
        return await asyncio.to_thread(
            self._outcomes.build, url, result, tdm
        ), None  # a large sitemap takes seconds of processor

    async def _get(self, url: QueuedUrl, lease: MemoryLease) -> FetchResult:
        conditions = url.url, url.etag, url.last_modified, url.final_url
        if url.is_page:
            return await self._fetcher.get(*conditions, may_follow=self._may_follow_page, lease=lease)
        return await self._fetcher.get(
            *conditions, types=ANY, may_follow=self._may_follow, body_bytes=SITEMAP_BYTES, lease=lease
        )

    async def _may_follow_page(self, url: str) -> str | None:
        return FETCHED if await self._fetched_page(url) is not None else await self._may_follow(url)

    async def _may_follow(self, url: str) -> str | None:
        """Return why a redirect's target must not be requested, or None once its host's turn has come."""
        refusal = await self._robots_cache.refusal(url)
        if refusal is None:
            await self._hosts.wait_turn(host_of(url))
        return refusal

    def _failure_outcome(self, host: HostState, url: QueuedUrl, result: FetchResult) -> CrawlOutcome:
        """Return the outcome of a failure; a host that asks for too long a wait is left to the next run."""
        outcome = outcome_of(url, result, "failed")
        retry_after = result.retry_after or 0.0
        if result.status in (429, 503):
            # a redirect may have led to another host, which answered so
            hosts = {host.name, host_of(result.final_url)}
            if retry_after > MAX_RETRY_AFTER:
                self._hosts.defer(hosts)
                return outcome
            self._hosts.pause(hosts, retry_after)
        is_transient = result.reason in TRANSIENT or result.status == 429 or (result.status or 0) >= 500
        return self._retry_later(host, url, outcome, retry_after) if is_transient else outcome

    def _retry_later(
        self, host: HostState, url: QueuedUrl, outcome: CrawlOutcome, retry_after: float = 0.0
    ) -> CrawlOutcome:
        """Return an outcome that waits to be tried again, or `outcome` itself after TRIES tries."""
        if url.tries + 1 >= TRIES or host.is_deferred:
            return outcome
        pause = max(retry_after, RETRY_SECONDS[min(url.tries, len(RETRY_SECONDS) - 1)])
        again_at = time.time() + pause
        return CrawlOutcome(url.number, "waiting", outcome.status, outcome.reason, outcome.detail, again_at=again_at)
