"""Exchange: a fold over more rows than memory holds.

Rows go into buckets by the hash of a key, so that all rows with one key are in one bucket, and the buckets are folded one after the
other.  What is found of rows (verdicts) goes back to their shards in the same way, by the number of the row.  Memory is that of a
bucket, whatever the number of rows; rows that are few stay in memory, in the same buckets.

A bucket's rows are read in the order in which they were added, so the earliest row in source order wins as in one table.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from pipeline.core.errors import InputError

ROW = pa.field("row", pa.int64())  # number of a row through all shards, in source order
_BUCKET_BYTES = 2**26
# Smaller buckets would be more of them, and each costs a seek for each time that rows were written.
_LEAST_BYTES = 2**16  # of a bucket, however little memory a job is given
_SHARE = 16  # of a job's memory, for a bucket: its fold needs several times as much, and the process is there already
_MOST_BUCKETS = 2**16  # their numbers are sorted as 16 bits, which numpy does in linear time
Numbers = np.ndarray[Any, np.dtype[np.int64]]
Hashes = np.ndarray[Any, np.dtype[np.uint64]]


@dataclass(frozen=True)
class Exchange:
    """Where buckets that are not held in memory lie, on a local disk, and how many bytes one may have."""

    folder: Path
    bucket_bytes: int = _BUCKET_BYTES

    @classmethod
    def within(cls, folder: Path, memory: int | None) -> Exchange:
        """Return an exchange whose buckets are small enough for a job that may use so many bytes of memory."""
        return cls(folder, max(_LEAST_BYTES, min(_BUCKET_BYTES, (memory or _BUCKET_BYTES * _SHARE) // _SHARE)))

    def count(self, rows: int, row_bytes: int) -> int:
        """Return into how many buckets so many rows go, of about `row_bytes` each in all tables that hold them."""
        return max(1, min(_MOST_BUCKETS, -(-rows * row_bytes // self.bucket_bytes)))

    def buckets(self, schema: pa.Schema, count: int) -> Buckets:
        return Buckets(self, schema, count)

    def temporary_file(self) -> IO[bytes]:
        """Return a file without a name: it is gone with the process, however that ends, so a later run finds nothing to trust."""
        with self.room():
            self.folder.mkdir(parents=True, exist_ok=True)
            return tempfile.TemporaryFile(prefix=".exchange-", dir=self.folder)

    @contextmanager
    def room(self) -> Iterator[None]:
        """Tell of a disk that is full, or cannot be written to, in one line."""
        try:
            yield
        except OSError as error:
            raise InputError(
                f"{self.folder}: no temporary file can be written ({error.strerror or error}); make room, the same command goes on"
            ) from error


class Buckets:
    """Rows of one schema in numbered buckets, first all added, then read bucket by bucket.

    Above half of `bucket_bytes` they are in one temporary file.
    """

    # One file for all buckets: a hundred million rows make more buckets than a process may have files open.

    def __init__(self, exchange: Exchange, schema: pa.Schema, count: int) -> None:
        self.schema, self.count = schema, count
        self._exchange, self._bucket_bytes = exchange, exchange.bucket_bytes
        self._added: list[tuple[pa.Table, np.ndarray[Any, np.dtype[np.uint16]]]] = []
        self._added_bytes = 0
        self._in_order: tuple[pa.Table, Numbers] | None = (
            None  # rows that no file has, by bucket, and where each begins
        )
        self._file: IO[bytes] | None = None
        # in the file: where each bucket begins, for each time that rows were written
        self._places: list[Numbers] = []

    @property
    def written(self) -> int:
        """How many bytes are in the file."""
        return int(self._places[-1][-1]) if self._places else 0

    def __enter__(self) -> Buckets:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, rows: pa.Table, buckets: np.ndarray[Any, Any]) -> None:
        """Add rows, each to the bucket with its number in `buckets`."""
        if rows.num_rows:
            self._added.append((rows, buckets.astype(np.uint16)))
            self._added_bytes += rows.nbytes
        if self._added_bytes > self._bucket_bytes // 2:
            self._write()

    def parts(self, bucket: int) -> Iterator[pa.Table]:
        """Yield the rows of a bucket: in one table, or in several where a frequent key makes the bucket too large for one."""
        batches, size = list[pa.RecordBatch](), 0
        for batch in self._batches(bucket):
            batches.append(batch)
            size += batch.nbytes
            if size > 2 * self._bucket_bytes:
                yield pa.Table.from_batches(batches, self.schema)
                batches, size = [], 0
        if batches:
            yield pa.Table.from_batches(batches, self.schema)

    def table(self, bucket: int) -> pa.Table:
        """Return all rows of a bucket."""
        return pa.concat_tables([self.schema.empty_table(), *self.parts(bucket)])

    def _batches(self, bucket: int) -> Iterator[pa.RecordBatch]:
        if self._file is None:
            self._in_order = self._in_order or self._by_bucket()
            rows, bounds = self._in_order
            yield from rows.slice(bounds[bucket], bounds[bucket + 1] - bounds[bucket]).to_batches()
            return
        if self._added:
            self._write()
        for places in self._places:
            begin, end = places[bucket : bucket + 2]
            if begin < end:
                self._file.seek(begin)
                yield pa.ipc.read_record_batch(pa.py_buffer(self._file.read(end - begin)), self.schema)

    def _by_bucket(self) -> tuple[pa.Table, Numbers]:
        """Return the rows that were added last, sorted by bucket, and where each bucket begins."""
        numbers = np.concatenate([np.zeros(0, np.uint16), *(buckets for _, buckets in self._added)])
        rows = pa.concat_tables([self.schema.empty_table(), *(table for table, _ in self._added)])
        self._added, self._added_bytes = [], 0
        bounds = np.concatenate([[0], np.cumsum(np.bincount(numbers, minlength=self.count))])
        if self.count == 1:  # a small job's rows are in order as they are
            return rows.combine_chunks(), bounds
        # Stable, so that rows of a bucket stay in source order: the earliest row wins.
        return rows.take(pa.array(np.argsort(numbers, kind="stable"))).combine_chunks(), bounds

    def _write(self) -> None:
        rows, bounds = self._by_bucket()
        places = np.zeros(self.count + 1, np.int64)
        self._file = self._file or self._exchange.temporary_file()
        with self._exchange.room():
            # At the end, for reading a bucket in between moves the position.
            places[0] = self._file.seek(0, 2)
            for bucket in range(self.count):
                for batch in rows.slice(bounds[bucket], bounds[bucket + 1] - bounds[bucket]).to_batches():
                    self._file.write(batch.serialize())
                places[bucket + 1] = self._file.tell()
            self._file.flush()  # here, where a full disk has a line of its own
        self._places.append(places)


class FoldOutcomes:
    """What a fold found of some rows: added by the row's number through all shards, given back shard by shard."""

    def __init__(self, exchange: Exchange, schema: pa.Schema, sizes: Sequence[int], row_bytes: int = 64) -> None:
        """`schema` has the column `row`; `sizes` are the rows of each shard, in source order."""
        self._starts = np.concatenate([[0], np.cumsum(np.asarray(sizes, np.int64))])
        count = exchange.count(int(self._starts[-1]), row_bytes)
        self._bucket_of = self._starts[:-1] * count // max(1, int(self._starts[-1]))  # of each shard
        self._bucket_of = np.minimum(self._bucket_of, count - 1)
        self._buckets = exchange.buckets(schema, count)
        self._loaded: tuple[int, pa.Table, Numbers] | None = None

    def __enter__(self) -> FoldOutcomes:
        return self

    def __exit__(self, *_: object) -> None:
        self._buckets.__exit__()

    def add(self, verdicts: pa.Table) -> None:
        if verdicts.num_rows:
            shards = np.searchsorted(self._starts, verdicts.column("row").to_numpy(), side="right") - 1
            self._buckets.add(verdicts, self._bucket_of[shards])

    def of(self, shard: int) -> pa.Table:
        """Return the verdicts on the rows of a shard, by its number, in their order; `row` counts within the shard."""
        bucket = int(self._bucket_of[shard])
        if self._loaded is None or self._loaded[0] != bucket:
            verdicts = self._buckets.table(bucket)
            # Verdicts come in the order of the buckets that gave them, not in that of rows.
            order = np.argsort(verdicts.column("row").to_numpy(), kind="stable")
            verdicts = verdicts.take(pa.array(order))
            self._loaded = bucket, verdicts, verdicts.column("row").to_numpy()
        _, verdicts, rows = self._loaded
        begin, end = np.searchsorted(rows, self._starts[shard : shard + 2])
        within = pa.array(rows[begin:end] - self._starts[shard])
        return verdicts.slice(begin, end - begin).set_column(verdicts.schema.get_field_index("row"), ROW, within)


