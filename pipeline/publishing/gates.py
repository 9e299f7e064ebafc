"""Gates: what must hold before a version may go out.  Each returns what is wrong, or None."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

_SHOWN = 5


def failures(index: pa.Table) -> Iterator[str]:
    """Failed gates over all rows; `index` has `id, text_sha256, group_id, split, phrases` (how many; of a label that is
    one text its characters)."""
    ids = index.column("id")
    if len(pc.unique(ids)) != len(ids):
        counts = pc.value_counts(ids.combine_chunks())
        repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values").to_pylist()
        yield f"unique_ids: {_some(repeated)}"
    for column in ("group_id", "text_sha256"):
        sides = [index.filter(pc.equal(index.column("split"), split)) for split in ("train", "eval")]
        shared = sides[0].filter(pc.is_in(sides[0].column(column), sides[1].column(column).combine_chunks()))
        if shared.num_rows:
            yield f"no_overlap: in train and eval by {column}: {_some(shared.column('id').to_pylist())}"
    empty = index.filter(pc.equal(index.column("phrases"), 0))
    if empty.num_rows:
        yield f"no_empty_label: {_some(empty.column('id').to_pylist())}"


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"{', '.join(ids[:_SHOWN])}{more}"
