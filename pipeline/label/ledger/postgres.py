"""The ledger in PostgreSQL: many machines label one job.  A job's tables lie in a schema of its own."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from pipeline.core.errors import InputError, LabelmillError, MissingExtra
from pipeline.label.ledger.schema import FORMAT, NEW_COLUMNS, TABLES

_TYPES = {"bytes": "BYTEA", "real": "DOUBLE PRECISION"}


class Postgres:
    """A ledger in a schema of its own.  `url`: postgresql://user:password@host/database; what is shown of it has no password."""

    has_numbers = False

    def __init__(self, url: str, job: str) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise MissingExtra("a ledger in PostgreSQL", "postgres") from error
        self._psycopg, self._lock = psycopg, threading.RLock()
        parts = urlsplit(url)
        self.where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self._secrets = [secret for secret in (parts.password, url) if secret]
        self.schema = _schema_of(job)
        with self.errors():
            self._db = psycopg.connect(url, autocommit=True, connect_timeout=20, application_name="labelmill")
            self._db.execute("SET client_min_messages = warning")
            self._make_tables()

    def _make_tables(self) -> None:
        with self._db.transaction():
            self._db.execute("SELECT pg_advisory_xact_lock(7206571)")  # two that start at once
            self._db.execute(f'CREATE SCHEMA IF NOT EXISTS "{self.schema}"')
            self._db.execute(f'SET search_path = "{self.schema}"')
            for table in TABLES:
                self._db.execute(table.format(**_TYPES))
            self._db.execute("CREATE TABLE IF NOT EXISTS format (version INTEGER NOT NULL)")
            row = self._db.execute("SELECT version FROM format").fetchone()
            if row is None:
                self._db.execute("INSERT INTO format VALUES (%s)", (FORMAT,))
            elif row[0] > FORMAT:
                raise InputError(f"{self.where}: written by a newer labelmill (format {row[0]}); upgrade labelmill")
            elif row[0] < FORMAT:
                self._upgrade()
        self._db.execute(f'SET search_path = "{self.schema}"')

    def _upgrade(self) -> None:
        """Bring the tables of an earlier format up to this one; what is stored stays as it is."""
        for table, columns in NEW_COLUMNS.items():
            for column in columns:
                self._db.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column}")
        self._db.execute("UPDATE format SET version = %s", (FORMAT,))

    def now(self) -> float:
        """Return the time by the server's clock, the one that all machines share."""
        return float(self.execute("SELECT extract(epoch FROM clock_timestamp())")[0][0])

    def execute(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock, self.errors():
            cursor = self._db.execute(_with_marks(query), values or None)
            return cursor.fetchall() if cursor.description else []

    def executemany(self, query: str, rows: Iterable[Sequence[Any]]) -> None:
        with self._lock, self.errors(), self._db.cursor() as cursor:
            cursor.executemany(_with_marks(query), list(rows))

    def has_table(self, name: str) -> bool:
        return True  # all are made when it is opened

    def dicts(self, query: str) -> list[dict[str, Any]]:
        with self._lock, self.errors():
            cursor = self._db.execute(_with_marks(query))
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def stream(self, query: str, size: int) -> Iterator[list[tuple[Any, ...]]]:
        with self.errors(), self._db.transaction(), self._db.cursor("export") as cursor:
            cursor.execute(_with_marks(query))
            while rows := cursor.fetchmany(size):
                yield rows

    @contextmanager
    def transaction(self, durable: bool) -> Iterator[None]:
        """Do all of it or nothing.  Not durable: safe from a kill, but the last ones may be gone after a power cut."""
        with self._lock, self.errors(), self._db.transaction():
            if not durable:
                self._db.execute("SET LOCAL synchronous_commit = off")
            yield

    def serialize(self) -> None:
        """Be the only one that claims until this transaction ends: what it adds up must stay true."""
        self.execute("LOCK TABLE claims IN SHARE ROW EXCLUSIVE MODE")

    def check(self) -> None:
        """Read every row: the server finds a damaged page by itself."""
        self.execute("SELECT count(*), sum(length(reply)), sum(length(error)) FROM replies")

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def errors(self) -> Iterator[None]:
        try:
            yield
        except self._psycopg.errors.DiskFull as error:
            raise LabelmillError(
                f"{self.where}: its disk is full; nothing is lost: free some space, run again"
            ) from error
        except self._psycopg.Error as error:
            text = " ".join(str(error).split())[:300] or type(error).__name__
            for secret in self._secrets:
                text = text.replace(secret, "[secret]")
            # `from None`: the driver's own error may hold the address with its password.
            raise LabelmillError(f"{self.where}: the ledger cannot be used ({text}); mend it, run again") from None


def _with_marks(query: str) -> str:
    """Return a query with psycopg's marks for values."""
    return query.replace("?", "%s")


def _schema_of(job: str) -> str:
    """Return the name of a job's schema: at most 63 bytes, and no two jobs alike."""
    name = f"labelmill_{job}"
    return name if len(name) <= 63 else f"{name[:46]}_{hashlib.sha256(job.encode()).hexdigest()[:16]}"
