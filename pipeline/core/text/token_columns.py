"""Token counts of a column of texts in which each word is counted once.

No token of OpenAI's encodings reaches across a space that stands between two words: a space can only begin one.  So a text
whose words stand one space apart, as collected texts do, has as many tokens as its words have together.  The words of a shard
are a tenth of its text once each is taken once; a text with other white space is counted as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

ColumnCounter = Callable[[pa.ChunkedArray], list[int]]
Numbers = np.ndarray[Any, np.dtype[np.int64]]
_WORD = re.compile(r" ?\S+")  # Python's white space is Unicode's, and four control characters more
_FEWEST_BYTES = 2**16  # of a column: the words of a small one hardly come again
_UNTOLD = -(2**40)  # of a word with other white space; less than all tokens of a column are more


def by_words(count_words: Callable[[Sequence[str]], Any], count: Callable[[Sequence[str]], list[int]]) -> ColumnCounter:
    """Return a counter of columns: by their words where their white space allows it, else text by text."""

    def count_column(texts: pa.ChunkedArray) -> list[int]:
        column = texts.combine_chunks().cast(pa.string()) if isinstance(texts, pa.ChunkedArray) else texts
        if column.nbytes < _FEWEST_BYTES:
            return count(column.to_pylist())
        counts = _sums(column, count_words)
        others = np.flatnonzero(counts < 0)
        if len(others):
            counts[others] = count(column.take(pa.array(others)).to_pylist())
        result: list[int] = counts.tolist()
        return result

    return count_column


def _sums(column: pa.StringArray, count_words: Callable[[Sequence[str]], Any]) -> Numbers:
    """Return the tokens of each text by its words, a negative number where they do not tell."""
    starts = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]
    first, last = int(starts[0]), int(starts[-1])
    data, starts = column.buffers()[2].slice(first, last - first), starts - first
    bounds = _bounds(np.frombuffer(data, np.uint8), starts)
    words = pa.StringArray.from_buffers(len(bounds) - 1, pa.py_buffer(bounds), data).dictionary_encode()
    each = words.dictionary.to_pylist()
    counts = np.asarray(count_words(each), np.int64)
    counts[[_WORD.fullmatch(word) is None for word in each]] = _UNTOLD
    before = np.zeros(len(bounds), np.int64)  # tokens before each word
    np.cumsum(counts[words.indices.to_numpy()], out=before[1:])
    sums: Numbers = np.diff(before[np.searchsorted(bounds, starts)])
    return sums


def _bounds(data: Any, starts: Any) -> Any:
    """Return where words begin, each with the space before it, and where the last one ends."""
    begins = data == ord(" ")
    begins[starts[starts < len(data)]] = True
    return np.append(np.flatnonzero(begins), len(data)).astype(np.int32)
