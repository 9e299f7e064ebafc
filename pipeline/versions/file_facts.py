"""Facts of the data files of versions, kept by the SHA-256 of each file, so that a file that stays is not read for each version."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.core.parquet import open_parquet, write_parquet
from pipeline.versions.diff import STATE
from pipeline.versions.features import Kinds, as_typed
from pipeline.versions.rows import TEXT

_KEPT = ("id", "article", "label", "source", "added_in", "changed_in")
_SCHEMA = pa.schema([STATE.field(name) for name in _KEPT])


@dataclass(frozen=True)
class FileFacts:
    """What a version says of a file: `state` is what is compared of its rows (STATE without `split` and `file`), `checksum` that
    of its rows, `num_bytes` what they take in memory."""

    state: pa.Table
    checksum: int
    num_bytes: int


def num_bytes(path: Path, kinds: Kinds) -> int:
    """Count the bytes of a file's rows as `datasets` counts them: in memory, a row group at a time, in their types."""
    with open_parquet(path) as file:
        groups = (file.read_row_group(number) for number in range(file.num_row_groups))
        return sum(as_typed(group, kinds).nbytes for group in groups)


def bytes_of_texts(group: pa.Table) -> int:
    """Return what title and text of one row group take in memory, once they are read: its part of `num_bytes`."""
    return sum(_bytes_of(group.column(name)) for name in TEXT if name in group.column_names)


def _bytes_of(texts: pa.ChunkedArray) -> int:
    flags = -(-len(texts) // 8) if texts.null_count else 0
    return 4 * len(texts) + (pc.sum(pc.binary_length(texts)).as_py() or 0) + flags


class FactsFolder:
    """Folder of the facts of files; `key` is all that these depend on beside the file: other facts than its own are not read."""

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key = path, key

    def read(self, digest: str) -> FileFacts | None:
        """Return the facts of a file with this SHA-256, None where they are not kept, or damaged."""
        try:
            table = pq.read_table(self._path / f"{digest}.parquet")
        except (OSError, pa.ArrowException):
            return None
        notes = {name.decode(): value.decode() for name, value in (table.schema.metadata or {}).items()}
        if notes.get("key") != self._key or table.column_names != list(_KEPT):
            return None
        return FileFacts(table.replace_schema_metadata(None), int(notes["checksum"], 16), int(notes["num_bytes"]))

    def write(self, digest: str, facts: FileFacts) -> None:
        notes = {"key": self._key, "checksum": f"{facts.checksum:x}", "num_bytes": str(facts.num_bytes)}
        write_parquet(self._path / f"{digest}.parquet", facts.state.select(_KEPT), _SCHEMA.with_metadata(notes))

    def keep_only(self, digests: set[str]) -> None:
        """Forget the facts of other files."""
        for file in self._path.glob("*.parquet"):
            if file.stem not in digests:
                file.unlink()
