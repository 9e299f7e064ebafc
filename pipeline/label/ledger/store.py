"""The ledger of a job: opening it, appending to it, looking up, exporting.

Appending is one synced transaction for a whole group of replies; a record is never changed.  The key is a digest of what
changes the answer and of nothing else, so a request that was paid once is never sent again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.core.parquet import write_parquet
from pipeline.core.types import Spent
from pipeline.label.ledger.batches import Batches
from pipeline.label.ledger.claims import Claims
from pipeline.label.ledger.database import Database
from pipeline.label.ledger.postgres import Postgres
from pipeline.label.ledger.report import LedgerReport
from pipeline.label.ledger.schema import COLUMNS, INSERT_REPLY, ClaimOutcome, Record, from_row, to_row
from pipeline.label.ledger.sqlite import ReadingSQLite, SQLite
from pipeline.label.ledger.tariffs import LongPromptFactors, Tariff
from pipeline.label.ledger.workers import Workers

_LOOK_UP = 500  # keys in one query
_SPENT = "key, model, input_tokens, output_tokens, cost_usd, finished_at, reply IS NOT NULL"
_LOOK_UP_KEYS = 8000  # in one whose answer has no replies
_MANY_KEYS = 500  # of which it is worth while to find where their records lie
_SAMPLED_KEYS = 8
_EXPORTED = 4096  # records in one batch of an export
_NUMBERS = ("ask", "input_tokens", "cached_tokens", "output_tokens", "cache_write_tokens", "attempts")
EXPORT = pa.schema(
    [
        (name, pa.float64() if name in ("cost_usd", "seconds") else pa.int64() if name in _NUMBERS else pa.string())
        for name in COLUMNS.split(", ")
    ]
)


def open_ledger(target: Path | str, job: str, verify: bool = False) -> Ledger:
    """Open the ledger of a job: a path is an SQLite file, made where there is none; a text is PostgreSQL's URL."""
    return Ledger(SQLite(target, verify) if isinstance(target, Path) else Postgres(target, job))


def open_ledger_to_read(target: Path | str, job: str) -> Ledger:
    """Open the ledger of a job only to look at it: a file is not changed, and has to be there."""
    return Ledger(ReadingSQLite(target) if isinstance(target, Path) else Postgres(target, job))


