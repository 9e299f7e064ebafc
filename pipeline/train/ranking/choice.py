"""The choice of a label among scored candidates, and how that is learned: from how likely on, how many at most, nested or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.core.types import ScoredPhrase
from pipeline.metrics.keyphrases import score
from pipeline.train.ranking.candidates import ArticleCandidates

_Numbers = npt.NDArray[np.float64]
_MOST = 20  # phrases of a label, however many there are in train
_THRESHOLDS = (*np.linspace(0.02, 0.3, 15), *np.linspace(0.34, 0.9, 15))


@dataclass(frozen=True)
class Choice:
    """Rule by which candidates become a label: those that are likely enough, `most` at most, one in any case."""

    threshold: float
    most: int
    nested: bool  # whether a phrase may have all the words of another one

    def label(self, candidates: ArticleCandidates, likely: _Numbers) -> list[ScoredPhrase]:
        """Return the label, the likeliest phrase first; none where there is no candidate."""
        order = _taken(candidates.words, likely, self.nested, self.most)
        chosen = [number for rank, number in enumerate(order) if not rank or likely[number] >= self.threshold]
        return [ScoredPhrase(candidates.phrases[number], round(float(likely[number]), 4)) for number in chosen]


@dataclass(frozen=True)
class JudgedArticle:
    """Candidates of an article with what a model that never saw it says of them, which are right, and how many phrases it has."""

    words: Sequence[frozenset[str]]
    likely: _Numbers
    is_right: npt.NDArray[np.bool_]
    size: int


def fit_choice(articles: Sequence[JudgedArticle]) -> Choice:
    """Return the rule with the best F1, as a mean over the articles."""
    largest = max(1, min(_MOST, max((article.size for article in articles), default=1)))
    best, best_f1 = Choice(0.5, largest, False), -1.0
    for nested in (False, True):
        orders = [(_taken(one.words, one.likely, nested, largest), one) for one in articles]
        for most in range(1, largest + 1):
            for threshold in _THRESHOLDS:
                f1 = float(np.mean([_f1(order[:most], threshold, one) for order, one in orders]))
                if f1 > best_f1 + 1e-9:
                    best, best_f1 = Choice(round(float(threshold), 4), most, nested), f1
    return best


def _f1(order: Sequence[int], threshold: float, article: JudgedArticle) -> float:
    chosen = [number for rank, number in enumerate(order) if not rank or article.likely[number] >= threshold]
    return score(sum(bool(article.is_right[number]) for number in chosen), len(chosen), article.size).f1


def _taken(words: Sequence[frozenset[str]], likely: _Numbers, nested: bool, most: int) -> list[int]:
    """Return the numbers of the likeliest candidates that go together, the likeliest first."""
    taken: list[int] = []
    for number in np.argsort(-likely, kind="stable"):
        own = words[number]
        clashes = (own == words[one] if nested else own <= words[one] or own >= words[one] for one in taken)
        if not any(clashes):
            taken.append(int(number))
            if len(taken) == most:
                break
    return taken
