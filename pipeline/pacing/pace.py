"""How many units (requests, or tokens) a second the endpoint takes: told, or learned from its refusals.

Told: a ceiling, from the job file or from the endpoint's headers.  The flow is even and stays a little below it, since
endpoints count by the second (OpenAI's guide to rate limits: "60,000 requests/minute may be enforced as 1,000
requests/second").

Learned: after a refusal the rate falls to a little below what went through before it, climbs back to just below that,
stays there, and then feels its way upward, slowly at first and ever faster, until the next refusal (the shape of TCP
CUBIC, RFC 9438).  So a limit that falls is met at once and a limit that rises is found in seconds.
"""

from __future__ import annotations

from collections import deque

BELOW = 0.99  # of a ceiling
LATE = 0.008  # seconds: a request that goes out this much late does not delay the next ones
CUT = 0.95  # of the learned limit, right after a refusal
CRUISE = 0.98  # of it, some seconds later
CLIMB_SECONDS = 3.0
CRUISE_SECONDS = 12.0
LONE_SECONDS = 5.0  # a refusal with none in this time before it, at a ceiling that is known, is noise
_MEMORY = 2.0  # seconds of sends that are remembered
_SLOWEST = 0.01  # units a second


class Pace:
    def __init__(self) -> None:
        self._ceiling: float | None = None  # units a second
        self._limit: float | None = None  # as learned, units a second
        self._learned_at = 0.0
        self._next = 0.0  # when the next request may go out
        self._refused_at = -LONE_SECONDS
        self._through: float | None = None  # units a second, before the refusal; None: nothing to learn
        self._largest = 0.0  # units of one request
        self._sent: deque[tuple[float, float]] = deque()  # when, how many units
        self._cycle_start: float | None = None  # since the flow was last resumed
        self._cycle_units = 0.0

    def told(self, per_second: float | None) -> None:
        """A ceiling.  One that changes makes what was learned under the old one worthless."""
        if per_second == self._ceiling:
            return
        was, self._ceiling = self._ceiling, per_second
        if was is None or per_second is None or abs(per_second - was) > 0.01 * was:
            self._limit = None

    @property
    def known(self) -> bool:
        """Whether there is any limit to keep to."""
        return self._ceiling is not None or self._limit is not None

    def rate(self, now: float) -> float | None:
        """Units a second that may go out; None is as many as there are."""
        ceiling = self._below_ceiling()
        if self._limit is None:
            return ceiling
        rate = self._limit * _recovery(now - self._learned_at)
        return rate if ceiling is None else min(rate, ceiling)

    def _below_ceiling(self) -> float | None:
        """Even a steady flow overfills a second by a part of one request where requests are large against it."""
        if self._ceiling is None:
            return None
        return self._ceiling * min(BELOW, max(0.9, 1 - self._largest / self._ceiling if self._largest > 1 else BELOW))

    def opens_at(self) -> float:
        return self._next

    def take(self, units: float, now: float) -> None:
        """A request of that many units goes out now."""
        self._largest = max(units, self._largest * 0.999)
        if rate := self.rate(now):
            late = max(LATE, 0.25 * units / rate)
            self._next = (self._next if now - self._next < late else now) + units / rate
        self._sent.append((now, units))
        while self._sent[0][0] < now - _MEMORY:
            self._sent.popleft()
        if self._cycle_start is None:
            self._cycle_start, self._cycle_units = now, 0.0
        self._cycle_units += units

    def untake(self, units: float) -> None:
        """A request that went out was refused: it does not count as let through."""
        self._cycle_units -= units

    def refused(self, sent_at: float, now: float) -> None:
        """A refusal, the first after a time without any, of a request that went out at `sent_at`."""
        lone = now - self._refused_at > LONE_SECONDS
        self._refused_at = now
        through = sum(units for at, units in self._sent if sent_at - 1.0 < at < sent_at)
        if self._ceiling is not None and self._cycle_start is not None:
            through /= min(1.0, max(sent_at - self._cycle_start, 0.1))
        rate = self.rate(sent_at)
        self._through = min(through, rate or through)
        if lone and self._ceiling is not None and self._limit is None and through > 0.9 * self._ceiling:
            self._through = None

    def resumed(self, now: float) -> None:
        """The endpoint takes requests again: learn from what went through since the last time, pause included."""
        if self._through is not None:
            limit = self._through
            if self._cycle_start is not None:
                over_all = self._cycle_units / max(now - self._cycle_start, 0.001)
                limit = over_all if over_all < 0.7 * limit else limit
            self._limit, self._learned_at = max(limit, _SLOWEST), now
        self._next = max(self._next, now)
        self._cycle_start, self._through = None, None


def _recovery(seconds: float) -> float:
    """The share of a learned limit that is sent so long after it was learned."""
    if seconds < CLIMB_SECONDS:
        return CUT + (CRUISE - CUT) * seconds / CLIMB_SECONDS
    beyond = seconds - CLIMB_SECONDS - CRUISE_SECONDS
    return CRUISE + (0.01 * (2 ** min(beyond, 30.0) - 1) if beyond > 0 else 0.0)
