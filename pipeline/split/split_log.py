"""The log of the split: what each article was assigned, one file for each run that assigned something, never rewritten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.core.files import next_numbered
from pipeline.core.parquet import rows_of_parquet, stream_parquet, write_parquet

_ASSIGNED = [("group_id", pa.string()), ("split", pa.string())]
LOG = pa.schema([("id", pa.string()), ("text_key", pa.string()), ("signature", pa.binary()), *_ASSIGNED])
_AT_ONCE = 2**14  # entries


class SplitLog:
    """The files of a job's log as they are when it is opened; entries are numbered through all of them."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._files = folder, sorted(folder.glob("*.parquet"))
        self.count = sum(map(rows_of_parquet, self._files))

    def tables(self, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
        """Yield the number of the first entry of a table, and the table: some rows at once, for a log may be larger than memory."""
        start = 0
        for file in self._files:
            for batch in stream_parquet(file, columns, _AT_ONCE):
                yield start, pa.Table.from_batches([batch]).select(list(columns))
                start += batch.num_rows

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Return some columns of all entries."""
        empty = pa.schema([LOG.field(name) for name in columns]).empty_table()
        return pa.concat_tables([empty, *(table for _, table in self.tables(columns))])

    def add(self, entries: Iterator[pa.Table]) -> None:
        """Write the next file."""
        write_parquet(next_numbered(self._folder, ".parquet"), entries, LOG)
