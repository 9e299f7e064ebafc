"""Data files of a version: the file of each row, and the writing of them.

A row stays in the file in which it was published first; new rows fill the last file, then further ones.  So growing leaves
all other files as they are, byte for byte, and nothing of them is uploaded again.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.core.errors import InputError
from pipeline.core.parquet import open_parquet
from pipeline.versions.diff import Comparison
from pipeline.versions.file_facts import bytes_of_texts
from pipeline.versions.rows import SPLITS

ROWS_A_FILE = 50_000
ROWS_A_GROUP = 1_000  # what a reader takes at once
BYTES_A_GROUP = 100_000_000  # of long texts it takes fewer rows: the Hub's viewer shows no group of more than 286 MB
Numbers = np.ndarray[Any, np.dtype[np.int64]]


def files_of_rows(split: pa.ChunkedArray, compared: Comparison, old: pa.Table) -> Numbers:
    """Return for each row the number of its file within its split; `old` has `file` of the last version's rows."""
    kept = pa.array(compared.before, mask=~compared.stayed)
    files = np.asarray(old.column("file").take(kept).fill_null(-1), dtype=np.int64)
    for name in SPLITS:
        of_split = np.asarray(pc.equal(split, name), dtype=bool)
        files[of_split] = _filled(files[of_split])
    return files


