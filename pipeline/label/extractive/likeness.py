"""Candidates by their likeness to the whole article, each unlike those chosen before: KeyBERT's way (Grootendorst 2020).

The article is as many vectors as an embedder needs to read it, whose mean stands for it.  Of very many candidates those are looked
at that the article's own statistics put first, since each costs a reading of the encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import mul
from typing import Any

import numpy as np

from pipeline.label.extractive.ranking import Judged, is_part
from pipeline.label.extractive.settings import Settings

_LOOKED_AT = 60  # candidates of an article
_MOST_WINDOWS = 12  # of an article that are read: of longer ones, so many, evenly spread

Vectors = np.ndarray[Any, np.dtype[np.floating[Any]]]
Embed = Callable[[list[str]], Vectors]
"""Texts -> a vector each."""


def choose_alike(
    candidates: Sequence[Judged], by: tuple[float, ...], text: str, window: int, embed: Embed, settings: Settings
) -> list[str]:
    """Return the candidates that are most like the text, best first, by maximal marginal relevance.

    `by` weighs their features, which only decides who is looked at; `window` is how many characters `embed` reads of a text.
    """
    scores = [sum(map(mul, candidate.features, by)) for candidate in candidates]
    order = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)
    looked_at = [candidates[index] for index in order[:_LOOKED_AT]]
    if not looked_at:
        return []
    windows = _windows(text, window)
    vectors = _unit(embed([*windows, *(candidate.text for candidate in looked_at)]))
    whole = _unit(vectors[: len(windows)].mean(axis=0, keepdims=True))[0]
    phrases = vectors[len(windows) :]
    return _marginal(looked_at, phrases @ whole, phrases @ phrases.T, settings)


def _marginal(candidates: Sequence[Judged], likeness: Vectors, among: Vectors, settings: Settings) -> list[str]:
    left, chosen = list(range(len(candidates))), list[int]()
    while left and len(chosen) < settings.phrases:
        nearest = among[np.ix_(left, chosen)].max(axis=1) if chosen else np.zeros(len(left))
        values = (1 - settings.diversity) * likeness[left] - settings.diversity * nearest
        best = left.pop(int(values.argmax()))
        chosen.append(best)
        if not settings.candidates:
            left = [index for index in left if not is_part(candidates[index], candidates[best])]
    return [candidates[index].text for index in chosen]


def _windows(text: str, size: int) -> list[str]:
    starts = range(0, max(len(text), 1), size)
    picked = np.unique(np.linspace(0, len(starts) - 1, min(len(starts), _MOST_WINDOWS)).astype(int))
    return [text[starts[number] : starts[number] + size] for number in picked.tolist()]


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.maximum(lengths, 1e-9)
    return unit
