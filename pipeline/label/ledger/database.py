"""What the ledger needs of a database: `sqlite` and `postgres` both have it.  Queries mark values with `?`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Database(Protocol):
    where: str  # for messages: a path, or an address without its password

    def now(self) -> float:
        """Epoch seconds, by the one clock that all workers of this ledger share."""

    def execute(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...

    def executemany(self, query: str, rows: Iterable[Sequence[Any]]) -> None: ...

    def dicts(self, query: str) -> list[dict[str, Any]]: ...

    def stream(self, query: str, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """All rows, `size` at a time."""

    def transaction(self, durable: bool) -> AbstractContextManager[None]:
        """All or nothing.  Not durable: safe from a kill, but the last ones may be gone after a power cut."""

    def serialize(self) -> None:
        """Within a transaction, before it touches any claim: be the only one that claims until it ends, for what is added up
        must stay true."""

    def check(self) -> None:
        """Read everything; raises InputError or LabelmillError where something is damaged."""

    def close(self) -> None: ...
