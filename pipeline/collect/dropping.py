"""Rows that leave a built unit, or come back to it, because another unit or a takedown changed.

The rows that stay are those of the shards on disk: a program that reads better than the one that built the unit must not change
what is paid for and published because somebody took one article down.  Only a row that comes back is read, for its text is
nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.collect.units import (
    DROPPED,
    Drops,
    Record,
    RowKey,
    RowsSeen,
    SourceUnit,
    article_table,
    build,
    record_of,
    rows_of,
    shard_key,
    write_record,
)
from pipeline.core.shards import ARTICLE, REJECTED, Folder, Output, rejected_table
from pipeline.core.types import Article
from pipeline.job.given_texts import GivenTexts


def apply(folder: Folder, entry: SourceUnit, drops: Drops, progress: Any) -> None:
    """Bring the shards of a built unit in line with the rows to drop; its record is written last."""
    record = record_of(folder, entry.unit.name)
    assert record is not None, "it was built before its drops were known"
    returning = _Returning(entry)
    for number, shard in enumerate(record["shards"]):
        started = time.monotonic()
        output = _without(folder, shard, record, drops, returning)
        if returning.is_lost:
            build(folder, entry, progress)
            return apply(folder, entry, drops, progress)
        if output is not None:
            folder.write(shard, shard_key(entry, number, drops), {}, output, time.monotonic() - started)
    write_record(folder, entry, record, drops)


class _Returning:
    """Reads the rows of a unit that come back, in source order, from the source and once."""

    def __init__(self, entry: SourceUnit) -> None:
        self._entry = entry
        self._rows: Iterator[Any] | None = None
        self.is_lost = False  # a row is not where it was: the reader of now counts otherwise than that of then

    def articles(self, keys: set[RowKey]) -> list[Article]:
        """Return the articles at these places, which come after those of the last call."""
        if keys and self._rows is None:
            self._rows = rows_of(self._entry, RowsSeen.of(self._entry.options))
        articles: list[Article] = []
        for row in self._rows or () if keys else ():
            if (row.source, row.line) in keys and isinstance(row, Article):
                articles.append(row)
                if len(articles) == len(keys):
                    break
        self.is_lost = len(articles) < len(keys)
        return articles


def _without(folder: Folder, shard: str, record: Record, drops: Drops, returning: _Returning) -> Output | None:
    """Return a shard as it is with these drops, None where it is so already."""
    places = _places(folder.read(shard, ["source", "line"]))
    rejected = folder.read_rejected(shard).to_pylist()
    leaving = [at for at, origin in enumerate(places) if origin in drops]
    dropped = {(row["source"], row["line"]): row for row in rejected if row["reason"] in DROPPED}
    coming = returning.articles(dropped.keys() - drops.keys())
    reasons = {origin: (row["reason"], row["detail"]) for origin, row in dropped.items()}
    if not (leaving or coming) and all(reasons[origin] == drops[origin] for origin in reasons):
        return None
    if coming:
        GivenTexts.beside(folder.path).write(shard, coming, further=True)
    kept = folder.read(shard)
    left_rows = kept.take(pa.array(leaving, pa.int64())).select(["id", "source", "line", "text_sha256"]).to_pylist()
    back = {(article.source, article.line) for article in coming}
    staying = [row for row in rejected if (row["source"], row["line"]) not in back]
    for row in (*staying, *left_rows):
        if (origin := (row["source"], row["line"])) in drops and row.get("reason") in (None, *DROPPED):
            row["reason"], row["detail"] = drops[origin]
    order: list[str] = record.get("sources") or record["files"]
    mask = pa.array(np.isin(np.arange(kept.num_rows), leaving, invert=True))
    whole = pa.concat_tables([kept.filter(mask), article_table(coming).select(kept.column_names)])
    schema = pa.schema([ARTICLE.field(name) for name in whole.column_names])
    dropped_rows = _in_order(rejected_table([*staying, *left_rows]), order, REJECTED)
    return Output(_in_order(whole, order, schema), dropped_rows)


def _places(table: pa.Table) -> list[RowKey]:
    return list(zip(table.column("source").to_pylist(), table.column("line").to_pylist(), strict=True))


def _in_order(table: pa.Table, sources: Sequence[str], schema: pa.Schema) -> pa.Table:
    """Return rows as they were read: by their source's place in the unit, and their line."""
    position = pc.fill_null(pc.index_in(table.column("source"), pa.array(sources, pa.string())), len(sources))
    rows = table.take(np.lexsort((table.column("line").to_numpy(), position.to_numpy())))
    # anew, as `build` does: what was read from Parquet names the elements of lists otherwise, and makes a file of other bytes
    return pa.Table.from_pylist(rows.to_pylist(), schema=schema)
