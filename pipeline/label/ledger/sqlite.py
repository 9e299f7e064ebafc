"""The ledger's SQLite file: one writer at a time, synced where it must be durable."""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.core.errors import InputError, LabelmillError
from pipeline.core.sqlite_reader import open_read_only
from pipeline.label.ledger.schema import FORMAT, NEW_COLUMNS, READABLE, TABLES

_TYPES = {"bytes": "BLOB", "real": "REAL"}
_STATEMENTS = 16  # kept prepared


class DamagedLedger(InputError):
    """A file is no sound ledger: what can be read of it may be saved."""


def damaged(where: str, damage: str) -> DamagedLedger:
    """Return the error for a file that is no sound ledger."""
    text = f"{where}: the ledger is damaged ({damage}); save what can be read: labelmill ledger JOB --salvage"
    return DamagedLedger(text)


class SQLite:
    """A ledger in one file.  `verify`: check it first where its last writer was killed, before money is spent on top of it."""

    has_numbers = True

    def __init__(self, path: Path, verify: bool = False) -> None:
        self.where, self._path, self._lock = str(path), path, threading.RLock()
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise InputError(f"{path}: is a folder; label.ledger names a file, or a postgresql:// address")
        # A check reads the whole file, so it is made only where somebody was killed, or has it open at this moment.
        unclean = path.with_name(f"{path.name}-wal").exists()  # SQLite removes it when the last one closes
        with self.errors():
            if not path.exists():
                _create(path)
            elif not path.stat().st_size:
                raise damaged(self.where, "it is empty, which a ledger never is")
            self._open(path)
        if verify and unclean:
            self.check("quick_check")

    def _open(self, path: Path) -> None:
        # A statement on a group of keys is as long as the group, and its size seldom the same: of 128 kept ones (sqlite3's default)
        # a job of a million held 70 MB.
        self._db = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=60, cached_statements=_STATEMENTS
        )
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._make_tables()

    def _make_tables(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > FORMAT:
            raise InputError(f"{self.where}: written by a newer labelmill (format {version}); upgrade labelmill")
        if version == FORMAT and all(map(self.has_table, ("batches", "worker_answers"))):
            return
        with self.transaction(durable=True):
            for table in TABLES:
                self._db.execute(table.format(**_TYPES))
            self._add_columns()
            if version == 1:
                self._sum_up_before_workers()
            self._db.execute(f"PRAGMA user_version={FORMAT}")

    def _add_columns(self) -> None:
        """Bring the tables of an earlier format up to this one; what is stored stays as it is."""
        for table, columns in NEW_COLUMNS.items():
            columns_there = {row[1] for row in self._db.execute(f"PRAGMA table_info({table})")}
            for column in columns:
                if column.split()[0] not in columns_there:
                    self._db.execute(f"ALTER TABLE {table} ADD COLUMN {column}")

    def _sum_up_before_workers(self) -> None:
        """Book what the first format's records cost; it had no workers."""
        self._db.execute(
            """INSERT OR IGNORE INTO workers (worker, host, pid, born, started_at, lease_until, spent_usd)
               SELECT 'before format 2', '', 0, '', 0, 0, coalesce(sum(cost_usd), 0) FROM replies"""
        )

    def now(self) -> float:
        """Return the time by this machine's clock: a file has no workers elsewhere."""
        return time.time()

    def execute(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock, self.errors():
            return self._db.execute(query, values).fetchall()

    def executemany(self, query: str, rows: Iterable[Sequence[Any]]) -> None:
        with self._lock, self.errors():
            self._db.executemany(query, rows)

    def has_table(self, name: str) -> bool:
        return bool(self.execute("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", (name,)))

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
        """Do all of it or nothing.  Not durable: safe from a kill, but the last ones may be gone after a power cut."""
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
        """Do nothing: a transaction here is alone anyway."""

    def check(self, how: str = "integrity_check") -> None:
        with self.errors():
            complaints = [row[0] for row in self._db.execute(f"PRAGMA {how}(3)")]
        if complaints != ["ok"]:
            raise damaged(self.where, "; ".join(complaints).replace("\n", " ")[:200])

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            text = str(error)
            if "malformed" in text or "not a database" in text:
                raise damaged(self.where, text) from error
            if "full" in text:
                message = f"{self.where}: the disk is full; nothing is lost: free some space, run again"
                raise LabelmillError(message) from error
            raise LabelmillError(f"{self.where}: the ledger cannot be used ({text}); mend it, run again") from error


class ReadingSQLite(SQLite):
    """The same file only to look at: nothing beside it appears or changes, so a read-only folder will do."""

    def __init__(self, path: Path) -> None:
        self.where, self._path, self._lock = str(path), path, threading.RLock()
        self._opened = ExitStack()
        with self.errors():
            if not path.stat().st_size:
                raise damaged(self.where, "it is empty, which a ledger never is")
            self._db = self._opened.enter_context(open_read_only(path))
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version < READABLE:
                self._db = self._copy()
            if not READABLE <= version <= FORMAT:
                self._make_tables()

    def _copy(self) -> sqlite3.Connection:
        """Return a copy of a file of an older format, so that what is looked at is brought up to date and not the file itself."""
        folder = Path(self._opened.enter_context(TemporaryDirectory()))
        copy = sqlite3.connect(folder / self._path.name, isolation_level=None, check_same_thread=False)
        self._opened.callback(copy.close)
        self._db.backup(copy)
        return copy

    def close(self) -> None:
        self._opened.close()


def _create(path: Path) -> None:
    """Make a new file, which appears whole or not at all, also where two processes begin at once: one that is empty was emptied."""
    new = path.with_name(f"{path.name}.{uuid.uuid4().hex}.new")
    with closing(sqlite3.connect(new)) as database:
        database.execute("PRAGMA journal_mode=WAL")
    try:
        with suppress(FileExistsError):
            path.hardlink_to(new)
    except OSError:  # a file system without links
        if not path.exists():
            new.rename(path)
    new.unlink(missing_ok=True)
