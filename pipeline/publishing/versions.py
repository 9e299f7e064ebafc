"""Versions: immutable folders `versions/<major>.<minor>.<patch>/`, numbered by what changed since the last one."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ConfigError, InputError
from pipeline.records import LabelColumn
from pipeline.tables import canonical_json, file_digest, label_fields, read_json, write_bytes, write_json

ROWS_A_FILE = 50_000
SPLITS = ("train", "eval")
_SAMPLE = 5  # ids of each kind of change
_VERSION = re.compile(r"(?:0|[1-9]\d{0,8})(?:\.(?:0|[1-9]\d{0,8})){2}")
_PROVENANCE = ("label_source", "run_id")
_ARTICLE = ("id", "group_id", "text_sha256", "source", "licence", "url", "published_at", "language", "title", "text")


def row_schema(column: LabelColumn) -> pa.Schema:
    """Of a version's rows."""
    article = [(name, pa.string()) for name in _ARTICLE]
    return pa.schema([*article, *label_fields(column), *((name, pa.string()) for name in _PROVENANCE)])


@dataclass(frozen=True)
class Diff:
    """How rows differ from the last version: how many, and the ids of some.  `moved` rows are in another split; a row is
    `edited` where its text or what the source says of it changed, `relabelled` where its label did."""

    added: int = 0
    removed: int = 0
    edited: int = 0
    relabelled: int = 0
    moved: int = 0
    samples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not (self.added or self.removed or self.edited or self.relabelled or self.moved)


def latest(folder: Path) -> Path | None:
    """The folder of the highest version, or None."""
    return next(reversed(everyone(folder)), None)


def named(folder: Path, name: str) -> Path:
    """The folder of a version.  Raises InputError naming those that there are."""
    if (folder / name / "manifest.json").exists():
        return folder / name
    there = ", ".join(path.name for path in everyone(folder)) or "none yet"
    raise InputError(f"{folder}: no version {name!r}; there are: {there}")


def everyone(folder: Path) -> list[Path]:
    """All versions, the oldest first."""
    return sorted((path.parent for path in folder.glob("*.*.*/manifest.json")), key=lambda path: _numbers(path.name))


def damaged(version: Path) -> list[str]:
    """What a version's folder holds other than its manifest says: changed, missing and strange files."""
    told = read_manifest(version)["files"]
    files = {path.relative_to(version).as_posix() for path in version.rglob("*") if path.is_file()} - {"manifest.json"}
    found = [f"{name}: missing" for name in sorted(told.keys() - files)]
    found += [f"{name}: not in the manifest" for name in sorted(files - told.keys())]
    return found + [
        f"{name}: changed" for name in sorted(files & told.keys()) if file_digest(version / name) != told[name]
    ]


def difference(first: Path, second: Path) -> Diff:
    """How the rows of one version differ from those of another."""
    return compare(first, _published(second), read_manifest(second)["label"]["name"])


def next_version(last: str | None, diff: Diff) -> str:
    """By Croissant's rule: 1.0.0 first; anything edited, removed, relabelled or moved: major; rows only added: minor; the
    same rows (another card or serialisation): patch."""
    if last is None:
        return "1.0.0"
    major, minor, patch = _numbers(last)
    if diff.removed or diff.edited or diff.relabelled or diff.moved:
        return f"{major + 1}.0.0"
    return f"{major}.{minor + 1}.0" if diff.added else f"{major}.{minor}.{patch + 1}"


def check_given(given: str, last: str | None, diff: Diff) -> None:
    """Raises ConfigError for a version given by hand that is none, is not new, or promises more than the rows keep."""
    if not _VERSION.fullmatch(given):
        raise ConfigError(f"--version {given}: a version is MAJOR.MINOR.PATCH, e.g. 1.2.0")
    least = next_version(last, diff)
    if last is not None and _numbers(given) <= _numbers(last):
        raise ConfigError(f"--version {given}: the last one is {last}; the next is {least} at least")
    if _numbers(given) < _numbers(least):
        changes = ", ".join(f"{count:,} {name}" for name, count in _counts(diff).items() if count)
        raise ConfigError(f"--version {given}: promises too much ({changes} rows since {last}); the least is {least}")


def _counts(diff: Diff) -> dict[str, int]:
    return {name: value for name, value in vars(diff).items() if isinstance(value, int)}


def compare(last: Path, parts: Iterable[tuple[str, pa.Table]], label: str) -> Diff:
    """Rows of the last version against those that would be published (split, rows); `label` is the label's column."""
    old = dict(_digests(_published(last), label))
    found: dict[str, list[str]] = {name: [] for name in ("added", "removed", "edited", "relabelled", "moved")}
    counts = dict.fromkeys(found, 0)

    def note(kind: str, row_id: str) -> None:
        counts[kind] += 1
        if len(found[kind]) < _SAMPLE:
            found[kind].append(row_id)

    for row_id, (split, article, its_label) in _digests(parts, label):
        before = old.pop(row_id, None)
        if before is None:
            note("added", row_id)
            continue
        differs = {"moved": before[0] != split, "edited": before[1] != article, "relabelled": before[2] != its_label}
        for kind in (kind for kind, does in differs.items() if does):
            note(kind, row_id)
    for row_id in old:
        note("removed", row_id)
    return Diff(**counts, samples={name: ids for name, ids in found.items() if ids})


