"""Admission of every attempt, retries included (an endpoint counts those too): may one more go out now?

It may where the concurrency limit has room and both rate limits allow.  A refusal (429) shuts everybody out, once, for as long as
the endpoint says, and the first one after that goes alone.  So does an outage: many failures with no answer between them.

A refusal may be about one request only, in words that nobody knows.  So the first time that an endpoint asks for a longer wait, one
request that was never sent tries soon whether it means everybody; where it does, the endpoint is believed from then on.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pipeline.core.errors import TOO_LONG_TO_WAIT, Unit
from pipeline.core.types import RateLimits
from pipeline.label.pacing.concurrency_limiter import ConcurrencyLimiter
from pipeline.label.pacing.rate_limiter import RateLimiter
from pipeline.label.pacing.waiting_line import Place, Waiting, WaitingLine

MAX_PAUSE = 60.0  # seconds: an endpoint that says "come back in five minutes" is asked again earlier
DOUBTED_SECONDS = 15.0  # a wait that is longer is tried once by another request, before it is believed
LULL_SECONDS = (
    0.25  # with nothing in flight and nobody in line, before one that goes last: others may be about to enter
)
# where it does not say; one more each time
PAUSES = (0.25, 0.25, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
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
        # A request is one request; how many tokens an endpoint will count is guessed before it is sent.
        self.rate_limiters: dict[Unit, RateLimiter] = {"requests": RateLimiter(), "tokens": RateLimiter(exact=False)}
        self._advertised, self._workers = RateLimits(), 1
        self._set_ceilings()
        self.concurrency_limiter = ConcurrencyLimiter(
            concurrency or MOST_IN_FLIGHT, fixed=concurrency is not None, at_once=at_once
        )
        self.in_flight, self.refusals, self.probing = 0, 0, False
        self._line = WaitingLine()
        self._lull_at = 0.0  # when the last one left or entered
        self._timer: asyncio.TimerHandle | None = None
        self._shut_until = 0.0
        # for those that were sent before; others may go after `_shut_until`, and tell
        self._doubted_until = 0.0
        self._asks_for_long = False
        self.back_in: float | None = (
            None  # seconds, more than anybody waits: the endpoint asked for them, and asked again
        )
        self._waits_are_meant: bool | None = None  # for everybody; None: not known
        self._shut_at = 0.0  # what was sent before is no news
        self._shut_times = 0  # one after the other, without an answer between them
        self._answer_at = self._loop.time()
        self._answered_sent_at = -1.0  # when the last of those was sent that were answered
        self.answers = 0
        self._failing: set[int] = set()  # requests, since the last answer
        self._refused_unit: Unit = "requests"
        self._closed = False

    async def enter(self, tokens: float, position: Place = "in turn", tries: int = 0) -> Ticket:
        """Wait until one request of that many tokens may go out, which was sent `tries` times before.  Raises Closed."""
        if self._closed:
            raise Closed
        future: asyncio.Future[Ticket] = self._loop.create_future()
        waiting = Waiting(future, tokens, tries)
        self._line.add(waiting, position)
        if position != "last":
            self._lull_at = self._loop.time()
        self._pump()
        return await future

    def _has_room(self) -> bool:
        return self.in_flight < max(1, int(self.concurrency_limiter.size)) and not self.probing

    def _opens_at(self, waiting: Waiting) -> float:
        """Return when a request may go out, where there is room."""
        shut_until = max(self._shut_until, self._doubted_until) if waiting.tries else self._shut_until
        limits = self.rate_limiters.values()
        return max(shut_until, *(limiter.opens_at() for limiter in limits))

    def _let_through(self, waiting: Waiting) -> None:
        self._line.leave(waiting)
        if waiting.future.done():  # nobody waits for it any more
            return
        now = self._loop.time()
        self.in_flight += 1
        self.rate_limiters["requests"].take(1.0, now)
        self.rate_limiters["tokens"].take(waiting.tokens, now)
        if self._shut_times and not self.probing:
            # the first one after a pause goes alone: if it is refused as well, nobody else was
            self.probing = True
            self._loop.call_later(PROBE_SECONDS, self._probe_passed, self._shut_times)
        waiting.future.set_result(Ticket(waiting.tokens, now))

    def _pump(self) -> None:
        """Let through those that may go, and look again when the next one may."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        while self._has_room() and (waiting := self._line.next(after_pause=self._shut_times > 0)):
            at = self._opens_at(waiting)
            if self._loop.time() < at:
                self._timer = self._loop.call_at(at, self._pump)
                return
            self._let_through(waiting)
        if not self.in_flight and self._has_room() and (waiting := self._line.next_of_last):
            at = max(self._opens_at(waiting), self._lull_at + LULL_SECONDS)
            if self._loop.time() >= at:
                self._let_through(waiting)
            else:
                self._timer = self._loop.call_at(at, self._pump)

    # --- what became of those that went through ---

    def answered(self, ticket: Ticket) -> float:
        """Take note of an answer; return how many seconds it took."""
        now = self._loop.time()
        self._failing.clear()
        self._answer_at, self._answered_sent_at = now, max(ticket.sent_at, self._answered_sent_at)
        self.answers += 1
        # An answer to what was sent before everybody was shut out says nothing of what the endpoint takes now.
        if self._shut_times and ticket.sent_at >= self._shut_at:
            if now < self._doubted_until:
                self._waits_are_meant = False  # not for everybody
            self._reopen(now)
        # Under a rate limit latency says nothing of how many the server could have in flight.
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
            # The refusals of one pause are one: learning from each would lower the rate several times for one overrun.
            if not self._shut_times:
                self._refused_unit = unit if unit != "parallel" else "requests"
                self.rate_limiters[self._refused_unit].refused(ticket.sent_at, now)
            is_long = after is not None and after > TOO_LONG_TO_WAIT
            if is_long and self._asks_for_long and self._shut_times:
                self.back_in = after
            self._asks_for_long = is_long
            self._shut_as_told(now, after)
        self._leave()
        return is_news

    def _shut_as_told(self, now: float, after: float | None) -> None:
        growing = PAUSES[min(self._shut_times, len(PAUSES) - 1)]
        pause = after if after and after <= MAX_PAUSE else growing
        if now < self._doubted_until:
            self._waits_are_meant = True  # the one that tried was refused as well
        if pause <= DOUBTED_SECONDS or self._shut_times or self._waits_are_meant:
            self._shut(now, pause)
        else:
            self._shut(now, DOUBTED_SECONDS if self._waits_are_meant is None else growing)
            self._doubted_until = now + pause

    def failed(self, ticket: Ticket, after: float | None, request: int) -> bool:
        """Take note that no answer came: a 5xx, a timeout, a lost connection; `request` tells one request from another.

        Return whether it is the endpoint's outage, not this request's bad luck.
        """
        now = self._loop.time()
        # By request: one that fails ten times is its own bad luck, ten that fail are an outage.
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

    def has_answered_since(self, moment: float) -> bool:
        """Return whether any request was answered that was sent after a moment of the loop's clock."""
        return self._answered_sent_at > moment

    @property
    def has_new(self) -> bool:
        """Whether anybody waits that was never sent."""
        return self._line.has_new

    @property
    def is_down_to_one(self) -> bool:
        """Whether one request is in flight, and nobody waits that was never sent."""
        return self.in_flight == 1 and not self.has_new

    def _shut(self, now: float, seconds: float) -> None:
        self._shut_until, self._shut_at, self._doubted_until = now + seconds, now, 0.0
        self._shut_times += 1
        self.probing = False

    def _probe_passed(self, shut_times: int) -> None:
        """Let the next ones follow where the first was not refused at once, for an answer takes its time."""
        if not self.probing or self._shut_times != shut_times or len(self._failing) >= OUTAGE_AFTER:
            return
        if (now := self._loop.time()) < self._doubted_until:  # of that only an answer tells
            self._loop.call_at(self._doubted_until, self._probe_passed, shut_times)
            return
        self._reopen(now)
        self._pump()

    def _reopen(self, now: float) -> None:
        self._shut_times, self.probing, self._shut_until, self._doubted_until = 0, False, 0.0, 0.0
        self.rate_limiters[self._refused_unit].resumed(now)

    def _leave(self) -> None:
        # Each ticket comes back here exactly once, by whichever way it ended, or the limiter would leak a slot.
        self.in_flight -= 1
        self._lull_at = self._loop.time()
        self._pump()

    # --- what is known of the endpoint ---

    def set_advertised(self, limits: RateLimits) -> None:
        """Keep to the limits per minute in the endpoint's headers, where the job file says nothing lower."""
        if limits != self._advertised:
            self._advertised = limits
            self._set_ceilings()

    @property
    def has_company(self) -> bool:
        """Whether other workers ask the same of the endpoint."""
        return self._workers > 1

    def share_with(self, workers: int) -> None:
        """Keep to this worker's part of the limits that were told: so many workers ask the same of the endpoint."""
        if workers != self._workers:
            self._workers = workers
            self._set_ceilings()

    def _set_ceilings(self) -> None:
        limits = self._advertised
        pairs: tuple[tuple[Unit, float | None], ...] = (("requests", limits.requests), ("tokens", limits.tokens))
        for unit, per_minute in pairs:
            ceilings = [limit for limit in (self._configured[unit], per_minute and per_minute / 60) if limit]
            self.rate_limiters[unit].set_ceiling(min(ceilings) / self._workers if ceilings else None)

    @property
    def shut_for(self) -> float:
        """Seconds in which nothing may be sent, after a refusal or in an outage."""
        return max(0.0, self._shut_until - self._loop.time())

    @property
    def is_hopeless(self) -> bool:
        """Whether the endpoint has answered nothing for so long that waiting is no use."""
        is_down = len(self._failing) >= OUTAGE_AFTER and not self.answers
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
        for waiting in self._line.empty():
            if not waiting.future.done():
                waiting.future.set_exception(Closed())
