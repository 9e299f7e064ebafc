"""One ask, from the gate to its answer: attempts, waits between them, and what the gate learns.

What a failure means is decided here and nowhere else:

    transient      tried again with growing, jittered waits, at most `ATTEMPTS` times; then *failed*: not in the ledger,
                   asked again by the next run.  Many with no answer between them are an outage: everyone waits.
    rate_limited   everyone waits, once, for as long as the endpoint says
    rejected       final for this article, in the ledger
    fatal          the job pauses: nothing more is sent, what is in flight is kept
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception
from tenacity.wait import wait_random_exponential

from pipeline.core.errors import RequestFailed
from pipeline.core.finish import finish_of
from pipeline.core.types import Reply
from pipeline.label.engine.cap import Cap
from pipeline.label.engine.question import RequestAttempt
from pipeline.label.engine.run_context import RunContext
from pipeline.label.engine.stopping import Stop
from pipeline.label.engine.timeouts import AdaptiveTimeout
from pipeline.label.pacing.admission import MAX_PAUSE, Closed, Pass, RequestAdmission

ATTEMPTS = 12


class ClaimAnew(Exception):
    """The request may not be sent under its claim: the budget does not reach for another attempt, or the tariff was raised."""


class Attempts:
    def __init__(self, asking: RunContext, gate: RequestAdmission, stop: Stop, cap: Cap) -> None:
        self._asking, self._provider, self._cap = asking, asking.provider, cap
        self._monitor, self._events = asking.monitor, asking.monitor.events
        self._gate, self._stop, self._patience = gate, stop, AdaptiveTimeout()
        self._watched: dict[RequestAttempt, tuple[float, asyncio.Task[Any]]] = {}  # under way: since when
        self._cut_off: set[RequestAttempt] = set()

    async def enter(self, ask: RequestAttempt, again: bool = False) -> Pass:
        """Wait at the gate.  Raises Closed."""
        return await self._gate.enter(self._asking.charge.of(ask.size), again)

    async def answer(self, ask: RequestAttempt, passed: Pass) -> Reply:
        """Nearly every request is answered at once: only those that are not pay for tenacity (0.1 ms each).

        Raises RequestFailed when it is no use to try again, Closed where the job stopped before it was sent, ClaimAnew.
        """
        first: list[RequestFailed] = []
        try:
            return await self._attempt(ask, passed)
        except RequestFailed as failure:
            if not self._may_try_again(ask, failure):
                raise
            first.append(failure)

        async def again() -> Reply:
            if first:
                raise first.pop()
            await self._check_claim(ask)
            return await self._attempt(ask, await self.enter(ask, again=True))

        def may(error: BaseException) -> bool:
            if not self._may_try_again(ask, error):
                return False
            self._monitor.retries += 1
            return True

        retrying = AsyncRetrying(retry=retry_if_exception(may), wait=_wait, sleep=self._stop.sleep, reraise=True)
        reply: Reply = await retrying(again)
        return reply

    async def _check_claim(self, ask: RequestAttempt) -> None:
        """What was sent in vain may be billed: it is in the ledger, and the budget reaches for it and for another attempt,
        before that is made.  Raises ClaimAnew."""
        lost, ask.lost_usd = ask.lost_usd, None
        budget, ledger = self._asking.budget_usd, self._asking.ledger
        if lost is None and budget is None:
            return
        if not await asyncio.to_thread(ledger.may_repeat, ask.request.key, lost, budget, self._cap.tariff):
            raise ClaimAnew

    def _may_try_again(self, ask: RequestAttempt, error: BaseException) -> bool:
        if not isinstance(error, RequestFailed) or self._stop.why:
            return False
        return error.kind == "rate_limited" or (error.kind == "transient" and ask.failures < ATTEMPTS)

    async def _attempt(self, ask: RequestAttempt, passed: Pass) -> Reply:
        if ask.stale or self._stop.why:
            self._gate.gone()
            raise Closed
        if self._cap.is_outdated(ask):
            self._gate.gone()
            raise ClaimAnew
        ask.attempts += 1
        try:
            reply = await self._ask(ask)
        except RequestFailed as failure:
            self._learn_from(failure, ask, passed)
            if self._asking.fitting.after(ask, failure):
                failure.kind = "transient"  # there is less of it now
            raise
        except BaseException:
            self._gate.gone()  # broken off by a second Ctrl-C
            raise
        self._patience.took(self._gate.answered(passed))
        if advertised := self._provider.advertised:
            self._gate.advertised(advertised)
        return reply

    async def _ask(self, ask: RequestAttempt) -> Reply:
        task = ask.task
        assert task is not None
        self._watched[ask] = (time.monotonic(), task)
        try:
            return _not_broken_off(await self._provider.ask(ask.request))
        except RequestFailed:
            raise
        except asyncio.CancelledError:
            if ask not in self._cut_off:
                raise
            self._cut_off.discard(ask)
            task.uncancel()
            text = f"no answer within {self._patience.seconds():.0f} s"
            raise RequestFailed("transient", "timeout", text, may_be_paid=True) from None
        except Exception as error:  # a provider that is not ours may raise anything; the answers so far must be kept
            text = f"the provider failed ({type(error).__name__}: {error})"
            raise RequestFailed("fatal", "provider_error", text) from error
        finally:
            del self._watched[ask]

    def cut_off(self) -> None:
        """End the attempts that take far longer than others do (a timer for each would cost more than the rest)."""
        oldest = time.monotonic() - self._patience.seconds()
        for ask, (since, task) in self._watched.items():
            if since < oldest and ask not in self._cut_off:
                self._cut_off.add(ask)
                task.cancel()

    def _learn_from(self, failure: RequestFailed, ask: RequestAttempt, passed: Pass) -> None:
        if failure.reply is not None and failure.reply.model is not None:
            self._cap.hear(ask, failure.reply, self._asking.cost_usd(failure.reply))
        if failure.may_be_paid:
            ask.lost_usd = self._asking.bounds.dollars(ask.size)
        if failure.kind == "rate_limited":
            self._monitor.refused += 1
            if self._gate.refused(passed, failure.retry_after, failure.unit):
                known = {"code": failure.code, "retry_after": failure.retry_after, **self._gate.describe()}
                self._events.write("rate_limited", **known)
        elif failure.kind == "transient":
            outage = self._gate.failed(passed, failure.retry_after, id(ask))
            ask.failures += not outage
            self._events.write(
                "attempt_failed", id=ask.request.article.id, code=failure.code, detail=str(failure)[:200]
            )
        else:
            self._gate.gone()
        if self._gate.hopeless:
            self._stop.pause(f"no usable answer from the endpoint for a while ({failure.code}: {failure})")


def _not_broken_off(reply: Reply) -> Reply:
    """Raises RequestFailed for one that the endpoint itself says it failed to finish: no answer, be there a text or not."""
    if finish_of(reply.finish_reason) != "transient":
        return reply
    text = f"the endpoint broke the reply off (finish_reason {reply.finish_reason})"
    billed = reply.usage.tokens != 0
    raise RequestFailed("transient", f"finish_{reply.finish_reason}"[:60], text, may_be_paid=billed, reply=reply)


_backoff = wait_random_exponential(multiplier=0.5, max=15)


def _wait(state: RetryCallState) -> float:
    """Exponential with full jitter; never sooner than the server asked for.  After a 429 the gate does the waiting."""
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, RequestFailed) or error.kind == "rate_limited":
        return 0.0
    return max(_backoff(state), min(error.retry_after or 0.0, MAX_PAUSE))
