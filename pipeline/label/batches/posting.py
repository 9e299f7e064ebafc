"""Uploading a file and making a batch of it, once: where no answer tells whether it was made, the endpoint's list does."""

from __future__ import annotations

import logging
from pathlib import Path

from pipeline.core.batch_api import BatchState
from pipeline.core.errors import Paused, RequestFailed
from pipeline.label.batches.calls import LONGEST, Pauses, paused, persist, sleep
from pipeline.label.batches.lane_context import LaneContext
from pipeline.label.ledger.batches import Batch

GRACE_SECONDS = 20.0  # how long a batch that was posted may be missing in the endpoint's list
_TRIES = 5  # of a POST that the endpoint turns down for a while
_log = logging.getLogger("labelmill.label")


class QueueFull(Exception):
    """The endpoint has no room for a batch: the account's tokens under way are at their limit."""


class Posting:
    """Takes batches from their file to an id of the endpoint."""

    def __init__(self, lane: LaneContext) -> None:
        self._lane, self._api, self._stop = lane, lane.api, lane.stop

    async def upload(self, batch: Batch, file: Path) -> None:
        """Upload a file, then post.  Raises Paused, QueueFull, Stopped."""
        try:
            input_file = await persist(self._stop, self._api.upload, file)
        except RequestFailed as failure:
            if failure.code == "queue_full":
                raise self.queue_full(batch, str(failure)) from failure
            # No file id, so the endpoint can have made no batch: nothing counts as lost.
            self._lane.end_batch(batch, state="not posted", detail=str(failure)[:300])
            raise paused(self._api.where, failure) from failure
        batch = self._lane.note(batch, state="uploaded", input_file=input_file)
        file.unlink()
        await self.post(batch)

    async def post(self, batch: Batch) -> None:
        """Make a batch of an uploaded file.  Raises Paused, QueueFull, Stopped."""
        pauses = Pauses()
        for tries_left in reversed(range(_TRIES)):
            posts, now = batch.posts + 1, self._lane.context.ledger.database.now()
            # Durable before the request leaves: whoever finds it so looks in the endpoint's list before it posts again.
            batch = self._lane.note(batch, state="posting", posted_at=now, posts=posts)
            try:
                self.adopt(batch, await self._api.create(batch.input_file or "", batch.name))
                return
            except RequestFailed as failure:
                if failure.may_be_paid:
                    _log.info(f"batch {batch.name}: no answer tells whether it was made ({failure}); looking for it")
                    await self.find(batch)
                    return
                batch = self._turned_down(batch, failure, tries_left)
                pause = max(pauses.take(), min(failure.retry_after or 0.0, LONGEST))
            await sleep(self._stop, pause)

    def _turned_down(self, batch: Batch, failure: RequestFailed, tries_left: int) -> Batch:
        """Note that a POST was refused, so that no batch was made by it; return the batch where it is worth another try."""
        if batch.posts > 1:  # an earlier one may have been taken
            if failure.kind in ("transient", "rate_limited") and tries_left:
                return batch
            raise paused(self._api.where, failure, batch) from failure
        if failure.code == "queue_full":
            raise self.queue_full(batch, str(failure)) from failure
        if failure.kind in ("transient", "rate_limited"):
            batch = self._lane.note(batch, state="uploaded", posted_at=None, posts=0)
            if tries_left:
                return batch
            raise paused(self._api.where, failure, batch) from failure
        self._lane.end_batch(batch, state="refused", detail=str(failure)[:300])
        raise paused(self._api.where, failure) from failure

    def queue_full(self, batch: Batch, text: str) -> QueueFull:
        """Give a batch up that did not fit into the token queue, and remember how large the next may be.  Raises Paused."""
        others = [
            other
            for other in self._lane.batches.under_way(self._api.where)
            if other.name != batch.name and other.batch_id
        ]
        under_way = sum(other.bytes for other in others)
        if batch.requests <= 1 and not others:
            self._lane.end_batch(batch, state="refused", detail=text[:300])
            raise Paused(f"{self._api.where}: takes no batch, not even of one request ({text}); nothing is lost")
        # Half of what did not fit: how much was free nobody says.
        limit = under_way + batch.bytes // 2
        self._lane.end_batch(batch, state="refused", detail=text[:300], limit_bytes=limit)
        _log.info(f"the endpoint's token queue is full ({text[:200]}): the next batches are smaller")
        return QueueFull(text)

    def adopt(self, batch: Batch, state: BatchState) -> Batch:
        """Note durably which batch of the endpoint this one is."""
        self._lane.context.monitor.events.write("batch_posted", batch=batch.name, id=state.id, requests=batch.requests)
        return self._lane.note(batch, batch_id=state.id, state=state.status)

    async def find(self, batch: Batch) -> None:
        """Look for a batch that was posted without an answer; post again where it is not there after a while."""
        try:
            adopted = await self.adopted(batch)
        except RequestFailed as failure:
            raise self._cannot_be_known(batch, failure) from failure
        if adopted is None:
            await self.post(batch)

    async def adopted(self, batch: Batch) -> Batch | None:
        """Return a batch with the id under which the endpoint lists it; None where it is not there after a while.

        Raises RequestFailed.
        """
        database, pauses = self._lane.context.ledger.database, Pauses()
        # a clock that was set back since makes nobody wait for hours
        since = min(batch.posted_at or 0.0, database.now())
        while True:
            states = await persist(self._stop, self._api.find, batch.input_file or "", batch.name, batch.created_at)
            if states:
                if len(states) > 1:  # the other ones are dealt with when the first is settled
                    batch = self._lane.note(batch, posts=max(2, batch.posts))
                return self.adopt(batch, states[0])
            # Lists lag behind: a batch that is missing at once may be there in a moment, and would be made twice.
            if database.now() > since + GRACE_SECONDS:
                return None
            await sleep(self._stop, min(4.0, pauses.take()))

    def _cannot_be_known(self, batch: Batch, failure: RequestFailed) -> Paused:
        if failure.code != "no_list":
            return paused(self._api.where, failure, batch)
        return Paused(
            f"{self._api.where}: whether batch {batch.name} ({batch.requests:,} requests, file {batch.input_file}) was made cannot "
            "be known, for the endpoint lists no batches; labelmill label JOB --cancel gives it up, and counts it as lost"
        )
