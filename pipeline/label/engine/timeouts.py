"""How long to wait for one reply: several times what replies take, so that one that hangs is noticed on a fast
endpoint within half a minute and a slow model is not cut off.  A reply given up may have been paid, so not too soon."""

from __future__ import annotations

from collections import deque

AT_FIRST = 180.0
LEAST, MOST = 30.0, 900.0
TIMES = 10  # the slowest of the last replies
KNOWN_AFTER = 10


class AdaptiveTimeout:
    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=100)

    def took(self, seconds: float) -> None:
        self._last.append(seconds)

    def seconds(self) -> float:
        if len(self._last) < KNOWN_AFTER:
            return AT_FIRST
        return min(MOST, max(LEAST, TIMES * max(self._last)))
