"""Offsets of a label's phrases in the article, as `labels/` and versions hold them."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from pipeline.clean.cleaner.presence import ArticleIndex

_VERBATIM = ("exact", "spacing", "reviewer")  # tiers of phrases that stand in the text as they are written


def offsets(phrases: Sequence[str], tiers: Sequence[str], text: str) -> list[list[int]]:
    """Return for each phrase `[start, end]`, in code points of `text`, where it stands first, the end not included.

    `[]` for one that stands there in another inflection, or not at all.
    """
    verbatim = [phrase for phrase, tier in zip(phrases, tiers, strict=True) if tier in _VERBATIM]
    located = iter(locate(verbatim, text) if verbatim else ())
    spans = [next(located) if tier in _VERBATIM else None for tier in tiers]
    return [list(span) if span else [] for span in spans]


def locate(phrases: Iterable[str], article: str) -> list[tuple[int, int] | None]:
    """Return the first span of each phrase: offsets in code points of the article as given, the end not included.

    None stands for a phrase that the article has only in another inflection, or not at all.
    """
    source = ArticleIndex(article, None)
    spans = [source.span(phrase) for phrase in phrases]
    if source.text == article:
        return spans
    return [span and (_offset_as_given(article, span[0]), _offset_as_given(article, span[1])) for span in spans]


def _offset_as_given(article: str, at: int) -> int:
    """Return the offset in the article as given of an offset in its NFC form."""
    return (
        bisect_right(range(len(article) + 1), at, key=lambda end: len(unicodedata.normalize("NFC", article[:end]))) - 1
    )
