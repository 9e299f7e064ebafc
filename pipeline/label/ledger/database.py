"""What the ledger needs of a database: `sqlite` and `postgres` both have it.  Queries mark values with `?`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Database(Protocol):
    """One connection; calls from several threads wait for each other."""

    where: str  # for messages: a path, or an address without its password
    has_numbers: bool  # rows of a table have numbers (`rowid`) that grow

    def now(self) -> float:
        """Return epoch seconds, by the one clock that all workers of this ledger share."""

    def execute(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one query; return its rows."""

    def executemany(self, query: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one query for each row of values."""

    def has_table(self, name: str) -> bool:
        """Return whether a table is there: a file that is only looked at may be older than it."""

    def dicts(self, query: str) -> list[dict[str, Any]]:
        """Run one query; return its rows by column name."""

    def stream(self, query: str, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """Yield all rows of a query, `size` at a time."""

    def transaction(self, durable: bool) -> AbstractContextManager[None]:
        """Do all of it or nothing.  Not durable: safe from a kill, but the last ones may be gone after a power cut."""

    def serialize(self) -> None:
        """Be the only one that claims until the transaction ends, for what is added up must stay true.  Called before the
        transaction touches any claim, or two of them could wait for each other.
        """

    def check(self) -> None:
        """Read everything; raises InputError or LabelmillError where something is damaged."""

    def close(self) -> None:
        """Close the connection."""
