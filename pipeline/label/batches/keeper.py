"""Batches under way, brought on: posted, found again, looked at, settled; and what people are told of them."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import suppress

from pipeline.core.batch_api import BatchState
from pipeline.core.errors import Paused, RequestFailed
from pipeline.label.batches.calls import TRIES, Pauses, Stopped, paused, persist, sleep
from pipeline.label.batches.downloading import NO_ANSWERS
from pipeline.label.batches.lane_context import LaneContext
from pipeline.label.batches.posting import Posting, QueueFull
from pipeline.label.batches.settling import Settled, Settling
from pipeline.label.batches.twins import Twins
from pipeline.label.ledger.batches import Batch, NotOurs

FRUITLESS = 3  # batches in a row without an answer, before the run pauses
_GIVE_UP = "; labelmill label JOB --cancel gives it up, and counts it as lost"
_log = logging.getLogger("labelmill.label")
_progress = logging.getLogger("labelmill.progress")


class Keeper:
    """Looks after the batches at one endpoint.

    `why`: why it is no use to go on, None as long as it is; `troubles` are of single batches, beside which the others go on.
    """

    def __init__(self, lane: LaneContext) -> None:
        self._lane, self._api, self._stop, self._batches = lane, lane.api, lane.stop, lane.batches
        self.posting, self._settling, self._twins = Posting(lane), Settling(lane), Twins(lane)
        self._fruitless, self._vanished = 0, set[str]()
        self.why: str | None = None
        self.troubles: list[str] = []
        self._is_troubled = False

    def under_way(self) -> list[Batch]:
        """Return the batches at this endpoint that are not settled."""
        return self._batches.under_way(self._api.where)

    def to_wait_for(self) -> list[Batch]:
        """Return those of them that may still be settled: not what the endpoint has no more, which people give up."""
        return [batch for batch in self.under_way() if batch.name not in self._vanished]

    def new_troubles(self) -> list[str]:
        """Return some troubles where the look before had none: who waits for hours hears of them once."""
        was_troubled, self._is_troubled = self._is_troubled, bool(self.troubles)
        return [] if was_troubled else self.troubles[:3]

    async def look_after_all(self) -> int:
        """Bring every batch on that no other living process looks after; return how many were settled.  Raises Paused."""
        self.troubles, settled = [], 0
        self._vanished.clear()
        for batch in self.under_way():
            await self._lane.open()
            if not self._batches.take_over(batch, self._lane.owner):
                continue
            with suppress(NotOurs):  # this process slept, and another one took it over
                settled += await self._look_after(self._batches.get(batch.name))
            if self._stop.why:
                raise Stopped
        if self.why:
            raise Paused(f"{self.why}; every answer is kept: the same command goes on")
        return settled

    async def _look_after(self, batch: Batch) -> bool:
        """Bring one batch on; return whether it is settled now."""
        try:
            if not batch.input_file:
                self._lane.end_batch(batch, state="not posted")  # nothing can know of it
                return True
            if not batch.is_posted:
                await self.posting.post(batch)
            elif not batch.batch_id:
                await self.posting.find(batch)
            else:
                return await self._look_at(batch)
        except QueueFull:
            return True
        return False

    async def _look_at(self, batch: Batch) -> bool:
        """Ask how far a batch is, and settle it where it is over; return whether it was."""
        try:
            state = await persist(self._stop, self._api.retrieve, batch.batch_id)
            if not state.is_over:
                if (state.status, state.completed, state.failed) != (batch.state, batch.completed, batch.failed):
                    self._lane.note(
                        batch, durable=False, state=state.status, completed=state.completed, failed=state.failed
                    )
                return False
            await self.settle(batch, state)
        except RequestFailed as failure:
            if failure.kind == "fatal" and failure.code != "not_found":
                raise paused(self._api.where, failure, batch) from failure
            self._vanished |= {batch.name} if failure.code == "not_found" else set()
            self.troubles.append(
                f"batch {batch.batch_id}: {failure}" + _GIVE_UP * (failure.code in ("not_found", NO_ANSWERS))
            )
            return False
        return True

    async def settle(self, batch: Batch, state: BatchState) -> Settled | None:
        """Settle a batch that is over; None where it was turned down as a whole."""
        if state.status == "failed" and not state.completed:
            # it was made twice: what failed is the one that was found first
            if twin := await self._twins.other(batch):
                self._lane.note(
                    batch, batch_id=twin.id, state=twin.status, completed=twin.completed, failed=twin.failed
                )
                return None
            text = str(state.problem or "the endpoint does not say why")
            if state.queue_full:
                self.posting.queue_full(batch, text)
                return None
            if not (state.output_file or state.error_file):
                self._lane.end_batch(batch, state="failed", detail=text[:300])
                self.why = self.why or f"{self._api.where}: batch {batch.batch_id} failed: {text}"
                return None
        settled = await self._settling.settle(batch, state)
        self._tell(batch, state, settled)
        return settled

    async def settle_at_last(self, batch: Batch, state: BatchState) -> None:
        """Settle a batch that is given up otherwise: answers are paid, and worth a minute where a gateway sends a page for them."""
        pauses = Pauses()
        for tries_left in reversed(range(TRIES)):
            try:
                await self.settle(batch, state)
                return
            except RequestFailed as failure:
                if failure.code != NO_ANSWERS or not tries_left:
                    raise
            await sleep(self._stop, pauses.take())

    def _tell(self, batch: Batch, state: BatchState, settled: Settled) -> None:
        """Say what came of a batch; note where it is no use to go on."""
        why = Counter(str(failure) for _, failure in settled.failures.values() if failure.code != "not_run")
        reason = "".join(f" ({text[:200]})" for text, _ in why.most_common(1))
        rest = f", {settled.unanswered:,} are asked again{reason}" if settled.unanswered else ""
        rejected = f", {settled.rejected:,} rejected" if settled.rejected else ""
        text = (
            f"batch {batch.batch_id} is {state.status}: {settled.answered + settled.earlier:,} answers{rejected}{rest}"
        )
        _progress.info(text)
        if odd := settled.oddities():
            _log.warning(f"batch {batch.batch_id}: {odd}")
        self._fruitless = 0 if settled.answered + settled.earlier + settled.rejected else self._fruitless + 1
        self.why = self.why or settled.pause
        if self._fruitless >= FRUITLESS:
            self.why = (
                self.why or f"{FRUITLESS} batches in a row came back without an answer (the last one {state.status})"
            )
