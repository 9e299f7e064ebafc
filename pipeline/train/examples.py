"""Rows of a version as examples: train to learn from, eval to be judged by."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.errors import InputError
from pipeline.core.types import Article, Example, LabelColumn
from pipeline.versions import store
from pipeline.versions.selection import Selection

_log = logging.getLogger("labelmill.train")
_ARTICLE = {field.name for field in fields(Article)} - {"line", "notes", "given"}


@dataclass(frozen=True)
class TrainRows:
    """Examples of train; `left_out` of its rows are those of eval, too, and no student may see them."""

    examples: list[Example]
    left_out: int


def read_train(version: Path, column: LabelColumn) -> TrainRows:
    """Read train.  Raises InputError where there is nothing to learn from.

    Of eval only ids, groups and digests of texts are looked at: a row that is in both, whatever made it so, would tell a student
    what it is judged by.
    """
    _check(version)
    names = ("id", "group_id", "text_sha256")
    of_eval = {
        (name, value)
        for table in store.rows_of(version, "eval", list(names))
        for name in names
        for value in table.column(name).to_pylist()
    }
    examples, left_out = [], 0
    for row in Selection("train").rows(version):
        if any((name, row[name]) in of_eval for name in names):
            left_out += 1
        else:
            examples.append(_example(row, column))
    if left_out:
        _log.warning(
            "%s rows of train are in eval, too (by id, text or group): no student is trained on them", left_out
        )
    examples = [example for example in examples if example.phrases]
    if not examples:
        raise InputError(f"version {version.name} has no row in train to learn from")
    return TrainRows(examples, left_out)


def was_learned(version: Path) -> Callable[[pa.Table], pa.ChunkedArray]:
    """Return what tells of the rows of a table with `id` and `text_sha256` whether they are rows of train, by one or the other.

    A student looks better than it is on those: it has seen their labels.
    """
    names = ("id", "text_sha256")
    train = list(store.rows_of(version, "train", list(names)))
    seen = {name: pa.concat_arrays([pa.array([], pa.string()), *_chunks(train, name)]) for name in names}

    def learned(table: pa.Table) -> pa.ChunkedArray:
        return pc.or_(*(pc.is_in(table.column(name), seen[name]) for name in names))

    return learned


def _chunks(tables: Iterable[pa.Table], name: str) -> Iterator[pa.Array]:
    for table in tables:
        yield from table.column(name).cast(pa.string()).chunks


def read_eval(version: Path, column: LabelColumn) -> list[Example]:
    """Read eval: what a student is judged by, and by nothing else."""
    return [_example(row, column) for row in Selection("eval").rows(version)]


def _check(version: Path) -> None:
    """Raise InputError where a version cannot be trained on."""
    manifest = store.read_manifest(version)
    if manifest.get("text") == "none":
        raise InputError(
            f"version {version.name} was published without texts: there is nothing to read its labels from"
        )
    if not manifest["rows"].get("eval"):
        raise InputError(
            f"version {version.name} has no eval row to judge a student by; set split.eval and publish anew"
        )
    if damage := store.damaged(version):
        raise InputError(
            f"version {version.name} is not as it was published ({damage[0]}); see: labelmill verify JOB {version.name}"
        )


def _example(row: dict[str, Any], column: LabelColumn) -> Example:
    fields_of_row: dict[str, Any] = {name: row[name] for name in _ARTICLE if name in row}
    article = Article(**fields_of_row)
    phrases = tuple(phrase for phrase in column.phrases(row[column.name]) if phrase)
    return Example(article, phrases, row["group_id"], row.get("map_topic"))


def validation_part(examples: list[Example], share: float) -> tuple[list[Example], list[Example]]:
    """Return what is left of train, and its validation share: that of `labelmill export --validation`, by groups."""
    if not share:
        return examples, []
    held_out = Selection("validation", validation=share)
    kept = [example for example in examples if not held_out.holds(example.group_id)]
    return kept, [example for example in examples if held_out.holds(example.group_id)]
