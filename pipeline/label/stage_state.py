"""How far the label stage is: whether `requests/` is up to date, and what has an outcome while a run is under way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.files import read_json
from pipeline.engines.steps import NOT_RUN, UNKNOWN, Step, state_of
from pipeline.job.workspace import Workspace
from pipeline.label.engine.monitor import paused_because
from pipeline.label.request_rows import SHARED
from pipeline.label.requests import RequestBuilder, identified
from pipeline.label.selection import ArticleSelection, Shortfall
from pipeline.label.sharing import log


def state(work: Workspace, shards: Sequence[str]) -> str:
    """Return whether `requests/` is up to date with articles, provider and prompt: NOT_RUN, UNKNOWN, or as `state_of` has it.

    Rows that wait change no state.
    """
    builder = identified(work)
    if builder is None:
        return UNKNOWN if any(work.requests.manifest(shard) for shard in shards) else NOT_RUN
    return state_of([_step(work, builder)], shards)


def _step(work: Workspace, builder: RequestBuilder) -> Step:
    def taken(shard: str) -> Any:
        manifest = work.requests.manifest(shard)
        return log.extra(work, manifest.kept, manifest.notes.get(SHARED, 0)) if manifest else None

    changed = "the labeller or its prompt changed"
    return Step(work.requests, [work.filtered], builder.step, changed, taken)


@dataclass(frozen=True)
class Progress:
    """How far the articles of a job are asked about; `waiting` ones have no outcome yet."""

    articles: int
    answered: int
    waiting: int
    failed: int  # got no answer; the next run asks them again
    under_way: bool  # the labeller of the job file asks, or was stopped before it had asked about all
    pid: int | None  # of a process that asks at this moment
    paused: str | None  # why the last run stopped before its end

    @property
    def is_over(self) -> bool:
        """Whether the stage has nothing left to do."""
        return not (self.waiting or self.failed or self.under_way)

    def __str__(self) -> str:
        failures = f", {self.failed:,} got no answer" if self.failed else ""
        activity = f", running ({self.pid})" if self.pid else f", paused: {self.paused}" if self.paused else ""
        return f"{self.answered:,} of {self.articles:,} answered, {self.waiting:,} wait{failures}{activity}"


def progress(work: Workspace, shards: Sequence[str]) -> Progress:
    """Return how far all articles are, those of shards under way included."""
    builder, articles = identified(work), work.filtered.tally(shards).kept
    if builder is None:
        return Progress(articles, 0, articles, 0, False, work.worked_on_by(), paused_because(work.events_file))
    step, noted = _step(work, builder), read_json(under_way_file(work)) or {}
    tally = work.requests.tally([shard for shard in shards if step.is_done(shard)])
    with_outcome, answered, failed = tally.kept, tally.notes["answered"], tally.notes["failed"]
    under_way = noted.get("run_id") == builder.run_id and with_outcome <= noted["settled"] <= articles
    if under_way:
        with_outcome, answered, failed = noted["settled"], noted["answered"], noted["failed"]
    pid = work.worked_on_by() if under_way else None
    paused = None if pid else paused_because(work.events_file)
    if work.config.label.until is not None:
        articles = max(with_outcome, tally.kept + selection(work, builder, shards).shortfall().count)
    return Progress(articles, answered, articles - with_outcome, failed, under_way, pid, paused)


def shortfall(work: Workspace, shards: Sequence[str]) -> Shortfall:
    """Return what `label.until` still lacks."""
    return selection(work, RequestBuilder(work), shards).shortfall()


def selection(work: Workspace, builder: RequestBuilder, shards: Sequence[str]) -> ArticleSelection:
    """Return the selection of a job's articles, by what was asked of this labeller before."""
    return ArticleSelection(work, builder.step, shards)


def under_way_file(work: Workspace) -> Path:
    """Return the file of how far the last process to label is; it exists until all of that is in `requests/`."""
    # written every few seconds: on this machine, wherever the tables lie
    return work.path / "requests" / "_under_way.json"
