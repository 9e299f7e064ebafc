"""Many requests in flight: look up, claim, pass the gate, ask, try again, store, judge, ask again or settle.

An answer is in the ledger, synced, before anyone hears of it.  What a failure means is decided here and nowhere else:

    transient      tried again with growing, jittered waits, at most `ATTEMPTS` times; then *failed*: not in the ledger,
                   asked again by the next run.  Many with no answer between them are an outage: everyone waits.
    rate_limited   everyone waits, once, for as long as the endpoint says
    rejected       final for this article, in the ledger
    fatal          the job pauses: nothing more is sent, what is in flight is kept
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception
from tenacity.wait import wait_random_exponential

from pipeline.errors import RequestFailed
from pipeline.labelling import preflight
from pipeline.labelling.ask import Ask, Outcome
from pipeline.labelling.asking import ASKED_AGAIN, Asking
from pipeline.labelling.brake import Bad, Brake
from pipeline.labelling.monitor import now
from pipeline.labelling.patience import Patience
from pipeline.labelling.stopping import Stop
from pipeline.ledger import Record
from pipeline.ledger.claims import LEASE_SECONDS, Wanted
from pipeline.pacing.gate import MAX_PAUSE, Closed, Gate, Pass
from pipeline.records import Reply, Request

ATTEMPTS = 8
GROUP = 256  # replies in one commit, at most
GROUP_SECONDS = 0.05  # and how long the first of them waits for the others
CLAIM_SECONDS = 0.05  # how far ahead of their sending requests are claimed
MOST_CLAIMED, FEWEST_CLAIMED = 256, 4
GIVE_UP_AFTER = 20  # requests in a row rejected or failed: it is not the articles' fault
POLL_SECONDS = 0.5  # how often what another worker holds is looked up


class Online:
    def __init__(self, asking: Asking) -> None:
        self._asking, self._ledger, self._provider = asking, asking.ledger, asking.provider
        self._monitor, self._events = asking.monitor, asking.monitor.events
        limits = asking.options.limits
        self._gate = Gate(limits.requests_per_minute, limits.tokens_per_minute, limits.concurrency)
        self._stop = Stop(self._gate.close)
        self._brake, self._patience = Brake(asking.options.brake), Patience()
        self._todo: deque[Ask] = deque()  # to be claimed
        self._held: list[Ask] = []  # claimed by another worker
        self._pending: dict[bytes, Ask] = {}  # claimed by this one
        self._watched: dict[bytes, tuple[float, asyncio.Timeout]] = {}
        self._done: asyncio.Queue[Outcome | None] = asyncio.Queue()
        self._changed = asyncio.Event()  # something was settled
        self._lease_until = 0.0
        self._unanswered_in_a_row = 0
        self._can_store = True
        self._first = True

    # --- the course of a run ---

    async def run(self, batches: Iterator[list[Request]]) -> None:
        """Ask everything.  Raises Paused when the endpoint, the budget, the brake or the user stopped the job."""
        committer = asyncio.create_task(self._commit_groups())
        housekeeper = asyncio.create_task(self._keep_house())
        with self._stop.on_interrupt():
            try:
                await asyncio.to_thread(self._ledger.start)
                self._lease_until = time.time() + LEASE_SECONDS
                await self._provider.open()
                async with asyncio.TaskGroup() as tasks:
                    await self._send(batches, tasks)
            except asyncio.CancelledError:
                if not self._stop.why:  # else it is the second Ctrl-C
                    raise
            finally:
                housekeeper.cancel()
                await self._provider.close()
                await self._done.put(None)
                await committer
        self._stop.raise_if_any()

    async def _send(self, batches: Iterator[list[Request]], tasks: asyncio.TaskGroup) -> None:
        try:
            while not self._stop.why:
                if asks := await self._next(batches):
                    await self._claim_and_start(asks, tasks)
                elif not (self._pending or self._held or self._todo):
                    return
                else:
                    await self._wait_for_change()
        except Closed:
            pass
        except Exception as error:  # a shard that cannot be read must not cost what is in flight
            self._stop.broken_by(error)

    async def _wait_for_change(self) -> None:
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._changed.wait()
        if self._held:
            held, self._held = self._held, []
            await self._look_up({ask.request.key: ask for ask in held})

    async def _next(self, batches: Iterator[list[Request]]) -> list[Ask]:
        """Some asks to be claimed: about as many as will go out within `CLAIM_SECONDS`."""
        rate, _ = self._monitor.rates()
        count = int(min(MOST_CLAIMED, max(FEWEST_CLAIMED, rate * CLAIM_SECONDS)))
        if len(self._pending) > 4 * self._gate.window.size + MOST_CLAIMED:
            return []  # many wait to try again
        while len(self._todo) < count and (batch := next(batches, None)) is not None:
            await self._look_up({request.key: Ask(request) for request in batch})
        return [self._todo.popleft() for _ in range(min(count, len(self._todo)))]

    async def _look_up(self, asks: dict[bytes, Ask]) -> None:
        """Settle what the ledger knows; the rest is to be claimed."""
        known = await asyncio.to_thread(self._ledger.get, list(asks))
        for key, ask in asks.items():
            records = known.get(key)
            if records is None:
                self._todo.append(ask)
            elif why := self._asking.again(ask.request, records):
                self._todo.append(Ask(ask.request, len(records) + 1, why))
            else:
                self._settle(ask.request, records[-1])

    async def _claim_and_start(self, asks: list[Ask], tasks: asyncio.TaskGroup) -> None:
        if self._first:
            self._first = False
            await preflight.check(self._asking)
        wanted = [Wanted(a.request.key, a.number, self._asking.bounds.dollars(a.request)) for a in asks]
        claimed = await asyncio.to_thread(self._ledger.claim, wanted, self._asking.options.budget_usd)
        by_key = {ask.request.key: ask for ask in asks}
        granted = [ask for key, ask in by_key.items() if key in claimed.granted]
        self._pending.update((ask.request.key, ask) for ask in granted)
        self._held += [by_key[key] for key in claimed.held]
        if claimed.unaffordable:
            await self._cannot_afford([by_key[key] for key in by_key if key in claimed.unaffordable])
        if claimed.answered:
            await self._look_up({key: by_key[key] for key in claimed.answered})
        for ask in granted:
            if failure := self._asking.fitting.before(ask):
                await self._done.put(self._failed(ask, failure, 0.0))
                continue
            try:
                passed = await self._gate.enter(self._asking.charge.of(ask.request))
            except Closed:
                await self._done.put(Outcome(ask))
                continue
            tasks.create_task(self._one(ask, passed))

    async def _cannot_afford(self, asks: list[Ask]) -> None:
        """Wait for what is in flight: it mostly costs less than was reserved for it.  With nothing in flight: pause."""
        self._todo.extendleft(reversed(asks))
        if self._pending:
            await self._wait_for_change()
            return
        money = await asyncio.to_thread(self._ledger.spending)
        if money.reserved:  # by another worker
            await asyncio.sleep(POLL_SECONDS)
            return
        lost = f" and at most ${money.lost:,.4f} for replies that never arrived" if money.lost else ""
        self._stop.pause(
            f"the budget of ${self._asking.options.budget_usd:,.4f} is reached: ${money.spent:,.4f} spent{lost}; "
            "raise label.budget_usd to go on"
        )

    # --- one ask ---

    async def _one(self, ask: Ask, passed: Pass) -> None:
        started = time.monotonic()
        try:
            reply = await self._with_retries(ask, passed)
            outcome = self._answered(ask, reply, time.monotonic() - started)
        except RequestFailed as failure:
            outcome = self._failed(ask, failure, time.monotonic() - started)
        except Closed:
            outcome = Outcome(ask)
        await self._done.put(outcome)

    async def _with_retries(self, ask: Ask, passed: Pass) -> Reply:
        """Nearly every request is answered at once: only those that are not pay for tenacity (0.1 ms each)."""
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
            passed = await self._gate.enter(self._asking.charge.of(ask.request), again=True)
            return await self._attempt(ask, passed)

        def may(error: BaseException) -> bool:
            if not self._may_try_again(ask, error):
                return False
            self._monitor.retries += 1
            return True

        retrying = AsyncRetrying(retry=retry_if_exception(may), wait=_wait, sleep=self._stop.sleep, reraise=True)
        reply: Reply = await retrying(again)
        return reply

    def _may_try_again(self, ask: Ask, error: BaseException) -> bool:
        if not isinstance(error, RequestFailed) or self._stop.why:
            return False
        return error.kind == "rate_limited" or (error.kind == "transient" and ask.failures < ATTEMPTS)

    async def _attempt(self, ask: Ask, passed: Pass) -> Reply:
        """One attempt of a request that was let through, and what the gate learns of it."""
        if time.time() > self._lease_until:  # this process slept
            await self._renew()
        if ask.stale or self._stop.why:
            self._gate.gone()
            raise Closed
        ask.attempts += 1
        try:
            reply = await self._ask(ask)
        except RequestFailed as failure:
            self._learn_from(failure, ask, passed)
            if self._asking.fitting.after(ask, failure):
                failure.kind = "transient"  # there is less of it now
            raise
        except BaseException:
            ask.lost_usd += self._asking.bounds.dollars(ask.request)  # broken off by a second Ctrl-C
            self._gate.gone()
            raise
        self._patience.took(self._gate.answered(passed))
        if advertised := getattr(self._provider, "advertised", None):
            self._gate.advertised(advertised)
        return reply

    async def _ask(self, ask: Ask) -> Reply:
        key = ask.request.key
        try:
            async with asyncio.timeout(None) as limit:
                self._watched[key] = (time.monotonic(), limit)
                return await self._provider.ask(ask.request)  # type: ignore[no-any-return]
        except RequestFailed:
            raise
        except TimeoutError as error:
            text = f"no answer within {self._patience.seconds():.0f} s"
            raise RequestFailed("transient", "timeout", text, may_be_paid=True) from error
        except Exception as error:  # a provider that is not ours may raise anything; the answers so far must be kept
            text = f"the provider failed ({type(error).__name__}: {error})"
            raise RequestFailed("fatal", "provider_error", text) from error
        finally:
            self._watched.pop(key, None)

    def _learn_from(self, failure: RequestFailed, ask: Ask, passed: Pass) -> None:
        if failure.may_be_paid:
            ask.lost_usd += self._asking.bounds.dollars(ask.request)
        if failure.kind == "rate_limited":
            self._monitor.refused += 1
            if self._gate.refused(passed, failure.retry_after, failure.unit):
                rate = self._gate.describe()
                self._events.write("rate_limited", code=failure.code, retry_after=failure.retry_after, **rate)
        elif failure.kind == "transient":
            if not self._gate.failed(passed, failure.retry_after):
                ask.failures += 1
            self._events.write(
                "attempt_failed", id=ask.request.article.id, code=failure.code, detail=str(failure)[:200]
            )
        else:
            self._gate.gone()
        if self._gate.hopeless:
            self._stop.pause(f"{self._provider.base_url} has not answered for a while ({failure.code}: {failure})")

    def _answered(self, ask: Ask, reply: Reply, seconds: float) -> Outcome:
        self._unanswered_in_a_row = 0
        cost = self._asking.prices.cost_usd(reply.model, reply.usage, reply.tier)
        if cost is None:  # a served name that no table has: the asked one's price
            cost = self._asking.prices.cost_usd(self._provider_model, reply.usage, reply.tier)
        spent = self._asking.bounds.dollars(ask.request) if cost is None else cost
        self._asking.bounds.learn(ask.request, reply.usage)
        self._asking.charge.learn(ask.request, reply.usage)
        self._monitor.answer((reply.usage.input_tokens or 0) + (reply.usage.output_tokens or 0), cost)
        record = Record(
            ask.request.key, "answered", reply, ask.attempts, seconds, now(), cost,
            ask=ask.number, reason=ask.reason, note=ask.note,
        )  # fmt: skip
        return Outcome(ask, record, spent)

    @property
    def _provider_model(self) -> str | None:
        return getattr(self._provider, "model", None)

    def _failed(self, ask: Ask, failure: RequestFailed, seconds: float) -> Outcome:
        if failure.kind == "fatal":
            self._stop.pause(str(failure))
            return Outcome(ask)
        if self._stop.why and failure.kind != "rejected":
            return Outcome(ask)  # would have been tried again
        record = None
        if failure.kind == "rejected":
            record = Record(
                ask.request.key, "rejected", None, ask.attempts, seconds, now(), error_code=failure.code,
                error=str(failure), ask=ask.number, reason=ask.reason, note=ask.note,
            )  # fmt: skip
        self._unanswered_in_a_row += 1
        if self._unanswered_in_a_row >= GIVE_UP_AFTER:
            self._stop.pause(f"{GIVE_UP_AFTER} requests in a row got no answer ({failure.code}: {failure})")
        self._events.write("gave_up", id=ask.request.article.id, code=failure.code, detail=str(failure)[:200])
        return Outcome(ask, record, failure=failure.code, detail=str(failure))

    # --- storing ---

    async def _commit_groups(self) -> None:
        """Group commit: the ledger is synced once for all answers that came in within a short while."""
        open_ended = True
        while open_ended:
            group = [await self._done.get()]
            deadline = time.monotonic() + GROUP_SECONDS
            while group[-1] is not None and len(group) < GROUP:
                try:
                    async with asyncio.timeout(deadline - time.monotonic()):
                        group.append(await self._done.get())
                except TimeoutError:
                    break
            open_ended = group[-1] is not None
            await self._store([outcome for outcome in group if outcome is not None])

    async def _store(self, outcomes: list[Outcome]) -> None:
        """Ledger first, then everybody else.  Where that fails (a full disk) nothing more is sent."""
        if not self._can_store or not outcomes:
            return
        try:
            await asyncio.to_thread(self._ledger.append, outcomes)
            for outcome in outcomes:
                self._stored(outcome)
        except Exception as error:
            self._can_store = False
            self._stop.broken_by(error)
        finally:
            self._changed.set()

    def _stored(self, outcome: Outcome) -> None:
        ask, record = outcome.ask, outcome.record
        request = ask.request
        self._pending.pop(request.key, None)
        if ask.stale:
            self._held.append(Ask(request, ask.number, ask.reason))
        elif record is not None:
            self._judge(ask, record)
        elif outcome.failure:
            self._settle(request, None, outcome.failure, outcome.detail)

    def _judge(self, ask: Ask, record: Record) -> None:
        """Ask again, or settle; and mind the brake."""
        why = self._asking.labeller.verdict(ask.request, record)
        if record.reply is not None:
            bad = None if why == "ok" or why == "truncated" else Bad(ask.request.article.id, why, record.reply.text)
            if said := self._brake.saw(bad):
                self._stop.pause(said)
        if ask.number <= self._asking.options.reask and why in ASKED_AGAIN:
            self._events.write("asked_again", id=ask.request.article.id, reason=why)
            self._todo.append(Ask(ask.request, ask.number + 1, why))
        else:
            self._settle(ask.request, record, record.error_code, record.error or "")

    def _settle(self, request: Request, record: Record | None, failure: str | None = None, detail: str = "") -> None:
        self._monitor.settled()
        self._asking.on_settled(request, record, failure, detail)

    # --- meanwhile ---

    async def _keep_house(self) -> None:
        """The live line, the lease, and requests that hang."""
        while True:
            await asyncio.sleep(0.5)
            self._monitor.tick(self._gate.in_flight)
            most = self._patience.seconds()
            for since, limit in list(self._watched.values()):
                if time.monotonic() - since > most and not limit.expired():
                    limit.reschedule(asyncio.get_running_loop().time())
            if time.time() > self._lease_until - LEASE_SECONDS * 2 / 3:
                await self._renew()

    async def _renew(self) -> None:
        try:
            ours = await asyncio.to_thread(self._ledger.renew)
        except Exception as error:
            self._stop.broken_by(error)
            return
        self._lease_until = time.time() + LEASE_SECONDS
        if ours is not None:
            for key, ask in self._pending.items():
                ask.stale = ask.stale or key not in ours


_backoff = wait_random_exponential(multiplier=0.5, max=30)


def _wait(state: RetryCallState) -> float:
    """Exponential with full jitter; never sooner than the server asked for.  After a 429 the gate does the waiting."""
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, RequestFailed) or error.kind == "rate_limited":
        return 0.0
    return max(_backoff(state), min(error.retry_after or 0.0, MAX_PAUSE))
