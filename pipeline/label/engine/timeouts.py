"""Where a request times out: attempts under way are watched, and ended where they take far longer than others did."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable
from typing import Any

from pipeline.core.errors import RequestFailed
from pipeline.core.types import Reply
from pipeline.label.engine.request_attempt import RequestAttempt

# Several times what replies take, so that one that hangs is noticed on a fast endpoint within half a minute and a slow model is
# not cut off.  A reply that is given up may have been paid, so not too soon.
AT_FIRST = 180.0  # seconds
LEAST, MOST = 30.0, 900.0
TIMES = 10  # the slowest of the last replies
KNOWN_AFTER = 10  # replies


class AdaptiveTimeout:
    """How long to wait for one reply, in seconds: as long as is `given` (a slow tier, a patient person), else by how long the last
    hundred took."""

    def __init__(self, given: float | None = None) -> None:
        self._given = given
        self._last: deque[float] = deque(maxlen=100)

    def learn(self, seconds: float) -> None:
        """Take note of how long a reply took."""
        self._last.append(seconds)

    def seconds(self) -> float:
        """Return how long to wait."""
        if self._given is not None:
            return self._given
        if len(self._last) < KNOWN_AFTER:
            return AT_FIRST
        return min(MOST, max(LEAST, TIMES * max(self._last)))


class TimeoutWatch:
    """The attempts under way.  One look at all of them now and then, since a timer for each would cost more than the rest."""

    def __init__(self, given: float | None = None) -> None:
        self.timeout = AdaptiveTimeout(given)
        self._watched: dict[RequestAttempt, tuple[float, asyncio.Task[Any]]] = {}  # since when, in which task
        self._expired: set[RequestAttempt] = set()

    async def wait(self, attempt: RequestAttempt, reply: Awaitable[Reply]) -> Reply:
        """Return the reply to an attempt.  Raises RequestFailed where `cut_off` ended it."""
        task = attempt.task
        assert task is not None
        # From here and not from when it was queued: the wait for admission is no time of the endpoint's.
        self._watched[attempt] = (time.monotonic(), task)
        try:
            return await reply
        except asyncio.CancelledError:
            if attempt not in self._expired:
                raise
            # the cancellation was ours, so the task goes on with it as one more failure
            self._expired.discard(attempt)
            task.uncancel()
            text = f"no answer within {self.timeout.seconds():.3g} s; label.timeout waits longer"
            raise RequestFailed("transient", "timeout", text, may_be_paid=True) from None
        finally:
            del self._watched[attempt]

    def cut_off(self) -> None:
        """End the attempts that take far longer than others did."""
        oldest = time.monotonic() - self.timeout.seconds()
        for attempt, (since, task) in self._watched.items():
            if since < oldest and attempt not in self._expired:
                self._expired.add(attempt)
                task.cancel()
