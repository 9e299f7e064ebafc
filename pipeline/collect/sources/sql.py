"""Source of articles from a table or a query in a database, by any SQLAlchemy address.

Rows come in the order of `key`, which is unique.  Every run reads all keys, and cuts them into ranges whose ends the keys
themselves choose, so that a row more or less changes one range only.  A range is a unit: it is read again when a key came
or went, or a value of `changed` is another.  A row that changes beside `changed` is not noticed.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr, model_validator

from pipeline.collect.reading.database import SourceDatabase
from pipeline.collect.unit_names import readable
from pipeline.core import contracts
from pipeline.core.errors import ConfigError, InputError
from pipeline.core.files import digest_of
from pipeline.core.hints import did_you_mean
from pipeline.core.types import ARTICLE_COLUMNS, BadRow, RawRow, Unit

if TYPE_CHECKING:
    import sqlalchemy as sa

KEYS_A_PAGE, ROWS_A_PAGE = 10_000, 500
RANGE_MEAN, RANGE_MAX = 4096, 16384  # rows


class Options(contracts.SourceOptions):
    in_every_key = "url table query key changed"
    url: SecretStr
    table: str | None = None  # or schema.table
    query: str | None = None
    key: str
    changed: str | None = None  # a column that another value stands in whenever the row was changed

    def title(self) -> str:
        return f"sql:{self.table or self.query}"

    @model_validator(mode="after")
    def _one_of_two(self) -> Options:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either table or query")
        return self


@dataclass
class KeyRange:
    """A run of keys; `is_plain`: all are numbers that can stand for a row's line."""

    first: Any = None
    last: Any = None
    count: int = 0
    is_plain: bool = True
    digest: Any = field(default_factory=sha256)

    def add(self, key: Any, changed: tuple[Any, ...]) -> bool:
        """Add a key; return whether the range ends with it."""
        self.first, self.last = key if self.count == 0 else self.first, key
        self.count += 1
        self.is_plain = self.is_plain and _is_plain(key)
        self.digest.update(repr((key, *changed)).encode("utf-8", "backslashreplace") + b"\n")
        return zlib.crc32(repr(key).encode("utf-8", "backslashreplace")) % RANGE_MEAN == 0 or self.count == RANGE_MAX


