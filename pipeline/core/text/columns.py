"""Columns of texts, a few hundred rows at a time: what is made of all texts of a shard at once is memory that each worker holds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

Column: TypeAlias = pa.ChunkedArray | pa.StringArray
_ROWS = 256  # about a megabyte of articles, which the caches of a core hold


def texts_of(column: Column) -> Iterator[str]:
    """Yield the texts of a column."""
    return chain.from_iterable(lists_of(column))


def lists_of(column: Column) -> Iterator[list[str]]:
    """Yield the texts of a column, some at a time."""
    for part in _parts(column):
        yield part.to_pylist()


def utf8_of(column: Column) -> Iterator[tuple[bytes, Any]]:
    """Yield the bytes of some texts, one behind the other, and where each begins and the last one ends (int32)."""
    for part in _parts(column):
        data, starts = utf8_buffer(part)
        yield data.to_pybytes(), starts


def utf8_buffer(texts: pa.StringArray) -> tuple[pa.Buffer, Any]:
    """Return the bytes of an array of texts, which are not copied, and where each begins and the last one ends (int32)."""
    starts = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    first, last = int(starts[0]), int(starts[-1])
    return (texts.buffers()[2] or pa.py_buffer(b"")).slice(first, last - first), starts - first


def _parts(column: Column) -> Iterator[pa.StringArray]:
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        texts = chunk.cast(pa.string())
        for at in range(0, len(texts), _ROWS):
            yield texts.slice(at, _ROWS)
