"""Memory for long bodies: a few at a time, from their second megabyte until they are on the disk."""

from __future__ import annotations

import asyncio
from collections import deque

SIZE = 96 * 2**20  # bytes
FREE = 2**20  # bytes of a body that need no place


class Room:
    """Who comes first is served first, else a sitemap of 60 MB would wait behind pages for ever."""

    def __init__(self, size: int = SIZE) -> None:
        self.size = self._left = size
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, count: int) -> None:
        if count <= self._left and not self._queue:
            self._left -= count
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue.append((count, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it came at the same moment
                self.give(count)
            raise

    def give(self, count: int) -> None:
        self._left += count
        while self._queue and (self._queue[0][1].done() or self._queue[0][0] <= self._left):
            wanted, turn = self._queue.popleft()
            if not turn.done():  # else who waited was cancelled
                self._left -= wanted
                turn.set_result(None)


class Place:
    """What one body holds of a room."""

    def __init__(self, room: Room) -> None:
        self._room, self._held = room, 0

    async def take(self, count: int) -> None:
        """At once as much as the body may need: bodies that ask bit by bit would wait for each other."""
        if not self._held:
            count = min(count, self._room.size)
            await self._room.take(count)
            self._held = count

    def keep(self, count: int) -> None:
        """Give back what is more than that."""
        count = min(count, self._held)
        self._room.give(self._held - count)
        self._held = count
