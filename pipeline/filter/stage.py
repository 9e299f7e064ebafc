"""filter: `articles/` -> `filtered/`, with the filters' findings as added columns.

Three steps, so that each shard's text is judged once although some filters must look across shards: *decide* (a map:
each filter's findings for each row, without the text), *fold* (over the decisions of all shards), *emit* (a map:
articles + decisions + fold -> kept and rejected rows).  Without decisions on disk, a fold that rebuilt the shards in which it
found a duplicate judged every text twice where most shards hold one.

A filter's version is noted beside a shard's decisions and is no part of their key: a program with a better filter leaves what was
judged, labelled and published as it is, and judges new and changed shards.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core import plugins
from pipeline.core.contracts import Filter
from pipeline.core.options import in_key
from pipeline.core.shards import REJECTED, Manifest, Output, read_order
from pipeline.engines.mapping import Transform, map_shards
from pipeline.engines.steps import Step, state_of
from pipeline.filter import earlier
from pipeline.filter.earlier import EarlierDecisions
from pipeline.filter.row_comparison import Drops, folded
from pipeline.job.run_options import RunOptions
from pipeline.job.workspace import Workspace

_log = logging.getLogger("labelmill.filter")
VERSION = 1


def run(work: Workspace, options: RunOptions) -> None:
    """Bring `filtered/` up to date with `articles/`; what an earlier version of a filter judged stays, but for `rejudge`."""
    shards, filters = read_order(work.articles), _LazyFilters(work)
    _look_at_earlier(work, shards, filters, options.rejudge)
    deciding, emitting = _steps(work, shards, filters)
    progress = partial(work.progress, "filter", len(shards), "shards")
    map_shards(work.engine, deciding, shards, partial(_decider, work, deciding.config), progress())
    with folded(work, shards, filters.classes, filters.__getitem__) as drops:
        emitting = replace(emitting, extra=lambda shard: sorted(drops(shard).items()))
        map_shards(work.engine, emitting, shards, partial(_emitter, work), progress(), says=drops)


def state(work: Workspace, shards: Sequence[str]) -> str:
    """Return the state of `filtered/` against `articles/` and the job file (`steps.Step.state`)."""
    return state_of(_steps(work, shards, _LazyFilters(work)), shards)


def _steps(work: Workspace, shards: Sequence[str], filters: _LazyFilters) -> tuple[Step, Step]:
    """Return the steps *decide* and *emit*, the latter without what the fold will say of each shard."""
    specs = [in_key(options, mode="json") for options in work.config.filter_options]
    deciding = Step(work.decisions, [work.articles], [VERSION, specs], "filters changed")
    emitting = Step(
        work.filter_output,
        [work.articles, work.decisions],
        VERSION,
        "filters changed",
        extra=lambda shard: [],
        fold=(lambda: {"decisions": [work.decisions.digest(shard) for shard in shards]})
        if filters.fold_positions
        else None,
    )
    return deciding, emitting


def _look_at_earlier(work: Workspace, shards: Sequence[str], filters: _LazyFilters, rejudge: bool) -> None:
    """Forget what earlier versions of the filters decided, so that it is decided anew, or only say that there is such."""
    earlier = [shard for shard in shards if filters.are_newer_than(work.decisions.manifest(shard))]
    if rejudge:
        for shard in earlier:
            work.decisions.forget(shard)
    elif earlier:
        _log.info(
            f"filter: {len(earlier):,} of {len(shards):,} shards keep what an earlier version of the filters decided; "
            f"to judge them anew: labelmill filter {work.config.file} --rejudge"
        )


class _LazyFilters:
    """The job's filters; their models are loaded when a shard must be judged, not to find that nothing is to do."""

    def __init__(self, work: Workspace) -> None:
        self._specs = list(zip(work.config.filters, work.config.filter_options, strict=True))
        self.classes = [plugins.load("filters", spec.type).Filter for spec, _ in self._specs]
        self.fold_positions = [position for position, cls in enumerate(self.classes) if cls.folds()]
        self._made: dict[int, Filter] = {}

    def __getitem__(self, position: int) -> Filter:
        if position not in self._made:
            self._made[position] = self.classes[position](self._specs[position][1])
        return self._made[position]

    def all(self) -> list[Filter]:
        return [self[position] for position in range(len(self.classes))]

    @property
    def versions(self) -> dict[str, int]:
        """Return the filters' versions as they are noted beside decisions; those that were never anything but 1 are left out."""
        versions = dict[str, int]()
        for (spec, options), cls in zip(self._specs, self.classes, strict=True):
            versions[spec.type] = max(versions.get(spec.type, 1), options.version_of(cls.version))
        return {name: version for name, version in versions.items() if version > 1}

    def are_newer_than(self, decisions: Manifest | None) -> bool:
        """Return whether a shard was judged by an earlier version of one of the filters."""
        noted = decisions.notes if decisions else self.versions
        return any(noted.get(name, 1) < version for name, version in self.versions.items())

    def newer_than(self, before: EarlierDecisions | None) -> list[int]:
        """Return the positions of the filters that judge rows by themselves and are newer than those that decided before."""
        kinds = enumerate(zip(self._specs, self.classes, strict=True))
        noted = before.versions if before else {}
        return [
            at
            for at, ((spec, options), cls) in kinds
            if not cls.folds() and noted.get(spec.type, 1) < options.version_of(cls.version)
        ]

    @property
    def public_columns(self) -> list[pa.Field]:
        """Return the columns that filters add to a row; those of a folding filter are its own business."""
        return [field for cls in self.classes if not cls.folds() for field in cls.columns]


# --- decide ---


