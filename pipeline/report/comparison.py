"""Comparison of a job's labels with those of a published version, or of another job that has the same articles by id.

Rows and phrases are compared by 64-bit hashes, 8 bytes each; the labels themselves are read again for the few that are shown,
and for a fixed sample whose agreement is measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.core.errors import InputError
from pipeline.core.shards import read_order
from pipeline.core.text.folding import fold_case
from pipeline.core.types import LabelColumn
from pipeline.job.job_file import load_job
from pipeline.job.workspace import Workspace
from pipeline.metrics.intervals import bootstrap
from pipeline.metrics.keyphrases import soft_f1
from pipeline.report.census import FrequentPhrases, columns_in, labels_folder
from pipeline.versions import store
from pipeline.versions.numbering import is_version
from pipeline.versions.rows import SPLITS

_SAMPLED = 2000  # labels whose agreement is measured
_SHOWN = 12
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / the golden ratio: makes a row's hash and a phrase's one
Hashes = np.ndarray[Any, np.dtype[np.uint64]]


@dataclass(frozen=True)
class LabelSnapshot:
    """One of two sets of labels: `read` yields all of them anew each time, in bounded tables of `id`, the label, `tiers`."""

    name: str
    kind: str  # version | job
    column: LabelColumn
    read: Callable[[], Iterator[pa.Table]]


def of_job(work: Workspace) -> LabelSnapshot:
    """Return the labels of a job as they are now."""
    column = work.config.label_column

    def read() -> Iterator[pa.Table]:
        for shard in read_order(work.articles):
            if folder := labels_folder(work, shard):
                names = columns_in(folder, shard, ("id", column.name, "tiers"))
                if column.name in names:
                    yield folder.read(shard, names)

    return LabelSnapshot(work.config.name, "job", column, read)


def of_version(path: Path) -> LabelSnapshot:
    """Return the labels of a published version."""
    column = LabelColumn(**store.read_manifest(path)["label"])
    names = ["id", column.name, *(["tiers"] if column.has_tiers else [])]

    def read() -> Iterator[pa.Table]:
        for split in SPLITS:
            yield from store.rows_of(path, split, names)

    return LabelSnapshot(path.name, "version", column, read)


def named(work: Workspace, against: str) -> LabelSnapshot:
    """Return the labels that `--against` names: a version of the job, or a job file.  Raises InputError, ConfigError."""
    if is_version(against):
        return of_version(store.named(work.versions, against))
    if not Path(against).is_file():
        raise InputError(f"--against {against}: neither a version (1.0.0) nor a job file")
    side = of_job(Workspace(load_job(Path(against))))
    return LabelSnapshot(against, side.kind, side.column, side.read)


def compare(work: Workspace, against: str | None) -> dict[str, Any] | None:
    """Compare with `against`; else with the last version, or where its labels are these, the one before; None without any."""
    now = of_job(work)
    if against is not None:
        then = named(work, against)
        if then.column != now.column:
            raise InputError(
                f"--against {against}: its labels are {then.column.name!r}, those of this job are {now.column.name!r}"
            )
        return _Comparison(then, now).result()
    for path in reversed(store.all_versions(work.versions)[-2:]):
        then = of_version(path)
        if then.column == now.column and (comparison := _Comparison(then, now)).differs:
            return comparison.result()
    return None


class _SnapshotCounts:
    """Sorted hashes of one set of labels, and its counts."""

    def __init__(self, side: LabelSnapshot) -> None:
        self.sizes: Counter[int] = Counter()
        self.absent = self.phrases = 0
        rows, pairs = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
        for _, labels, tiers, hashes, pair_hashes in _hashed(side):
            self.sizes.update(map(len, labels))
            self.phrases += len(pair_hashes)
            self.absent += sum(row.count("absent") for row in tiers)
            rows.append(hashes)
            pairs.append(pair_hashes)
        self.rows, self.pairs = np.unique(np.concatenate(rows)), np.unique(np.concatenate(pairs))

    @property
    def labels(self) -> int:
        return self.sizes.total()

    def as_dict(self) -> dict[str, Any]:
        return {
            "labels": self.labels,
            "phrases": self.phrases,
            "absent_rate": self.absent / self.phrases if self.phrases else None,
            "mean_phrases": self.phrases / self.labels if self.labels else None,
            "per_label": {str(size): self.sizes[size] for size in sorted(self.sizes)},
        }


_Part = tuple[list[str], list[list[str]], list[list[str]], Hashes, Hashes]


def _hashed(side: LabelSnapshot) -> Iterator[_Part]:
    """Yield for each table: ids, labels, tiers, the hash of each id, and of each (id, phrase) in the phrase's normal form."""
    import pandas as pd

    for table in side.read():
        ids = table.column("id").to_pylist()
        if not ids:
            continue
        labels = [side.column.phrases(value) for value in table.column(side.column.name).to_pylist()]
        tiers = table.column("tiers").to_pylist() if "tiers" in table.column_names else []
        hashes = pd.util.hash_array(np.array(ids, object), categorize=False)
        forms = np.array([fold_case(phrase) for label in labels for phrase in label], object)
        owners = np.repeat(hashes, [len(label) for label in labels])
        yield ids, labels, [row or [] for row in tiers], hashes, owners * _MIX ^ pd.util.hash_array(forms)


