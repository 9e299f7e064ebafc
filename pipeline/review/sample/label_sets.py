"""Sets of labels under review: the job's own, or another model's predictions for the same articles.

Both give dicts: `text_sha256`, `phrases` (a list, of one for a task with one label), `tiers` (None where a label need not stand
in the text), `repairs`, and where they come from (None where nobody knows).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.collect.reading import tables
from pipeline.core import plugins
from pipeline.core.errors import InputError
from pipeline.core.shards import Folder, read_order
from pipeline.core.types import LabelColumn, RawRow
from pipeline.job.config import JobConfig
from pipeline.job.workspace import Workspace

Row = dict[str, Any]
_CENSUS = ("text_sha256", "tiers", "repairs", "model")
_ORIGIN = ("provider", "model", "prompt", "run_id", "key")
_PREDICTED = ("id", "text_sha256", "text", "language")


class LabelSet(Protocol):
    """Labels of a job's articles; `model` names whose predictions they are, None: the job's own labels."""

    @property
    def model(self) -> str | None: ...

    def rows(self, shard: str) -> Iterator[tuple[int, Row]]:
        """Yield all labels of a shard, each with its row number there; without the origin."""
        ...

    def at(self, shard: str, numbers: Sequence[int]) -> dict[int, Row]:
        """Return row number -> label with its origin."""
        ...


class JobLabels:
    """Labels that cleaning wrote to `labels/`."""

    model: str | None = None

    def __init__(self, work: Workspace) -> None:
        self._folder, self._column = work.labels, work.config.label_column

    def rows(self, shard: str) -> Iterator[tuple[int, Row]]:
        number = 0
        for batch in self._folder.stream(shard, (*_CENSUS, self._column.name)):
            for row in batch.to_pylist():
                yield number, self._row(row)
                number += 1

    def at(self, shard: str, numbers: Sequence[int]) -> dict[int, Row]:
        rows = rows_at(self._folder, shard, numbers, (*_CENSUS, *_ORIGIN[:1], *_ORIGIN[2:], self._column.name))
        return {number: self._row(row) for number, row in rows.items()}

    def _row(self, row: Row) -> Row:
        if self._column.name not in row:
            raise InputError(f"{self._folder.path}: labels of another task; run: labelmill run JOB")
        return {"tiers": None, **row, "phrases": self._column.phrases(row[self._column.name])}


class Predictions:
    """Predictions in a JSONL file of `{"id": .., "<label>": [..]}`; articles that the job does not have are left out.

    It is known by its name: a file made anew inherits the verdicts of the phrases that return, as the job's labels do.
    """

    def __init__(self, work: Workspace, path: Path) -> None:
        self._folder, self._has_tiers = work.filtered, work.config.label_column.has_tiers
        self._phrases_by_id = _read(path, work.config.label_column)
        self.model: str | None = path.name
        shards = read_order(work.articles)
        if not any(
            self._phrases_by_id.keys() & set(work.filtered.read(shard, ["id"]).column("id").to_pylist())
            for shard in shards
        ):
            raise InputError(f"{path}: none of its {len(self._phrases_by_id):,} ids is an article of this job")

    def rows(self, shard: str) -> Iterator[tuple[int, Row]]:
        number = 0
        for batch in self._folder.stream(shard, _PREDICTED, rows=256):
            for row in batch.to_pylist():
                if row["id"] in self._phrases_by_id:
                    yield number, self._row(row)
                number += 1

    def at(self, shard: str, numbers: Sequence[int]) -> dict[int, Row]:
        rows = rows_at(self._folder, shard, numbers, _PREDICTED)
        return {number: self._row(row) for number, row in rows.items()}

    def _row(self, article: Row) -> Row:
        phrases, text = self._phrases_by_id[article["id"]], ArticleIndex(article["text"], article["language"])
        tiers = [text.classify(phrase)[0] for phrase in phrases] if self._has_tiers else None
        origin = dict.fromkeys(_ORIGIN) | {"model": self.model}
        return {"text_sha256": article["text_sha256"], "phrases": phrases, "tiers": tiers, "repairs": [], **origin}


def rows_at(folder: Folder, shard: str, numbers: Sequence[int], columns: Sequence[str]) -> dict[int, Row]:
    """Return number -> row of a shard, which is never held as a whole."""
    by_number, start, wanted = {}, 0, sorted(numbers)
    batches: Iterator[pa.RecordBatch] = folder.stream(shard, columns, rows=256)
    for batch in batches:
        while wanted and wanted[0] < start + batch.num_rows:
            number = wanted.pop(0)
            [by_number[number]] = batch.slice(number - start, 1).to_pylist()
        start += batch.num_rows
        if not wanted:
            break
    return by_number


def _read(path: Path, column: LabelColumn) -> dict[str, list[str]]:
    return dict(_prediction(row, column) for row in tables.rows(path))


def _prediction(row: RawRow, column: LabelColumn) -> tuple[str, list[str]]:
    try:
        return str(row.fields["id"]), list(dict.fromkeys(tables.phrases_in(row.fields[column.name], column)))
    except KeyError as error:
        raise InputError(f'{row.source}: row {row.line}: not {{"id": .., "{column.name}": ..}} (no {error})') from error


def label_checker(config: JobConfig) -> Callable[[str], str | None]:
    """Return the task's check: the task's own word for a label that a person wrote, None for one that it does not know."""
    return plugins.create("tasks", config.label.task, config.task_options, lambda texts: [0] * len(texts)).check
