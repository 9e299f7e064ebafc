"""From requests to batches under way: claimed, written, uploaded, posted, so that a kill between any two steps costs nothing.

    claims under its name, and the file -> a synced commit -> upload -> file id stored -> `posted_at` stored -> POST -> id stored

Without a file id nothing can have been posted, so the claims are given back.  With `posted_at` and no id nobody knows: the
endpoint's list does, by the name in the metadata.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pipeline.core.types import Request
from pipeline.label.batches.input_file import InputFile, batch_name, custom_id
from pipeline.label.batches.lane_context import LaneContext
from pipeline.label.batches.posting import Posting, QueueFull
from pipeline.label.engine.request_attempt import room_of, size_of
from pipeline.label.ledger.batches import Batch
from pipeline.label.ledger.claims import Claims, Wanted

# requests claimed at once, and bytes of their prompts: few groups are few pages written twice
GROUP, GROUP_BYTES = (
    4096,
    1 << 23,
)
QUEUE_FULL, OUT_OF_BUDGET = "queue full", "out of budget"  # why a submission is blocked

Question = tuple[Request, int, int]  # with the bytes of its prompt, and which ask of it this is


@dataclass
class Writing:
    """The batch that requests are put into at the moment."""

    batch: Batch
    claims: Claims
    file: InputFile


class Submission:
    """What a run puts into batches.  `blocked` says why not all of it was: the budget, or the endpoint's token queue; `is_shared`:
    another process asks some of it online at this moment."""

    def __init__(self, lane: LaneContext) -> None:
        self._lane, self._api, self._batches = lane, lane.api, lane.batches
        self._posting = Posting(lane)
        self._waiting: dict[bytes, Question] = {}
        self._waiting_bytes = 0
        self._writing: Writing | None = None
        self.blocked: str | None = None
        self.made, self.is_shared = 0, False

    async def add(self, request: Request, ask: int) -> None:
        """Have a question put into a batch, with others."""
        size = size_of(request)
        self._waiting[request.key] = (request, size, ask)
        self._waiting_bytes += size
        if len(self._waiting) >= GROUP or self._waiting_bytes >= GROUP_BYTES:
            await self._claim()

    async def finish(self) -> None:
        """Send what is there."""
        await self._claim()
        await self._send()

    def abandon(self) -> None:
        """Give back what was not sent yet."""
        if self._writing:
            self._writing.file.close()
            self._lane.end_batch(self._writing.batch, state="not posted")
            self._writing = None

    async def _claim(self) -> None:
        """Claim a group, as far as it fits into the file, and write it there; what does not begins the next one."""
        group, self._waiting, self._waiting_bytes = list(self._waiting.values()), {}, 0
        lines = [self._api.line(custom_id(request.key, ask), request) for request, _, ask in group]
        while group and self.blocked is None:
            writing = self._writing or self._begin()
            if writing is None:
                return
            count = writing.file.room(lines)
            self._claim_part(writing, group[:count], lines[:count])
            group, lines = group[count:], lines[count:]
            # Full, or nothing more will come: what is in the file goes out now.
            if group or self.blocked:
                await self._send()
        await asyncio.sleep(0)  # others see to the lease

    def _begin(self) -> Writing | None:
        """Begin a batch; None where the token queue has no room for another one."""
        lane, most = self._lane, self._api.max_bytes
        if (limit := self._batches.limit_bytes(self._api.where)) is not None:
            under_way = sum(batch.bytes for batch in self._batches.under_way(self._api.where))
            most = min(most, limit - under_way)
            # With less than a tenth of the queue free a batch would be tiny: this waits until others are over.
            if under_way and most < limit / 10:
                self.blocked = QUEUE_FULL
                return None
        requests = min(self._api.max_requests, lane.context.options.limits.batch_requests or self._api.max_requests)
        batch = self._batches.begin(
            batch_name(lane.job), self._api.where, lane.context.model, lane.bound.tariff.asked, lane.owner
        )
        file = InputFile(lane.path(batch, "input"), requests, most)
        self._writing = Writing(batch, self._batches.claims_of(batch.name), file)
        return self._writing

    def _claim_part(self, writing: Writing, part: list[Question], lines: list[bytes]) -> None:
        wanted = [
            Wanted(request.key, ask, self._lane.bound.dollars(size, room_of(request)), size)
            for request, size, ask in part
        ]
        claimed = writing.claims.claim(wanted, self._lane.context.budget_usd)
        granted = [line for (request, *_), line in zip(part, lines, strict=True) if request.key in claimed.granted]
        # After the claim and in the same order: a kill in between leaves claims of a batch without a file id, which are given
        # back.
        writing.file.write(granted)
        self.is_shared |= bool(claimed.held - claimed.in_batches)
        if claimed.unaffordable:
            self.blocked = OUT_OF_BUDGET

    async def _send(self) -> None:
        """Upload and post what was written."""
        writing, self._writing = self._writing, None
        if writing is None:
            return
        writing.file.close()
        if not writing.file.requests:
            writing.file.path.unlink()
            # All that was wanted was claimed by others, or the budget reaches for none of it: there is nothing to post.
            self._batches.discard(writing.batch.name)
            return
        # synced, and with it every claim before: from here on the endpoint may know of them
        batch = self._lane.note(writing.batch, state="written", requests=writing.file.requests, bytes=writing.file.size)
        self.made += 1
        try:
            await self._posting.upload(batch, writing.file.path)
        except QueueFull:
            self.blocked = QUEUE_FULL
