"""Rows of `articles/` that are dropped because an earlier one has their id, or because they were taken down.

Ids were once decided while reading, in source order. That is one pass fewer, but a file that vanishes brings an id back in a
later file, whose text is then needed again; the fold makes growing and first runs the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.collect.units import DROPPED, Drops, Record, SourceUnit, record_of
from pipeline.core.errors import InputError
from pipeline.core.exchange import ROW, Exchange, FoldOutcomes, bucket_of, repeats
from pipeline.core.shards import ARTICLE, Folder
from pipeline.job import takedowns

# the columns that the fold reads
_ROWS = pa.schema([ARTICLE.field(name) for name in ("source", "line", "id", "text_sha256")])
_ROW_BYTES = 160  # of a row of a bucket, more or less
_VERDICT = pa.schema(
    [ROW, ARTICLE.field("source"), ARTICLE.field("line"), ("reason", pa.string()), ("detail", pa.string())]
)


def fold(
    folder: Folder, entries: Sequence[SourceUnit], taken_down: takedowns.Takedowns, exchange: Exchange
) -> Iterator[Drops]:
    """Yield for each unit the rows to drop: taken down, or with the id of an earlier row.

    The reason is `duplicate_id` for the same text and `id_conflict` for another one.
    """
    records = [_record(folder, entry) for entry in entries]
    tallies = [folder.tally(record["shards"]) for record in records]
    count = exchange.count(sum(tally.rows for tally in tallies), _ROW_BYTES)
    sizes, removed, start = list[int](), list[pa.Table](), 0
    with exchange.buckets(pa.schema([ROW, *_ROWS]), count) as buckets:
        for entry, record in zip(entries, records, strict=True):
            begin = start
            for rows in _tables(folder, record, record.get("sources", entry.unit.labels)):
                numbered = rows.add_column(0, ROW, pa.array(np.arange(start, start + rows.num_rows)))
                buckets.add(numbered, bucket_of(rows.column("id"), count))
                if (taken := numbered.filter(taken_down.concerns(rows))).num_rows:
                    removed.append(taken)
                start += rows.num_rows
            sizes.append(start - begin)
        with FoldOutcomes(exchange, _VERDICT, sizes) as verdicts:
            for bucket in range(count):
                for later, first in repeats(buckets.parts(bucket), "id"):
                    verdicts.add(_repeated(later, first))
            for rows in removed:
                verdicts.add(_verdicts(rows, pa.array(["taken_down"] * rows.num_rows, pa.string()), ""))
            for unit in range(len(entries)):
                yield _as_drops(verdicts.of(unit))


def _record(folder: Folder, entry: SourceUnit) -> Record:
    record = record_of(folder, entry.unit.name)
    if record is None:
        raise InputError(f"{folder.path}: unit {entry.unit.name} is damaged; run again")
    return record


def _tables(folder: Folder, record: Record, sources: Sequence[str]) -> Iterator[pa.Table]:
    """Yield source, line, id and text digest of every usable row of a unit, in source order, dropped rows included."""
    for shard in record["shards"]:
        rejected = folder.read_rejected(shard, [*_ROWS.names, "reason"])
        dropped = rejected.filter(pc.is_in(rejected.column("reason"), pa.array(DROPPED))).select(_ROWS.names)
        rows = pa.concat_tables([folder.read(shard, _ROWS.names), dropped])
        if dropped.num_rows:  # else they are in source order
            position = pc.fill_null(pc.index_in(rows.column("source"), pa.array(sources, pa.string())), len(sources))
            rows = rows.take(np.lexsort((rows.column("line").to_numpy(), position.to_numpy())))
        yield rows.cast(_ROWS)


def _repeated(later: pa.Table, first: pa.Table) -> pa.Table:
    is_same = pc.equal(later.column("text_sha256"), first.column("text_sha256"))
    origins = pc.binary_join_element_wise(first.column("source"), pc.cast(first.column("line"), pa.string()), ":")
    details = pc.binary_join_element_wise("the id stands at ", origins, " already", "")
    return _verdicts(later, pc.if_else(is_same, "duplicate_id", "id_conflict"), details)


def _verdicts(rows: pa.Table, reasons: pa.Array, details: pa.ChunkedArray | str) -> pa.Table:
    if isinstance(details, str):
        details = pa.array([details] * rows.num_rows, pa.string())
    return pa.table([*rows.select(["row", "source", "line"]).columns, reasons, details], schema=_VERDICT)


def _as_drops(verdicts: pa.Table) -> Drops:
    """Return the verdicts on a unit's rows; where there are two on a row, the later one."""
    names = ("source", "line", "reason", "detail")
    columns = (verdicts.column(name).to_pylist() for name in names)
    return {(source, line): (reason, detail) for source, line, reason, detail in zip(*columns, strict=True)}
