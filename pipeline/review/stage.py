"""review: `labels/` + the verdict log -> `reviewed/`.  Applies what people have said so far, never waits for more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from pipeline.core.shards import Output, read_order, rejected_table
from pipeline.engines.local import map_shards
from pipeline.engines.steps import Step, state_of
from pipeline.job import label_table
from pipeline.job.workspace import Workspace
from pipeline.review.log import verdicts

VERSION = 2


def run(work: Workspace) -> None:
    """Bring `reviewed/` up to date with `labels/` and the verdicts."""
    log, shards = verdicts.load(work.verdicts_file), read_order(work.articles)
    label_table.check_column(work.labels, work)
    map_shards(
        _step(work, log),
        shards,
        transform=lambda shard: _apply(work, work.labels.read(shard).to_pylist(), log),
        progress=work.progress("review", len(shards), "shards"),
    )


def state(work: Workspace, shards: Sequence[str]) -> str:
    """Whether `reviewed/` is up to date with `labels/` and with what people have said."""
    return state_of([_step(work, verdicts.load(work.verdicts_file))], shards)


def _step(work: Workspace, log: dict[str, verdicts.Verdicts]) -> Step:
    return Step(
        work.reviewed, [work.labels], VERSION, "verdicts not applied", lambda shard: _verdicts_of(work, log, shard)
    )


def _verdicts_of(work: Workspace, log: dict[str, verdicts.Verdicts], shard: str) -> dict[str, Any]:
    """The verdicts that concern a shard: it is made again when these change, not when any do."""
    if not log:
        return {}
    digests = work.labels.read(shard, ["text_sha256"]).column("text_sha256").to_pylist()
    return {digest: asdict(log[digest]) for digest in digests if digest in log}


def _apply(work: Workspace, labels: list[dict[str, Any]], log: dict[str, verdicts.Verdicts]) -> Output:
    column, most, kept, rejected = work.config.label_column, work.config.max_phrases, [], []
    for row in labels:
        judged = log.get(row["text_sha256"], verdicts.Verdicts())
        before = column.phrases(row[column.name])
        phrases, source = judged.apply(before, most)
        if phrases:
            tiers = dict(zip(before, row.get("tiers") or [], strict=False))
            tiers_now = [tiers.get(phrase, "reviewer") for phrase in phrases]
            kept.append({**row, column.name: column.value(phrases), "tiers": tiers_now, "label_source": source})
        else:
            rejected.append({**row, "reason": "rejected_in_review", "detail": "; ".join(before)})
    reviewed = pa.schema([*label_table.schema(work), ("label_source", pa.string())])  # llm | verified | edited
    return Output(pa.Table.from_pylist(kept, schema=reviewed), rejected_table(rejected))
