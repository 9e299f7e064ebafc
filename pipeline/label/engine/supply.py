"""What is to be asked: requests looked up in the ledger, then claimed, a little ahead of their sending."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

from pipeline.core.types import Request
from pipeline.label.engine.question import RequestAttempt
from pipeline.label.engine.run_context import RunContext
from pipeline.label.ledger.claims import Claimed, Wanted
from pipeline.label.ledger.tariffs import Tariff

CLAIM_SECONDS = 0.05  # how far ahead of their sending requests are claimed
MOST_CLAIMED, FEWEST_CLAIMED = 256, 4
POLL_SECONDS = 0.5  # how often what another worker holds is looked up


class Supply:
    """`claimed` are the asks of this process that are not settled yet, by key."""

    def __init__(self, asking: RunContext, batches: Iterator[list[Request]]) -> None:
        self._most = min(MOST_CLAIMED, asking.options.limits.concurrency or MOST_CLAIMED)  # no more than go out at once
        self._asking, self._ledger, self._batches = asking, asking.ledger, batches
        self._todo: deque[RequestAttempt] = deque()  # to be claimed
        self._held: list[RequestAttempt] = []  # claimed by another worker
        self.claimed: dict[bytes, RequestAttempt] = {}
        self._changed = asyncio.Event()
        self._polled_at = 0.0

    @property
    def exhausted(self) -> bool:
        """Whether all is settled; asked when `take` gave nothing."""
        return not (self._todo or self._held or self.claimed)

    def again(self, ask: RequestAttempt) -> None:
        """To be asked (once more)."""
        self._todo.append(ask)

    def lost(self, ask: RequestAttempt) -> None:
        """Its claim went to another worker, who will answer it."""
        self._held.append(RequestAttempt(ask.request, ask.number, ask.reason))

    def settled(self, key: bytes) -> None:
        self.claimed.pop(key, None)
        self._changed.set()

    async def wait(self) -> None:
        """Until something is settled, or for a while."""
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._changed.wait()

    async def take(self, per_second: float) -> list[RequestAttempt]:
        """Some asks to be claimed: about as many as will go out within `CLAIM_SECONDS`."""
        if self._held and time.monotonic() - self._polled_at > POLL_SECONDS:
            self._polled_at = time.monotonic()
            held, self._held = self._held, []
            await self._look_up({ask.request.key: ask for ask in held})
        count = int(min(self._most, max(FEWEST_CLAIMED, per_second * CLAIM_SECONDS)))
        while len(self._todo) < count and (batch := next(self._batches, None)) is not None:
            await self._look_up({request.key: RequestAttempt(request) for request in batch})
        return [self._todo.popleft() for _ in range(min(count, len(self._todo)))]

    async def _look_up(self, asks: dict[bytes, RequestAttempt]) -> None:
        """Settle what the ledger knows; the rest is to be claimed."""
        known = await asyncio.to_thread(self._ledger.get, list(asks)) if asks else {}
        for key, ask in asks.items():
            records = known.get(key)
            if records is None:
                self._todo.append(ask)
            elif why := self._asking.again(ask.request, records):
                self._todo.append(RequestAttempt(ask.request, len(records) + 1, why))
            else:
                self._asking.settle(ask.request, records[-1])

    async def claim(
        self, asks: list[RequestAttempt], tariff: Tariff | None, idle: int
    ) -> tuple[list[RequestAttempt], Claimed]:
        """(asks to send, what became of the others).  Those that wait, or that the budget does not reach, are asked later."""
        bounds, budget = self._asking.bounds, self._asking.budget_usd
        for ask in asks:
            ask.reserved_usd, ask.raised = bounds.dollars(ask.size), bounds.tariff.raised
        wanted = [Wanted(ask.request.key, ask.number, ask.reserved_usd, ask.size) for ask in asks]
        found = await asyncio.to_thread(self._ledger.claim, wanted, budget, tariff, idle)
        granted = [ask for ask in asks if ask.request.key in found.granted]
        self.claimed.update((ask.request.key, ask) for ask in granted)
        self._held += [ask for ask in asks if ask.request.key in found.held]
        if found.answered:
            await self._look_up({ask.request.key: ask for ask in asks if ask.request.key in found.answered})
        later = found.waiting | found.unaffordable
        self._todo.extendleft(reversed([ask for ask in asks if ask.request.key in later]))
        return granted, found

    async def out_of_budget(self) -> str | None:
        """Why to stop; None where something is in flight, which mostly costs less than was reserved."""
        if not self.claimed:
            money = await asyncio.to_thread(self._ledger.spending)
            if not money.reserved:  # by another worker
                lost = f", and at most ${money.lost:,.4f} for replies that never arrived" if money.lost else ""
                return (
                    f"the budget of ${self._asking.options.budget_usd:,.4f} is reached "
                    f"(${money.spent:,.4f} spent{lost}); raise label.budget_usd to go on"
                )
        return None
