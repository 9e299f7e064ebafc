"""Types of a version's columns as the library `datasets` has them: a class is a ClassLabel, a time a timestamp.

The files hold text all the same, which every reader understands; `datasets` makes the types of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import datasets

TIMES = ("published_at",)
UTC_SECONDS, LOCAL_SECONDS = "timestamp[s, tz=UTC]", "timestamp[s]"
Kinds = dict[str, Sequence[str] | str]  # column -> the names of its classes, or the name of a type of time


def of_tables(tables: Collection[pa.Table], label: str, classes: Sequence[str] | None) -> Kinds:
    """Return the columns that are of a type of their own: `label`, where all of its values are of the closed set `classes`,
    and times where every value is one."""
    kinds: Kinds = {}
    if classes and _all_of(tables, label, set(classes)):
        kinds[label] = list(classes)
    for name in TIMES:
        columns = [table.column(name) for table in tables if name in table.column_names]
        if kind := time_kind(value for column in columns for value in pc.unique(column).to_pylist()):
            kinds[name] = kind
    return kinds


def _all_of(tables: Collection[pa.Table], name: str, allowed: set[str]) -> bool:
    columns = [table.column(name) for table in tables if name in table.column_names]
    return all(
        pa.types.is_string(column.type) and set(pc.unique(column).to_pylist()) <= {*allowed, None} for column in columns
    )


def time_kind(values: Iterable[str | None]) -> str | None:
    """Return the type of a column whose every value is a time: with a zone, in UTC, or without one.  None: some value is
    none, there is no value, or some have a zone and some have not, which cannot be compared."""
    zones = set()
    for value in values:
        if value is None:
            continue
        time = time_of(value)
        if time is None or time.microsecond:
            return None
        zones.add(time.tzinfo is not None)
    return None if len(zones) != 1 else UTC_SECONDS if zones.pop() else LOCAL_SECONDS


def time_of(value: str) -> datetime | None:
    """Return a time that is written by ISO 8601, None for anything else."""
    if len(value) < len("2026-05-01"):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def as_dataset(table: pa.Table, kinds: Kinds, split: datasets.NamedSplit | None) -> datasets.Dataset:
    """Return a table as a data set in memory, with columns of these kinds."""
    import datasets

    for name, kind in kinds.items():
        if isinstance(kind, str):
            times = [_in_zone(value, kind) for value in table.column(name).to_pylist()]
            column = pa.array(times, pa.timestamp("s", "UTC" if kind == UTC_SECONDS else None))
            table = table.set_column(table.column_names.index(name), name, column)
    made = datasets.Dataset(pa.table(table.to_pydict(), schema=table.schema.remove_metadata()), split=split)
    for name, kind in kinds.items():
        if not isinstance(kind, str):
            features: Any = made.features.copy()
            features[name] = datasets.ClassLabel(names=list(kind))
            made = made.cast(features)
    return made


def _in_zone(value: str | None, kind: str) -> datetime | None:
    time = time_of(value) if value is not None else None
    return time.astimezone(UTC) if time is not None and kind == UTC_SECONDS else time
