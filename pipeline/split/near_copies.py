"""Near-copies among all articles of `filtered/`, in groups as the split makes them: for a label stage that asks once a group."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import accumulate

import pyarrow as pa

from pipeline.core.shards import Output
from pipeline.engines.mapping import Transform, map_shards
from pipeline.engines.steps import Step
from pipeline.job.workspace import Workspace
from pipeline.label.sharing.near_copies import NearCopies, Numbers, Shares
from pipeline.split.assignment import signatures_of, texts_of
from pipeline.split.groups import groups

VERSION = 1


def near_copies(work: Workspace, shards: Sequence[str]) -> NearCopies:
    """Return the near-copies of a job, by `split.similarity`; signatures are kept, so that growing signs new articles only."""
    folder = work.shared_signatures
    with work.writing_requests():  # several processes may label the job: they would write the same shards
        step = Step(folder, [work.filtered], VERSION, "articles changed")
        progress = work.progress("near-copies", len(shards), "shards")
        map_shards(work.engine, step, shards, partial(_signer, work), progress)
    counts = [work.filtered.tally([shard]).kept for shard in shards]
    signatures = signatures_of((folder.read(shard, ["signature"]) for shard in shards), sum(counts))

    def likeness(row: int, others: Numbers) -> Shares:
        shares: Shares = (signatures[others] == signatures[row]).mean(axis=1)
        return shares

    starts = dict(zip(shards, [0, *accumulate(counts)], strict=False))
    return NearCopies(groups(signatures, work.config.split.similarity), starts, likeness)


def _signer(work: Workspace) -> Transform:
    return lambda shard, _: Output(_signed(work, shard))


def _signed(work: Workspace, shard: str) -> pa.Table:
    table = work.filtered.read(shard, ["id", "text"])
    return texts_of(table.column("id").to_pylist(), table.column("text").to_pylist())
