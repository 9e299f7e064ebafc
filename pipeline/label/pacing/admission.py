"""Admission of every attempt, retries included (an endpoint counts those too): may one more go out now?

It may where the concurrency limit has room and both rate limits allow.  A refusal (429) shuts everybody out, once, for as long as
the endpoint says, and the first one after that goes alone.  So does an outage: many failures with no answer between them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from pipeline.core.errors import Unit
from pipeline.core.types import RateLimits
from pipeline.label.pacing.concurrency_limiter import ConcurrencyLimiter
from pipeline.label.pacing.rate_limiter import RateLimiter

MAX_PAUSE = 60.0  # seconds: an endpoint that says "come back tomorrow" is asked again earlier
PAUSES = (0.25, 0.25, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)  # where it does not say; one more each time
OUTAGE_PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
OUTAGE_AFTER = 10  # requests that failed with no answer between them
PROBE_SECONDS = 0.25  # a first request that was not refused within this has passed
MAX_SILENCE = 900.0  # seconds without a single answer: enough
MAX_FIRST_SILENCE = 30.0  # and where there never was one in this run, for an endpoint that is down
MOST_IN_FLIGHT = 512  # where the job file says nothing


@dataclass(slots=True)
class Ticket:
    """A request that was let through."""

    tokens: float
    sent_at: float


class Closed(Exception):
    """Nothing is let through any more."""


class RequestAdmission:
    """Decides when an attempt may go out.

    `requests_per_minute`, `tokens_per_minute`: as the job file says, else learned; `concurrency` the most in flight; `at_once`: as
    many from the beginning.
    """

    def __init__(
        self,
        requests_per_minute: int | None,
        tokens_per_minute: int | None,
        concurrency: int | None,
        at_once: bool = False,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._configured: dict[Unit, float | None] = {
            "requests": requests_per_minute and requests_per_minute / 60,
            "tokens": tokens_per_minute and tokens_per_minute / 60,
        }
        self.rate_limiters: dict[Unit, RateLimiter] = {"requests": RateLimiter(), "tokens": RateLimiter(exact=False)}
        for unit, limit in self._configured.items():
            self.rate_limiters[unit].set_ceiling(limit)
        self.concurrency_limiter = ConcurrencyLimiter(
            concurrency or MOST_IN_FLIGHT, fixed=concurrency is not None, at_once=at_once
        )
        self.in_flight, self.refusals, self.probing = 0, 0, False
        self._waiting: deque[tuple[asyncio.Future[Ticket], float]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._shut_until = 0.0
        self._shut_at = 0.0  # what was sent before is no news
        self._shut_times = 0  # one after the other, without an answer between them
        self._answer_at = self._loop.time()
        self._answers = 0
        self._failing: set[int] = set()  # requests, since the last answer
        self._refused_unit: Unit = "requests"
        self._closed = False

    async def enter(self, tokens: float, again: bool = False) -> Ticket:
        """Wait until one request of that many tokens may go out.  One that tries again goes first.  Raises Closed."""
        if self._closed:
            raise Closed
        if not self._waiting and self._open():
            return self._let_through(tokens)
        future: asyncio.Future[Ticket] = self._loop.create_future()
        (self._waiting.appendleft if again else self._waiting.append)((future, tokens))
        self._pump()
        return await future

    def _open(self) -> bool:
        now = self._loop.time()
        if self.in_flight >= max(1, int(self.concurrency_limiter.size)) or now < self._shut_until or self.probing:
            return False
        return now >= self._next_time()

    def _next_time(self) -> float:
        return max(self.rate_limiters["requests"].opens_at(), self.rate_limiters["tokens"].opens_at())

    def _let_through(self, tokens: float) -> Ticket:
        now = self._loop.time()
        self.in_flight += 1
        self.rate_limiters["requests"].take(1.0, now)
        self.rate_limiters["tokens"].take(tokens, now)
        if self._shut_times and not self.probing:
            # the first one after a pause goes alone: if it is refused as well, nobody else was
            self.probing = True
            self._loop.call_later(PROBE_SECONDS, self._probe_passed, self._shut_times)
        return Ticket(tokens, now)

    def _pump(self) -> None:
        """Let through those that may go, and look again when the next one may."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        while self._waiting and self._open():
            future, tokens = self._waiting.popleft()
            if not future.done():
                future.set_result(self._let_through(tokens))
        if self._waiting and self.in_flight < max(1, int(self.concurrency_limiter.size)) and not self.probing:
            at = max(self._shut_until, self._next_time())
            self._timer = self._loop.call_at(at, self._pump)

    # --- what became of those that went through ---

    def answered(self, ticket: Ticket) -> float:
        """Take note of an answer; return how many seconds it took."""
        now = self._loop.time()
        self._failing.clear()
        self._answer_at = now
        self._answers += 1
        if self._shut_times and ticket.sent_at >= self._shut_at:
            self._reopen(now)
        is_paced = self.rate_limiters["requests"].is_limited or self.rate_limiters["tokens"].is_limited
        self.concurrency_limiter.answered(now, now - ticket.sent_at, self.in_flight, is_paced)
        self._leave()
        return now - ticket.sent_at

    def refused(self, ticket: Ticket, after: float | None, unit: Unit) -> bool:
        """Take note of a 429, which asks to wait for `after` seconds.  Return whether it is news: one that was sent before
        everybody was shut out is not.
        """
        now = self._loop.time()
        self.refusals += 1
        # what was refused was no part of what the endpoint takes, from which its limit is learned
        for name, limiter in self.rate_limiters.items():
            limiter.uncount(ticket.tokens if name == "tokens" else 1.0, ticket.sent_at)
        is_news = ticket.sent_at >= self._shut_at
        if unit == "parallel" and self.in_flight > 1:
            # those in flight make room when they are answered: nobody has to sleep for as long as the endpoint says
            self.concurrency_limiter.refused_parallel(self.in_flight)
        elif is_news:
            self.concurrency_limiter.refused(self.in_flight)
            if not self._shut_times:
                self._refused_unit = unit if unit != "parallel" else "requests"
                self.rate_limiters[self._refused_unit].refused(ticket.sent_at, now)
            pause = after if after and after <= MAX_PAUSE else PAUSES[min(self._shut_times, len(PAUSES) - 1)]
            self._shut(now, pause)
        self._leave()
        return is_news

    def failed(self, ticket: Ticket, after: float | None, request: int) -> bool:
        """Take note that no answer came: a 5xx, a timeout, a lost connection; `request` tells one request from another.

        Return whether it is the endpoint's outage, not this request's bad luck.
        """
        now = self._loop.time()
        self._failing.add(request)
        self.concurrency_limiter.failed(now)
        is_outage = len(self._failing) >= OUTAGE_AFTER
        if is_outage and ticket.sent_at >= self._shut_at:
            pause = OUTAGE_PAUSES[min(self._shut_times, len(OUTAGE_PAUSES) - 1)]
            self._shut(now, max(pause, min(after or 0.0, MAX_PAUSE)))
        self._leave()
        return is_outage

    def release(self) -> None:
        """Free the slot of an attempt that ended otherwise; nothing is learned from it."""
        self._leave()

    def _shut(self, now: float, seconds: float) -> None:
        self._shut_until, self._shut_at = now + seconds, now
        self._shut_times += 1
        self.probing = False

    def _probe_passed(self, shut_times: int) -> None:
        """Let the next ones follow where the first was not refused at once, for an answer takes its time."""
        if self.probing and self._shut_times == shut_times and len(self._failing) < OUTAGE_AFTER:
            self._reopen(self._loop.time())
            self._pump()

    def _reopen(self, now: float) -> None:
        self._shut_times, self.probing, self._shut_until = 0, False, 0.0
        self.rate_limiters[self._refused_unit].resumed(now)

    def _leave(self) -> None:
        self.in_flight -= 1
        self._pump()

    # --- what is known of the endpoint ---

    def set_advertised(self, limits: RateLimits) -> None:
        """Keep to the limits per minute in the endpoint's headers, where the job file says nothing lower."""
        pairs: tuple[tuple[Unit, float | None], ...] = (("requests", limits.requests), ("tokens", limits.tokens))
        for unit, per_minute in pairs:
            ceilings = [limit for limit in (self._configured[unit], per_minute and per_minute / 60) if limit]
            self.rate_limiters[unit].set_ceiling(min(ceilings, default=None))

    @property
    def shut_for(self) -> float:
        """Seconds in which nothing may be sent, after a refusal or in an outage."""
        return max(0.0, self._shut_until - self._loop.time())

    @property
    def is_hopeless(self) -> bool:
        """Whether the endpoint has answered nothing for so long that waiting is no use."""
        is_down = len(self._failing) >= OUTAGE_AFTER and not self._answers
        silence = self._loop.time() - self._answer_at
        return bool(self._shut_times) and silence > (MAX_FIRST_SILENCE if is_down else MAX_SILENCE)

    def describe(self) -> dict[str, float | None]:
        """Return how much is let through at this moment, for the event log."""
        now = self._loop.time()
        rates = {f"{unit}_per_second": limiter.rate(now) for unit, limiter in self.rate_limiters.items()}
        return {**rates, "window": self.concurrency_limiter.size, "in_flight": self.in_flight}

    def close(self) -> None:
        """Let nobody through any more."""
        self._closed = True
        while self._waiting:
            future, _ = self._waiting.popleft()
            if not future.done():
                future.set_exception(Closed())
