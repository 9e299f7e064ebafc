"""Korean words by a morphological analyser, kiwipiepy (an extra): slower than rules by far, and right more often."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pipeline.core.errors import MissingExtra

# particles, verbal endings, signs, suffixes: Sejong tags by their beginning
_ENDINGS = ("J", "E", "S", "XS")


@lru_cache(maxsize=1)
def analyser() -> Any:
    """Return the analyser, loaded once, in about a second.  Raises MissingExtra."""
    try:
        from kiwipiepy import Kiwi
    except ImportError as error:
        raise MissingExtra("korean: kiwi", "korean") from error
    return Kiwi()


@lru_cache(maxsize=2**15)
def root(word: str) -> str:
    """Return the morphemes of a word that carry its meaning: 인상하였다 -> 인상, 기준금리를 -> 기준금리."""
    meaning = "".join(token.form for token in analyser().tokenize(word) if not token.tag.startswith(_ENDINGS))
    return meaning or word
