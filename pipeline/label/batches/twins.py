"""Batches that were made beside one of ours, out of the same file: found in the endpoint's list, cancelled, and counted as lost."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from pipeline.core.batch_api import BatchState
from pipeline.core.errors import RequestFailed
from pipeline.core.types import Reply
from pipeline.label.batches.calls import Pauses, persist, sleep
from pipeline.label.batches.input_file import key_of
from pipeline.label.batches.lane_context import LaneContext, at_batch_tier
from pipeline.label.ledger.batches import Batch

LISTINGS = 8  # of batches, until the list is new enough
LOOKS = 20  # at a batch that is being cancelled: about a quarter of an hour
_log = logging.getLogger("labelmill.label")


class Twins:
    """Looks for the twins of batches: a POST whose answer was lost and that was made again, or by a gateway, makes two."""

    def __init__(self, lane: LaneContext) -> None:
        self._lane, self._api, self._stop = lane, lane.api, lane.stop

    async def count(self, batch: Batch) -> tuple[float, int]:
        """Cancel what was made beside a batch; return (dollars, requests) of what that answered.

        It is paid, and lost.  Where it was posted once, a gateway between may have done so again by itself: one look tells.
        """
        usd, requests = 0.0, 0
        pauses, states = Pauses(), list[BatchState]()
        for _ in range(LISTINGS if batch.posts > 1 else 1):
            try:
                states = await persist(self._stop, self._api.find, batch.input_file or "", batch.name, batch.created_at)
            except RequestFailed as failure:
                if batch.posts < 2:
                    return usd, requests
                if failure.code != "no_list":
                    raise  # the batch stays under way, and is settled when the endpoint can be asked
                _log.warning(f"batch {batch.batch_id}: whether it was made twice cannot be known ({failure})")
                return usd, requests
            # a list that does not show this one either is older than both, or calls it otherwise
            if any(state.id == batch.batch_id for state in states):
                break
            if batch.posts < 2:
                return usd, requests
            await sleep(self._stop, pauses.take())
        for twin in states:
            if twin.id != batch.batch_id:
                try:
                    cost, count = await self._cancel(batch, twin)
                except RequestFailed as failure:
                    if batch.posts > 1:
                        raise  # this one asked for it: the batch stays under way until that is counted
                    _log.warning(f"batch {batch.batch_id}: {twin.id}, made beside it, is not counted ({failure})")
                else:
                    usd, requests = usd + cost, requests + count
        return usd, requests

    def _replies(self, path: Path) -> Iterator[Reply]:
        """Yield the replies to questions of ours in a file, each once."""
        seen: set[str] = set()
        for line in self._api.read(path):
            if line and line.reply and line.custom_id not in seen and key_of(line.custom_id):
                seen.add(line.custom_id)
                yield line.reply

    async def other(self, batch: Batch) -> BatchState | None:
        """Return a batch that was made beside this one, which was posted twice, where it is under way or has answers.

        Raises RequestFailed where the endpoint cannot be asked just now.
        """
        if batch.posts < 2:
            return None
        try:
            states = await persist(self._stop, self._api.find, batch.input_file or "", batch.name, batch.created_at)
        except RequestFailed as failure:
            if failure.code != "no_list":
                raise
            return None
        others = (state for state in states if state.id != batch.batch_id)
        return next((state for state in others if not state.is_over or state.completed or state.output_file), None)

    async def _cancel(self, batch: Batch, twin: BatchState) -> tuple[float, int]:
        state, pauses, looks = await persist(self._stop, self._api.cancel, twin.id), Pauses(), iter(range(LOOKS))
        while not state.is_over:
            if next(looks, None) is None:
                raise RequestFailed("transient", "twin", f"{twin.id} was cancelled, and is not over yet")
            await sleep(self._stop, pauses.take())
            state = await persist(self._stop, self._api.retrieve, twin.id)
        path, cost, count = self._lane.path(batch, "twin"), 0.0, 0
        if state.output_file:
            output = state.output_file
            path.unlink(missing_ok=True)
            await persist(self._stop, self._api.download, output, path)
            for reply in self._replies(path):
                count += 1
                cost += self._lane.cost_usd(batch, at_batch_tier(reply)) or 0.0
        _log.warning(
            f"batch {batch.batch_id} was made twice by the endpoint: {twin.id} is cancelled; it had answered {count:,} requests, "
            f"for ${cost:.4f}, which count as lost"
        )
        return cost, count
