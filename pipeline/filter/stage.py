"""filter: `articles/` -> `filtered/`, with what the filters found as added columns.

Three steps, so that each shard's text is judged once although some filters must look across shards: *decide* (a map:
what each filter finds for each row, without the text), *fold* (over the decisions of all shards), *emit* (a map:
articles + decisions + fold -> kept and rejected rows).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core import plugins
from pipeline.core.contracts import Filter
from pipeline.core.options import in_key
from pipeline.core.shards import REJECTED, Output, read_order
from pipeline.engines.local import map_shards
from pipeline.engines.steps import Step, state_of
from pipeline.job.workspace import Workspace

VERSION = 1
Drops = dict[int, tuple[str, str]]  # row of a shard -> reason, detail


def run(work: Workspace) -> None:
    """Bring `filtered/` up to date with `articles/`."""
    shards, filters = read_order(work.articles), _LazyFilters(work)
    deciding, emitting = _steps(work, shards, filters)
    map_shards(
        deciding,
        shards,
        transform=lambda shard: Output(decide(work.articles.read(shard), filters.all())),
        progress=work.progress("filter", len(shards), "shards"),
    )
    drops = dict(zip(shards, fold(work, shards, filters), strict=True))
    map_shards(
        replace(emitting, extra=lambda shard: sorted(drops[shard].items())),
        shards,
        transform=lambda shard: emit(work.articles.read(shard), work.decisions.read(shard), drops[shard], filters),
        progress=work.progress("filter", len(shards), "shards"),
    )


def state(work: Workspace, shards: Sequence[str]) -> str:
    """Whether `filtered/` is up to date with `articles/` and the job file."""
    return state_of(_steps(work, shards, _LazyFilters(work)), shards)


def _steps(work: Workspace, shards: Sequence[str], filters: _LazyFilters) -> tuple[Step, Step]:
    """*decide* and *emit*, the latter without what the fold will say of each shard."""
    specs = [in_key(options, mode="json") for options in work.config.filter_options]
    deciding = Step(work.decisions, [work.articles], [VERSION, specs], "filters changed")
    emitting = Step(
        work.filtered,
        [work.articles, work.decisions],
        VERSION,
        "filters changed",
        extra=lambda shard: [],
        fold=(lambda: {"decisions": [work.decisions.digest(shard) for shard in shards]}) if filters.folding else None,
    )
    return deciding, emitting


class _LazyFilters:
    """The job's filters; their models are loaded when a shard must be judged, not to find that nothing is to do."""

    def __init__(self, work: Workspace) -> None:
        self._specs = list(zip(work.config.filters, work.config.filter_options, strict=True))
        self.classes = [plugins.load("filters", spec.type).Filter for spec, _ in self._specs]
        self.folding = [position for position, cls in enumerate(self.classes) if cls.folds()]
        self._made: dict[int, Filter] = {}

    def __getitem__(self, position: int) -> Filter:
        if position not in self._made:
            self._made[position] = self.classes[position](self._specs[position][1])
        return self._made[position]

    def all(self) -> list[Filter]:
        return [self[position] for position in range(len(self.classes))]

    @property
    def public_columns(self) -> list[pa.Field]:
        """What filters add to a row; the columns of a folding filter are its own business."""
        return [field for cls in self.classes if not cls.folds() for field in cls.columns]


# --- decide ---


def decide(articles: pa.Table, filters: Sequence[Filter]) -> pa.Table:
    """One row an article: `stop`, the position of the filter that rejects it by itself (else null), its `reason`, and
    the columns of the filters that saw it (a filter does not see what an earlier one rejected)."""
    count = articles.num_rows
    stop = np.full(count, -1, dtype=np.int16)
    reasons: list[str | None] = [None] * count
    columns: dict[str, pa.Array] = {}
    for position, chosen in enumerate(filters):
        rows = np.flatnonzero(stop < 0)
        found, added = chosen.decide(articles if len(rows) == count else articles.take(rows))
        for field in chosen.columns:
            columns[field.name] = _spread(added[field.name], rows, count, field.type)
        for row, reason in zip(rows, found, strict=True):
            if reason is not None:
                stop[row], reasons[row] = position, reason
    stops = pa.array(stop, mask=stop < 0)
    return pa.table({"stop": stops, "reason": pa.array(reasons, pa.string()), **columns})


def _spread(values: Sequence[Any], rows: Any, count: int, kind: pa.DataType) -> pa.Array:
    """Values of some rows as a column of all rows, null elsewhere."""
    if len(rows) == count:
        return pa.array(values, kind)
    whole: list[Any] = [None] * count
    for row, value in zip(rows, values, strict=True):
        whole[row] = value
    return pa.array(whole, kind)


# --- fold ---


def fold(work: Workspace, shards: Sequence[str], filters: _LazyFilters) -> list[Drops]:
    """For each shard the rows that a filter drops after looking at all of them, in the order of the chain."""
    drops: list[Drops] = [{} for _ in shards]
    if not shards or not filters.folding:
        return drops
    names = {name for position in filters.folding for name in filters.classes[position].columns.names}
    parts = [_decisions_with_id(work, shard, sorted(names)) for shard in shards]
    table = pa.concat_tables(parts)
    starts = np.cumsum([0, *(part.num_rows for part in parts)])
    stop = np.asarray(table.column("stop").fill_null(len(filters.classes)))
    alive = np.ones(len(stop), dtype=bool)
    for position in filters.folding:
        rows = np.flatnonzero(alive & (stop > position))
        for found, why in filters[position].fold(table.take(rows)).items():
            row = int(rows[found])
            alive[row] = False
            shard = int(np.searchsorted(starts, row, side="right")) - 1
            drops[shard][row - int(starts[shard])] = why
    return drops


def _decisions_with_id(work: Workspace, shard: str, names: Sequence[str]) -> pa.Table:
    decisions = work.decisions.read(shard, ["stop", *names])
    return decisions.append_column("id", work.articles.read(shard, ["id"]).column("id"))


# --- emit ---


def emit(articles: pa.Table, decisions: pa.Table, drops: Drops, filters: _LazyFilters) -> Output:
    """Kept rows with the filters' columns; rejected rows with reason, detail and the same columns."""
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


def _with_columns(articles: pa.Table, found: dict[str, Any]) -> pa.Table:
    """Articles with `language` and `tokens`, whatever the filters are, and with what else these found."""
    language = articles.column("declared_language")
    if "language" in found:
        language = pc.coalesce(found["language"], language)
    columns = {"language": language, "tokens": pa.nulls(articles.num_rows, pa.int64())}
    for name, values in (columns | found | {"language": language}).items():
        articles = articles.append_column(name, values)
    return articles


def _details(decisions: pa.Table, filters: _LazyFilters) -> dict[int, str]:
    """Row -> what its rejecting filter saw, as `column=value`."""
    rows = np.flatnonzero(np.asarray(decisions.column("stop").is_valid()))
    names = [cls.columns.names for cls in filters.classes]
    seen = decisions.take(rows).to_pylist()
    return {
        int(row): " ".join(f"{name}={values[name]}" for name in names[values["stop"]])
        for row, values in zip(rows, seen, strict=True)
    }
