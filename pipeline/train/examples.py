"""Rows of a version as examples: train to learn from, eval to be judged by."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.core.errors import InputError
from pipeline.core.files import digest_of
from pipeline.core.types import Article, Example, LabelColumn
from pipeline.train.seen_rows import like, signed, similarity_of
from pipeline.versions import store
from pipeline.versions.selection import Selection

_log = logging.getLogger("labelmill.train")
_ARTICLE = {field.name for field in fields(Article)} - {"line", "notes", "given"}


@dataclass(frozen=True)
class TrainRows:
    """Examples of train; `left_out` of its rows are those of eval, too, or like one, and no student may see them; `unlabelled` ones
    have an empty label."""

    examples: list[Example]
    left_out: int
    unlabelled: int

    @property
    def digest(self) -> str:
        """Return the digest of which rows these are, in their order: parts of a training are kept by it."""
        return digest_of([example.article.id for example in self.examples])


def read_train(version: Path, column: LabelColumn) -> TrainRows:
    """Read train.  Raises InputError where there is nothing to learn from.

    Of eval only ids, groups, and what tells texts that are alike are looked at, no label: a row that is in both, whatever made it
    so, would tell a student what it is judged by.
    """
    _check(version)
    rows = list(Selection("train").rows(version))
    is_leak = _in_eval(rows, version)
    if left_out := sum(is_leak):
        _log.warning(
            "%s rows of train are in eval, too (by id, text or group, or near-copies): no student is trained on them",
            left_out,
        )
    kept = [_example(row, column) for row, leaks in zip(rows, is_leak, strict=True) if not leaks]
    examples = [example for example in kept if example.phrases]
    if not examples:
        raise InputError(f"version {version.name} has no row in train to learn from")
    if len(labels := {example.phrases for example in examples}) == 1:
        _log.warning("all rows of train have one label (%s): a student can only learn to say it", "; ".join(*labels))
    return TrainRows(examples, left_out, len(kept) - len(examples))


def _in_eval(rows: list[dict[str, Any]], version: Path) -> list[bool]:
    """Tell for each row whether it is one of eval, by id, group or text, or like one."""
    names = ("id", "group_id", "text_sha256")
    tables = list(store.rows_of(version, "eval", [*names, "text"]))
    of_eval = {(name, value) for table in tables for name in names for value in table.column(name).to_pylist()}
    texts = pa.table({"text": pa.array([row["text"] for row in rows], pa.string())})
    is_like = like(signed([texts]), signed(tables), similarity_of(version))
    same = [any((name, row[name]) in of_eval for name in names) for row in rows]
    return [bool(flag) for flag in np.asarray(same, bool) | is_like]


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
