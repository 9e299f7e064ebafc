"""Difference of the last version and the rows of now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.versions import leaks

KINDS = ("added", "removed", "edited", "relabelled", "moved")
_SAMPLE = 5  # ids of each kind of change
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
    where its label did.  `retyped` are columns that have another type in `datasets` than they had, such as dates of which one is
    none now.
    """

    added: int = 0
    removed: int = 0
    edited: int = 0
    relabelled: int = 0
    moved: int = 0
    retyped: Sequence[str] = ()
    samples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not any(self.counts.values())

    @property
    def only_adds(self) -> bool:
        """Tell whether there are further rows at most, which nobody who uses the last version can mind."""
        return not (self.removed or self.edited or self.relabelled or self.moved or self.retyped)

    @property
    def in_words(self) -> str:
        """Return the counts as a phrase: `3 rows added, 1 rows edited`, or `the same rows`."""
        changes = [f"{count:,} rows {kind}" for kind, count in self.counts.items() if count] or ["the same rows"]
        return ", ".join([*changes, *(f"{name} of another type" for name in self.retyped)])

    @property
    def as_dict(self) -> dict[str, Any]:
        """Return what a manifest says of it, of which it can be made again."""
        return self.counts | ({"retyped": list(self.retyped)} if self.retyped else {})

    def shown(self, kind: str) -> list[str]:
        """Return the ids of some rows of a kind, as a message may have them."""
        return [leaks.shown_id(row_id) for row_id in self.samples.get(kind, [])]

    @property
    def counts(self) -> dict[str, int]:
        return {kind: getattr(self, kind) for kind in KINDS}


@dataclass(frozen=True)
class Comparison:
    """The rows of now against those of before.

    `before` is for each row its number there (-1: it is new); `changed` flags rows that are new or other than they were,
    `stayed` those that are in the same split as before, `same_article` those that say the same of their article.
    """

    diff: Diff
    before: np.ndarray[Any, np.dtype[np.int64]]
    changed: np.ndarray[Any, np.dtype[np.bool_]]
    stayed: np.ndarray[Any, np.dtype[np.bool_]]
    same_article: np.ndarray[Any, np.dtype[np.bool_]]


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
    # by the numbers found above: a set of all new ids takes 150 bytes a row
    is_gone = np.ones(len(old_ids), bool)
    is_gone[before[is_old]] = False
    changes["removed"] = old_ids.filter(pa.array(is_gone))
    samples = {kind: changes[kind].slice(0, _SAMPLE).to_pylist() for kind in KINDS if len(changes[kind])}
    counts: dict[str, Any] = {kind: len(changes[kind]) for kind in KINDS}
    diff = Diff(**counts, samples=samples)
    changed = ~is_old | differs["moved"] | differs["edited"] | differs["relabelled"]
    return Comparison(diff, before, changed, is_old & ~differs["moved"], is_old & ~differs["edited"])


def _differs(
    old: pa.Table, new: pa.Table, before: np.ndarray[Any, np.dtype[np.int64]], column: str
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    # A null where the row is new, which differs from nothing.
    then = old.column(column).take(pa.array(before, mask=before < 0))
    return np.asarray(pc.not_equal(then, new.column(column)).fill_null(False), dtype=bool)
