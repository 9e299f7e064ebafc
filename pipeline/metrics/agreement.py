"""Agreement of two people: on sets of phrases (Krippendorff's alpha with the MASI distance), on accept or reject (Gwet's AC1).

Both are written here for want of a library that fits: nltk's alpha takes every pair of distinct sets in Python (20,000 articles:
hours), the package krippendorff is GPL, irrCAC pins an old scipy.  The tests hold alpha against nltk's and AC1 against
published examples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.metrics.intervals import student, wilson


def masi(a: frozenset[str], b: frozenset[str]) -> float:
    """Return the MASI similarity of two sets, 0..1 (Measuring Agreement on Set-valued Items, Passonneau 2006).

    It is Jaccard's index times 1 for equal sets, 2/3 where one is part of the other, 1/3 where they overlap, 0 where they do
    not.  Two empty sets are equal.  The distance is 1 - this.
    """
    if not a and not b:
        return 1.0
    return float(_masi(len(a & b), len(a), len(b)))


def _masi(common: Any, left: Any, right: Any) -> Any:
    """Return the MASI similarity by the sizes of the common part and of both sets: numbers, or arrays of them."""
    part = np.where(common == np.minimum(left, right), 2 / 3, 1 / 3)
    return common / (left + right - common) * np.where((common == left) & (common == right), 1.0, part)


def masi_alpha(units: Sequence[Sequence[frozenset[str]]]) -> float | None:
    """Return Krippendorff's alpha (2004, ch. 11) with the MASI distance: 1 - observed over expected disagreement.

    A unit is an article with what each of its reviewers said; units of fewer than two say nothing.  1: they agree, 0: as by
    chance, below: less than that.  None where nothing differs in the whole, for then chance agrees too.
    """
    paired = [unit for unit in units if len(unit) > 1]
    values = Counter(one for unit in paired for one in unit)
    count = values.total()
    if len(values) < 2:
        return None
    observed = sum(2 * sum(1 - masi(a, b) for a, b in combinations(unit, 2)) / (len(unit) - 1) for unit in paired)
    expected = (count * (count - 1) - _likeness(values)) / (count - 1)
    return 1 - observed / expected if expected > 0 else None


def _likeness(values: Counter[frozenset[str]]) -> float:
    """Sum the MASI similarity over all ordered pairs of different values.  An index finds those that share a phrase."""
    sets, times = list(values), np.asarray(list(values.values()), float)
    size = np.asarray([len(one) for one in sets])
    later = _index(sets)
    likeness, common = float((times * (times - 1)).sum()), np.zeros(len(sets), np.int64)
    for at, one in enumerate(sets):
        for phrase in sorted(one):  # sums must not depend on the order of hashes
            later[phrase] = later[phrase][1:]  # those behind this set
            common[later[phrase]] += 1
        if one:
            # each as often as it has phrases in common
            met = np.concatenate([later[phrase] for phrase in sorted(one)])
            shared = common[met]
            likeness += 2 * times[at] * float((times[met] * _masi(shared, len(one), size[met]) / shared).sum())
            common[met] = 0
    return likeness


def _index(sets: Sequence[frozenset[str]]) -> dict[str, npt.NDArray[np.int64]]:
    """Return phrase -> the numbers of the sets that have it, in order."""
    set_numbers: dict[str, list[int]] = {}
    for at, one in enumerate(sets):
        for phrase in one:
            set_numbers.setdefault(phrase, []).append(at)
    return {phrase: np.asarray(numbers, np.int64) for phrase, numbers in set_numbers.items()}


# --- accept or reject ---


@dataclass(frozen=True)
class Agreement:
    """Gwet's AC1 with its 95% interval; -1..1, 0: as by chance."""

    value: float
    low: float
    high: float
    error: float  # the standard error
    phrases: int


def ac1(verdicts: Sequence[tuple[bool, bool]], articles: Sequence[object]) -> Agreement | None:
    """Return Gwet's AC1 (2008) of two people's verdicts, accept or reject, on phrases; None without any.

    `articles` holds the article of each phrase.

    (pa - pe) / (1 - pe): pa is the share of phrases on which they agree, pe = 2q(1-q) with q the share accepted by both together.
    Unlike Cohen's kappa it does not fall to 0 where nearly all is accepted.  The variance is Gwet's (2008), by linearisation,
    with what the phrases of one article add summed before it is squared, for they are judged together (what a jackknife over
    articles tends to).  The interval is Wilson's for (1 + AC1) / 2, which lies between 0 and 1: the usual one, +- t standard
    errors, passes 1 and is too narrow near it.
    """
    if not verdicts:
        return None
    accepted = np.asarray(verdicts, float)
    agree, accept = (accepted[:, 0] == accepted[:, 1]).astype(float), accepted.mean(1)
    share, rate = float(agree.mean()), float(accept.mean())
    chance = 2 * rate * (1 - rate)
    value = (share - chance) / (1 - chance)
    # of each phrase: what it adds to pa, and to pe, whose derivative by q is 2(1 - 2q)
    parts = (agree - share - (1 - value) * 2 * (1 - 2 * rate) * (accept - rate)) / (1 - chance)
    number = {article: at for at, article in enumerate(dict.fromkeys(articles))}
    sums = np.bincount([number[article] for article in articles], weights=parts).astype(float)
    spread = float((sums**2).sum()) * len(sums) / max(1, len(sums) - 1) / len(parts) ** 2
    return Agreement(value, *_around(value, spread, len(number)), sqrt(spread), len(parts))


def _around(value: float, spread: float, articles: int) -> tuple[float, float]:
    """Return the interval (low, high) of AC1; where nothing varies an article counts as one thing, and one alone says nothing."""
    if articles < 2:
        return -1.0, 1.0
    middle = (1 + value) / 2
    count = middle * (1 - middle) / (spread / 4) if spread > 1e-12 else 2.0 * articles
    low, high = wilson(middle, count, student(articles - 1))
    return 2 * low - 1, 2 * high - 1
