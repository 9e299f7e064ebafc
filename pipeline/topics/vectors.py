"""Vectors on disk: int8, by the digest of what was embedded, a folder for each identity of an embedder.

Files are only ever added, so growing embeds new texts alone, and a run that was killed goes on where it was.  A row is scaled to
use all of an int8.  Its length is bounded so that every partial sum of a product of two rows is an integer below 2**24, which
float32 holds exactly: such products are the same in any order of adding, on any number of cores.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.embedder import EmbeddedText, Embedder
from pipeline.core.errors import InputError
from pipeline.core.files import digest_of, write_json
from pipeline.core.parquet import read_parquet, write_parquet
from pipeline.core.progress import progress_bar
from pipeline.topics.texts import KEY_BYTES, Key, Texts

Matrix = np.ndarray[Any, np.dtype[np.int8]]
_LARGEST = 127.0
_LONGEST = 4095.0  # of a row: 4095**2 < 2**24, which bounds every partial sum (Cauchy-Schwarz)
_CHARACTERS = 60_000_000  # of heads in memory


def quantised(vectors: np.ndarray[Any, Any]) -> Matrix:
    """Return vectors as int8, each row scaled by its own largest part; their direction is what counts."""
    rows = np.asarray(vectors, np.float32)
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.minimum(_LARGEST / largest, (_LONGEST - np.sqrt(rows.shape[1])) / length)
    return np.rint(rows * np.where(np.isfinite(scale), scale, 0.0)).astype(np.int8)


@dataclass(frozen=True)
class VectorStore:
    """The vectors of one embedder."""

    path: Path

    @classmethod
    def of(cls, folder: Path, name: str, identity: dict[str, Any]) -> VectorStore:
        """Return the store of an embedder in the job's folder of vectors; what it is of is told in a file beside them."""
        store = cls.at(folder, name, identity)
        if not (store.path / "_identity.json").exists():
            write_json(store.path / "_identity.json", identity)
        return store

    @classmethod
    def at(cls, folder: Path, name: str, identity: dict[str, Any]) -> VectorStore:
        """Return the store of an embedder to look at, be it there or not."""
        return cls(folder / f"{name}-{digest_of(identity)[:12]}")

    @cached_property
    def _rows(self) -> dict[Key, tuple[int, int]]:
        """File and row of each key."""
        rows: dict[Key, tuple[int, int]] = {}
        for number, file in enumerate(self._files):
            keys = read_parquet(file, ["text"]).column("text").to_pylist()
            rows.update((key, (number, row)) for row, key in enumerate(keys))
        return rows

    @property
    def _files(self) -> list[Path]:
        return sorted(self.path.glob("[0-9]*.parquet"))

    @property
    def width(self) -> int:
        """The numbers of a vector; 0 where there is none yet."""
        files = self._files
        return int(pq.read_schema(files[0]).field("vector").type.byte_width) if files else 0

    def missing(self, keys: Iterable[Key]) -> set[Key]:
        """Return the keys that have no vector yet."""
        return {key for key in keys if key not in self._rows}

    def add(self, keys: Sequence[Key], vectors: Matrix) -> None:
        """Store vectors in a file of their own.  Raises InputError where they are longer or shorter than those that are there."""
        files = self._files
        number = 1 + (int(files[-1].stem) if files else 0)
        size = vectors.shape[1]
        if files and size != self.width:
            raise InputError(
                f"{self.path}: holds vectors of {self.width} numbers, and now they have {size}: another model answers under the "
                "same name; name it otherwise, or delete the folder"
            )
        table = pa.table(
            {
                "text": pa.array(keys, pa.binary(KEY_BYTES)),
                "vector": pa.FixedSizeBinaryArray.from_buffers(
                    pa.binary(size), len(vectors), [None, pa.py_buffer(np.ascontiguousarray(vectors))]
                ),
            }
        )
        write_parquet(self.path / f"{number:06}.parquet", table, table.schema)
        self.__dict__.pop("_rows", None)

    def forget(self, keys: Collection[Key]) -> None:
        """Remove the vectors of keys, for good."""
        for file in self._files:
            table = read_parquet(file)
            left = table.filter(pa.array([key not in keys for key in table.column("text").to_pylist()], pa.bool_()))
            if not left.num_rows:
                file.unlink()
            elif left.num_rows < table.num_rows:
                write_parquet(file, left, left.schema)
        self.__dict__.pop("_rows", None)

    def matrix(self, keys: Sequence[Key]) -> Matrix:
        """Return the vectors of keys, a row each.  All of them must be there."""
        wanted = [self._rows[key] for key in keys]
        files, size = self._files, self.width
        matrix = np.zeros((len(keys), size), np.int8)
        by_file: dict[int, list[tuple[int, int]]] = {}
        for row, (number, at) in enumerate(wanted):
            by_file.setdefault(number, []).append((row, at))
        for number, pairs in by_file.items():
            column = read_parquet(files[number], ["vector"]).column("vector").combine_chunks()
            stored = np.frombuffer(column.buffers()[1], np.int8)[column.offset * size :][: len(column) * size]
            rows, at = np.array(pairs).T
            matrix[rows] = stored.reshape(-1, size)[at]
        return matrix


Batch = list[tuple[Key, EmbeddedText]]
EmbedAll = Callable[[Iterable[Batch], int], Iterator[tuple[list[Key], Matrix]]]
"""Given batches, and about how many there are, yields the vectors of each in their order."""


def embed_missing(texts: Texts, embedder: Embedder, store: VectorStore, missing: set[Key], embed: EmbedAll) -> None:
    """Embed the heads that have no vector yet, in the order of their keys: so the batches, and with them the last bits of a vector,
    do not depend on the order of the sources; nor on a kill, since what is done is the first of them."""
    batches = _as_read(texts, embedder, missing) if embedder.alone else in_order(texts, embedder, sorted(missing))
    with progress_bar("topics", len(missing), "articles") as bar:
        for keys, vectors in embed(batches, -(-len(missing) // embedder.batch)):
            store.add(keys, vectors)
            bar.update(len(keys))


def _as_read(texts: Texts, embedder: Embedder, missing: set[Key]) -> Iterator[Batch]:
    """Yield missing heads with their keys as they are read, a batch at a time."""
    left, waiting = set(missing), dict[Key, Any]()
    for _, key, given in texts.heads(embedder.characters):
        if key in left:
            left.discard(key)
            waiting[key] = given
            if len(waiting) == embedder.batch:
                yield list(waiting.items())
                waiting.clear()
    if waiting:
        yield list(waiting.items())


def in_order(texts: Texts, embedder: Embedder, missing: list[Key]) -> Iterator[Batch]:
    """Yield missing heads with their keys in order, a batch at a time; as many are in memory as `_CHARACTERS` allows."""
    waiting: Batch = []
    at_once = max(embedder.batch, _CHARACTERS // embedder.characters)
    for begin in range(0, len(missing), at_once):
        wanted = set(missing[begin : begin + at_once])
        given = {key: text for _, key, text in texts.heads(embedder.characters) if key in wanted}
        waiting += sorted(given.items())
        while len(waiting) >= embedder.batch:
            yield waiting[: embedder.batch]
            del waiting[: embedder.batch]
    if waiting:
        yield waiting
