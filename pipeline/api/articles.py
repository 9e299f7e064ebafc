"""`label_articles`: labels of some texts with no job file, through the same stages, ledger and budget as any job."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import yaml

from pipeline import runner
from pipeline.api import given
from pipeline.api.jobs import kind_of
from pipeline.collect.to_article import to_article
from pipeline.core import plugins
from pipeline.core.contracts import SourceOptions
from pipeline.core.errors import ArgumentError
from pipeline.core.files import digest_of, write_bytes
from pipeline.core.locks import ProcessLock
from pipeline.core.parquet import write_parquet
from pipeline.core.shards import read_order
from pipeline.core.text.language import detector
from pipeline.core.types import Article, RawRow
from pipeline.job.job_file import forbid_plain_secret, load_job
from pipeline.job.label_table import SHARED_FROM
from pipeline.job.run_options import RunOptions
from pipeline.job.workspace import Workspace

if TYPE_CHECKING:
    import datasets
    import pandas as pd

_log = logging.getLogger("labelmill.articles")
_COLUMNS = ("id", "title", "text", "url", "published_at", "language")
_SCHEMA = pa.schema([(name, pa.string()) for name in _COLUMNS])
_FILE = "articles.parquet"
_HEAD = (
    "# Written by label_articles, and written anew by each call.  The answers are in the ledger of the job's folder.\n"
)
# The newest that ships for each task; in a job file without `prompt` it is the task's own, for ever.
_PROMPTS = {"keyphrases": "keyphrases/v3", "topic": "topics/v2", "classes": "classes/v2"}
_SAME_TEXT = "duplicate_text"


def label_articles(
    articles: pd.DataFrame | pd.Series[Any] | datasets.Dataset | Sequence[str | None] | Sequence[Mapping[str, Any]],
    task: str = "keyphrases",
    provider: str = "openai",
    model: str | None = None,
    folder: str | os.PathLike[str] | None = None,
    *,
    prompt: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    base_url: str | None = None,
    budget_usd: float | None = None,
    clean: Mapping[str, Any] | None = None,
    label: Mapping[str, Any] | None = None,
    columns: Mapping[str, str] | None = None,
    language: str | None = None,
) -> pd.DataFrame:
    """Label articles; return a DataFrame with a row for each, in the order given, with the index given.

    Its columns: `id` where there were ids, `text`, the task's label (`keyphrases`, with `tiers`), `reason` and `detail`
    where there is no label, `model`.  A row with the text of an earlier one has that one's label, and the reason
    `duplicate_text`: it is asked once.

    All of it is a job in `folder`, or in a folder of the user's cache, which a log line and `attrs["folder"]` of the result
    name: the answers stay there, so the same call pays nothing, and a call with more articles pays for these.  `prompt`,
    `parameters`, `base_url` and `budget_usd` are those of a job file's section `label`, `label` is the rest of it, `clean`
    the section of the task's options (`{"classes": ["sports", "politics"]}`); `columns` maps our names of columns (`text`,
    `title`, `id`, ...) to yours; `language` (ISO 639-1) is detected where it is not given.

    Raises Paused (budget, key, endpoint, Ctrl-C), with everything answered kept: the same call goes on.
    """
    read = given.read(articles, _mapping("columns", columns))
    sections = {
        "label": {
            "task": task, "provider": provider, "model": model, "prompt": prompt or _PROMPTS.get(task), "base_url": base_url,
            "budget_usd": budget_usd,
            "parameters": dict(_mapping("parameters", parameters)), **_mapping("label", label),
        },
        "clean": dict(_mapping("clean", clean)),
    }  # fmt: skip
    rows = _Rows.of(read.records, language)
    path = _folder(folder, sections)
    with ProcessLock(path / ".lock").held():
        work = _job(path, sections)
        if rows.unique:
            _write_articles(path / _FILE, rows.unique)
            runner.run(work, RunOptions(last="clean"))
            rows.take(work)
    frame = _frame(rows, work, read)
    frame.attrs["folder"] = str(path)
    return frame


def _mapping(argument: str, value: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise ArgumentError(f"{argument}: give a mapping; found {kind_of(value)}")
    return value or {}


@dataclass
class _Rows:
    """What is known of each given row: the id of its article in the job, or the reason why it is none; and what became of
    it."""

    ids: list[str | None] = field(default_factory=list)
    reasons: list[tuple[str, str] | None] = field(default_factory=list)
    unique: dict[str, dict[str, Any]] = field(default_factory=dict)  # by id: what the job reads
    labels: dict[str, dict[str, Any]] = field(default_factory=dict)  # by id: rows of `labels/`, or rejected ones

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]], language: str | None) -> _Rows:
        """Find the articles among the records: each that is asked about once."""
        rows, detect, first = cls(), detector("auto"), dict[str, int]()
        options = SourceOptions(type="files")
        for number, record in enumerate(records):
            row = to_article(
                RawRow(_FILE, number + 1, {**record, "id": None, "text": _none(record.get("text"))}), options
            )
            if not isinstance(row, Article):
                rows.ids.append(None)
                rows.reasons.append((row.reason, row.detail))
                continue
            spoken = language or row.language or detect(row.text)
            fields = {"title": _text(record.get("title")), "text": str(record["text"]), "url": row.url,
                      "published_at": row.published_at, "language": spoken}  # fmt: skip
            row_id = f"text-{digest_of([row.title, row.text, row.url, row.published_at, spoken])[:16]}"
            rows.ids.append(row_id)
            rows.reasons.append((_SAME_TEXT, f"as row {first[row_id]}") if row_id in first else None)
            first.setdefault(row_id, number)
            rows.unique.setdefault(row_id, {"id": row_id, **fields})
        return rows

    def take(self, work: Workspace) -> None:
        """Take what the job made of the articles."""
        for shard in read_order(work.articles):
            for table in (
                work.articles.read_rejected(shard),
                work.labels.read_rejected(shard),
                work.labels.read(shard),
            ):
                self.labels |= {row["id"]: row for row in table.to_pylist()}


def _none(value: Any) -> Any:
    """Return None for what pandas has for no value."""
    return None if value is None or (not isinstance(value, str) and value != value) else value


def _text(value: Any) -> str | None:
    value = _none(value)
    return None if value is None else str(value)


def _write_articles(path: Path, rows: Mapping[str, Mapping[str, Any]]) -> None:
    columns = {name: [row[name] for row in rows.values()] for name in _COLUMNS}
    write_parquet(path, pa.table(columns, schema=_SCHEMA), _SCHEMA)


# --- the job ---


def _folder(folder: str | os.PathLike[str] | None, sections: Mapping[str, Any]) -> Path:
    """Return the folder of the job: the given one, else one of the user's cache for this task, provider and model."""
    if folder is not None:
        if not isinstance(folder, str | os.PathLike):
            raise ArgumentError(f"folder: give a path, a str or Path; found {kind_of(folder)}")
        return Path(folder).expanduser().absolute()
    label = sections["label"]
    names = "-".join(str(label[name]) for name in ("task", "provider", "model") if label[name])
    safe = "".join(character if character.isalnum() or character in "-_." else "-" for character in names)[:60]
    asked = {name: value for name, value in label.items() if name not in ("headers", "timeout")}
    path = _cache() / "articles" / f"{safe}-{digest_of([asked, sections['clean']])[:8]}"
    _log.warning("the answers are kept in %s; folder= names another place", path)
    return path


