"""Offsets of a label's phrases in the article, as `labels/` and versions hold them."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.clean.cleaner import locate

_VERBATIM = ("exact", "spacing", "reviewer")  # tiers of phrases that stand in the text as they are written


def offsets(phrases: Sequence[str], tiers: Sequence[str], text: str) -> list[list[int]]:
    """Return for each phrase `[start, end]`, in code points of `text`, where it stands first, the end not included.

    `[]` for one that stands there in another inflection, or not at all.
    """
    verbatim = [phrase for phrase, tier in zip(phrases, tiers, strict=True) if tier in _VERBATIM]
    located = iter(locate(verbatim, text) if verbatim else ())
    spans = [next(located) if tier in _VERBATIM else None for tier in tiers]
    return [list(span) if span else [] for span in spans]
