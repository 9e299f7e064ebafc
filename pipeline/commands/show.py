"""Command `show`: rows of a job's tables; and what collect would make of the first rows of each source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.collect import preview as looking
from pipeline.commands import topics
from pipeline.core.errors import InputError
from pipeline.core.objects import looked_at
from pipeline.core.shards import Folder, read_order
from pipeline.job.workspace import Workspace
from pipeline.label.job_ledger import has_ledger, opened_ledger
from pipeline.label.ledger import Ledger
from pipeline.publish.outgoing import OutgoingRows
from pipeline.review.log import verdicts as judgements
from pipeline.versions import store
from pipeline.versions.rows import SPLITS

TABLES = ("articles", "filtered", "labels", "train", "eval")


def preview(work: Workspace, count: int) -> Iterator[dict[str, Any]]:
    """Yield the first rows of each source as collect would make them, rejected ones with their reasons; nothing is stored."""
    return looking.preview(work, count)


def show(work: Workspace, table: str, rejected: bool = False) -> Iterator[dict[str, Any]]:
    """Yield rows of a table in source order, with all their columns; `rejected`: those that were dropped, with reasons."""
    for part in _parts(work, table, rejected):
        yield from part.to_pylist()


def of_topic(work: Workspace, rows: Iterator[dict[str, Any]], topic: int) -> Iterator[dict[str, Any]]:
    """Yield those of some rows whose article has a topic.  Raises InputError for an id that no topic has."""
    number = topics.one_row(work, topic)["id"]
    table = work.topic_table.articles(["id", "topic_id"])
    ids = set(table.filter(pc.equal(table.column("topic_id"), number)).column("id").to_pylist())
    yield from (row for row in rows if row["id"] in ids)


def columns(work: Workspace, table: str, rejected: bool = False) -> list[str]:
    """Return the names of all columns that a row of the table may have: shards of one table may differ in them."""
    return list(dict.fromkeys(name for part in _parts(work, table, rejected) for name in part.column_names))


def _parts(work: Workspace, table: str, rejected: bool) -> Iterator[pa.Table]:
    if table in SPLITS and rejected:
        read: Callable[[str], pa.Table] = work.split.read_rejected
    elif table in SPLITS:
        read = partial(_of_split, OutgoingRows(work), table)
    else:
        folder = {"articles": work.articles, "filtered": work.filtered, "labels": work.reviewed}[table]
        if table == "labels" and (rejected or not work.reviewed.exists):
            folder = work.labels
        read = folder.read_rejected if rejected else folder.read
    yield from map(read, read_order(work.articles))
    if table == "labels" and rejected and work.reviewed.exists:
        yield from map(work.reviewed.read_rejected, read_order(work.articles))


@looked_at()
def article(work: Workspace, row_id: str) -> dict[str, Any]:
    """Return everything of one article: its rows in each stage, raw replies, verdicts, and the versions that have it.

    Raises InputError for an id that no row has.
    """
    parts: dict[str, Any] = {"id": row_id}
    for name, folder in _FOLDERS.items():
        if row := _row_of(work, folder(work), row_id):
            parts[name] = row
    if len(parts) == 1:
        raise InputError(f"{work.path}: no article {row_id!r}; see: labelmill show {work.config.in_commands} articles")
    if "requests" in parts and has_ledger(work):
        with opened_ledger(work) as ledger:
            row, steps = parts["requests"], [step.variable for step in work.config.label.before]
            if before := dict(zip(steps, row.get("before") or [], strict=False)):
                parts["before"] = {name: _replies(ledger, key) for name, key in before.items()}
            if (
                row["key"] not in before.values()
            ):  # else the last of them has no answer, and the label's was never asked
                parts["replies"] = _replies(ledger, row["key"])
    digest = next(
        (row["text_sha256"] for row in parts.values() if isinstance(row, dict) and row.get("text_sha256")), None
    )
    if digest and (verdicts := judgements.load(work.verdicts_file).get(digest)):
        parts["verdicts"] = vars(verdicts)
    parts["versions"] = {
        path.name: split for path in store.all_versions(work.versions) if (split := _split_in(path, row_id))
    }
    return parts


def _replies(ledger: Ledger, key: str) -> list[dict[str, Any]]:
    records = ledger.get([bytes.fromhex(key)]).get(bytes.fromhex(key), [])
    return [asdict(record) | {"key": key} for record in records]


_FOLDERS: dict[str, Callable[[Workspace], Folder]] = {
    "article": lambda work: work.articles,
    "filtered": lambda work: work.filtered,
    "requests": lambda work: work.requests,
    "label": lambda work: work.labels,
    "reviewed": lambda work: work.reviewed,
    "split": lambda work: work.split,
}


def _row_of(work: Workspace, folder: Folder, row_id: str) -> dict[str, Any] | None:
    """Return the row of an article in a stage's folder, kept or else rejected, None where the stage has none."""
    shards = [shard for shard in read_order(work.articles) if folder.manifest(shard) is not None]
    for read in (
        folder.read,
        folder.read_rejected,
    ):  # a row that was dropped may have the id of a good one in a later file
        for table in map(read, shards):
            for row in table.filter(pc.equal(table.column("id"), row_id)).to_pylist():
                return dict(row)
    return None


def _split_in(version: Path, row_id: str) -> str | None:
    tables = ((split, table) for split in SPLITS for table in store.rows_of(version, split, ["id"]))
    return next((split for split, table in tables if row_id in table.column("id").to_pylist()), None)


def _of_split(outgoing: OutgoingRows, split: str, shard: str) -> pa.Table:
    rows = outgoing.of(shard)
    return rows.filter(pc.equal(rows.column("split"), split))
