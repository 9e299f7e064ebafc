"""Near-copies among all articles of `filtered/`, in groups as the split makes them: for a label stage that asks once a group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import accumulate

import numpy as np
import pyarrow as pa

from pipeline.core.shards import Output
from pipeline.engines.mapping import Transform, map_shards
from pipeline.engines.steps import Step
from pipeline.job.workspace import Workspace
from pipeline.label.sharing.near_copies import NearCopies, Numbers, Shares
from pipeline.split.assignment import blocks_of, texts_of
from pipeline.split.groups import Signatures, find_groups
from pipeline.split.minhash import NUMBERS
from pipeline.split.stored_signatures import StoredSignatures, matching

VERSION = 1


def near_copies(work: Workspace, shards: Sequence[str]) -> NearCopies:
    """Return the near-copies of a job, by `split.similarity`; signatures are kept, so that growing signs new articles only."""
    folder = work.shared_signatures
    with work.writing_requests():  # several processes may label the job: they would write the same shards
        step = Step(folder, [work.filtered], VERSION, "articles changed")
        progress = work.progress("near-copies", len(shards), "shards")
        map_shards(work.engine, step, shards, partial(_signer, work), progress)
    counts = [work.filtered.tally([shard]).kept for shard in shards]

    def signed() -> Iterator[Signatures]:
        return blocks_of(folder.read(shard, ["signature"]) for shard in shards)

    groups = find_groups(signed, sum(counts), work.config.split.similarity, work.exchange)
    stored = StoredSignatures(signed(), groups.rows, work.exchange)

    def likeness(row: int, others: Numbers) -> Shares:
        positions = groups.positions(np.append(others, row))
        if (positions < 0).any():  # it is in no group: like itself alone
            shares: Shares = (others == row).astype(np.float64)
        else:
            signatures = stored[positions]
            shares = matching(signatures[:-1], signatures[-1:]) / NUMBERS
        return shares

    starts = dict(zip(shards, [0, *accumulate(counts)], strict=False))
    return NearCopies(groups.of_all(), starts, likeness)


def _signer(work: Workspace) -> Transform:
    return lambda shard, _: Output(_signed(work, shard))


def _signed(work: Workspace, shard: str) -> pa.Table:
    table = work.filtered.read(shard, ["id", "text"])
    return texts_of(table.column("id").to_pylist(), table.column("text").to_pylist())
