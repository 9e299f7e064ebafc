"""Precision by source and over time, and the articles on which two reviewers differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from pipeline.core.text.folding import fold_case
from pipeline.metrics.intervals import Sample, Share, design_of
from pipeline.review.log.judgements import Judgement
from pipeline.review.sample.lanes import disputed
from pipeline.review.statistics.counting import LaneCounts, Population, by_text

_MOST_SOURCES, _MOST_PERIODS, _MOST_DIFFERENCES = 100, 12, 50
_Json = dict[str, Any]


def precision(share: Share) -> _Json:
    """Return a share with its interval and what it is made of."""
    sizes = {"phrases": share.total, "articles": share.clusters, "design_effect": share.design_effect, "icc": share.icc}
    return {**share.interval(), **sizes, "covers": share.covers}


# --- by source ---


def by_source(counted: LaneCounts, population: Population) -> list[_Json]:
    """Return the precision of each source, the largest first; nothing where there is one source only.

    Within a source strata count by their size there, as in the whole.
    """
    names = list(dict.fromkeys(part.source for part in population.sources))
    if len(names) < 2:
        return []
    judged: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for text, counts in counted.texts.items():
        judged.setdefault((population.source_of(text) or "", population.stratum_of(text) or ""), []).append(counts)
    return [_source(name, judged, population) for name in names[:_MOST_SOURCES]]


def _source(name: str, judged: Mapping[tuple[str, str], Sequence[tuple[int, int]]], population: Population) -> _Json:
    parts = [part for part in population.sources if part.source == name]
    counts = [judged.get((name, part.stratum), []) for part in parts]
    samples = [_sample(of, part.phrases, part.articles) for of, part in zip(counts, parts, strict=True)]
    design = design_of(samples)
    return {
        "name": name,
        "articles": sum(part.articles for part in parts),
        "judged_articles": sum(map(len, counts)),
        "precision": precision(design.share()) if design else None,
    }


def _sample(counts: Sequence[tuple[int, int]], weight: float, articles: int | None) -> Sample:
    return Sample([hit for hit, _ in counts], [size for _, size in counts], weight, articles)


# --- over time ---


def by_period(counted: LaneCounts, audit: Mapping[str, Sequence[Judgement]], population: Population) -> list[_Json]:
    """Return the precision by when articles were first judged, the oldest first; nothing where all was judged in one period.

    A period is a day, a week or a month, whichever makes a dozen at most.
    """
    days = {text: day for text in counted.texts if (day := _day(audit[text][0].at))}
    name_of = _periods(days.values())
    texts: dict[str, list[str]] = {}
    for text in sorted(days, key=lambda text: days[text]):
        texts.setdefault(name_of[days[text]], []).append(text)
    if len(texts) < 2:
        return []
    return [_period(name, texts[name], counted, population) for name in list(texts)[-_MOST_PERIODS:]]


def _day(at: str) -> date | None:
    try:
        return date.fromisoformat(at[:10])
    except ValueError:
        return None  # of another tool, in no form of ours


def _periods(days: Iterable[date]) -> dict[date, str]:
    """Return the name of the period of each day."""
    all_days = set(days)
    names = {
        "day": {day: day.isoformat() for day in all_days},
        "week": {day: "{}-W{:02}".format(*day.isocalendar()[:2]) for day in all_days},
        "month": {day: day.isoformat()[:7] for day in all_days},
    }
    fitting = (of for of in names.values() if len(set(of.values())) <= _MOST_PERIODS)
    return next(fitting, names["month"])


def _period(name: str, texts: Sequence[str], counted: LaneCounts, population: Population) -> _Json:
    of: dict[str, list[tuple[int, int]]] = {}
    for text in texts:
        of.setdefault(population.stratum_of(text) or "", []).append(counted.texts[text])
    # of the strata that were judged in it; it is a part of the sample, so there is no census of it
    samples = [_sample(of[stratum.name], stratum.phrases, None) for stratum in population.strata if stratum.name in of]
    design = design_of(samples)
    return {"name": name, "judged_articles": len(texts), "precision": precision(design.share()) if design else None}


# --- two reviewers ---


def differences(judgements: Sequence[Judgement], population: Population) -> list[_Json]:
    """Return the articles on which two reviewers differ and nobody has adjudicated, the newest first: what each said of the
    phrases on which they do."""
    lists = list[_Json]()
    everything: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        everything.setdefault(judgement.text_sha256, []).append(judgement)
    for text in reversed(by_text(judgements, "audit")):
        pair = disputed(everything[text], population.phrases_of(text))[:2]
        if len(pair) == 2 and len(lists) < _MOST_DIFFERENCES:
            one, other = pair
            lists.append({"id": one.id, "reviewers": [one.reviewer, other.reviewer], "phrases": _differing(one, other)})
    return lists


def _differing(one: Judgement, other: Judgement) -> list[_Json]:
    """Return each phrase on which two judgements differ, with both verdicts: accepted, rejected, added, or None."""
    phrases = {fold_case(p): p for j in (one, other) for p in (*j.accepted, *j.rejected, *j.added)}
    rows = [{"phrase": p, "verdicts": [_verdict(one, key), _verdict(other, key)]} for key, p in phrases.items()]
    kept = ("accepted", "added")
    return [row for row in rows if (row["verdicts"][0] in kept) != (row["verdicts"][1] in kept)]


def _verdict(judgement: Judgement, key: str) -> str | None:
    for name in ("added", "rejected", "accepted"):
        if any(fold_case(phrase) == key for phrase in getattr(judgement, name)):
            return name
    return None
