"""How many units (requests, or tokens) a second the endpoint takes: given, or learned from its refusals.

Given: a ceiling, from the job file or from the endpoint's headers.  The flow is even and stays a little below it, since
endpoints count by the second (OpenAI's guide to rate limits: "60,000 requests/minute may be enforced as 1,000
requests/second").

Learned: after a refusal the rate falls to a little below what went through before it, climbs back to just below that,
stays there, and then feels its way upward, slowly at first and ever faster, until the next refusal (the shape of TCP
CUBIC, RFC 9438).  So a limit that falls is met at once and a limit that rises is found in seconds.

Tried in virtual time against endpoints that count by fixed seconds, by a bucket and by the minute, and dropped:

- an estimator of the bucket's rate, exact for buckets: it misleads on fixed seconds, and a bucket forgives a rate a little too
  high, since what a pause saves up is spent afterwards;
- creeping above an advertised limit of tokens: one refusal with `Retry-After: 1` costs more than the creep brings.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from itertools import accumulate

from pipeline.core.types import Usage

BELOW = 0.99  # of a ceiling
TOO_FAR = 0.01  # of a ceiling: by so much a guess of what counts against it is corrected at a refusal, or by more
LATE = 0.01  # seconds: a request that goes out this much late does not delay the next ones
CUT = 0.96  # of the learned limit, right after a refusal
CRUISE = 0.98  # of it, some seconds later
CLIMB_SECONDS = 2.0
FIRST_CRUISE, LONGER, LONGEST_CRUISE = 3.0, 5.0, 24.0  # seconds at it: longer where the same limit was found again
OVERSHOT = 0.97  # of a guess
MIDDLE = 0.3  # from the most towards the least that it may be
FAST = 1.1  # of the learned limit
STEP, SLOWLY = 0.01, 3.0  # of the limit a second, for so many seconds, before it doubles each second
LONG_SECONDS = 2.5  # of a pause
LONE_SECONDS = 5.0  # a refusal with none in this time before it, at a ceiling that is known, is noise
_MEMORY = 2.0  # seconds of sends that are remembered
LONGEST_INTERVAL = 5.0  # seconds between two requests, where that is only what was learned
_SLOWEST = 0.01  # units a second


class RateLimiter:
    """The rate of one unit.  `exact`: what a request counts here is what the endpoint counts (a request is one request; tokens
    are guessed).
    """

    def __init__(self, exact: bool = True) -> None:
        self._exact = exact
        self._scale = 1.0  # units here to one of the ceiling's
        self._ceiling: float | None = None  # units a second
        self._limit: float | None = None  # as learned, units a second
        self._learned_at = 0.0
        self._next = 0.0  # when the next request may go out
        self._refused_at = -LONE_SECONDS
        self._estimate: float | None = None  # of the limit, after a refusal; None: nothing to learn
        self._cruise = FIRST_CRUISE
        self._between = (0.0, 0.0, -LONE_SECONDS)  # the limit, as the last refusal had it, and when
        self._largest = 0.0  # units of one request
        self._sent: deque[tuple[float, float]] = deque()  # when, how many units
        self._cycle_start: float | None = None  # since the flow was last resumed
        self._cycle_units = 0.0

    def set_ceiling(self, per_second: float | None) -> None:
        """Keep below a ceiling.  One that changes makes what was learned under the old one worthless."""
        if per_second == self._ceiling:
            return
        former, self._ceiling = self._ceiling, per_second
        # A change of less than a percent is none: what was learned stays.
        if former is None or per_second is None or abs(per_second - former) > 0.01 * former:
            self._limit = None
            self._scale = 1.0

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit to keep to."""
        return self._ceiling is not None or self._limit is not None

    def rate(self, now: float) -> float | None:
        """Return the units a second that may go out; None is as many as there are."""
        ceiling = self._below_ceiling()
        if self._limit is None:
            return ceiling
        rate = self._limit * self._recovery(now - self._learned_at)
        return rate if ceiling is None else min(rate, ceiling)

    def _below_ceiling(self) -> float | None:
        """Return the ceiling less a margin, None where there is no ceiling.

        Even a steady flow overfills a second by a part of one request where requests are large against it; where one is more than
        a second's worth, nobody counts by the second.
        """
        if self._ceiling is None:
            return None
        large = self._largest / self._ceiling if self._largest > 1 else 0.0
        return self._ceiling * self._scale * (min(BELOW, max(0.9, 1 - large)) if large < 1 else BELOW)

    def opens_at(self) -> float:
        """Return when the next request may go out."""
        return self._next

    def take(self, units: float, now: float) -> None:
        """Count a request of that many units, which goes out now."""
        # Slowly forgotten, for the size of requests changes along a corpus.
        self._largest = max(units, self._largest * 0.999)
        if rate := self.rate(now):
            late = max(LATE, 0.25 * units / rate)
            interval = units / rate if self._limit is None else min(units / rate, LONGEST_INTERVAL)
            # A little lateness is made up for, so that the mean rate holds; what a pause left unused is not sent in a burst.
            self._next = (self._next if now - self._next < late else now) + interval
        self._sent.append((now, units))
        while self._sent[0][0] < now - _MEMORY:
            self._sent.popleft()
        if self._cycle_start is None:
            self._cycle_start, self._cycle_units = now, 0.0
        self._cycle_units += units

    def uncount(self, units: float, sent_at: float) -> None:
        """Take back a request that went out and was refused: it does not count as let through."""
        if self._cycle_start is not None and sent_at >= self._cycle_start:
            self._cycle_units -= units

    def refused(self, sent_at: float, now: float) -> None:
        """Learn from a refusal, the first after a time without any, of a request that went out at `sent_at`."""
        is_lone = now - self._refused_at > LONE_SECONDS
        self._refused_at = now
        started = self._cycle_start if self._cycle_start is not None else sent_at
        accepted = sum(units for at, units in self._sent if max(sent_at - 1.0, started) <= at < sent_at)
        if self._ceiling is not None and self._limit is None:
            if is_lone:  # the flow may just have begun
                accepted /= min(1.0, max(sent_at - started, 0.1))
            if not self._exact:
                self._correct_scale(accepted / self._ceiling)
                return
            if is_lone and accepted > 0.9 * self._ceiling:
                return  # noise
        rate = self.rate(sent_at)
        if self._limit and rate and rate < FAST * self._limit and self._feels_upward(sent_at):
            self._estimate = min(accepted, rate)
        else:
            self._estimate = OVERSHOT * self._guess(sent_at, started) or None

    def _guess(self, sent_at: float, started: float) -> float:
        """Return the limit, where the flow was far from it.

        Who counts by the second began to count at some time in the second before `sent_at`, and no second before that
        held more.  So what the refused one was sent after is between two numbers; a refusal soon after narrows them.
        """
        # Over ten phases and two latencies about as good as 0.85 of what went through in the last second, but better after a
        # limit that doubled: 75% of it in the next half minute instead of 70.  What is left between 91% and the limit are the
        # pauses: three refusals a minute with `Retry-After: 1` cost 7% whatever the guess.
        sent = [(at, units) for at, units in self._sent if started <= at < sent_at]
        times, sums = [at for at, _ in sent], [0.0, *accumulate(units for _, units in sent)]
        most = least = sums[-1] - sums[bisect_left(times, sent_at - 1.0)]
        for index in range(len(times) - 1, bisect_left(times, sent_at - 1.0) - 1, -1):
            since = sums[-1] - sums[index]
            if sums[index] - sums[bisect_left(times, times[index] - 1.0)] <= since:
                least = since
                break
        low, high, at = self._between
        if sent_at - at < LONE_SECONDS and max(low, least) <= min(high, most):
            least, most = max(low, least), min(high, most)
        self._between = (least, most, sent_at)
        return most - (most - least) * MIDDLE * min(1.0, sent_at - started)

    def _correct_scale(self, accepted: float) -> None:
        """Count requests as more than until now, since the endpoint does: a little, or as much more as it accepted less.
        `accepted` is a share of the ceiling.
        """
        self._scale = max(0.5 * self._scale, min(self._scale - TOO_FAR, accepted))

    def resumed(self, now: float) -> None:
        """Go on after the pause that followed a refusal."""
        if self._estimate is not None:
            limit, started = self._estimate, self._cycle_start
            if now - self._refused_at > LONG_SECONDS and started is not None:
                limit = min(limit, self._cycle_units / (now - started))  # it counts by the minute, or longer
            is_steady = self._limit is not None and 0.9 < limit / self._limit < 1.1
            self._cruise = min(LONGER * self._cruise, LONGEST_CRUISE) if is_steady else FIRST_CRUISE
            self._limit, self._learned_at = max(limit, _SLOWEST), now
        self._next = max(self._next, now)
        self._cycle_start, self._estimate = None, None

    def _recovery(self, seconds: float) -> float:
        """Return the share of a learned limit that is sent so many seconds after it was learned."""
        if seconds < CLIMB_SECONDS:
            return CUT + (CRUISE - CUT) * seconds / CLIMB_SECONDS
        beyond = seconds - CLIMB_SECONDS - self._cruise
        if beyond < 0:
            return CRUISE
        return CRUISE + (STEP * beyond if beyond < SLOWLY else STEP * SLOWLY * 2 ** min(beyond - SLOWLY, 30.0))

    def _feels_upward(self, at: float) -> bool:
        """Return whether the rate was growing beyond what is known to be let through."""
        return at - self._learned_at > CLIMB_SECONDS + self._cruise


