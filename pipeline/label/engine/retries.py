"""The tries of one request, from admission to its answer, and the waits between them: a 429 is retried here.

Which failures are tried again, how often, and who waits is read from `failure_policy`.
"""

from __future__ import annotations

import asyncio
from functools import partial

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception
from tenacity.wait import wait_random_exponential

from pipeline.core.errors import RequestFailed
from pipeline.core.finish import finish_of
from pipeline.core.retry_after import in_future
from pipeline.core.types import Reply
from pipeline.label.engine.budget_cap import BudgetCap
from pipeline.label.engine.failure_policy import policy_of
from pipeline.label.engine.limit_refusals import REFUSED_ALONE
from pipeline.label.engine.request_attempt import RequestAttempt
from pipeline.label.engine.run_context import RunContext
from pipeline.label.engine.stopping import Stop
from pipeline.label.engine.timeouts import TimeoutWatch
from pipeline.label.pacing.admission import Closed, RequestAdmission, Ticket

OTHERS_SECONDS = 3.0  # the longest wait of a request that fails while others are answered: the endpoint needs no rest
LONE_BACKOFF = 6.0  # the longest where nothing else is under way that could tell


class ClaimAnew(Exception):
    """The request may not be sent under its claim: the budget does not reach for another try, or the tariff was raised."""


