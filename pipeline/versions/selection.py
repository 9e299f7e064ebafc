"""Selection of a version's rows for training: by their columns, and folds and a validation share of train by group.

Folds are views: which group is in which is a hash of its id, so near-copies stay together, every version agrees, and the log of the
split is not opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import isfinite
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.core.errors import ConfigError
from pipeline.versions import store

SPLITS = ("train", "validation", "eval")
_TIERS = "tiers"  # chooses phrases, not rows


@dataclass(frozen=True)
class Selection:
    """Rows of one of SPLITS that have one of the values of `where` in each column.

    `validation` is a share of train (0..1), or `fold` (k of n) one of n parts: the split `validation` is that part, `train` what is
    left of train.
    """

    split: str = "train"
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    fold: tuple[int, int] | None = None
    validation: float | None = None

    def __post_init__(self) -> None:
        parted = self.fold is not None or self.validation is not None
        if self.fold is not None and self.validation is not None:
            raise ConfigError("--fold and --validation each part train in two; give one of them")
        if self.split == "validation" and not parted:
            raise ConfigError("--split validation is a part of train: say which, by --fold K/N or --validation SHARE")
        if self.split == "eval" and parted:
            raise ConfigError(f"--{'fold' if self.fold else 'validation'} parts train; eval is what it is")

    @property
    def tiers(self) -> frozenset[str] | None:
        """Return the tiers of phrases that are wanted; None: all."""
        return next((frozenset(values) for name, values in self.where if name == _TIERS), None)

    def rows(self, version: Path) -> Iterator[dict[str, Any]]:
        """Yield the rows.  Raises ConfigError for a column that the version does not have."""
        self._check(version)
        for table in store.rows_of(version, "eval" if self.split == "eval" else "train"):
            for name, values in self.where:
                if name != _TIERS:
                    chosen = pc.is_in(table.column(name), pa.array(values, pa.string()))
                    if name == "label_source" and "extracted" in values:
                        chosen = pc.or_(chosen, _extracted_under_the_former_name(table, version))
                    table = table.filter(chosen)
            yield from (row for row in table.to_pylist() if self.holds(row["group_id"]))

    def holds(self, group: str) -> bool:
        """Return whether rows of a group of train are in the part that `split` names."""
        if self.fold is None and self.validation is None:
            return True
        number = int.from_bytes(blake2b(f"validation\0{group}".encode(), digest_size=8).digest())
        held_out = number % self.fold[1] == self.fold[0] % self.fold[1] if self.fold else number < self._bound
        return held_out == (self.split == "validation")

    @property
    def _bound(self) -> float:
        return (self.validation or 0.0) * 2.0**64

    def _check(self, version: Path) -> None:
        file = next((version / "data").glob("*.parquet"), None)
        schema = pq.read_schema(file) if file else pa.schema([])
        columns = [field.name for field in schema if field.type == pa.string() and field.name not in ("title", "text")]
        if _TIERS in schema.names:
            columns.append(_TIERS)
        for name, _ in self.where:
            if name not in columns:
                raise ConfigError(f"--where {name}: no such column; there are: {', '.join(columns)}")


def _extracted_under_the_former_name(table: pa.Table, version: Path) -> pa.ChunkedArray:
    """Return which rows of a version of before are of an extractor, though they say `llm`: their run has no prompt."""
    runs = [run["run_id"] for run in store.read_manifest(version).get("runs", []) if run["prompt"] is None]
    of_an_extractor = pc.is_in(table.column("run_id"), pa.array(runs, pa.string()))
    return pc.and_(of_an_extractor, pc.equal(table.column("label_source"), "llm"))


def parse_where(given: Sequence[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return `column=value,value` as column and values.  Raises ConfigError."""
    conditions = []
    for text in given:
        name, equals, values = text.partition("=")
        if not (name and equals and values):
            raise ConfigError(f"--where {text}: write it as COLUMN=VALUE or COLUMN=VALUE,VALUE")
        conditions.append((name.strip(), tuple(value.strip() for value in values.split(","))))
    return tuple(conditions)


def parse_fold(text: str) -> tuple[int, int]:
    """Return `K/N` as numbers: the folds are 1/N to N/N.  Raises ConfigError."""
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal()) or not (
        1 <= int(number) <= int(count) and int(count) > 1
    ):
        raise ConfigError(f"--fold {text}: write it as K/N, such as 1/5 to 5/5")
    return int(number), int(count)


def parse_weights(text: str) -> dict[str, float]:
    """Return `verified=3,edited=3,llm=1` as label source -> weight.  Raises ConfigError."""
    weights = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        try:
            weight = float(number)
        except ValueError:
            raise ConfigError(f"--weights {text}: write it as verified=3,edited=3,llm=1") from None
        if not (isfinite(weight) and weight >= 0):
            raise ConfigError(f"--weights {text}: a weight is 0 or more")
        weights[name.strip()] = weight
    return weights
