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
TOO_FAR = 0.01  # of a ceiling: by so much a guess of what counts against it is corrected at a refusal, or by more
LATE = 0.008  # seconds: a request that goes out this much late does not delay the next ones
CUT = 0.96  # of the learned limit, right after a refusal
CRUISE = 0.98  # of it, some seconds later
CLIMB_SECONDS = 2.0
FIRST_CRUISE, LONGEST_CRUISE = 5.0, 24.0  # seconds at it: longer where the same limit was found again
FIRST = 0.97  # of what was let through in the second before the first refusal
AGAIN = 0.97  # of it, where that was refused soon
OVERSHOT = 0.95  # of it, where the rate had grown fast
QUICK_SECONDS = 3.0
STEP, SLOWLY = 0.01, 3.0  # of the limit a second, for so many seconds, before it doubles each second
LONG_SECONDS = 2.5  # of a pause
LONE_SECONDS = 5.0  # a refusal with none in this time before it, at a ceiling that is known, is noise
_MEMORY = 15.0  # seconds of sends that are remembered
_SLOWEST = 0.01  # units a second


class Pace:
    """`exact`: what a request counts here is what the endpoint counts (a request is one request; tokens are guessed)."""

    def __init__(self, exact: bool = True) -> None:
        self._exact = exact
        self._worth = 1.0  # units here to one of the ceiling's
        self._ceiling: float | None = None  # units a second
        self._limit: float | None = None  # as learned, units a second
        self._learned_at = 0.0
        self._next = 0.0  # when the next request may go out
        self._refused_at = -LONE_SECONDS
        self._estimate: float | None = None  # of the limit, after a refusal; None: nothing to learn
        self._cruise = FIRST_CRUISE
        self._paused = 0.0  # seconds, the last time
        self._bursty = False  # whether unused units are saved up, as in a bucket
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
            self._worth = 1.0

    @property
    def known(self) -> bool:
        """Whether there is any limit to keep to."""
        return self._ceiling is not None or self._limit is not None

    def rate(self, now: float) -> float | None:
        """Units a second that may go out; None is as many as there are."""
        ceiling = self._below_ceiling()
        if self._limit is None:
            return ceiling
        rate = self._limit * self._recovery(now - self._learned_at)
        return rate if ceiling is None else min(rate, ceiling)

    def _below_ceiling(self) -> float | None:
        """Even a steady flow overfills a second by a part of one request where requests are large against it."""
        if self._ceiling is None:
            return None
        large = self._largest / self._ceiling if self._largest > 1 else 0.0
        return self._ceiling * self._worth * min(BELOW, max(0.9, 1 - large))

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

    def untake(self, units: float) -> None:
        """A request that went out was refused: it does not count as let through."""
        self._cycle_units -= units

    def refused(self, sent_at: float, now: float) -> None:
        """A refusal, the first after a time without any, of a request that went out at `sent_at`."""
        lone = now - self._refused_at > LONE_SECONDS
        self._refused_at = now
        started = self._cycle_start if self._cycle_start is not None else sent_at
        flat, bucket = self._through(sent_at, started)
        if self._ceiling is not None and self._limit is None:
            flat /= min(1.0, max(sent_at - started, 0.1))
            if not self._exact:
                found = flat / self._ceiling
                self._worth = min(self._worth - TOO_FAR, found if found < 0.95 * self._worth else self._worth)
                self._estimate = None
                return
            if lone and flat > 0.9 * self._ceiling:
                self._estimate = None  # noise
                return
        if self._limit is None:
            self._estimate = FIRST * flat
            return
        if sent_at - started < QUICK_SECONDS:
            self._estimate = self._after_a_quick_one(flat, sent_at - started)
            return
        if self._growing_since(sent_at) < 0:
            self._bursty = True  # a limit by the second would have been met at once
        rate = self.rate(sent_at) or flat
        overshot = OVERSHOT if rate > 1.1 * self._limit else 1.0
        self._estimate = bucket if self._bursty else overshot * min(flat, rate)

    def _after_a_quick_one(self, flat: float, seconds: float) -> float:
        """The limit, where so many seconds after the flow was resumed it was refused again."""
        assert self._limit is not None
        if (
            flat < 0.9 * self._limit and self._paused < 1.0
        ):  # what a bucket had saved up in the pause, and what flowed in
            self._bursty = True
            return self._cycle_units / (seconds + self._paused)
        self._bursty = False
        return AGAIN * min(self._limit, flat)

    def _through(self, sent_at: float, started: float) -> tuple[float, float]:
        """Units a second that went through before a refusal, if the endpoint counts by fixed seconds; and if it is a
        bucket that holds one second's worth, which was full at some time and is empty now."""
        flat = units = bucket = 0.0
        for at, size in reversed(self._sent):
            if at >= sent_at:
                continue
            if at < started:
                break
            units += size
            flat = units if at > sent_at - 1.0 else flat
            bucket = max(bucket, units / (sent_at - at + 1.0))
        return flat, bucket

    def resumed(self, now: float) -> None:
        """The endpoint takes requests again, after the pause that followed a refusal."""
        if self._estimate is not None:
            limit, started = self._estimate, self._cycle_start
            if now - self._refused_at > LONG_SECONDS and started is not None:
                limit = min(limit, self._cycle_units / (now - started))  # it counts by the minute, or longer
            steady = self._limit is not None and 0.9 < limit / self._limit < 1.1
            self._cruise = min(3 * self._cruise, LONGEST_CRUISE) if steady else FIRST_CRUISE
            self._limit, self._learned_at = max(limit, _SLOWEST), now
        self._next = max(self._next, now)
        self._paused = now - self._refused_at
        self._cycle_start, self._estimate = None, None

    def _recovery(self, seconds: float) -> float:
        """The share of a learned limit that is sent so long after it was learned."""
        if seconds < CLIMB_SECONDS:
            return CUT + (CRUISE - CUT) * seconds / CLIMB_SECONDS
        beyond = seconds - CLIMB_SECONDS - self._cruise
        if beyond < 0:
            return CRUISE
        return CRUISE + (STEP * beyond if beyond < SLOWLY else STEP * SLOWLY * 2 ** min(beyond - SLOWLY, 30.0))

    def _growing_since(self, at: float) -> float:
        """Seconds since the rate began to feel its way upward; negative before."""
        return at - self._learned_at - CLIMB_SECONDS - self._cruise
