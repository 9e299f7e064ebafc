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
    for split in rows.SPLITS:
        for table in store.rows_of(path, split):
            # few: a set of all rows' ids would be made for one row
            ids = table.column("id").combine_chunks()
            may_be_shown = index.column("id").filter(pc.and_(innocent, pc.is_in(index.column("id"), ids)))
            at = pc.index(pc.is_in(ids, may_be_shown.combine_chunks()), True).as_py()
            if at >= 0:
                return {name: _cut(value) for name, value in table.slice(at, 1).to_pylist()[0].items()}
    return None


def _cut(value: Any) -> Any:
    return f"{value[:_SHOWN].rstrip()} ..." if isinstance(value, str) and len(value) > _SHOWN else value
