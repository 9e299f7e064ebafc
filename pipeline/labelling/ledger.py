"""The ledger: one durable record for each (key, ask), written before anything parses the reply.

One SQLite file.  Appending is one synced transaction for a whole group of replies; a record is never changed.  The key
is a digest of what changes the answer and of nothing else, so a request that was paid once is never sent again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.errors import InputError, LabelmillError
from pipeline.records import Reply, Usage
from pipeline.tables import write_parquet

_SCHEMA = """
CREATE TABLE IF NOT EXISTS replies (
  key           BLOB    NOT NULL,             -- SHA-256 of endpoint, model, parameters, messages
  ask           INTEGER NOT NULL,             -- 1, or more where the same question was asked again
  status        TEXT    NOT NULL,             -- answered | rejected
  reply         TEXT,                         -- raw, as the model wrote it
  finish_reason TEXT,
  model         TEXT,                         -- as served
  request_id    TEXT,
  input_tokens  INTEGER, cached_tokens INTEGER, output_tokens INTEGER,
  cost_usd      REAL,                         -- null: the model's price is not known
  attempts      INTEGER NOT NULL,
  seconds       REAL    NOT NULL,             -- from the first attempt to the answer
  finished_at   TEXT    NOT NULL,             -- UTC, ISO 8601
  error_code    TEXT, error TEXT,             -- why it was rejected
  PRIMARY KEY (key, ask)
);
"""
_NUMBERS = ("ask", "input_tokens", "cached_tokens", "output_tokens", "attempts")
_COLUMNS = (
    "key, ask, status, reply, finish_reason, model, request_id, input_tokens, cached_tokens, output_tokens, "
    "cost_usd, attempts, seconds, finished_at, error_code, error"
)
_FORMAT = 1
_EXPORTED = 4096  # records in one batch of an export
EXPORT = pa.schema(
    [
        (name, pa.float64() if name in ("cost_usd", "seconds") else pa.int64() if name in _NUMBERS else pa.string())
        for name in _COLUMNS.split(", ")
    ]
)
_LOOK_UP = 500  # keys in one query


@dataclass(frozen=True, slots=True)
class Record:
    """One answer, or one final refusal of the endpoint to answer (`rejected`, with `error_code`)."""

    key: bytes
    status: str
    reply: Reply | None
    attempts: int
    seconds: float
    finished_at: str
    cost_usd: float | None = None
    error_code: str | None = None
    error: str | None = None
    ask: int = 1


class Ledger:
    """Open a ledger, making it where there is none.  Raises InputError for a file that is no sound ledger.

    `verify`: check the file first where its last writer was killed, before money is spent on top of it.
    """

    def __init__(self, path: Path, verify: bool = False) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        unclean = path.with_name(f"{path.name}-wal").exists()  # SQLite removes it when the last one closes
        with self._errors():
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > _FORMAT:
                raise InputError(
                    f"{path}: written by a newer labelmill (format {version}); upgrade: pip install -U labelmill"
                )
            self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA user_version={_FORMAT}")
        if verify and unclean:
            self.check("quick_check")

    def append(self, records: Iterable[Record]) -> None:
        """Store records in one synced transaction.  A (key, ask) that is there already stays as it is."""
        rows = [_row(record) for record in records]
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                marks = ", ".join("?" * len(rows[0])) if rows else ""
                if rows:
                    self._db.executemany(f"INSERT OR IGNORE INTO replies ({_COLUMNS}) VALUES ({marks})", rows)  # noqa: S608
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite has rolled back by itself where the disk is full
                    self._db.execute("ROLLBACK")
                raise

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Record]:
        """The last ask of each key that was asked; keys that never were are not in the answer."""
        found: dict[bytes, Record] = {}
        with self._errors():
            for start in range(0, len(keys), _LOOK_UP):
                part = keys[start : start + _LOOK_UP]
                marks = ", ".join("?" * len(part))
                query = f"SELECT {_COLUMNS} FROM replies WHERE key IN ({marks}) ORDER BY key, ask"  # noqa: S608
                found.update((row[0], _record(row)) for row in self._db.execute(query, part))
        return found

    def totals(self) -> dict[str, float | int | None]:
        """Counts and cost over all records; `unpriced` answers are not in `cost_usd`."""
        query = """SELECT count(*), sum(status = 'answered'), sum(status = 'rejected'), sum(input_tokens),
                   sum(output_tokens), sum(cost_usd), sum(status = 'answered' AND cost_usd IS NULL) FROM replies"""
        names = ("records", "answered", "rejected", "input_tokens", "output_tokens", "cost_usd", "unpriced")
        with self._errors():
            row = self._db.execute(query).fetchone()
        return {name: value or 0 for name, value in zip(names, row, strict=True)}

    def by_model_and_day(self) -> list[dict[str, Any]]:
        """Answers, tokens and cost by served model and day (UTC); `unpriced` answers are not in `cost_usd`."""
        query = """SELECT coalesce(model, '-') AS model, substr(finished_at, 1, 10) AS day, count(*) AS answers,
                   sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cost_usd) AS cost_usd,
                   sum(cost_usd IS NULL) AS unpriced FROM replies WHERE status = 'answered' GROUP BY 1, 2 ORDER BY 2, 1"""
        return self._dicts(query)

    def errors_by_class(self) -> list[dict[str, Any]]:
        """How many requests the endpoint rejected for good, by its error code, with one message of each."""
        query = """SELECT coalesce(error_code, '-') AS error, count(*) AS requests, min(error) AS example FROM replies
                   WHERE status = 'rejected' GROUP BY 1 ORDER BY 2 DESC, 1"""
        return self._dicts(query)

    def check(self, how: str = "integrity_check") -> None:
        """Read the whole file and raise InputError where it is damaged."""
        with self._errors():
            found = [row[0] for row in self._db.execute(f"PRAGMA {how}(3)")]
        if found != ["ok"]:
            raise InputError(self._damaged("; ".join(found).replace("\n", " ")[:200]))

    def export(self, path: Path) -> int:
        """Write all records to a Parquet file, by key; how many."""
        write_parquet(path, self._batches(), EXPORT)
        return int(self.totals()["records"] or 0)

    def _batches(self) -> Iterator[pa.Table]:
        with self._errors():
            cursor = self._db.execute(f"SELECT lower(hex(key)), {_COLUMNS[5:]} FROM replies ORDER BY key, ask")  # noqa: S608
            while rows := cursor.fetchmany(_EXPORTED):
                yield pa.table(dict(zip(EXPORT.names, zip(*rows, strict=True), strict=True)), schema=EXPORT)

    def _dicts(self, query: str) -> list[dict[str, Any]]:
        with self._errors():
            cursor = self._db.execute(query)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def close(self) -> None:
        self._db.close()

    def _damaged(self, what: str) -> str:
        return (
            f"{self._path}: the ledger is damaged ({what}); keep the file, save what can be read "
            f"(sqlite3 {self._path.name} .recover | sqlite3 recovered.sqlite) and put that in its place"
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            text = str(error)
            if "malformed" in text or "not a database" in text:
                raise InputError(self._damaged(text)) from error
            if "full" in text:
                raise LabelmillError(
                    f"{self._path}: the disk is full; nothing is lost: free some space, run again"
                ) from error
            raise LabelmillError(f"{self._path}: the ledger cannot be used ({text})") from error


def _row(record: Record) -> tuple[object, ...]:
    reply = record.reply or Reply("")
    usage = reply.usage
    text = None if record.reply is None else reply.text.encode("utf-8", "replace").decode()
    return (
        record.key, record.ask, record.status, text, reply.finish_reason, reply.model, reply.request_id,
        usage.input_tokens, usage.cached_tokens, usage.output_tokens, record.cost_usd,
        record.attempts, round(record.seconds, 3), record.finished_at, record.error_code, record.error,
    )  # fmt: skip


def _record(row: tuple[object, ...]) -> Record:
    (key, ask, status, text, finish, model, request_id, tokens_in, cached, tokens_out, cost, attempts, seconds, at,
     code, error) = row  # fmt: skip
    reply = None if text is None else Reply(text, finish, model, request_id, Usage(tokens_in, cached, tokens_out))  # type: ignore[arg-type]
    return Record(key, status, reply, attempts, seconds, at, cost, code, error, ask)  # type: ignore[arg-type]
