"""The loop: whose turn it is, one request, what came of it, and its durable end.

Each host has a pace of its own (`Host`); what is fetched is committed in groups, so a kill costs one group at most.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pipeline.crawling.addresses import Scope, host_of
from pipeline.crawling.fetching import ANY, Fetched, Fetcher
from pipeline.crawling.frontier import Frontier, Outcome, Url
from pipeline.crawling.outcomes import Manners, Outcomes, outcome_of
from pipeline.crawling.permissions import RETRY_SECONDS, TRANSIENT, Permissions

GROUP = 64  # outcomes in one commit, at most
GROUP_SECONDS = 0.1  # and how long the first of them waits for the others
AHEAD = 64  # addresses of a host in memory
HELD = 64 * 2**20  # bytes of bodies that wait for the disk; with more, nothing new is asked
TRIES = 3
LONGEST_WAIT = 600.0  # seconds that a host may ask for; who asks for more is left to the next run
SITEMAP_BYTES = 60 * 2**20
NEVER = float("inf")
T = TypeVar("T")


@dataclass(slots=True)
class Host:
    name: str
    ready: deque[Url] = field(default_factory=deque)
    busy: set[int] = field(default_factory=set)  # under way, or not committed yet
    in_flight: int = 0
    next_at: float = 0.0  # monotonic seconds
    delay: float = 0.0
    has_more: bool = True
    looked_at: float = NEVER  # when it will be


class Crawler:
    """One run over a frontier.  `scope` is for what feeds and sitemaps name, `sites` for links; `tell(counts by reason or
    state, hosts, how many wait)` hears how it goes."""

    def __init__(
        self,
        frontier: Frontier,
        fetcher: Fetcher,
        scope: Scope,
        sites: Scope,
        manners: Manners,
        tell: Callable[[Counter[str], int, int], None],
    ) -> None:
        self._frontier, self._fetcher, self._manners, self._tell = frontier, fetcher, manners, tell
        self._hosts: dict[str, Host] = {}
        self._due: list[tuple[float, str]] = []  # a heap: when to look at a host
        self._permissions = Permissions(fetcher, manners.agent, self._turn, self._ended)
        self._known: dict[str, Host] = {}  # for their pace, also when nothing of theirs waits
        self._left: set[str] = set()  # hosts that asked for more patience than a run has
        self._outcomes = Outcomes(scope, sites, manners)
        self._outbox: list[tuple[Host, Outcome]] = []
        self._wake, self._filled = asyncio.Event(), asyncio.Event()
        self._stopped = self._over = False
        self._in_flight, self._new_in_flight, self._waiting, self._uncommitted = 0, 0, 0, 0
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="frontier")  # all of SQLite in one thread
        self._kept, self._held = 0, 0
        self.counts: Counter[str] = Counter()

    async def run(self) -> bool:
        """Until nothing waits (True), or `stop`."""
        self._kept = await self._db(self._frontier.fetched)
        for name, count in await self._db(self._frontier.hosts_waiting):
            self._has_more(name)
            self._waiting += count
        committer = asyncio.create_task(self._commit_groups())
        committer.add_done_callback(lambda _: self.stop())  # before its time: the disk is full
        try:
            async with asyncio.TaskGroup() as tasks:
                while not self._stopped:
                    await self._start_due(tasks)
                    if not (self._due or self._in_flight or self._uncommitted):
                        break
                    await self._sleep()
                if self._stopped:
                    self._permissions.give_up()
        finally:
            stopped, self._over = self._stopped, True
            self._filled.set()
            await committer
            self._disk.shutdown()
        return not stopped

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopped = True
        self._wake.set()

    async def _db(self, call: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, call, *arguments)

    # --- whose turn it is ---

    def _has_more(self, name: str) -> None:
        """A host has addresses that wait."""
        if name in self._left:
            return
        host = self._hosts.setdefault(name, self._host(name))
        host.has_more = True
        self._look_at(host, host.next_at)

    def _host(self, name: str) -> Host:
        return self._known.setdefault(name, Host(name, delay=self._manners.delay))

    async def _turn(self, name: str) -> None:
        """Wait until a host may be asked once more: every request passes here, redirects and robots.txt as well."""
        host = self._host(name)
        at = max(time.monotonic(), host.next_at)
        host.next_at = at + host.delay
        if (wait := at - time.monotonic()) > 0:
            await asyncio.sleep(wait)

    def _ended(self, name: str, delay: float | None = None) -> None:
        """A request to a host has; `delay`: seconds that its robots.txt wants between two."""
        host = self._host(name)
        if delay is not None:
            host.delay = max(self._manners.delay, delay)
        host.next_at = max(host.next_at, time.monotonic() + host.delay)

    def _look_at(self, host: Host, at: float) -> None:
        """Whether it may start something, at a time (monotonic seconds)."""
        if at < host.looked_at:
            host.looked_at = at
            heapq.heappush(self._due, (at, host.name))
            self._wake.set()

    async def _start_due(self, tasks: asyncio.TaskGroup) -> None:
        while self._due and self._due[0][0] <= time.monotonic() and self._is_free():
            at, name = heapq.heappop(self._due)
            host = self._hosts.get(name)
            if host is not None and host.looked_at == at:  # else it was to be looked at earlier
                host.looked_at = NEVER
                await self._start_of(host, tasks)

    def _is_free(self) -> bool:
        return self._in_flight < self._manners.connections and self._held < HELD

    async def _sleep(self) -> None:
        """Until something has happened, or the next host is due."""
        wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due and self._is_free() else 60.0
        with suppress(TimeoutError):
            async with asyncio.timeout(min(wait, 60.0)):
                await self._wake.wait()
        self._wake.clear()

    async def _start_of(self, host: Host, tasks: asyncio.TaskGroup) -> None:
        """Start what one host may start now; when the rest may, it will be looked at."""
        while host.in_flight < self._manners.per_host:
            if not host.ready and host.has_more:
                await self._refill(host)
            if not host.ready:
                return await self._rest_of(host)
            if host.next_at > time.monotonic() or not self._is_free():
                return self._look_at(host, host.next_at)
            self._start(host, tasks)

    async def _rest_of(self, host: Host) -> None:
        """Nothing is ready: all is under way, or some wait to be tried again, or it is done with."""
        if host.busy:
            return
        at = await self._db(self._frontier.next_time, host.name, not self._is_full())
        if at is None and self._is_full() and self._new_in_flight:  # some of those may fail
            host.has_more = True
            self._look_at(host, time.monotonic() + GROUP_SECONDS)
        elif at is not None:
            host.has_more = True
            self._look_at(host, time.monotonic() + max(0.0, at - time.time()))
        elif not host.has_more:
            del self._hosts[host.name]

    async def _refill(self, host: Host) -> None:
        busy = sorted(host.busy)
        found = await self._db(self._frontier.waiting, host.name, busy, AHEAD, not self._is_full())
        host.ready.extend(found)
        host.has_more = len(found) == AHEAD

    def _is_full(self) -> bool:
        return self._manners.limit is not None and self._kept + self._new_in_flight >= self._manners.limit

    def _start(self, host: Host, tasks: asyncio.TaskGroup) -> None:
        url = host.ready.popleft()
        is_new = url.is_page and not url.is_kept
        if is_new and self._is_full():
            return
        host.busy.add(url.number)
        host.in_flight += 1
        self._in_flight += 1
        self._new_in_flight += is_new
        tasks.create_task(self._one(host, url, is_new))

    # --- one request ---

    async def _one(self, host: Host, url: Url, is_new: bool) -> None:
        try:
            outcome = await self._outcome(host, url)
        except Exception as error:  # a server can break any library below; it must cost only itself
            outcome = Outcome(url.number, "failed", reason="failed", detail=f"{type(error).__name__}: {error}"[:200])
        finally:
            host.in_flight -= 1
            self._in_flight -= 1
            self._new_in_flight -= is_new
            self._look_at(host, host.next_at)
        self.counts[outcome.reason or outcome.state] += 1
        self._kept += is_new and outcome.body is not None
        self._outbox.append((host, outcome))
        self._held += len(outcome.body or b"")
        self._uncommitted += 1
        self._filled.set()
        self._wake.set()

    async def _outcome(self, host: Host, url: Url) -> Outcome:
        rules = await self._permissions.of(url.url)
        if rules.asked.unreachable:
            return self._later(url, Outcome(url.number, "failed", reason="robots_unreachable", detail=rules.why))
        if not rules.asked.allowed(url.url):
            return Outcome(url.number, "skipped", reason=f"robots_{rules.asked.refusal or 'disallowed'}")
        host.delay = max(self._manners.delay, rules.asked.delay or 0.0)
        await self._turn(host.name)
        got = await self._get(url)
        for name in {host.name, *map(host_of, got.hops)}:
            self._ended(name)
        if got.reason is not None:
            return self._failed(host, url, got)
        if url.kind == "sitemap":  # a large one takes seconds
            return await asyncio.to_thread(self._outcomes.of, url, got, rules.tdm)
        return self._outcomes.of(url, got, rules.tdm)

    async def _get(self, url: Url) -> Fetched:
        if url.is_page:
            return await self._fetcher.get(
                url.url, etag=url.etag, last_modified=url.last_modified, may_follow=self._may_follow
            )
        return await self._fetcher.get(
            url.url, etag=url.etag, last_modified=url.last_modified, types=ANY, body_bytes=SITEMAP_BYTES,
            may_follow=self._may_follow,
        )  # fmt: skip

    async def _may_follow(self, url: str) -> str | None:
        """Why a redirect's target must not be asked; None when its turn has come."""
        refusal = await self._permissions.refusal(url)
        if refusal is None:
            await self._turn(host_of(url))
        return refusal

    def _failed(self, host: Host, url: Url, got: Fetched) -> Outcome:
        """Tried again a few times where that may help; a host that asks for much patience is left to the next run."""
        skipped = str(got.reason).startswith("robots_") or got.reason == "wrong_type"
        outcome = outcome_of(url, got, "skipped" if skipped else "failed")
        after = got.retry_after or 0.0
        if got.status in (429, 503):
            if after > LONGEST_WAIT:
                self._leave(host)
                return outcome
            for name in {host.name, host_of(got.final_url)}:  # a redirect may have led to another, which said so
                self._host(name).next_at = max(self._host(name).next_at, time.monotonic() + after)
        may_help = got.reason in TRANSIENT or got.status == 429 or (got.status or 0) >= 500
        return self._later(url, outcome, after) if may_help else outcome

    def _later(self, url: Url, outcome: Outcome, after: float = 0.0) -> Outcome:
        """To be tried again, where it has not been too often."""
        if url.tries + 1 >= TRIES or host_of(url.url) in self._left:
            return outcome
        pause = max(after, RETRY_SECONDS[min(url.tries, len(RETRY_SECONDS) - 1)])
        again_at = time.time() + pause
        return Outcome(url.number, "waiting", outcome.status, outcome.reason, outcome.detail, again_at=again_at)

    def _leave(self, host: Host) -> None:
        """Nothing more of it in this run; what waits, waits for the next."""
        self._left.add(host.name)
        host.ready.clear()
        host.has_more = False
        self._hosts.pop(host.name, None)

    # --- storing ---

    async def _commit_groups(self) -> None:
        """Until the crawl is over and all is stored."""
        while not (self._over and not self._outbox):
            await self._filled.wait()
            if len(self._outbox) < GROUP and not self._over:
                await asyncio.sleep(GROUP_SECONDS)
            self._filled.clear()
            while self._outbox:
                group, self._outbox = self._outbox[:GROUP], self._outbox[GROUP:]
                await self._commit(group)

    async def _commit(self, group: list[tuple[Host, Outcome]]) -> None:
        """Only when they are stored are they no longer under way."""
        fresh = await self._db(self._frontier.commit, [outcome for _, outcome in group])
        self._waiting += sum(fresh.values()) - sum(outcome.state != "waiting" for _, outcome in group)
        for host, outcome in group:
            host.busy.discard(outcome.number)
            if not host.busy and not host.ready and host.name in self._hosts:
                self._look_at(host, host.next_at)
        for name in fresh:
            self._has_more(name)
        self._uncommitted -= len(group)
        self._held -= sum(len(outcome.body or b"") for _, outcome in group)
        self._tell(self.counts, len(self._hosts), self._waiting)
        self._wake.set()
