"""Difference of the last version and the rows of now, and the number that it makes the next version."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.errors import ConfigError

KINDS = ("added", "removed", "edited", "relabelled", "moved")
_SAMPLE = 5  # ids of each kind of change
_VERSION = re.compile(r"(?:0|[1-9]\d{0,8})(?:\.(?:0|[1-9]\d{0,8})){2}", re.ASCII)
STATE = pa.schema(  # what is compared of a version: one row a row, without the text
    [
        ("id", pa.string()),
        ("split", pa.dictionary(pa.int32(), pa.string())),
        ("article", pa.uint64()),
        ("label", pa.uint64()),
        ("source", pa.dictionary(pa.int32(), pa.string())),
        ("added_in", pa.dictionary(pa.int32(), pa.string())),
        ("changed_in", pa.dictionary(pa.int32(), pa.string())),
        ("file", pa.int32()),
    ]
)


@dataclass(frozen=True)
class Diff:
    """Counts of rows that differ from the last version, by kind, and the ids of some.

    `moved` rows are in another split; a row is `edited` where its text or what the source says of it changed, `relabelled`
    where its label did.
    """

    added: int = 0
    removed: int = 0
    edited: int = 0
    relabelled: int = 0
    moved: int = 0
    samples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not any(self.counts.values())

    @property
    def only_adds(self) -> bool:
        """Tell whether there are further rows at most, which nobody who uses the last version can mind."""
        return not (self.removed or self.edited or self.relabelled or self.moved)

    @property
    def in_words(self) -> str:
        """Return the counts as a phrase: `3 rows added, 1 rows edited`, or `the same rows`."""
        return ", ".join(f"{count:,} rows {kind}" for kind, count in self.counts.items() if count) or "the same rows"

    @property
    def counts(self) -> dict[str, int]:
        return {kind: getattr(self, kind) for kind in KINDS}


@dataclass(frozen=True)
class Comparison:
    """The rows of now against those of before.

    `before` is for each row its number there (-1: it is new); `changed` flags rows that are new or other than they were,
    `stayed` those that are in the same split as before.
    """

    diff: Diff
    before: np.ndarray[Any, np.dtype[np.int64]]
    changed: np.ndarray[Any, np.dtype[np.bool_]]
    stayed: np.ndarray[Any, np.dtype[np.bool_]]


def compare(old: pa.Table, new: pa.Table) -> Comparison:
    """Compare the rows of two versions: `old` has the columns of STATE, `new` has `id, split, article, label`."""
    before = np.asarray(pc.index_in(new.column("id"), old.column("id").combine_chunks()).fill_null(-1), dtype=np.int64)
    is_old = before >= 0
    differs = {
        kind: is_old & _differs(old, new, before, column)
        for kind, column in (("moved", "split"), ("edited", "article"), ("relabelled", "label"))
    }
    ids, old_ids = new.column("id"), old.column("id")
    changes = {kind: ids.filter(pa.array(flags)) for kind, flags in {"added": ~is_old, **differs}.items()}
    changes["removed"] = old_ids.filter(pc.invert(pc.is_in(old_ids, ids.combine_chunks())))
    samples = {kind: changes[kind].slice(0, _SAMPLE).to_pylist() for kind in KINDS if len(changes[kind])}
    diff = Diff(**{kind: len(changes[kind]) for kind in KINDS}, samples=samples)
    changed = ~is_old | differs["moved"] | differs["edited"] | differs["relabelled"]
    return Comparison(diff, before, changed, is_old & ~differs["moved"])


def _differs(
    old: pa.Table, new: pa.Table, before: np.ndarray[Any, np.dtype[np.int64]], column: str
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    then = old.column(column).take(pa.array(before, mask=before < 0))
    return np.asarray(pc.not_equal(then, new.column(column)).fill_null(False), dtype=bool)


# --- numbers ---


def next_version(last: str | None, diff: Diff, taken: Collection[str] = ()) -> str:
    """Return the next version by Croissant's rule.

    The first is 1.0.0; anything edited, removed, relabelled or moved: major; rows only added: minor; the same rows (another
    card or serialisation): patch.  Of a number that is `taken`, by a version that must not be used, it is the next patch.
    """
    version = _next(last, diff)
    while version in taken:
        version = next_patch(version)
    return version


def next_patch(version: str) -> str:
    major, minor, patch = numbers(version)
    return f"{major}.{minor}.{patch + 1}"


def _next(last: str | None, diff: Diff) -> str:
    if last is None:
        return "1.0.0"
    major, minor, _ = numbers(last)
    if not diff.only_adds:
        return f"{major + 1}.0.0"
    return f"{major}.{minor + 1}.0" if diff.added else next_patch(last)


def check_given(given: str, last: str | None, diff: Diff, taken: Collection[str] = ()) -> None:
    """Raise ConfigError for a version given by hand that is none, is not new, or promises more than the rows keep.

    `taken` are numbers of versions that must not be used.
    """
    if not is_version(given):
        raise ConfigError(f"--version {given}: a version is MAJOR.MINOR.PATCH, e.g. 1.2.0")
    if given in taken:
        raise ConfigError(
            f"--version {given}: is out, and broken; the next is {next_version(last, diff, taken)} at least"
        )
    least = next_version(last, diff, taken)
    if last is not None and diff.empty and given != least:
        raise ConfigError(f"--version {given}: no row differs from {last}; only its card can, and that is {least}")
    if last is not None and numbers(given) <= numbers(last):
        raise ConfigError(f"--version {given}: the last one is {last}; the next is {least} at least")
    if last is not None and numbers(given) < numbers(least):
        changes = ", ".join(f"{count:,} {kind}" for kind, count in diff.counts.items() if count)
        raise ConfigError(f"--version {given}: promises too much ({changes} rows since {last}); the least is {least}")


def is_version(text: str) -> bool:
    return bool(_VERSION.fullmatch(text))


def numbers(version: str) -> tuple[int, int, int]:
    """Return (major, minor, patch), by which versions are in order; -1 for a part that is no number."""
    major, minor, patch = (int(part) if part.isdecimal() else -1 for part in version.split(".", 2))
    return major, minor, patch
