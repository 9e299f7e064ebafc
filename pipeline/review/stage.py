"""The review stage: `labels/` + the log of judgements -> `reviewed/`.  It applies what people have said so far and never waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import pyarrow as pa

from pipeline.core import plugins
from pipeline.core.shards import Output, read_order, rejected_table
from pipeline.engines.mapping import Transform, map_shards
from pipeline.engines.steps import Step, state_of
from pipeline.job import label_table
from pipeline.job.label_table import SHARED_FROM
from pipeline.job.workspace import Workspace
from pipeline.review.log import verdicts

VERSION = 2


def run(work: Workspace) -> None:
    """Bring `reviewed/` up to date with `labels/` and the verdicts."""
    by_text, shards = verdicts.load(work.verdicts_file), read_order(work.articles)
    label_table.check_column(work.labels, work)
    progress = work.progress("review", len(shards), "shards")
    map_shards(
        work.engine,
        _step(work, by_text),
        shards,
        partial(_reviewer, work),
        progress,
        says=lambda shard: {digest: by_text[digest] for digest in _judged_texts(work, by_text, shard)},
    )


def _reviewer(work: Workspace) -> Transform:
    return lambda shard, by_text: _apply(work, work.labels.read(shard).to_pylist(), by_text, _called_llm(work, shard))


def state(work: Workspace, shards: Sequence[str]) -> str:
    """Return whether `reviewed/` is up to date with `labels/` and with what people have said."""
    return state_of([_step(work, verdicts.load(work.verdicts_file))], shards)


def _step(work: Workspace, by_text: dict[str, verdicts.Verdicts]) -> Step:
    return Step(
        work.reviewed, [work.labels], VERSION, "verdicts not applied", lambda shard: _verdicts_of(work, by_text, shard)
    )


def _verdicts_of(work: Workspace, by_text: dict[str, verdicts.Verdicts], shard: str) -> dict[str, Any]:
    """Return the verdicts on a shard's texts, which stand in its key."""
    # only these: a shard is made again when one of its own verdicts changes, not when any does
    return {digest: asdict(by_text[digest]) for digest in _judged_texts(work, by_text, shard)}


def _judged_texts(work: Workspace, by_text: dict[str, verdicts.Verdicts], shard: str) -> list[str]:
    if not by_text:
        return []
    digests = work.labels.read(shard, ["text_sha256"]).column("text_sha256").to_pylist()
    return [digest for digest in digests if digest in by_text]


def _called_llm(work: Workspace, shard: str) -> set[tuple[str, str]]:
    """Return id and run of the labels that were called `llm` when nothing else was there to call them."""
    rows = label_table.former_rows(work.reviewed, shard, ["id", "run_id", "label_source"])
    return {(row["id"], row["run_id"]) for row in rows if row["label_source"] == "llm"}


def _apply(
    work: Workspace,
    labels: list[dict[str, Any]],
    by_text: dict[str, verdicts.Verdicts],
    called_llm: set[tuple[str, str]],
) -> Output:
    """Split a shard's labels into reviewed ones and those of which reviewers left no phrase."""
    column, max_phrases, kept, rejected = work.config.label_column, work.config.max_phrases, [], []
    own_word = plugins.load("providers", work.config.label.provider).Provider.label_source
    for row in labels:
        judged = by_text.get(row["text_sha256"], verdicts.Verdicts())
        before = column.phrases(row[column.name])
        by_model = row["prompt"] is not None or (row["id"], row["run_id"]) in called_llm  # else no model was asked
        phrases, source = judged.apply(before, max_phrases, own_word or ("llm" if by_model else "extracted"))
        if phrases:
            tiers = dict(zip(before, row.get("tiers") or [], strict=False))
            label = {column.name: column.value(phrases), "tiers": [tiers.get(each, "reviewer") for each in phrases]}
            kept.append({**row, **label, "offsets": _offsets(row, before, phrases), "label_source": source})
        else:
            rejected.append({**row, "reason": "rejected_in_review", "detail": "; ".join(before)})
    # llm | extracted | student | verified | edited
    reviewed = pa.schema(
        [*label_table.schema(work, shared=any(SHARED_FROM in row for row in labels)), ("label_source", pa.string())]
    )
    return Output(pa.Table.from_pylist(kept, schema=reviewed), rejected_table(rejected))


def _offsets(row: dict[str, Any], before: list[str], after: list[str]) -> list[list[int]] | None:
    """Return the offsets of the phrases that are left; None where a person wrote one: publishing has the text to search."""
    stored = dict(zip(before, row.get("offsets") or [], strict=False))
    return [stored[phrase] for phrase in after] if all(phrase in stored for phrase in after) else None
