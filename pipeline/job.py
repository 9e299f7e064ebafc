"""A job: the one place where the stages are wired, in order.

collect -> filter -> label -> clean -> review -> split -> publish
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.disk import read_json
from pipeline.errors import ConfigError, InputError
from pipeline.labelling.labeller import load_prompt
from pipeline.labelling.monitor import paused_because
from pipeline.ledger import Ledger, open_ledger
from pipeline.ledger.salvage import salvage
from pipeline.publishing import gates, versions
from pipeline.publishing.rows import SPLITS
from pipeline.stages import clean, collect, label, publish, review, split
from pipeline.stages import filter as filter_stage
from pipeline.tables import Folder, read_order
from pipeline.workspace import Workspace


@dataclass(frozen=True)
class Stage:
    """A stage: what runs it, the folder that it fills, the stage's folders that it reads."""

    name: str
    run: Callable[[Workspace], Any]
    folder: Callable[[Workspace], Folder] | None


STAGES = (
    Stage("collect", collect.run, lambda work: work.articles),
    Stage("filter", filter_stage.run, lambda work: work.filtered),
    Stage("label", label.run, lambda work: work.requests),
    Stage("clean", clean.run, lambda work: work.labels),
    Stage("review", review.run, lambda work: work.reviewed),
    Stage("split", split.run, lambda work: work.split),
    Stage("publish", publish.run, None),
)
LABEL = STAGES[2]  # the one stage in which processes help each other
NAMES = tuple(stage.name for stage in STAGES)
TABLES = ("articles", "filtered", "labels", "train", "eval")


def run(work: Workspace, first: str = NAMES[0], last: str = NAMES[-1]) -> None:
    """Run the stages from `first` to `last`.  What is done already is not done again."""
    start, end = NAMES.index(first), NAMES.index(last)
    if start > end:
        raise ConfigError(f"--from {first} comes after --to {last}; the order is: {' '.join(NAMES)}")
    load_prompt(work.config)  # a mistake in it must not wait until the articles are read
    options = work.config.publish
    if wrong := list(gates.complaints(options.gates, options.waive)):
        raise ConfigError("\n".join(f"{work.config.file}: {problem}" for problem in wrong))
    for number in range(start, end + 1):
        with work.locked(shared=STAGES[number] is LABEL, wait=number > start):
            STAGES[number].run(work)


# --- status ---


def status(work: Workspace) -> dict[str, Any]:
    """Rows in, kept and rejected by reason for each stage, cost and state; nothing is run."""
    order = read_json(work.articles.path / "_order.json")
    stages = [_stage_status(work, stage, order or []) for stage in STAGES if stage.folder]
    ledger = _ledger_totals(work)
    for row in stages:
        if row["stage"] == "label":
            row["cost_usd"] = ledger["cost_usd"] if not ledger["unpriced"] else None
    published = _publish_status(work)
    changes = read_json(work.articles.path / "_changes.json")
    by_source = read_json(work.articles.path / "_sources.json") or []
    return {"job": work.config.name, "path": str(work.path), "stages": [*stages, published], "ledger": ledger,
            "sources": changes, "by_source": by_source, "paused": paused_because(work.events_file)}  # fmt: skip


def _stage_status(work: Workspace, stage: Stage, order: list[str]) -> dict[str, Any]:
    assert stage.folder is not None
    folder = stage.folder(work)
    tally = folder.tally(order)
    return {
        "stage": stage.name,
        "rows": tally.rows,
        "kept": tally.kept,
        "rejected": dict(tally.rejected.most_common()),
        "waiting": tally.waiting,
        "notes": dict(tally.notes),
        "seconds": round(tally.seconds, 1),
        "state": _state(folder, order, tally.shards),
    }


def _state(folder: Folder, order: list[str], finished: int) -> str:
    if not finished:
        return "not run"
    if finished < len(order):
        return f"{finished} of {len(order)} shards"
    stale = sum(_is_stale(folder, shard) for shard in order)
    return f"{stale} of {len(order)} shards stale" if stale else "done"


