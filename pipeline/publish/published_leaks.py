"""Leaks that are out: rows of which the last version has all that leaks, so that stopping the next one takes nothing back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.shards import read_order
from pipeline.core.types import LabelColumn
from pipeline.job.workspace import Workspace
from pipeline.publish.outgoing import OutgoingRows
from pipeline.versions import leaks, store
from pipeline.versions.diff import Comparison
from pipeline.versions.rows import SPLITS, TEXT

Numbers = np.ndarray[Any, np.dtype[np.int64]]


def out_already(
    work: Workspace, outgoing: OutgoingRows, index: pa.Table, counts: list[int], compared: Comparison, last: Path | None
) -> pa.ChunkedArray:
    """Return the ids of rows of which all that may leak is in the last version, whatever their label was there.

    `counts` has how many rows of the index are of each shard.
    """
    leaks_by_label = np.asarray(pc.greater(index.column("label_leaks"), 0), dtype=bool)
    is_doubtful = compared.same_article & compared.changed & leaks_by_label
    is_out = compared.same_article & ~is_doubtful
    # Few rows, if any, so that their labels may be looked at one by one.
    if last and len(numbers := np.flatnonzero(is_doubtful)):
        before = _leaks_in(last, index.column("id").take(pa.array(numbers)).combine_chunks())
        for number, row_id, label in _labels(work, outgoing, counts, numbers):
            is_out[number] = leaks.leaking("\n".join(label)) <= before.get(row_id, set())
    return index.column("id").filter(pa.array(is_out))


def _leaks_in(version: Path, ids: pa.Array) -> dict[str, set[str]]:
    """Return what leaks in title, text and label of a version's rows with some ids."""
    column, leaking = LabelColumn(**store.read_manifest(version)["label"]), dict[str, set[str]]()
    for table in (table for split in SPLITS for table in store.rows_of(version, split)):
        for row in table.filter(pc.is_in(table.column("id"), ids)).to_pylist():
            texts = [row.get(name) or "" for name in TEXT]
            leaking[row["id"]] = leaks.leaking("\n".join([*texts, *column.phrases(row[column.name])]))
    return leaking


def _labels(
    work: Workspace, outgoing: OutgoingRows, counts: list[int], numbers: Numbers
) -> Iterator[tuple[int, str, list[str]]]:
    """Yield number, id and phrases of some rows of the index."""
    column, start = work.config.label_column, 0
    for shard, count in zip(read_order(work.articles), counts, strict=True):
        of_shard = numbers[(numbers >= start) & (numbers < start + count)]
        if len(of_shard):
            rows = outgoing.of(shard, with_text=False).select(["id", column.name]).take(pa.array(of_shard - start))
            for number, row in zip(of_shard.tolist(), rows.to_pylist(), strict=True):
                yield number, row["id"], column.phrases(row[column.name])
        start += count
