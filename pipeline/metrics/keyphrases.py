"""Measures of key phrases against those that people chose.

The standard protocol (Meng et al. 2017, "Deep Keyphrase Generation", section 5): lower case, each word stemmed (Porter in
English, Snowball in its other languages, without particles in Korean), duplicates after that removed, phrases compared as
wholes, scores macro-averaged: per article, then the mean.  In Korean and Japanese spacing does not count.

Porter is the algorithm as published in 1980, in Snowball's implementation.  Most published figures were made with nltk's
`PorterStemmer`, which departs from it in some words (`dying`, `news`, `sky`): the language `NLTK_ENGLISH` takes that one.
A word without a stem (`s`) stays as it is, and `C`, `C++`, `C#` are three things.

- F1@k: the first k predictions.  A list shorter than k is taken as if wrong phrases filled it (precision is over k), as
  Chan et al. 2019 ("Neural Keyphrase Generation via Reinforcement Learning", section 5.2) do; otherwise short lists
  are rewarded.  `pad=False` divides by what was given.
- F1@M: all predictions (Chan et al. 2019).  F1@O: as many as there are gold phrases (Yuan et al. 2020, "One Size Does
  Not Fit All", section 5), padded like F1@k.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pipeline.core.text.folding import fold_form
from pipeline.core.text.stems import stem
from pipeline.metrics.matching import matched

NLTK_ENGLISH = "x-porter-nltk"  # in the place of `en`
_WORD = re.compile(r"[^\W_]+(?:\+{1,2}|#)?(?![^\W_])|[^\W_]+")
_CJK = re.compile("[ぁ-ヿ一-鿿가-힣]")
_PORTER = "x-porter"


class Score(NamedTuple):
    precision: float
    recall: float
    f1: float


def normal(phrase: str, language: str | None = None) -> str:
    """Return the form in which phrases are compared: stems with one space between them; without spaces in CJK scripts."""
    words = _WORD.findall(fold_form(phrase).lower())
    stems = [
        stem(word, "ko" if "가" <= word[-1] <= "힣" else _PORTER if language == "en" else language) or word
        for word in words
    ]
    return ("" if _CJK.search(phrase) else " ").join(stems)


def unique(phrases: Sequence[str], language: str | None = None) -> list[str]:
    """Return normal forms in order, without duplicates and empty ones."""
    return [form for form in dict.fromkeys(normal(phrase, language) for phrase in phrases) if form]


def score(hits: float, predicted: int, gold: int) -> Score:
    """Return precision, recall and their harmonic mean; 0 where nothing is there to divide by."""
    precision, recall = hits / predicted if predicted else 0.0, hits / gold if gold else 0.0
    return Score(precision, recall, 2 * precision * recall / (precision + recall) if hits else 0.0)


def at_k(predicted: Sequence[str], gold: Sequence[str], k: int, language: str | None = None, pad: bool = True) -> Score:
    """Return the score of the first `k` predictions; without `pad` precision is over those that were given."""
    given, wanted = unique(predicted, language)[:k], unique(gold, language)
    return score(len(set(given) & set(wanted)), k if pad else len(given), len(wanted))


def at_m(predicted: Sequence[str], gold: Sequence[str], language: str | None = None) -> Score:
    """Return the score of all predictions."""
    given, wanted = unique(predicted, language), unique(gold, language)
    return score(len(set(given) & set(wanted)), len(given), len(wanted))


def at_o(predicted: Sequence[str], gold: Sequence[str], language: str | None = None) -> Score:
    """Return the score of as many predictions as there are gold phrases, padded."""
    return at_k(predicted, gold, len(unique(gold, language)), language)


def present_and_absent(
    phrases: Sequence[str], article: str, language: str | None = None
) -> tuple[list[str], list[str]]:
    """Return phrases whose stems stand side by side in the article, and the others."""
    present: list[str] = []
    absent: list[str] = []
    text, spaced = normal(article, language), not _CJK.search(article)
    for phrase in phrases:
        form = normal(phrase, language)
        is_present = f" {form} " in f" {text} " if spaced else form in text
        (present if is_present and form else absent).append(phrase)
    return present, absent


def soft_f1(predicted: Sequence[str], gold: Sequence[str], language: str | None = None) -> float:
    """Return F1 with partial credit: phrases are matched one to one so that the sum of similarities is largest.

    The similarity of two phrases is the Dice coefficient of their stems; of their pairs of characters in CJK scripts.
    """
    given, wanted = unique(predicted, language), unique(gold, language)
    return score(sum(soft_hits(given, wanted)), len(given), len(wanted)).f1


def soft_hits(given: Sequence[str], wanted: Sequence[str]) -> list[float]:
    """Return the similarities, 0..1, of the pairs in the best one-to-one matching of normal forms: hits with partial credit."""
    return matched([[_dice(_units(a), _units(b)) for b in wanted] for a in given])


def _units(form: str) -> list[str]:
    if _CJK.search(form):
        return [form[at : at + 2] for at in range(len(form) - 1)] or [form]
    return form.split()


def _dice(a: list[str], b: list[str]) -> float:
    left = list(b)
    common = 0
    for unit in a:
        if unit in left:
            left.remove(unit)
            common += 1
    return 2 * common / (len(a) + len(b))


# --- of the predictions alone ---


def duplicates(phrases: Sequence[str], language: str | None = None) -> int:
    """Count the phrases that repeat an earlier one."""
    return len(phrases) - len(unique(phrases, language))


# --- as the project's first notebook measured: kept to compare with its figures ---


def legacy_substring_f1(predicted: Sequence[str], gold: Sequence[str], k: int = 10) -> float:
    """Return an F1 by which a prediction is right that is part of a gold phrase or has one as its part.

    It is generous: see the random baseline.
    """
    given, wanted = [p.lower() for p in predicted[:k] if p], [g.lower() for g in gold if g]
    right = sum(any(p in g or g in p for g in wanted) for p in given)
    reached = sum(any(p in g or g in p for p in given) for g in wanted)
    precision, recall = right / len(given) if given else 0.0, reached / len(wanted) if wanted else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def legacy_jaccard(predicted: Sequence[str], gold: Sequence[str]) -> float:
    """Return phrases in both over phrases in either, as they are written."""
    given, wanted = set(predicted), set(gold)
    return len(given & wanted) / len(given | wanted) if given | wanted else 0.0


def random_pairs(
    measure: Callable[[Sequence[str], Sequence[str]], float],
    predicted: Sequence[Sequence[str]],
    gold: Sequence[Sequence[str]],
    seed: int = 0,
) -> float:
    """Return the floor of a measure: its mean where every prediction is held against another article's gold."""
    if len(predicted) < 2:
        return 0.0
    order = list(range(len(gold)))
    random.Random(seed).shuffle(order)
    other = dict(zip(order, order[1:] + order[:1], strict=True))
    return sum(measure(given, gold[other[at]]) for at, given in enumerate(predicted)) / len(predicted)
