"""Stages wired in order, the one place that knows all of them; and how far a job is.

collect -> filter -> (topics) -> label -> clean -> review -> split -> publish
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa

from pipeline.clean import stage as clean
from pipeline.clean.label_runs import labels_by_run
from pipeline.collect import stage as collect
from pipeline.collect.source_titles import named
from pipeline.core.errors import ConfigError, InputError
from pipeline.core.files import read_json
from pipeline.core.objects import looked_at
from pipeline.core.shards import Folder, read_order
from pipeline.engines.steps import DONE, NOT_RUN, UNKNOWN
from pipeline.filter import stage as filter_stage
from pipeline.job.run_options import RunOptions
from pipeline.job.workspace import Workspace
from pipeline.label import stage as label
from pipeline.label import stage_state as label_state
from pipeline.label.batches.report import batch_rows
from pipeline.label.job_ledger import cost_of_labels, has_ledger, opened_ledger
from pipeline.label.ledger import open_ledger
from pipeline.label.requests import load_prompt
from pipeline.publish import card_head, gates, planning
from pipeline.publish import stage as publish
from pipeline.publish.spending import SpendingReader
from pipeline.review import stage as review
from pipeline.split import assignment
from pipeline.split import stage as split
from pipeline.split.near_copies import near_copies
from pipeline.topics import stage as topics
from pipeline.topics import vector_quote as topic_costs
from pipeline.versions import store

_log = logging.getLogger("labelmill.label")
_progress_log = logging.getLogger("labelmill.progress")


@dataclass(frozen=True)
class Stage:
    """Stage: what runs it, the folder that it fills, and what tells whether that is up to date, without running it."""

    name: str
    run: Callable[[Workspace, RunOptions], Any]
    folder: Callable[[Workspace], Folder]
    state: Callable[[Workspace, Sequence[str]], str]


STAGES = (
    Stage("collect", collect.run, lambda work: work.articles, collect.state),
    Stage("filter", filter_stage.run, lambda work: work.filter_output, filter_stage.state),
    Stage("topics", lambda work, _: topics.run(work, _label_alone), lambda work: work.topics_kept, topics.state),
    Stage(
        "label",
        lambda work, options: label.run(work, options, near_copies),
        lambda work: work.requests,
        label_state.state,
    ),
    Stage("clean", lambda work, _: clean.run(work), lambda work: work.labels, clean.state),
    Stage("review", lambda work, _: review.run(work), lambda work: work.reviewed, review.state),
    Stage("split", lambda work, _: split.run(work), lambda work: work.split, split.state),
)
_ASKING = ("collect", "filter", "topics", "label")  # a run that begins with one of these may ask
_OPTIONAL = "topics"  # a stage of jobs with the section of its name
_REACHING = ("label", "clean", "review")  # what `label.until` repeats
PUBLISH = "publish"
WHOLE_RUN = RunOptions()
NAMES = (*(stage.name for stage in STAGES), PUBLISH)


def stages_of(work: Workspace) -> tuple[Stage, ...]:
    """Return the stages that a job has: topics only where its file has that section."""
    return tuple(stage for stage in STAGES if stage.name != _OPTIONAL or work.config.topics is not None)


def run(work: Workspace, options: RunOptions = WHOLE_RUN) -> str | None:
    """Run the stages from `options.first` to `options.last`.  What is done already is not done again.

    A version that changes or loses rows of the last one, or that is made while articles wait, is made only where `options.publish`
    says so; otherwise the return value tells why there is none and what it would be.  None: nothing is held back.
    """
    if options.first == _OPTIONAL and options.last != _OPTIONAL and work.config.topics is None:
        options = replace(options, first="label")
    start, end = NAMES.index(options.first), NAMES.index(options.last)
    if start > end:
        raise ConfigError(f"--from {options.first} comes after --to {options.last}; the order is: {' '.join(NAMES)}")
    check_config(work)
    with closing(work.engine):
        for stage in [each for each in stages_of(work) if start <= NAMES.index(each.name) <= end]:
            _run_stage(work, stage, options, is_first=stage.name == options.first)
            if stage.name == "filter" and work.config.topics is None:
                with work.locked():
                    topics.forget(work)
            if stage.name == "review" and options.first in _ASKING:
                _reach(work, options)
            if stage.name == "split" and work.config.label.until is not None:
                _tell_reached(work)
    if options.last != PUBLISH:
        return None
    with work.locked(wait=options.first != PUBLISH), looked_at():
        if options.first == PUBLISH:
            _check_ready(work, PUBLISH)
        return _publish(work, options)


def _run_stage(work: Workspace, stage: Stage, options: RunOptions, is_first: bool) -> None:
    # labelling is the one stage in which processes help each other
    looks = nullcontext() if stage.name == "label" else looked_at()
    with work.locked(shared=stage.name == "label", wait=not is_first), looks:
        if is_first:
            _check_ready(work, stage.name)
        if stage.name == "collect":
            topics.forget_vectors(work)
        stage.run(work, options)


def _reach(work: Workspace, options: RunOptions) -> None:
    """Ask about more articles, and clean and review what they are answered, until `label.until` rows are there."""
    if work.config.label.until is None:
        return
    shards = read_order(work.articles)
    while (lacking := label_state.shortfall(work, shards)).count and options.limit is None:
        for stage in STAGES:
            if stage.name in _REACHING:
                _run_stage(work, stage, options, is_first=False)
    for stratum, count in lacking.exhausted.items():
        where = f" of {work.config.label.until_by} {stratum!r}" if stratum else ""
        _log.warning(f"label.until: {count:,} rows{where} cannot be reached, for there are no more articles")


def _tell_reached(work: Workspace) -> None:
    shards = read_order(work.articles)
    rows, asked, split = work.reviewed.tally(shards).kept, work.requests.tally(shards).kept, work.split.tally(shards)
    kept_out = f", of which the split keeps out {split.rejected.total():,}" if split.rejected else ""
    _progress_log.info(f"label.until: {rows:,} rows by {asked:,} articles asked about{kept_out}")


def check_config(work: Workspace) -> None:
    """Raise ConfigError for mistakes that would otherwise be found only after the articles are read, and paid for."""
    load_prompt(work.config)
    options = work.config.publish
    if problems := [*gates.config_errors(options.gates, options.waive), *card_head.config_errors(options.card)]:
        raise ConfigError("\n".join(f"{work.config.file}: {problem}" for problem in problems))


def _publish(work: Workspace, options: RunOptions) -> str | None:
    """Make a version, or return why none is made, where a run must not make this one by itself."""
    if not options.publish and (reason := _incomplete(work, options)):
        plan = publish.plan(work, other_stages(work), options.version)
        return _held_back(work, reason, publish.preview(plan)) if plan.version else None
    try:
        publish.run(work, options, other_stages(work))
    except publish.HeldBack as held:
        return _held_back(work, "rows of the last version would change, leave or have other types", str(held))
    return None


def other_stages(work: Workspace) -> planning.OtherStages:
    """Return what publishing needs of labelling and of the split."""

    @contextmanager
    def spending() -> Iterator[SpendingReader]:
        with closing(open_ledger(work.ledger_target, work.config.name)) as ledger:
            yield ledger

    def near_eval(signed: Callable[[], Iterable[pa.Table]], is_eval: assignment.Flags) -> assignment.Flags:
        options = work.config.split
        return assignment.near_eval(lambda: assignment.blocks_of(signed()), is_eval, options.similarity, work.exchange)

    return planning.OtherStages(spending, near_eval)


def _held_back(work: Workspace, reason: str, version: str) -> str:
    return f"no version was made, for {reason}; labelmill publish {work.config.in_commands} would make {version}"


def _incomplete(work: Workspace, options: RunOptions) -> str | None:
    """Return why articles have no outcome yet, None where all have one; to be rejected by the endpoint for good is one."""
    if options.limit is not None:
        return f"this run was limited to {options.limit:,} articles"
    progress = label_state.progress(work, read_order(work.articles))
    return None if progress.is_over else str(progress)


# --- what is up to date ---


@looked_at()
def states(work: Workspace) -> dict[str, str]:
    """Return the state of each stage that makes rows, by its name.

    It is `done`, `not run`, `2 of 5 shards`, `stale: filters changed`, `stale: filter is stale`, or `unknown until run`.  Takedowns
    that came since make nothing stale: publishing applies them.
    """
    return dict(_states(work))


def is_ready_to_publish(work: Workspace) -> bool:
    """Whether the rows of all stages are up to date, so that a version can be made without a run."""
    return all(state in (DONE, UNKNOWN) for state in states(work).values())


def _states(work: Workspace) -> Iterator[tuple[str, str]]:
    """Yield the stages in order with their states; a stage is looked at only when it is drawn."""
    shards = read_json(work.articles.path / "_order.json") or []
    stale: str | None = None
    for stage in stages_of(work):
        state = stage.state(work, shards) if shards or stage.name == "collect" else NOT_RUN
        if stale and (state in (DONE, UNKNOWN) or state.startswith("stale")):
            state = f"stale: {stale} is stale"
        elif state.startswith("stale"):
            stale = stage.name
        yield stage.name, state


@looked_at()
def _check_ready(work: Workspace, first: str) -> None:
    """Raise InputError where a stage before `first` would make other rows than those that are there."""
    if read_json(work.articles.path / "_order.json") is None:
        return  # `first` tells that nothing was collected
    for name, state in _states(work):
        if name == first:
            return
        if state not in (DONE, UNKNOWN):
            raise InputError(
                f"{work.config.file}: {first} needs what {name} makes, and that is not up to date ({state}); run: labelmill "
                f"run {work.config.in_commands} --from {name} (with the --set of the run that made it, if it had any)"
            )


def _label_alone(work: Workspace) -> None:
    """Ask what is to be asked in a job within a job, and clean the answers."""
    label.run(work, WHOLE_RUN)
    clean.run(work)


def run_topics(work: Workspace, refit: bool = False, named: bool = True) -> None:
    """Collect, filter and group the articles into topics, whether or not the job file has the section; nothing is labelled."""
    run(work, RunOptions(last="filter"))
    with work.locked(), closing(work.engine):
        topics.run(work, _label_alone if named else None, refit)


@looked_at()
def status(work: Workspace) -> dict[str, Any]:
    """Return each stage's rows in, kept and rejected by reason, its cost and state; nothing is run, nothing is written."""
    order = read_json(work.articles.path / "_order.json") or []
    (ledger, batches, workers), stage_states = _ledger_totals(work, order), states(work)
    stages = [_stage_status(work, stage, order, stage_states[stage.name]) for stage in stages_of(work)]
    label_row = next(row for row in stages if row["stage"] == "label")
    label_row["cost_usd"] = ledger["cost_usd"] if not ledger["unpriced"] else None
    label_row |= {name: ledger.pop(name) for name in ("cost_of_labels_usd", "unpriced_models")}
    progress = label_state.progress(work, order)
    if progress.under_way or stage_states["label"] == DONE:
        label_row |= _under_way(progress)
    changes = read_json(work.articles.path / "_changes.json")
    by_source = named(work, read_json(work.articles.path / "_sources.json") or [])
    return {"job": work.config.name, "path": str(work.path), "stages": [*stages, _publish_status(work, stage_states)],
            "ledger": ledger, "batches": batches, "workers": workers, "sources": changes, "by_source": by_source,
            "topics": topic_costs.paid(work), "paused": progress.paused, "labels": labels_by_run(work, order)}  # fmt: skip


