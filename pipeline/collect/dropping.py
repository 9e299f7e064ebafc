"""Rows that leave a built unit, or come back to it, because another unit or a takedown changed.

The rows that stay are those of the shards on disk: a program that reads better than the one that built the unit must not change
what is paid for and published because somebody took one article down.  Only a row that comes back is read, for its text is
nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
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
    record_of,
    rows_of,
    shard_key,
    write_record,
)
from pipeline.core.shards import ARTICLE, REJECTED, Folder, Output, rejected_table
from pipeline.core.types import Article
from pipeline.job.given_texts import GivenTexts

NOT_READ_AGAIN = "not_read_again"  # the reader of now gives another row there than that of then, or none


def apply(folder: Folder, entry: SourceUnit, drops: Drops) -> None:
    """Bring the shards of a built unit in line with the rows to drop; its record is written last."""
    record = record_of(folder, entry.unit.name)
    assert record is not None, "it was built before its drops were known"
    dropped = {shard: _dropped(folder, shard) for shard in record["shards"]}
    returning = {key: row for rows in dropped.values() for key, row in rows.items() if key not in drops}
    articles = _read_again(entry, returning)
    for number, shard in enumerate(record["shards"]):
        started = time.monotonic()
        output = _without(folder, shard, record, drops, dropped[shard], articles)
        if output is not None:
            folder.write(shard, shard_key(entry, number, drops), {}, output, time.monotonic() - started)
    write_record(folder, entry, record, drops)


def _dropped(folder: Folder, shard: str) -> dict[RowKey, dict[str, Any]]:
    """Return where it stood -> each row of a shard that is out because of another one."""
    rows = folder.read_rejected(shard).to_pylist()
    return {(row["source"], row["line"]): row for row in rows if row["reason"] in DROPPED}


def _read_again(entry: SourceUnit, returning: dict[RowKey, dict[str, Any]]) -> dict[RowKey, Article]:
    """Return the articles of rows that come back, of those that the reader of now finds there as they were."""
    articles: dict[RowKey, Article] = {}
    if not returning:
        return articles
    for row in rows_of(entry, RowsSeen.of(entry.options)):
        key = (row.source, row.line)
        if isinstance(row, Article) and key in returning and _is_same(row, returning[key]):
            articles[key] = row
            if len(articles) == len(returning):
                break
    return articles


def _is_same(article: Article, row: dict[str, Any]) -> bool:
    """Tell whether an article is the row that was dropped: a reader that counts lines otherwise has another one there."""
    digests = {article.text_sha256, article.given.given_sha256 if article.given else None}
    return article.id == row["id"] and row["text_sha256"] in digests


def _without(
    folder: Folder,
    shard: str,
    record: Record,
    drops: Drops,
    dropped: dict[RowKey, dict[str, Any]],
    articles: dict[RowKey, Article],
) -> Output | None:
    """Return a shard as it is with these drops, None where it is so already."""
    places = _places(folder.read(shard, ["source", "line"]))
    rejected = folder.read_rejected(shard).to_pylist()
    leaving = [at for at, origin in enumerate(places) if origin in drops]
    returning = dropped.keys() - drops.keys()
    coming = [articles[origin] for origin in sorted(returning & articles.keys())]
    reasons = {origin: (row["reason"], row["detail"]) for origin, row in dropped.items()}
    if not (leaving or returning) and all(reasons[origin] == drops[origin] for origin in reasons):
        return None
    if coming:
        GivenTexts.beside(folder.path).write(shard, coming, further=True)
    kept = folder.read(shard)
    left_rows = kept.take(pa.array(leaving, pa.int64())).select(["id", "source", "line", "text_sha256"]).to_pylist()
    staying = [row for row in rejected if (row["source"], row["line"]) not in articles]
    for row in (*staying, *left_rows):
        origin = (row["source"], row["line"])
        if origin in drops and row.get("reason") in (None, *DROPPED):
            row["reason"], row["detail"] = drops[origin]
        elif origin in returning:
            row["reason"], row["detail"] = (
                NOT_READ_AGAIN,
                f"was {row['reason']}; collect --reread reads it as it is now",
            )
    GivenTexts.beside(folder.path).forget(
        [row["text_sha256"] for row in (*staying, *left_rows) if row.get("reason") == "taken_down"]
    )
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
