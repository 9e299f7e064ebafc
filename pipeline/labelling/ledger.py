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

from pipeline.errors import InputError, LabelmillError
from pipeline.records import Reply, Usage

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
_COLUMNS = (
    "key, ask, status, reply, finish_reason, model, request_id, input_tokens, cached_tokens, output_tokens, "
    "cost_usd, attempts, seconds, finished_at, error_code, error"
)
_FORMAT = 1
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
    """Open a ledger, making it where there is none.  Raises InputError for a file that is no sound ledger."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
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

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            text = str(error)
            if "malformed" in text or "not a database" in text:
                raise InputError(
                    f"{self._path}: the ledger is damaged ({text}); keep the file and save what can be read: "
                    f"sqlite3 {self._path.name} .recover | sqlite3 recovered.sqlite"
                ) from error
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
