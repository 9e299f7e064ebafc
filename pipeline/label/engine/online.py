"""Many requests in flight: claim, be admitted, send, store, judge, ask again or finish.

An answer is in the ledger, synced, before anyone hears of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from pipeline.core.errors import RequestFailed
from pipeline.core.types import Reply, Request
from pipeline.label.engine import preflight
from pipeline.label.engine.budget_cap import BudgetCap
from pipeline.label.engine.circuit_breakers import BadReply, QualityBreaker, RejectionBreaker
from pipeline.label.engine.failure_policy import WASTED, policy_of
from pipeline.label.engine.group_commit import GroupCommit
from pipeline.label.engine.monitor import now
from pipeline.label.engine.request_attempt import AttemptOutcome, RequestAttempt
from pipeline.label.engine.request_queue import MOST_CLAIMED, RequestQueue
from pipeline.label.engine.retries import ClaimAnew, Retries
from pipeline.label.engine.run_context import RunContext
from pipeline.label.engine.stopping import Stop
from pipeline.label.ledger import Record
from pipeline.label.ledger.claims import LEASE_SECONDS
from pipeline.label.pacing.admission import Closed, RequestAdmission, Ticket

_HOUSEKEEPING_SECONDS = 0.5
_SEEN_SECONDS = 1.0  # after which the other workers have seen a new one: two looks of theirs
# Enough to see why a reply was empty; thoughts of reasoning models run to tens of thousands.
_REASONING_CHARS = 4000  # of what a model thought that said nothing else, kept in the ledger


class OnlineRun:
    """One run over `batches` of requests."""

    def __init__(self, context: RunContext, batches: Iterator[list[Request]]) -> None:
        self._context, self._ledger, self._provider = context, context.ledger, context.provider
        self._monitor, self._events = context.monitor, context.monitor.events
        limits = context.options.limits
        most = limits.concurrency or context.pool
        self._admission = RequestAdmission(
            limits.requests_per_minute, limits.tokens_per_minute, most, at_once=context.pool is not None
        )
        self._stop = Stop(self._send_no_more)
        self._commits = GroupCommit(self._store)
        self._cap = BudgetCap(context, self._stop, self._commits.hurry)
        self._retries = Retries(context, self._admission, self._stop, self._cap)
        self._queue = RequestQueue(context, batches)
        self._quality, self._rejections = QualityBreaker(context.options.brake), RejectionBreaker()
        context.on_late_reply = self._hear
        self._lease_until = 0.0
        self._can_store, self._workers = True, 1

    def _send_no_more(self) -> None:
        self._admission.close()
        self._provider.stop()

    # --- the course of a run ---

    async def run(self) -> None:
        """Ask everything.  Raises Paused when the endpoint, the budget, a breaker or the user stopped the job."""
        # Apart from the task group: what was answered is stored also where the group is cancelled.
        committer = asyncio.create_task(self._commits.run())
        housekeeper = asyncio.create_task(self._keep_house())
        with self._stop.on_interrupt():
            try:
                async with asyncio.TaskGroup() as tasks:
                    await self._send(tasks)
            except asyncio.CancelledError:
                if not self._stop.why:  # else it is the second Ctrl-C
                    raise
            finally:
                housekeeper.cancel()
                await self._provider.close()
                for outcome in self._rejections.suspects:  # not final, as the job stops
                    self._commits.add(AttemptOutcome(outcome.attempt))
                self._commits.finish()
                await committer
        self._stop.raise_if_any()

    async def _begin(self) -> None:
        """Get ready, once there is something to ask: a job that is done needs no key."""
        self._cap.adopt(await asyncio.to_thread(self._ledger.start, self._context.bound.tariff.asked))
        self._lease_until = time.time() + LEASE_SECONDS
        await self._provider.open()
        await preflight.check(self._context)
        if self._context.pool is None and await self._share_limits() > 1:
            # They send as many as the limits allow until they see that these are divided anew.
            await self._stop.sleep(_SEEN_SECONDS)
            await self._share_limits()

    async def _send(self, tasks: asyncio.TaskGroup) -> None:
        begun = False
        try:
            while not self._stop.why:
                # Claims run a little ahead of sending. What waits to try again holds claims, too, and others could ask what
                # would be claimed on top.
                to_try_again = len(self._queue.claimed) - len(self._rejections.suspects)
                if to_try_again > 4 * self._admission.concurrency_limiter.size + MOST_CLAIMED:
                    await self._queue.wait()  # many wait to try again
                elif attempts := await self._queue.take(self._monitor.rates()[0]):
                    if not begun:
                        await self._begin()
                        begun = True
                    await self._claim_and_start(attempts, tasks)
                # Looked at after `take`, which draws the next batch: before it the queue is empty at first.
                elif self._queue.exhausted:
                    return
                else:
                    await self._wait()
        except Exception as error:  # a shard that cannot be read must not cost what is in flight
            self._stop.broken_by(error)

    async def _wait(self) -> None:
        """Wait until an outcome is stored; not for suspects where nothing else is under way."""
        suspects = self._rejections.suspects
        if suspects and len(self._queue.claimed) == len(suspects):
            if await asyncio.to_thread(self._ledger.has_answers):
                self._commit(self._rejections.release())
            else:
                rejected = suspects[-1].record
                who = "the endpoint" if self._context.pool is None else "the model"
                self._stop.pause(
                    f"{who} has answered nothing yet, only turned down: {rejected.error if rejected else ''}"
                )
        await self._queue.wait()

    async def _claim_and_start(self, attempts: list[RequestAttempt], tasks: asyncio.TaskGroup) -> None:
        granted, claims = await self._queue.claim(attempts, self._cap.tariff, len(self._rejections.suspects))
        if claims.tariff is not None:
            self._cap.adopt(claims.tariff)
        # In turn, for `_start` waits until each is admitted: this is what keeps the queue from running ahead of the endpoint.
        for attempt in granted:
            await self._start(attempt, tasks)
        if claims.unaffordable and (why := await self._queue.why_out_of_budget()):
            self._stop.pause(why)
        elif claims.unaffordable or claims.waiting:
            await self._wait()

    async def _start(self, attempt: RequestAttempt, tasks: asyncio.TaskGroup) -> None:
        """Have a claimed request sent as soon as it is admitted; commit what became of it where it may not be sent."""
        try:
            if self._cap.is_outdated(attempt):
                raise ClaimAnew
            if failure := self._context.context_fit.before_sending(attempt):
                self._commits.add(AttemptOutcome(attempt, self._rejection(attempt, failure, 0.0)))
                return
            ticket = await self._retries.enter(attempt)
        except (ClaimAnew, Closed) as error:
            self._commits.add(AttemptOutcome(attempt, again=isinstance(error, ClaimAnew)))
            return
        if time.time() > self._lease_until:  # this process slept
            await self._renew()
        attempt.task = tasks.create_task(self._ask(attempt, ticket))

    # --- one request ---

    async def _ask(self, attempt: RequestAttempt, ticket: Ticket) -> None:
        started = time.monotonic()
        try:
            reply = await self._retries.send(attempt, ticket)
            outcome = self._answered(attempt, reply, time.monotonic() - started)
        except RequestFailed as failure:
            outcome = self._failed(attempt, failure, time.monotonic() - started)
            needs_a_witness = policy_of(failure).needs_a_witness and not self._context.is_divided(attempt.request)
            if outcome.record and needs_a_witness:
                # Its claim stays: the outcome is committed with the next answer, or given back unanswered when the run ends.
                self._rejections.suspects.append(outcome)
                return
        except (ClaimAnew, Closed) as error:
            outcome = AttemptOutcome(attempt, again=isinstance(error, ClaimAnew))
        except Exception as error:  # the ledger's disk is full
            self._stop.broken_by(error)
            outcome = AttemptOutcome(attempt)
        self._commits.add(outcome)

    def _answered(self, attempt: RequestAttempt, reply: Reply, seconds: float) -> AttemptOutcome:
        # First the suspects: this answer is the witness that they waited for.
        self._commit(self._rejections.answered())
        cost = self._context.cost_usd(reply)
        # The tariff learns before anything is stored, so that the commit of a dearer reply carries the raised tariff.
        spent = self._cap.learn(attempt, reply, cost)
        self._context.token_estimate.learn(attempt.size, reply.usage)
        self._monitor.answer(reply, cost)
        thought = f"reasoning: {reply.reasoning}"[:_REASONING_CHARS] if reply.reasoning else None
        record = Record(
            attempt.request.key, "answered", reply, attempt.tries, seconds, now(), cost, error=thought, ask=attempt.number,
            reason=attempt.reason, note=attempt.note, lane="online" if self._context.pool is None else "local",
        )  # fmt: skip
        return AttemptOutcome(attempt, record, spent)

    def _failed(self, attempt: RequestAttempt, failure: RequestFailed, seconds: float) -> AttemptOutcome:
        """Return the outcome of a request that is not tried again, as `failure_policy` has it."""
        policy = policy_of(failure)
        if policy.pauses_job:
            self._stop.pause(str(failure), failure.code)
            return AttemptOutcome(attempt)
        if self._stop.why and not policy.rejects_article:
            # it would have been tried again, so nobody can say that it failed: it has no outcome until the next run
            return AttemptOutcome(attempt)
        is_verdict = not (policy.rejects_article and self._context.is_divided(attempt.request))
        if is_verdict and (why := self._rejections.failed(failure)):
            self._stop.pause(why)
        if policy.rejects_article:
            return AttemptOutcome(attempt, self._rejection(attempt, failure, seconds))
        article = attempt.request.article.id
        self._events.write("gave_up", id=article, code=failure.code, detail=str(failure)[:200])
        return AttemptOutcome(attempt, failure=failure.code, detail=str(failure))

    def _rejection(self, attempt: RequestAttempt, failure: RequestFailed, seconds: float) -> Record:
        article = attempt.request.article.id
        self._events.write("rejected", id=article, code=failure.code, detail=str(failure)[:200])
        return Record(
            attempt.request.key, "rejected", None, attempt.tries, seconds, now(), error_code=failure.code,
            error=str(failure), ask=attempt.number, reason=attempt.reason, note=attempt.note,
        )  # fmt: skip

    # --- storing ---

    def _commit(self, outcomes: list[AttemptOutcome]) -> None:
        for outcome in outcomes:
            self._commits.add(outcome)

    async def _store(self, outcomes: list[AttemptOutcome]) -> None:
        """Store a group in the ledger, then let everybody hear of it.  Where that fails (a full disk) nothing more is sent."""
        if not self._can_store or not (outcomes or self._cap.is_news):
            return
        try:
            if tariff := await asyncio.to_thread(
                self._ledger.append, outcomes, self._cap.observed, self._context.bound.long
            ):
                self._cap.adopt(tariff)
            for outcome in outcomes:
                # its claim is free now, and whoever asks the ledger finds the answer
                self._queue.stored(outcome.key)
                self._stored(outcome)
        except Exception as error:
            # Nothing can be kept any more: outcomes that still come are dropped, and their claims count as lost money.
            self._can_store = False
            self._stop.broken_by(error)

    def _stored(self, outcome: AttemptOutcome) -> None:
        attempt, record = outcome.attempt, outcome.record
        # The claim is somebody else's now: what the ledger has in the end is looked up, whoever stored it.
        if attempt.stale:
            self._queue.lost(attempt)
        elif outcome.again:
            self._queue.add(attempt)
        elif record is not None:
            self._judge(attempt, record)
        elif outcome.failure:
            self._context.finish(attempt.request, None, outcome.failure, outcome.detail)

    def _judge(self, attempt: RequestAttempt, record: Record) -> None:
        """Ask again, or finish the request; pause where too many replies are no good."""
        verdict, article = self._context.builder.verdict(attempt.request, record), attempt.request.article.id
        self._hear(attempt.request, record, verdict)
        if self._context.may_ask_again(attempt.number, verdict):
            self._events.write("asked_again", id=article, reason=verdict)
            self._queue.add(attempt.once_more(verdict, record))
        else:
            self._context.finish(attempt.request, record)

    def _hear(self, request: Request, record: Record, verdict: str) -> None:
        """Pause where too many replies are no good."""
        if record.reply is not None:
            self._monitor.judge(verdict, request.article.id, record.reply.text)
            bad = None if verdict == "ok" else BadReply(request.article.id, verdict, record.reply.text)
            is_wasted = verdict in WASTED and not self._context.may_ask_again(record.ask, verdict)
            if why := self._quality.add(bad, is_wasted):
                self._stop.pause(why)

    # --- meanwhile ---

    async def _keep_house(self) -> None:
        """See to the live line, the lease, and requests that hang."""
        while True:
            await asyncio.sleep(_HOUSEKEEPING_SECONDS)
            self._monitor.tick(self._admission.in_flight, self._admission.shut_for)
            if self._context.pool is None:
                self._retries.cut_off()
            # After a third of the lease, so that two renewals may come late (a busy disk, a sleeping laptop) before it runs
            # out.
            if self._lease_until and time.time() > self._lease_until - LEASE_SECONDS * 2 / 3:
                await self._renew()
            if self._lease_until and self._context.pool is None:
                await self._share_limits()

    async def _share_limits(self) -> int:
        """Keep to this worker's part of the limits; return how many workers live, this one among them."""
        try:
            workers = await asyncio.to_thread(self._ledger.claims.workers)
        except Exception as error:
            self._stop.broken_by(error)
            return 1
        if workers != self._workers:
            self._events.write("workers", live=workers)
            self._workers = workers
            self._admission.share_with(workers)
        return workers

    async def _renew(self) -> None:
        """Renew the lease; what went to other workers while this process slept is not sent any more."""
        try:
            ours = await asyncio.to_thread(self._ledger.claims.renew)
        except Exception as error:
            self._stop.broken_by(error)
            return
        self._lease_until = time.time() + LEASE_SECONDS
        if ours is not None:
            for key, attempt in self._queue.claimed.items():
                attempt.stale = attempt.stale or key not in ours
