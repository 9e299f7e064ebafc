"""The assignment of all rows, bucket by bucket: a group's rows and the log's entries that concern them are in one bucket.

An entry concerns the row with its id, the rows with its text, and, where no row has its text any more, the group that its text
would be in.  Rows with one text are in one group (`groups`).  Ids and texts' keys are matched in buckets of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.exchange import (
    ROW,
    Buckets,
    Exchange,
    FoldOutcomes,
    Hashes,
    Numbers,
    bucket_of,
    bucket_of_hash,
    mixed,
)
from pipeline.job.workspace import Workspace
from pipeline.split import keep_out
from pipeline.split.assignment import (
    EVAL,
    TEXTS,
    Assignment,
    Flags,
    assign,
    below_share,
    blocks_of,
    fresh_rows,
    lowest,
)
from pipeline.split.groups import Groups, Signatures, find_groups
from pipeline.split.split_log import LOG, SplitLog

_ROW_BYTES = 160  # of a row or an entry in its bucket, more or less
_KEYS = ("id", "text_key")
_NAMES = ["id", "text_key", "group_id", "split"]
_ENTRY = pa.schema([("entry", pa.int64()), *(LOG.field(name) for name in _NAMES)])
# its number behind those of rows where no row has its text, else -1
_PLACED = pa.schema([*_ENTRY, ("past", pa.int64())])
_PART = pa.schema([ROW, TEXTS.field("id"), TEXTS.field("text_key"), ("benchmark", pa.string())])
_VERDICT = pa.schema(
    [ROW, ("group_id", pa.string()), ("code", pa.int8()), ("like", pa.string()), ("is_fresh", pa.bool_())]
)
_WRITTEN_AT_ONCE = 2**16  # a row group


class Folded:
    """What becomes of the rows of each shard, and what is told of all of them."""

    def __init__(self, verdicts: FoldOutcomes) -> None:
        self.verdicts = verdicts
        self.has_eval = self.has_fresh = False
        self.groups = 0  # names of groups, about

    def add(self, rows: Numbers, assignment: Assignment, fresh: Flags) -> None:
        self.has_eval |= bool((assignment.codes == EVAL).any())
        self.has_fresh |= bool(fresh.any())
        self.groups += len(pc.unique(assignment.group_ids))
        columns = [rows, assignment.group_ids, assignment.codes, assignment.like, fresh]
        self.verdicts.add(pa.table([pa.array(column) for column in columns], schema=_VERDICT))

    def of(self, shard: int) -> Assignment:
        """Return what becomes of the rows of a shard, by its number."""
        rows = self.verdicts.of(shard).combine_chunks()
        columns = [rows.column(name).combine_chunks() for name in ("group_id", "code", "like")]
        return Assignment(columns[0], columns[1].to_numpy(), columns[2])


class AssignmentFold:
    """The fold over all rows of `split.signatures/` and all entries of the log."""

    def __init__(self, work: Workspace, shards: Sequence[str], opened: ExitStack) -> None:
        """Buckets and verdicts are closed with `opened`."""
        self._work, self._shards, self._opened = work, shards, opened
        self._exchange: Exchange = work.exchange
        self._sizes = [work.signatures.tally([shard]).kept for shard in shards]
        self.rows, self._log = sum(self._sizes), SplitLog(work.assignments)
        self._count = self._exchange.count(self.rows + self._log.count, _ROW_BYTES)
        self._rows_by = {name: self._buckets(pa.schema([ROW, TEXTS.field(name)])) for name in _KEYS}
        self._log_by = {name: self._buckets(_ENTRY) for name in _KEYS}
        self._fill()
        self._past = np.flatnonzero(self._vanished())  # entries, in order

    def _buckets(self, schema: pa.Schema) -> Buckets:
        return self._opened.enter_context(self._exchange.buckets(schema, self._count))

    def _fill(self) -> None:
        for numbers, table in self._tables():
            for name, buckets in self._rows_by.items():
                keys = table.column(name)
                buckets.add(pa.table([numbers, keys], schema=buckets.schema), bucket_of(keys, self._count))
        for start, table in self._log.tables(_NAMES):
            entries = pa.table([np.arange(start, start + table.num_rows), *table.columns], schema=_ENTRY)
            for name, buckets in self._log_by.items():
                buckets.add(entries, bucket_of(entries.column(name), self._count))

    def _tables(self) -> Iterator[tuple[Numbers, pa.Table]]:
        """Yield the numbers of a shard's rows, and their ids and texts' keys."""
        start = 0
        for shard in self._shards:
            table = self._work.signatures.read(shard, list(_KEYS))
            yield np.arange(start, start + table.num_rows), table
            start += table.num_rows

    def _vanished(self) -> Flags:
        """Tell of each entry whether no row has its text any more."""
        flags = np.zeros(self._log.count, bool)
        for bucket in range(self._count):
            entries = self._log_by["text_key"].table(bucket)
            if entries.num_rows:
                texts = self._rows_by["text_key"].table(bucket).column("text_key").combine_chunks()
                has_row = np.asarray(pc.is_in(entries.column("text_key"), texts), dtype=bool)
                flags[entries.column("entry").to_numpy()[~has_row]] = True
        return flags

    def logged_ids(self, only_eval: bool = False) -> int:
        """Return how many ids the log has, or has as eval."""
        count = 0
        for bucket in range(self._count):
            entries = self._log_by["id"].table(bucket)
            entries = entries.filter(pc.equal(entries.column("split"), "eval")) if only_eval else entries
            count += len(pc.unique(entries.column("id")))
        return count

    def run(self) -> Folded:
        """Return what becomes of every row, after it was logged.  Raises InputError where too few rows are new."""
        options = self._work.config.split
        benchmarks = keep_out.like_benchmarks(self._work, self._signed_rows, self.rows) if options.keep_out else None
        groups = find_groups(self._signed, self.rows + len(self._past), options.similarity, self._exchange)
        parts, placed = self._parts(groups, benchmarks), self._placed(groups)
        most = options.largest_group(self.rows)
        choose = below_share(options.eval, most)
        if options.eval >= 1:
            choose = self._lowest(parts, placed, groups, most)
        verdicts = self._opened.enter_context(FoldOutcomes(self._exchange, _VERDICT, self._sizes, _ROW_BYTES))
        folded = Folded(verdicts)
        for rows, log, assignment in self._assigned(parts, placed, groups, choose):
            folded.add(rows.column("row").to_numpy(), assignment, fresh_rows(rows, log, assignment))
        if folded.has_fresh:
            self._log.add(self._entries(folded))
        return folded

    def _signed(self) -> Iterator[Signatures]:
        return chain(self._signed_rows(), self._signed_past())

    def _signed_rows(self) -> Iterator[Signatures]:
        return blocks_of(self._work.signatures.read(shard, ["signature"]) for shard in self._shards)

    def _signed_past(self) -> Iterator[Signatures]:
        if not len(self._past):
            return
        for start, table in self._log.tables(["signature"]):
            begin, end = np.searchsorted(self._past, [start, start + table.num_rows])
            if begin < end:
                yield from blocks_of([table.take(pa.array(self._past[begin:end] - start))])

    def _bucket_of(self, groups: Groups, numbers: Numbers) -> Numbers:
        return bucket_of_hash(mixed(groups.heads_of(numbers).astype(np.uint64)), self._count)

    def _parts(self, groups: Groups, benchmarks: pa.Array | None) -> Buckets:
        """Return the rows by bucket of their group, in order."""
        parts = self._buckets(_PART)
        for numbers, table in self._tables():
            like = pa.nulls(len(numbers), pa.string()) if benchmarks is None else benchmarks.take(pa.array(numbers))
            parts.add(
                pa.table([numbers, *table.select(_KEYS).columns, like], schema=_PART), self._bucket_of(groups, numbers)
            )
        return parts

    def _placed(self, groups: Groups) -> Buckets:
        """Return the entries by the buckets of the groups that they concern; an entry may be in one bucket twice."""
        placed = self._buckets(_PLACED)
        for name in _KEYS:
            for bucket in range(self._count):
                entries = self._log_by[name].table(bucket)
                if not entries.num_rows:
                    continue
                rows = self._rows_by[name].table(bucket)
                at = pc.index_in(entries.column(name), rows.column(name).combine_chunks())
                has_row = np.asarray(at.is_valid(), dtype=bool)
                numbers = rows.column("row").take(at.drop_null()).to_numpy()
                self._place(placed, entries.filter(pa.array(has_row)), numbers, groups, is_past=False)
                if name == "text_key":
                    past = entries.filter(pa.array(~has_row))
                    numbers = self.rows + np.searchsorted(self._past, past.column("entry").to_numpy())
                    self._place(placed, past, numbers, groups, is_past=True)
        return placed

    def _place(self, placed: Buckets, entries: pa.Table, numbers: Numbers, groups: Groups, is_past: bool) -> None:
        past = pa.array(numbers if is_past else np.full(len(numbers), -1))
        placed.add(pa.table([*entries.columns, past], schema=_PLACED), self._bucket_of(groups, numbers))

    def _assigned(
        self, parts: Buckets, placed: Buckets, groups: Groups, choose: Callable[[Hashes, Numbers], Flags]
    ) -> Iterator[tuple[pa.Table, pa.Table, Assignment]]:
        """Yield the rows of a bucket, the entries that concern them, and what becomes of the rows."""
        for bucket in range(self._count):
            rows, log = parts.table(bucket), _once(placed.table(bucket))
            past = log.filter(pc.greater_equal(log.column("past"), 0))
            numbers = np.concatenate([rows.column("row").to_numpy(), past.column("past").to_numpy()])
            group = np.searchsorted(numbers, groups.heads_of(numbers))
            benchmarks = rows.column("benchmark").combine_chunks()
            salt = self._work.config.split.salt
            yield rows, log, assign(rows, log, past, group, salt, choose, benchmarks)

    def _lowest(self, parts: Buckets, placed: Buckets, groups: Groups, most: int) -> Callable[[Hashes, Numbers], Flags]:
        """Return what chooses the new groups that are to be eval, by their number: they are looked at together first."""
        seen: list[tuple[Hashes, Numbers]] = []

        def look(hashes: Hashes, sizes: Numbers) -> Flags:
            seen.append((hashes, sizes))
            return np.zeros(len(hashes), bool)

        for _ in self._assigned(parts, placed, groups, look):
            pass
        hashes, sizes = (np.concatenate(column) for column in zip(*seen, strict=True))
        number = int(self._work.config.split.eval)
        chosen = hashes[lowest(hashes, sizes, number, self.logged_ids(only_eval=True), most)]
        return lambda hashes, _: np.isin(hashes, chosen)

    def _entries(self, folded: Folded) -> Iterator[pa.Table]:
        """Yield what is new to the log, in the order of rows, some thousands at once."""
        held, count = [LOG.empty_table()], 0
        for number, shard in enumerate(self._shards):
            fresh = folded.verdicts.of(number).column("is_fresh")
            if pc.any(fresh).as_py():
                table = self._work.signatures.read(shard, TEXTS.names)
                assignment = folded.of(number)
                table = table.append_column("group_id", assignment.group_ids)
                table = table.append_column("split", assignment.splits).filter(fresh)
                held.append(table.select(LOG.names).cast(LOG))
                count += table.num_rows
            if count >= _WRITTEN_AT_ONCE:
                yield pa.concat_tables(held)
                held, count = [LOG.empty_table()], 0
        if count:
            yield pa.concat_tables(held)


def _once(entries: pa.Table) -> pa.Table:
    """Return each entry once, in the order of the log: as one that no row has the text of, where it is that."""
    numbers = entries.column("entry").to_numpy()
    order = np.lexsort((-entries.column("past").to_numpy(), numbers))
    is_first = np.append(True, np.diff(numbers[order]) > 0)[: len(order)]
    return entries.take(pa.array(order[is_first]))
