"""Loop of a crawl, which starts each request (`request`) when its host's turn has come and stores its outcome.

Each host has a pace of its own (`host_pace`); outcomes are committed in groups (`commit_queue`), so a kill costs one group at
most, and what was under way is fetched again.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from pipeline.collect.crawling.commit_queue import GROUP_SECONDS, CommitQueue
from pipeline.collect.crawling.fetching import Fetcher
from pipeline.collect.crawling.frontier import Frontier
from pipeline.collect.crawling.host_pace import NEVER, HostRegistry, HostState
from pipeline.collect.crawling.memory_budget import MemoryBudget, MemoryLease
from pipeline.collect.crawling.outcomes import CrawlPolicy, OutcomeBuilder
from pipeline.collect.crawling.request import RedirectAnswer, UrlRequester
from pipeline.collect.crawling.types import CrawlOutcome, QueuedUrl
from pipeline.collect.urls import Scope, normal

READ_AHEAD = 64  # addresses of a host in memory
T = TypeVar("T")


class Crawler:
    """One run over a frontier.

    `scope` limits what feeds and sitemaps name, `sites` limits links.  `report(counts by reason or state, number of hosts,
    number of waiting URLs)` is called after each commit.
    """

    def __init__(
        self,
        frontier: Frontier,
        fetcher: Fetcher,
        scope: Scope,
        sites: Scope,
        policy: CrawlPolicy,
        report: Callable[[Counter[str], int, int], None],
    ) -> None:
        self._frontier, self._policy, self._report = frontier, policy, report
        self._registry, self._outcomes = HostRegistry(policy.delay), OutcomeBuilder(scope, sites, policy)
        frontier.nearer_links.read = self._outcomes.links
        self._requester = UrlRequester(fetcher, self._registry, self._outcomes, policy, self._fetched_page)
        self._waiting_hosts: dict[str, HostState] = {}  # by name; hosts with URLs to request
        self._due: list[tuple[float, str]] = []  # a heap: when (monotonic seconds) a host may start a request
        self._commit_queue, self._memory = CommitQueue(self._commit), MemoryBudget()
        self._wake = asyncio.Event()
        self.is_stopped = False
        self._in_flight, self._new_in_flight, self._waiting_count = 0, 0, 0
        # SQLite's connection stays in one thread
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="frontier")
        self._stored_count = 0
        self.counts: Counter[str] = Counter()

    async def run(self) -> bool:
        """Crawl until nothing waits (returns True) or `stop` was called (False); raises what storing raised."""
        self._stored_count = await self._db(self._frontier.stored_count)
        for name, count in await self._db(self._frontier.hosts_waiting):
            self._mark_waiting(name)
            self._waiting_count += count
        committer = asyncio.create_task(self._commit_queue.run())
        committer.add_done_callback(lambda _: self.stop())  # it ends early where the disk is full
        try:
            async with asyncio.TaskGroup() as tasks:
                while not self.is_stopped:
                    await self._start_due(tasks)
                    if not (self._due or self._in_flight or self._commit_queue.count):
                        break
                    await self._sleep()
                if self.is_stopped:
                    # Waits for a host's pace or robots.txt may be minutes: they end at once, transfers under way are finished.
                    self._requester.give_up()
        finally:
            stopped = self.is_stopped
            self._commit_queue.close()
            try:
                await committer
            finally:
                self._disk.shutdown()
        return not stopped

    def stop(self) -> None:
        """Start no further request; those under way end and are stored."""
        self.is_stopped = True
        self._wake.set()

    async def _db(self, call: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, call, *arguments)

    # --- scheduling ---

    def _mark_waiting(self, name: str) -> None:
        """Note that a host has URLs that wait, and schedule it."""
        host = self._registry.of(name)
        if host.is_deferred:
            return
        self._waiting_hosts[name] = host
        host.has_more = True
        self._schedule(host, host.next_at)

    def _schedule(self, host: HostState, at: float) -> None:
        """Have a host's URLs started at `at` (monotonic seconds), unless it is scheduled earlier already."""
        if at < host.due_at:
            host.due_at = at
            heapq.heappush(self._due, (at, host.name))
            self._wake.set()

    async def _start_due(self, tasks: asyncio.TaskGroup) -> None:
        while self._due and self._due[0][0] <= time.monotonic() and self._is_free():
            at, name = heapq.heappop(self._due)
            host = self._waiting_hosts.get(name)
            # else an outdated entry: it was rescheduled to an earlier time
            if host is not None and host.due_at == at:
                host.due_at = NEVER
                await self._start_host(host, tasks)

    def _is_free(self) -> bool:
        return self._in_flight < self._policy.connections and not self._commit_queue.is_full

    async def _sleep(self) -> None:
        """Wait until an outcome arrives or the next host is due, at most 60 seconds."""
        wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due and self._is_free() else 60.0
        with suppress(TimeoutError):
            async with asyncio.timeout(min(wait, 60.0)):
                await self._wake.wait()
        self._wake.clear()

    async def _start_host(self, host: HostState, tasks: asyncio.TaskGroup) -> None:
        """Start the requests that a host may start now, and schedule it for the time when the next one may."""
        if host.is_deferred:
            del self._waiting_hosts[host.name]
            return
        while host.in_flight < self._policy.per_host:
            if not host.ready and host.has_more:
                await self._refill(host)
            if not host.ready:
                return await self._schedule_idle(host)
            if host.next_at > time.monotonic() or not self._is_free():
                return self._schedule(host, host.next_at)
            self._start(host, tasks)

    async def _schedule_idle(self, host: HostState) -> None:
        """Schedule a host with nothing ready for its next retry, or forget it where nothing of it waits."""
        if host.busy:
            return
        at = await self._db(self._frontier.next_time, host.name, not self._is_full())
        # some of those may fail, and leave room for others
        if at is None and self._is_full() and self._new_in_flight:
            host.has_more = True
            self._schedule(host, time.monotonic() + GROUP_SECONDS)
        elif at is not None:
            host.has_more = True
            self._schedule(host, time.monotonic() + max(0.0, at - time.time()))
        elif not host.has_more:
            del self._waiting_hosts[host.name]

    async def _refill(self, host: HostState) -> None:
        """Load a host's next URLs; with a limit of pages, feeds and sitemaps are requested only when no page waits."""
        query = self._frontier.waiting, host.name, sorted(host.busy)
        is_limited, is_full = self._policy.limit is not None, self._is_full()
        urls: list[QueuedUrl] = await self._db(*query, READ_AHEAD, not is_full, not is_limited)
        if is_limited and not (urls or is_full):
            urls = await self._db(*query, 1, True)
        # checked again, for a redirect may have led to some of them meanwhile
        host.ready.extend(each for each in urls if each.number not in host.busy)
        host.has_more = len(urls) == READ_AHEAD

    def _is_full(self) -> bool:
        return self._policy.limit is not None and self._stored_count + self._new_in_flight >= self._policy.limit

    def _start(self, host: HostState, tasks: asyncio.TaskGroup) -> None:
        url = host.ready.popleft()
        is_new = url.is_page and not url.is_kept
        if is_new and self._is_full():
            return
        # Busy until its outcome is committed, not only until it is fetched: a refill reads from the database what is waiting
        # there.
        host.busy.add(url.number)
        host.in_flight += 1
        self._in_flight += 1
        self._new_in_flight += is_new
        tasks.create_task(self._process(host, url, is_new))

    # --- one request ---

    async def _process(self, host: HostState, url: QueuedUrl, is_new: bool) -> None:
        lease = MemoryLease(self._memory)
        try:
            outcome, redirected = await self._requester.ask(host, url, lease)
            if redirected is not None:
                await self._record_target(url, redirected)
        except Exception as error:  # a server can break any library below; it must cost only itself
            outcome = CrawlOutcome(
                url.number, "failed", reason="failed", detail=f"{type(error).__name__}: {error}"[:200]
            )
        finally:
            host.in_flight -= 1
            self._in_flight -= 1
            self._new_in_flight -= is_new
            self._schedule(host, host.next_at)
        self._record(host, url, outcome, lease)

    def _record(self, host: HostState, url: QueuedUrl, outcome: CrawlOutcome, lease: MemoryLease) -> None:
        self.counts[outcome.reason or outcome.state] += 1
        has_body = outcome.body is not None or outcome.same_as is not None
        self._stored_count += url.is_page and not url.is_kept and has_body
        self._commit_queue.add(host, url, outcome, lease)
        self._wake.set()

    # --- redirects: what a page brought over one is its target's answer too ---

    async def _fetched_page(self, address: str) -> int | None:
        """Return the number of the page at an address that this run has fetched, or None."""
        # one that is under way is requested twice: to wait for it takes more bookkeeping than the rare request is worth
        address = normal(address) or address
        number = self._commit_queue.fetched.get(address)
        return number if number is not None else await self._db(self._frontier.fetched_page, address)

    async def _record_target(self, url: QueuedUrl, redirected: RedirectAnswer) -> None:
        """Record the answer of a redirect as its target's too, where the target still waits to be requested."""
        result, tdm = redirected
        target = await self._db(self._frontier.waiting_page, normal(result.final_url) or result.final_url)
        if target is None or (result.status == 304 and not (target.is_kept and target.etag == url.etag)):
            return
        host = self._registry.of(target.host)
        if target.number in host.busy or (not target.is_kept and self._is_full()):
            return
        outcome = self._outcomes.build(target, result, tdm)
        host.busy.add(target.number)
        host.ready = deque(each for each in host.ready if each.number != target.number)
        self._record(host, target, outcome, MemoryLease(self._memory))  # the redirect's lease covers the body

    # --- storing ---

    async def _commit(self, group: Sequence[tuple[HostState, CrawlOutcome]]) -> None:
        """Store a group of outcomes; only then are their URLs no longer busy."""
        new_by_host = await self._db(self._frontier.commit, [outcome for _, outcome in group])
        self._waiting_count += sum(new_by_host.values()) - sum(outcome.state != "waiting" for _, outcome in group)
        for host, outcome in group:
            host.busy.discard(outcome.number)
            if not host.busy and not host.ready and host.name in self._waiting_hosts:
                self._schedule(host, host.next_at)
        for name in new_by_host:
            self._mark_waiting(name)
        self._report(self.counts, len(self._waiting_hosts), self._waiting_count)
        self._wake.set()