class Ledger:
    """One record for each (key, ask).  `claims` are those of this process, `batches` are those of no process,
    `workers` tells who asks, `report` adds up, `database` holds it all.

    Raises InputError for a file that is no sound ledger, LabelmillError where the database fails.
    """

    def __init__(self, database: Database) -> None:
        self.database, self.where = database, database.where
        self.claims, self.report = Claims(database), LedgerReport(database)
        self.batches, self.workers = Batches(database, self.claims), Workers(database)
        self._asked_again: tuple[int, set[bytes]] | None = None  # the number of the newest record then, and the keys

    def get(self, keys: Sequence[bytes]) -> dict[bytes, list[Record]]:
        """Return all records of each key that was asked, in order; keys that never were are not in the answer."""
        records: dict[bytes, list[Record]] = {}
        for start in range(0, len(keys), _LOOK_UP):
            part = keys[start : start + _LOOK_UP]
            query = f"SELECT {COLUMNS} FROM replies WHERE key IN ({', '.join('?' * len(part))}) ORDER BY key, ask"  # noqa: S608
            for row in self.database.execute(query, part):
                record = from_row(row)
                records.setdefault(record.key, []).append(record)
        return records

    def spent(self, keys: Sequence[bytes]) -> dict[bytes, list[Spent]]:
        """Return what the requests of each key took, in order: as `get`, without the replies."""
        spent: dict[bytes, list[Spent]] = {}
        for row in self.taken(keys):
            spent.setdefault(bytes(row[0]), []).append(Spent._make(row[1:]))
        return spent

    def taken(self, keys: Sequence[bytes]) -> list[tuple[Any, ...]]:
        """Return `(key, *Spent)` of each request of some keys, which differ: in the order of the keys, then as they were sent."""
        beside = self._taken_side_by_side(keys) if self.database.has_numbers and len(keys) >= _MANY_KEYS else {}
        if len(beside) == len(keys):
            return [beside[key] for key in keys]
        rows, left = list(beside.values()), [key for key in keys if key not in beside]
        for start in range(0, len(left), _LOOK_UP_KEYS):
            part = left[start : start + _LOOK_UP_KEYS]
            query = f"SELECT {_SPENT} FROM replies WHERE key IN ({', '.join('?' * len(part))}) ORDER BY key, ask"  # noqa: S608
            rows += self.database.execute(query, part)
        # Parts come in the order of their keys, each by itself: callers go on in the order that they asked in.
        places = {key: place for place, key in enumerate(keys)}
        return sorted(rows, key=lambda row: places[bytes(row[0])])

    def _taken_side_by_side(self, keys: Sequence[bytes]) -> dict[bytes, tuple[Any, ...]]:
        """Return `(key, *Spent)` of some of the keys, by key: of those that were asked once.

        The questions of a shard are asked one after another, so most of their records lie side by side.  Read in one go, they take
        a third of what it takes to look each key up.
        """
        some = keys[:: max(1, len(keys) // _SAMPLED_KEYS)]
        query = f"SELECT min(rowid), max(rowid) FROM replies WHERE key IN ({', '.join('?' * len(some))})"  # noqa: S608
        first, last = self.database.execute(query, some)[0]
        if first is None or last - first > 2 * len(keys):
            return {}
        beside = len(keys) // 4  # the sample has neither the first nor the last one
        query = f"SELECT {_SPENT} FROM replies WHERE rowid BETWEEN ? AND ?"  # noqa: S608
        # Of a key that was asked again, other records may lie anywhere.
        wanted = set(keys) - self._keys_asked_again()
        return {
            row[0]: row for row in self.database.execute(query, (first - beside, last + beside)) if row[0] in wanted
        }

    def _keys_asked_again(self) -> set[bytes]:
        """Return the keys that have more than one record; kept until there is a further record."""
        newest = self.database.execute("SELECT max(rowid) FROM replies")[0][0]
        if self._asked_again is None or self._asked_again[0] != newest:
            rows = self.database.execute("SELECT key FROM replies WHERE ask > 1")
            self._asked_again = newest, {bytes(key) for (key,) in rows}
        return self._asked_again[1]

    def newest(self) -> list[Any] | None:
        """Return the number, key and time of the newest record; None where there is none, or the database does not number them."""
        query = "SELECT rowid, hex(key), finished_at FROM replies ORDER BY rowid DESC LIMIT 1"
        rows = self.database.execute(query) if self.database.has_numbers else []
        return list(rows[0]) if rows else None

    def keys_since(self, newest: Sequence[Any]) -> set[bytes] | None:
        """Return the keys of records after one that was once the `newest`; None where that is not there: another ledger."""
        same = "SELECT 1 FROM replies WHERE rowid = ? AND hex(key) = ? AND finished_at = ?"
        if not (self.database.has_numbers and self.database.execute(same, newest)):
            return None
        later = self.database.execute("SELECT key FROM replies WHERE rowid > ?", newest[:1])
        return {bytes(key) for (key,) in later}

    def asked(self, keys: Iterable[bytes], in_batches: bool = False) -> set[bytes]:
        """Return those of the keys that were answered or rejected, whatever the answer; `in_batches`: or that a batch holds."""
        wanted, asked = list(dict.fromkeys(keys)), set[bytes]()
        for start in range(0, len(wanted), _LOOK_UP_KEYS):
            part = wanted[start : start + _LOOK_UP_KEYS]
            query = f"SELECT DISTINCT key FROM replies WHERE key IN ({', '.join('?' * len(part))})"  # noqa: S608
            asked.update(bytes(key) for (key,) in self.database.execute(query, part))
        if in_batches and self.batches.are_under_way():
            asked |= self.claims.in_batches([key for key in wanted if key not in asked])
        return asked

    def append(
        self,
        outcomes: Iterable[ClaimOutcome],
        observed: Tariff | None = None,
        long: LongPromptFactors = LongPromptFactors(),  # noqa: B008 (it cannot be changed)
    ) -> Tariff | None:
        """Store what came of claimed requests in one synced transaction, and give their claims back.

        A (key, ask) that is there already stays as it is.  `observed` is the tariff by the replies that this worker got; returned
        is the one that holds now, for all workers; `long` is what its long prompts cost.
        """
        group = list(outcomes)
        rows = [to_row(outcome.record) for outcome in group if outcome.record]
        # Outcomes without a record give claims back, which needs no sync: after a power cut the claims are there again, and
        # count as lost with their dead worker.
        with self.database.transaction(durable=bool(rows)):
            if rows:
                self.database.executemany(INSERT_REPLY, rows)
            # before any claim is touched: see `Database.serialize`
            tariff = self.claims.tariffs.raise_to(observed, long) if observed else None
            self.claims.give_back(group)
            answers = sum(outcome.record is not None and outcome.record.status == "answered" for outcome in group)
            if answers and self.claims.worker:
                self.workers.count(self.claims.worker, answers)
        return tariff

    def put(self, records: Iterable[Record]) -> None:
        """Store records that nobody had to claim (computed in this process, free of charge)."""
        rows = [to_row(record) for record in records]
        with self.database.transaction(durable=True):
            if rows:
                self.database.executemany(INSERT_REPLY, rows)

    def start(self, asked: str = "") -> Tariff | None:
        """Become a worker: needed before a claim.  Return the tariff of what will be asked, None as long as no reply has shown
        it.
        """
        # or who asked the prompt before would share the limits with this one, which is the same process
        self._stop_working()
        self.claims.start(asked)
        return self.claims.tariffs.current(asked)

    def close(self) -> None:
        """Give back what is claimed still, and close the database."""
        try:
            self._stop_working()
        finally:
            self.database.close()

    def _stop_working(self) -> None:
        if worker := self.claims.worker:
            self.claims.end()
            self.workers.forget(worker)

    def is_empty(self) -> bool:
        """Return whether nothing was ever answered or rejected."""
        return not self.database.execute("SELECT 1 FROM replies LIMIT 1")

    def has_answers(self) -> bool:
        """Return whether there is any answer."""
        return bool(self.database.execute("SELECT 1 FROM replies WHERE status = 'answered' LIMIT 1"))

    def export(self, path: Path) -> int:
        """Write all records to a Parquet file, by key; return how many."""
        write_parquet(path, self._batches(), EXPORT)
        return int(self.report.totals()["records"] or 0)

    def _batches(self) -> Iterator[pa.Table]:
        query = f"SELECT {COLUMNS} FROM replies ORDER BY key, ask"  # noqa: S608
        for rows in self.database.stream(query, _EXPORTED):
            columns = dict(zip(EXPORT.names, zip(*rows, strict=True), strict=True))
            columns["key"] = tuple(bytes(key).hex() for key in columns["key"])
            yield pa.table(columns, schema=EXPORT)
