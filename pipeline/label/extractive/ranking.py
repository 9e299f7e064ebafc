"""Scores of candidate phrases, and the choice of the best that do not repeat each other."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.label.extractive.candidates import Candidates
from pipeline.label.extractive.statistics import LanguageStatistics
from pipeline.label.extractive.words import Words

# A phrase scores the weighted sum of these features. The weights were chosen by coordinate ascent on F1@10 over the
# even rows of 300 English (KPCrowd) and 60 French (WikiNews) articles together, then rounded; F1 is flat around them.
WEIGHTS = {
    "frequency": 2.2,  # log of its occurrences outside longer phrases that recur (TF, as in TF-IDF)
    "nested": 0.5,  # share of its occurrences inside one: takes back part of what frequency took
    "rarity": 0.8,  # mean inverse document frequency of its stems, 0 to 1
    "late": -0.4,  # log of the words before its first occurrence: news says first what matters (as in YAKE)
    "title": 0.2,  # whether all its stems stand in the title
    "left": 0.9,  # share of occurrences that no content word precedes: a phrase begins here
    "right": 0.8,  # and that none follows: a phrase ends here
    "long": -0.3,  # whether it has three words or more
    "once": -1.8,  # whether it has several words and occurs once: most such runs are chance
    "length": 0.9,  # log of the characters in its stems, averaged: longer words say more
    "unattested": -1.5,  # whether a Korean word in it was never seen to behave as a noun
}
_REPETITION = 1.0  # what a phrase loses for being all but equal to one chosen before
_POOL = 4  # candidates considered for each phrase wanted


_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Context:
    """What candidates of one article are judged by."""

    words: Words
    counted: LanguageStatistics
    title: frozenset[str] = frozenset()  # stems
    unattested: frozenset[str] = frozenset()  # stems
    words_per_unit: int = 1


def best(found: Candidates, context: Context, limit: int) -> list[int]:
    """Rows of the `limit` best candidates, best first, by maximal marginal relevance (Carbonell & Goldstein 1998)."""
    if not found.phrases or limit < 1:
        return []
    columns = _features(found, context)
    scores: _Floats = np.zeros(len(found.phrases))
    for name, weight in WEIGHTS.items():
        scores += weight * columns[name]
    order = np.argsort(-scores, kind="stable")[: _POOL * limit].tolist()
    rows = [row for row in order if len(found.phrases[row]) > 1]
    chosen = _diverse(scores[rows].tolist(), [frozenset(found.phrases[row].split(" ")) for row in rows], limit)
    return [rows[place] for place in chosen]


def _diverse(values: list[float], stems: list[frozenset[str]], limit: int) -> list[int]:
    """Places of the phrases of highest value, each lessened by the overlap (Jaccard) with those chosen before."""
    scores, left = list(values), list(range(len(values)))
    chosen: list[int] = []
    while left and len(chosen) < limit:
        place = max(left, key=values.__getitem__)
        left.remove(place)
        chosen.append(place)
        for other in left:
            common = len(stems[place] & stems[other])
            if common:
                overlap = common / len(stems[place] | stems[other])
                values[other] = min(values[other], scores[other] - _REPETITION * overlap)
    return chosen


def _features(found: Candidates, context: Context) -> dict[str, _Floats]:
    """The features of all candidates by name. Word by word values are averaged with differences of running sums."""
    sums = _running_sums(context)
    size, rarity, length, title, unattested = sums[:, found.last + 1] - sums[:, found.first]
    units, count = size / context.words_per_unit, found.count.astype(np.float64)
    return {
        "frequency": np.log(0.5 + np.maximum(0, count - found.nested)),
        "nested": found.nested / count,
        "rarity": rarity / size,
        "late": np.log1p(found.first),
        "title": title == size,
        "left": found.left / count,
        "right": found.right / count,
        "long": units > 2,
        "once": (units > 1) & (count == 1),
        "length": length / size,
        "unattested": unattested > 0,
    }


def _running_sums(context: Context) -> _Floats:
    """Sums over the words before each place, links aside: words, rarity, log of length, in the title, unattested."""
    keys, kinds = context.words.keys, context.words.kinds
    distinct = list(dict.fromkeys(keys))
    table = np.ones((5, len(distinct)))
    table[1] = context.counted.rarity(distinct)
    table[2] = np.log([max(1, len(key)) for key in distinct])
    table[3] = [key in context.title for key in distinct]
    table[4] = [key in context.unattested for key in distinct]
    places = dict(zip(distinct, range(len(distinct)), strict=True))
    values = table[:, [places[key] for key in keys]] * (np.array(kinds) & 1)  # CONTENT and NUMBER are odd
    return np.concatenate((np.zeros((5, 1)), np.cumsum(values, axis=1)), axis=1)
