"""Spans of phrases against the texts that they are in, for all rows of a shard at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

Numbers = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


def verbatim(
    texts: pa.Array, lengths: Numbers, phrases: pa.Array, row_of: Numbers, starts: Numbers, stops: Numbers
) -> Flags:
    """Tell for each phrase whether it is what stands from code point `start` to `stop` of text number `row_of`, letter for letter.

    `lengths` are those of the texts in code points.  Spans that are in no text (negative, the end before the start) are none.
    """
    flags = (starts >= 0) & (starts <= stops) & (stops <= lengths[row_of])
    is_wide = np.diff(_letters(texts)[0]) > lengths  # of a text in ASCII every character is a byte
    for numbers, equal in (
        (np.flatnonzero(flags & ~is_wide[row_of]), _same_bytes),
        (np.flatnonzero(flags & is_wide[row_of]), _same_characters),
    ):
        flags[numbers] = equal(texts, phrases.take(pa.array(numbers)), row_of[numbers], starts[numbers], stops[numbers])
    return flags


def _same_characters(texts: pa.Array, phrases: pa.Array, row_of: Numbers, starts: Numbers, stops: Numbers) -> Flags:
    # A text is decoded faster than the places of its characters are found in its bytes, and only as far as a span of it goes.
    (bounds, letters), furthest = _letters(texts), np.zeros(len(texts), np.int64)
    np.maximum.at(furthest, row_of, stops)
    ends, whole = np.minimum(bounds[1:], bounds[:-1] + 4 * furthest).tolist(), letters.data
    needed, firsts = np.unique(row_of).tolist(), bounds.tolist()
    # half a character at the end
    decoded = {row: str(whole[firsts[row] : ends[row]], "utf-8", "ignore") for row in needed}
    spans = zip(row_of.tolist(), starts.tolist(), stops.tolist(), phrases.to_pylist(), strict=True)
    return np.array([decoded[row][start:stop] == phrase for row, start, stop, phrase in spans], dtype=bool)


def _same_bytes(texts: pa.Array, phrases: pa.Array, row_of: Numbers, starts: Numbers, stops: Numbers) -> Flags:
    """Compare all spans at once, of texts in ASCII."""
    (bounds, letters), (own_bounds, own_letters) = _letters(texts), _letters(phrases)
    flags = np.diff(own_bounds) == stops - starts
    numbers = np.flatnonzero(flags)
    sizes = (stops - starts)[numbers]
    ends = np.cumsum(sizes)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - sizes, sizes)
    of_texts = letters[np.repeat((bounds[row_of] + starts)[numbers], sizes) + within]
    differs = of_texts != own_letters[np.repeat(own_bounds[:-1][numbers], sizes) + within]
    wrong = np.concatenate([[0], np.cumsum(differs)])
    flags[numbers] = wrong[ends] == wrong[ends - sizes]
    return np.asarray(flags, dtype=bool)


def _letters(texts: pa.Array) -> tuple[Numbers, np.ndarray[Any, np.dtype[np.uint8]]]:
    """Return where each text begins in the bytes of all, and where the last one ends; and these bytes."""
    _, ends, data = texts.buffers()
    bounds = np.frombuffer(ends or b"\0\0\0\0", np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return bounds.astype(np.int64), np.frombuffer(data or b"", np.uint8)
