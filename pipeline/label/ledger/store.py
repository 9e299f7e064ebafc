"""Appending, looking up and claiming: what the labelling engine does with the ledger.

Appending is one synced transaction for a whole group of replies; a record is never changed.  The key is a digest of what
changes the answer and of nothing else, so a request that was paid once is never sent again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.core.shards import write_parquet
from pipeline.label.ledger import report
from pipeline.label.ledger.claims import Claimed, Claims, Wanted
from pipeline.label.ledger.database import Database
from pipeline.label.ledger.postgres import Postgres
from pipeline.label.ledger.schema import COLUMNS, Asked, Record, from_row, to_row
from pipeline.label.ledger.sqlite import ReadingSQLite, SQLite
from pipeline.label.ledger.tariffs import Tariff

_LOOK_UP = 500  # keys in one query
_EXPORTED = 4096  # records in one batch of an export
_MARKS = ", ".join("?" * len(COLUMNS.split(", ")))
_INSERT = f"INSERT INTO replies ({COLUMNS}) VALUES ({_MARKS}) ON CONFLICT DO NOTHING"  # noqa: S608
_NUMBERS = ("ask", "input_tokens", "cached_tokens", "output_tokens", "cache_write_tokens", "attempts")
EXPORT = pa.schema(
    [
        (name, pa.float64() if name in ("cost_usd", "seconds") else pa.int64() if name in _NUMBERS else pa.string())
        for name in COLUMNS.split(", ")
    ]
)


def open_ledger(target: Path | str, job: str, verify: bool = False) -> Ledger:
    """The ledger of a job: a path is an SQLite file, made where there is none; a text is PostgreSQL's URL."""
    return Ledger(SQLite(target, verify) if isinstance(target, Path) else Postgres(target, job))


def open_ledger_to_read(target: Path | str, job: str) -> Ledger:
    """The same, only to look at: a file is not changed, and has to be there."""
    return Ledger(ReadingSQLite(target) if isinstance(target, Path) else Postgres(target, job))


class Ledger:
    """Raises InputError for a file that is no sound ledger, LabelmillError where the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._claims = Claims(database)

    @property
    def where(self) -> str:
        return self._database.where

    def get(self, keys: Sequence[bytes]) -> dict[bytes, list[Record]]:
        """All asks of each key that was asked, in order; keys that never were are not in the answer."""
        found: dict[bytes, list[Record]] = {}
        for start in range(0, len(keys), _LOOK_UP):
            part = keys[start : start + _LOOK_UP]
            query = f"SELECT {COLUMNS} FROM replies WHERE key IN ({', '.join('?' * len(part))}) ORDER BY key, ask"  # noqa: S608
            for row in self._database.execute(query, part):
                record = from_row(row)
                found.setdefault(record.key, []).append(record)
        return found

    def append(self, asked: Iterable[Asked], heard: Tariff | None = None) -> Tariff | None:
        """Store what came of claimed requests in one synced transaction, and give their claims back.

        A (key, ask) that is there already stays as it is.  `heard` is the tariff by what replies told this worker;
        returned is the one that holds now, for all workers.
        """
        outcomes = list(asked)
        rows = [to_row(outcome.record) for outcome in outcomes if outcome.record]
        with self._database.transaction(durable=bool(rows)):
            if rows:
                self._database.executemany(_INSERT, rows)
            tariff = self._claims.tariffs.tell(heard) if heard else None  # before any claim is touched: see `serialize`
            self._claims.settle(outcomes)
        return tariff

    def put(self, records: Iterable[Record]) -> None:
        """Store records that nobody had to claim (computed in this process, free of charge)."""
        rows = [to_row(record) for record in records]
        with self._database.transaction(durable=True):
            if rows:
                self._database.executemany(_INSERT, rows)

    # --- claims: see `claims` ---

    def start(self, asked: str = "") -> Tariff | None:
        """Become a worker: needed before `claim`.  The tariff of what will be asked, where a reply has told it."""
        self._claims.start(asked)
        return self._claims.tariffs.current(asked)

    def claim(
        self, wanted: Sequence[Wanted], budget_usd: float | None = None, tariff: Tariff | None = None, idle: int = 0
    ) -> Claimed:
        return self._claims.claim(wanted, budget_usd, tariff, idle)

    def may_repeat(
        self, key: bytes, lost_usd: float | None, budget_usd: float | None = None, tariff: Tariff | None = None
    ) -> bool:
        return self._claims.may_repeat(key, lost_usd, budget_usd, tariff)

    def renew(self) -> set[bytes] | None:
        return self._claims.renew()

    def spending(self) -> report.Spending:
        return report.spending(self._database)

    def close(self) -> None:
        try:
            self._claims.end()
        finally:
            self._database.close()

    # --- looking ---

    def is_empty(self) -> bool:
        return not self._database.execute("SELECT 1 FROM replies LIMIT 1")

    def has_answers(self) -> bool:
        return bool(self._database.execute("SELECT 1 FROM replies WHERE status = 'answered' LIMIT 1"))

    def totals(self) -> dict[str, float | int | None]:
        return report.totals(self._database)

    def by_model_and_day(self) -> list[dict[str, Any]]:
        return report.by_model_and_day(self._database)

    def errors_by_class(self) -> list[dict[str, Any]]:
        return report.errors_by_class(self._database)

    def asked_again(self) -> list[dict[str, Any]]:
        return report.asked_again(self._database)

    def check(self) -> None:
        """Read everything and raise InputError where it is damaged."""
        self._database.check()

    def export(self, path: Path) -> int:
        """Write all records to a Parquet file, by key; how many."""
        write_parquet(path, self._batches(), EXPORT)
        return int(self.totals()["records"] or 0)

    def _batches(self) -> Iterator[pa.Table]:
        query = f"SELECT {COLUMNS} FROM replies ORDER BY key, ask"  # noqa: S608
        for rows in self._database.stream(query, _EXPORTED):
            columns = dict(zip(EXPORT.names, zip(*rows, strict=True), strict=True))
            columns["key"] = tuple(bytes(key).hex() for key in columns["key"])
            yield pa.table(columns, schema=EXPORT)
