"""What all steps of a batch's course share: who owns it in this process, where its files lie, what its requests cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.core.batch_api import BatchApi
from pipeline.core.files import digest_of
from pipeline.core.types import Reply, Request
from pipeline.label.cost.cost_bound import CostBound
from pipeline.label.engine.run_context import RunContext
from pipeline.label.engine.stopping import Stop
from pipeline.label.ledger.batches import Batch, Batches, Failed
from pipeline.label.ledger.claims import LEASE_SECONDS

TIER = "batch"
_WORDS = (None, "auto", "default", "standard", TIER)  # what endpoints call the tier of a batch
Pending = Callable[[], Iterator[tuple[str, list[Request]]]]
"""Yields (shard, some of its requests) of all shards that are not done; called again for each look."""


class LaneContext:
    """The part of a run that batches need.  Its worker in the ledger owns the batches that this process looks after."""

    def __init__(self, context: RunContext, api: BatchApi, folder: Path, job: str, stop: Stop) -> None:
        self.context, self.api, self.job, self.stop = context, api, job, stop
        self.batches: Batches = context.ledger.batches
        self._folder, self._seat = folder, context.ledger.claims.of_worker("")
        self._lease_until, self._is_open = 0.0, False
        self._lease_keeper: asyncio.Task[None] | None = None
        # Batches have a tariff of their own: what is asked online at the same time is reserved at its own price.
        asked = digest_of([context.provider.identity, context.prices.table(context.model), TIER])
        self.bound = CostBound(asked, context.prices.of(context.model), context.provider.max_output_tokens, TIER)

    @property
    def owner(self) -> str:
        """The worker of this process."""
        return self._seat.worker

    async def open(self) -> None:
        """Get ready, once there is something to do: a job that is done needs no key.  Raises EndpointError."""
        if not self._is_open:
            self._is_open = True
            self._begin()
            self._lease_keeper = asyncio.create_task(self._keep_lease())
            await self.api.open()

    async def close(self) -> None:
        """Be a worker no more: others may take over what is under way."""
        if self._lease_keeper:
            self._lease_keeper.cancel()
        try:
            await self.api.close()
        finally:
            self._seat.end()

    async def _keep_lease(self) -> None:
        """Renew the lease while something is awaited: an upload, a pause."""
        while True:
            await asyncio.sleep(LEASE_SECONDS / 12)
            self.renew()

    def _begin(self) -> None:
        """Become a worker, and reserve by what is known."""
        self._seat.start(self.bound.tariff.asked)
        self._lease_until = time.time() + LEASE_SECONDS
        if stored := self._seat.tariffs.current(self.bound.tariff.asked):
            self.bound.adopt(stored.joined(self.bound.tariff))
        self.bound.expect(self.batches.ratio(self.api.where, self.context.model))

    def renew(self) -> None:
        """Renew the lease, where that is due."""
        if self.owner and time.time() > self._lease_until - LEASE_SECONDS * 2 / 3:
            self._seat.renew()
            self._lease_until = time.time() + LEASE_SECONDS

    def note(self, batch: Batch, durable: bool = True, **columns: Any) -> Batch:
        """Note how far a batch is.  Raises NotOurs."""
        return self.batches.note(batch, self.owner, durable, **columns)

    def end_batch(
        self,
        batch: Batch,
        lost: bool = False,
        also_lost: tuple[float, int] = (0.0, 0),
        failures: Sequence[Failed] = (),
        **columns: Any,
    ) -> int:
        """Note that a batch is over; return how many of its requests have no outcome.  Raises NotOurs."""
        unanswered = self.batches.end(batch, self.owner, lost, also_lost, failures, **columns)
        for file in self._folder.glob(f"{batch.name}.*"):
            file.unlink(missing_ok=True)
        self.context.monitor.events.write("batch_over", batch=batch.name, unanswered=unanswered, **columns)
        return unanswered

    def cost_usd(self, batch: Batch, reply: Reply) -> float | None:
        """Return the dollars of a reply at its tier: as billed, else by who answered, else by who was asked; None: nobody knows."""
        if reply.billed_usd is not None:
            return reply.billed_usd
        return self.context.prices.cost_usd(batch.model, reply.model, reply.usage, reply.tier)

    def path(self, batch: Batch, kind: str) -> Path:
        """Return where a file of a batch (`input`, `output`, `error`) lies on this machine."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f"{batch.name}.{kind}.jsonl"


def at_batch_tier(reply: Reply) -> Reply:
    """Return a reply out of a batch as one of that tier, unless it says that it was served at another."""
    if reply.tier not in _WORDS:
        return reply
    # by `dataclasses.replace` it would take five times as long
    return Reply(
        text=reply.text,
        finish_reason=reply.finish_reason,
        model=reply.model,
        request_id=reply.request_id,
        usage=reply.usage,
        tier=TIER,
        billed_usd=reply.billed_usd,
        reasoning=reply.reasoning,
    )
