"""Calls to a Batch API: tried again where that helps, with growing pauses, and a pause of the job where it does not."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pipeline.core.errors import Paused, RequestFailed
from pipeline.label.engine.stopping import Stop
from pipeline.label.ledger.batches import Batch

TRIES = 7  # of one call: together they wait about a minute
LONGEST = 60.0  # seconds between two looks, and two tries
_log = logging.getLogger("labelmill.label")

Result = TypeVar("Result")


class Stopped(Exception):
    """The user stopped the run while something waited."""


class Pauses:
    """Pauses that grow from a second to a minute; `reset` begins anew."""

    FIRST = 1.0

    def __init__(self) -> None:
        self._next = self.FIRST

    def reset(self) -> None:
        """Begin with the shortest pause again."""
        self._next = self.FIRST

    def take(self) -> float:
        """Return the next pause, in seconds."""
        pause, self._next = self._next, min(LONGEST, self._next * 1.6)
        return pause


async def persist(stop: Stop, call: Callable[..., Awaitable[Result]], *arguments: Any) -> Result:
    """Return what a call gives for its arguments, tried again where it fails for a while.  Raises RequestFailed, Stopped."""
    pauses = Pauses()
    for tries_left in reversed(range(TRIES)):
        try:
            return await call(*arguments)
        except RequestFailed as failure:
            if failure.kind not in ("transient", "rate_limited") or failure.code == "queue_full" or not tries_left:
                raise
            _log.debug("batch call failed: %s", failure)
            await sleep(stop, max(pauses.take(), min(failure.retry_after or 0.0, LONGEST)))
    raise AssertionError("unreachable")


async def sleep(stop: Stop, seconds: float) -> None:
    """Wait.  Raises Stopped where the user stops the run."""
    if not stop.why:
        await stop.sleep(seconds)
    if stop.why:
        raise Stopped


def paused(where: str, failure: RequestFailed, batch: Batch | None = None) -> Paused:
    """Return the pause that follows a failure of the Batch API itself."""
    of_batch = f" (batch {batch.batch_id or batch.name})" if batch else ""
    return Paused(f"{where}: its Batch API fails{of_batch}: {failure}; nothing is lost: the same command goes on")
