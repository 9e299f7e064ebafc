"""Table `labels/`: its columns, whether a folder's labels are those of the job's task, and what a shard said before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from pipeline.core.errors import InputError
from pipeline.core.parquet import open_parquet
from pipeline.core.shards import Folder, label_fields, read_order
from pipeline.job.workspace import Workspace

_PROVENANCE = ("provider", "model", "prompt", "prompt_sha256", "run_id", "key")


SHARED_FROM = (
    "label_shared_from"  # id of the article that the label's answer is about, where it is a near-copy of this one
)


def schema(work: Workspace, shared: bool = False) -> pa.Schema:
    """Return the columns of a shard of `labels/`; the label's own is the task's.

    `shared`: some rows share answers; a shard without such rows is the same one whatever the job says.
    """
    return pa.schema(
        [
            ("id", pa.string()),
            ("text_sha256", pa.string()),
            *label_fields(work.config.label_column),
            ("status", pa.string()),
            ("repairs", pa.list_(pa.string())),
            *((name, pa.string()) for name in (*_PROVENANCE, *([SHARED_FROM] if shared else []))),
        ]
    )


def check_column(folder: Folder, work: Workspace) -> None:
    """Raise InputError where a folder's labels are those of another task."""
    name = work.config.label_column.name
    for shard in read_order(work.articles)[:1]:
        if folder.manifest(shard) and name not in folder.read(shard).column_names:
            raise InputError(
                f"{folder.path}: has no {name!r}, it is of another task; run: labelmill run {work.config.in_commands}"
            )


def former_rows(folder: Folder, shard: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return a shard's rows as they stand before it is made anew; none where they cannot be read, or lack one of the columns.

    Words that were chosen for a label once stay with it: a better word is for new rows.
    """
    try:
        rows: list[dict[str, Any]] = open_parquet(folder.file(shard)).read(list(columns)).to_pylist()
    except (OSError, pa.ArrowException):
        return []
    return rows if all(name in row for name in columns for row in rows[:1]) else []
