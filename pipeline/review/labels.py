"""The labels that people look at: the job's own, or another model's predictions for the same articles.

Both give, for each shard, the columns of `COLUMNS`: `phrases` (one string for a task with one label), their `tiers`, and where
they come from.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import plugins
from pipeline.cleaner.presence import Article
from pipeline.config import JobConfig
from pipeline.errors import InputError
from pipeline.tables import read_order
from pipeline.text.folding import fold_space
from pipeline.workspace import Workspace

_TEXTS = ("provider", "model", "prompt", "run_id", "key")
COLUMNS = pa.schema(
    [
        ("text_sha256", pa.string()),
        *((name, pa.list_(pa.string())) for name in ("phrases", "tiers", "repairs")),
        *((name, pa.string()) for name in _TEXTS),
    ]
)


class Labels(Protocol):
    """`model` names whose predictions they are; None: the job's own labels."""

    @property
    def model(self) -> str | None: ...

    def read(self, shard: str) -> pa.Table: ...


class OwnLabels:
    model: str | None = None

    def __init__(self, work: Workspace) -> None:
        self._work, self._column = work, work.config.label_column

    def read(self, shard: str) -> pa.Table:
        found = self._work.labels.read(shard)
        if self._column.name not in found.column_names:
            raise InputError(f"{self._work.labels.path}: labels of another task; run: labelmill run JOB")
        phrases = found.column(self._column.name)
        if self._column.many:
            columns = {"phrases": phrases, "tiers": found.column("tiers")}
        else:
            columns = {"phrases": pa.array([[label] for label in phrases.to_pylist()], pa.list_(pa.string()))}
            columns["tiers"] = pa.nulls(len(found), pa.list_(pa.string()))
        return pa.table(
            {
                name: columns.get(name, found.column(name) if name in found.column_names else None)
                for name in COLUMNS.names
            }
        ).cast(COLUMNS)


class Predictions:
    """A JSONL file of `{"id": .., "<label>": [..]}`; articles that the job does not have are left out."""

    def __init__(self, work: Workspace, path: Path) -> None:
        self._work = work
        self.model: str | None = path.name
        self._of_id = _read(path, work.config.label_column.name)
        ids = {
            i for shard in read_order(work.articles) for i in work.filtered.read(shard, ["id"]).column("id").to_pylist()
        }
        if not ids & self._of_id.keys():
            raise InputError(f"{path}: none of its {len(self._of_id):,} ids is an article of this job")

    def read(self, shard: str) -> pa.Table:
        rows = self._work.filtered.read(shard, ["id", "text_sha256", "text", "language"])
        rows = rows.filter(pc.is_in(rows.column("id"), pa.array(self._of_id, pa.string())))
        found = []
        for row in rows.to_pylist():
            phrases, article = self._of_id[row["id"]], Article(row["text"], row["language"])
            tiers = [article.place(phrase)[0] for phrase in phrases] if self._work.config.label_column.many else None
            found.append({"text_sha256": row["text_sha256"], "phrases": phrases, "tiers": tiers, "model": self.model})
        return pa.Table.from_pylist(found, schema=COLUMNS)


def _read(path: Path, name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    row_id, phrases = _prediction(line, name, f"{path}:{number}")
                    found[row_id] = phrases
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no UTF-8") from error
    return found


def _prediction(line: str, name: str, where: str) -> tuple[str, list[str]]:
    try:
        row = json.loads(line)
        value = row[name]
        phrases = (fold_space(str(phrase)) for phrase in (value if isinstance(value, list) else [value]))
        return str(row["id"]), list(dict.fromkeys(filter(None, phrases)))
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f'{where}: not {{"id": .., "{name}": ..}} ({error})') from error


def checker(config: JobConfig) -> Callable[[str], str | None] | None:
    """What makes of a label that a person wrote the task's own word for it, None for one that the task does not know; None
    where any phrase will do."""
    task: Any = plugins.create("tasks", config.label.task, config.task_options, lambda texts: [0] * len(texts))
    check: Callable[[str], str | None] | None = getattr(task, "check", None)
    return check
