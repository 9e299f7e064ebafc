"""Shards (Parquet) and their manifests (JSON).

A stage's output is a `Folder`: `<shard>.parquet` with the rows it kept, `<folder>.rejected/<shard>.parquet` with the
rows it dropped and why, and `_<shard>.manifest.json`, written last.  A shard is done when its manifest carries the
expected key and its files are there; so resuming, growing and parallel work are one idea.

What is no Parquet file has a name that begins with `_`, so readers of data sets (pandas, pyarrow, Spark) pass over it.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from pipeline.core.errors import InputError
from pipeline.core.files import digest_of, read_json, rename, write_json
from pipeline.core.json_labels import arrow_type, parsed
from pipeline.core.objects import AnyPath, ObjectPath, looked_at
from pipeline.core.parquet import open_parquet, read_parquet, stream_parquet, write_parquet
from pipeline.core.types import LabelColumn

MAX_SHARD_ROWS = 4096
MAX_SHARD_BYTES = 32 * 2**20  # of text: a shard is held in memory as a whole
_MANIFEST = ".manifest.json"


ARTICLE = pa.schema(
    [
        ("id", pa.string()),
        ("title", pa.string()),
        ("text", pa.string()),
        ("url", pa.string()),
        ("published_at", pa.string()),
        ("declared_language", pa.string()),
        ("source", pa.string()),
        ("line", pa.int64()),
        ("licence", pa.string()),
        ("text_sha256", pa.string()),
        ("notes", pa.list_(pa.string())),  # what the source noticed, or did to it
    ]
)
OFFSETS = pa.list_(pa.list_(pa.int32()))  # `[start, end]` or `[]` for each phrase
REJECTED = pa.schema(
    [
        ("id", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("source", pa.string()),
        ("line", pa.int64()),
        ("text_sha256", pa.string()),
    ]
)


def rejected_table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema = REJECTED) -> pa.Table:
    """Return rejected rows as a table; a column that a row does not have is null, a key that is no column is left out."""
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)


def label_fields(column: LabelColumn) -> list[tuple[str, pa.DataType]]:
    """Return the fields of a label in a table's schema; `offsets` are code points, see `clean.offsets`."""
    if column.has_tiers:
        return [(column.name, pa.list_(pa.string())), ("tiers", pa.list_(pa.string())), ("offsets", OFFSETS)]
    if column.schema is not None:
        return [(column.name, arrow_type(parsed(column.schema)))]
    return [(column.name, pa.list_(pa.string()) if column.many else pa.string())]


@dataclass(frozen=True)
class Manifest:
    """The record beside a finished shard.  `rows` is what came in; `kept + sum(rejected) + waiting == rows`."""

    key: str
    inputs: dict[str, str]  # folder -> digest of the rows that this shard was made of
    rows: int
    kept: int
    rejected: dict[str, int]
    digest: str  # of the kept rows' file
    seconds: float = 0.0
    waiting: int = 0  # rows left for another run (`--limit`, a request to be tried again)
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Output:
    """The result of a map step on one input shard; `kept` and `rejected` are whole tables, bounded by the shard size."""

    kept: pa.Table
    rejected: pa.Table = field(default_factory=REJECTED.empty_table)
    waiting: int = 0
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Tally:
    """Sums over the finished shards of a stage."""

    shards: int = 0
    rows: int = 0
    kept: int = 0
    waiting: int = 0
    seconds: float = 0.0
    rejected: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    def add(self, manifest: Manifest) -> None:
        self.shards += 1
        self.rows += manifest.rows - manifest.waiting
        self.kept += manifest.kept
        self.waiting += manifest.waiting
        self.seconds += manifest.seconds
        self.rejected.update(manifest.rejected)
        self.notes.update(manifest.notes)


