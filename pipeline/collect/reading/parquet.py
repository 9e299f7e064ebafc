"""Reader of Parquet."""

from __future__ import annotations

from pipeline.collect.fields import needed
from pipeline.collect.reading.items import DAMAGE, InputItem, ReadOptions, Rows
from pipeline.core.types import BadRow, RawRow


def read(item: InputItem, options: ReadOptions) -> Rows:
    """Yield one RawRow per row of the file; only `options.columns` are read, the others are null."""
    import pyarrow as pa

    from pipeline.core.parquet import open_parquet

    line = 0
    try:
        with item.seekable() as opened:
            file = open_parquet(opened)
            # columns that are not read are null, but known by name
            names = dict.fromkeys(file.schema_arrow.names)
            wanted = [name for name in names if options.columns is None or name in needed(options.columns)]
            for batch in file.iter_batches(batch_size=512, columns=wanted):
                for fields in batch.to_pylist():
                    line += 1
                    yield RawRow(item.label, line, names | fields)
    except (pa.ArrowException, OSError, UnicodeDecodeError, *DAMAGE) as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        yield BadRow(item.label, line + 1, "damaged_file", f"not readable as Parquet ({str(error)[:150]})")
