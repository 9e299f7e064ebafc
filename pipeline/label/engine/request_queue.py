"""What is to be asked: requests looked up in the ledger, then claimed, a little ahead of their sending."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

from pipeline.core.types import Request
from pipeline.label.engine.request_attempt import RequestAttempt
from pipeline.label.engine.run_context import RunContext
from pipeline.label.ledger.claims import Claimed, Wanted
from pipeline.label.ledger.tariffs import Tariff

CLAIM_SECONDS = 0.05  # how far ahead of their sending requests are claimed
MOST_CLAIMED, FEWEST_CLAIMED = 256, 4
POLL_SECONDS = 0.5  # how often what another worker holds is looked up


class RequestQueue:
    """The requests of `batches`, drawn only as fast as they go out; `claimed` are those of this process under way, by key."""

    def __init__(self, context: RunContext, batches: Iterator[list[Request]]) -> None:
        # no more than go out at once
        self._most = min(MOST_CLAIMED, context.options.limits.concurrency or MOST_CLAIMED)
        self._context, self._ledger, self._batches = context, context.ledger, batches
        self._unclaimed: deque[RequestAttempt] = deque()
        self._held: list[RequestAttempt] = []  # claimed by another worker
        self.claimed: dict[bytes, RequestAttempt] = {}
        self._changed = asyncio.Event()
        self._polled_at = 0.0

    @property
    def exhausted(self) -> bool:
        """Whether all is done; looked at when `take` gave nothing."""
        return not (self._unclaimed or self._held or self.claimed)

    def add(self, attempt: RequestAttempt) -> None:
        """Have a request asked (once more)."""
        self._unclaimed.append(attempt)

    def lost(self, attempt: RequestAttempt) -> None:
        """Note that the claim of an attempt went to another worker, who will answer it."""
        self._held.append(RequestAttempt(attempt.request, attempt.number, attempt.reason, room=attempt.room))

    def stored(self, key: bytes) -> None:
        """Note that what became of a claimed request is in the ledger."""
        self.claimed.pop(key, None)
        self._changed.set()

    async def wait(self) -> None:
        """Wait until an outcome is stored, or for a while."""
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._changed.wait()

    async def take(self, per_second: float) -> list[RequestAttempt]:
        """Return some attempts to be claimed: about as many as will go out within `CLAIM_SECONDS`."""
        if self._held and time.monotonic() - self._polled_at > POLL_SECONDS:
            self._polled_at = time.monotonic()
            held, self._held = self._held, []
            await self._look_up_again(held)
        # More at once would make fewer transactions, and leave more claims behind a kill, which count as lost money.
        count = int(min(self._most, max(FEWEST_CLAIMED, per_second * CLAIM_SECONDS)))
        while len(self._unclaimed) < count and (batch := next(self._batches, None)) is not None:
            await self._look_up({request.key: request for request in batch}, {})
        return [self._unclaimed.popleft() for _ in range(min(count, len(self._unclaimed)))]

    async def _look_up_again(self, attempts: list[RequestAttempt]) -> None:
        await self._look_up(
            {attempt.request.key: attempt.request for attempt in attempts},
            {attempt.request.key: attempt for attempt in attempts},
        )

    async def _look_up(self, requests: dict[bytes, Request], attempts: dict[bytes, RequestAttempt]) -> None:
        """Finish the requests that the ledger has answers to; the rest is to be claimed, by `attempts` where they have one."""
        records_of = await asyncio.to_thread(self._ledger.get, list(requests)) if requests else {}
        for key, request in requests.items():
            records = records_of.get(key)
            why = self._context.why_again(request, records) if records else None
            if records and not why:
                self._context.finish(request, records[-1])
                continue
            attempt = attempts.get(key) or RequestAttempt(request)
            self._unclaimed.append(attempt.once_more(why, records[-1]) if records and why else attempt)

    async def claim(
        self, attempts: list[RequestAttempt], tariff: Tariff | None, idle: int
    ) -> tuple[list[RequestAttempt], Claimed]:
        """Return (attempts to send, what became of the others).

        Those that wait, or that the budget does not reach, are asked later.  `idle` claims are not in flight: suspects.
        """
        bound, budget = self._context.bound, self._context.budget_usd
        # reckoned here and not when they were queued: replies may have raised the tariff since
        for attempt in attempts:
            attempt.reserved_usd, attempt.raised = bound.dollars(attempt.size, attempt.room), bound.tariff.raised
        wanted = [Wanted(item.request.key, item.number, item.reserved_usd, item.size) for item in attempts]
        claims = await asyncio.to_thread(self._ledger.claims.claim, wanted, budget, tariff, idle)
        granted = [attempt for attempt in attempts if attempt.request.key in claims.granted]
        self.claimed.update((attempt.request.key, attempt) for attempt in granted)
        # what a batch holds may take hours: the run ends without it, and says so
        self._context.leaves_some |= bool(claims.in_batches)
        held = claims.held - claims.in_batches
        self._held += [attempt for attempt in attempts if attempt.request.key in held]
        if claims.answered:
            await self._look_up_again([attempt for attempt in attempts if attempt.request.key in claims.answered])
        later = claims.waiting | claims.unaffordable
        # At the front and in their order: they were drawn before all that waits behind them.
        self._unclaimed.extendleft(reversed([attempt for attempt in attempts if attempt.request.key in later]))
        return granted, claims

    async def why_out_of_budget(self) -> str | None:
        """Return why to stop; None where something is in flight, which mostly costs less than was reserved."""
        if not self.claimed:
            money = await asyncio.to_thread(self._ledger.report.spending)
            if not money.reserved:  # by another worker
                claims, name = self._ledger.claims, self._context.budget_name
                beside = f", ${claims.elsewhere_usd:,.4f} elsewhere in the job" if claims.elsewhere_usd else ""
                lost = f", and at most ${money.lost:,.4f} for replies that never arrived" if money.lost else ""
                return (
                    f"the budget of ${self._context.options.budget_usd:,.4f} is reached "
                    f"(${money.spent:,.4f} spent{beside}{lost}); raise {name} to go on"
                )
        return None
