"""Groups of texts that are alike, made of signatures by locality-sensitive hashing.

Four numbers of a signature side by side are one band, 32 bands in all: texts that agree in a whole band are candidates,
and a candidate counts where the whole signatures agree in a large enough share.  Of texts that share half of their
pieces 87% meet in some band, of those that share 0.6 99%, of unrelated ones (below 0.03) one pair in 40,000.

Bands go into buckets, buckets give pairs, pairs go into buckets by their first row, and what they connect is kept of the rows
alone that have a pair: 12 bytes each, and a byte of all rows.  The signatures pass by twice.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.core.exchange import Buckets, Exchange, Hashes, Numbers, bucket_of_hash, mixed
from pipeline.split.minhash import NUMBERS
from pipeline.split.stored_signatures import StoredSignatures, matching

RULE = 1  # raised where other texts are near-copies: it stands in the keys of what was made by it
_BANDS = NUMBERS // 4
_NEIGHBOURS = 4  # in a band's sorted order; another band puts others side by side
# 2 MB of signatures on either side.
_CHUNK = 1 << 13  # pairs compared at once
_STEP = 1 << 20  # rows looked through at once
_BAND = pa.schema([("key", pa.uint64()), ("row", pa.uint32())])
_PAIR = pa.schema([("pair", pa.uint64())])  # the lower row in the upper half
_KEYS = _BANDS + 1  # the last is the whole signature's: equal ones are paired, however frequent their bands are
_ROW_BYTES = 24 * _KEYS  # of a row in the buckets: sorting takes as much again as they have
_OF_TABLE = np.uint64(2**22 - 1)
_LOWER = np.uint64(2**32 - 1)
_HALF = np.uint64(32)
_SLOT = 20  # bits
_SPREAD, _BESIDE_SLOT = np.uint64(0x9E3779B97F4A7C15), np.uint64(64 - _SLOT)  # multiplicative hashing
# so that a key in one band is another in the next
_OF_BAND = np.arange(1, _BANDS + 1, dtype=np.uint64) << np.uint64(40)
WHEREVER = Exchange(Path(tempfile.gettempdir()))  # where there is no job's folder
Rows = Numbers
Pairs = Hashes
RowNumbers = np.ndarray[Any, np.dtype[np.uint32]]
Signatures = np.ndarray[Any, np.dtype[np.uint16]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
Signed = Callable[[], Iterable[Signatures]]
"""The signatures of all rows, in order, in blocks of some rows (n x 128); it is called as often as they are looked at."""


@dataclass(frozen=True)
class Groups:
    """The rows of `count` that are in a group with another one, in order, and for each the lowest row of its group."""

    count: int
    rows: RowNumbers
    heads: RowNumbers

    def of_all(self) -> Rows:
        """Return for each row the lowest row of its group, which may be itself."""
        heads = np.arange(self.count)
        heads[self.rows] = self.heads
        return heads

    def heads_of(self, rows: Rows) -> Rows:
        """Return for each of some rows the lowest row of its group."""
        at = self.positions(rows)
        heads = rows.copy()
        heads[at >= 0] = self.heads[at[at >= 0]]
        return heads

    def positions(self, rows: Rows) -> Rows:
        """Return where some rows stand in `rows`, -1 where they are in no group."""
        if not len(self.rows):
            return np.full(len(rows), -1)
        # else numpy would make all others as wide as these
        at = np.searchsorted(self.rows, rows.astype(np.uint32))
        at = np.minimum(at, len(self.rows) - 1)
        return np.where(self.rows[at] == rows, at, -1)


def groups(signatures: Signatures, similarity: float, exchange: Exchange = WHEREVER) -> Rows:
    """Return for each row of `signatures` (n x 128) the lowest row of its group."""
    return find_groups(lambda: [signatures], len(signatures), similarity, exchange).of_all()


def find_groups(signed: Signed, count: int, similarity: float, exchange: Exchange) -> Groups:
    """Return the groups of `count` rows.

    Rows are in one group where pairs that agree in at least the share `similarity` (0..1) of their numbers connect them.
    """
    # The default, 0.6, is a compromise: 0.5 catches texts with 10% of their words changed more often, and takes templated ones (a
    # form letter with another number) for copies.
    assert count <= _LOWER, "row numbers have 32 bits in the buckets"
    buckets = exchange.count(count, _ROW_BYTES)
    with exchange.buckets(_BAND, buckets) as bands, exchange.buckets(_PAIR, buckets) as pairs:
        _add_bands(bands, signed())
        equal = _Equal(bands)
        rows = _add_nearest(pairs, equal, count)
        with StoredSignatures(signed(), rows, exchange) as signatures:
            connected = _Connected(rows, signatures, similarity * NUMBERS)
            for bucket in range(buckets):
                for part in pairs.parts(bucket):
                    connected.unite(part.column("pair").to_numpy())
            # Of copies of a template the nearest ones connect nearly all, so that of the other pairs few are looked at.
            for bucket in range(buckets):
                for keys, rows_of_keys in equal.of(bucket):
                    for pair in _further(keys, rows_of_keys):
                        connected.unite(pair)
    return connected.groups(count)


def _add_bands(bands: Buckets, blocks: Iterable[Signatures]) -> None:
    start = 0
    for block in blocks:
        keys = mixed(np.ascontiguousarray(block).view(np.uint64) + _OF_BAND)
        keys = np.column_stack([keys, mixed(keys.sum(axis=1, dtype=np.uint64))]).ravel()
        rows = np.repeat(np.arange(start, start + len(block), dtype=np.uint32), _KEYS)
        bands.add(pa.table([keys, rows], schema=_BAND), bucket_of_hash(keys, bands.count))
        start += len(block)


class _Equal:
    """What several rows have of each bucket of bands, for two looks at it; of one bucket it is kept for the second."""

    def __init__(self, bands: Buckets) -> None:
        self._bands = bands
        self._kept: list[tuple[Hashes, RowNumbers]] | None = None

    def of(self, bucket: int) -> Iterable[tuple[Hashes, RowNumbers]]:
        if self._bands.count > 1:
            return _equal(self._bands.parts(bucket))
        if self._kept is None:  # a small job: sorting its bands is half of what its groups take
            self._kept = list(_equal(self._bands.parts(bucket)))
        return self._kept


def _add_nearest(pairs: Buckets, equal: _Equal, count: int) -> RowNumbers:
    """Pair each row with the next one that has the same key, into buckets by the lower row; return all rows that have a pair."""
    has_pair = np.zeros(count, bool)
    for bucket in range(pairs.count):
        for keys, rows in equal.of(bucket):
            pair = _pairs_at(keys, rows, 1)
            # Lower row first: all pairs of one row land in one bucket, where duplicates of several bands meet and go.
            lower, upper = _halves(pair)
            has_pair[lower] = has_pair[upper] = True
            pairs.add(pa.table([pair], schema=_PAIR), lower.astype(np.int64) * pairs.count // max(1, count))
    steps = range(0, count, _STEP)
    return np.concatenate([np.zeros(0, np.uint32), *(_numbers(has_pair[at : at + _STEP], at) for at in steps)])


def _numbers(flags: Flags, start: int) -> RowNumbers:
    return (np.flatnonzero(flags) + start).astype(np.uint32)


# All pairs of a bucket would be quadratic where a template is frequent.  Four neighbours and the first are linear, and the
# 32 bands sort differently: against all pairs on 120 texts nothing was missed (a test), of a million texts with 200,000
# planted copies 99.9% were paired from a similarity of 0.6 on.


def _further(keys: Hashes, rows: RowNumbers) -> Iterator[Pairs]:
    """Yield pairs with the same key beside the nearest: near each other among all of that key, and each with the first."""
    for distance in range(2, _NEIGHBOURS + 1):
        yield _pairs_at(keys, rows, distance)
    numbers, first, _ = _runs(keys)
    at = np.flatnonzero(numbers - first > _NEIGHBOURS)
    yield _pairs(rows[first[at]], rows[at])


def _equal(parts: Iterable[pa.Table]) -> Iterator[tuple[Hashes, RowNumbers]]:
    """Yield the keys of a bucket that several rows have, and few others, sorted, with their rows in order.

    What a bucket has in a second part begins with those rows of each key that are paired with later ones.
    """
    columns: list[tuple[Hashes, RowNumbers]] = []
    for part in parts:
        columns.append((part.column("key").to_numpy(), part.column("row").to_numpy()))
        keys, rows = (np.concatenate(column) for column in zip(*columns, strict=True))
        several = _may_have_equal(keys)
        ones = keys[~several], rows[~several]
        order = np.argsort(keys[several], kind="stable")
        keys, rows = keys[several][order], rows[several][order]
        yield keys, rows
        numbers, first, behind = _runs(keys)
        stays = (numbers == first) | (behind - numbers <= _NEIGHBOURS)
        columns = [ones, (keys[stays], rows[stays])]


def _may_have_equal(keys: Hashes) -> Flags:
    """Tell of each key whether there may be an equal one: of all that have one, and of few others."""
    # numpy sorts numbers in a tenth of the time that it needs for their order, and most keys are like no other
    ordered = np.sort(keys)
    is_taken = np.zeros(2**22, bool)
    is_taken[ordered[1:][ordered[1:] == ordered[:-1]] & _OF_TABLE] = True
    may_have: Flags = is_taken[keys & _OF_TABLE]
    return may_have


def _runs(keys: Hashes) -> tuple[Rows, Rows, Rows]:
    """Return for each of some sorted keys its number, that of the first equal one, and that behind the last equal one."""
    begins = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: len(keys)])
    counts = np.diff(np.append(begins, len(keys)))
    return np.arange(len(keys)), np.repeat(begins, counts), np.repeat(begins + counts, counts)


def _pairs_at(keys: Hashes, rows: RowNumbers, distance: int) -> Pairs:
    at = np.flatnonzero(keys[distance:] == keys[:-distance])
    return _pairs(rows[at], rows[at + distance])


def _pairs(lower: RowNumbers, upper: RowNumbers) -> Pairs:
    return lower.astype(np.uint64) << _HALF | upper.astype(np.uint64)


def _halves(pairs: Pairs) -> tuple[RowNumbers, RowNumbers]:
    return (pairs >> _HALF).astype(np.uint32), (pairs & _LOWER).astype(np.uint32)


class _Connected:
    """What alike pairs connect, of the `rows` that have a pair (sorted): 12 bytes each."""

    def __init__(self, rows: RowNumbers, signatures: StoredSignatures, least: float) -> None:
        """`least`: how many numbers the signatures of an alike pair agree in."""
        self._rows, self._signatures, self._least = rows, signatures, least
        self._parent = np.arange(len(rows))  # by position in `rows`; the lowest of a group is its head

    def groups(self, count: int) -> Groups:
        parent = self._parent
        is_of_group = np.zeros(len(parent), bool)
        for begin in range(0, len(parent), _STEP):
            positions = np.arange(begin, min(begin + _STEP, len(parent)))
            heads = self._roots(positions)
            is_of_group[positions] |= heads != positions
            is_of_group[heads[heads != positions]] = True
        heads_of_rows = self._rows[parent[is_of_group]]
        return Groups(count, self._rows[is_of_group], heads_of_rows)

    def unite(self, pairs: Pairs) -> None:
        """Join the groups of those pairs that are alike.

        One pair of each row is looked at, then what that has not connected yet.
        """
        pairs = np.sort(pairs)
        # Near-copies meet in many bands: of the same pair one comparison is enough.
        pairs = pairs[np.append(True, pairs[1:] != pairs[:-1])[: len(pairs)]]
        left, right = (np.searchsorted(self._rows, half) for half in _halves(pairs))
        while True:
            apart = self._roots(left) != self._roots(right)
            left, right = left[apart], right[apart]
            if not len(left):
                return
            is_first = np.append(True, left[1:] != left[:-1])
            ones, others = left[is_first], right[is_first]
            for at in range(0, len(ones), _CHUNK):
                one, other = ones[at : at + _CHUNK], others[at : at + _CHUNK]
                alike = matching(self._signatures[one], self._signatures[other]) >= self._least
                self._join(one[alike], other[alike])
            left, right = left[~is_first], right[~is_first]

    def _roots(self, positions: Rows) -> Rows:
        """Return the head of each one's group, and let that be its parent."""
        roots = self._parent[positions]
        while ((above := self._parent[roots]) != roots).any():
            roots = above
        self._parent[positions] = roots
        return roots

    def _join(self, left: Rows, right: Rows) -> None:
        parent = self._parent

        def root(position: int) -> int:
            while (above := int(parent[position])) != position:
                parent[position] = position = int(parent[above])
            return position

        for one, other in zip(left.tolist(), right.tolist(), strict=True):
            low, high = sorted((root(one), root(other)))
            # The lowest row heads its group, so a group's head does not depend on the order in which pairs were looked at.
            parent[high] = low


