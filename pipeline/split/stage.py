"""split: `reviewed/` -> `split/`, train or eval for every labelled article, for good; near-copies of eval rows are kept out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.files import digest_of, read_json, write_json
from pipeline.core.options import in_key
from pipeline.core.shards import Output, read_order, rejected_table
from pipeline.engines.mapping import Transform, map_shards
from pipeline.engines.steps import Step, state_of
from pipeline.job.workspace import Workspace
from pipeline.split import keep_out
from pipeline.split.assignment import KEPT_OUT, OUT, Assignment, texts_of
from pipeline.split.assignment_fold import AssignmentFold, Folded

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
    numbers = {shard: number for number, shard in enumerate(shards)}
    with ExitStack() as opened:
        folded = _folded(work, shards, opened)

        def assigned(shard: str) -> Assignment:
            return folded.of(numbers[shard])

        splitting = replace(splitting, extra=lambda shard: _digest(assigned(shard)))
        map_shards(work.engine, splitting, shards, partial(_splitter, work), progress(), says=assigned)


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


def _folded(work: Workspace, shards: list[str], opened: ExitStack) -> Folded:
    """Return what becomes of every row, after it was logged."""
    fold = AssignmentFold(work, shards, opened)
    _tell_of_changes(work, fold)
    folded = fold.run()
    _tell_of_an_empty_eval(work, folded, fold.rows)
    return folded


def _tell_of_an_empty_eval(work: Workspace, folded: Folded, count: int) -> None:
    """Tell where no row is eval though some were asked for: a model would be measured on nothing."""
    options = work.config.split
    wanted = options.eval * count if options.eval < 1 else options.eval
    if wanted < _FEW or folded.has_eval:
        return
    _log.warning(
        f"split: none of {count:,} articles is eval (split.eval: {options.eval:g}); groups of near-copies: {folded.groups:,}, each "
        f"is drawn as a whole, and one of more than {options.largest_group(count):,} is train (docs/publishing.md)"
    )


def _tell_of_changes(work: Workspace, fold: AssignmentFold) -> None:
    """Tell, once, that another share, number or salt moves nothing that is assigned."""
    file, options = work.assignments / _OPTIONS, work.config.split
    now, former = {"eval": options.eval, "salt": options.salt}, read_json(file)
    if former == now:
        return
    changes = ", ".join(
        f"split.{name} is {now[name]}, was {former[name]}" for name in now if former and former[name] != now[name]
    )
    if changes and (assigned := fold.logged_ids()):
        _log.warning(
            f"{changes}: the {assigned:,} articles that are assigned stay train and eval as they are; only groups that come new "
            "are drawn by it"
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
