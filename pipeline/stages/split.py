"""split: `reviewed/` -> `split/`, train or eval for every labelled article, for good; near-copies of eval rows are kept out."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.engines.local import map_shards
from pipeline.splitting.assignment import TEXTS, Assignment, append_log, assign, read_log, texts_of
from pipeline.tables import Folder, Output, digest_of, read_order, rejected_table
from pipeline.workspace import Workspace

VERSION = 2
SPLIT = pa.schema([("id", pa.string()), ("group_id", pa.string()), ("split", pa.string())])


def run(work: Workspace) -> None:
    """Bring `split/` up to date with `reviewed/`; new assignments are logged before anything uses them."""
    shards = read_order(work.articles)
    map_shards(
        work.signatures,
        shards,
        inputs=[work.filtered, work.reviewed],
        config=VERSION,
        transform=lambda shard: Output(_texts(work, shard)),
        progress=work.progress("split", len(shards), "shards"),
    )
    rows = pa.concat_tables([TEXTS.empty_table(), *(work.signatures.read(shard) for shard in shards)])
    log = read_log(work.assignments, rows)
    found = assign(rows, log, work.config.split)
    append_log(work.assignments, rows, found, log)
    starts = np.cumsum([0, *(_rows(work.signatures, shard) for shard in shards)]).tolist()
    part_of = {shard: _part(found, *bounds) for shard, bounds in zip(shards, pairwise(starts), strict=True)}
    map_shards(
        work.split,
        shards,
        inputs=[work.signatures],
        config=VERSION,
        extra=lambda shard: digest_of(vars(part_of[shard])),
        transform=lambda shard: _emit(work.signatures.read(shard, ["id"]).column("id"), part_of[shard]),
        progress=work.progress("split", len(shards), "shards"),
    )


def _texts(work: Workspace, shard: str) -> pa.Table:
    """What is compared of a shard's labelled articles, in source order."""
    articles = work.filtered.read(shard, ["id", "text"])
    labelled = articles.filter(pc.is_in(articles.column("id"), work.reviewed.read(shard, ["id"]).column("id")))
    return texts_of(labelled.column("id").to_pylist(), labelled.column("text").to_pylist())


def _rows(folder: Folder, shard: str) -> int:
    manifest = folder.manifest(shard)
    return manifest.kept if manifest else 0


def _part(found: Assignment, start: int, end: int) -> Assignment:
    return Assignment(found.group_ids[start:end], found.splits[start:end], found.like[start:end])


def _emit(ids: Any, found: Assignment) -> Output:
    table = pa.table([ids, found.group_ids, found.splits], schema=SPLIT)
    kept = pc.is_valid(table.column("split"))
    out = [
        {"id": row_id, "reason": "near_copy_of_eval", "detail": f"like {like}"}
        for row_id, like in zip(ids.to_pylist(), found.like, strict=True)
        if like is not None
    ]
    return Output(table.filter(kept), rejected_table(out))
