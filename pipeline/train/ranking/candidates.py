"""Candidate phrases of articles as rows of a matrix: what the embedded labeller finds, and by what a ranker may judge it.

The columns are those of all families of languages (NaN where a family has none of that name), and, alike for all, how the extractor
ranks a phrase, its form, and where it stands.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.core.types import Article
from pipeline.label.extractive import FEATURES, Settings, find_candidates
from pipeline.label.extractive.ranking import Judged

Matrix = npt.NDArray[np.float32]
_SETTINGS = {wide: Settings(unlikely=wide) for wide in (False, True)}
_COLUMN = {name: number for number, name in enumerate(FEATURES)}
_FORM = (
    "extractor's score", "extractor's rank", "extractor's lead", "words", "letters", "capitals", "digits", "hyphens",
    "acronym", "letters of last", "first place", "relative place", "occurrences", "sentence", "place in sentence",
    "in title", "quoted", "candidates", "length of text",
)  # fmt: skip
NAMES = (*FEATURES, *_FORM)
_SENTENCE_END = re.compile(r"[.!?。\n](?=\s)|。")  # roughly: a place among them is all that is asked
_QUOTES = "\"'“”‘’«»„「」『』《》"


@dataclass(frozen=True, slots=True)
class ArticleCandidates:
    """The candidates of one article: `words` are the keys by which two of them overlap."""

    phrases: list[str]
    words: list[frozenset[str]]
    matrix: Matrix  # [candidates, NAMES]


def candidates_of(article: Article, wide: bool) -> ArticleCandidates:
    """Return an article's candidates, each phrase once; there may be none.  `wide`: the unlikely ones, too."""
    candidates = find_candidates(article.text, title=article.title, language=article.language, settings=_SETTINGS[wide])
    judged = list({each.text: each for each in candidates.judged}.values())
    matrix = np.full((len(judged), len(NAMES)), np.nan, np.float32)
    if judged:
        features = np.asarray([each.features for each in judged], np.float64)
        matrix[:, [_COLUMN[name] for name in candidates.names]] = features
        scores = _scores(features, candidates.weights)
        matrix[:, len(FEATURES) :] = _forms(candidates.text, judged, scores, article.title or "")
    return ArticleCandidates([each.text for each in judged], [_words(each) for each in judged], matrix)


def _words(candidate: Judged) -> frozenset[str]:
    return frozenset(candidate.parts)


def _scores(features: npt.NDArray[np.float64], weights: Sequence[float]) -> list[float]:
    """Return what the extractor says of each candidate: summed from left to right, for another order gives other last bits."""
    scores = np.zeros(len(features))
    for column, weight in zip(features.T, weights, strict=True):
        scores += column * weight
    return list(scores.tolist())


def _forms(text: str, judged: list[Judged], scores: list[float], title: str) -> list[list[float]]:
    order = sorted(range(len(judged)), key=scores.__getitem__, reverse=True)
    ranks = dict(zip(order, range(len(order)), strict=True))
    ends = [end.start() for end in _SENTENCE_END.finditer(text)]
    digits = {letter for letter in set(text) if letter.isdigit()}
    best, length = max(scores), math.log1p(len(text))
    rows = []
    for number, (each, score) in enumerate(zip(judged, scores, strict=True)):
        phrase = each.text
        at, parts, letters = text.find(phrase), phrase.split(), len(phrase)
        sentence = bisect_right(ends, at)
        begin = ends[sentence - 1] if sentence else 0
        is_lower = phrase.islower()  # most are, and then there is no capital to look for
        upper = 0 if is_lower else sum(map(str.isupper, phrase))
        rows.append([
            score, ranks[number] / len(judged), best - score, len(parts), letters,
            0.0 if is_lower else sum([part[0].isupper() for part in parts]) / len(parts),
            not digits.isdisjoint(phrase), "-" in phrase,
            upper > 1 and upper == sum(map(str.isalpha, phrase)), len(parts[-1]), math.log1p(at), at / len(text),
            text.count(phrase, at), sentence, at - begin, phrase in title, text[at - 1 : at] in _QUOTES if at else 0,
            len(judged), length,
        ])  # fmt: skip
    return rows
