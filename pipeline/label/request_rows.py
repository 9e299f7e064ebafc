"""Table `requests/`: a row for every article of a shard, whatever became of its request; and a shard's rows as they come in."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipeline.core.types import Request
from pipeline.label.chain import Lack
from pipeline.label.ledger import Record
from pipeline.label.ledger.schema import storable

_COLUMNS = [
    ("id", pa.string()),
    ("key", pa.string()),
    ("status", pa.string()),  # answered | rejected (final) | failed (asked again by the next run)
    ("reason", pa.string()),
    ("detail", pa.string()),
    ("reply_sha256", pa.string()),  # of the last reply
]
_OF_A_CHAIN = [
    ("before", pa.list_(pa.string())),  # keys of the requests of `label.before`, in order
    ("notes", pa.list_(pa.string())),  # of their answers, for the label's repairs
]


SHARED = "shared"  # in a shard's notes: how many of its rows share an answer, beside their statuses
_SHARED_FROM = ("shared_from", pa.string())  # id of the article that the answer is about, where it is another one


def schema(chained: bool, shared: bool = False) -> pa.Schema:
    """Return the columns of `requests/`; `chained`: of a job with prompts before the label's, `shared`: some rows share answers."""
    return pa.schema([*_COLUMNS, *(_OF_A_CHAIN if chained else []), *([_SHARED_FROM] if shared else [])])


def statuses(notes: dict[str, int]) -> dict[str, int]:
    """Return how many rows of a shard have each status, by its notes."""
    return {name: count for name, count in notes.items() if name != SHARED}


def of_record(request: Request, record: Record) -> dict[str, Any]:
    """Return the row of a request by its last record, without the article's id and the key."""
    if record.reply is None:
        return _row("rejected", record.error_code, record.error, None, request)
    digest = hashlib.sha256(storable(record.reply.text).encode()).hexdigest()
    return _row("answered", None, None, digest, request)


def of_shared(record: Record, shared_from: str, notes: Sequence[str]) -> dict[str, Any]:
    """Return the row of an article that shares the answer about another one; `record` is the last of that, `notes` are its own."""
    assert record.reply is not None
    digest = hashlib.sha256(storable(record.reply.text).encode()).hexdigest()
    row: dict[str, Any] = {"status": "answered", "reason": None, "detail": None, "reply_sha256": digest}
    return {**row, "before": [], "notes": list(notes), "shared_from": shared_from}


def of_unanswered(reason: str | None, detail: str | None) -> dict[str, Any]:
    """Return the row of an article whose representative got no answer in this run."""
    return {"status": "failed", "reason": reason, "detail": detail, "reply_sha256": None, "before": [], "notes": []}


def of_failure(request: Request, failure: str | None, detail: str) -> dict[str, Any]:
    """Return the row of a request that got no answer in this run."""
    return _row("failed", failure, detail, None, request)


def of_lack(lack: Lack) -> dict[str, Any]:
    """Return the row of an article that cannot be asked about, for want of an answer to a prompt before the label's."""
    before = [key.hex() for key in lack.before]
    row = {"status": lack.status, "reason": lack.reason, "detail": lack.detail, "reply_sha256": None}
    return {**row, "before": before, "notes": []}


def _row(status: str, reason: str | None, detail: str | None, digest: str | None, request: Request) -> dict[str, Any]:
    row = {"status": status, "reason": reason, "detail": detail, "reply_sha256": digest}
    return {**row, "before": [key.hex() for key in request.before], "notes": list(request.notes)}


@dataclass
class OpenShard:
    """A shard with requests under way: `outcomes` (rows by key) fills up until it has every key."""

    shard: str
    inputs: dict[str, str]
    take: int
    waiting: int  # rows that are not asked about: beyond --limit, or not drawn
    ids: list[str] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    outcomes: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    # rows by id: of those that another was asked for
    of_articles: dict[str, dict[str, Any]] = field(default_factory=dict)
    unanswered: int = 0
    closed: bool = False
    started: float = field(default_factory=time.monotonic)

    @property
    def is_whole(self) -> bool:
        """Whether every row has an outcome, and the shard was not closed yet."""
        return not (self.unanswered or len(self.keys) < self.take or self.closed)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows that have an outcome: of a whole shard, all."""
        for row_id, key in zip(self.ids, self.keys, strict=True):
            if outcome := self.of_articles.get(row_id) or self.outcomes.get(key):
                yield {"id": row_id, "key": key.hex(), **outcome}