def _stage_status(work: Workspace, stage: Stage, order: list[str], state: str) -> dict[str, Any]:
    tally = stage.folder(work).tally(order)
    return {
        "stage": stage.name,
        "rows": tally.rows,
        "kept": tally.kept,
        "rejected": dict(tally.rejected.most_common()),
        "waiting": tally.waiting,
        "notes": dict(tally.notes),
        "seconds": round(tally.seconds, 1),
        "state": state,
    }


def _under_way(progress: label_state.Progress) -> dict[str, Any]:
    """Return what replaces the counts of finished shards while articles wait."""
    if progress.is_over:
        return {}
    settled = progress.articles - progress.waiting
    return {"rows": settled, "kept": settled, "waiting": progress.waiting, "state": str(progress)}


def _ledger_totals(
    work: Workspace, order: list[str]
) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what the ledger adds up to, how each batch stands, and who asks at this moment."""
    if not has_ledger(work):
        return {"records": 0, "articles": 0, "answered": 0, "rejected": 0, "cost_usd": 0, "unpriced": 0,
                "cost_of_labels_usd": 0, "unpriced_models": []}, [], []  # fmt: skip
    with opened_ledger(work) as ledger:
        totals = ledger.report.totals()
        workers = [asdict(worker) | {"adds": worker.adds} for worker in ledger.workers.all()]
        return totals | cost_of_labels(work, ledger, order, totals), batch_rows(ledger), workers


def _publish_status(work: Workspace, stage_states: dict[str, str]) -> dict[str, Any]:
    last = store.latest(work.versions)
    manifest = store.read_manifest(last) if last else {}
    rows = sum(manifest.get("rows", {}).values())
    state = f"version {last.name}{_behind(work, manifest, stage_states)}" if last else NOT_RUN
    return {"stage": PUBLISH, "rows": rows, "kept": rows, "rejected": {}, "waiting": 0, "seconds": 0.0,
            "notes": manifest.get("rows", {}), "state": state}  # fmt: skip


def _behind(work: Workspace, manifest: dict[str, Any], stage_states: dict[str, str]) -> str:
    """Return what stands between the last version and the rows of now, to be appended to its name."""
    if stale := next((name for name, state in stage_states.items() if state not in (DONE, UNKNOWN)), None):
        return f", {stale} is not up to date"
    return "" if manifest["inputs"] == planning.inputs_of(work) else ", rows changed since"


def plan_version(work: Workspace, options: RunOptions = WHOLE_RUN) -> planning.Plan:
    """Plan what `publish` would write, with nothing written."""
    read_order(work.articles)  # no folder is made for a job that never ran
    with work.locked(), looked_at():
        _check_ready(work, PUBLISH)
        return publish.plan(work, other_stages(work), options.version)
