"""Counting of the verdicts on a population's present labels, from the judgements of one lane.

A phrase is known by `fold_case`.  What was said of phrases that the present label no longer has does not count; an article
counts when all phrases of its present label have a verdict, and is open until then: the phrases that happen to be judged are
no random sample of a label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil

from pipeline.core.text.folding import fold_case
from pipeline.metrics.intervals import Sample
from pipeline.review.log.judgements import Judgement, Lane

# cached: figures are made after each judgement, of the same phrases
_key = lru_cache(maxsize=2**17)(fold_case)


@dataclass(frozen=True)
class Stratum:
    """Part of the population, counted in full (census) over the present labels."""

    name: str
    articles: int
    phrases: int
    absent: int  # phrases that are not in their article


@dataclass(frozen=True)
class SourcePart:
    """What one source has of one stratum."""

    source: str
    stratum: str
    articles: int
    phrases: int


@dataclass(frozen=True)
class Population:
    """Population that the figures speak of: a job's present labels, or a model's predictions.  Texts are named by their SHA-256."""

    strata: list[Stratum]
    stratum_of: Callable[[str], str | None]  # text -> the name of its stratum; None: no longer in the population
    phrases_of: Callable[[str], list[str]]  # text -> its present label; [] if none
    language_of: Callable[[str], str | None]
    overlap: Callable[[str], bool]  # text -> whether two reviewers are asked to judge it
    labels: Callable[[], Iterable[tuple[str, list[str]]]]  # all (text, present label), anew at each call
    model: str | None = None  # whose predictions; None: the job's own labels
    turn_of: Callable[[str], int | None] = lambda text: None  # how many of its stratum the audit shows before a text
    blind: Callable[[str], bool] = lambda text: False  # text -> whether it is of the blind share
    sources: list[SourcePart] = field(default_factory=list)
    source_of: Callable[[str], str | None] = lambda text: None

    @property
    def articles(self) -> int:
        return sum(stratum.articles for stratum in self.strata)


@dataclass(frozen=True)
class LaneCounts:
    """Counts of a lane: `of` has by stratum the articles that count, as (accepted, all) phrases, `texts` the same by text, `turns`
    their turns in the audit; the others are open."""

    of: dict[str, list[tuple[int, int]]]
    open_articles: int
    open_phrases: int
    turns: dict[str, list[int]]
    texts: dict[str, tuple[int, int]]

    def samples(self, population: Population, names: Iterable[str] | None = None, census: bool = True) -> list[Sample]:
        """Return a sample for each stratum (of `names`), weighted by its phrases.

        With `census` a stratum is a finite population: who has seen all its articles knows all.
        """
        chosen = [stratum for stratum in population.strata if names is None or stratum.name in names]
        return [self.sample(stratum, census) for stratum in chosen]

    def sample(self, stratum: Stratum, census: bool = True) -> Sample:
        """Return the sample of one stratum; see `samples`."""
        counts = self.of.get(stratum.name, [])
        hits, sizes = [hit for hit, _ in counts], [size for _, size in counts]
        articles = stratum.articles if census else None
        return Sample(hits, sizes, stratum.phrases, articles, reach=_reach(self.turns.get(stratum.name, [])))


def _reach(turns: Sequence[int]) -> float:
    """Return for how much of a stratum its judged articles speak (0..1): their share of those whose turn came before.

    It is less than 1 where articles came, or got other labels, since.
    """
    # the last tenth does not count: people work side by side, and fetch ahead
    most = ceil(len(turns) * 0.9)
    return most / (sorted(turns)[most - 1] + 1) if turns else 1.0


def by_text(judgements: Iterable[Judgement], lane: Lane) -> dict[str, list[Judgement]]:
    """Return text -> its judgements in a lane, as they come, without skipped ones."""
    judgements_of: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        if judgement.lane == lane and not judgement.skipped:
            judgements_of.setdefault(judgement.text_sha256, []).append(judgement)
    return judgements_of


def verdicts(judgement: Judgement) -> Iterator[tuple[str, bool]]:
    """Yield phrases in their normal form with their verdicts, rejections last, so that they win."""
    for phrase in judgement.accepted:
        yield _key(phrase), True
    for phrase in judgement.rejected:
        yield _key(phrase), False


def first_verdicts(judged: Sequence[Judgement]) -> dict[str, bool]:
    """Return the verdict on each phrase of an article: that of the reviewer who judged it first, as he or she last said."""
    by_phrase: dict[str, tuple[str, bool]] = {}
    for judgement in judged:
        for phrase, right in verdicts(judgement):
            if phrase not in by_phrase or by_phrase[phrase][0] == judgement.reviewer:
                by_phrase[phrase] = (judgement.reviewer, right)
    return {phrase: right for phrase, (_, right) in by_phrase.items()}


def latest_verdicts(judged: Sequence[Judgement]) -> dict[str, bool]:
    """Return the latest verdict on each phrase, whoever gave it."""
    return {phrase: right for judgement in judged for phrase, right in verdicts(judgement)}


def count(
    lane: Mapping[str, Sequence[Judgement]],
    population: Population,
    adjudicated: Mapping[str, Sequence[Judgement]] | None = None,
) -> LaneCounts:
    """Count the articles of a lane; adjudicated verdicts win."""
    counts: dict[str, list[tuple[int, int]]] = {}
    texts: dict[str, tuple[int, int]] = {}
    turns: dict[str, list[int]] = {}
    articles = phrases = 0
    for text, judged in lane.items():
        right = first_verdicts(judged) | latest_verdicts((adjudicated or {}).get(text, []))
        present = {_key(phrase) for phrase in population.phrases_of(text)}
        if missing := len(present - right.keys()):
            articles, phrases = articles + 1, phrases + missing
        else:
            stratum, turn = population.stratum_of(text) or "", population.turn_of(text)
            texts[text] = (sum(right[phrase] for phrase in present), len(present))
            counts.setdefault(stratum, []).append(texts[text])
            if turn is not None:
                turns.setdefault(stratum, []).append(turn)
    return LaneCounts(counts, articles, phrases, turns, texts)
