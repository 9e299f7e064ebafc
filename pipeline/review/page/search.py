"""Search among a job's articles by id, title and text.  Labels are not searched: a match would tell what a blind one says."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.shards import read_order
from pipeline.core.text.folding import fold_space
from pipeline.job.workspace import Workspace

MOST = 20  # results
_MOST_CHARACTERS = 200


def matches(work: Workspace, words: str) -> Iterator[dict[str, Any]]:
    """Yield text_sha256, id and title of the articles that have `words`, in any case: first where the id is that, then by id or
    title, then by text.  Nothing for no words."""
    wanted = unicodedata.normalize("NFC", fold_space(words))[:_MOST_CHARACTERS]
    if not wanted:
        return
    seen = set[str]()
    for columns, exact in ((("id",), True), (("id", "title"), False), (("text",), False)):
        for row in _rows(work, wanted, columns, exact):
            if row["text_sha256"] not in seen:
                seen.add(row["text_sha256"])
                yield row


def _rows(work: Workspace, wanted: str, columns: Sequence[str], exact: bool) -> Iterator[dict[str, Any]]:
    shown = ["text_sha256", "id", "title"]
    for shard in read_order(work.articles):
        for batch in work.filtered.stream(shard, [*shown, *(name for name in columns if name not in shown)]):
            hits = pa.array([False] * len(batch))
            for name in columns:
                hits = pc.or_(hits, _hits(batch.column(name), wanted, exact))
            yield from batch.select(shown).filter(hits).to_pylist()


def _hits(column: pa.Array, wanted: str, exact: bool) -> pa.Array:
    hits = pc.equal(column, wanted) if exact else pc.match_substring(column, wanted, ignore_case=True)
    return pc.fill_null(hits, False)
