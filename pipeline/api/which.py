"""`which_version`: says by checksums which published version some rows are, with no network."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.api import given
from pipeline.api.jobs import Job, kind_of, workspace_of
from pipeline.core.errors import ArgumentError, InputError
from pipeline.core.files import file_digest
from pipeline.job.config import JobConfig
from pipeline.job.workspace import Workspace
from pipeline.versions import checksums, store

if TYPE_CHECKING:
    import datasets
    import pandas as pd

_log = logging.getLogger("labelmill.versions")
_BATCH = 1000
_CARD = "README.md"


def which_version(
    data: datasets.Dataset | datasets.DatasetDict | pd.DataFrame | str | os.PathLike[str], known: Job | None = None
) -> str | None:
    """Return the published version that these rows are, by their checksums: `"1.2.0"`.

    `data` is what `load_dataset` returned, a DataFrame of a version's rows, or a path: a version's folder, one of its files,
    a folder of them.  A version tells its checksums itself, in what `datasets` keeps of its card and in its manifest, so
    neither the Hub nor the job is asked; `known`, a job or a folder of versions, tells those of versions that were published
    before cards had them.

    None where no version has exactly these rows; a log line says why.
    """
    versions = _folders(known)
    if isinstance(data, str | os.PathLike):
        return _of_path(Path(data), versions)
    splits: Mapping[str, Any]
    if given.is_a(data, "datasets", "DatasetDict"):
        splits = {str(name): data[name] for name in data}
    elif given.is_a(data, "datasets", "Dataset"):
        splits = {str(data.split or ""): data}
    elif given.is_a(data, "pandas", "DataFrame"):
        splits = {"": data}
    else:
        raise ArgumentError(
            f"which_version: give a Dataset, a DatasetDict, a DataFrame or a path; found {kind_of(data)}"
        )
    own_sums = [
        checksums.read(getattr(getattr(rows, "info", None), "description", None) or "") for rows in splits.values()
    ]
    return _matching(splits, [sums for sums in own_sums[:1] if sums], versions)


def _folders(known: Job | None) -> list[Path]:
    """Return the folders of the versions that are known."""
    if known is None:
        return []
    if not isinstance(known, JobConfig | Workspace) and Path(known).is_dir():
        folder = Path(known)
        return [folder] if (folder / store.MANIFEST).exists() else store.all_versions(folder)
    return store.all_versions(workspace_of(known).versions)


def _matching(splits: Mapping[str, Any], own_sums: list[checksums.Sums], versions: list[Path]) -> str | None:
    """Return the version, of those that tell their checksums or are known, whose rows these are."""
    why = "nothing tells a version's checksums; give the job, or its folder of versions, as known="
    for sums in (*own_sums, *_sums_of(versions)):
        try:
            rows = {name: checksums.of_rows(_tables(part, sums.label), sums.label) for name, part in splits.items()}
        except InputError as error:
            why = str(error)
            continue
        if sums.are(rows):
            return sums.version
        why = f"the rows are others than those of {sums.version}"
    _log.warning("which_version: %s", why)
    return None


def _sums_of(versions: list[Path]) -> Iterator[checksums.Sums]:
    for folder in reversed(versions):
        manifest = store.read_manifest(folder)
        yield checksums.of_version(folder, manifest["version"], manifest["label"]["name"])


def _tables(rows: Any, label: str) -> Iterator[pa.Table]:
    """Yield rows in tables; a ClassLabel as the names of its classes."""
    if given.is_a(rows, "pandas", "DataFrame"):
        yield pa.Table.from_pandas(rows, preserve_index=False)
        return
    if isinstance(rows, list):
        yield from rows
        return
    names = getattr(rows.features.get(label), "names", None)
    for table in rows.with_format("arrow").iter(_BATCH):
        if names:
            words = [None if number is None else names[number] for number in table.column(label).to_pylist()]
            table = table.set_column(table.column_names.index(label), label, pa.array(words, pa.string()))
        yield table


# --- files ---


def _of_path(path: Path, versions: list[Path]) -> str | None:
    """Return the version that a folder or a file is: by its manifest, by a known one's, else by its rows."""
    if not path.exists():
        raise InputError(f"{path}: is not there")
    folders = [path, *path.parents][:3]  # a version's folder, its `data/`, a file in that
    for folder in folders:
        if (folder / store.MANIFEST).is_file():
            return _by_manifest(path, folder)
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    digests = {file_digest(file) for file in files}
    for folder in versions:
        manifest = store.read_manifest(folder)
        data = {digest for name, digest in manifest["files"].items() if name.startswith("data/")}
        if digests and digests <= set(manifest["files"].values()) and (path.is_file() or data <= digests):
            return str(manifest["version"])
    return _by_rows(path, files, versions)


def _by_manifest(path: Path, folder: Path) -> str | None:
    manifest = store.read_manifest(folder)
    if path.is_file() and path.name != store.MANIFEST:
        name = path.relative_to(folder).as_posix()
        wrong = [] if manifest["files"].get(name) == file_digest(path) else [f"{name}: changed"]
    else:
        wrong = store.damaged(folder)
    if wrong:
        _log.warning("which_version: %s is not %s as published: %s", folder, manifest["version"], "; ".join(wrong[:5]))
        return None
    return str(manifest["version"])


def _by_rows(path: Path, files: list[Path], versions: list[Path]) -> str | None:
    """Return the version whose rows files without a manifest hold, as in the Hub's own cache, where only the card is beside
    them."""
    import pyarrow.parquet as pq

    cards = [folder / _CARD for folder in [path, *path.parents][:3] if (folder / _CARD).is_file()]
    own_sums = [sums for card in cards[:1] if (sums := checksums.read(" ".join(card.read_text("utf-8").split())))]
    splits: dict[str, list[pa.Table]] = {}
    for file in files:
        if file.parent.name != "provenance":
            splits.setdefault(file.name.rpartition("-")[0], []).append(pq.read_table(file))
    return _matching(splits, own_sums, versions)
