"""Queue of outcomes on their way to the disk, committed in groups and in the order of arrival."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from pipeline.collect.crawling.host_pace import HostState
from pipeline.collect.crawling.memory_budget import MemoryLease
from pipeline.collect.crawling.types import CrawlOutcome, QueuedUrl

GROUP_OUTCOMES = 64  # in one commit, at most
GROUP_SECONDS = 0.1  # that the first outcome of a group waits for others
MAX_HELD_BYTES = 64 * 2**20  # of bodies that wait for the disk; with more, no request starts


class CommitQueue:
    """Outcomes that wait for `store`, which is called with one group at a time; what it raises ends `run`."""

    def __init__(self, store: Callable[[Sequence[tuple[HostState, CrawlOutcome]]], Awaitable[None]]) -> None:
        self._store = store
        self._waiting: list[tuple[HostState, CrawlOutcome, MemoryLease]] = []
        self._filled, self._closed, self._failed = asyncio.Event(), False, False
        self.count = 0  # outcomes that are not stored yet
        self._held_bytes = 0
        self.fetched: dict[str, int] = {}  # pages among them that were fetched: URL -> number

    def add(self, host: HostState, url: QueuedUrl, outcome: CrawlOutcome, lease: MemoryLease) -> None:
        """Queue an outcome; its lease is released when it is stored, and at once where storing has failed."""
        # Nobody will store it, and those who wait for its memory would wait for ever.
        if self._failed:
            return lease.shrink(0)
        self._waiting.append((host, outcome, lease))
        self.count += 1
        self._held_bytes += len(outcome.body or b"")
        if url.is_page and outcome.state == "done":
            self.fetched[url.url] = url.number
        self._filled.set()

    @property
    def is_full(self) -> bool:
        """Return whether so many bytes wait for the disk that no request should start."""
        return self._held_bytes >= MAX_HELD_BYTES

    def close(self) -> None:
        """Let `run` end when all that is queued is stored."""
        self._closed = True
        self._filled.set()

    async def run(self) -> None:
        """Store groups until the queue is closed and empty.  Where storing fails, all leases are released."""
        try:
            while not (self._closed and not self._waiting):
                await self._filled.wait()
                if len(self._waiting) < GROUP_OUTCOMES and not self._closed:
                    await asyncio.sleep(GROUP_SECONDS)
                self._filled.clear()
                while self._waiting:
                    await self._store_group()
        except BaseException:
            self._failed = True
            for _, _, lease in self._waiting:
                lease.shrink(0)
            raise

    async def _store_group(self) -> None:
        group = self._waiting[:GROUP_OUTCOMES]
        await self._store([(host, outcome) for host, outcome, _ in group])
        del self._waiting[: len(group)]
        self.count -= len(group)
        for _, outcome, lease in group:
            self._held_bytes -= len(outcome.body or b"")
            lease.shrink(0)
        stored = {outcome.number for _, outcome, _ in group}
        self.fetched = {address: number for address, number in self.fetched.items() if number not in stored}
