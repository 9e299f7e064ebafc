"""Spellings of one concept: case, hyphen, spacing and number apart; never derivation (marketing, markets; Emirates, emir)."""

from __future__ import annotations

import re

from pipeline.core.text.folding import fold_form

_HYPHEN = re.compile(r"(?<=\w)[-‐‑–](?=[^\W\d])")
# and the e of house, as of houses
_PLURAL = re.compile(r"(?<=[^\W\d_]{3})(?:(ies)|(?:(?<=[sxz])|(?<=[cs]h))es?|(?<![suio])s)(?![^\W_])")
# they end in s, and are no plurals of what is left
_ALIKE = re.compile(r"(?i:news|goods|arms|customs|[a-z]+ics)(?![^\W_])")


def spellings(phrase: str) -> frozenset[str]:
    """Return keys of which two phrases share one where they spell one concept.

    The number is folded only where all capitals are alike: Reds are no shade of red.
    """
    text = _HYPHEN.sub(" ", fold_form(phrase))
    loose = "".join(text.casefold().split())
    singular = text.split()
    if "s" in text or "e" in text:  # houses, and the e of house
        singular = [word if _ALIKE.fullmatch(word) else _PLURAL.sub(_singular, word) for word in singular]
    return frozenset((loose, f"#{''.join(singular)}"))


def _singular(match: re.Match[str]) -> str:
    return "y" if match[1] else ""
