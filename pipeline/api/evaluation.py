"""`evaluate`: labels against those that people chose, wherever either of them is."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.api import given
from pipeline.api.jobs import kind_of, workspace_of
from pipeline.collect.reading import tables
from pipeline.commands.evaluate import Evaluation, Gold, Pair, evaluate_gold, score
from pipeline.commands.evaluate import evaluate as evaluate_file
from pipeline.core import plugins
from pipeline.core.errors import ArgumentError, InputError
from pipeline.core.types import LabelColumn
from pipeline.job.config import JobConfig
from pipeline.job.workspace import Workspace
from pipeline.label.requests import RequestBuilder

if TYPE_CHECKING:
    import datasets
    import pandas as pd

_JOB_FILES = (".yaml", ".yml")


@dataclass
class _Table:
    """Labels by id, or by place where there are no ids; with the texts and languages that stand beside them."""

    labels: dict[str, list[str]]
    has_ids: bool
    texts: dict[str, str] = field(default_factory=dict)
    languages: dict[str, str] = field(default_factory=dict)


def evaluate(
    predictions: JobConfig
    | Workspace
    | pd.DataFrame
    | pd.Series[Any]
    | datasets.Dataset
    | Mapping[Any, Any]
    | Sequence[Any]
    | str
    | os.PathLike[str],
    gold: pd.DataFrame | pd.Series[Any] | datasets.Dataset | Mapping[Any, Any] | Sequence[Any] | str | os.PathLike[str],
    task: str = "keyphrases",
) -> Evaluation:
    """Compare labels with those that people chose: F1, ROUGE, accuracy, each with an interval.

    `predictions` is a job (its file, or what `load_job` returns), or labels; `gold` is labels.  Labels are a DataFrame or
    Dataset with the label's column (`keyphrases`; or `gold`) and `id`, a mapping from ids, a file of them (JSON lines, CSV,
    Parquet, Excel), or lists in the same order on both sides.  A column `text` beside them tells which phrases the article
    has.  `task` says what labels are; a job knows its own.

    Returns an Evaluation, whose `metrics` are name -> (mean over articles, lower and upper end of its 95% interval).
    """
    if isinstance(predictions, JobConfig | Workspace) or _is_job_file(predictions):
        return _of_job(workspace_of(predictions), gold)  # type: ignore[arg-type]
    column = plugins.load("tasks", task).Task.column
    predicted, chosen = _table("predictions", predictions, column), _table("gold", gold, column)
    if predicted.has_ids != chosen.has_ids:
        raise ArgumentError(
            "evaluate: one side has ids and the other has none; give both with ids, or both as lists in the same order"
        )
    if not chosen.has_ids and len(predicted.labels) != len(chosen.labels):
        raise ArgumentError(
            f"evaluate: {len(predicted.labels):,} predictions, {len(chosen.labels):,} gold labels; without ids they pair by place"
        )
    evaluation = score(_pairs(predicted, chosen), column, 0)
    without = sum(not labels for labels in chosen.labels.values())
    if without:
        evaluation.notes.insert(0, f"{without:,} rows have no gold label; they are left out")
    return evaluation


def _is_job_file(value: object) -> bool:
    return isinstance(value, str | os.PathLike) and Path(value).suffix.lower() in _JOB_FILES


def _of_job(work: Workspace, gold: Any) -> Evaluation:
    if isinstance(gold, str | os.PathLike):
        return evaluate_file(work, Path(gold))
    table = _table("gold", gold, work.config.label_column)
    if not table.has_ids:
        raise ArgumentError(
            "gold: needs ids, by which its labels are those of the job's articles; give a DataFrame with 'id', or a mapping"
        )
    check = RequestBuilder(work).task.check
    labels = {row_id: _checked(row_id, phrases, check) for row_id, phrases in table.labels.items() if phrases}
    return evaluate_gold(work, Gold(labels, len(table.labels) - len(labels)), "gold")


def _checked(row_id: str, phrases: list[str], check: Callable[[str], str | None]) -> list[str]:
    """Return the task's own words for a person's.  Raises InputError for a word that is no label of the task."""
    words = [(phrase, check(phrase)) for phrase in phrases]
    if unknown := next((phrase for phrase, word in words if word is None), None):
        raise InputError(f"gold: {row_id}: {unknown!r} is no label of this job")
    return [word or phrase for phrase, word in words]


def _pairs(predicted: _Table, gold: _Table) -> list[Pair]:
    texts, languages = gold.texts | predicted.texts, gold.languages | predicted.languages
    pairs = [
        Pair(row_id, languages.get(row_id), texts.get(row_id), predicted.labels[row_id], labels)
        for row_id, labels in gold.labels.items()
        if labels and row_id in predicted.labels
    ]
    if not pairs:
        raise InputError("evaluate: no gold label has the id of a prediction")
    return pairs


def _table(side: str, value: Any, column: LabelColumn) -> _Table:
    """Return labels as they are given.  Raises ArgumentError in one line for what holds none."""
    if isinstance(value, str | os.PathLike):
        return _of_records(side, [row.fields for row in tables.rows(Path(value))], column)
    if isinstance(value, Mapping):
        return _Table({str(key): _phrases(labels, column) for key, labels in value.items()}, True)
    if given.is_a(value, "pandas", "DataFrame"):
        return _of_records(side, value.to_dict("records"), column)
    if given.is_a(value, "pandas", "Series"):
        value = value.tolist()
    if given.is_a(value, "datasets", "Dataset"):
        return _of_records(side, list(value), column)
    if not isinstance(value, Sequence):
        raise ArgumentError(f"{side}: give a DataFrame, a Dataset, a mapping, a list or a file; found {kind_of(value)}")
    if value and all(isinstance(item, Mapping) for item in value):
        return _of_records(side, value, column)
    return _Table({str(number): _phrases(labels, column) for number, labels in enumerate(value)}, False)


def _of_records(side: str, records: Sequence[Mapping[Any, Any]], column: LabelColumn) -> _Table:
    names = {str(name).strip().casefold(): name for record in records[:1] for name in record}
    name = next((names[name] for name in (column.name, "gold", "label") if name in names), None)
    if name is None:
        raise ArgumentError(f"{side}: has no column {column.name!r}; it has: {', '.join(map(str, names.values()))}")
    has_ids = "id" in names
    ids = [str(record[names["id"]]) if has_ids else str(number) for number, record in enumerate(records)]
    table = _Table(dict(zip(ids, (_phrases(record[name], column) for record in records), strict=True)), has_ids)
    for field_name, values in (("text", table.texts), ("language", table.languages)):
        if field_name in names:
            by_id = ((row_id, record[names[field_name]]) for row_id, record in zip(ids, records, strict=True))
            values.update((row_id, value) for row_id, value in by_id if isinstance(value, str))
    return table


def _phrases(value: Any, column: LabelColumn) -> list[str]:
    """Return the phrases of a label: a list, an array, or text separated by semicolons; none for what pandas has for no
    value."""
    if value is None or (isinstance(value, float) and value != value):
        return []
    plain = value if isinstance(value, str | Mapping) else list(value)
    return tables.phrases_in(plain, column)
