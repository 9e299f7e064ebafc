"""What a student was trained on, among other articles: the rows of train, and articles that are like one.

It has seen the labels of the first, and all but the text of the second: on either it looks better than it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.split.assignment import Flags, near_eval, signatures_of, texts_of
from pipeline.split.groups import Signatures
from pipeline.versions import store

_NAMES = ("id", "text_sha256")


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

    def parted(self, table: pa.Table) -> tuple[pa.Table, int, int]:
        """Return the rows of a table (`id, text_sha256, text`) that are not of train nor like one of it, and how many are each."""
        others = table.filter(pc.invert(self.rows(table)))
        is_near = like(signed([others]), self.signatures, self.similarity)
        return others.filter(pa.array(~is_near)), len(table) - len(others), int(is_near.sum())


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
