"""MultipartiteRank and PositionRank, as their papers describe them, over runs of words between stop words.

Both rank what stands in the article as a graph.  The papers take runs of adjectives and nouns as a tagger finds them; here a run
of words between stop words and punctuation takes their place, so that nothing has to be downloaded.

MultipartiteRank (Boudin 2018): candidates of one topic (stems in common, average linkage at a distance of 0.74) are not linked with
each other; all others are, by the sum of 1 / gap over their occurrences; the first candidate of a topic gets more weight
(alpha 1.1).  PositionRank (Florescu and Caragea 2017): words within a window of 10 are linked; PageRank is biased towards words
that come early and often; a phrase of at most three words has the sum of its words' scores.
"""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np
import numpy.typing as npt

from pipeline.core.text.stems import stem
from pipeline.label.extractive.lexicon import sections

_DAMPING = 0.85
_ALPHA, _DISTANCE = 1.1, 0.74
_WINDOW, _LONGEST = 10, 3
_WORD = re.compile(r"[^\W\d_]+(?:[-'’&][^\W\d_]+)*")
_CLOSED = ("determiner", "preposition", "opens", "be", "link", "stop", "month")

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]


def stop_words(language: str) -> frozenset[str]:
    read = sections(language)
    return frozenset(word for name in _CLOSED for word in read.get(name, ()))


def runs(text: str, language: str) -> list[list[tuple[int, str]]]:
    """Return stretches of words between stop words and punctuation; a word has its place among the words."""
    stop = stop_words(language)
    found: list[list[tuple[int, str]]] = [[]]
    before = 0
    for place, match in enumerate(_WORD.finditer(text)):
        if text[before : match.start()].strip(" ") or match[0].lower() in stop:
            found.append([])
        if match[0].lower() not in stop:
            found[-1].append((place, match[0]))
        before = match.end()
    return [run for run in found if run]


def _ranked(links: Matrix, bias: Vector | None = None) -> Vector:
    """Return the stationary scores of a random walk along weighted links."""
    count = len(links)
    bias = np.full(count, 1 / count) if bias is None else bias / bias.sum()
    out = links.sum(axis=1, keepdims=True)
    steps = np.divide(links, out, out=np.zeros_like(links), where=out > 0)
    scores = np.full(count, 1 / count)
    for _ in range(100):
        after = (1 - _DAMPING) * bias + _DAMPING * (steps.T @ scores)
        if np.abs(after - scores).sum() < 1e-6:
            break
        scores = after
    return scores


def multipartite_rank(text: str, language: str, limit: int) -> list[str]:
    """Return the best phrases of a text, best first."""
    places: dict[tuple[str, ...], list[int]] = defaultdict(list)
    forms: dict[tuple[str, ...], str] = {}
    for run in runs(text, language):
        key = tuple(stem(word, language) for _, word in run)
        places[key].append(run[0][0])
        forms.setdefault(key, " ".join(word for _, word in run))
    keys = list(places)
    if len(keys) < 2:
        return [forms[key] for key in keys][:limit]
    topics = _topics(keys)
    links = np.zeros((len(keys), len(keys)))
    for one, first in enumerate(keys):
        for other in range(one + 1, len(keys)):
            if topics[one] != topics[other]:
                gaps = np.abs(np.subtract.outer(np.array(places[first]), np.array(places[keys[other]])))
                links[one, other] = links[other, one] = (1 / np.maximum(gaps, 1)).sum()
    _favour_first(links, keys, places, topics)
    order = np.argsort(-_ranked(links), kind="stable")
    return [forms[keys[place]] for place in order[:limit]]


def _topics(keys: list[tuple[str, ...]]) -> list[int]:
    """Return the number of each candidate's topic: average linkage over the Jaccard distance of stems."""
    sets = [frozenset(key) for key in keys]
    distance = np.array([[1 - len(one & other) / len(one | other) for other in sets] for one in sets])
    np.fill_diagonal(distance, 2)
    sizes, topics = np.ones(len(keys)), np.arange(len(keys))
    while True:
        one, other = divmod(int(distance.argmin()), len(keys))
        if distance[one, other] > _DISTANCE:
            return topics.tolist()
        joined = (sizes[one] * distance[one] + sizes[other] * distance[other]) / (sizes[one] + sizes[other])
        distance[one], distance[:, one] = joined, joined
        distance[other], distance[:, other] = 2, 2
        distance[one, one] = 2
        sizes[one] += sizes[other]
        topics[topics == topics[other]] = topics[one]


def _favour_first(
    links: Matrix, keys: list[tuple[str, ...]], places: dict[tuple[str, ...], list[int]], topics: list[int]
) -> None:
    """Add to the links to each topic's first candidate what goes to the topic's others."""
    plain = links.copy()
    for topic in set(topics):
        own = [place for place, number in enumerate(topics) if number == topic]
        first = min(own, key=lambda place: places[keys[place]][0])
        others = [place for place in own if place != first]
        if others:
            boost = np.exp(1 / (1 + places[keys[first]][0]))
            links[:, first] += plain[:, others].sum(axis=1) * _ALPHA * boost * (plain[:, first] > 0)


def position_rank(text: str, language: str, limit: int) -> list[str]:
    """Return the best phrases of a text, best first."""
    words = [(place, stem(word, language)) for run in runs(text, language) for place, word in run]
    names = list(dict.fromkeys(key for _, key in words))
    numbers = {key: number for number, key in enumerate(names)}
    links, bias = np.zeros((len(names), len(names))), np.zeros(len(names))
    for at, (place, key) in enumerate(words):
        bias[numbers[key]] += 1 / (place + 1)
        for later, other in words[at + 1 : at + _WINDOW]:
            if later - place < _WINDOW and key != other:
                links[numbers[key], numbers[other]] += 1
                links[numbers[other], numbers[key]] += 1
    if not names:
        return []
    scores = _ranked(links, bias)
    found: dict[tuple[str, ...], tuple[float, str]] = {}
    for run in runs(text, language):
        if len(run) <= _LONGEST:
            keys = tuple(stem(word, language) for _, word in run)
            score = float(sum(scores[numbers[key]] for key in keys))
            found.setdefault(keys, (score, " ".join(word for _, word in run)))
    return [form for _, form in sorted(found.values(), key=lambda each: -each[0])[:limit]]
