"""Duplicate filter: keep the earliest, in source order, of articles with the same title, text, or body under another title.

Same means equal after NFKC and white-space folding.  An article without a title is compared by text only.
"""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core import contracts
from pipeline.core.text.form_columns import forms_utf8

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
        titles = forms_utf8(pc.fill_null(articles.column("title"), ""))
        keys: dict[str, list[Any]] = {name: [] for name in self.columns.names}
        for title, text in zip(titles, forms_utf8(articles.column("text")), strict=True):
            body, text_key = _without(title, text), _key(text)
            keys["title_key"].append(_key(title))
            keys["text_key"].append(text_key)
            keys["body_key"].append(text_key if len(body) == len(text) else _key(body))
        return [None] * articles.num_rows, keys


def _without(title: bytes, text: bytes) -> bytes:
    """Return a text without the title at its head, and without white space there."""
    body = text.removeprefix(title).lstrip()  # white space of ASCII
    return body.decode().lstrip().encode() if body[:4].decode(errors="ignore")[:1].isspace() else body


def _key(folded: bytes) -> bytes | None:
    return hashlib.blake2b(folded, digest_size=16).digest() if folded else None
