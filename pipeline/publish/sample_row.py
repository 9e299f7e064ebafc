"""One row of a version for its card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.versions import rows, store

_SHOWN = 300  # characters of a text on the card


def of_version(path: Path, index: pa.Table) -> dict[str, Any] | None:
    """Return one of the rows that were written, of those in which nothing leaks, its long values cut."""
    innocent = pc.equal(pc.add(index.column("credentials"), index.column("personal")), 0)
    ids = index.column("id").filter(innocent).combine_chunks()
    for split in rows.SPLITS:
        for table in store.rows_of(path, split):
            for row in table.filter(pc.is_in(table.column("id"), ids)).slice(0, 1).to_pylist():
                return {name: _cut(value) for name, value in row.items()}
    return None


def _cut(value: Any) -> Any:
    return f"{value[:_SHOWN].rstrip()} ..." if isinstance(value, str) and len(value) > _SHOWN else value
