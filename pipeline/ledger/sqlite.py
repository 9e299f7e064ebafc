"""The ledger's SQLite file: one writer at a time, synced where it must be durable, salvaged where it is damaged."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.errors import InputError, LabelmillError
from pipeline.ledger.records import COLUMNS, FORMAT, NEW_IN_2, TABLES

_TYPES = {"bytes": "BLOB", "real": "REAL"}


class SQLite:
    """`verify`: check the file first where its last writer was killed, before money is spent on top of it."""

    def __init__(self, path: Path, verify: bool = False) -> None:
        self.where, self._path, self._lock = str(path), path, threading.RLock()
        path.parent.mkdir(parents=True, exist_ok=True)
        unclean = path.with_name(f"{path.name}-wal").exists()  # SQLite removes it when the last one closes
        with self.errors():
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=60)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._make_tables()
        if verify and unclean:
            self.check("quick_check")

    def _make_tables(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > FORMAT:
            raise InputError(f"{self.where}: written by a newer labelmill (format {version}); upgrade labelmill")
        if version == FORMAT:
            return
        with self.transaction(durable=True):
            for table in TABLES:
                self._db.execute(table.format(**_TYPES))
            if version == 1:
                self._upgrade_from_1()
            self._db.execute(f"PRAGMA user_version={FORMAT}")

    def _upgrade_from_1(self) -> None:
        there = {row[1] for row in self._db.execute("PRAGMA table_info(replies)")}
        for column in NEW_IN_2:
            if column.split()[0] not in there:
                self._db.execute(f"ALTER TABLE replies ADD COLUMN {column}")
        self._db.execute(
            """INSERT OR IGNORE INTO workers (worker, host, pid, born, started_at, lease_until, spent_usd)
               SELECT 'before format 2', '', 0, '', 0, 0, coalesce(sum(cost_usd), 0) FROM replies"""
        )

    def now(self) -> float:
        return time.time()

    def execute(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock, self.errors():
            return self._db.execute(query, values).fetchall()

    def executemany(self, query: str, rows: Iterable[Sequence[Any]]) -> None:
        with self._lock, self.errors():
            self._db.executemany(query, rows)

    def dicts(self, query: str) -> list[dict[str, Any]]:
        with self._lock, self.errors():
            cursor = self._db.execute(query)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def stream(self, query: str, size: int) -> Iterator[list[tuple[Any, ...]]]:
        with self.errors():
            cursor = self._db.execute(query)
            while rows := cursor.fetchmany(size):
                yield rows

    @contextmanager
    def transaction(self, durable: bool) -> Iterator[None]:
        """All or nothing.  Not durable: safe from a kill, but the last ones may be gone after a power cut."""
        with self._lock, self.errors():
            self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite has rolled back by itself where the disk is full
                    self._db.execute("ROLLBACK")
                raise

    def serialize(self) -> None:
        """Nothing to do: a transaction here is alone anyway."""

    def check(self, how: str = "integrity_check") -> None:
        with self.errors():
            found = [row[0] for row in self._db.execute(f"PRAGMA {how}(3)")]
        if found != ["ok"]:
            raise InputError(damaged(self.where, "; ".join(found).replace("\n", " ")[:200]))

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            text = str(error)
            if "malformed" in text or "not a database" in text:
                raise InputError(damaged(self.where, text)) from error
            if "full" in text:
                message = f"{self.where}: the disk is full; nothing is lost: free some space, run again"
                raise LabelmillError(message) from error
            raise LabelmillError(f"{self.where}: the ledger cannot be used ({text})") from error


def damaged(where: str, what: str) -> str:
    return f"{where}: the ledger is damaged ({what}); save what can be read: labelmill ledger JOB --salvage"


# --- salvage ---


def salvage(path: Path) -> tuple[int, Path]:
    """Move what can be read of a damaged file into a new one in its place.

    Returns how many records were saved and where the damaged file is kept.  Records on unreadable pages are skipped:
    what they answered is asked again.
    """
    fresh = path.with_name(f"{path.name}.salvaged")
    fresh.unlink(missing_ok=True)
    target = SQLite(fresh)
    marks = ", ".join("?" * len(COLUMNS.split(", ")))
    saved = 0
    source = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    with target.transaction(durable=True):
        for rows in _readable(source, max(path.stat().st_size // 32, 1024)):
            target.executemany(f"INSERT INTO replies ({COLUMNS}) VALUES ({marks}) ON CONFLICT DO NOTHING", rows)  # noqa: S608
        saved = int(target.execute("SELECT count(*) FROM replies")[0][0])
        target.execute(
            """INSERT INTO workers (worker, host, pid, born, started_at, lease_until, spent_usd)
               SELECT 'salvaged', '', 0, '', 0, 0, coalesce(sum(cost_usd), 0) FROM replies"""
        )
    source.close()
    target.close()
    kept = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    path.rename(kept)
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(kept.with_name(kept.name + suffix))
    fresh.rename(path)
    return saved, kept


def _readable(source: sqlite3.Connection, most: int) -> Iterator[list[tuple[Any, ...]]]:
    """Rows by ranges of row numbers; a range that cannot be read is halved until the bad rows are left out."""
    try:
        there = {row[1] for row in source.execute("PRAGMA table_info(replies)")}
        columns = ", ".join(name if name in there else "NULL" for name in COLUMNS.split(", "))
    except sqlite3.DatabaseError:
        return
    ranges = [(0, most)]
    while ranges:
        first, last = ranges.pop()
        try:
            query = f"SELECT {columns} FROM replies NOT INDEXED WHERE rowid BETWEEN ? AND ?"  # noqa: S608
            rows = source.execute(query, (first, last)).fetchall()
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            if first < last:
                middle = (first + last) // 2
                ranges += [(middle + 1, last), (first, middle)]
            continue
        yield [row for row in rows if _whole(row)]


def _whole(row: tuple[Any, ...]) -> bool:
    return isinstance(row[0], bytes) and len(row[0]) == 32 and isinstance(row[1], int) and bool(row[3])
