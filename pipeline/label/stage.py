"""Stage label: `filtered/` + the ledger -> the ledger and `requests/` (id, key, status, digest of the reply).

What is in the ledger is never asked again.  Requests of many shards are in flight together; a shard's `requests/` file
is written when the last of its rows has an outcome.  It holds every row, also those that got no answer, with the reason.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.core.files import digest_of, write_json
from pipeline.core.shards import Manifest, Output, input_digests, read_order, step_key
from pipeline.core.types import Article, Request
from pipeline.job.run_options import RunOptions
from pipeline.job.workspace import Workspace
from pipeline.label import request_rows
from pipeline.label.answering import in_processes
from pipeline.label.batches.lane import lane_of, raise_if_unfinished
from pipeline.label.before import Batches, ask_before
from pipeline.label.chain import Lack, PromptStep
from pipeline.label.cost import estimate
from pipeline.label.engine.monitor import EventLog, Monitor
from pipeline.label.engine.run import ask_all
from pipeline.label.engine.run_context import OnFinished, RunContext
from pipeline.label.job_ledger import check_ledger_is_this_jobs, spent_elsewhere
from pipeline.label.ledger import Ledger, Record, open_ledger
from pipeline.label.outcome import Outcome, tell
from pipeline.label.request_rows import OpenShard
from pipeline.label.requests import ARTICLE_COLUMNS, RequestBuilder, articles_of
from pipeline.label.selection import Rows
from pipeline.label.sharing import log
from pipeline.label.sharing.ahead import AskedAhead, Pass, SharedAnswers
from pipeline.label.sharing.near_copies import FindNearCopies
from pipeline.label.sharing.plan import SharingPlan
from pipeline.label.stage_state import selection, under_way_file

_NOTE_SECONDS = 1.0  # between two notes of how far the run is, for `status`
BATCHED = 512  # articles rendered at once that go into batches, or that mostly came out of them
BATCH = 64  # articles rendered at once: few enough that nothing in flight waits for it


def run(work: Workspace, options: RunOptions, find_near_copies: FindNearCopies | None = None) -> None:
    """Ask for every filtered article that has no answer yet.  Raises Paused, with everything answered kept.

    `find_near_copies` finds who may share an answer, where the job has `label.share`; without it all are asked about.
    """
    builder = RequestBuilder(work, refit=work.config.label.refit)
    builder.describe(builder.run_id)  # by it `runs` knows this spelling, also where the run is broken off
    ledger = open_ledger(work.ledger_target, work.config.name, verify=True)
    ledger.claims.elsewhere_usd = spent_elsewhere(work)
    try:
        _LabelRun(work, options, builder, ledger).run(find_near_copies)
    finally:
        ledger.close()


class _LabelRun:
    """One run of the stage over all its shards."""

    def __init__(self, work: Workspace, options: RunOptions, builder: RequestBuilder, ledger: Ledger) -> None:
        self._work, self._options, self._builder, self._ledger = work, options, builder, ledger
        self._shared, self._ahead = SharedAnswers(ledger), AskedAhead()
        # a key asked once may be that of rows of several shards
        self._in_flight: dict[bytes, list[OpenShard]] = {}
        self._open_shards: list[OpenShard] = []
        self._passes = len(builder.chain.steps) + 1
        self._statuses: Counter[str] = Counter()  # rows of finished shards, by status
        self._noted_at = 0.0
        self._failed = 0
        self._why_failed: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()  # in this run, by what the endpoint said

    def run(self, find_near_copies: FindNearCopies | None = None) -> None:
        shards = read_order(self._work.articles)
        check_ledger_is_this_jobs(self._work, self._ledger, shards)
        # a shard that another process writes at this moment looks as if nobody had asked
        with self._work.writing_requests():
            self._work.requests.keep_only(shards)
            chosen = selection(self._work, self._builder, shards).rows(self._options.limit)
        plan = self._plan(chosen, find_near_copies) if self._work.config.label.share and find_near_copies else None
        count = sum(map(len, chosen.values()))
        events = EventLog(self._work.events_file)
        quoted_usd = estimate.quoted_usd(self._work.quote_file)
        with self._work.progress("label", self._passes * count, "articles" if self._passes == 1 else "prompts") as bar:
            spent = self._ledger.report.spending().spent
            monitor = self._monitor = Monitor(bar, events, spent, quoted_usd)
            events.write("started", identity=self._builder.identity, articles=count, spent_usd=spent)
            try:
                self._note_progress()
                if plan:
                    self._ask_ahead(plan, chosen, bar)
                self._ask_chain(partial(self._articles, chosen))
                context = self._context(self._finish)
                self._ask(context, chosen)
            except BaseException as error:
                events.write("stopped", why=str(error) or type(error).__name__, **monitor.summary())
                self._note_progress()
                raise
            under_way_file(self._work).unlink(missing_ok=True)
            events.write("finished", **monitor.summary())
        outcome = Outcome(monitor, context.is_unpriced, self._failed, self._why_failed, self._rejected)
        tell(self._work, self._builder, self._ledger, outcome)

    def _plan(self, chosen: dict[str, Rows], find_near_copies: FindNearCopies) -> SharingPlan | None:
        """Return who shares with whom, where there is something left to do."""
        if all(self._done(shard, rows) for shard, rows in chosen.items()):
            return None
        copies = find_near_copies(self._work, read_order(self._work.articles))
        return SharingPlan(self._work, self._builder, self._ledger, copies, chosen)

    def _ask_ahead(self, plan: SharingPlan, chosen: dict[str, Rows], bar: Any) -> None:
        """Ask everyone who waits for no near-copy, and take in who shares what they are answered."""
        while row_ids := plan.next_round():
            wanted, count = partial(plan.articles, set(row_ids)), len(row_ids)
            if not self._ahead.has_run:
                wait = plan.sources.keys() | plan.waiting
                wanted, count = partial(self._articles, chosen, wait), sum(map(len, chosen.values())) - len(wait)
            bar.total += self._passes * count
            self._ask_chain(wanted)
            asked = Pass(self._builder, wanted, self._ahead)
            context = self._context(self._ahead.finish)
            self._ask_step(context, partial(asked.requests, context), partial(asked.fresh, context))
            self._ahead.has_run = True
        plan.keep()
        self._shared.take(plan, self._ahead)

    def _context(self, on_finished: OnFinished) -> RunContext:
        """Return what a pass of the label's own requests is given."""
        retry = self._options.retry_rejected and not self._ahead.has_run
        options, answering = self._work.config.label, in_processes(self._work)
        name = self._work.budget_name
        return RunContext(self._builder, self._ledger, options, self._monitor, on_finished, retry, answering, name)

    def _ask_chain(self, articles: Callable[[], Iterator[list[Article]]]) -> None:
        """Ask the prompts before the label's about some articles."""
        ask_before(self._builder.chain, articles, self._context_before, self._note_rejection, self._ask_step)

    def _ask(self, context: RunContext, chosen: dict[str, Rows]) -> None:
        """Ask for the label: in batches first, where the job says so or some are under way; the rest, and judging, is online."""
        lane = lane_of(self._work, context, self._options.wait)
        whole = lane.run(lambda: self._pending(chosen), self._key_of(chosen)) if lane else None
        count = sum(len(rows) // BATCH + 1 for rows in chosen.values())
        ask_all(self._batches(chosen, whole, BATCHED if lane else BATCH), context, count)
        raise_if_unfinished(self._work, context, lane)

    def _ask_step(self, context: RunContext, requests: Batches, fresh: Batches) -> None:
        """Ask a prompt before the label's: the next one needs all of its answers."""
        lane = lane_of(self._work, context, self._options.wait)
        if lane and lane.run(lambda: (("", some) for some in chain([[]], requests()))) is not None:
            raise_if_unfinished(self._work, context, lane)
        ask_all(fresh(), context)
        raise_if_unfinished(self._work, context, lane)

    def _note_progress(self) -> None:
        """Note for `status` how far the run is; at most a second's articles behind where the process is killed."""
        self._noted_at = time.monotonic()
        statuses = self._statuses.copy()
        for shard in self._open_shards:
            statuses.update(row["status"] for row in shard.rows())
        statuses = max(statuses, self._ahead.statuses, key=Counter.total)
        counts = {"settled": statuses.total(), "answered": statuses["answered"], "failed": statuses["failed"]}
        # another process that begins sweeps away files that are not whole
        with self._work.writing_requests():
            write_json(under_way_file(self._work), {"run_id": self._builder.run_id, **counts}, durable=False)

    def _key_of(self, chosen: dict[str, Rows]) -> str:
        """Return the digest of what is asked about which rows."""
        rows = {
            shard: hashlib.sha256(np.asarray(rows, np.int64).tobytes()).hexdigest() for shard, rows in chosen.items()
        }
        return digest_of(
            [self._builder.step, {shard: input_digests([self._work.filtered], shard) for shard in chosen}, rows]
        )

    def _pending(self, chosen: dict[str, Rows]) -> Iterator[tuple[str, list[Request]]]:
        """Yield (shard, requests) of the shards that `_batches` would open, many at a time; nothing of them is kept."""
        for shard, rows in chosen.items():
            if self._done(shard, rows):
                continue
            yield shard, []
            answered = self._answered_before(shard) | self._ahead.keys
            table = self._work.filtered.read(shard, ARTICLE_COLUMNS)
            for articles in self._some_at_a_time(shard, table, rows, BATCHED):
                open_ones = self._shared.others(articles)
                requests = (
                    each for each in self._builder.requests(open_ones, self._ledger) if isinstance(each, Request)
                )
                yield shard, [replace(each, settled=True) if each.key in answered else each for each in requests]

    def _batches(self, chosen: dict[str, Rows], whole: set[str] | None, size: int) -> Iterator[list[Request]]:
        """Yield the requests about the chosen rows that have no outcome yet, of `size` articles at a time; `whole`: only of these
        shards."""
        for shard, rows in chosen.items():
            if manifest := self._done(shard, rows):
                self._monitor.advance(self._passes * len(rows))
                self._statuses.update(request_rows.statuses(manifest.notes))
            elif whole is None or shard in whole:
                yield from self._open(shard, rows, size)

    def _articles(self, chosen: dict[str, Rows], without: Collection[str] = ()) -> Iterator[list[Article]]:
        """Yield the articles of the shards that `_batches` will open, some at a time; not those that share, nor `without`."""
        for shard, rows in chosen.items():
            if not self._done(shard, rows):
                table = self._work.filtered.read(shard, ARTICLE_COLUMNS)
                for articles in self._some_at_a_time(shard, table, rows):
                    yield [each for each in self._shared.others(articles) if each.id not in without]

    def _some_at_a_time(self, shard: str, table: pa.Table, rows: Rows, size: int = BATCH) -> Iterator[list[Article]]:
        """Yield the articles of some rows of a shard, as they were given, too: what that text was answered is not paid again."""
        given = self._work.given
        for start in range(0, len(rows), size):
            yield given.as_given(shard, articles_of(table.take(pa.array(rows[start : start + size], pa.int64()))))

    def _context_before(self, step: PromptStep, on_finished: OnFinished) -> RunContext:
        """Return what the pass of a prompt before the label's is given."""
        options, retry = self._work.config.label, self._options.retry_rejected and not self._ahead.has_run
        return RunContext(step, self._ledger, options, self._monitor, on_finished, retry, None, self._work.budget_name)

    def _key(self, inputs: dict[str, str], count: int, shared: int) -> str:
        """Return the key of a shard of `count` rows, so many of which share an answer."""
        return step_key(inputs, self._builder.step, log.extra(self._work, count, shared))

    def _done(self, shard: str, rows: Rows) -> Manifest | None:
        """Return the manifest of a shard in which nothing is left to do."""
        if (manifest := self._work.requests.manifest(shard)) is None or self._has_rows_to_ask(manifest):
            return None
        shared = manifest.notes.get(request_rows.SHARED, 0)
        key = self._key(input_digests([self._work.filtered], shard), len(rows), shared)
        return manifest if manifest.key == key else None

    def _has_rows_to_ask(self, manifest: Manifest) -> bool:
        """Return whether some of a shard's rows are to be asked again."""
        return any(
            manifest.notes.get(status)
            for status in (["failed", "rejected"] if self._options.retry_rejected else ["failed"])
        )

    def _open(self, shard: str, rows: Rows, size: int) -> Iterator[list[Request]]:
        table = self._work.filtered.read(shard, ARTICLE_COLUMNS)
        inputs = input_digests([self._work.filtered], shard)
        state = OpenShard(shard, inputs, len(rows), table.num_rows - len(rows))
        self._open_shards.append(state)
        answered = self._answered_before(shard) | self._ahead.keys
        for articles in self._some_at_a_time(shard, table, rows, size):
            keys = self._add_shared(articles, state)
            asked = self._builder.requests(self._shared.others(articles), self._ledger)
            keys |= {each.article.id: each.key for each in asked}
            state.ids += [each.id for each in articles]
            state.keys += [keys[each.id] for each in articles]
            for lack in (each for each in asked if isinstance(each, Lack)):
                self._add_lack(lack, state)
            requests = [each for each in asked if isinstance(each, Request)]
            if first := [request for request in requests if self._is_first(request.key, state)]:
                yield [replace(request, settled=True) if request.key in answered else request for request in first]
        self._close_if_whole(state)

    def _answered_before(self, shard: str) -> set[bytes]:
        """Return the keys of a shard's rows that got an answer in an earlier run: its articles changed since, not these answers."""
        if self._work.requests.manifest(shard) is None:
            return set()
        rows = self._work.requests.read(shard, ["key", "status"]).to_pylist()
        return {bytes.fromhex(row["key"]) for row in rows if row["status"] == "answered"}

    def _is_first(self, key: bytes, state: OpenShard) -> bool:
        """Return whether nobody waits for this key yet; a shard waits for each of its keys once."""
        waiting = self._in_flight.get(key)
        if key in state.outcomes or (waiting and state in waiting):
            self._monitor.advance()
            return False
        state.unanswered += 1
        self._in_flight.setdefault(key, []).append(state)
        if waiting:
            self._monitor.advance()
        return not waiting

    def _add_lack(self, lack: Lack, state: OpenShard) -> None:
        self._failed += lack.status == "failed" and lack.key not in state.outcomes
        state.outcomes[lack.key] = request_rows.of_lack(lack)
        self._monitor.advance()

    def _add_shared(self, articles: Sequence[Article], state: OpenShard) -> dict[str, bytes]:
        """Give the articles that another one was asked about for their rows; return their keys by id."""
        rows = self._shared.rows_of(articles)
        for row_id, (_, row) in rows.items():
            state.of_articles[row_id] = row
            self._failed += row["status"] == "failed"
            self._monitor.advance(self._passes)
        return {row_id: key for row_id, (key, _) in rows.items()}

    def _note_rejection(self, request: Request, record: Record | None, failure: str | None, detail: str) -> None:
        if record and record.reply is None:
            self._rejected[f"{record.error_code}: {record.error}"[:160]] += 1

    def _finish(self, request: Request, record: Record | None, failure: str | None, detail: str) -> None:
        row = request_rows.of_record(request, record) if record else request_rows.of_failure(request, failure, detail)
        self._note_rejection(request, record, failure, detail)
        self._failed += record is None
        if time.monotonic() - self._noted_at > _NOTE_SECONDS:
            self._note_progress()
        for state in self._in_flight.pop(request.key):
            state.outcomes[request.key] = row
            state.unanswered -= 1
            self._close_if_whole(state)

    def _close_if_whole(self, state: OpenShard) -> None:
        if not state.is_whole:
            return
        state.closed = True
        rows = list(state.rows())
        notes = dict(Counter(row["status"] for row in rows))
        self._why_failed.update(f"{row['reason']}: {row['detail']}"[:160] for row in rows if row["status"] == "failed")
        self._open_shards.remove(state)
        self._statuses.update(notes)
        shared = sum("shared_from" in row for row in rows)
        schema = request_rows.schema(bool(self._builder.chain), shared > 0)
        notes |= {request_rows.SHARED: shared} if shared else {}
        output = Output(pa.Table.from_pylist(rows, schema=schema), waiting=state.waiting, notes=notes)
        key, seconds = self._key(state.inputs, len(rows), shared), time.monotonic() - state.started
        with self._work.writing_requests():
            self._work.requests.write(state.shard, key, state.inputs, output, seconds)
