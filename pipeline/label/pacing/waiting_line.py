"""Who goes next: the requests that wait to be let through.

They go in turn, those that try again first.  Two cases differ.  The first one after a pause is the one that was sent the fewest
times: if it were the one that was refused, a limit that refuses nothing else would hold up everybody.  And one that was refused
while others were answered goes last, by itself, when nobody else waits or is in flight.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

Place = Literal["in turn", "first", "last"]


@dataclass(slots=True, eq=False)
class Waiting:
    """A request that waits: its size in tokens and how often it was sent before."""

    future: asyncio.Future[Any]
    tokens: float
    tries: int


class WaitingLine:
    """The requests that wait, in the order in which they go."""

    def __init__(self) -> None:
        self._line: deque[Waiting] = deque()
        self._last: deque[Waiting] = deque()

    def add(self, waiting: Waiting, position: Place) -> None:
        """Have a request wait in its place."""
        if position == "last":
            self._last.append(waiting)
        elif position == "first":
            self._line.appendleft(waiting)
        else:
            self._line.append(waiting)

    def next(self, after_pause: bool) -> Waiting | None:
        """Return who goes next, those that go last aside; None where there is nobody."""
        if not self._line:
            return None
        return min(self._line, key=lambda waiting: waiting.tries) if after_pause else self._line[0]

    @property
    def next_of_last(self) -> Waiting | None:
        """Who goes next of those that go last; None as long as anybody else waits."""
        return self._last[0] if self._last and not self._line else None

    @property
    def has_new(self) -> bool:
        """Whether anybody waits that was never sent."""
        return any(not waiting.tries for waiting in self._line)

    def leave(self, waiting: Waiting) -> None:
        """Take a request out of the line."""
        (self._line if waiting in self._line else self._last).remove(waiting)

    def empty(self) -> list[Waiting]:
        """Take everybody out of the line, and return them."""
        everybody = [*self._line, *self._last]
        self._line.clear()
        self._last.clear()
        return everybody
