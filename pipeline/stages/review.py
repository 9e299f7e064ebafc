"""review: `labels/` + the verdict log -> `reviewed/`.  Applies what people have said so far, never waits for more."""

from __future__ import annotations

import random
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import plugins
from pipeline.engines.local import map_shards
from pipeline.errors import InputError
from pipeline.review import sheet, verdicts
from pipeline.review.judgements import Judgement, Log, now
from pipeline.stages import clean
from pipeline.tables import Output, read_order, rejected_table
from pipeline.workspace import Workspace

VERSION = 1


def run(work: Workspace) -> None:
    """Bring `reviewed/` up to date with `labels/` and the verdicts."""
    log, shards = verdicts.load(work.verdicts_file), read_order(work.articles)
    clean.check_column(work.labels, work)
    map_shards(
        work.reviewed,
        shards,
        inputs=[work.labels],
        config=VERSION,
        extra=lambda shard: _verdicts_of(work, log, shard),
        transform=lambda shard: _apply(work, work.labels.read(shard).to_pylist(), log),
        progress=work.progress("review", len(shards), "shards"),
    )


def _verdicts_of(work: Workspace, log: dict[str, verdicts.Verdicts], shard: str) -> dict[str, Any]:
    """The verdicts that concern a shard: it is made again when these change, not when any do."""
    if not log:
        return {}
    digests = work.labels.read(shard, ["text_sha256"]).column("text_sha256").to_pylist()
    return {digest: asdict(log[digest]) for digest in digests if digest in log}


def _apply(work: Workspace, labels: list[dict[str, Any]], log: dict[str, verdicts.Verdicts]) -> Output:
    column, kept, rejected = work.config.label_column, [], []
    for row in labels:
        judged = log.get(row["text_sha256"], verdicts.Verdicts())
        before = column.phrases(row[column.name])
        phrases, source = judged.apply(before)
        if phrases:
            tiers = dict(zip(before, row.get("tiers") or [], strict=False))
            tiers_now = [tiers.get(phrase, "reviewer") for phrase in phrases]
            kept.append({**row, column.name: column.value(phrases), "tiers": tiers_now, "label_source": source})
        else:
            rejected.append({**row, "reason": "rejected_in_review", "detail": "; ".join(before)})
    reviewed = pa.schema([*clean.schema(work), ("label_source", pa.string())])  # llm | verified | edited
    return Output(pa.Table.from_pylist(kept, schema=reviewed), rejected_table(rejected))


# --- review sheets ---


def export_sheet(work: Workspace, path: Path, sample: int | None, seed: int) -> int:
    """Write a random sample of labelled articles (all, where `sample` is None) for people to judge; how many."""
    clean.check_column(work.labels, work)
    places = [
        (shard, row) for shard in read_order(work.articles) for row in range(work.labels.read(shard, ["id"]).num_rows)
    ]
    if not places:
        raise InputError(f"{work.labels.path}: no labels to review yet; run: labelmill run JOB")
    chosen = places if sample is None else sorted(random.Random(seed).sample(places, min(sample, len(places))))
    rows_of: dict[str, list[int]] = {}
    for shard, row in chosen:
        rows_of.setdefault(shard, []).append(row)
    column = work.config.label_column.name
    return sheet.write(path, column, (row for shard, rows in rows_of.items() for row in _sheet_rows(work, shard, rows)))


def _sheet_rows(work: Workspace, shard: str, rows: list[int]) -> list[dict[str, Any]]:
    labels = work.labels.read(shard, ["id", work.config.label_column.name]).take(pa.array(rows, pa.int64())).to_pylist()
    wanted = pa.array([label["id"] for label in labels], pa.string())
    articles = work.filtered.read(shard, ["id", "text_sha256", "language", "title", "text", "url"])
    shown = articles.filter(pc.is_in(articles.column("id"), wanted)).to_pylist()
    return [article | label for article, label in zip(shown, labels, strict=True)]


def _in_the_tasks_words(work: Workspace, path: Path, judgement: Judgement) -> Judgement:
    """Raises InputError for a corrected label that the task does not know."""
    task = plugins.create("tasks", work.config.label.task, work.config.task_options, lambda texts: [0] * len(texts))
    check = getattr(task, "check", None)
    if check is None:
        return judgement
    added = []
    for label in judgement.added:
        known = check(label)
        if known is None:
            raise InputError(
                f"{path}: {judgement.id}: {label!r} is no label of this job; see clean: in {work.config.file}"
            )
        added.append(known)
    return replace(judgement, added=[label for label in added if label not in judgement.accepted])


def import_sheet(work: Workspace, path: Path, reviewer: str) -> int:
    """Add a filled sheet's judgements to the verdict log; how many."""
    found = [
        _in_the_tasks_words(work, path, judgement)
        for judgement in sheet.read(path, work.config.label_column.name, reviewer, now())
    ]
    if found:
        with Log(work.verdicts_file) as log:
            log.add(found)
    return len(found)
