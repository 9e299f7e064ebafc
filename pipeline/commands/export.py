"""Command `export`: what of a job goes into a training view beside a version's rows, and examples for prompts."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from hashlib import blake2b
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from pipeline.core.errors import ConfigError, InputError
from pipeline.core.files import write_bytes
from pipeline.core.shards import read_order
from pipeline.job.workspace import Workspace
from pipeline.label.prompts import ARTICLE_VARIABLES
from pipeline.label.requests import load_prompt
from pipeline.versions.export import ExportOptions, ExportResult, chosen_version, write_view
from pipeline.versions.selection import Selection

_MOST_CHARACTERS = 1_500  # of an example's text: a prompt is paid for with each article


def export(work: Workspace, options: ExportOptions) -> ExportResult:
    """Write a split of a version in a form to train with; see `versions.export.write_view`."""
    version = chosen_version(work.versions, options.version)
    rejected = _changed_labels(work, version, options.selection) if options.form == "preference" else {}
    return write_view(version, options, rejected)


def _changed_labels(work: Workspace, version: Path, selection: Selection) -> dict[str, tuple[str, list[str]]]:
    """Return for the rows that people edited the digest of the text, and the label as it was before, of `labels/`."""
    column = work.config.label_column
    edited = {row["id"] for row in selection.rows(version) if row["label_source"] == "edited"}
    wanted, labels = pa.array(sorted(edited), pa.string()), dict[str, tuple[str, list[str]]]()
    for shard in read_order(work.articles) if edited else ():
        table = work.labels.read(shard, ["id", "text_sha256", column.name])
        for row in table.filter(pc.is_in(table.column("id"), wanted)).to_pylist():
            labels[row["id"]] = (row["text_sha256"], list(column.phrases(row[column.name])))
    return labels


def few_shot(work: Workspace, version: str | None, count: int, output: Path | None, selection: Selection) -> Path:
    """Write `examples:` for a prompt file: rows of train that people accepted or edited; return the file.

    They are of different groups, short, spread over the languages, and always the same.  Raises InputError where there are not so
    many.
    """
    if work.config.label.before:  # an example would hold the answer about another article
        raise ConfigError(
            "--few-shot: the job's prompt takes answers of prompts before it (label.before), which examples lack"
        )
    if selection.split != "train":
        raise ConfigError(
            f"--few-shot takes rows of train: a prompt with rows of {selection.split} is judged on what it says"
        )
    chosen = chosen_version(work.versions, version)
    column, prompt = work.config.label_column, load_prompt(work.config)
    template, as_json = (prompt.source.user, prompt.source.output == "json_schema") if prompt else ("{{ text }}", False)
    rows = list(_spread(_verified(chosen, selection)))[:count]
    if len(rows) < count:
        raise InputError(
            f"version {chosen.name} has {len(rows)} short rows of train that people accepted or edited, not {count}"
        )
    phrases = [list(column.phrases(row[column.name])) for row in rows]
    as_json = as_json and column.schema is None  # such a label is its JSON text already
    answers = [json.dumps({column.name: one}, ensure_ascii=False) if as_json else "; ".join(one) for one in phrases]
    turns = zip((_turn(template, row) for row in rows), map(_raw, answers), strict=True)
    examples = {"examples": [{"user": user, "assistant": answer} for user, answer in turns]}
    path = output or Path(f"{work.config.name}-{chosen.name}-few-shot.yaml")
    write_bytes(
        path, yaml.safe_dump(examples, sort_keys=False, allow_unicode=True, width=10_000).encode(), durable=False
    )
    return path


def _verified(version: Path, selection: Selection) -> Iterator[dict[str, Any]]:
    """Yield the rows of different groups, in an order that says nothing of them."""
    rows = [
        row
        for row in selection.rows(version)
        if row["label_source"] in ("verified", "edited") and len(row.get("text") or "") in range(1, _MOST_CHARACTERS)
    ]
    rows.sort(key=lambda row: blake2b(f"few-shot\0{row['group_id']}\0{row['id']}".encode(), digest_size=8).digest())
    groups = set[str]()
    for row in rows:
        if row["group_id"] not in groups:
            groups.add(row["group_id"])
            yield row


def _spread(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the rows, the languages by turns."""
    by_language: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_language[row["language"] or ""].append(row)
    for turn in zip_longest(*(by_language[name] for name in sorted(by_language))):
        yield from (row for row in turn if row is not None)


def _turn(template: str, row: dict[str, Any]) -> str:
    """Return the prompt's template with an article in the place of its variables."""

    def replaced(match: re.Match[str]) -> str:
        return _raw(str(row.get(match[1]) or ""))

    return re.sub(rf"\{{\{{-?\s*({'|'.join(ARTICLE_VARIABLES)})\s*-?\}}\}}", replaced, template)


def _raw(text: str) -> str:
    """Return a text as it stands in a template that means it word by word."""
    return "{% raw %}" + text + "{% endraw %}" if "{{" in text or "{%" in text or "{#" in text else text
