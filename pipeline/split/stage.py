"""split: `reviewed/` -> `split/`, train or eval for every labelled article, for good; near-copies of eval rows are kept out."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.files import digest_of, read_json, write_json
from pipeline.core.options import in_key
from pipeline.core.shards import Output, read_order, rejected_table
from pipeline.engines.mapping import Transform, map_shards
from pipeline.engines.steps import Step, state_of
from pipeline.job.workspace import Workspace
from pipeline.split import keep_out
from pipeline.split.assignment import (
    EVAL,
    KEPT_OUT,
    OUT,
    TEXTS,
    Assignment,
    append_log,
    assign,
    blocks_of,
    read_log,
    texts_of,
    vanished_entries,
)
from pipeline.split.groups import Signatures, find_groups

VERSION = 2
_log = logging.getLogger("labelmill.split")
_OPTIONS = "_options.json"  # beside the log: by which options its last entries were drawn
_FEW = 3  # rows of eval: fewer may be none by chance
_REASONS = {OUT: "near_copy_of_eval", KEPT_OUT: "near_copy_of_benchmark"}
SPLIT = pa.schema([("id", pa.string()), ("group_id", pa.string()), ("split", pa.string())])


def run(work: Workspace) -> None:
    """Bring `split/` up to date with `reviewed/`; new assignments are logged before anything uses them."""
    shards = read_order(work.articles)
    signing, splitting = _steps(work, shards)
    progress = partial(work.progress, "split", len(shards), "shards")
    map_shards(work.engine, signing, shards, partial(_signer, work), progress())
    starts = np.cumsum([0, *(work.signatures.tally([shard]).kept for shard in shards)]).tolist()
    assignment = _assigned(work, shards)
    part_of = {shard: assignment.part(*bounds) for shard, bounds in zip(shards, pairwise(starts), strict=True)}
    splitting = replace(splitting, extra=lambda shard: _digest(part_of[shard]))
    map_shards(work.engine, splitting, shards, partial(_splitter, work), progress(), says=part_of.__getitem__)


def _signer(work: Workspace) -> Transform:
    return lambda shard, _: Output(_texts(work, shard))


def _splitter(work: Workspace) -> Transform:
    return lambda shard, part: _emit(work.signatures.read(shard, ["id"]).column("id"), part)


def state(work: Workspace, shards: Sequence[str]) -> str:
    """Return the state of `split/` against `reviewed/` and the job file (`steps.Step.state`)."""
    return state_of(_steps(work, shards), shards)


def _steps(work: Workspace, shards: Sequence[str]) -> tuple[Step, Step]:
    """Return the steps *sign* and *split*, the latter without what the fold will say of each shard."""

    def fold() -> dict[str, Any]:
        return {
            "split": in_key(work.config.split, mode="json"),
            **({"keep_out": keep_out.digests(work)} if work.config.split.keep_out else {}),
            "signatures": [work.signatures.digest(shard) for shard in shards],
            "assigned": sorted(file.name for file in work.assignments.glob("*.parquet")),
        }

    changed = "split changed"
    signing = Step(work.signatures, [work.filtered, work.reviewed], VERSION, changed)
    return signing, Step(work.split, [work.signatures], VERSION, changed, fold=fold)


def _assigned(work: Workspace, shards: list[str]) -> Assignment:
    """Fold all shards: return what becomes of every row, after it was logged."""
    names = ["id", "text_key"]
    rows = pa.concat_tables([TEXTS.empty_table().select(names), *(work.signatures.read(s, names) for s in shards)])
    log = read_log(work.assignments, rows)
    past, options = vanished_entries(rows, log), work.config.split

    def signed() -> Iterator[Signatures]:
        return blocks_of(work.signatures.read(shard, ["signature"]) for shard in shards)

    benchmarks = keep_out.like_benchmarks(work, signed, rows.num_rows) if options.keep_out else None
    _tell_of_changes(work, log)
    groups = find_groups(
        lambda: chain(signed(), blocks_of([past])), rows.num_rows + past.num_rows, options.similarity, work.exchange
    )
    assignment = assign(rows, log, groups.of_all(), options, benchmarks)
    append_log(work.assignments, rows, signed(), assignment, log)
    _tell_of_an_empty_eval(work, assignment)
    return assignment


def _tell_of_an_empty_eval(work: Workspace, assignment: Assignment) -> None:
    """Tell where no row is eval though some were asked for: a model would be measured on nothing."""
    options, count = work.config.split, len(assignment.codes)
    wanted = options.eval * count if options.eval < 1 else options.eval
    if wanted < _FEW or (assignment.codes == EVAL).any():
        return
    groups = len(pc.unique(assignment.group_ids))
    _log.warning(
        f"split: none of {count:,} articles is eval (split.eval: {options.eval:g}); groups of near-copies: {groups:,}, each is "
        f"drawn as a whole, and one of more than {options.largest_group(count):,} is train (docs/publishing.md)"
    )


def _tell_of_changes(work: Workspace, log: pa.Table) -> None:
    """Tell, once, that another share, number or salt moves nothing that is assigned."""
    file, options = work.assignments / _OPTIONS, work.config.split
    now, former = {"eval": options.eval, "salt": options.salt}, read_json(file)
    if former == now:
        return
    changes = ", ".join(
        f"split.{name} is {now[name]}, was {former[name]}" for name in now if former and former[name] != now[name]
    )
    if changes and log.num_rows:
        _log.warning(
            f"{changes}: the {len(pc.unique(log.column('id'))):,} articles that are assigned stay train and eval as they are; "
            "only groups that come new are drawn by it"
        )
    write_json(file, now)


def _digest(assignment: Assignment) -> str:
    return digest_of([assignment.group_ids.to_pylist(), assignment.codes.tolist(), assignment.like.to_pylist()])


def _texts(work: Workspace, shard: str) -> pa.Table:
    """Return what is compared of a shard's labelled articles (TEXTS), in source order."""
    articles = work.filtered.read(shard, ["id", "text"])
    labelled = articles.filter(pc.is_in(articles.column("id"), work.reviewed.read(shard, ["id"]).column("id")))
    return texts_of(labelled.column("id").to_pylist(), labelled.column("text").to_pylist())


def _emit(ids: Any, assignment: Assignment) -> Output:
    table = pa.table([ids, assignment.group_ids, assignment.splits], schema=SPLIT)
    rows = zip(ids.to_pylist(), assignment.like.to_pylist(), assignment.codes.tolist(), strict=True)
    out = [
        {"id": row_id, "reason": _REASONS[code], "detail": f"like {like}"}
        for row_id, like, code in rows
        if code in _REASONS
    ]
    return Output(table.filter(pc.is_valid(table.column("split"))), rejected_table(out))
