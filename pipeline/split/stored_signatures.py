"""Signatures of some rows, to be looked up: in memory while they are few, else in a temporary file without a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Any

import numpy as np

from pipeline.core.exchange import Exchange, Numbers
from pipeline.split.minhash import NUMBERS

_BYTES = 2 * NUMBERS
_GAP = 16  # rows that are read along, in place of a further read
_Signatures = np.ndarray[Any, np.dtype[np.uint16]]
_Rows = np.ndarray[Any, np.dtype[Any]]  # of whole numbers


class StoredSignatures:
    """The signatures of `rows` (sorted), by their position among these; `blocks` are those of all rows, in order."""

    def __init__(self, blocks: Iterable[_Signatures], rows: _Rows, exchange: Exchange) -> None:
        self._file: IO[bytes] | None = None
        self._whole = np.zeros((0, NUMBERS), np.uint16)
        if len(rows) * _BYTES <= exchange.bucket_bytes:
            self._whole = np.concatenate([self._whole, *_chosen(blocks, rows)])
            return
        self._file = exchange.temporary_file()
        with exchange.room():
            for block in _chosen(blocks, rows):
                self._file.write(block.tobytes())
            self._file.flush()  # here, where a full disk has a line of its own

    def __enter__(self) -> StoredSignatures:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def __getitem__(self, positions: Numbers) -> _Signatures:
        """Return the signatures at some positions: n x 128."""
        if self._file is None or not len(positions):
            return self._whole[positions]
        wanted, back = np.unique(positions, return_inverse=True)
        breaks = np.flatnonzero(np.diff(wanted, prepend=-_GAP - 2) > _GAP)
        begins, ends = wanted[breaks], wanted[np.append(breaks[1:] - 1, -1)[: len(breaks)]] + 1
        lengths = ends - begins
        there = np.empty((int(lengths.sum()), NUMBERS), np.uint16)
        view, at = memoryview(there.data).cast("B"), 0
        for begin, length in zip((begins * _BYTES).tolist(), (lengths * _BYTES).tolist(), strict=True):
            self._file.seek(begin)
            at += self._file.readinto(view[at : at + length])  # type: ignore[attr-defined]
        shift = np.cumsum(lengths) - lengths - begins  # from a position to where it was read to
        within = wanted + shift[np.searchsorted(breaks, np.arange(len(wanted)), side="right") - 1]
        signatures: _Signatures = there[within[back]]
        return signatures


def matching(ones: _Signatures, others: _Signatures) -> Numbers:
    """Return for each pair of signatures how many numbers they agree in."""
    counts: Numbers = np.count_nonzero(ones == others, axis=1)
    return counts


def _chosen(blocks: Iterable[_Signatures], rows: _Rows) -> Iterator[_Signatures]:
    start = 0
    for block in blocks:
        bounds = np.array([start, min(start + len(block), np.iinfo(rows.dtype).max)], rows.dtype)
        begin, end = np.searchsorted(rows, bounds)
        if begin < end:
            yield block[rows[begin:end] - start]
        start += len(block)
