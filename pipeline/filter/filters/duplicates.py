"""Duplicate filter: keep the earliest, in source order, of articles with the same title, text, or body under another title.

Same means equal after NFKC and white-space folding.  An article without a title is compared by text only.
"""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.core import contracts
from pipeline.core.shards import first_occurrences
from pipeline.core.text.folding import fold_space

_KEY = pa.binary(16)
_REASONS = {"text_key": "duplicate_text", "body_key": "duplicate_text", "title_key": "duplicate_title"}  # in this order


class Options(contracts.FilterOptions):
    pass


class Filter(contracts.Filter):
    columns = pa.schema([("title_key", _KEY), ("text_key", _KEY), ("body_key", _KEY)])

    def __init__(self, options: Options) -> None:
        pass

    def decide(self, articles: pa.Table) -> tuple[list[str | None], dict[str, list[Any]]]:
        """Make the keys only, and reject nothing: a row alone cannot be a duplicate; `fold` compares the keys."""
        titles = [_folded(title or "") for title in articles.column("title").to_pylist()]
        texts = [_folded(text) for text in articles.column("text").to_pylist()]
        bodies = [text.removeprefix(title).lstrip() for title, text in zip(titles, texts, strict=True)]
        columns = zip(self.columns.names, (titles, texts, bodies), strict=True)
        return [None] * len(texts), {name: [_key(value) for value in values] for name, values in columns}

    def fold(self, columns: pa.Table) -> dict[int, tuple[str, str]]:
        """Return row -> (reason, detail) for what must go, over all rows of a job in source order.

        A row that goes for its text takes no part in the comparison of titles: what is dropped is a copy of what stays.
        """
        ids, drops = columns.column("id"), {}
        rows = np.arange(columns.num_rows)
        for name, reason in _REASONS.items():
            first = first_occurrences(columns.column(name).take(pa.array(rows)))
            for position in np.flatnonzero(first != np.arange(len(rows))):
                drops[int(rows[position])] = (reason, f"same as {ids[int(rows[first[position]])].as_py()}")
            rows = np.array([row for row in rows if int(row) not in drops], dtype=np.int64)
        return drops


def _folded(text: str) -> str:
    """Return the text in NFKC with white space folded."""
    form = unicodedata.normalize("NFKC", text)
    # NFKC of a text that it leaves alone is free and gives the same object.  White space of such a text was folded when it was
    # collected; folding it again took a third of this filter's time.
    return text if form is text else fold_space(form)


def _key(folded: str) -> bytes | None:
    return hashlib.blake2b(folded.encode(), digest_size=16).digest() if folded else None
