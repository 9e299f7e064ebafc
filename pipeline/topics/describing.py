"""Descriptions of topics: their words by three measures, and the articles nearest to their middle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.topics import representation
from pipeline.topics.grouping import Middles, similarity
from pipeline.topics.representation import WORDS, Counts
from pipeline.topics.space import Numbers, Space
from pipeline.topics.texts import Key, Texts, key_of

REPRESENTATIVES = 8  # articles
_READ = 400  # articles of a topic that are read: those nearest to its middle


@dataclass(frozen=True)
class Description:
    """Words of a topic by kind, its representative articles, the nearest to its middle first, and its languages."""

    words: dict[str, list[str]]
    representatives: list[str]  # ids
    language: str | None


def described(
    texts: Texts, numbers: Mapping[Key, int], topic: Numbers, space: Space, middles: Middles, wanted: Collection[int]
) -> dict[int, Description]:
    """Return the descriptions of topics.  The articles near the middle of each are counted, of topics that are not wanted, too."""
    counts: dict[int, Counts] = {int(number): Counts() for number in middles.ids}
    closeness = similarity(space, topic, middles)
    near = _nearest(topic, closeness, middles.ids.tolist())
    read: dict[int, list[tuple[float, frozenset[str]]]] = {number: [] for number in wanted}
    ids: dict[int, list[tuple[float, str]]] = {number: [] for number in wanted}
    for batch in texts.batches():
        columns = [batch.column(name).to_pylist() for name in ("id", "text", "language", "text_sha256")]
        for row_id, text, language, digest in zip(*columns, strict=True):
            row = numbers[key_of(digest)]
            if row not in near:
                continue
            number = int(topic[row])
            words = representation.counted(text, language)
            counts[number].add(words, language)
            if number in read:
                read[number].append((float(closeness[row]), frozenset(words)))
                ids[number].append((float(-closeness[row]), row_id))
    weights = representation.weights(counts)
    return {
        number: Description(
            _words(weights[number], read[number]),
            [row_id for _, row_id in sorted(ids[number])[:REPRESENTATIVES]],
            next((code for code, _ in counts[number].languages.most_common(1)), "") or None,
        )
        for number in wanted
    }


def _nearest(topic: Numbers, closeness: Any, wanted: Collection[int]) -> set[int]:
    """Return the rows of each topic that are nearest to its middle."""
    rows: set[int] = set()
    for number in wanted:
        own = np.flatnonzero(topic == number)
        rows.update(own[np.argsort(-closeness[own], kind="stable")[:_READ]].tolist())
    return rows


def _words(weight: dict[str, float], read: list[tuple[float, frozenset[str]]]) -> dict[str, list[str]]:
    """Return the words by each measure.

    Words and articles stand in no common space unless an embedder reads single words well, so a word is as near to the middle as
    the articles that have it are, beside those that have it not: KeyBERT's idea with the vectors that are there.
    """
    together = representation.together((words for _, words in read), weight)
    best = sorted(weight, key=lambda word: (-weight[word], word))
    return {
        "ctfidf": best[:WORDS],
        "mmr": representation.by_variety(weight, together),
        "central": _central(best, weight, read)[:WORDS],
    }


def _central(best: list[str], weight: dict[str, float], read: list[tuple[float, frozenset[str]]]) -> list[str]:
    closeness = np.array([near for near, _ in read]) if read else np.zeros(0)
    least = float(closeness.min(initial=0.0))
    sums: Counter[str] = Counter()
    for near, words in read:
        for word in words & weight.keys():
            sums[word] += near - least  # type: ignore[assignment]
    return sorted(best, key=lambda word: (-sums[word] * weight[word] ** 0.5, word))
