"""Token counts of a column of texts in which each word is counted once.

No token of OpenAI's encodings reaches across a space that stands between two words: a space can only begin one.  So a text
whose words stand one space apart, as collected texts do, has as many tokens as its words have together; one with other white
space is counted as a whole.  Where most words of a shard are other ones (Korean, whose words end in many ways), counting texts is
quicker, and the next shards are counted so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.core.text.columns import lists_of, utf8_buffer

ColumnCounter = Callable[[pa.ChunkedArray], list[int]]
Numbers = np.ndarray[Any, np.dtype[np.int64]]
_OTHER_SPACE = re.compile(r"[^\S ]")  # Python's white space is Unicode's, and four control characters more
_FEWEST_BYTES = 2**16  # of a column: the words of a small one hardly come again
_MOST_DIFFERENT = 0.25  # of a column's words, where counting them one by one pays
_COLUMNS_LEFT = 15  # that are counted text by text after one with more different words
# Bytes, or words, of which numbers are made at once: those of a whole shard are five times its texts.
_AT_ONCE = 2**18
_UNTOLD = -(2**31)  # tokens of a word with other white space: a column has not as many, nor as many words


def by_words(count_words: Callable[[Sequence[str]], Any], count: Callable[[Sequence[str]], list[int]]) -> ColumnCounter:
    """Return a counter of columns: by their words where that is quicker and their white space allows it, else text by text."""
    left = 0  # columns to be counted text by text; the counts are the same

    def count_column(texts: pa.ChunkedArray) -> list[int]:
        nonlocal left
        column = texts.combine_chunks().cast(pa.string()) if isinstance(texts, pa.ChunkedArray) else texts
        left = max(0, left - 1)
        sums = None if left or column.nbytes < _FEWEST_BYTES else _sums(column, count_words)
        if sums is None:
            left = left or (0 if column.nbytes < _FEWEST_BYTES else _COLUMNS_LEFT)
            return [tokens for some in lists_of(column) for tokens in count(some)]
        others = np.flatnonzero(sums < 0)
        if len(others):
            sums[others] = count(column.take(pa.array(others)).to_pylist())
        result: list[int] = sums.tolist()
        return result

    return count_column


def _sums(column: pa.StringArray, count_words: Callable[[Sequence[str]], Any]) -> Numbers | None:
    """Return the tokens of each text by its words, a negative number where they do not tell; None where too many words differ."""
    data, starts = utf8_buffer(column)
    bounds = _bounds(np.frombuffer(data, np.uint8), starts)
    words = pa.StringArray.from_buffers(len(bounds) - 1, pa.py_buffer(bounds), data).dictionary_encode()
    if len(words.dictionary) > _MOST_DIFFERENT * len(words):
        return None
    each = words.dictionary.to_pylist()
    counts = np.asarray(count_words(each), np.int64)
    counts[_without_one_word(each)] = _UNTOLD
    return _sums_of_runs(counts, words.indices.to_numpy(), np.searchsorted(bounds, starts))


def _sums_of_runs(counts: Numbers, words: Any, firsts: Numbers) -> Numbers:
    """Return the sum of the counts of each text's words; `firsts` are the places of their first ones, and the end."""
    sums, row = np.empty(len(firsts) - 1, np.int64), 0
    while row < len(sums):
        end = max(row + 1, int(np.searchsorted(firsts, firsts[row] + _AT_ONCE, "right")) - 1)
        before = np.zeros(firsts[end] - firsts[row] + 1, np.int64)  # tokens before each word
        np.cumsum(counts[words[firsts[row] : firsts[end]]], out=before[1:])
        sums[row:end] = np.diff(before[firsts[row : end + 1] - firsts[row]])
        row = end
    return sums


def _without_one_word(each: Sequence[str]) -> list[int]:
    """Return which words are a lone space (one too many, or at an end) or hold other white space."""
    if " " not in each and _OTHER_SPACE.search("".join(each)) is None:  # at once, for it is so nearly always
        return []
    return [number for number, word in enumerate(each) if word == " " or _OTHER_SPACE.search(word)]


def _bounds(data: Any, starts: Any) -> Any:
    """Return where words begin, each with the space before it, and where the last one ends."""
    parts = list[Any]()
    for at in range(0, len(data), _AT_ONCE):
        begins = data[at : at + _AT_ONCE] == ord(" ")
        begins[starts[slice(*np.searchsorted(starts, (at, at + len(begins))))] - at] = True
        parts.append((np.flatnonzero(begins) + at).astype(np.int32))
    return np.concatenate([*parts, np.array([len(data)], np.int32)])
