"""Versions: immutable folders `versions/<major>.<minor>.<patch>/`, made under another name and renamed when they are out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.core.errors import InputError
from pipeline.core.files import file_digest, read_json, sync, write_bytes, write_json
from pipeline.core.parquet import open_parquet
from pipeline.job.given_texts import GivenTexts
from pipeline.versions.diff import STATE, Diff, compare
from pipeline.versions.file_facts import FactsFolder
from pipeline.versions.forms import Nfc
from pipeline.versions.numbering import numbers
from pipeline.versions.rows import SPLITS, digests

MANIFEST = "manifest.json"
_PENDING = ".pending"  # the one that is on its way out
_BATCH = 4096  # rows read at once


def latest(folder: Path) -> Path | None:
    """Return the folder of the highest version, or None."""
    return next(reversed(all_versions(folder)), None)


def named(folder: Path, name: str) -> Path:
    """Return the folder of a version.  Raises InputError naming those that there are."""
    if (folder / name / MANIFEST).exists():
        return folder / name
    names = ", ".join(path.name for path in all_versions(folder)) or "none yet"
    raise InputError(f"{folder}: no version {name!r}; there are: {names}")


def all_versions(folder: Path) -> list[Path]:
    """Return the folders of all versions, the oldest first."""
    return sorted((path.parent for path in folder.glob(f"[!.]*.*.*/{MANIFEST}")), key=lambda path: numbers(path.name))


def read_manifest(version: Path) -> dict[str, Any]:
    """Return the manifest of a version.  Raises InputError where it is missing or damaged."""
    manifest = read_json(version / MANIFEST)
    if not (isinstance(manifest, dict) and {"version", "files", "rows", "inputs", "label"} <= manifest.keys()):
        raise InputError(
            f"{version / MANIFEST}: damaged; restore the version (from the Hub: delete the folder, then publish --adopt)"
        )
    return manifest


def damaged(version: Path) -> list[str]:
    """Return what a version's folder holds other than its manifest says: changed, missing and strange files."""
    return differences(read_manifest(version)["files"], file_digests(version))


def differences(listed: dict[str, str], actual: dict[str, str]) -> list[str]:
    """Return lines on how actual files (name -> SHA-256) differ from those that a manifest lists."""
    lines = [f"{name}: missing" for name in sorted(listed.keys() - actual.keys())]
    lines += [f"{name}: not in the manifest" for name in sorted(actual.keys() - listed.keys())]
    return lines + [
        f"{name}: changed" for name in sorted(actual.keys() & listed.keys()) if actual[name] != listed[name]
    ]


# --- rows that are out ---


def state(version: Path | None, nfc: Nfc | None = None, facts_folder: FactsFolder | None = None) -> pa.Table:
    """Return what is compared of a version's rows (STATE), an empty table where there is no version; `nfc` brings them to NFC.

    `facts_folder` has facts of files, by the digests in the version's manifest: who gives it has checked that the files are those.
    """
    tables = [STATE.empty_table()]
    about = read_manifest(version) if version else {"label": {"name": ""}, "files": {}}
    label = about["label"]["name"]
    for split, file in _files(version):
        digest = about["files"].get(f"data/{file.name}", "")
        if facts_folder and (facts := facts_folder.read(digest)):
            constants = {"split": split, "file": int(file.stem.split("-")[1])}
            columns = {name: facts.state.column(name) for name in facts.state.column_names}
            columns |= {name: pa.repeat(value, facts.state.num_rows) for name, value in constants.items()}
            tables.append(pa.table({name: columns[name] for name in STATE.names}).cast(STATE))
            continue
        names = pq.read_schema(file).names
        for batch in open_parquet(file).iter_batches(_BATCH, columns=[name for name in names if name != "text"]):
            rows = pa.Table.from_batches([batch])
            parts = digests(nfc.of(rows, label) if nfc else rows, label, "text" in names)
            constants = {"split": split, "file": int(file.stem.split("-")[1])}
            kept = [name for name in ("id", "source", "added_in", "changed_in") if name in rows.column_names]
            columns = {name: rows.column(name) for name in kept} | parts
            columns |= {name: pa.repeat(value, rows.num_rows) for name, value in constants.items()}
            tables.append(pa.table({name: columns[name] for name in STATE.names}).cast(STATE))
    return pa.concat_tables(tables).unify_dictionaries()


