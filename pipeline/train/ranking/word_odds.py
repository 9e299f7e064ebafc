"""What labels have shown of words: how much likelier than others a candidate with them is to be in a label.

Whether a style wants `police` or `Monday`, form and place do not tell; what was labelled before does.  Counts are of train alone,
and what a candidate of train is given comes from the other folds: its own label would tell it the answer.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from pipeline.train.ranking.candidates import Matrix

NAMES = ("odds of phrase", "odds of last word", "odds of first word", "odds of ending")
_PRIOR = 5.0  # candidates that weigh as much as what was counted
_FEWEST = 2  # candidates of a key that is kept
_ENDING = 3  # letters


def keys_of(phrase: str) -> tuple[str, ...]:
    """Return what a phrase is known by, one for each of NAMES."""
    words = phrase.casefold().split()
    return " ".join(words), f"_ {words[-1]}", f"{words[0]} _", f"*{words[-1][-_ENDING:]}"


class WordOdds:
    """Log-odds by key, 0 for what was never seen."""

    def __init__(self, odds: dict[str, float]) -> None:
        self.odds = odds

    @staticmethod
    def of(phrases: Iterable[str], is_right: Iterable[bool]) -> WordOdds:
        """Count over candidates and whether each is in its article's label."""
        seen, right, every, hits = Counter[str](), Counter[str](), 0, 0
        for phrase, hit in zip(phrases, is_right, strict=True):
            keys = keys_of(phrase)
            seen.update(keys)
            every += 1
            if hit:
                right.update(keys)
                hits += 1
        prior = (hits + 1) / (every + 2)
        odds = {
            key: math.log((right[key] + _PRIOR * prior) / (count + _PRIOR) / prior)
            for key, count in seen.items()
            if count >= _FEWEST
        }
        return WordOdds({key: round(value, 4) for key, value in sorted(odds.items())})

    def columns(self, phrases: Sequence[str]) -> Matrix:
        """Return [phrases, NAMES]."""
        whole, last, first, ending = (table.get for table in self._tables)
        rows = []
        for phrase in phrases:
            words = phrase.casefold().split()
            end = words[-1]
            rows.append(
                (whole(" ".join(words), 0.0), last(end, 0.0), first(words[0], 0.0), ending(end[-_ENDING:], 0.0))
            )
        return np.asarray(rows, np.float32).reshape(len(phrases), len(NAMES))

    @cached_property
    def _tables(self) -> tuple[dict[str, float], ...]:
        """The odds by what `keys_of` makes a key of: looked up for every candidate, without the key being written."""
        odds = self.odds.items()
        return (
            self.odds,
            {key[2:]: value for key, value in odds if key.startswith("_ ")},
            {key[:-2]: value for key, value in odds if key.endswith(" _")},
            {key[1:]: value for key, value in odds if key.startswith("*")},
        )