def _filled(files: Numbers) -> Numbers:
    """Give rows without a file (-1) room in the last one that there is, then in further ones."""
    # Room that rows left in earlier files stays: to fill it would change files that are out.
    last = int(files.max(initial=0))
    room = max(0, ROWS_A_FILE - int((files == last).sum()))
    new = np.flatnonzero(files < 0)
    # position among the rows that the last file has no room for; below 0: it has
    overflow = np.arange(len(new)) - room
    files[new] = np.where(overflow < 0, last, last + 1 + overflow // ROWS_A_FILE)
    return files


def name_of(split: str, file: int) -> str:
    """Return the name of a data file within a version."""
    return f"data/{split}-{file:05d}.parquet"


def unchanged(index: pa.Table, compared: Comparison, old: pa.Table) -> frozenset[str]:
    """Return the names of the last version's files that hold the very rows, in the same order, that they would hold now.

    `index` has `split, file` of each row of now, `old` of each row of then.
    """
    names = set[str]()
    for file, rows in _rows_of_files(index).items():
        before = compared.before[rows]
        then = np.arange(before[0], before[0] + len(rows))
        if (before == then).all() and not compared.changed[rows].any() and before[0] >= 0:
            names.add(name_of(*file))
    counts = old.group_by(["split", "file"]).aggregate([([], "count_all")]).to_pylist()
    now = {name_of(*file): len(rows) for file, rows in _rows_of_files(index).items()}
    same = {name for row in counts if now.get(name := name_of(row["split"], row["file"])) == row["count_all"]}
    return frozenset(names & same)


def rows_in(index: pa.Table, name: str) -> pa.Table:
    """Return the rows of the index that are in one data file, in order."""
    split, number = name.removeprefix("data/").removesuffix(".parquet").split("-")
    return index.filter(pc.and_(pc.equal(index.column("split"), split), pc.equal(index.column("file"), int(number))))


def _rows_of_files(index: pa.Table) -> dict[tuple[str, int], Numbers]:
    """Return the numbers of the rows of each file, in order."""
    splits, files = np.asarray(index.column("split").cast(pa.string())), np.asarray(index.column("file"))
    places = [(name, int(file)) for name in SPLITS for file in np.unique(files[splits == name])]
    return {file: np.flatnonzero((splits == file[0]) & (files == file[1])) for file in places}


def write(
    folder: Path, schema: pa.Schema, parts: Iterable[tuple[pa.Table, pa.Table]], index: pa.Table
) -> dict[str, int]:
    """Write rows, each part with its slice of `index` (`split, file` of each row; those of files that are taken over left out).

    Return for each file the bytes that its texts take in memory (`file_facts.bytes_of_texts`).

    A split without rows gets no file: `datasets` cannot open an empty one, so the card leaves such a split out, too.  Raises
    InputError where the parts do not have the rows that `index` counts.
    """
    counts = index.group_by(["split", "file"]).aggregate([([], "count_all")]).to_pylist()
    writers = {(row["split"], row["file"]): _Writer(folder, schema, **row) for row in counts}
    try:
        for rows, part_index in parts:
            targets = part_index.group_by(["split", "file"]).aggregate([]).to_pylist()
            for target in targets:
                in_target = pc.and_(*(pc.equal(part_index.column(name), value) for name, value in target.items()))
                writers[target["split"], target["file"]].add(rows if len(targets) == 1 else rows.filter(in_target))
        if any(writer.left for writer in writers.values()):
            # The shards were read twice, once to be counted; another process may have made one anew in between.
            raise InputError(f"{folder}: rows changed while they were written; run again")
    finally:
        for writer in writers.values():
            writer.close()
    return {name_of(*shard_of): writer.text_bytes for shard_of, writer in writers.items()}


def write_whole(path: Path, rows: pa.Table) -> None:
    """Write all rows into one small file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _open(path, rows.schema) as file:
        file.write_table(rows)


def remake(path: Path, note: str) -> None:
    """Write a file anew with the same rows and other bytes: `note` is in its metadata, which readers leave alone.

    A store that holds a file's bytes damaged, and believes that it has them, takes only others.
    """
    new_path = path.with_suffix(".new")
    with open_parquet(path) as old:
        schema = old.schema_arrow
        with _open(new_path, schema.with_metadata({**(schema.metadata or {}), "labelmill": note})) as new:
            for number in range(old.num_row_groups):
                new.write_table(old.read_row_group(number))
    new_path.replace(path)


def _open(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        write_page_index=True,
        use_content_defined_chunking=True,  # a row more or less moves no page but its own: the Hub stores the rest once
    )


def _group_ends(rows: pa.Table) -> list[int]:
    """Return the numbers of the rows before which a row group ends: full by their number or their bytes, but for the last.

    They depend on the rows alone, however these came: a group is never cut where its last row has not been seen.
    """
    sizes = np.zeros(rows.num_rows, np.int64)
    for name in rows.column_names:
        sizes += _bytes_a_row(rows.column(name))
    total, start, ends = np.concatenate([[0], np.cumsum(sizes)]), 0, list[int]()
    while True:
        fits = int(np.searchsorted(total, total[start] + BYTES_A_GROUP, "right")) - 1  # rows before this one do
        end = min(max(fits, start + 1), start + ROWS_A_GROUP)
        if end > rows.num_rows or (end == rows.num_rows and end < start + ROWS_A_GROUP):
            return ends
        ends.append(end)
        start = end


def _bytes_a_row(column: pa.ChunkedArray) -> Numbers:
    """Return the bytes of each value of a text; of others nothing, for a label is small."""
    if not pa.types.is_string(column.type):
        return np.zeros(len(column), np.int64)
    return np.asarray(pc.binary_length(column).fill_null(0), dtype=np.int64)


class _Writer:
    """One file, opened with its first row and closed with its last; row groups by number and bytes of rows, so that its own
    bytes depend on the rows alone."""

    def __init__(self, folder: Path, schema: pa.Schema, split: str, file: int, count_all: int) -> None:
        self._path, self._schema, self.left = folder / f"{split}-{file:05d}.parquet", schema, count_all
        self._waiting, self.text_bytes = schema.empty_table(), 0
        self._file: pq.ParquetWriter | None = None

    def add(self, rows: pa.Table) -> None:
        whole = pa.concat_tables([self._waiting, rows.cast(self._schema)])
        self.left -= rows.num_rows
        ends = _group_ends(whole)
        if not self.left and whole.num_rows > (ends[-1] if ends else 0):
            # The last row of the file has been seen, so the last group may be cut.
            ends.append(whole.num_rows)
        for start, end in pairwise([0, *ends]):
            self._write(whole.slice(start, end - start).combine_chunks())
        rest = np.arange(ends[-1] if ends else 0, whole.num_rows)
        # a copy: a slice would keep the whole table in memory
        self._waiting = whole.take(pa.array(rest, pa.int64()))
        if not self.left:
            self.close()

    def _write(self, rows: pa.Table) -> None:
        if self._file is None:
            self._file = _open(self._path, self._schema)
        self._file.write_table(rows)
        self.text_bytes += bytes_of_texts(rows)

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None