def _cache() -> Path:
    """Return the folder of this program in the user's cache."""
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given).expanduser() / "labelmill"
    if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "labelmill" / "cache"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "labelmill"


def _job(path: Path, sections: dict[str, Any]) -> Workspace:
    """Write the job file, check it, and return its workspace.  Raises ArgumentError where a job file of somebody's is there."""
    file = path / "job.yaml"
    if file.exists() and not file.read_text("utf-8").startswith(_HEAD):
        raise ArgumentError(f"folder: {file} is a job file of yours; give a folder of its own (or run that job)")
    label = {name: value for name, value in sections["label"].items() if value is not None}
    if _fits(str(label["provider"])):
        # its statistics are those of the articles at hand, and cost nothing
        label.setdefault("refit", True)
    job = {
        "name": "articles",
        "workspace": "jobs",
        "sources": [{"type": "files", "path": _FILE}],
        "label": label,
        "clean": sections["clean"],
    }
    forbid_plain_secret(job, file)  # before it is on the disk
    text = _HEAD + yaml.safe_dump(job, sort_keys=False, allow_unicode=True)
    if not file.exists() or file.read_text("utf-8") != text:
        write_bytes(file, text.encode())
    return Workspace(load_job(file))


def _fits(provider: str) -> bool:
    return provider in plugins.names("providers") and plugins.load("providers", provider).Provider.fits()


# --- what comes back ---


def _frame(rows: _Rows, work: Workspace, read: given.GivenArticles) -> pd.DataFrame:
    import pandas as pd

    column = work.config.label_column
    names = ["text", column.name, *(["tiers"] if column.has_tiers else []), "reason", "detail", "model"]
    made = [_row(rows, number) for number in range(len(rows.ids))]
    names += [SHARED_FROM] if any(row.get(SHARED_FROM) for row in made) else []
    values: dict[str, list[Any]] = {name: [row.get(name) for row in made] for name in names}
    values["text"] = [_none(record.get("text")) for record in read.records]
    if any("id" in record for record in read.records):
        values = {"id": [record.get("id") for record in read.records], **values}
    return pd.DataFrame(
        {name: pd.Series(items, dtype=None if name == "id" else object) for name, items in values.items()}
    ).set_axis(read.index if read.index is not None else pd.RangeIndex(len(made)), axis="index")


def _row(rows: _Rows, number: int) -> dict[str, Any]:
    """Return label, reason and detail of a given row."""
    row_id, reason = rows.ids[number], rows.reasons[number]
    label = dict(rows.labels.get(row_id, {"reason": "no_outcome"})) if row_id else {}
    if reason and not label.get("reason"):
        label |= {"reason": reason[0], "detail": reason[1]}
    return label