def bucket_of(keys: pa.ChunkedArray | pa.Array, count: int) -> Numbers:
    """Return the bucket of each key, of `count`; a null has that of an empty key."""
    return bucket_of_hash(hashes(keys), count)


def bucket_of_hash(key_hashes: Hashes, count: int) -> Numbers:
    # The upper half times the count, shifted, in place of a remainder: no division, and any count will do.
    buckets: Numbers = ((key_hashes >> np.uint64(32)) * np.uint64(count) >> np.uint64(32)).astype(np.int64)
    return buckets


def hashes(keys: pa.ChunkedArray | pa.Array) -> Hashes:
    """Return a hash of each value, the same on every machine; what is neither text nor bytes is hashed as it is printed.

    Raises InputError for values that no text stands for (lists, objects).
    """
    array = _plain(keys)
    parts = [_hashes(array.slice(start, _AT_ONCE)) for start in range(0, len(array), _AT_ONCE)]
    return np.concatenate([np.zeros(0, np.uint64), *parts])


def _plain(keys: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return keys in one array of values: a dictionary's codes are in no order of theirs."""
    array = keys.combine_chunks() if isinstance(keys, pa.ChunkedArray) else keys
    return array.cast(array.type.value_type) if pa.types.is_dictionary(array.type) else array


def _hashes(array: pa.Array) -> Hashes:
    try:
        is_bytes = any(is_one(array.type) for is_one in _OF_BYTES)
        array = (array if is_bytes else array.cast(pa.string())).cast(pa.large_binary())
    except pa.ArrowNotImplementedError as error:
        raise InputError(f"rows cannot be compared by values of type {array.type}; compare a text of them") from error
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    begin, end = int(bounds[0]), int(bounds[-1])
    letters = np.frombuffer(data or b"", np.uint8)[begin:end]
    # A polynomial of all bytes at once: the sum between a value's bounds, times the inverse of the power that it begins at.
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(letters * _powers(_BASE, len(letters)), dtype=np.uint64)])
    begins = bounds[:-1] - begin
    return mixed((sums[bounds[1:] - begin] - sums[begins]) * _powers(_INVERSE, len(letters) + 1)[begins])


