"""Rows of a version: their columns, the spans of phrases, the index that gates look at, and digests that tell changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.clean.offsets import offsets
from pipeline.core.shards import OFFSETS, label_fields
from pipeline.core.types import LabelColumn
from pipeline.job.label_table import SHARED_FROM
from pipeline.versions import json_rows, leaks, map_topics
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

    The tables have the same ids in the same order.
    """
    columns_of_all = schema(column, shared=SHARED_FROM in labels.column_names).names
    names = [name for name in columns_of_all if name not in ("offsets", "added_in", "changed_in")]
    tables = (labels, splits, articles)
    columns = {name: next(t for t in tables if name in t.column_names).column(name) for name in [*names, "split"]}
    if column.has_tiers:
        columns["offsets"] = _offsets(labels, columns, column)
    return pa.table(columns)


def _offsets(labels: pa.Table, columns: dict[str, Any], column: LabelColumn) -> pa.ChunkedArray:
    """Return the offsets of `labels/`; computed where a shard of before lacks them, and where a person wrote a phrase."""
    stored = labels.column("offsets") if "offsets" in labels.column_names else None
    if stored is not None and not stored.null_count:
        return stored
    stored_spans = stored.to_pylist() if stored is not None else [None] * labels.num_rows
    values = (columns[name].to_pylist() for name in (column.name, "tiers", "text"))
    spans = [span if span is not None else offsets(*row) for span, *row in zip(stored_spans, *values, strict=True)]
    return pa.chunked_array([spans], OFFSETS)


def redacted(
    articles: pa.Table, labels: pa.Table, column: LabelColumn, kinds: Collection[str]
) -> tuple[pa.Table, pa.Table]:
    """Return articles and labels with `[kind]` in place of what leaks (`leaks.KINDS`) in title, text and label.

    `text_sha256` is that of the text as it is then.  A phrase that another one equals now is left out; one of which the text
    has only a part now is `absent`.
    """
    whole = {name: articles.column(name).to_pylist() for name in (*TEXT, "text_sha256")}
    for name in TEXT:
        whole[name] = [text and leaks.redacted(text, kinds) for text in whole[name]]
    changed = pc.not_equal(pa.chunked_array([whole["text"]], pa.string()), articles.column("text")).fill_null(False)
    for number in np.flatnonzero(changed):
        whole["text_sha256"][number] = sha256(whole["text"][number].encode()).hexdigest()
    for name, values in whole.items():
        articles = articles.set_column(articles.column_names.index(name), name, pa.array(values, pa.string()))
    of_the_former = [name for name in ("text_sha256", "offsets") if name in labels.column_names]
    labels = labels.drop_columns(of_the_former)
    return articles, _redacted_labels(labels, whole["text"], column, kinds)


def _redacted_labels(labels: pa.Table, texts: list[str], column: LabelColumn, kinds: Collection[str]) -> pa.Table:
    if not column.has_tiers:
        values = redacted_values(labels.column(column.name), kinds)
        return labels.set_column(labels.column_names.index(column.name), column.name, values)
    rows = zip(labels.column(column.name).to_pylist(), labels.column("tiers").to_pylist(), texts, strict=True)
    phrases = [_redacted_phrases(*row, kinds) for row in rows]
    new = {column.name: [list(row) for row in phrases], "tiers": [list(row.values()) for row in phrases]}
    for name, values in new.items():
        kind = labels.schema.field(name).type
        labels = labels.set_column(labels.column_names.index(name), name, pa.array(values, kind))
    return labels


def redacted_values(labels: pa.ChunkedArray, kinds: Collection[str]) -> pa.Array:
    """Return labels without tiers as `redacted` has them."""
    return pa.array([_redacted_value(value, kinds) for value in labels.to_pylist()], labels.type)


def _redacted_value(value: Any, kinds: Collection[str]) -> Any:
    """Return a label with every text in it redacted."""
    if isinstance(value, Mapping):
        return {name: _redacted_value(inner, kinds) for name, inner in value.items()}
    if isinstance(value, list):
        return [_redacted_value(item, kinds) for item in value]
    return leaks.redacted(value, kinds) if isinstance(value, str) and value else value


def _redacted_phrases(phrases: list[str], tiers: list[str], text: str, kinds: Collection[str]) -> dict[str, str]:
    """Return the tier of each phrase as it is redacted, in order."""
    new = dict[str, str]()
    for phrase, tier in zip(phrases or [], tiers or [], strict=True):
        now = leaks.redacted(phrase, kinds)
        is_gone = tier in ("exact", "spacing") and not offsets([now], [tier], text)[0]
        new.setdefault(now, "absent" if is_gone else tier)
    return new


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
        columns[name] = _as_numbers(json_rows.digests_of_values(rows.column(of), 8))
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
