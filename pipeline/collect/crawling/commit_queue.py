"""What was fetched, on its way to the disk: in groups, in the order in which it came."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from pipeline.collect.crawling.host_pace import Host
from pipeline.collect.crawling.memory_budget import Place
from pipeline.collect.crawling.types import Outcome, Url

GROUP = 64  # outcomes in one commit, at most
GROUP_SECONDS = 0.1  # and how long the first of them waits for the others
HELD = 64 * 2**20  # bytes of bodies that wait for the disk; with more, nothing new is asked


class Outbox:
    """`store` is called with one group at a time; what it raises ends `run`."""

    def __init__(self, store: Callable[[Sequence[tuple[Host, Outcome]]], Awaitable[None]]) -> None:
        self._store = store
        self._waiting: list[tuple[Host, Outcome, Place]] = []
        self._filled, self._closed, self._failed = asyncio.Event(), False, False
        self.count = 0  # outcomes that are not stored yet
        self._held = 0  # bytes of their bodies
        self.fetched: dict[str, int] = {}  # the pages among them that were fetched: address -> number

    def add(self, host: Host, url: Url, outcome: Outcome, place: Place) -> None:
        """`place` is given back when it is stored, at once where nothing is stored any more."""
        if self._failed:
            return place.keep(0)
        self._waiting.append((host, outcome, place))
        self.count += 1
        self._held += len(outcome.body or b"")
        if url.is_page and outcome.state == "done":
            self.fetched[url.url] = url.number
        self._filled.set()

    @property
    def is_full(self) -> bool:
        return self._held >= HELD

    def close(self) -> None:
        self._closed = True
        self._filled.set()

    async def run(self) -> None:
        """Until it is closed and all is stored.  Where storing fails, nobody waits for the memory of what was not stored."""
        try:
            while not (self._closed and not self._waiting):
                await self._filled.wait()
                if len(self._waiting) < GROUP and not self._closed:
                    await asyncio.sleep(GROUP_SECONDS)
                self._filled.clear()
                while self._waiting:
                    await self._store_group()
        except BaseException:
            self._failed = True
            for _, _, place in self._waiting:
                place.keep(0)
            raise

    async def _store_group(self) -> None:
        group = self._waiting[:GROUP]
        await self._store([(host, outcome) for host, outcome, _ in group])
        del self._waiting[: len(group)]
        self.count -= len(group)
        for _, outcome, place in group:
            self._held -= len(outcome.body or b"")
            place.keep(0)
        stored = {outcome.number for _, outcome, _ in group}
        self.fetched = {address: number for address, number in self.fetched.items() if number not in stored}