class Retries:
    """Sends requests until they are answered, or until it is no use to try again."""

    def __init__(self, context: RunContext, admission: RequestAdmission, stop: Stop, cap: BudgetCap) -> None:
        self._context, self._provider, self._cap = context, context.provider, cap
        self._monitor, self._events = context.monitor, context.monitor.events
        self._admission, self._stop = admission, stop
        self._watch = TimeoutWatch(context.options.timeout or context.provider.reply_seconds)

    async def enter(self, attempt: RequestAttempt) -> Ticket:
        """Wait until the request may go out.  Raises Closed."""
        return await self._admission.enter(self._context.token_estimate.of(attempt.size), tries=attempt.tries)

    async def _enter_again(self, attempt: RequestAttempt) -> Ticket:
        tokens = self._context.token_estimate.of(attempt.size)
        return await self._admission.enter(tokens, "last" if attempt.refusals.differs else "first", attempt.tries)

    def cut_off(self) -> None:
        """End the tries that take far longer than others did; they are tried again."""
        self._watch.cut_off()

    async def send(self, attempt: RequestAttempt, ticket: Ticket) -> Reply:
        """Return the reply to a request that was let through.

        Raises RequestFailed when it is no use to try again, Closed where the job stopped before it was sent, ClaimAnew.
        """
        # Nearly every request is answered at once: only those that are not pay for tenacity (0.1 ms each, a third of what a request
        # costs on this side).
        first: list[RequestFailed] = []
        try:
            return await self._try(attempt, ticket)
        except RequestFailed as failure:
            if not self._may_try_again(attempt, failure):
                raise
            first.append(failure)

        async def once_more() -> Reply:
            if first:
                raise first.pop()
            await self._check_claim(attempt)
            return await self._try(attempt, await self._enter_again(attempt))

        def may(error: BaseException) -> bool:
            if not self._may_try_again(attempt, error):
                return False
            self._monitor.retries += 1
            return True

        # waits listen for the stop, so that Ctrl-C need not sit out a Retry-After
        retrying = AsyncRetrying(
            retry=retry_if_exception(may),
            wait=partial(self._wait, attempt),
            sleep=partial(self._sleep, attempt),
            reraise=True,
        )
        reply: Reply = await retrying(once_more)
        return reply

    def _may_try_again(self, attempt: RequestAttempt, error: BaseException) -> bool:
        if not isinstance(error, RequestFailed) or self._stop.why:
            return False
        return attempt.failures < policy_of(error).max_tries

    async def _check_claim(self, attempt: RequestAttempt) -> None:
        """Book a try whose reply never arrived, before the next one is made.  Raises ClaimAnew where the budget does not reach.

        What was sent in vain may be billed: it counts at once, and survives a kill.
        """
        lost, attempt.lost_usd = attempt.lost_usd, None
        budget, ledger = self._context.budget_usd, self._context.ledger
        if lost is None and budget is None:
            return
        if not await asyncio.to_thread(ledger.claims.may_repeat, attempt.request.key, lost, budget, self._cap.tariff):
            raise ClaimAnew

    async def _try(self, attempt: RequestAttempt, ticket: Ticket) -> Reply:
        if attempt.stale or self._stop.why:
            self._admission.release()
            raise Closed
        if self._cap.is_outdated(attempt):
            self._admission.release()
            raise ClaimAnew
        # Counted before it is sent: a try that is broken off may have arrived.
        attempt.tries += 1
        try:
            reply = await self._watch.wait(attempt, self._ask(attempt))
        except RequestFailed as failure:
            self._learn_from(failure, attempt, ticket)
            if self._context.context_fit.after_failure(attempt, failure):
                failure.kind = "transient"  # there is less of it now
            raise
        except BaseException:
            self._admission.release()  # broken off by a second Ctrl-C
            raise
        self._watch.timeout.learn(self._admission.answered(ticket))
        if advertised := self._provider.advertised:
            self._admission.set_advertised(advertised)
        return reply

    async def _ask(self, attempt: RequestAttempt) -> Reply:
        try:
            return check_whole(await self._provider.ask(attempt.request))
        except RequestFailed:
            raise
        except Exception as error:  # a provider that is not ours may raise anything; the answers so far must be kept
            text = f"the provider failed ({type(error).__name__}: {error})"
            raise RequestFailed("fatal", "provider_error", text) from error

    def _learn_from(self, failure: RequestFailed, attempt: RequestAttempt, ticket: Ticket) -> None:
        # A reply that broke off tells who answers, and at what price, as a whole one does.
        if failure.reply is not None and failure.reply.model is not None:
            self._cap.learn(attempt, failure.reply, self._context.cost_usd(failure.reply))
        # The most that it can have cost; it is booked as lost before the next try, or with the outcome.
        if failure.may_be_paid:
            attempt.lost_usd = self._context.bound.dollars(attempt.size, attempt.room)
        hears = policy_of(failure).admission_hears
        if hears == "refusal":
            self._note_refusal(failure, attempt, ticket)
        elif hears == "failure":
            self._note_failure(failure, attempt, ticket)
        else:
            self._admission.release()
        if self._admission.is_hopeless:
            self._stop.pause(f"no usable answer from the endpoint for a while ({failure.code}: {failure})")

    def _note_refusal(self, failure: RequestFailed, attempt: RequestAttempt, ticket: Ticket) -> None:
        self._monitor.refusal(str(failure))
        history, admission = attempt.refusals, self._admission
        others_are_answered = admission.has_answered_since(history.first_at)
        history.add(asyncio.get_running_loop().time(), others_are_answered, admission.is_down_to_one)
        if history.differs:
            admission.release()  # it tells nothing of the limit
            self._note_attempt(failure, attempt)
        elif admission.refused(ticket, failure.retry_after, failure.unit):
            fields = {"code": failure.code, "retry_after": failure.retry_after, **admission.describe()}
            self._events.write("rate_limited", **fields)
        if admission.answers and history.is_its_own(failure.unit, admission.has_company):
            failure.kind, failure.code = "rejected", REFUSED_ALONE
        elif admission.back_in is not None:
            self._stop.pause(f"the endpoint asks to come back at {in_future(admission.back_in)} ({failure})")

    def _note_failure(self, failure: RequestFailed, attempt: RequestAttempt, ticket: Ticket) -> None:
        outage = self._admission.failed(ticket, failure.retry_after, id(attempt))
        attempt.failures += not outage  # an outage uses up nobody's tries
        if outage:
            self._monitor.wait_for(str(failure))
        if attempt.failed_at is None:
            attempt.failed_at = asyncio.get_running_loop().time()
        self._note_attempt(failure, attempt)

    def _note_attempt(self, failure: RequestFailed, attempt: RequestAttempt) -> None:
        article = attempt.request.article.id
        self._events.write("attempt_failed", id=article, code=failure.code, detail=str(failure)[:200])

    # --- the waits between two tries ---

    def _wait(self, attempt: RequestAttempt, state: RetryCallState) -> float:
        """Return the seconds before the next try: exponential with full jitter, never sooner than the server asked for.  After a
        429 the admission control does the waiting, for all but those that go last."""
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, RequestFailed):
            return 0.0
        if not policy_of(error).waits_alone:
            return attempt.refusals.pause(error.retry_after) if attempt.refusals.differs else 0.0
        backoff = _backoff(state)
        if not self._admission.in_flight and not self._admission.has_new:
            backoff = min(backoff, LONE_BACKOFF)
        asked_for = min(error.retry_after or 0.0, attempt.waits_left)
        attempt.waits_left -= asked_for
        return max(backoff, asked_for)

    async def _sleep(self, attempt: RequestAttempt, seconds: float) -> None:
        """Wait before the next try; no longer than a moment where others are answered that were sent after this one failed."""
        if attempt.failed_at is not None and seconds > OTHERS_SECONDS:
            await self._stop.sleep(OTHERS_SECONDS)
            if self._admission.has_answered_since(attempt.failed_at):
                return
            seconds -= OTHERS_SECONDS
        await self._stop.sleep(seconds)


def check_whole(reply: Reply) -> Reply:
    """Return the reply.  Raises RequestFailed for one that the endpoint itself says it failed to finish: no answer, be there a text
    or not."""
    if finish_of(reply.finish_reason) != "transient":
        return reply
    text = f"the endpoint broke the reply off (finish_reason {reply.finish_reason})"
    billed = reply.usage.tokens != 0
    raise RequestFailed("transient", f"finish_{reply.finish_reason}"[:60], text, may_be_paid=billed, reply=reply)


_backoff = wait_random_exponential(multiplier=0.5, max=15)
