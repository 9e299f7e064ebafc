"""Spans of phrases against the texts that they are in, for all rows of a shard at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

Numbers = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
_AT_ONCE = 4096  # spans: 8 bytes for each character before them are in memory


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
        for first in range(0, len(numbers), _AT_ONCE):
            part = numbers[first : first + _AT_ONCE]
            flags[part] = equal(texts, phrases.take(pa.array(part)), row_of[part], starts[part], stops[part])
    return flags


def _same_characters(texts: pa.Array, phrases: pa.Array, row_of: Numbers, starts: Numbers, stops: Numbers) -> Flags:
    """Compare all spans at once, of any texts: as bytes, once it is known in which byte each begins and ends."""
    bounds, letters = _letters(texts)
    is_first = np.diff(row_of, prepend=-1) != 0  # the spans of a text come one after another
    rows, number = row_of[is_first], np.cumsum(is_first) - 1
    furthest = np.maximum.reduceat(stops, np.flatnonzero(is_first))
    # No further than a span of it goes, and a byte behind it: a span may end where its text does.
    firsts, whole = bounds[rows], letters.data
    ends = np.minimum(bounds[rows + 1], firsts + 4 * furthest)
    pieces = b"\0".join([whole[first:end] for first, end in zip(firsts.tolist(), ends.tolist(), strict=True)] + [b""])
    piece_starts = np.cumsum(ends - firsts + 1) - (ends - firsts + 1)
    characters = np.flatnonzero((np.frombuffer(pieces, np.uint8) & 0xC0) != 0x80)  # the first byte of each
    before = np.searchsorted(characters, piece_starts)
    in_bytes = (characters[before[number] + at] - piece_starts[number] for at in (starts, stops))
    return _same_bytes(texts, phrases, row_of, *in_bytes)


def _same_bytes(texts: pa.Array, phrases: pa.Array, row_of: Numbers, starts: Numbers, stops: Numbers) -> Flags:
    """Compare all spans at once: from byte `start` to byte `stop` of a text."""
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
