"""Command `show`: rows of a job's tables; and what collect would make of the first rows of each source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.collect import stage as collect
from pipeline.core.shards import read_order
from pipeline.job.workspace import Workspace
from pipeline.publish import planning
from pipeline.versions.rows import SPLITS

TABLES = ("articles", "filtered", "labels", "train", "eval")


def preview(work: Workspace, count: int) -> Iterator[dict[str, Any]]:
    """Yield the first rows of each source as collect would make them, rejected ones with their reasons; nothing is stored."""
    return collect.preview(work, count)


def show(work: Workspace, table: str, rejected: bool = False) -> Iterator[dict[str, Any]]:
    """Yield rows of a table in source order, with all their columns; `rejected`: those that were dropped, with reasons."""
    if table in SPLITS and rejected:
        read: Callable[[str], pa.Table] = work.split.read_rejected
    elif table in SPLITS:
        read = partial(_of_split, planning.OutgoingRows(work), table)
    else:
        folder = {"articles": work.articles, "filtered": work.filtered, "labels": work.reviewed}[table]
        if table == "labels" and (rejected or not work.reviewed.path.exists()):
            folder = work.labels
        read = folder.read_rejected if rejected else folder.read
    for shard in read_order(work.articles):
        yield from read(shard).to_pylist()
    if table == "labels" and rejected and work.reviewed.path.exists():
        for shard in read_order(work.articles):
            yield from work.reviewed.read_rejected(shard).to_pylist()


def _of_split(outgoing: planning.OutgoingRows, split: str, shard: str) -> pa.Table:
    rows = outgoing.of(shard)
    return rows.filter(pc.equal(rows.column("split"), split))
