"""Duplicate filter: keep the earliest, in source order, of articles with the same title, text, or body under another title.

Same means equal after NFKC and white-space folding.  An article without a title is compared by text only.
"""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Any, ClassVar

import pyarrow as pa

from pipeline.core import contracts
from pipeline.core.text.folding import fold_space

_KEY = pa.binary(16)


class Options(contracts.FilterOptions):
    pass


class Filter(contracts.Filter):
    columns = pa.schema([("title_key", _KEY), ("text_key", _KEY), ("body_key", _KEY)])
    # A row that goes for its text takes no part in the comparison of titles: what is dropped is a copy of what stays.
    unique: ClassVar[dict[str, str]] = {
        "text_key": "duplicate_text",
        "body_key": "duplicate_text",
        "title_key": "duplicate_title",
    }

    def __init__(self, options: Options) -> None:
        pass

    def decide(self, articles: pa.Table) -> tuple[list[str | None], dict[str, list[Any]]]:
        """Make the keys only, and reject nothing: a row alone cannot be a duplicate; keys are compared across shards (`unique`)."""
        titles = [_folded(title or "") for title in articles.column("title").to_pylist()]
        texts = [_folded(text) for text in articles.column("text").to_pylist()]
        bodies = [text.removeprefix(title).lstrip() for title, text in zip(titles, texts, strict=True)]
        columns = zip(self.columns.names, (titles, texts, bodies), strict=True)
        return [None] * len(texts), {name: [_key(value) for value in values] for name, values in columns}


def _folded(text: str) -> str:
    """Return the text in NFKC with white space folded."""
    form = unicodedata.normalize("NFKC", text)
    # NFKC of a text that it leaves alone is free and gives the same object.  White space of such a text was folded when it was
    # collected; folding it again took a third of this filter's time.
    return text if form is text else fold_space(form)


def _key(folded: str) -> bytes | None:
    return hashlib.blake2b(folded.encode(), digest_size=16).digest() if folded else None