def may_meet(signatures: Signatures, flags: Flags, similarity: float) -> bool:
    """Tell whether a row that is flagged and one that is not may be in one group; if not, no group has both.

    Few rows are flagged, so their bands are looked up among those of all others; `groups` sorts all of them, ten times as long.
    """
    bands = signatures.view(np.uint64)
    flagged, others = np.flatnonzero(flags), np.flatnonzero(~flags)
    for band in range(_BANDS if len(flagged) else 0):
        keys = np.ascontiguousarray(bands[:, band])
        of_flagged = np.sort(keys[flagged])
        # By a hash of 20 bits first, in a table that a core's cache holds: nearly all others go at once.
        slots = (keys * _SPREAD) >> _BESIDE_SLOT
        is_taken = np.zeros(2**_SLOT, dtype=bool)
        is_taken[slots[flagged]] = True
        right = others[is_taken[slots[others]]]
        first, last = (np.searchsorted(of_flagged, keys[right], side) for side in ("left", "right"))
        if (last - first).sum() > len(keys):  # a template: too many pairs to look at each
            return True
        left = flagged[np.argsort(keys[flagged], kind="stable")]
        places = np.repeat(first - np.cumsum(last - first) + (last - first), last - first)
        left = left[places + np.arange(len(places))]
        if _alike(signatures, left, np.repeat(right, last - first), similarity).any():
            return True
    return False


def _alike(signatures: Signatures, left: Rows, right: Rows, similarity: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell for each pair whether its rows agree in at least the share `similarity` of their numbers."""
    least = similarity * NUMBERS
    chunks = range(0, len(left), _CHUNK)
    parts = [
        matching(signatures[left[at : at + _CHUNK]], signatures[right[at : at + _CHUNK]]) >= least for at in chunks
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=bool)
