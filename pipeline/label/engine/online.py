"""Many requests in flight: claim, pass the gate, ask, store, judge, ask again or settle.

An answer is in the ledger, synced, before anyone hears of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress

from pipeline.core.errors import TOO_LONG, RequestFailed
from pipeline.core.types import Reply, Request
from pipeline.label.engine import preflight
from pipeline.label.engine.attempts import Attempts, ClaimAnew
from pipeline.label.engine.cap import Cap
from pipeline.label.engine.monitor import now
from pipeline.label.engine.quality_breaker import Bad, QualityBreaker
from pipeline.label.engine.question import Outcome, RequestAttempt
from pipeline.label.engine.run_context import RunContext
from pipeline.label.engine.stopping import Stop
from pipeline.label.engine.supply import MOST_CLAIMED, Supply
from pipeline.label.ledger import Record
from pipeline.label.ledger.claims import LEASE_SECONDS
from pipeline.label.pacing.admission import Closed, Pass, RequestAdmission

GROUP = 256  # replies in one commit, at most
GROUP_SECONDS = 0.05  # and how long the first of them waits for the others
OF_THE_ARTICLE = (TOO_LONG, "content_filter")  # a rejection that says so itself needs no other sign
GIVE_UP_AFTER = 20  # requests in a row rejected or failed: it is not the articles' fault
_HOUSEKEEPING_SECONDS = 0.5


class Online:
    """One run over `batches` of requests."""

    def __init__(self, asking: RunContext, batches: Iterator[list[Request]]) -> None:
        self._asking, self._ledger, self._provider = asking, asking.ledger, asking.provider
        self._monitor, self._events = asking.monitor, asking.monitor.events
        limits = asking.options.limits
        most = limits.concurrency or asking.pool
        self._gate = RequestAdmission(
            limits.requests_per_minute, limits.tokens_per_minute, most, at_once=asking.pool is not None
        )
        self._stop = Stop(self._send_no_more)
        self._cap = Cap(asking, self._stop, self._commit_now)
        self._attempts = Attempts(asking, self._gate, self._stop, self._cap)
        self._supply = Supply(asking, batches)
        self._who = "the endpoint" if asking.pool is None else "the model"
        self._brake = QualityBreaker(asking.options.brake)
        self._outbox: list[Outcome] = []  # answered or failed, not stored yet
        self._filled, self._full, self._over = asyncio.Event(), asyncio.Event(), False
        self._lease_until = 0.0
        self._unanswered_in_a_row = 0
        self._suspect: list[Outcome] = []  # rejected since the last answer: final once something else is answered
        self._can_store = True

    def _send_no_more(self) -> None:
        self._gate.close()
        self._provider.stop()

    # --- the course of a run ---

    async def run(self) -> None:
        """Ask everything.  Raises Paused when the endpoint, the budget, the brake or the user stopped the job."""
        committer = asyncio.create_task(self._commit_groups())
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
                for outcome in self._suspect:  # not final, as the job stops
                    self._done(Outcome(outcome.ask))
                self._over = True
                self._filled.set()
                self._full.set()
                await committer
        self._stop.raise_if_any()

    async def _begin(self) -> None:
        """Needed once there is something to ask: a job that is done needs no key."""
        self._cap.heed(await asyncio.to_thread(self._ledger.start, self._asking.bounds.tariff.asked))
        self._lease_until = time.time() + LEASE_SECONDS
        await self._provider.open()
        await preflight.check(self._asking)

    async def _send(self, tasks: asyncio.TaskGroup) -> None:
        begun = False
        try:
            while not self._stop.why:
                if len(self._supply.claimed) > 4 * self._gate.window.size + MOST_CLAIMED:
                    await self._supply.wait()  # many wait to try again
                elif asks := await self._supply.take(self._monitor.rates()[0]):
                    if not begun:
                        await self._begin()
                        begun = True
                    await self._claim_and_start(asks, tasks)
                elif self._supply.exhausted:
                    return
                else:
                    await self._wait()
        except Exception as error:  # a shard that cannot be read must not cost what is in flight
            self._stop.broken_by(error)

    async def _wait(self) -> None:
        """Until something is settled; not for suspects where nothing else is under way."""
        if self._suspect and len(self._supply.claimed) == len(self._suspect):
            if await asyncio.to_thread(self._ledger.has_answers):
                self._clear_suspects()
            else:
                rejected = self._suspect[-1].record
                why = rejected.error if rejected else ""
                self._stop.pause(f"{self._who} has answered nothing yet, only turned down: {why}")
        await self._supply.wait()

    async def _claim_and_start(self, asks: list[RequestAttempt], tasks: asyncio.TaskGroup) -> None:
        granted, found = await self._supply.claim(asks, self._cap.tariff, len(self._suspect))
        if found.tariff is not None:
            self._cap.heed(found.tariff)
        for ask in granted:
            if self._cap.is_outdated(ask):
                self._done(Outcome(ask, again=True))
                continue
            if failure := self._asking.fitting.before(ask):
                self._done(Outcome(ask, self._rejection(ask, failure, 0.0)))
                continue
            try:
                passed = await self._attempts.enter(ask)
            except Closed:
                self._done(Outcome(ask))
                continue
            if time.time() > self._lease_until:  # this process slept
                await self._renew()
            ask.task = tasks.create_task(self._one(ask, passed))
        if found.unaffordable and (why := await self._supply.out_of_budget()):
            self._stop.pause(why)
        elif found.unaffordable or found.waiting:
            await self._wait()

    # --- one ask ---

    async def _one(self, ask: RequestAttempt, passed: Pass) -> None:
        started = time.monotonic()
        try:
            reply = await self._attempts.answer(ask, passed)
            outcome = self._answered(ask, reply, time.monotonic() - started)
        except RequestFailed as failure:
            outcome = self._failed(ask, failure, time.monotonic() - started)
            if outcome.record and failure.code not in OF_THE_ARTICLE:
                self._suspect.append(outcome)
                return
        except Closed:
            outcome = Outcome(ask)
        except ClaimAnew:
            outcome = Outcome(ask, again=True)
        except Exception as error:  # the ledger's disk is full
            self._stop.broken_by(error)
            outcome = Outcome(ask)
        self._done(outcome)

    def _answered(self, ask: RequestAttempt, reply: Reply, seconds: float) -> Outcome:
        self._unanswered_in_a_row = 0
        self._clear_suspects()
        cost = self._asking.cost_usd(reply)
        spent = self._cap.hear(ask, reply, cost)
        self._asking.charge.learn(ask.size, reply.usage)
        self._monitor.answer(reply, cost)
        record = Record(
            ask.request.key, "answered", reply, ask.attempts, seconds, now(), cost,
            ask=ask.number, reason=ask.reason, note=ask.note, lane="online" if self._asking.pool is None else "local",
        )  # fmt: skip
        return Outcome(ask, record, spent)

    def _failed(self, ask: RequestAttempt, failure: RequestFailed, seconds: float) -> Outcome:
        if failure.kind == "fatal":
            self._stop.pause(str(failure))
            return Outcome(ask)
        if self._stop.why and failure.kind != "rejected":
            return Outcome(ask)  # would have been tried again
        self._unanswered_in_a_row += 1
        if self._unanswered_in_a_row >= GIVE_UP_AFTER:
            self._stop.pause(f"{GIVE_UP_AFTER} requests in a row got no answer ({failure.code}: {failure})")
        if failure.kind == "rejected":
            return Outcome(ask, self._rejection(ask, failure, seconds))
        self._events.write("gave_up", id=ask.request.article.id, code=failure.code, detail=str(failure)[:200])
        return Outcome(ask, failure=failure.code, detail=str(failure))

    def _rejection(self, ask: RequestAttempt, failure: RequestFailed, seconds: float) -> Record:
        self._events.write("rejected", id=ask.request.article.id, code=failure.code, detail=str(failure)[:200])
        return Record(
            ask.request.key, "rejected", None, ask.attempts, seconds, now(), error_code=failure.code,
            error=str(failure), ask=ask.number, reason=ask.reason, note=ask.note,
        )  # fmt: skip

    def _clear_suspects(self) -> None:
        """The endpoint answers others: it was the articles' fault."""
        outcomes, self._suspect = self._suspect, []
        for outcome in outcomes:
            self._done(outcome)

    # --- storing ---

    def _done(self, outcome: Outcome) -> None:
        self._outbox.append(outcome)
        self._filled.set()
        if len(self._outbox) >= GROUP:
            self._full.set()

    def _commit_now(self) -> None:
        self._filled.set()
        self._full.set()

    async def _commit_groups(self) -> None:
        """Group commit: the ledger is synced once for all answers that came in within a short while."""
        while not (self._over and not self._outbox):
            await self._filled.wait()
            if not self._over:
                with suppress(TimeoutError):
                    async with asyncio.timeout(GROUP_SECONDS):
                        await self._full.wait()
            self._full.clear()
            group, self._outbox = self._outbox[:GROUP], self._outbox[GROUP:]
            if not self._outbox and not self._over:
                self._filled.clear()
            await self._store(group)

    async def _store(self, outcomes: list[Outcome]) -> None:
        """Ledger first, then everybody else.  Where that fails (a full disk) nothing more is sent."""
        if not self._can_store or not (outcomes or self._cap.is_news):
            return
        try:
            if tariff := await asyncio.to_thread(self._ledger.append, outcomes, self._cap.heard):
                self._cap.heed(tariff)
            for outcome in outcomes:
                self._supply.settled(outcome.key)
                self._stored(outcome)
        except Exception as error:
            self._can_store = False
            self._stop.broken_by(error)

    def _stored(self, outcome: Outcome) -> None:
        ask, record = outcome.ask, outcome.record
        if ask.stale:
            self._supply.lost(ask)
        elif outcome.again:
            self._supply.again(ask)
        elif record is not None:
            self._judge(ask, record)
        elif outcome.failure:
            self._asking.settle(ask.request, None, outcome.failure, outcome.detail)

    def _judge(self, ask: RequestAttempt, record: Record) -> None:
        """Ask again, or settle; and mind the brake."""
        why = self._asking.labeller.verdict(ask.request, record)
        if record.reply is not None:
            bad = None if why == "ok" else Bad(ask.request.article.id, why, record.reply.text)
            if said := self._brake.saw(bad):
                self._stop.pause(said)
        if self._asking.may_ask_again(ask.number, why):
            self._events.write("asked_again", id=ask.request.article.id, reason=why)
            self._supply.again(RequestAttempt(ask.request, ask.number + 1, why))
        else:
            self._asking.settle(ask.request, record)

    # --- meanwhile ---

    async def _keep_house(self) -> None:
        """The live line, the lease, and requests that hang."""
        while True:
            await asyncio.sleep(_HOUSEKEEPING_SECONDS)
            self._monitor.tick(self._gate.in_flight, self._gate.shut_for)
            if self._asking.pool is None:
                self._attempts.cut_off()
            if self._lease_until and time.time() > self._lease_until - LEASE_SECONDS * 2 / 3:
                await self._renew()

    async def _renew(self) -> None:
        """Renew the lease; what went to other workers while this process slept is not sent any more."""
        try:
            ours = await asyncio.to_thread(self._ledger.renew)
        except Exception as error:
            self._stop.broken_by(error)
            return
        self._lease_until = time.time() + LEASE_SECONDS
        if ours is not None:
            for key, ask in self._supply.claimed.items():
                ask.stale = ask.stale or key not in ours
