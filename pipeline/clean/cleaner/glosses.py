"""Lists whose items all explain themselves: `A - what it is`, on every line.

A dash may belong to a name; where every item has one it does not, whatever the article says of the single item.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.cleaner.trim import trim

_DASH = re.compile(r"\s[-–—]{1,2}\s")


def without_glosses(items: Sequence[str], article: ArticleIndex | None) -> list[str]:
    """Return the named halves of the items, where all have two; the items as they are else."""
    written = [item for item in items if item.strip()]
    halves = [_DASH.split(item, maxsplit=1) for item in written]
    if len(halves) < 2 or not all(len(half) == 2 and all(map(_has_letters, half)) for half in halves):
        return list(items)
    return [_named(item, head, tail, article) for item, (head, tail) in zip(written, halves, strict=True)]


def _named(item: str, head: str, tail: str, article: ArticleIndex | None) -> str:
    """Return the half that is the phrase: `A - gloss` -> A; `Person - A` -> A, where the article has only that.

    A name with a dash stays whole.
    """
    if article is None:
        return head
    if article.has(trim(item)):
        return item
    return tail if article.has(trim(tail)) and not article.has(trim(head)) else head


def _has_letters(text: str) -> bool:
    return any(map(str.isalpha, text))