def rows_of(version: Path, split: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Yield a split's rows in tables of at most 1024."""
    for file in (file for name, file in _files(version) if name == split):
        for batch in open_parquet(file).iter_batches(_BATCH // 4, columns=columns):
            yield pa.Table.from_batches([batch])


def columns_of(version: Path) -> list[str]:
    """Return the names of a version's columns, none where it has no rows."""
    return next((list(pq.read_schema(file).names) for _, file in _files(version)), [])


def holds(version: Path, concerns: Callable[[pa.Table], pa.ChunkedArray]) -> bool:
    """Return whether any row of a version (`id, text_sha256`) is one that `concerns` flags."""
    tables = (table for split in SPLITS for table in rows_of(version, split, ["id", "text_sha256"]))
    return any(pc.any(concerns(table)).as_py() for table in tables)


def _files(version: Path | None) -> Iterator[tuple[str, Path]]:
    for split in SPLITS if version else ():
        assert version is not None
        for file in sorted((version / "data").glob(f"{split}-*.parquet")):
            yield split, file


def difference(first: Path, second: Path) -> Diff:
    """Return how the rows of the second version differ from those of the first."""
    nfc = Nfc(GivenTexts.of_job(first.parents[1]))  # of the job that has them both
    return compare(state(first, nfc), state(second, nfc)).diff


# --- the one that is on its way out ---


def pending(folder: Path) -> Path | None:
    """Return a version that was written and is not out yet: its maker was killed, or the Hub could not be reached."""
    path = folder / _PENDING
    return path if (path / MANIFEST).exists() else None


def is_pending(path: Path) -> bool:
    return path.name == _PENDING


def begin(folder: Path) -> Path:
    """Make an empty folder for the next version, without what a killed maker left."""
    discard(folder)
    (folder / _PENDING / "data").mkdir(parents=True)
    return folder / _PENDING


def discard(folder: Path) -> None:
    """Remove the pending version, its manifest first, so that a killed removal leaves none that counts as written."""
    if (folder / _PENDING).exists():
        (folder / _PENDING / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(folder / _PENDING)


def drop(folder: Path, version: str) -> None:
    """Remove a published version, whole or not at all; a killed removal leaves nothing that counts as one."""
    # Renamed first: a removal that is killed in the middle leaves a folder that is no version.
    path = folder / f".dropped-{version}"
    shutil.rmtree(path, ignore_errors=True)
    (folder / version).rename(path)
    shutil.rmtree(path)


def seal(
    path: Path, texts: dict[str, str], manifest: dict[str, Any], known_digests: Mapping[str, str] | None = None
) -> None:
    """Add further files (name -> text), and the manifest last, with the SHA-256 of every file; `known_digests` are not computed."""
    # A sealed version that changes is none until its manifest is written again.
    (path / MANIFEST).unlink(missing_ok=True)
    for name, text in texts.items():
        write_bytes(path / name, text.encode())
    # All of it is on the disk before the manifest, whose presence says that the version is whole.
    for file in path.rglob("*.parquet"):  # the others are synced as they are written
        sync(file)
    write_json(
        path / MANIFEST,
        {**manifest, "files": file_digests(path, {n: d for n, d in (known_digests or {}).items() if n not in texts})},
    )


def file_digests(path: Path, known_digests: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return name -> SHA-256 of all files of a version but its manifest; those of `known_digests` are not computed."""
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.name != MANIFEST)
    names = {file.relative_to(path).as_posix(): file for file in files}
    return {name: (known_digests or {}).get(name) or file_digest(file) for name, file in names.items()}


def take_over(last: Path, name: str, path: Path) -> None:
    """Copy a file of the last version into the next one; no byte of it is read by this process.

    A link would cost no room, and one file that is damaged, or written into, would damage all versions that have it: with a copy
    the others can restore it.  File systems that share blocks (btrfs, XFS, APFS) take no room for it either.
    """
    target = path / name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _clone(last / name, target)
    except (AttributeError, OSError):  # another system, or two file systems
        shutil.copyfile(last / name, target)


def _clone(source: Path, target: Path) -> None:
    """Have the kernel copy a file, which shares its blocks where the file system can."""
    with source.open("rb") as old, target.open("wb") as new:
        # The kernel may copy less than it is asked for.
        left = os.fstat(old.fileno()).st_size
        while left:
            count = os.copy_file_range(old.fileno(), new.fileno(), left)
            if not count:
                raise OSError(f"{source}: ended early")
            left -= count


def release(folder: Path, version: str) -> Path:
    """Rename the pending version to its number, read-only: it is there whole or not at all, and never changes."""
    path, target = folder / _PENDING, folder / version
    if target.exists():
        raise InputError(f"{target}: is there already, without a sound manifest; move it away, or restore it")
    for file in (file for file in path.rglob("*") if file.is_file()):
        # Against editors and scripts, not against their owner: a version never changes.
        file.chmod(0o444)
    # The one step that makes it a version.
    path.rename(target)
    sync(folder)
    return target
