"""Rows of a version: their columns, the spans of phrases, the index that gates look at, and digests that tell changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.clean.offsets import offsets
from pipeline.core.exchange import hashes
from pipeline.core.shards import OFFSETS, label_fields
from pipeline.core.types import LabelColumn
from pipeline.job.label_table import SHARED_FROM
from pipeline.versions import json_rows, map_topics
from pipeline.versions.forms import Nfc
from pipeline.versions.row_numbers import NUMBERS, row_numbers

SPLITS = ("train", "eval")
_HEAD = ("id", "group_id", "text_sha256", "source", "licence", "url", "published_at", "language")
TEXT = ("title", "text")  # left out where only labels may be published
_TAIL = ("status", "label_source", "run_id", "added_in", "changed_in")
_ARTICLE = ("group_id", "text_sha256", "licence", "url", "published_at", "language", "title")


def schema(column: LabelColumn, with_text: bool = True, shared: bool = False, topics: bool = False) -> pa.Schema:
    """Return the schema of a version's rows; `shared`: some of them share the answer about a near-copy; `topics`: they tell theirs.

    `offsets` has for each phrase `[start, end]` in code points of `text`, where it stands first, or `[]`; title and text are
    left out where only labels may be published.
    """
    texts = (*_HEAD, *(TEXT if with_text else ()))
    return pa.schema(
        [
            *((name, pa.string()) for name in texts),
            *label_fields(column),
            *((name, pa.string()) for name in _TAIL),
            *([(SHARED_FROM, pa.string())] if shared else []),
            *(map_topics.COLUMNS.items() if topics else ()),
        ]
    )


def build(articles: pa.Table, labels: pa.Table, splits: pa.Table, column: LabelColumn) -> pa.Table:
    """Return rows with the columns of `schema` but `added_in` and `changed_in`, and with `split`.

    The tables have the same ids in the same order.  Of articles without title and text, which only labels are published of, rows
    have none either; their labels have all offsets.
    """
    columns_of_all = schema(column, "text" in articles.column_names, SHARED_FROM in labels.column_names).names
    names = [name for name in columns_of_all if name not in ("offsets", "added_in", "changed_in")]
    tables = (labels, splits, articles)
    columns = {name: next(t for t in tables if name in t.column_names).column(name) for name in [*names, "split"]}
    if column.has_tiers:
        columns["offsets"] = _offsets(labels, columns, column)
    return pa.table(columns)


def has_offsets(labels: pa.Table, column: LabelColumn) -> bool:
    """Tell whether labels have all offsets that there are of them: none is found in a text."""
    if not column.has_tiers:
        return True
    return "offsets" in labels.column_names and not labels.column("offsets").null_count


def _offsets(labels: pa.Table, columns: dict[str, Any], column: LabelColumn) -> pa.ChunkedArray:
    """Return the offsets of `labels/`; computed where a shard of before lacks them, and where a person wrote a phrase."""
    if "offsets" not in labels.column_names:
        labels = labels.append_column("offsets", pa.nulls(labels.num_rows, OFFSETS))
    stored = labels.column("offsets")
    missing = np.flatnonzero(stored.is_null())
    if not len(missing):
        return stored
    values = (columns[name].take(pa.array(missing)).to_pylist() for name in (column.name, "tiers", "text"))
    return replaced(stored, missing, [offsets(*row) for row in zip(*values, strict=True)])


def replaced(column: pa.ChunkedArray, numbers: np.ndarray[Any, np.dtype[Any]], values: list[Any]) -> pa.ChunkedArray:
    """Return a column with other values in the rows of these numbers."""
    places = np.arange(len(column))
    places[numbers] = len(column) + np.arange(len(numbers))
    both = pa.chunked_array([*column.chunks, pa.array(values, column.type)], column.type)
    return both.combine_chunks().take(pa.array(places))


def with_ids_of(chosen: pa.Table, table: pa.Table) -> pa.Table:
    """Return the rows of a table with the ids of other rows, in the same order."""
    if table.column("id").equals(chosen.column("id")):
        return table  # no copy of the texts
    return table.filter(pc.is_in(table.column("id"), chosen.column("id").combine_chunks()))


# --- what the gates look at ---

_NAMES = ("split", "language", "licence", "source", "label_source", "run_id")  # few different values
INDEX = pa.schema(
    [
        ("id", pa.string()),
        *((name, pa.uint64()) for name in ("text", "group", "article", "label")),
        *((name, pa.dictionary(pa.int32(), pa.string())) for name in _NAMES),
        *((name, pa.int32()) for name in NUMBERS),
    ]
)


def index_rows(rows: pa.Table, column: LabelColumn, with_text: bool, nfc: Nfc | None = None) -> pa.Table:
    """Return what gates, manifest and the comparison with the last version look at (INDEX), some 120 bytes for each of `rows`.

    `rows` are those of `build`.  A row of the index has 64 bits that stand for its text, its group, its `article` and `label`;
    numbers (see `gates.Facts`; `characters` is the length of the text); and names.
    """
    # Numbers and dictionaries in place of texts: with them, signatures in one matrix and data files that keep no slice of a larger
    # table, publishing a million rows takes 0.6 GB, the upload included, where it took 1.15.
    columns = row_numbers(rows, column, with_text)
    columns |= {name: rows.column(name) for name in ("id", *_NAMES)}
    for name, of in (("text", "text_sha256"), ("group", "group_id")):
        columns[name] = hashes(rows.column(of))
    compared = nfc.of(rows, column.name) if nfc else rows
    columns |= digests(compared if with_text else compared.drop_columns(list(TEXT)), column.name, with_text)
    return pa.table({name: pa.table({name: columns[name]}).column(0) for name in INDEX.names}).cast(INDEX)


# --- what is compared of two versions ---


def digests(rows: pa.Table, label: str, with_text: bool) -> dict[str, pa.Array]:
    """Return `article` and `label`: for each row 64 bits of everything that it says of either (the text by its digest).

    Its `source` does not count: a file that was renamed changes nothing of what a row says.  Nor does the word for a label that
    nobody judged: `extracted` was called `llm` once, and the run tells which it is.
    """
    article = [name for name in _ARTICLE if name in rows.column_names]
    label_columns = [
        n for n in (label, "tiers", "offsets", "status", "label_source", "run_id") if n in rows.column_names
    ]
    labels = _digests(_in_former_words(rows), label_columns)
    return {"article": _digests(rows, article, with_text), "label": _with_sharing(rows, labels)}


def _with_sharing(rows: pa.Table, digests: pa.Array) -> pa.Array:
    """Return digests of labels, others for those that share an answer: a row that was asked for itself has the one that it had.

    Whose answer it is does not count: it is taken out where that article is taken down.
    """
    if SHARED_FROM not in rows.column_names or rows.column(SHARED_FROM).null_count == len(rows):
        return digests
    is_shared = rows.column(SHARED_FROM).combine_chunks().is_valid()
    return pc.if_else(is_shared, pc.bit_wise_not(digests), digests)


def _in_former_words(rows: pa.Table) -> pa.Table:
    if "label_source" not in rows.column_names:
        return rows
    source = rows.column("label_source")
    former = pc.if_else(pc.equal(source, "extracted").fill_null(False), "llm", source)
    return rows.set_column(rows.column_names.index("label_source"), "label_source", former)


def _digests(rows: pa.Table, names: list[str], with_text: bool | None = None) -> pa.Array:
    return _as_numbers(json_rows.digests(rows, names, [with_text, names], 8))


def _as_numbers(digests: json_rows.Digests) -> pa.Array:
    high, low = digests.astype(np.uint64).T
    return pa.array((high << np.uint64(32)) | low)
