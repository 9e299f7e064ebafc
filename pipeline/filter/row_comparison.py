"""What filters drop after looking at all rows of a job: by `Filter.unique` bucket by bucket, by `Filter.fold` in one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.contracts import Filter
from pipeline.core.exchange import ROW, FoldOutcomes, bucket_of, repeats
from pipeline.job.workspace import Workspace

Drops = dict[int, tuple[str, str]]  # row of a shard -> reason, detail
_VERDICT = pa.schema([ROW, ("reason", pa.string()), ("detail", pa.string())])
_KEY_BYTES = 64  # of a row of a bucket: its number, its id, a digest, more or less


@contextmanager
def folded(
    work: Workspace, shards: Sequence[str], classes: Sequence[type[Filter]], made: Callable[[int], Filter]
) -> Iterator[Callable[[str], Drops]]:
    """Fold all decisions, and give a function that returns what a shard's rows are dropped for, in the order of the chain.

    `made` returns the filter of a position.
    """
    fold_positions = [position for position, cls in enumerate(classes) if cls.folds()]
    sizes = [work.decisions.tally([shard]).kept if fold_positions else 0 for shard in shards]
    numbers = {shard: number for number, shard in enumerate(shards)}
    with FoldOutcomes(work.exchange, _VERDICT, sizes) as verdicts:
        dropped = np.zeros(sum(sizes), bool)
        for position in fold_positions:
            rows = _Rows(work, shards, sizes, classes[position], position, dropped)
            for drops in chain(_by_unique(rows, work), _by_fold(rows, made(position))):
                dropped[drops.column("row").to_numpy()] = True
                verdicts.add(drops)
        yield lambda shard: _as_dict(verdicts.of(numbers[shard]))


@dataclass(frozen=True)
class _Rows:
    """The rows that a folding filter looks at: those that none before it, and no earlier comparison of its own, has dropped."""

    work: Workspace
    shards: Sequence[str]
    sizes: Sequence[int]
    filter: type[Filter]
    position: int
    dropped: np.ndarray[Any, np.dtype[np.bool_]]

    def tables(self, columns: Sequence[str]) -> Iterator[tuple[pa.Array, pa.Table]]:
        """Yield for each shard the numbers of its rows, and `id`, `stop` and these columns."""
        starts = np.cumsum([0, *self.sizes])
        for shard, (begin, end) in zip(self.shards, pairwise(starts.tolist()), strict=True):
            decisions = self.work.decisions.read(shard, ["stop", *columns])
            stop = decisions.column("stop")
            stays = pc.fill_null(pc.greater(stop, self.position), True)
            stays = pc.and_(stays, pa.array(~self.dropped[begin:end]))
            ids = self.work.articles.read(shard, ["id"]).column("id")
            yield (
                pa.array(np.arange(begin, end)).filter(stays.combine_chunks()),
                decisions.add_column(0, "id", ids).filter(stays),
            )


def _by_fold(rows: _Rows, row_filter: Filter) -> Iterator[pa.Table]:
    """Yield what a filter says that looks at all rows at once: they are in memory."""
    if rows.filter.fold is Filter.fold or not rows.shards:
        return
    numbers, tables = zip(*rows.tables(sorted(rows.filter.columns.names)), strict=True)
    numbers_of = pa.chunked_array(numbers).to_numpy()
    drops = [(int(numbers_of[row]), *why) for row, why in row_filter.fold(pa.concat_tables(tables)).items()]
    columns = zip(*drops, strict=True) if drops else [[]] * len(_VERDICT)
    yield pa.table([list(column) for column in columns], schema=_VERDICT)


def _by_unique(rows: _Rows, work: Workspace) -> Iterator[pa.Table]:
    """Yield what has the value of an earlier row in one of the columns of `unique`, column by column; all are read once."""
    exchange, columns = work.exchange, rows.filter.unique
    if not columns:
        return
    count = exchange.count(sum(rows.sizes), _KEY_BYTES)
    with ExitStack() as stack:
        buckets = {
            name: stack.enter_context(exchange.buckets(_key_schema(rows.filter.columns.field(name).type), count))
            for name in columns
        }
        for numbers, table in rows.tables(sorted(columns)):
            for name, of_one in buckets.items():
                keys = pa.table([numbers, table.column("id"), table.column(name)], schema=of_one.schema)
                keys = keys.filter(keys.column("key").is_valid())
                of_one.add(keys, bucket_of(keys.column("key"), count))
        for name, reason in columns.items():
            for bucket in range(count):
                there = (
                    part.filter(pa.array(~rows.dropped[part.column("row")])) for part in buckets[name].parts(bucket)
                )
                for later, first in repeats(there, "key"):
                    yield _verdicts(later.column("row"), reason, first.column("id"))


def _key_schema(of_keys: pa.DataType) -> pa.Schema:
    return pa.schema([ROW, ("id", pa.string()), ("key", of_keys)])


def _verdicts(rows: pa.ChunkedArray, reason: str, ids: pa.ChunkedArray) -> pa.Table:
    details = pc.binary_join_element_wise("same as ", ids, "")
    return pa.table([rows, pa.array([reason] * len(rows), pa.string()), details], schema=_VERDICT)


def _as_dict(verdicts: pa.Table) -> Drops:
    columns = (verdicts.column(name).to_pylist() for name in _VERDICT.names)
    return {row: (reason, detail) for row, reason, detail in zip(*columns, strict=True)}