_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 2**64)
# Bytes are hashed as they are; all other types through their text, so that 7 and "7" of two files are one key.
_OF_BYTES = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
_AT_ONCE = 2**14  # values: powers are kept for so many
_POWERS: dict[int, Hashes] = {}


def _powers(base: int, count: int) -> Hashes:
    """Return the first powers of a number modulo 2^64."""
    powers = _POWERS.get(base)
    if powers is None or len(powers) < count:
        # Wrapping around is meant: uint64 computes modulo 2^64.
        factors = np.full(max(count, 2**16), base, np.uint64)
        factors[0] = 1
        powers = _POWERS[base] = np.cumprod(factors, dtype=np.uint64)
    return powers[:count]


def mixed(values: Hashes) -> Hashes:
    """Make every bit depend on every other: the finalizer of SplitMix64, with constants of Pelle Evensen's moremur."""
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x3C79AC492BA7B653)
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0x1C69B3F74AC4AE35)
    return values ^ (values >> np.uint64(27))


def repeats(parts: Iterator[pa.Table], key: str) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield the rows of a bucket whose key an earlier row has, and beside each the first row that has it."""
    firsts: pa.Table | None = None
    for part in parts:
        rows = part if firsts is None else pa.concat_tables([firsts, part])
        first = first_occurrences(rows.column(key))
        is_first = first == np.arange(len(first))
        later = np.flatnonzero(~is_first)
        # One row of each key is carried into the next part, which may have more of them.
        yield rows.take(pa.array(later)), rows.take(pa.array(first[later]))
        firsts = rows.filter(pa.array(is_first))


def first_occurrences(keys: pa.ChunkedArray) -> Numbers:
    """Return for each row the number of the first row with the same key; a null is like no other row."""
    array = _plain(keys)
    codes = array.dictionary_encode().indices
    numbers = np.asarray(codes.fill_null(-1), dtype=np.int64)
    rows = np.arange(len(numbers))
    # codes count up as values come first, so a value's first row is where its code is larger than all before
    highest = np.maximum.accumulate(np.concatenate([[-1], numbers]))
    firsts = rows[numbers > highest[:-1]]
    return np.where(numbers < 0, rows, firsts[numbers] if len(firsts) else rows)
