"""Budget of memory for long bodies: a few at a time, from their second megabyte until they are on the disk."""

from __future__ import annotations

import asyncio
from collections import deque

BUDGET_BYTES = 96 * 2**20
FREE_BYTES = 2**20  # of each body, which need no lease


class MemoryBudget:
    """A number of bytes, lent in the order of asking: otherwise a sitemap of 60 MB would wait behind pages for ever."""

    def __init__(self, size: int = BUDGET_BYTES) -> None:
        self.size = self._left = size
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def acquire(self, count: int) -> None:
        """Wait until `count` bytes are free, and take them."""
        # Not past those who wait, though a small one might fit.
        if count <= self._left and not self._queue:
            self._left -= count
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue.append((count, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # granted at the same moment
                self.release(count)
            raise

    def release(self, count: int) -> None:
        """Give `count` bytes back, and serve those who wait."""
        self._left += count
        while self._queue and (self._queue[0][1].done() or self._queue[0][0] <= self._left):
            wanted, turn = self._queue.popleft()
            if not turn.done():  # else its task was cancelled
                self._left -= wanted
                turn.set_result(None)


class MemoryLease:
    """The bytes of a budget that one body holds."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget, self._held = budget, 0

    async def acquire(self, count: int) -> None:
        """Acquire all that the body may need at once: bodies that asked bit by bit would wait for each other."""
        if not self._held:
            count = min(count, self._budget.size)
            await self._budget.acquire(count)
            self._held = count

    def shrink(self, count: int) -> None:
        """Release what is held beyond `count` bytes."""
        count = min(count, self._held)
        self._budget.release(self._held - count)
        self._held = count