def eval_ids(last: Path | None) -> set[str]:
    """The ids of a version's eval rows."""
    files = sorted((last / "data").glob("eval-*.parquet")) if last else []
    return {row_id for file in files for row_id in pq.read_table(file, columns=["id"]).column("id").to_pylist()}


def _published(version: Path) -> Iterator[tuple[str, pa.Table]]:
    for split in SPLITS:
        for file in sorted((version / "data").glob(f"{split}-*.parquet")):
            for batch in pq.ParquetFile(file).iter_batches(batch_size=2048):
                yield split, pa.Table.from_batches([batch])


def _digests(parts: Iterable[tuple[str, pa.Table]], label: str) -> Iterator[tuple[str, tuple[str, bytes, bytes]]]:
    """id -> (split, digest of the article, digest of its label)."""
    for split, rows in parts:
        for row in rows.to_pylist():
            del row["source"]  # a file that was renamed changes nothing of what a row says
            its_label = {name: row.pop(name) for name in (label, "tiers", *_PROVENANCE) if name in row}
            yield row["id"], (split, _digest(row), _digest(its_label))


def _digest(value: Any) -> bytes:
    return blake2b(canonical_json(value), digest_size=16).digest()


def write(
    folder: Path, version: str, schema: pa.Schema, parts: Iterable[tuple[str, pa.Table]], counts: dict[str, int],
    texts: dict[str, str], manifest: dict[str, Any],
) -> Path:  # fmt: skip
    """Write a version beside its final place and rename it: it is there whole or not at all, and never changes.

    `counts` are rows by split, `texts` further files by name; the manifest gets the digest of every file.
    """
    target, temporary = folder / version, folder / f".{version}.{os.getpid()}.tmp"
    for stale in folder.glob(".*.tmp"):
        shutil.rmtree(stale)
    (temporary / "data").mkdir(parents=True)
    _write_data(temporary / "data", schema, parts, counts)
    for name, text in texts.items():
        write_bytes(temporary / name, text.encode())
    files = sorted(path for path in temporary.rglob("*") if path.is_file())
    digests = {path.relative_to(temporary).as_posix(): file_digest(path) for path in files}
    write_json(temporary / "manifest.json", {**manifest, "files": digests})
    for path in temporary.rglob("*.*"):
        path.chmod(0o444)
    temporary.rename(target)
    return target


def _write_data(folder: Path, schema: pa.Schema, parts: Iterable[tuple[str, pa.Table]], counts: dict[str, int]) -> None:
    """Rows to `<split>-00000-of-0000N.parquet`, `ROWS_A_FILE` each; no file for a split without rows."""
    writers = {split: _SplitWriter(folder, schema, split, count) for split, count in counts.items() if count}
    try:
        for split, rows in parts:
            if rows.num_rows:
                writers[split].add(rows)
    finally:
        for writer in writers.values():
            writer.close()


class _SplitWriter:
    def __init__(self, folder: Path, schema: pa.Schema, split: str, rows: int) -> None:
        self._folder, self._schema, self._split = folder, schema, split
        self._files, self._number, self._room = max(1, -(-rows // ROWS_A_FILE)), 0, 0
        self._writer: pq.ParquetWriter | None = None
        self._open_next()

    def add(self, rows: pa.Table) -> None:
        while rows.num_rows:
            if not self._room:
                self._open_next()
            part = rows.slice(0, self._room)
            assert self._writer is not None
            self._writer.write_table(part.cast(self._schema))
            self._room -= part.num_rows
            rows = rows.slice(part.num_rows)

    def close(self) -> None:
        if self._writer:
            self._writer.close()
            self._writer = None

    def _open_next(self) -> None:
        self.close()
        name = f"{self._split}-{self._number:05d}-of-{self._files:05d}.parquet"
        self._writer = pq.ParquetWriter(
            self._folder / name,
            self._schema,
            compression="zstd",
            write_page_index=True,
            use_content_defined_chunking=True,  # a row more or less moves no page but its own: the Hub stores the rest once
        )
        self._number += 1
        self._room = ROWS_A_FILE


def _numbers(version: str) -> tuple[int, int, int]:
    major, minor, patch = (int(part) if part.isdigit() else -1 for part in version.split(".", 2))
    return major, minor, patch


def read_manifest(version: Path) -> dict[str, Any]:
    return dict(read_json(version / "manifest.json") or {})