class Source(contracts.Source):
    """Articles of a database; an SQLite file's path is relative to `folder`."""

    def __init__(self, options: Options, folder: Path, _: Callable[[Path], str]) -> None:
        self._options = options
        what = options.table or f"query-{digest_of(options.query)[:6]}"
        self._label = f"sql:{what}"
        self._database = SourceDatabase(options.url.get_secret_value(), folder, self._label)
        self._rows = self._from_clause()
        self._key = self._rows.c[options.key]
        self._names: list[str] = []
        self._ranges: list[KeyRange] = []
        self._keys_read: dict[str, str] = {}

    def units(self) -> Iterator[Unit]:
        """Yield ranges in the order of keys.  Raises ConfigError for a table or column that is not there, or a key that is
        not unique, InputError where the database cannot be used."""
        try:
            yield from self._units()
        finally:
            self._database.close()  # the later stages take hours

    def _units(self) -> Iterator[Unit]:
        self._names = self._columns()
        self._check_unique()
        self._ranges = []
        for key_range in self._scan():
            self._ranges.append(key_range)
            yield self._unit(key_range)
        sa = self._database.sa
        [(nulls,)] = self._database.fetch(sa.select(sa.func.count()).select_from(self._rows).where(self._key.is_(None)))
        if nulls:
            yield self._named("null", digest_of(nulls), ("null", str(nulls)), f"{self._label} (no key)")

    def read(self, unit: Unit) -> Iterator[RawRow | BadRow]:
        """Yield the rows of a range; a row's line is its key where that is a number, else its position in the range.

        Raises InputError where the database fails, retries included.
        """
        label = unit.labels[0]
        if unit.parts[0] == "null":
            for line in range(1, int(unit.parts[1]) + 1):
                yield BadRow(label, line, "null_key", f"{self._options.key!r} is null")
            return
        try:
            yield from self._read(self._ranges[int(unit.parts[0])], label, unit.digest)
        finally:
            self._database.close()

    def _read(self, key_range: KeyRange, label: str, digest: str) -> Iterator[RawRow]:
        keys_digest, position = sha256(), 0
        columns = [name for name in self._names if name in {*self._options.columns.values(), *ARTICLE_COLUMNS}]
        # columns that are not read are null, but known by name
        blank: dict[str, Any] = dict.fromkeys(self._names)
        for position, (key, *values) in enumerate(self._pages(columns, ROWS_A_PAGE, key_range), 1):
            keys_digest.update(repr(key).encode("utf-8", "backslashreplace"))
            line = key if key_range.is_plain and _is_plain(key) else position
            yield RawRow(label, line, blank | dict(zip(columns, values, strict=True)))
        # fewer rows than keys: an ENUM of MariaDB is ordered by number and compared as text
        if not key_range.is_plain and position < key_range.count:
            raise InputError(
                f"{label}: {key_range.count:,} keys were counted and {position:,} read; run again where rows went meanwhile, else "
                f"{self._options.key!r} has no exact order: name another column as key"
            )
        if (
            not key_range.is_plain
            and self._keys_read.setdefault(digest, keys_digest.hexdigest()) != keys_digest.hexdigest()
        ):
            raise InputError(f"{label}: keys came or went while it was read; run again")  # other rows have the places

    def _unit(self, key_range: KeyRange) -> Unit:
        label = self._label if key_range.is_plain else f"{self._label}[{_printable(key_range.first)}]"
        digest = digest_of([self._database.where, key_range.count, key_range.digest.hexdigest()])
        return self._named(digest_of(repr(key_range.first))[:10], digest, (str(len(self._ranges) - 1),), label)

    def _named(self, end: str, digest: str, parts: tuple[str, ...], label: str) -> Unit:
        former = re.sub(r"[^A-Za-z0-9_]+", "-", self._label)[:40]
        return Unit(f"{readable(self._label)[:40]}-{end}", digest, parts, (label,), former_name=f"{former}-{end}")

    # --- queries ---

    def _from_clause(self) -> sa.FromClause:
        sql, options = self._database.sa, self._options
        columns = [sql.column(name) for name in dict.fromkeys(filter(None, (options.key, options.changed)))]
        if options.query is not None:
            text = options.query.rstrip("; \n").replace(":", r"\:")  # a colon is no parameter of ours
            # the line end closes a comment at the end of the query
            rows: sa.FromClause = sql.text(text + "\n").columns(*columns).subquery("labelmill_rows")
            return rows
        schema, _, name = str(options.table).rpartition(".")
        table: sa.FromClause = sql.table(name, *columns, schema=schema or None)
        return table

    def _columns(self) -> list[str]:
        """Return the names of the columns.  Raises ConfigError where a named one is missing."""
        try:
            names = self._database.columns(self._rows)
        except InputError:
            self._check_table()
            raise
        named = {"key": self._options.key, "changed": self._options.changed}
        for option, name in {
            **named,
            **{f"columns.{target}": name for target, name in self._options.columns.items()},
        }.items():
            if name is not None and name not in names:
                columns_hint = f"allowed: {', '.join(names)}"[:300]
                raise ConfigError(
                    f"{option}: {self._label} has no column {name!r}{did_you_mean(name, names)}; {columns_hint}"
                )
        return names

    def _check_table(self) -> None:
        schema, _, name = (self._options.table or "").rpartition(".")
        if name and name not in (tables := self._database.tables(schema or None)):
            raise ConfigError(
                f"table: no table {self._options.table!r} in {self._database.where}{did_you_mean(name, tables)}"
            )

    def _check_unique(self) -> None:
        """Raise ConfigError for a key that is not unique: its second row would be skipped where a page ends between them."""
        schema, _, name = (self._options.table or "").rpartition(".")
        if name and self._database.is_unique(name, schema or None, self._options.key):
            return
        count = self._database.sa.func.count()
        duplicates = self._database.sa.select(self._key, count).select_from(self._rows).where(self._key.is_not(None))
        for key, copies in self._database.fetch(duplicates.group_by(self._key).having(count > 1).limit(1)):
            message = f"{_printable(key)} stands in {copies} rows"
            raise ConfigError(
                f"key: {self._options.key!r} of {self._label} is not unique ({message}); name a column that is"
            )

    def _scan(self) -> Iterator[KeyRange]:
        current = KeyRange()
        for key, *changed in self._pages([self._options.changed] if self._options.changed else [], KEYS_A_PAGE):
            if current.add(key, tuple(changed)):
                yield current
                current = KeyRange()
        if current.count:
            yield current

    def _pages(self, columns: list[str], size: int, within: KeyRange | None = None) -> Iterator[tuple[Any, ...]]:
        """Yield the key and some columns of all rows, or of those in a range.  No transaction outlives a page."""
        sa = self._database.sa
        wanted = [self._key.label("labelmill_key"), *(sa.column(name) for name in columns)]
        statement = sa.select(*wanted).select_from(self._rows).order_by(self._key).limit(size)
        statement = statement.where(self._key.is_not(None))
        if within:
            statement = statement.where(self._key <= _value(sa, "last", within.last))
        lower = [self._key >= _value(sa, "first", within.first)] if within else []
        rows: list[tuple[Any, ...]] = []
        while True:
            before, rows = rows, self._database.fetch(statement.where(*lower))
            if before and rows and rows[0][0] == before[-1][0]:  # a FLOAT of MariaDB is more than it says
                raise ConfigError(
                    f"key: {self._options.key!r} of {self._label} has no exact order; name another column"
                )
            yield from rows
            if len(rows) < size:
                return
            lower = [self._key > _value(sa, "after", rows[-1][0])]


def _value(sa: Any, name: str, value: Any) -> Any:
    """Return a parameter with a value as the driver returned it: SQLAlchemy is not to guess the column's type."""
    return sa.bindparam(name, value, type_=sa.types.NullType(), unique=True)


def _is_plain(key: Any) -> bool:
    return isinstance(key, int) and not isinstance(key, bool) and 0 <= key < 2**63


def _printable(key: Any) -> str:
    text = re.sub(r"\s+", " ", str(key)).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 40 else f"{text[:39]}…"
