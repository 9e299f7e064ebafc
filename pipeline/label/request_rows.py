"""Table `requests/`: a row for every article of a shard, whatever became of its request; and a shard's rows as they come in."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
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


def schema(chained: bool) -> pa.Schema:
    """Return the columns of `requests/`; `chained`: of a job with prompts before the label's."""
    return pa.schema([*_COLUMNS, *(_OF_A_CHAIN if chained else [])])


def of_record(request: Request, record: Record) -> dict[str, Any]:
    """Return the row of a request by its last record, without the article's id and the key."""
    if record.reply is None:
        return _row("rejected", record.error_code, record.error, None, request)
    digest = hashlib.sha256(storable(record.reply.text).encode()).hexdigest()
    return _row("answered", None, None, digest, request)


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
    step_key: str
    inputs: dict[str, str]
    take: int
    waiting: int  # rows that are not asked about: beyond --limit, or not drawn
    ids: list[str] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    outcomes: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    unanswered: int = 0
    closed: bool = False
    started: float = field(default_factory=time.monotonic)

    @property
    def is_whole(self) -> bool:
        """Whether every row has an outcome, and the shard was not closed yet."""
        return not (self.unanswered or len(self.keys) < self.take or self.closed)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of a whole shard."""
        for row_id, key in zip(self.ids, self.keys, strict=True):
            yield {"id": row_id, "key": key.hex(), **self.outcomes[key]}