_AT_FIRST = 0.3  # tokens to a byte, before the first reply
_CHAT_FORMAT = 11  # tokens that wrap two messages: billed, but not among the characters
_HALF_LIFE = 100.0  # replies


class TokenEstimate:
    """How many tokens a request counts against a limit of tokens per minute.

    OpenAI's guide to rate limits: "the maximum of max_tokens and the estimated number of tokens based on the character count".
    Sizes are bytes of messages; the estimate is bytes times what the endpoint's own counts say a byte is worth.
    """

    def __init__(self, most_output: int | None) -> None:
        self._most_output = most_output or 0
        self._tokens, self._bytes = 0.0, 0.0

    def of(self, size: int) -> float:
        """Return the tokens that a request of `size` bytes counts."""
        ratio = self._tokens / self._bytes if self._bytes else _AT_FIRST
        return max(size * ratio, self._most_output, 1.0)

    def learn(self, size: int, usage: Usage) -> None:
        """Take note of what the endpoint counted for a request of `size` bytes."""
        if usage.input_tokens and usage.input_tokens > _CHAT_FORMAT:
            keep = 0.5 ** (1 / _HALF_LIFE)
            self._tokens = self._tokens * keep + usage.input_tokens - _CHAT_FORMAT
            self._bytes = self._bytes * keep + size
