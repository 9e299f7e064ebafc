"""The space in which articles are near or far: one or several int8 matrices, and the mean of the cosines in them.

A product of two int8 rows is an exact integer (see `vectors`), and what follows it is the same few operations for each pair, so a
similarity has the same bits whatever the order of the rows, their number or that of the threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.engines.machine import cores
from pipeline.topics.threads import one_thread
from pipeline.topics.vectors import Matrix, quantised

_ROWS, _COLUMNS, _PRODUCTS = 512, 8192, 2**22  # of a block of products
Floats = np.ndarray[Any, np.dtype[np.float32]]
Numbers = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Space:
    """Rows of the same articles in each of some matrices."""

    parts: tuple[Matrix, ...]

    def __len__(self) -> int:
        return len(self.parts[0])

    def take(self, rows: Any) -> Space:
        """Return some of the rows."""
        return Space(tuple(part[rows] for part in self.parts))

    @property
    def says_nothing(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return for each row whether it is zero in every part: like nothing."""
        return np.asarray(~np.logical_or.reduce([part.any(axis=1) for part in self.parts]))

    def centroid(self, rows: Any) -> Space:
        """Return the middle of some rows, as a space of one row."""
        middles = []
        for part in self.parts:
            some = part[rows].astype(np.float64)
            lengths = np.sqrt(np.einsum("ij,ij->i", some, some))
            middles.append(quantised((some / np.maximum(lengths, 1e-9)[:, None]).mean(axis=0, keepdims=True)))
        return Space(tuple(middles))

    def likeness(self, other: Space) -> Floats:
        """Return the similarity of each row with each row of another space, which fits into memory."""
        with one_thread():
            return _products(_floats(self), _floats(other))

    def blocks(self, other: Space) -> Iterator[tuple[slice, Floats]]:
        """Yield the similarities with all rows of a small space, some rows at a time."""
        theirs = _floats(other)
        step = min(_COLUMNS, max(_ROWS, _PRODUCTS // max(len(other), 1)))
        with one_thread():
            for begin in range(0, len(self), step):
                rows = slice(begin, begin + step)
                yield rows, _products(_floats(self.take(rows)), theirs)


def joined(spaces: Sequence[Space]) -> Space:
    """Return the rows of some spaces, one after the other."""
    return Space(tuple(np.concatenate(parts) for parts in zip(*(space.parts for space in spaces), strict=True)))


@dataclass(frozen=True)
class _Part:
    rows: Floats  # whole numbers
    inverse: Floats  # of the rows' lengths; 0 for a row of zeros


def _floats(space: Space) -> list[_Part]:
    parts = []
    for part in space.parts:
        lengths = np.sqrt(np.einsum("ij,ij->i", part, part, dtype=np.int64).astype(np.float64))
        inverse = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
        parts.append(_Part(part.astype(np.float32), inverse.astype(np.float32)))
    return parts


def _products(own: list[_Part], others: list[_Part]) -> Floats:
    total: Floats | None = None
    for one, other in zip(own, others, strict=True):
        cosines = one.rows @ other.rows.T
        cosines *= other.inverse
        cosines *= one.inverse[:, None]
        total = cosines if total is None else np.add(total, cosines, out=total)
    assert total is not None
    if len(own) > 1:
        total *= np.float32(1 / len(own))
    return total


def neighbours(space: Space, count: int, threads: int | None = None) -> tuple[Numbers, Floats]:
    """Return for each row the numbers of its nearest rows, the nearest first, and how similar they are; of equals the first.

    Exact: every pair is compared, in blocks, on all cores.  A row is no neighbour of itself.
    """
    size = len(space)
    count = max(0, min(count, size - 1))
    numbers, values = np.zeros((size, count), np.int64), np.zeros((size, count), np.float32)
    if count < 1:
        return numbers, values
    parts = _floats(space)

    def search(begin: int) -> None:
        end = min(begin + _ROWS, size)
        numbers[begin:end], values[begin:end] = _nearest(parts, begin, end, size, count)

    with one_thread(), ThreadPoolExecutor(threads or cores()) as pool:
        for _ in pool.map(search, range(0, size, _ROWS)):
            pass
    return numbers, values


def _nearest(parts: list[_Part], begin: int, end: int, size: int, count: int) -> tuple[Numbers, Floats]:
    """Return the nearest rows of a block of rows.  Only what beats the last of the best so far is looked at."""
    own = [_Part(part.rows[begin:end], part.inverse[begin:end]) for part in parts]
    least = np.full(end - begin, -np.inf, np.float32)
    best = np.zeros((end - begin, 0), np.int64), np.zeros((end - begin, 0), np.float32)
    for first in range(0, size, _COLUMNS):
        last = min(first + _COLUMNS, size)
        block = _products(own, [_Part(part.rows[first:last], part.inverse[first:last]) for part in parts])
        for row in range(max(begin, first), min(end, last)):
            block[row - begin, row - first] = -np.inf
        if first == 0 and last > count:
            least = np.partition(block, last - count, axis=1)[:, last - count]
            rows, columns = np.nonzero(block >= least[:, None])
        else:
            rows, columns = np.nonzero(block > least[:, None])
        best = _merged(best, rows, columns + first, block[rows, columns], count)
        if best[1].shape[1] == count:
            least = best[1][:, -1]
    return best


def _merged(
    best: tuple[Numbers, Floats], rows: Numbers, numbers: Numbers, values: Floats, count: int
) -> tuple[Numbers, Floats]:
    """Return the best of what there was and what came, the nearest first, of equals that with the smaller number."""
    size, width = best[0].shape
    rows = np.concatenate([np.repeat(np.arange(size), width), rows])
    numbers = np.concatenate([best[0].ravel(), numbers])
    values = np.concatenate([best[1].ravel(), values])
    order = np.lexsort((numbers, -values, rows))
    rows, numbers, values = rows[order], numbers[order], values[order]
    starts = np.searchsorted(rows, np.arange(size))
    width = int(min(count, np.bincount(rows, minlength=size).min()))
    at = starts[:, None] + np.arange(width)
    return numbers[at], values[at]
