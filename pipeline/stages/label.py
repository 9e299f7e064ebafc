"""label: `filtered/` + the ledger -> the ledger and `requests/` (id, key, status, digest of the reply).

What is in the ledger is never asked again.  Requests of many shards are in flight together; a shard's `requests/` file
is written when the last of its rows is settled.  It holds every row, also those that got no answer, with the reason.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipeline.labelling.engine import Outcome, ask_all
from pipeline.labelling.labeller import ARTICLE_COLUMNS, Labeller, articles_of
from pipeline.labelling.ledger import Ledger, Record
from pipeline.records import Request
from pipeline.tables import Output, input_digests, read_order, step_key
from pipeline.workspace import Workspace

VERSION = 1
REQUESTS = pa.schema(
    [
        ("id", pa.string()),
        ("key", pa.string()),
        ("status", pa.string()),  # answered | rejected (final) | failed (asked again by the next run)
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("reply_sha256", pa.string()),
    ]
)


def run(work: Workspace) -> None:
    """Ask for every filtered article that has no answer yet.  Raises Paused, with everything answered kept."""
    labeller = Labeller(work, refit=work.config.label.refit)
    ledger = Ledger(work.ledger_file, verify=True)
    try:
        _LabelRun(work, labeller, ledger).run()
    finally:
        ledger.close()


@dataclass
class _OpenShard:
    """A shard with requests under way: `settled` fills up until it has every key."""

    shard: str
    step_key: str
    inputs: dict[str, str]
    ids: list[str]
    keys: list[bytes]
    waiting: int  # rows beyond --limit
    settled: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    unanswered: int = 0
    started: float = field(default_factory=time.monotonic)


class _LabelRun:
    def __init__(self, work: Workspace, labeller: Labeller, ledger: Ledger) -> None:
        self._work, self._labeller, self._ledger = work, labeller, ledger
        self._in_flight: dict[bytes, list[_OpenShard]] = {}  # a key asked once may settle rows of several shards
        self._config = [VERSION, labeller.identity]

    def run(self) -> None:
        shards = read_order(self._work.articles)
        takes = self._takes(shards)
        self._work.requests.keep_only(shards)
        with self._work.progress("label", sum(takes.values()), "articles") as self._progress:
            limits = self._work.config.label.limits
            ask_all(self._requests(shards, takes), self._labeller.provider, self._ledger, limits, self._settle)

    def _takes(self, shards: list[str]) -> dict[str, int]:
        """How many rows of each shard are asked about: all, or the first `--limit` of the job, but never fewer than
        were already: a limit does not take labels back."""
        left = self._work.limit if self._work.limit is not None else 2**62
        takes = {}
        for shard in shards:
            inputs = input_digests([self._work.filtered], shard)
            manifest, done = self._work.filtered.manifest(shard), self._work.requests.manifest(shard)
            rows = manifest.kept if manifest else 0
            taken = done.kept if done and done.key == step_key(inputs, self._config, done.kept) else 0
            takes[shard] = max(taken, min(left, rows))
            left = max(0, left - takes[shard])
        return takes

    def _requests(self, shards: list[str], takes: dict[str, int]) -> Iterator[Request]:
        for shard in shards:
            inputs = input_digests([self._work.filtered], shard)
            key = step_key(inputs, self._config, takes[shard])
            manifest = self._work.requests.manifest(shard)
            if manifest and manifest.key == key and not manifest.notes.get("failed"):
                self._progress.update(takes[shard])
                continue
            yield from self._open(shard, key, inputs, takes[shard])

    def _open(self, shard: str, key: str, inputs: dict[str, str], take: int) -> Iterator[Request]:
        """Render a shard's requests, settle what the ledger knows, yield the rest."""
        table = self._work.filtered.read(shard, ARTICLE_COLUMNS)
        requests = [self._labeller.request(article) for article in articles_of(table.slice(0, take))]
        ids, keys = [request.article.id for request in requests], [request.key for request in requests]
        state = _OpenShard(shard, key, inputs, ids, keys, table.num_rows - take)
        known = self._ledger.get(list(dict.fromkeys(keys)))
        state.settled = {found: _settled(record) for found, record in known.items()}
        missing = {request.key: request for request in requests if request.key not in known}
        state.unanswered = len(missing)
        self._progress.update(len(keys) - len(missing))
        if not missing:
            self._close(state)
        for request in missing.values():
            waiting = self._in_flight.setdefault(request.key, [])
            waiting.append(state)
            if len(waiting) == 1:
                yield request

    def _settle(self, outcome: Outcome) -> None:
        self._progress.update()
        row = _settled(outcome.record) if outcome.record else _row("failed", outcome.failure, outcome.detail)
        for state in self._in_flight.pop(outcome.request.key):
            state.settled[outcome.request.key] = row
            state.unanswered -= 1
            if not state.unanswered:
                self._close(state)

    def _close(self, state: _OpenShard) -> None:
        rows = [
            {"id": row_id, "key": key.hex(), **state.settled[key]}
            for row_id, key in zip(state.ids, state.keys, strict=True)
        ]
        notes = dict(Counter(row["status"] for row in rows))
        output = Output(pa.Table.from_pylist(rows, schema=REQUESTS), waiting=state.waiting, notes=notes)
        seconds = time.monotonic() - state.started
        self._work.requests.write(state.shard, state.step_key, state.inputs, output, seconds)


def _settled(record: Record) -> dict[str, Any]:
    if record.reply is None:
        return _row("rejected", record.error_code, record.error)
    return _row("answered", None, None, hashlib.sha256(record.reply.text.encode()).hexdigest())


def _row(status: str, reason: str | None, detail: str | None, digest: str | None = None) -> dict[str, Any]:
    return {"status": status, "reason": reason, "detail": detail, "reply_sha256": digest}
