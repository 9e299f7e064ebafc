"""The course of a run that asks in batches, or that finds batches under way: settle what is over, submit, wait or go.

One run after another does a part of it: any of them goes on where the last one was stopped.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from pipeline.core.batch_api import BatchApi
from pipeline.core.coroutines import run_coroutine
from pipeline.core.errors import ConfigError, EndpointError, Paused, RequestFailed
from pipeline.core.files import recall_json, write_json
from pipeline.core.hints import with_job
from pipeline.core.types import Request
from pipeline.job.workspace import Workspace
from pipeline.label.batches.calls import Pauses, Stopped, paused, persist, sleep
from pipeline.label.batches.downloading import NO_ANSWERS
from pipeline.label.batches.keeper import Keeper
from pipeline.label.batches.lane_context import LaneContext, Pending
from pipeline.label.batches.report import out_of_budget
from pipeline.label.batches.submission import QUEUE_FULL, Submission
from pipeline.label.batches.trial import confirm, try_first
from pipeline.label.engine import preflight
from pipeline.label.engine.failure_policy import ASKED_OTHERWISE
from pipeline.label.engine.request_attempt import RequestAttempt
from pipeline.label.engine.request_queue import POLL_SECONDS
from pipeline.label.engine.run_context import RunContext
from pipeline.label.engine.stopping import Stop
from pipeline.label.ledger.batches import Batch, NotOurs

VALIDATED_WITHIN = 10.0  # seconds: what is wrong with a file shows before people go to bed
_SHOWN_EVERY = 30.0  # seconds
_NOT_LOOKED = "not looked"  # why nothing was submitted: all of it is under way
_log = logging.getLogger("labelmill.label")
_progress = logging.getLogger("labelmill.progress")

Result = TypeVar("Result")


def lane_of(work: Workspace, context: RunContext, wait: bool = False) -> BatchLane | None:
    """Return the batches of a run; None where it asks online, and none are under way at its endpoint.

    Raises ConfigError where the job asks for a Batch API that is not there.
    """
    api = context.provider.batch_api()
    if context.options.via == "batch" and api is None:
        raise ConfigError(
            f"label.via: batch: the provider {context.builder.provider_name!r} has no Batch API; leave label.via out"
        )
    if api is None or (context.options.via == "online" and not context.ledger.batches.under_way(api.where)):
        return None
    return BatchLane(work, context, api, wait)


def raise_if_unfinished(work: Workspace, context: RunContext, lane: BatchLane | None) -> None:
    """Raise Paused where a pass is not over: batches are under way, or held what it left to them."""
    if lane is None and context.leaves_some:
        lane = lane_of(work, context)  # another process made batches since this run looked
    if lane:
        lane.raise_if_unfinished()
    if context.leaves_some:
        raise Paused("another process settled the last batch just now; the same command goes on")


class BatchLane:
    """The batches of one run.  `wait`: until all of them are settled."""

    def __init__(self, work: Workspace, context: RunContext, api: BatchApi, wait: bool = False) -> None:
        self._work, self._context, self._api, self._wait = work, context, api, wait
        self._ledger, self._batches = context.ledger, context.ledger.batches
        self._submits = context.options.via == "batch"
        self._stop = Stop(lambda: None)
        self._lane = LaneContext(context, api, work.path / "batches", work.config.name, self._stop)
        self._keeper = Keeper(self._lane)
        self._is_checked, self._is_shared = False, False

    # --- the course of a run ---

    def run(self, pending: Pending, key: str | None = None) -> set[str] | None:
        """Settle and submit; return the shards whose requests all have a record, None where those of all shards may be asked.

        `key` is a digest of what `pending` yields: what was submitted as a whole before is not looked through again.

        Raises Paused.
        """
        if self._submits:
            try_first(self._work, self._context, pending, self._api.where)
        answered = self._context.monitor.answered
        try:
            whole = run_coroutine(self._guarded(self._rounds(pending, key)))
        finally:
            if self._submits and self._context.monitor.answered > answered:
                confirm(self._work, self._context, pending)
        self._stop.raise_if_any()
        self._context.leaves_some |= whole is not None
        return whole

    async def _guarded(self, course: Coroutine[Any, Any, Result]) -> Result | None:
        """Return the result of a course; None where the user stopped it."""
        try:
            with self._stop.on_interrupt():
                return await course
        except Stopped:
            return None
        except asyncio.CancelledError:
            if not self._stop.why:  # else it is the second Ctrl-C
                raise
            return None
        except RequestFailed as failure:
            raise paused(self._api.where, failure) from failure
        except NotOurs as error:
            raise Paused("another process took over a batch, as this one slept; the same command goes on") from error
        except EndpointError as error:
            raise Paused(f"{error}; mend that, then run the same command again") from error
        finally:
            await self._lane.close()

    def cancel(self) -> None:
        """Cancel every batch under way, and settle it once the endpoint says that it is over.  Raises Paused."""
        run_coroutine(self._guarded(self._cancel_all()))
        self._stop.raise_if_any()

    async def _rounds(self, pending: Pending, key: str | None) -> set[str] | None:
        has_looked_again = False
        while True:
            settled = await self._keeper.look_after_all()
            whole, blocked = await self._submit_rest(pending, key, settled) if self._submits else (None, None)
            if not self._keeper.under_way():
                if blocked in (QUEUE_FULL, _NOT_LOOKED):
                    continue  # smaller now; another process settled the last of them since
                if blocked:
                    self._keeper.why = out_of_budget(self._ledger, self._context.budget_usd, self._context.budget_name)
                elif whole is not None:
                    # another process held the rest: in a batch that it has settled since, or online, which this run waits for
                    if has_looked_again:
                        return None
                    has_looked_again = True
                    await sleep(self._stop, POLL_SECONDS)  # what is given back at this moment goes in batches, too
                    continue
                return whole
            has_looked_again = False  # whoever holds the rest after these batches is met anew
            if self._wait and self._keeper.to_wait_for():
                await self._wait_for_batches(any_of_them=blocked not in (None, _NOT_LOOKED))
            elif not await self._fail_early():
                return whole

    def raise_if_unfinished(self) -> None:
        """Raise Paused where answers of batches are still to come, or where the budget does not reach for what is left."""
        if not (batches := self._keeper.under_way()):
            if self._keeper.why:
                raise Paused(self._keeper.why)
            return
        requests, done = sum(batch.requests for batch in batches), sum(batch.done for batch in batches)
        trouble = "".join(f"; {text}" for text in self._keeper.troubles)
        raise Paused(
            f"{len(batches):,} {'batch' if len(batches) == 1 else 'batches'} under way ({requests:,} requests, {done:,} done), "
            f"usually within {self._api.window.removesuffix('h')} hours{trouble}; the same command goes on"
        )

    # --- submitting ---

    async def _submit_rest(self, pending: Pending, key: str | None, settled: int) -> tuple[set[str] | None, str | None]:
        """Submit, where anything may be left: not while all of it is under way, nor where all of it was answered."""
        memory = self._work.path / "batches" / "submitted.json"
        noted = recall_json(memory) if key else None
        if noted and noted["key"] == [key, self._context.options.reask_via]:
            if self._keeper.under_way():
                if not settled:
                    return set(), _NOT_LOOKED
            elif self._context.options.reask_via == "online" and self._batches.all_answered(
                self._api.where, noted["since"]
            ):
                return None, None
        since = min([batch.created_at for batch in self._keeper.under_way()], default=self._ledger.database.now())
        whole, blocked = await self._submit(pending)
        if key and blocked is None and not self._is_shared:  # what another process asks online it may give back
            write_json(memory, {"key": [key, self._context.options.reask_via], "since": since}, durable=False)
        return whole, blocked

    async def _submit(self, pending: Pending) -> tuple[set[str] | None, str | None]:
        """Put what nobody has asked yet into batches; return (shards with nothing like that, None: all; why not all of it was)."""
        submission = Submission(self._lane)
        counts: dict[str, int] = {}  # by shard: requests without a record
        for shard, requests in pending():
            questions = self._questions(requests)
            counts[shard] = counts.get(shard, 0) + len(questions)
            if questions and submission.blocked is None:
                await self._get_ready()
                for request, ask in questions:
                    await submission.add(request, ask)
            self._lane.renew()
            if self._stop.why:
                submission.abandon()
                raise Stopped
        await submission.finish()
        self._is_shared = submission.is_shared
        if submission.made:
            _progress.info(f"{submission.made:,} {'batch' if submission.made == 1 else 'batches'} made")
        whole = {shard for shard, count in counts.items() if not count} if any(counts.values()) else None
        return whole, submission.blocked

    async def _get_ready(self) -> None:
        await self._lane.open()
        if not self._is_checked:
            self._is_checked = True
            await preflight.check(self._context)

    def _questions(self, requests: list[Request]) -> list[tuple[Request, int]]:
        """Return those of some requests that go into a batch, each with which ask of it that is."""
        if self._context.options.reask_via == "batch":
            records = self._ledger.get([request.key for request in requests])
            again = [
                (attempt.request, attempt.number)
                for request in requests
                if request.key in records
                and (why := self._context.why_again(request, records[request.key])) not in (None, *ASKED_OTHERWISE)
                for attempt in [RequestAttempt(request).once_more(str(why), records[request.key][-1])]
            ]
            missing = [request for request in requests if request.key not in records]
        else:
            asked, again = self._ledger.asked(request.key for request in requests), []
            missing = [request for request in requests if request.key not in asked]
        questions = [(request, 1) for request in missing if self._fits(request)] + again
        # what fails in batches, or does not fit the model, is left to the online way: there are cuts, waits and rejections
        exhausted = self._batches.exhausted([request.key for request, _ in questions])
        return [question for question in questions if question[0].key not in exhausted]

    def _fits(self, request: Request) -> bool:
        context_fit = self._context.context_fit
        return context_fit.context is None or context_fit.before_sending(RequestAttempt(request)) is None

    # --- cancelling ---

    async def _cancel_all(self) -> None:
        await self._lane.open()
        pauses, asked = Pauses(), set[str]()
        while batches := self._keeper.under_way():
            for batch in batches:
                if self._batches.take_over(batch, self._lane.owner):
                    with suppress(NotOurs):
                        await self._cancel(self._batches.get(batch.name))
                elif batch.batch_id and batch.name not in asked:  # another process will settle it
                    asked.add(batch.name)
                    await persist(self._stop, self._api.cancel, batch.batch_id)
            if self._keeper.under_way():
                await sleep(self._stop, pauses.take())
                self._lane.renew()

    async def _cancel(self, batch: Batch) -> None:
        """Bring a batch one step nearer to its end."""
        try:
            if batch.is_posted and not batch.batch_id:
                batch = await self._keeper.posting.adopted(batch) or batch
            if not batch.batch_id:
                self._lane.end_batch(batch, state="not posted")
                return
            state = await persist(self._stop, self._api.retrieve, batch.batch_id)
            if not state.is_over and state.status != "cancelling":
                state = await persist(self._stop, self._api.cancel, batch.batch_id)
            if state.is_over:
                await self._keeper.settle_at_last(batch, state)
        except RequestFailed as failure:
            if failure.code not in ("not_found", "no_list", NO_ANSWERS):
                raise paused(self._api.where, failure, batch) from failure
            # nobody will ever know what it has answered
            self._lane.end_batch(batch, lost=True, state="given up", detail=str(failure)[:300])

    # --- waiting ---

    async def _wait_for_batches(self, any_of_them: bool) -> None:
        """Wait until all batches are settled, or any."""
        pauses, shown_at, done = Pauses(), time.monotonic(), -1
        batches = self._keeper.under_way()
        with self._work.progress("batches", sum(batch.requests for batch in batches), "requests") as bar:
            while batches := self._keeper.to_wait_for():
                await sleep(self._stop, pauses.take())
                self._lane.renew()
                settled = await self._keeper.look_after_all()
                if troubles := self._keeper.new_troubles():
                    _log.warning(
                        with_job(f"{'; '.join(troubles)}; this run goes on looking", self._work.config.in_commands)
                    )
                now_done = sum(batch.done for batch in self._keeper.under_way())
                if settled or now_done != done:
                    pauses.reset()
                done = now_done
                bar.n = done + max(0, (bar.total or 0) - sum(batch.requests for batch in self._keeper.under_way()))
                bar.refresh()
                if bar.disable and time.monotonic() - shown_at > _SHOWN_EVERY:
                    shown_at = time.monotonic()
                    _progress.info(
                        f"label: {len(batches):,} batches under way, {bar.n:,} of {bar.total or 0:,} requests done"
                    )
                if settled and any_of_them:
                    return

    async def _fail_early(self) -> bool:
        """Look for a moment whether the endpoint turns a batch down; return whether one was, and there is room for another."""
        pauses, until = Pauses(), time.monotonic() + VALIDATED_WITHIN
        while time.monotonic() < until:
            validating = [
                batch
                for batch in self._keeper.under_way()
                if batch.state in ("validating", "failed") and batch.owner == self._lane.owner
            ]
            if not validating:
                break
            if not any(batch.state == "failed" for batch in validating):
                await sleep(self._stop, pauses.take())
            for batch in validating:
                state = await persist(self._stop, self._api.retrieve, batch.batch_id)
                if state.status == "failed":
                    await self._keeper.settle(batch, state)
                    if self._keeper.why:
                        raise Paused(f"{self._keeper.why}; nothing is lost: mend that, then run the same command again")
                    return True
                if state.status != "validating":
                    self._lane.note(batch, durable=False, state="in_progress")
        return False
