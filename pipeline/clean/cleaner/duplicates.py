"""Duplicates in a label: one concept once, in the spelling that the article has most."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.clean.cleaner.normal import fold_typography, has_hangul
from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.core.text.concepts import spellings
from pipeline.core.text.korean import strip_particles


def place_of(
    phrase: str,
    keys: Iterable[str],
    seen: dict[str, int],
    selected: list[tuple[str, str]],
    article: ArticleIndex | None,
) -> int | None:
    """Return the place of the phrase that spells the same concept; None where there is none, or capitals tell two names."""
    at = next((seen[key] for key in keys if key in seen), None)
    if at is None or article is None:
        return at
    other = selected[at][0]
    only_case = phrase != other and phrase.casefold() == other.casefold()
    return None if only_case and article.has_name(phrase) and article.has_name(other) else at


def is_better(phrase: str, other: str, article: ArticleIndex | None) -> bool:
    """Tell whether a spelling is to stand in the place of another: the article has it more often, or it has no particle."""
    if has_hangul(phrase) and len(phrase) < len(other) and phrase.count(" ") >= other.count(" "):
        return True
    return article is not None and article.count(phrase) > article.count(other)


def spellings_of(phrase: str) -> frozenset[str]:
    """Return keys that two phrases share which differ only in case, spacing, number or a Korean particle behind them."""
    return spellings(fold_typography(without_particle(phrase)).replace("İ", "i"))  # it would fold to two characters


def without_particle(phrase: str) -> str:
    """Return the phrase without the Korean particle behind it."""
    head, space, last = phrase.rpartition(" ")
    return head + space + strip_particles(last) if has_hangul(last) else phrase
