"""Redaction: `[kind]` in place of what leaks, in texts, addresses and labels before they are published.

Only what `leaks.suspects` names is looked at value by value, for all else has nothing to redact: it took six times as long as
all the rest of publishing when every text was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.clean.offsets import offsets
from pipeline.core.types import LabelColumn
from pipeline.versions import leaks
from pipeline.versions.rows import TEXT, replaced

Flags = np.ndarray[Any, np.dtype[np.bool_]]
_LOCATED = ("exact", "spacing")  # tiers of phrases that have offsets


def redacted(
    articles: pa.Table, labels: pa.Table, column: LabelColumn, kinds: Collection[str]
) -> tuple[pa.Table, pa.Table]:
    """Return articles and labels with `[kind]` in place of what leaks (`leaks.KINDS`) in title, text, url and label.

    `text_sha256` is that of the text as it is then.  A phrase that another one equals now is left out; one of which the text
    has only a part now is `absent`.  Labels have `offsets` where nothing changed, and null elsewhere.
    """
    former = articles.column("text")
    for name, look in (*((name, _TEXTS) for name in TEXT), ("url", _URLS)):
        if name in articles.column_names:
            articles = _with(articles, name, _redacted_texts(articles.column(name), kinds, *look))
    texts = articles.column("text")
    is_changed = np.asarray(pc.not_equal(texts, former).fill_null(False), dtype=bool)
    numbers = np.flatnonzero(is_changed)
    digests = [sha256(text.encode()).hexdigest() for text in texts.take(pa.array(numbers)).to_pylist()]
    articles = _with(articles, "text_sha256", replaced(articles.column("text_sha256"), numbers, digests))
    labels = labels.drop_columns([name for name in ("text_sha256",) if name in labels.column_names])
    if not column.has_tiers:
        return articles, _with(labels, column.name, redacted_values(labels.column(column.name), kinds))
    return articles, _redacted_labels(labels, texts, is_changed, column, kinds)


def is_redacted(
    before: tuple[pa.Table, pa.Table], after: tuple[pa.Table, pa.Table], column: LabelColumn
) -> pa.ChunkedArray:
    """Tell of articles and labels before and after `redacted` which rows it may have changed: all others it leaves as they are."""
    (articles, labels), (new_articles, new_labels) = before, after
    flags = np.zeros(articles.num_rows, bool)
    for name in {*TEXT, "url"} & {*articles.column_names}:
        differs = pc.not_equal(articles.column(name).cast(pa.string()), new_articles.column(name))
        flags |= np.asarray(differs.fill_null(False), dtype=bool)
    if column.has_tiers:
        flags |= np.asarray(new_labels.column("offsets").is_null()) if "offsets" in new_labels.column_names else True
    else:
        values = (table.column(column.name).to_pylist() for table in (labels, new_labels))
        flags |= np.fromiter((old != new for old, new in zip(*values, strict=True)), bool, len(flags))
    return pa.chunked_array([pa.array(flags)])


def redacted_again(
    articles: pa.Table, labels: pa.Table, column: LabelColumn, kinds: Collection[str], flags: pa.ChunkedArray
) -> tuple[pa.Table, pa.Table]:
    """Return what `redacted` returns, where `flags` (`is_redacted`) are known: the other rows are not looked at."""
    numbers = np.flatnonzero(np.asarray(flags))
    chosen = pa.array(numbers)
    parts = redacted(articles.take(chosen), labels.take(chosen), column, kinds)
    return _put(articles, parts[0], numbers), _put(labels, parts[1], numbers)


def _put(table: pa.Table, part: pa.Table, numbers: np.ndarray[Any, np.dtype[Any]]) -> pa.Table:
    """Return the columns of `part`, with its rows in the place of those of these numbers."""
    table, order = table.select(part.column_names).cast(part.schema), np.arange(table.num_rows)
    if not len(numbers):
        return table
    order[numbers] = table.num_rows + np.arange(len(numbers))
    return pa.concat_tables([table, part]).combine_chunks().take(pa.array(order))


def _with(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


# What tells which of some texts may leak, and redacts one.
_TEXTS = leaks.suspects, leaks.redacted
_URLS = leaks.suspect_urls, leaks.redacted_url


def _redacted_texts(
    texts: pa.ChunkedArray,
    kinds: Collection[str],
    suspects: Callable[[pa.Array], set[int]],
    redact: Callable[[str, Collection[str]], str],
) -> pa.ChunkedArray:
    texts = texts.cast(pa.string())  # a shard in which all are null may have none
    numbers = np.array(sorted(suspects(texts.combine_chunks())), np.int64)
    if not len(numbers):
        return texts
    return replaced(texts, numbers, [redact(text, kinds) for text in texts.take(pa.array(numbers)).to_pylist()])


def _redacted_labels(
    labels: pa.Table, texts: pa.ChunkedArray, is_changed: Flags, column: LabelColumn, kinds: Collection[str]
) -> pa.Table:
    numbers = np.flatnonzero(is_changed | ~_stay(labels, column.name))
    former = [labels.column(column.name), labels.column("tiers"), texts]
    rows = zip(*(values.take(pa.array(numbers)).to_pylist() for values in former), strict=True)
    phrases = [_redacted_phrases(words, tiers, text, kinds) for words, tiers, text in rows]
    new: dict[str, list[Any]] = {column.name: [list(row) for row in phrases]}
    new["tiers"] = [list(row.values()) for row in phrases]
    if "offsets" in labels.column_names:
        new["offsets"] = [None] * len(phrases)
    for name, those in new.items():
        labels = _with(labels, name, replaced(labels.column(name), numbers, those))
    return labels


def _stay(labels: pa.Table, name: str) -> Flags:
    """Tell which labels stay as they are where their text does: nothing leaks, no phrase is there twice, each is where it was."""
    stay = np.zeros(labels.num_rows, bool)
    columns = [
        labels.column(each).combine_chunks() for each in (name, "tiers", "offsets") if each in labels.column_names
    ]
    lengths = [np.asarray(pc.list_value_length(each).fill_null(-1), dtype=np.int64) for each in columns]
    if len(columns) < 3:  # a shard of before, whose offsets are made anew
        return stay
    numbers = np.flatnonzero((lengths[0] >= 0) & (lengths[0] == lengths[1]) & (lengths[0] == lengths[2]))
    phrases, tiers, spans = (each.take(pa.array(numbers)) for each in columns)
    row_of, values = np.asarray(pc.list_parent_indices(phrases), dtype=np.int64), phrases.flatten()
    is_lost = pc.and_(pc.is_in(tiers.flatten(), pa.array(_LOCATED)), pc.equal(pc.list_value_length(spans.flatten()), 0))
    stay[numbers] = True
    for others in (np.flatnonzero(is_lost.fill_null(True)), _repeated(values, row_of), sorted(leaks.suspects(values))):
        stay[numbers[row_of[others]]] = False
    return stay


def _repeated(phrases: pa.Array, row_of: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the numbers of phrases that their row has before."""
    codes = np.asarray(phrases.dictionary_encode().indices.fill_null(-1), dtype=np.int64) + 1
    _, first = np.unique(row_of * (codes.max(initial=0) + 1) + codes, return_index=True)
    return np.setdiff1d(np.arange(len(codes)), first)


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
    new, redacted_phrases = dict[str, str](), [leaks.redacted(phrase, kinds) for phrase in phrases or []]
    spans = offsets(redacted_phrases, tiers or [], text)
    for phrase, tier, span in zip(redacted_phrases, tiers or [], spans, strict=True):
        new.setdefault(phrase, "absent" if tier in _LOCATED and not span else tier)
    return new