def _decider(work: Workspace, config: Any) -> Transform:
    filters = _LazyFilters(work)
    return lambda shard, _: _decided(work, shard, config, filters)


def _decided(work: Workspace, shard: str, config: Any, filters: _LazyFilters) -> Output:
    """Return the decisions on a shard; those of an earlier version stay for the rows that it has seen as they are."""
    former, articles = work.decisions.manifest(shard), work.articles.read(shard)
    names = [field.name for field in filters.public_columns]
    before = earlier.decisions(work, shard, config, names) if filters.are_newer_than(former) else None
    before = before if before and before.has_all(articles) else None
    decided = decide(articles, filters.all(), before, filters.newer_than(before))
    return Output(decided, notes=filters.versions if before is None else before.versions)


def decide(
    articles: pa.Table,
    filters: Sequence[Filter],
    before: EarlierDecisions | None = None,
    newer: Collection[int] = (),
) -> pa.Table:
    """Return one row an article: `stop`, `reason` and the columns of the filters that saw it.

    `stop` is the position of the filter that rejects the article by itself, else null.  A filter does not see what an earlier
    one rejected; its columns are null there.  Filters at `newer` positions judge only what `before` does not tell.
    """
    count = articles.num_rows
    stop = np.full(count, -1, dtype=np.int16)
    reasons: list[str | None] = [None] * count
    columns: dict[str, pa.Array] = {}
    for position, row_filter in enumerate(filters):
        rows = np.flatnonzero(stop < 0)
        some = articles if len(rows) == count else articles.take(rows)
        if before is not None and position in newer:
            row_reasons, added = _judged_further(some, row_filter, before)
        else:
            row_reasons, added = row_filter.decide(some)
        for field in row_filter.columns:
            columns[field.name] = _spread(added[field.name], rows, count, field.type)
        for row, reason in zip(rows, row_reasons, strict=True):
            if reason is not None:
                stop[row], reasons[row] = position, reason
    stops = pa.array(stop, mask=stop < 0)
    return pa.table({"stop": stops, "reason": pa.array(reasons, pa.string()), **columns})


def _judged_further(
    articles: pa.Table, row_filter: Filter, before: EarlierDecisions
) -> tuple[list[str | None], dict[str, list[Any]]]:
    """Return a filter's reasons and columns: as they were decided before, and its own of the other articles."""
    names = row_filter.columns.names
    decided = before.of(articles, names)
    others = [row for row, decision in enumerate(decided) if decision is None]
    reasons = [decision[0] if decision else None for decision in decided]
    values = {name: [decision[1][name] if decision else None for decision in decided] for name in names}
    if others:
        own_reasons, own_values = row_filter.decide(articles.take(others))
        for at, row in enumerate(others):
            reasons[row] = own_reasons[at]
            for name in names:
                values[name][row] = own_values[name][at]
    return reasons, values


def _spread(values: Sequence[Any], rows: Any, count: int, kind: pa.DataType) -> pa.Array:
    """Return values of some rows as a column of all rows, null elsewhere."""
    if len(rows) == count:
        return pa.array(values, kind)
    whole: list[Any] = [None] * count
    for row, value in zip(rows, values, strict=True):
        whole[row] = value
    return pa.array(whole, kind)


# --- emit ---


def _emitter(work: Workspace) -> Transform:
    filters = _LazyFilters(work)
    return lambda shard, drops: emit(work.articles.read(shard), work.decisions.read(shard), drops, filters)


def emit(articles: pa.Table, decisions: pa.Table, drops: Drops, filters: _LazyFilters) -> Output:
    """Return kept rows with the filters' columns, and rejected rows with reason, detail and the same columns."""
    reasons = decisions.column("reason").to_pylist()
    details = _details(decisions, filters)
    for row, (reason, detail) in drops.items():
        reasons[row], details[row] = reason, detail
    rejected_rows = [row for row, reason in enumerate(reasons) if reason is not None]
    kept_rows = [row for row, reason in enumerate(reasons) if reason is None]
    whole = _with_columns(articles, {field.name: decisions.column(field.name) for field in filters.public_columns})
    rejected = whole.take(pa.array(rejected_rows, pa.int64())).select(
        [n for n in whole.column_names if n not in ("text", "reason", "detail")]
    )
    rejected = rejected.append_column("reason", pa.array([reasons[row] for row in rejected_rows], pa.string()))
    rejected = rejected.append_column("detail", pa.array([details.get(row) for row in rejected_rows], pa.string()))
    order = [*REJECTED.names, *(name for name in rejected.column_names if name not in REJECTED.names)]
    return Output(whole.take(pa.array(kept_rows, pa.int64())), rejected.select(order))


def _with_columns(articles: pa.Table, findings: dict[str, Any]) -> pa.Table:
    """Return articles with `language` and `tokens`, whatever the filters are, and with the filters' other columns."""
    language = articles.column("declared_language")
    if "language" in findings:
        language = pc.coalesce(findings["language"], language)
    columns = {"language": language, "tokens": pa.nulls(articles.num_rows, pa.int64())}
    for name, values in (columns | findings | {"language": language}).items():
        articles = articles.append_column(name, values)
    return articles


def _details(decisions: pa.Table, filters: _LazyFilters) -> dict[int, str]:
    """Return row -> what its rejecting filter saw, as `column=value`."""
    rows = np.flatnonzero(np.asarray(decisions.column("stop").is_valid()))
    names = [cls.columns.names for cls in filters.classes]
    seen = decisions.take(rows).to_pylist()
    return {
        int(row): " ".join(f"{name}={values[name]}" for name in names[values["stop"]])
        for row, values in zip(rows, seen, strict=True)
    }
