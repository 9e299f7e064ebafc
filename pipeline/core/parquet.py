"""Parquet files: written whole or not at all, read in memory that does not grow with the file."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.errors import InputError
from pipeline.core.files import file_digest
from pipeline.core.objects import AnyPath, ObjectPath

# nearly every row has its own, so a dictionary would only cost
_PLAIN_COLUMNS = {
    "id",
    "title",
    "text",
    "url",
    "text_sha256",
    "key",
    "reply_sha256",
    "group_id",
}
_BUFFER_BYTES = 2**20  # of a column at once: a file may be one row group of a million rows


def open_parquet(source: AnyPath | Any) -> pq.ParquetFile:
    """Open a path or a file object so that its batches are read in flat memory.

    pyarrow's default (`pre_buffer`) keeps every byte that it has read until the file is closed, 1.4 GB of a million articles.
    """
    if isinstance(
        source, ObjectPath
    ):  # a shard, which fits into memory: columns that are neighbours come by one request
        return pq.ParquetFile(source.open(), pre_buffer=True)
    # A store elsewhere is asked for whole columns of a row group: each small read of one would be a request, and read ahead.
    is_here = isinstance(source, Path) or _has_number(source)
    return pq.ParquetFile(source, pre_buffer=False, buffer_size=_BUFFER_BYTES if is_here else 0)


def _has_number(file: Any) -> bool:
    try:
        return isinstance(file.fileno(), int)
    except (AttributeError, OSError):
        return False


def write_parquet(path: AnyPath, table: pa.Table | Iterator[pa.Table], schema: pa.Schema) -> str:
    """Write Parquet atomically and return the digest of its bytes, which depend on the rows and the pyarrow version only."""
    if isinstance(path, ObjectPath):
        made = io.BytesIO()
        _write(made, table, schema)
        path.write_bytes(made.getvalue())
        return hashlib.sha256(made.getbuffer()).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _write(temporary, table, schema)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        # Read back from the file: the digest is of what is there, not of what was meant to be written.
        digest = file_digest(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return digest


def _write(target: Path | io.BytesIO, table: pa.Table | Iterator[pa.Table], schema: pa.Schema) -> None:
    coded = [name for name in schema.names if name not in _PLAIN_COLUMNS]
    with pq.ParquetWriter(target, schema, compression="zstd", compression_level=1, use_dictionary=coded) as writer:
        for part in [table] if isinstance(table, pa.Table) else table:
            writer.write_table(part.select(schema.names).cast(schema))


def read_parquet(path: AnyPath, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a shard's rows.  Raises InputError, naming the file, where it is missing or damaged."""
    with _readable(path):
        # The whole shard is one request; by columns it would be several.
        if columns is None and isinstance(path, ObjectPath):
            return pq.ParquetFile(pa.BufferReader(path.read_bytes())).read(use_threads=False)
        return open_parquet(path).read(columns=list(columns) if columns is not None else None, use_threads=False)


def rows_of_parquet(path: AnyPath) -> int:
    """Return how many rows a file has.  Raises InputError, naming the file, where it is missing or damaged."""
    with _readable(path), open_parquet(path) as file:
        count: int = file.metadata.num_rows
        return count


def stream_parquet(path: AnyPath, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield a shard's rows, at most `rows` at a time, so that it is never held as a whole.

    `columns` that the shard does not have are left out.  Raises InputError, naming the file, where it is missing or damaged.
    """
    with _readable(path), open_parquet(path) as file:
        present = [name for name in columns if name in file.schema_arrow.names]
        yield from file.iter_batches(rows, columns=present, use_threads=False)


@contextmanager
def _readable(path: AnyPath) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: not there; run the stage that writes it first") from error
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read ({error}); delete it and run again") from error
