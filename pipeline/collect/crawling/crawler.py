"""The loop: whose turn it is, and the durable end of what was asked (`request`).

Each host has a pace of its own (`host_pace`); what is fetched is committed in groups (`commit_queue`), so a kill costs one
group at most.
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

from pipeline.collect.crawling.commit_queue import GROUP_SECONDS, Outbox
from pipeline.collect.crawling.fetching import Fetcher
from pipeline.collect.crawling.frontier import Frontier
from pipeline.collect.crawling.host_pace import NEVER, Host, Hosts
from pipeline.collect.crawling.memory_budget import Place, Room
from pipeline.collect.crawling.outcomes import Manners, Outcomes
from pipeline.collect.crawling.request import Asker, Redirected
from pipeline.collect.crawling.types import Outcome, Url
from pipeline.collect.urls import Scope, normal

AHEAD = 64  # addresses of a host in memory
T = TypeVar("T")


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
        self._frontier, self._manners, self._tell = frontier, manners, tell
        self._met, self._outcomes = Hosts(manners.delay), Outcomes(scope, sites, manners)
        self._asker = Asker(fetcher, self._met, self._outcomes, manners, self._fetched)
        self._hosts: dict[str, Host] = {}  # that have addresses that wait
        self._due: list[tuple[float, str]] = []  # a heap: when to look at a host
        self._asked: dict[str, asyncio.Task[None]] = {}  # address -> who asks it now
        self._followed: dict[str, asyncio.Task[None]] = {}  # and who is led to it by a redirect
        self._patient: set[asyncio.Task[None]] = set()  # who waits for another one
        self._outbox, self._room = Outbox(self._commit), Room()
        self._wake = asyncio.Event()
        self.is_stopped = False
        self._in_flight, self._new_in_flight, self._waiting = 0, 0, 0
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="frontier")  # all of SQLite in one thread
        self._kept = 0
        self.counts: Counter[str] = Counter()

    async def run(self) -> bool:
        """Until nothing waits (True), or `stop`."""
        self._kept = await self._db(self._frontier.fetched)
        for name, count in await self._db(self._frontier.hosts_waiting):
            self._has_more(name)
            self._waiting += count
        committer = asyncio.create_task(self._outbox.run())
        committer.add_done_callback(lambda _: self.stop())  # before its time: the disk is full
        try:
            async with asyncio.TaskGroup() as tasks:
                while not self.is_stopped:
                    await self._start_due(tasks)
                    if not (self._due or self._in_flight or self._outbox.count):
                        break
                    await self._sleep()
                if self.is_stopped:
                    self._asker.give_up()
        finally:
            stopped = self.is_stopped
            self._outbox.close()
            try:
                await committer
            finally:
                self._disk.shutdown()
        return not stopped

    def stop(self) -> None:
        """Begin nothing more."""
        self.is_stopped = True
        self._wake.set()

    async def _db(self, call: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, call, *arguments)

    # --- whose turn it is ---

    def _has_more(self, name: str) -> None:
        """A host has addresses that wait."""
        host = self._met.of(name)
        if host.is_left:
            return
        self._hosts[name] = host
        host.has_more = True
        self._look_at(host, host.next_at)

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
        return self._in_flight < self._manners.connections and not self._outbox.is_full

    async def _sleep(self) -> None:
        """Until something has happened, or the next host is due."""
        wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due and self._is_free() else 60.0
        with suppress(TimeoutError):
            async with asyncio.timeout(min(wait, 60.0)):
                await self._wake.wait()
        self._wake.clear()

    async def _start_of(self, host: Host, tasks: asyncio.TaskGroup) -> None:
        """Start what one host may start now; when the rest may, it will be looked at."""
        if host.is_left:
            del self._hosts[host.name]
            return
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
        """Where pages are limited, a feed or a sitemap is asked only when none of them waits."""
        known = self._frontier.waiting, host.name, sorted(host.busy)
        is_limited, is_full = self._manners.limit is not None, self._is_full()
        found: list[Url] = await self._db(*known, AHEAD, not is_full, not is_limited)
        if is_limited and not (found or is_full):
            found = await self._db(*known, 1, True)
        host.ready.extend(each for each in found if each.number not in host.busy)  # a redirect may have led to it since
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
        self._asked[url.url] = task = tasks.create_task(self._one(host, url, is_new))
        task.add_done_callback(lambda _: self._asked.pop(url.url))

    # --- one request ---

    async def _one(self, host: Host, url: Url, is_new: bool) -> None:
        place = Place(self._room)
        try:
            if await self._is_answered(url):
                return
            outcome, redirected = await self._asker.ask(host, url, place)
            if redirected is not None:
                await self._keep_target(url, redirected)
        except Exception as error:  # a server can break any library below; it must cost only itself
            outcome = Outcome(url.number, "failed", reason="failed", detail=f"{type(error).__name__}: {error}"[:200])
        finally:
            host.in_flight -= 1
            self._in_flight -= 1
            self._new_in_flight -= is_new
            self._look_at(host, host.next_at)
        self._keep(host, url, outcome, place)

    def _keep(self, host: Host, url: Url, outcome: Outcome, place: Place) -> None:
        self.counts[outcome.reason or outcome.state] += 1
        has_body = outcome.body is not None or outcome.same_as is not None
        self._kept += url.is_page and not url.is_kept and has_body
        self._outbox.add(host, url, outcome, place)
        self._wake.set()

    # --- redirects: what they lead to is asked once ---

    async def _fetched(self, address: str) -> int | None:
        """Of a redirect's target; where it is not, the task that asks is about to follow."""
        address = normal(address) or address
        await self._wait_for(self._asked.get(address))
        number = await self._number(address)
        task: Any = asyncio.current_task()
        if number is None and address not in self._followed:
            self._followed[address] = task
            task.add_done_callback(lambda _: self._followed.pop(address))
        return number

    async def _is_answered(self, url: Url) -> bool:
        """Whether a redirect led to it just now."""
        follower = self._followed.get(url.url)
        await self._wait_for(follower)
        return follower is not None and await self._number(url.url) is not None

    async def _number(self, address: str) -> int | None:
        number = self._outbox.fetched.get(address)
        return number if number is not None else await self._db(self._frontier.fetched_page, address)

    async def _wait_for(self, other: asyncio.Task[None] | None) -> None:
        """Until another task has ended; not for one that waits itself, which might be for this one."""
        me: Any = asyncio.current_task()
        if other is None or other is me or other in self._patient:
            return
        self._patient.add(me)
        try:
            await asyncio.wait([other])
        finally:
            self._patient.discard(me)

    async def _keep_target(self, url: Url, redirected: Redirected) -> None:
        """The answer of a redirect's target is kept as that too, where the target still waits to be asked."""
        got, tdm = redirected
        target = await self._db(self._frontier.waiting_page, normal(got.final_url) or got.final_url)
        if target is None or (got.status == 304 and not (target.is_kept and target.etag == url.etag)):
            return
        host = self._met.of(target.host)
        itself = self._asked.get(target.url)
        is_busy = target.number in host.busy and itself not in self._patient  # else it waits for this very answer
        if is_busy or (not target.is_kept and self._is_full()):
            return
        outcome = self._outcomes.of(target, got, tdm)
        host.busy.add(target.number)
        host.ready = deque(each for each in host.ready if each.number != target.number)
        self._keep(host, target, outcome, Place(self._room))  # the body is the redirect's, and has a place

    # --- storing ---

    async def _commit(self, group: Sequence[tuple[Host, Outcome]]) -> None:
        """Only when they are stored are they no longer under way."""
        fresh = await self._db(self._frontier.commit, [outcome for _, outcome in group])
        self._waiting += sum(fresh.values()) - sum(outcome.state != "waiting" for _, outcome in group)
        for host, outcome in group:
            host.busy.discard(outcome.number)
            if not host.busy and not host.ready and host.name in self._hosts:
                self._look_at(host, host.next_at)
        for name in fresh:
            self._has_more(name)
        self._tell(self.counts, len(self._hosts), self._waiting)
        self._wake.set()
