"""What a topic is about, in words: by c-TF-IDF, and by that with variety (MMR).

A topic's articles are one long article to c-TF-IDF (Grootendorst): how often a word is in it, and in how few others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from pipeline.core.text.folding import fold_form
from pipeline.topics.words import weak_words, words_of

WORDS = 10
_CANDIDATES = 40
_FEWEST_ARTICLES = 2  # of a topic that have a word
_FEWEST_WORDS = 3  # else the words of single articles count, too
_DIVERSITY = 0.4
_WEAK = 0.4  # of the weight of a verb, an adverb, an adjective
_CHARACTERS = 1200


@dataclass
class Counts:
    """Words of one topic, as its articles are read one by one."""

    articles: int = 0
    words: Counter[str] = field(default_factory=Counter)  # how often, each article's count damped
    within: Counter[str] = field(default_factory=Counter)  # in how many articles
    languages: Counter[str] = field(default_factory=Counter)

    def add(self, words: Counter[str], language: str | None) -> None:
        """Count an article."""
        self.articles += 1
        self.languages[language or ""] += 1
        for word, count in words.items():
            self.words[word] += min(count, 3)
            self.within[word] += 1


def counted(text: str, language: str | None) -> Counter[str]:
    """Return how often an article has each of its words."""
    return Counter(words_of(fold_form(text[:_CHARACTERS]), language))


def weights(by_topic: Mapping[int, Counts]) -> dict[int, dict[str, float]]:
    """Return the weight of each word of each topic by c-TF-IDF, of the best words only."""
    totals: Counter[str] = Counter()
    for counts in by_topic.values():
        totals.update(counts.words)
    mean = sum(totals.values()) / max(len(by_topic), 1)
    return {topic: _weights_of(counts, totals, mean) for topic, counts in by_topic.items()}


def _weights_of(counts: Counts, totals: Counter[str], mean: float) -> dict[str, float]:
    shared = sum(number >= _FEWEST_ARTICLES for number in counts.within.values())
    fewest = _FEWEST_ARTICLES if shared >= _FEWEST_WORDS else 1
    weak = weak_words(counts.languages.most_common(1)[0][0] or None) if counts.languages else frozenset()
    whole = max(sum(counts.words.values()), 1)
    scored = {
        word: (count / whole) * float(np.log(1 + mean / totals[word])) * (counts.within[word] / counts.articles) ** 0.5
        * (_WEAK if word in weak else 1.0)
        for word, count in counts.words.items()
        if counts.within[word] >= fewest
    }  # fmt: skip
    best = sorted(scored, key=lambda word: (-scored[word], word))[:_CANDIDATES]
    return {word: scored[word] for word in _without_parts(best)}


def _without_parts(words: list[str]) -> list[str]:
    """Return words less the plural of one before, and less pairs of characters that overlap one before."""
    kept: list[str] = []
    for word in words:
        if not any(_same(word, other) for other in kept):
            kept.append(word)
    return kept


def _same(word: str, other: str) -> bool:
    short, long = sorted((word, other), key=len)
    if long in (short + "s", short + "es") or (short.endswith("y") and long == short[:-1] + "ies"):
        return True
    return not short.isascii() and len(short) > 1 and len(long) - len(short) <= 1 and long.startswith(short)


def by_variety(weight: Mapping[str, float], together: Mapping[tuple[str, str], float]) -> list[str]:
    """Return the best words, each less like those before it (maximal marginal relevance); `together` tells how alike two are."""
    left, kept = dict(weight), list[str]()
    best = max(weight.values(), default=1.0)
    while left and len(kept) < WORDS:
        word = max(
            left,
            key=lambda each: (
                (1 - _DIVERSITY) * left[each] / best
                - _DIVERSITY * max((together.get(_pair(each, other), 0.0) for other in kept), default=0.0)
            ),
        )
        kept.append(word)
        del left[word]
    return kept


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)


def together(articles: Iterable[frozenset[str]], words: Iterable[str]) -> dict[tuple[str, str], float]:
    """Return for each two words how alike the sets of articles are that have them (Jaccard)."""
    listed = [frozenset(words) & article for article in articles]
    alone = Counter(word for words in listed for word in words)
    both = Counter(_pair(one, other) for words in listed for one in words for other in words if one < other)
    return {pair: count / (alone[pair[0]] + alone[pair[1]] - count) for pair, count in both.items()}
