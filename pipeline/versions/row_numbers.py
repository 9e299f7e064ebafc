"""Numbers of rows that the gates look at: what is missing, repeated, absent or leaks, by columns rather than row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.clean.cleaner.normal import fold_loose
from pipeline.core.text.folding import fold_case
from pipeline.core.types import LabelColumn
from pipeline.versions import leaks
from pipeline.versions import spans as spans_of

NUMBERS = (
    "phrases",
    "absent",
    "missing",
    "repeated",
    "unresolved",
    "credentials",
    "personal",
    "label_leaks",
    "characters",
)
_NEEDED = ("id", "group_id", "text_sha256", "text", "status", "label_source", "run_id")
# Words of ASCII, Hangul syllables, kana or Han, one space between them: NFKC leaves them as they are.
_WORD = "[!-~\uac00-\ud7a3\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff]+"
_PLAIN = f"^{_WORD}(?: {_WORD})*$"
_LEAKING = ("credentials", "personal", "label_leaks")
Counts = np.ndarray[Any, np.dtype[np.int64]]


def row_numbers(rows: pa.Table, column: LabelColumn, with_text: bool) -> dict[str, Any]:
    """Return NUMBERS for each of some rows, which are those of `rows.build`; see `gates.GateInputs`.

    `characters` is the length of the text; `with_text`: title and text are published, too.
    """
    rows = rows.combine_chunks()
    missing = sum((_is_empty(rows.column(name)) for name in _NEEDED), np.zeros(rows.num_rows, np.int64))
    characters = np.asarray(pc.utf8_length(rows.column("text")).fill_null(0), dtype=np.int64)
    numbers: dict[str, Any] = {"characters": characters}
    phrases, row_of = _phrases(rows.column(column.name).combine_chunks(), column)
    numbers["phrases"] = np.bincount(row_of, minlength=rows.num_rows)
    numbers["repeated"] = numbers["phrases"] - _distinct(phrases, row_of, rows.num_rows)
    numbers["absent"] = numbers["unresolved"] = np.zeros(rows.num_rows, np.int64)
    if column.has_tiers:
        tiers = rows.column("tiers").combine_chunks()
        absent = np.asarray(pc.equal(tiers.flatten(), "absent").fill_null(False), dtype=bool)
        numbers["absent"] = np.bincount(_row_of(tiers)[absent], minlength=rows.num_rows)
        lengths = [_lengths(rows.column(name)) for name in (column.name, "tiers", "offsets")]
        aligned = (lengths[0] == lengths[1]) & (lengths[0] == lengths[2])
        missing += ~aligned
        numbers["unresolved"] = _unresolved(rows, characters, column.name, aligned)
    leaking = _leaks(rows, phrases, row_of, with_text)
    return numbers | {"missing": missing, **dict(zip(_LEAKING, leaking.T, strict=True))}


def _is_empty(column: pa.ChunkedArray) -> Counts:
    return np.asarray(pc.equal(column.fill_null(""), ""), dtype=np.int64)


def _lengths(lists: pa.ChunkedArray) -> Counts:
    return np.asarray(pc.list_value_length(lists).fill_null(0), dtype=np.int64)


def _row_of(lists: pa.ListArray) -> Counts:
    """Return for each value of some lists the number of its list."""
    return np.asarray(pc.list_parent_indices(lists), dtype=np.int64)


def _phrases(labels: pa.Array, column: LabelColumn) -> tuple[pa.Array, Counts]:
    """Return all phrases of some labels but empty ones, and the row of each."""
    if column.schema is not None:  # values of any type
        labels = pa.array([column.phrases(value or []) for value in labels.to_pylist()], pa.list_(pa.string()))
    is_list = pa.types.is_list(labels.type)
    values, row_of = (labels.flatten(), _row_of(labels)) if is_list else (labels, np.arange(len(labels)))
    is_phrase = pc.not_equal(values, "").fill_null(False)
    return values.filter(is_phrase), row_of[np.asarray(is_phrase, dtype=bool)]


def _distinct(phrases: pa.Array, row_of: Counts, count: int) -> Counts:
    """Count the phrases of each row, those that are the same but for case, width and spaces once."""
    coded = phrases.dictionary_encode()
    folded = _folded(coded.dictionary).dictionary_encode()
    kinds = max(1, len(folded.dictionary))
    codes = np.asarray(folded.indices, dtype=np.int64)[np.asarray(coded.indices, dtype=np.int64)]
    # sorted: `np.unique` hashes them, which takes ten times as long
    pairs = np.sort(row_of * kinds + codes)
    return np.bincount(pairs[np.diff(pairs, prepend=-1) > 0] // kinds, minlength=count)


def _folded(phrases: pa.Array) -> pa.Array:
    """Return `fold_case` of each phrase; one by one only where a character may become another but by its case."""
    is_odd = pc.invert(pc.match_substring_regex(phrases, _PLAIN))
    odd = [fold_case(phrase) for phrase in phrases.filter(is_odd).to_pylist()]
    return pc.replace_with_mask(pc.ascii_lower(phrases), is_odd, pa.array(odd, pa.string()))


def _unresolved(rows: pa.Table, characters: Counts, label: str, aligned: np.ndarray[Any, np.dtype[np.bool_]]) -> Counts:
    """Count for each row the offsets that are missing, or do not lead to their phrase (but for spacing, width and case).

    Looked at are only rows whose labels, tiers and offsets are `aligned`: one of each for every phrase.
    """
    wrong, numbers = np.zeros(rows.num_rows, np.int64), np.flatnonzero(aligned)
    sound = rows.select([label, "tiers", "offsets"])
    sound = (sound if aligned.all() else sound.take(pa.array(numbers))).combine_chunks()
    labels, tiers, offsets = (sound.column(name).combine_chunks() for name in sound.column_names)
    spans = offsets.flatten()
    lengths = _lengths(spans)
    ends = np.cumsum(lengths)
    # of an empty span at the end nothing is used
    values = np.append(np.asarray(spans.flatten(), dtype=np.int64), 0)
    starts, stops = values[ends - lengths], values[np.maximum(ends - 1, 0)]
    texts, row_of = rows.column("text").combine_chunks(), numbers[_row_of(labels)]
    phrases, is_given = labels.flatten(), lengths > 0
    is_verbatim = spans_of.verbatim(texts, characters, phrases, row_of, starts, stops)
    for number in np.flatnonzero(is_given & ~is_verbatim).tolist():
        piece = (texts[row_of[number]].as_py() or "")[starts[number] : stops[number]]
        wrong[row_of[number]] += fold_loose(piece) != fold_loose(phrases[number].as_py())
    must_be_given = np.asarray(pc.is_in(tiers.flatten(), pa.array(["exact", "spacing"])), dtype=bool)
    return wrong + np.bincount(row_of[~is_given & must_be_given], minlength=rows.num_rows)


def _leaks(rows: pa.Table, phrases: pa.Array, row_of: Counts, with_text: bool) -> Counts:
    """Count for each row the credentials and the data of persons in what is published of it, and the phrases that leak what title
    and text do not: n x 3 (_LEAKING).

    Only rows with a byte of something that looks like a leak are looked at one by one; the others have none.
    """
    counts = np.zeros((rows.num_rows, len(_LEAKING)), np.int64)
    by_label = {int(row_of[number]) for number in leaks.suspects(phrases)}
    # A phrase may leak what title and text do not, so rows are suspect by either.
    suspects = set(by_label)
    published = [rows.column(name).combine_chunks() for name in ("title", "text")] if with_text else []
    for texts in published:
        suspects |= leaks.suspects(texts)
    chosen = np.array(sorted(suspects), np.int64)
    parts = [texts.take(pa.array(chosen)).fill_null("").to_pylist() for texts in published]
    bounds = np.searchsorted(row_of, [chosen, chosen + 1])
    of_chosen = np.isin(row_of, chosen)
    values = phrases.filter(pa.array(of_chosen)).to_pylist()
    ends = np.cumsum(bounds[1] - bounds[0]).tolist()
    for at, row in enumerate(chosen.tolist()):
        own = values[ends[at - 1] if at else 0 : ends[at]]
        article = [texts[at] for texts in parts]
        counts[row, :2] = leaks.count("\n".join([*article, *own]))
        if row in by_label:
            counts[row, 2] = sum(
                any(leaks.count(phrase)) and not any(phrase in text for text in article) for phrase in own
            )
    # without texts, too, an address is published
    urls = rows.column("url").combine_chunks().cast(pa.string())
    for row in leaks.suspect_urls(urls):
        counts[row, :2] += leaks.count_in_url(urls[row].as_py())
    ids = rows.column("id").combine_chunks().cast(pa.string())  # never redacted, and may be the address
    for row, of_id in leaks.count_in_ids(ids).items():
        counts[row, :2] += of_id
    return counts