@dataclass(frozen=True)
class Folder:
    """A stage's output folder: rows, rejected rows and manifests, by shard name."""

    path: AnyPath

    def file(self, shard: str) -> AnyPath:
        return self.path / f"{shard}.parquet"

    def rejected_file(self, shard: str) -> AnyPath:
        return self.path.with_name(f"{self.path.name}.rejected") / f"{shard}.parquet"

    def manifest_file(self, shard: str) -> AnyPath:
        return self.path / f"_{shard}{_MANIFEST}"

    def _former_manifest_file(self, shard: str) -> AnyPath:
        """Return where manifests were before they had names that readers pass over; `keep_only` renames what is there."""
        return self.path / f"{shard}.json"

    def _manifest_files(self) -> Iterator[tuple[str, AnyPath]]:
        """Yield all manifests with their shards, those under former names after the others."""
        files: list[AnyPath] = sorted(self.path.glob("*.json"), key=str)
        for file in files:
            if file.name.startswith("_") and file.name.endswith(_MANIFEST):
                yield file.name[1:].removesuffix(_MANIFEST), file
        for file in files:
            if not file.name.startswith("_"):
                yield file.stem, file

    def manifest(self, shard: str) -> Manifest | None:
        """Return the manifest of a shard whose files are there, else None."""
        value = read_json(self.manifest_file(shard))
        if value is None:
            # Manifests written before they had names that readers pass over count as they are; nothing is made anew for a name.
            value = read_json(self._former_manifest_file(shard))
        if value is None or not self.file(shard).exists():
            return None
        manifest = Manifest(**value)
        # A person may delete files: a manifest whose rows are gone stands for nothing.
        return manifest if not manifest.rejected or self.rejected_file(shard).exists() else None

    def tally(self, shards: Sequence[str]) -> Tally:
        """Add up the manifests of those shards that are finished."""
        tally = Tally()
        for manifest in filter(None, map(self.manifest, shards)):
            tally.add(manifest)
        return tally

    def done(self, shard: str, key: str) -> bool:
        """Tell whether the shard is finished, and was made under this key."""
        manifest = self.manifest(shard)
        return manifest is not None and manifest.key == key

    def digest(self, shard: str) -> str:
        """Return the digest of a finished shard's rows.  Raises InputError where the stage has not finished it."""
        manifest = self.manifest(shard)
        if manifest is None:
            raise InputError(f"{self.path}: {shard} is not finished; run the earlier stages first (labelmill run JOB)")
        return manifest.digest

    def write(self, shard: str, key: str, inputs: dict[str, str], output: Output, seconds: float) -> None:
        """Write a shard: rows first, manifest last."""
        # An older manifest goes away before the rows that it describes do: a kill in between leaves a shard that is not finished,
        # never one whose manifest lies.
        self.forget(shard)
        if output.rejected.num_rows:
            write_parquet(self.rejected_file(shard), output.rejected, output.rejected.schema)
        else:
            # A shard that rejected rows before and rejects none now must leave no old file beside it.
            self.rejected_file(shard).unlink(missing_ok=True)
        digest = write_parquet(self.file(shard), output.kept, output.kept.schema)
        rejected = dict(sorted(Counter(output.rejected.column("reason").to_pylist()).items()))
        rows = output.kept.num_rows + output.rejected.num_rows + output.waiting
        kept, seconds = output.kept.num_rows, round(seconds, 3)
        manifest = Manifest(key, inputs, rows, kept, rejected, digest, seconds, output.waiting, output.notes)
        write_json(self.manifest_file(shard), asdict(manifest))

    def forget(self, shard: str) -> None:
        """Take away a shard's manifest, so that the step that makes it makes it again."""
        self._former_manifest_file(shard).unlink(missing_ok=True)
        self.manifest_file(shard).unlink(missing_ok=True)

    def read(self, shard: str, columns: Sequence[str] | None = None) -> pa.Table:
        return read_parquet(self.file(shard), columns)

    def columns(self, shard: str) -> list[str]:
        """Return the names of a shard's columns."""
        return list(open_parquet(self.file(shard)).schema_arrow.names)

    def stream(self, shard: str, columns: Sequence[str], rows: int = 1024) -> Iterator[pa.RecordBatch]:
        """Yield rows in batches, as `stream_parquet` does."""
        return stream_parquet(self.file(shard), columns, rows)

    def read_rejected(self, shard: str, columns: Sequence[str] | None = None) -> pa.Table:
        if not self.rejected_file(shard).exists():
            return REJECTED.empty_table().select(list(columns) if columns is not None else REJECTED.names)
        return read_parquet(self.rejected_file(shard), columns)

    def others(self, shards: Sequence[str]) -> set[str]:
        """Return finished shards that are not listed: their input vanished, and the stage has not run since."""
        return {shard for shard, _ in self._manifest_files()} - set(shards)

    @looked_at()
    def keep_only(self, shards: Sequence[str]) -> int:
        """Remove what belongs to no listed shard (vanished input, files of a killed writer); return how many rows went.

        Manifests of listed shards take the names that they have now.
        """
        wanted, removed = set(shards), 0
        for shard, manifest in list(self._manifest_files()):
            if shard not in wanted:
                removed += (read_json(manifest) or {}).get("kept", 0)
                manifest.unlink()
            elif manifest == self._former_manifest_file(shard):
                self._rename_manifest(shard)
        for folder in (self.path, self.rejected_file("x").parent):
            for file in [file for file in folder.glob("*") if file.name.endswith((".parquet", ".tmp"))]:
                if file.stem not in wanted:
                    file.unlink()
        return removed

    def _rename_manifest(self, shard: str) -> None:
        former = self._former_manifest_file(shard)
        if self.manifest_file(shard).exists():
            former.unlink()
        else:
            rename(former, self.manifest_file(shard))

    @property
    def exists(self) -> bool:
        """Return whether anything was written here."""
        return self.path.exists()

    def remove(self) -> None:
        """Remove the whole folder."""
        if isinstance(self.path, ObjectPath):
            self.path.remove_all()
        else:
            shutil.rmtree(self.path)


def input_digests(inputs: Sequence[Folder], shard: str) -> dict[str, str]:
    """Return folder name -> digest of a shard in it.  Raises InputError where an earlier stage has not finished it."""
    return {folder.path.name: folder.digest(shard) for folder in inputs}


def step_key(inputs: dict[str, str], config: Any, extra: Any = None) -> str:
    """Return the digest of what a map step's output depends on, and of nothing else."""
    return digest_of([inputs, config, extra])


# --- the order of shards: written by collect, followed by every later stage ---


def write_order(folder: Folder, shards: Sequence[str]) -> None:
    """Write the shard names in source order beside the shards."""
    write_json(folder.path / "_order.json", list(shards))


def read_order(folder: Folder) -> list[str]:
    """Return shard names in source order.  Raises InputError where nothing was collected yet."""
    order = read_json(folder.path / "_order.json")
    if order is None:
        raise InputError(f"{folder.path}: no articles yet; run: labelmill collect JOB")
    return list(order)
