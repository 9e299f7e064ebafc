"""Checksums of a version's rows, whatever library holds them: which version some rows are can be told from the rows alone.

The card of a version has them in the `description` of its `dataset_info`, which `datasets` keeps with what it loaded, also
where it gives another revision than was asked for (its offline cache does).  The order of rows does not count, so a sum is
that of a split.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.core.errors import InputError
from pipeline.versions import json_rows, store
from pipeline.versions.file_facts import FileFacts
from pipeline.versions.rows import SPLITS

_BITS = 128
MODULUS: int = 2**_BITS
_COLUMNS = ("id", "group_id", "text_sha256", "tiers", "status", "label_source", "run_id", "added_in", "changed_in")
_NEEDED = ("id", "text_sha256", "run_id", "changed_in")  # without these it is no version's row
_TOLD = re.compile(r"labelmill version (\d+\.\d+\.\d+); rows of (\S+?):((?: \w+ [0-9a-f]{32})+)")


@dataclass(frozen=True)
class Sums:
    """Checksums of a version: `label` is the column of its labels, `splits` has the sum of each split with rows."""

    version: str
    label: str
    splits: dict[str, int]

    def told(self) -> str:
        """Return them as a text, which `read` understands."""
        sums = "".join(f" {name} {total:032x}" for name, total in self.splits.items())
        return f"labelmill version {self.version}; rows of {self.label}:{sums}"

    def are(self, rows: Mapping[str, int]) -> bool:
        """Return whether rows with these sums are this version's: `""` stands for rows that tell no split, which may be any
        or all."""
        whole = sum(self.splits.values()) % MODULUS
        return bool(rows) and all(
            total == self.splits.get(name) or (name not in SPLITS and total in (*self.splits.values(), whole))
            for name, total in rows.items()
        )


def read(description: str) -> Sums | None:
    """Return the checksums that a description tells, None where it tells none."""
    if not (match := _TOLD.search(description)):
        return None
    words = match[3].split()
    return Sums(match[1], match[2], {name: int(total, 16) for name, total in zip(words[::2], words[1::2], strict=True)})


def of_version(folder: Path, version: str, label: str) -> Sums:
    """Return the checksums of a version's files."""
    names = list(dict.fromkeys((*_COLUMNS, label)))
    sums = {}
    for split in SPLITS:
        tables = list(store.rows_of(folder, split, names))
        if tables:
            sums[split] = of_rows(tables, label)
    return Sums(version, label, sums)


def of_files(version: str, label: str, files: Mapping[str, FileFacts]) -> Sums:
    """Return the checksums of a version by those of its files (name -> facts)."""
    sums = dict[str, int]()
    for name, facts in files.items():
        split = Path(name).stem.split("-")[0]
        sums[split] = (sums.get(split, 0) + facts.checksum) % MODULUS
    return Sums(version, label, {split: sums[split] for split in SPLITS if split in sums})


def of_rows(tables: Iterable[pa.Table], label: str) -> int:
    """Return the sum of the rows of some tables.

    Raises InputError where columns are not there that every version has, or a text is other than its digest says.
    """
    total = 0
    for table in tables:
        if missing := {*_NEEDED, label} - set(table.column_names):
            raise InputError(f"no rows of a version: they have no {', '.join(sorted(missing))}")
        _check_texts(table)
        names = sorted({*_COLUMNS, label} & set(table.column_names))
        parts = json_rows.digests(table, names, [names], _BITS // 8).sum(axis=0, dtype=np.uint64)
        total += sum(int(part) << 32 * position for position, part in enumerate(reversed(parts)))
    return total % MODULUS


def _check_texts(table: pa.Table) -> None:
    if "text" not in table.column_names:
        return
    rows = (table.column(name).to_pylist() for name in ("id", "text", "text_sha256"))
    for row_id, text, digest in zip(*rows, strict=True):
        if text is not None and sha256(text.encode()).hexdigest() != digest:
            raise InputError(f"no rows of a version: the text of {row_id} was changed")