def _is_stale(folder: Folder, shard: str) -> bool:
    """Whether an earlier stage has made other rows since."""
    manifest = folder.manifest(shard)
    for name, digest in (manifest.inputs if manifest else {}).items():
        source = Folder(folder.path.with_name(name)).manifest(shard)
        if source is None or source.digest != digest:
            return True
    return False


def _ledger_totals(work: Workspace) -> dict[str, Any]:
    if not _has_ledger(work):
        return {"records": 0, "articles": 0, "answered": 0, "rejected": 0, "cost_usd": 0, "unpriced": 0}
    with _opened_ledger(work) as ledger:
        return ledger.totals()


def _publish_status(work: Workspace) -> dict[str, Any]:
    last = versions.latest(work.versions)
    manifest = versions.read_manifest(last) if last else {}
    rows = sum(manifest.get("rows", {}).values())
    state = f"version {last.name}" if last else "not run"
    return {"stage": "publish", "rows": rows, "kept": rows, "rejected": {}, "waiting": 0, "seconds": 0.0,
            "notes": manifest.get("rows", {}), "state": state}  # fmt: skip


def plan_version(work: Workspace) -> publish.Plan:
    """What `publish` would write, with nothing written."""
    read_order(work.articles)  # no folder is made for a job that never ran
    with work.locked():
        return publish.plan(work)


# --- ledger ---


def ledger(work: Workspace) -> dict[str, Any]:
    """Totals, answers and cost by model and day, rejections by error class, what was asked again."""
    with _opened_ledger(work) as opened:
        return {
            "ledger": opened.where,
            "totals": opened.totals(),
            "by_model_and_day": opened.by_model_and_day(),
            "errors_by_class": opened.errors_by_class(),
            "asked_again": opened.asked_again(),
        }


def check_ledger(work: Workspace) -> str:
    """Read the whole ledger; where it is.  Raises InputError where it is damaged."""
    with _opened_ledger(work) as opened:
        opened.check()
        return opened.where


def export_ledger(work: Workspace, path: Path) -> int:
    """Write all records to a Parquet file; how many."""
    with _opened_ledger(work) as opened:
        return opened.export(path)


def salvage_ledger(work: Workspace) -> tuple[int, Path] | None:
    """Save what can be read of a damaged SQLite ledger; how many records, and where the damaged file is kept.  None
    where it is sound."""
    target = work.ledger_target
    if not isinstance(target, Path):
        raise InputError("--salvage: a PostgreSQL ledger is restored by PostgreSQL's own tools")
    if not target.is_file():
        raise InputError(f"--salvage: there is no file {target}")
    with work.locked():
        try:
            check_ledger(work)
        except InputError:
            work.requests.keep_only([])  # the label stage looks again what is there
            return salvage(target)
        return None


def _has_ledger(work: Workspace) -> bool:
    target = work.ledger_target
    return not isinstance(target, Path) or target.exists()


def _opened_ledger(work: Workspace) -> closing[Ledger]:
    if not _has_ledger(work):
        raise InputError(f"{work.ledger_target}: nothing was asked yet; run: labelmill label JOB")
    return closing(open_ledger(work.ledger_target, work.config.name))


# --- show ---


def preview(work: Workspace, count: int) -> Iterator[dict[str, Any]]:
    """The first rows of each source as collect would make them, rejected ones with their reasons; nothing is stored."""
    return collect.preview(work, count)


def show(work: Workspace, table: str, rejected: bool = False) -> Iterator[dict[str, Any]]:
    """Rows of a table in source order, with all their columns; `rejected`: those that were dropped, with reasons."""
    if table in SPLITS and rejected:
        read: Callable[[str], pa.Table] = work.split.read_rejected
    elif table in SPLITS:
        read = partial(_of_split, work, table)
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


def _of_split(work: Workspace, split: str, shard: str) -> pa.Table:
    rows = publish.rows_of(work, shard)
    return rows.filter(pc.equal(rows.column("split"), split))