class _Comparison:
    def __init__(self, then: LabelSnapshot, now: LabelSnapshot) -> None:
        self._sides = then, now
        self._then, self._now = _SnapshotCounts(then), _SnapshotCounts(now)
        self._both = np.intersect1d(self._then.rows, self._now.rows, assume_unique=True)
        # the smallest hashes: at random, and the same each time
        self._sample = set(self._both[:_SAMPLED].tolist())
        self._top = FrequentPhrases(), FrequentPhrases()
        self._moved = [0, 0]  # phrases removed, added; of articles that both have
        self._changed_rows: list[Hashes] = []

    @property
    def differs(self) -> bool:
        same = np.array_equal(self._then.rows, self._now.rows) and np.array_equal(self._then.pairs, self._now.pairs)
        return not same and bool(len(self._both))

    def result(self) -> dict[str, Any]:
        sampled = self._read(0, self._now.pairs), self._read(1, self._then.pairs)
        changed = len(np.unique(np.concatenate(self._changed_rows or [np.empty(0, np.uint64)])))
        pairs = [(sampled[0][at], sampled[1][at]) for at in sorted(sampled[0].keys() & sampled[1].keys())]
        scores = [soft_f1(a[1], b[1]) for a, b in pairs]
        mean = sum(scores) / len(scores) if scores else None
        both = len(self._both)
        return {
            "name": self._sides[0].name,
            "kind": self._sides[0].kind,
            "then": self._then.as_dict(),
            "now": self._now.as_dict(),
            "both": both,
            "only_then": len(self._then.rows) - both,
            "only_now": len(self._now.rows) - both,
            "changed": changed,
            "phrases_removed": self._moved[0],
            "phrases_added": self._moved[1],
            "soft_f1": None if mean is None else dict(
                zip(("mean", "low", "high"), (mean, *bootstrap(scores)), strict=True), articles=len(scores)
            ),
            "top_removed": self._top[0].top(_SHOWN),
            "top_added": self._top[1].top(_SHOWN),
            "examples": _examples(pairs),
        }  # fmt: skip

    def _read(self, number: int, others: Hashes) -> dict[int, tuple[str, list[str]]]:
        """Count the phrases of one side that the other does not have; return the labels of the sample."""
        sampled: dict[int, tuple[str, list[str]]] = {}
        for ids, labels, _, hashes, pairs in _hashed(self._sides[number]):
            sizes = [len(label) for label in labels]
            shared = np.repeat(_is_in(hashes, self._both), sizes)
            fresh = shared & ~_is_in(pairs, others)
            flat = [phrase for label in labels for phrase in label]
            self._top[number].add((flat[at], 1) for at in np.flatnonzero(fresh).tolist())
            self._moved[number] += int(fresh.sum())
            self._changed_rows.append(np.unique(np.repeat(hashes, sizes)[fresh]))
            for at, row in enumerate(hashes.tolist()):
                if row in self._sample:
                    sampled[row] = ids[at], labels[at]
        return sampled


def _is_in(values: Hashes, sorted_values: Hashes) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which values are in a sorted array."""
    if not len(sorted_values):
        return np.zeros(len(values), bool)
    at = np.searchsorted(sorted_values, values)
    at[at == len(sorted_values)] = 0
    return np.asarray(sorted_values[at] == values, dtype=bool)


def _examples(pairs: list[tuple[tuple[str, list[str]], tuple[str, list[str]]]]) -> list[dict[str, Any]]:
    examples: list[dict[str, Any]] = []
    for (row_id, then), (_, now) in pairs:
        before, after = {fold_case(phrase) for phrase in then}, {fold_case(phrase) for phrase in now}
        if before != after and len(examples) < _SHOWN:
            examples.append(
                {
                    "id": row_id,
                    "then": [{"text": phrase, "kept": fold_case(phrase) in after} for phrase in then],
                    "now": [{"text": phrase, "kept": fold_case(phrase) in before} for phrase in now],
                }
            )
    return examples
