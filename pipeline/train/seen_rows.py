"""What a student was trained on, among other articles: the rows of train, and articles that are like one.

It has seen the labels of the first, and all but the text of the second: on either it looks better than it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.exchange import Exchange
from pipeline.split.assignment import Flags, near_eval, signatures_of, texts_of
from pipeline.split.groups import Signatures
from pipeline.split.minhash import NUMBERS
from pipeline.versions import store

_NAMES = ("id", "text_sha256")
_BYTES = 2 * NUMBERS  # of a signature


@dataclass(frozen=True)
class SeenRows:
    """Rows of train by id, by digest and by signature of their texts; `similarity` is that of the version's split."""

    values: dict[str, pa.Array]
    signatures: Signatures
    similarity: float

    @staticmethod
    def of(version: Path) -> SeenRows:
        """Read the train rows of a version."""
        tables = list(store.rows_of(version, "train", [*_NAMES, "text"]))
        values = {name: pa.concat_arrays([pa.array([], pa.string()), *_chunks(tables, name)]) for name in _NAMES}
        return SeenRows(values, signed(tables), similarity_of(version))

    def rows(self, table: pa.Table) -> pa.ChunkedArray:
        """Tell for each row of a table (`id, text_sha256`) whether it is a row of train, by one or the other."""
        return pc.or_(*(pc.is_in(table.column(name), self.values[name]) for name in _NAMES))

    def parted(self, tables: Callable[[], Iterable[pa.Table]], exchange: Exchange) -> Iterator[Parted]:
        """Yield each table (`id, text_sha256, text`) without the rows of train and those like one; `tables` is called twice.

        Each text is signed once, and all are held against train at once: table by table, train would be looked through as
        often as there are tables, and what connects two copies might be in another one.
        """
        with closing(exchange.temporary_file()) as file:
            signatures = _File(file)
            for table in tables():
                block = signed([self._others(table)])
                with exchange.room():
                    signatures.add(block)
            is_train = np.arange(signatures.rows + len(self.signatures)) >= signatures.rows
            is_near = near_eval(
                lambda: chain(signatures.blocks(), [self.signatures]), is_train, self.similarity, exchange
            )
        start = 0
        for table in tables():
            others = self._others(table)
            near = is_near[start : start + len(others)]
            start += len(others)
            yield Parted(others.filter(pa.array(~near)), len(table) - len(others), int(near.sum()))

    def _others(self, table: pa.Table) -> pa.Table:
        return table.filter(pc.invert(self.rows(table)))


class Parted(NamedTuple):
    """The rows of a table that are new to a student, and how many others are of its train, or like one of it."""

    others: pa.Table
    of_train: int
    like_train: int


class _File:
    """Signatures in a file, in the blocks in which they were added."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._counts = file, list[int]()

    @property
    def rows(self) -> int:
        return sum(self._counts)

    def add(self, block: Signatures) -> None:
        self._file.write(block.tobytes())
        self._file.flush()  # here, where a full disk has a line of its own
        self._counts.append(len(block))

    def blocks(self) -> Iterator[Signatures]:
        at = 0
        for count in self._counts:
            self._file.seek(at)
            block = self._file.read(count * _BYTES)
            at += len(block)
            yield np.frombuffer(block, np.uint16).reshape(count, NUMBERS)


def similarity_of(version: Path) -> float:
    """Return from what share of common pieces on texts of a version were in one group."""
    return float(store.read_manifest(version)["split"]["similarity"])


def signed(tables: Iterable[pa.Table]) -> Signatures:
    """Return the signatures of the texts of tables, as the split has them."""
    texts = [text or "" for table in tables for text in table.column("text").to_pylist()]
    return signatures_of([texts_of([""] * len(texts), texts)], len(texts))


def like(signatures: Signatures, others: Signatures, similarity: float) -> Flags:
    """Tell for each row of `signatures` whether the split would have it in one group with a row of `others`."""
    is_other = np.arange(len(signatures) + len(others)) >= len(signatures)
    return near_eval(lambda: [signatures, others], is_other, similarity)[: len(signatures)]


def _chunks(tables: Iterable[pa.Table], name: str) -> Iterator[pa.Array]:
    for table in tables:
        yield from table.column(name).cast(pa.string()).chunks
