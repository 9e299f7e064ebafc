"""Types of a version's columns as the library `datasets` has them: a class is a ClassLabel, a time a timestamp.

The files hold text all the same, which every reader understands; `datasets` makes the types of it, by the card's `dataset_info`.
A job whose first version has such types goes on with them, one whose first version has none goes on without.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import datasets

TIMES = ("published_at",)
TYPES = "types"  # in a version's manifest; one from before has none
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


class TypeSurvey:
    """Finds the types of a version's columns, while its rows come by; `last` is the last version's manifest, None for a first one.

    Numbers of classes stay: `classes` that the last version did not have are appended, those that left keep theirs.
    """

    def __init__(self, label: str, classes: Sequence[str] | None, last: Mapping[str, Any] | None) -> None:
        self._label = label
        self._names, self._may_be = _classes(label, classes, last), {label, *TIMES}
        if last is not None:
            self._may_be &= set(last.get(TYPES, {}))
        self._times: dict[str, set[str]] = {name: set() for name in TIMES}
        self._was = last.get(TYPES) if last else {}

    @property
    def wants_label(self) -> bool:
        """Tell whether further rows need their label: whether it may be a class."""
        return bool(self._names) and self._label in self._may_be

    def add(self, rows: pa.Table) -> None:
        """Look at some rows; of these, `label` is looked for only where `wants_label` tells so."""
        if self._label in self._may_be and not (self._names and _all_of([rows], self._label, set(self._names))):
            self._may_be.discard(self._label)
        for name in self._may_be & set(TIMES) & set(rows.column_names):
            values = rows.column(name).drop_null()
            if not len(values):
                continue
            kind = _cast_kind(values)
            self._times[name].add(kind or "")

    def retyped(self) -> list[str]:
        """Return the columns that had a type in the last version, and have it no more."""
        return [name for name in self._was or () if name not in (self.types() or ())]

    def types(self) -> Kinds | None:
        """Return the types of the columns that have one; None: the job has versions from before, which have none."""
        if self._was is None:
            return None
        kinds: Kinds = {self._label: list(self._names)} if self._names and self._label in self._may_be else {}
        for name in TIMES:
            kinds_seen = self._times[name]
            kept = len(kinds_seen) == 1 and "" not in kinds_seen and self._was.get(name, *kinds_seen) in kinds_seen
            if name in self._may_be and (kept or (not kinds_seen and name in self._was)):
                kinds[name] = next(iter(kinds_seen), str(self._was.get(name)))
        return kinds


def _cast_kind(values: pa.ChunkedArray) -> str | None:
    """Return the type of times that Arrow makes of every one of some texts, as `datasets` will, None where it cannot."""
    for kind, zone in ((UTC_SECONDS, "UTC"), (LOCAL_SECONDS, None)):
        with suppress(pa.ArrowInvalid):
            values.cast(pa.timestamp("s", zone))
            return kind
    return None


def as_typed(rows: pa.Table, kinds: Kinds) -> pa.Table:
    """Return rows with the numbers of classes and with times in the place of their texts."""
    for name, kind in kinds.items():
        column = rows.column(name)
        if isinstance(kind, str):
            # as `datasets` makes it, chunk by chunk: a chunked array's own cast gives a mask where nothing is null
            timestamps = pa.timestamp("s", "UTC" if kind == UTC_SECONDS else None)
            typed = pa.chunked_array([chunk.cast(timestamps) for chunk in column.chunks], timestamps)
        else:
            numbers = pc.index_in(column, pa.array(list(kind), pa.string()))
            # as `datasets` makes it: no mask where nothing is null
            typed = pa.array(numbers.to_pylist(), pa.int64())
        rows = rows.set_column(rows.column_names.index(name), name, typed)
    return rows


def class_names(label: str, classes: Sequence[str] | None, last: Mapping[str, Any] | None) -> list[str] | None:
    """Return the classes in the order of their numbers: as the last version has them, where it has; further ones behind them."""
    return _classes(label, classes, last) or None


def _classes(label: str, classes: Sequence[str] | None, last: Mapping[str, Any] | None) -> list[str]:
    numbered = list(((last or {}).get(TYPES) or {}).get(label, ()))
    return [*numbered, *(name for name in classes or () if name not in numbered)]


def metadata_of(fields: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Return the metadata by which `datasets` knows a file's columns; `fields` are names with features as in a card."""
    return {"huggingface": json.dumps({"info": {"features": {name: _typed(feature) for name, feature in fields}}})}


def _typed(feature: Any) -> Any:
    """Return a card's feature as `datasets` stores it in files."""
    if isinstance(feature, str):
        return {"dtype": feature, "_type": "Value"}
    if isinstance(feature, list):
        return {one["name"]: _typed({key: value for key, value in one.items() if key != "name"}) for one in feature}
    if "struct" in feature:
        return _typed(feature["struct"])
    if "list" in feature:
        return {"feature": _typed(feature["list"]), "_type": "List"}
    if isinstance(dtype := feature["dtype"], Mapping):
        return {"names": list(dtype["class_label"]["names"].values()), "_type": "ClassLabel"}
    return _typed(dtype)


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
