"""From a batch that is over to records in the ledger: downloaded whole, then settled line by line, whatever their order.

An answer counts where the batch still holds the claim of its question: so an answer under a wrong id is no answer to
anything, and settling again (after a kill, on another machine) changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.core.batch_api import BatchLine, BatchState
from pipeline.core.errors import TOO_LONG, RequestFailed
from pipeline.core.types import Reply
from pipeline.label.batches.downloading import Downloads
from pipeline.label.batches.input_file import key_of
from pipeline.label.batches.lane_context import TIER, LaneContext, at_batch_tier
from pipeline.label.batches.twins import Twins
from pipeline.label.cost.prices import of_a_token
from pipeline.label.engine.failure_policy import policy_of
from pipeline.label.engine.monitor import now
from pipeline.label.engine.retries import check_whole
from pipeline.label.ledger import Record
from pipeline.label.ledger.batches import MAX_FAILURES, Batch, Failed

# answers in one synced transaction, and characters of them: each writes the pages of the key's index anew, which few share in a
# small one
GROUP, GROUP_CHARS = 4000, 1 << 23
_NO_LINE = "no_line"
_log = logging.getLogger("labelmill.label")


@dataclass
class Settled:
    """What came of one batch."""

    answered: int = 0  # now
    earlier: int = 0  # by somebody who was killed while settling
    rejected: int = 0
    unanswered: int = 0  # asked again
    repeated: int = 0
    unknown: int = 0
    broken: int = 0  # lines that tell nothing
    missing: int = 0  # answers that the endpoint counted, and did not send
    failing: int = 0  # requests of which a line tells a failure
    paid_failures: int = 0  # those of them that may have been billed
    pause: str | None = None  # why nothing more should be sent
    failures: dict[bytes, tuple[int, RequestFailed]] = field(default_factory=dict)  # by key, with the ask

    def oddities(self) -> str:
        """Return in words what nobody would expect, empty where all is as it should be."""
        counts = {
            "answers missing though the endpoint counted them, or was done (they count as lost)": self.missing,
            "answers twice (the first counts)": self.repeated,
            "answers to no question of this batch (ignored)": self.unknown,
            "lines that cannot be read": self.broken,
        }
        return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


class Settling:
    """Settles batches that are over."""

    def __init__(self, lane: LaneContext) -> None:
        self._lane, self._api, self._stop = lane, lane.api, lane.stop
        self._context, self._batches, self._downloads = lane.context, lane.batches, Downloads(lane)
        self._twins = Twins(lane)
        self._at, self._seconds = "", 0.0  # when the batch that is settled was over, and how long it took

    async def settle(self, batch: Batch, state: BatchState) -> Settled:
        """Store what a batch has answered, and give the rest back.  Raises RequestFailed, Stopped, NotOurs."""
        state = await self._downloads.with_files(state)
        batch = self._lane.note(
            batch, state=state.status, completed=state.completed, failed=state.failed,
            output_file=state.output_file, error_file=state.error_file,
        )  # fmt: skip
        files = await self._downloads.files(batch, state)
        settled = Settled()
        self._at = now()
        self._seconds = max(0.0, self._context.ledger.database.now() - (batch.posted_at or batch.created_at))
        batch = await self._answers(batch, files, settled)
        failures = self._failures(batch, settled) + self._without_a_line(batch, state, settled)
        # the endpoint counted, and bills, answers that stand in no file
        accounted = settled.answered + settled.earlier
        # where it counts nothing, a batch that it completed has answered all that it does not say failed
        counted = batch.requests if state.status == "completed" and not state.total else 0
        answered = state.completed or counted
        settled.missing = max(0, min(answered - accounted, batch.requests - accounted - settled.failing))
        lost_usd, lost_requests = await self._twins.count(batch)
        missing_usd, missing_requests = self._missing(batch, settled)
        detail = settled.oddities() or (f"{state.problem}"[:300] if state.problem else None)
        also_lost = (lost_usd + missing_usd, lost_requests + missing_requests)
        settled.unanswered = self._lane.end_batch(
            batch, also_lost=also_lost, failures=failures, state=state.status, detail=detail
        )
        return settled

    # --- answers ---

    async def _answers(self, batch: Batch, files: list[Path], settled: Settled) -> Batch:
        """Store the answers, group by group."""
        seen: set[bytes] = set()
        group: dict[bytes, tuple[Record, float | None]] = {}
        chars = 0
        for line, key, ask in self._questions(files, settled):
            if line.failure is not None:
                settled.failures.setdefault(key, (ask, line.failure))
                continue
            if key in seen:
                settled.repeated += 1
                continue
            seen.add(key)
            if line.reply is not None:
                group[key] = self._record(batch, key, ask, line.reply)
                chars += len(line.reply.text)
            if len(group) >= GROUP or chars >= GROUP_CHARS:
                batch = self._store(batch, group, settled)
                group, chars = {}, 0
                await asyncio.sleep(0)  # others see to the lease
        batch = self._store(batch, group, settled)
        for key in seen & settled.failures.keys():
            del settled.failures[key]
        return batch

    def _questions(self, files: list[Path], settled: Settled) -> Iterator[tuple[BatchLine, bytes, int]]:
        """Yield each line that is about a question of ours, with its key and ask."""
        for path in files:
            for line in self._api.read(path):
                if line is None:
                    settled.broken += 1
                elif (question := key_of(line.custom_id)) is None:
                    settled.unknown += 1
                else:
                    yield self._checked(line), *question

    def _checked(self, line: BatchLine) -> BatchLine:
        """Return a line; a reply that the endpoint itself says it broke off is a failure."""
        if line.reply is None:
            return line
        try:
            check_whole(line.reply)
        except RequestFailed as failure:
            return BatchLine(line.custom_id, failure=failure)
        return line

    def _record(self, batch: Batch, key: bytes, ask: int, reply: Reply) -> tuple[Record, float | None]:
        """Return the record of an answer, and the dollars that it counts against the budget; None where nobody knows."""
        reply = at_batch_tier(reply)
        cost = self._lane.cost_usd(batch, reply)
        reason = "asked_again" if ask > 1 else None
        return Record(
            key, "answered", reply, 1, self._seconds, self._at, cost, ask=ask, reason=reason, lane="batch"
        ), cost

    def _store(self, batch: Batch, group: dict[bytes, tuple[Record, float | None]], settled: Settled) -> Batch:
        sizes = self._batches.settle(batch.name, list(group.values()))
        others = group.keys() - sizes.keys()
        earlier = self._context.ledger.asked(others) if others else set()
        settled.answered += len(sizes)
        settled.earlier += len(earlier)
        settled.unknown += len(others - earlier)
        ratio = batch.ratio
        for key, size in sizes.items():
            record, cost = group[key]
            assert record.reply is not None
            self._context.monitor.answer(record.reply, cost)
            self._learn(record.reply, size, cost, settled)
            if size and record.reply.usage.input_tokens:
                ratio = max(ratio, record.reply.usage.input_tokens / size)
        return self._lane.note(batch, durable=False, ratio=ratio) if ratio > batch.ratio else batch

    def _learn(self, reply: Reply, size: int, cost: float | None, settled: Settled) -> None:
        """Reserve for the next batches by what this reply has shown."""
        if self._context.budget_usd is None or not size:
            return
        bound, before = self._lane.bound, self._lane.bound.tariff
        price = self._context.price_of(reply)
        if price is None:
            settled.pause = (
                f"{self._context.model} was asked for and {reply.model} answers, whose price is not known, so "
                f"{self._context.budget_name} cannot be kept; give it in label.prices"
            )
            return
        bound.compare(price, size, reply.usage, cost, bound.dollars(size))
        bound.learn(size, reply.usage)
        if bound.tariff != before:
            self._context.ledger.append([], bound.tariff, bound.long)
            if of_a_token(price, TIER) != of_a_token(self._context.prices.of(self._context.model) or price, TIER):
                _log.warning(
                    f"{self._context.model} was asked for, and {reply.model} answers: the next batches are reserved at its price"
                )

    # --- failures ---

    def _failures(self, batch: Batch, settled: Settled) -> list[Failed]:
        """Reject what the endpoint rejects for good, and return what failed by itself: all of that goes by the failure table."""
        held = self._batches.held(batch.name) & settled.failures.keys()
        settled.unknown += len(
            settled.failures.keys() - held - self._context.ledger.asked(settled.failures.keys() - held)
        )
        settled.failing = len(settled.failures)
        settled.paid_failures = sum(settled.failures[key][1].may_be_paid for key in held)
        has_witness = self._context.ledger.has_answers()
        rejections: list[tuple[Record, float | None]] = []
        counted: list[Failed] = []
        for key in sorted(held):
            ask, failure = settled.failures[key]
            policy, text = policy_of(failure), str(failure)
            if policy.rejects_article and self._is_cut(failure):
                counted.append((key, failure.code, text, MAX_FAILURES))  # asked online, with less of the article
            elif policy.rejects_article and (has_witness or not policy.needs_a_witness):
                rejections.append((_rejection(key, ask, failure), 0.0))
            elif policy.rejects_article:
                settled.pause = settled.pause or f"the endpoint has answered nothing yet, only turned down: {text}"
            elif policy.pauses_job:
                settled.pause = settled.pause or text
            elif failure.code not in ("not_run", "parameter"):
                counted.append((key, failure.code, text, 1))
        for start in range(0, len(rejections), GROUP):
            settled.rejected += len(self._batches.settle(batch.name, rejections[start : start + GROUP]))
        return counted

    def _without_a_line(self, batch: Batch, state: BatchState, settled: Settled) -> list[Failed]:
        """Return what a completed batch says nothing of, as failed: else each batch would leave it, paid, to the next one."""
        if state.status != "completed" or settled.answered + settled.earlier + settled.failing >= batch.requests:
            return []
        silent = self._batches.held(batch.name) - settled.failures.keys()
        return [(key, _NO_LINE, "a batch was completed without a line for it", 1) for key in sorted(silent)]

    def _is_cut(self, failure: RequestFailed) -> bool:
        return failure.code == TOO_LONG and self._context.options.on_too_long == "truncate"

    def _missing(self, batch: Batch, settled: Settled) -> tuple[float, int]:
        """Return (dollars, requests) of answers that were billed and cannot be used: the most that they may have cost."""
        count = settled.missing + settled.paid_failures
        if not count:
            return 0.0, 0
        holding = self._batches.holdings()[batch.name]
        each = holding.reserved_usd / holding.claims if holding.claims else 0.0
        return each * min(count, holding.claims), count


def _rejection(key: bytes, ask: int, failure: RequestFailed) -> Record:
    return Record(
        key, "rejected", None, 1, 0.0, now(), error_code=failure.code, error=str(failure), ask=ask, lane="batch"
    )
