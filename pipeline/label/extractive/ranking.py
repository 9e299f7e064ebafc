"""Scores of candidates, and the choice of the best that do not repeat each other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import mul
from pathlib import Path

from pipeline.label.extractive.settings import Settings

_WEIGHTS = Path(__file__).with_name("weights.json")
_POOL = 6  # candidates considered for each phrase wanted
_OVERLAP = 4.0  # what a phrase loses at diversity 1 for having all but the same words as one chosen before


@dataclass(slots=True)
class Judged:
    """A candidate with what it is judged by."""

    text: str  # the form that is shown
    parts: tuple[str, ...]  # keys of its words
    features: list[float]  # in the order of its family's names
    solid: str = ""  # its letters without spaces, in languages where a word may hold another one


@lru_cache(maxsize=8)
def weights(family: str, names: tuple[str, ...]) -> tuple[float, ...]:
    """Return the weights of a family's features, in their order."""
    by_name = json.loads(_WEIGHTS.read_text("utf-8"))[family]
    return tuple(by_name[name] for name in names)


def choose(candidates: Sequence[Judged], by: tuple[float, ...], settings: Settings) -> list[str]:
    """Return the best candidates, best first, by maximal marginal relevance (Carbonell & Goldstein 1998).

    None is part of another one, unless the user gave what to choose from.
    """
    scores = [sum(map(mul, candidate.features, by)) for candidate in candidates]
    order = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)[: _POOL * settings.phrases]
    values = {index: scores[index] for index in order}
    words = {index: frozenset(candidates[index].parts) for index in order}
    chosen: list[Judged] = []
    while values and len(chosen) < settings.phrases:
        best = max(values, key=values.__getitem__)
        del values[best]
        chosen.append(candidates[best])
        for index in list(values):
            shared = _overlap(words[index], words[best])
            if not settings.candidates and is_part(candidates[index], candidates[best]):
                del values[index]
            elif shared:
                values[index] = min(values[index], scores[index] - settings.diversity * _OVERLAP * shared)
    return [candidate.text for candidate in chosen]


def is_part(one: Judged, other: Judged) -> bool:
    """Tell whether one phrase is part of the other, word by word or letter by letter."""
    return _overlap(frozenset(one.parts), frozenset(other.parts)) == 1 or _holds(one, other)


def _holds(one: Judged, other: Judged) -> bool:
    """Whether one is part of the other, letter by letter, in languages where a word may hold another one."""
    return bool(one.solid) and (one.solid in other.solid or other.solid in one.solid)


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of words that two phrases have in common (Jaccard), 1 where one is part of the other."""
    common = len(one & other)
    if not common:
        return 0
    return 1 if common in (len(one), len(other)) else common / len(one | other)
