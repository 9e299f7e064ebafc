"""The figures of a review: how good the labels are, how sure that is, and how far the reviewers can be trusted.

`figures` is quick, so that it can be called after each judgement; `inherited` looks at all labels.  What each figure means, its
formula and what it does not tell: docs/figures.md.  All is JSON-able; None where nothing is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from statistics import median
from typing import Any

from pipeline.metrics.agreement import ac1, masi_alpha
from pipeline.metrics.intervals import (
    Design,
    Sample,
    Share,
    clustered_share,
    design_of,
    difference,
    score_mean,
    stratified_share,
    wilson,
)
from pipeline.metrics.keyphrases import score, soft_hits, unique
from pipeline.review.log.blinding import countable
from pipeline.review.log.judgements import LANES, Judgement, standing
from pipeline.review.log.verdicts import in_force
from pipeline.review.statistics.counting import Counted, Population, Stratum, count, of_lane, verdicts

__all__ = ["Population", "Stratum", "everything", "figures", "inherited", "short"]
HALF_WIDTHS = (0.1, 0.05, 0.03, 0.02, 0.01)  # that `needed` counts articles to
_VERDICTS = ("accepted", "rejected")
_Json = dict[str, Any]


def figures(records: Sequence[Judgement], population: Population) -> _Json:
    """All figures but `inherited`.  `records`: of the log, oldest first, also those that were taken back; what broke the rules
    (`blinding.countable`) and what was said of other models is left out."""
    fair = countable(records, population.blind)
    ours = [judgement for judgement in fair if judgement.model == population.model]
    here = _in_population(ours, population)
    audit, blind = of_lane(here, "audit"), of_lane(here, "blind")
    counted = count(audit, population, of_lane(here, "adjudication"))
    design = design_of(counted.samples(population))
    return {
        **_census(population),
        "precision": _precision(design.share()) if design else None,
        "needed": _needed(design, counted, population) if design else None,
        "open": {"articles": counted.open_articles, "phrases": counted.open_phrases},
        "strata": [_stratum(stratum, counted, population) for stratum in population.strata],
        "recall": _recall(blind, population),
        "agreement": _agreement(audit, population),
        "anchoring": _anchoring(count(blind, population), count(audit, population), population),
        "reviewers": [_reviewer(name, ours) for name in sorted({judgement.reviewer for judgement in ours})],
        **_counts(here),
        "left_out": _left_out(records, ours, population),
    }


def everything(records: Sequence[Judgement], population: Population) -> _Json:
    """The figures with `inherited`."""
    return figures(records, population) | {"inherited": inherited(standing(records), population)}


def short(found: _Json) -> _Json:
    """What stands beside the queue.  `covers`: the share of the phrases that the precision speaks for; see docs/figures.md."""
    told = ("mean", "low", "high", "covers")
    precision = found["precision"] and {key: found["precision"][key] for key in told}
    return {"precision": precision, "judged": found["lanes"]["audit"], "needed": found["needed"]}


def inherited(said: Iterable[Judgement], population: Population) -> _Json:
    """How many phrases of the present labels have a verdict in force, from whatever lane or model; reads all labels."""
    log = in_force(said)
    judged = phrases = articles = 0
    for text, label in population.labels():
        known = log.get(text)
        done = sum(known.of(phrase) is not None for phrase in label) if known else 0
        judged, phrases, articles = judged + done, phrases + len(label), articles + (done < len(label))
    return {"phrases_judged": judged, "phrases_open": phrases - judged, "articles_open": articles}


def _in_population(said: Iterable[Judgement], population: Population) -> list[Judgement]:
    names = {stratum.name for stratum in population.strata}
    known: dict[str, bool] = {}
    found = []
    for judgement in said:
        text = judgement.text_sha256
        if text not in known:
            known[text] = population.stratum_of(text) in names
        if known[text]:
            found.append(judgement)
    return found


# --- counts ---


def _census(population: Population) -> _Json:
    phrases, absent = (sum(getattr(one, name) for one in population.strata) for name in ("phrases", "absent"))
    whole = {"articles": population.articles, "phrases": phrases, "absent": absent}
    return {"population": whole, "absent_rate": absent / phrases if phrases else None}


def _counts(here: Sequence[Judgement]) -> _Json:
    judged = [judgement for judgement in here if not judgement.skipped]
    audit = [judgement for judgement in judged if judgement.lane == "audit"]
    reasons = Counter(one.reasons[phrase] for one in audit for phrase in one.rejected if phrase in one.reasons)
    return {
        "reasons": dict(reasons.most_common()),
        "lanes": {lane: len({one.text_sha256 for one in judged if one.lane == lane}) for lane in LANES},
        "skipped": len({one.text_sha256 for one in here if one.skipped}),
        "flagged": len({one.text_sha256 for one in here if one.flagged}),
    }


def _left_out(records: Sequence[Judgement], ours: Sequence[Judgement], population: Population) -> int:
    """How many standing judgements of these labels broke the rules."""
    return sum(judgement.model == population.model for judgement in standing(records)) - len(ours)


def _reviewer(name: str, said: Sequence[Judgement]) -> _Json:
    own = [judgement for judgement in said if judgement.reviewer == name and not judgement.skipped]
    accepted, rejected = (sum(len(getattr(one, what)) for one in own if one.lane == "audit") for what in _VERDICTS)
    seconds = [one.seconds for one in own if one.seconds is not None and one.lane != "blind"]
    caught = [done for judgement in own for done in judgement.planted.values()]
    return {
        "name": name,
        "articles": len({judgement.text_sha256 for judgement in own}),
        "phrases": sum(len(judgement.accepted) + len(judgement.rejected) for judgement in own),
        "accepted": accepted / (accepted + rejected) if accepted + rejected else None,
        "seconds_median": median(seconds) if seconds else None,
        "planted": len(caught),
        "caught": sum(caught),
        "catch_rate": _plain_share(sum(caught), len(caught)),
    }


def _plain_share(hits: int, total: int) -> dict[str, float] | None:
    if not total:
        return None
    low, high = wilson(hits / total, total)
    return {"mean": hits / total, "low": low, "high": high}


# --- precision ---


def _precision(share: Share) -> _Json:
    told = {"phrases": share.total, "articles": share.clusters, "design_effect": share.design_effect, "icc": share.icc}
    return {**share.interval(), **told, "covers": share.covers}


def _stratum(stratum: Stratum, counted: Counted, population: Population) -> _Json:
    design = design_of([counted.sample(stratum)])
    phrases = sum(one.phrases for one in population.strata)
    return {
        "name": stratum.name,
        "articles": stratum.articles,
        "phrases": stratum.phrases,
        "weight": stratum.phrases / phrases if phrases else 0.0,
        "judged_articles": len(counted.of.get(stratum.name, [])),
        "precision": _precision(design.share()) if design else None,
    }


def _needed(design: Design, counted: Counted, population: Population) -> _Json | None:
    """How many more audit articles, of the kind and in the proportions of those so far, to the next half width."""
    goal = next((one for one in HALF_WIDTHS if _half_width(design, 0) > one), None)
    judged = [stratum for stratum in population.strata if counted.of.get(stratum.name)]
    left = sum(stratum.articles - len(counted.of[stratum.name]) for stratum in judged)
    if goal is None or left <= 0:
        return None
    few, many = 0, left  # too few; enough, for who has seen all knows all
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (middle, many) if _half_width(design, middle) > goal else (few, middle)
    return {"articles": many, "half_width": goal}


def _half_width(design: Design, more: int) -> float:
    low, high = design.at(1 + more / design.clusters)
    return (high - low) / 2


# --- recall, agreement, anchoring ---


def _recall(blind: dict[str, list[Judgement]], population: Population) -> _Json | None:
    """What of the phrases typed before the label was seen the label has."""
    found = []
    for text, judged in blind.items():
        typed = next((one.typed for one in judged if one.typed is not None), None)
        if typed:
            found.append(_had(tuple(typed), tuple(population.phrases_of(text)), population.language_of(text)))
    sizes = [size for _, _, size in found]
    share = clustered_share([equal for equal, _, _ in found], sizes, population.articles)
    if not share.total:
        return None
    squares = [sum(credit**2 for credit in credits) for _, credits, _ in found]
    soft = Sample([sum(credits) for _, credits, _ in found], sizes, 1.0, population.articles, squares)
    told = {"articles": share.clusters, "phrases": share.total}
    return {"strict": share.interval(), "soft": stratified_share([soft]).interval(), **told}


@lru_cache(maxsize=50_000)
def _had(typed: tuple[str, ...], label: tuple[str, ...], language: str | None) -> tuple[int, list[float], int]:
    """Of the typed phrases, in normal form: how many the label has, how like they are to it (0..1), how many there are."""
    wanted, there = unique(typed, language), unique(label, language)
    return len(set(wanted) & set(there)), soft_hits(there, wanted), len(wanted)


def _agreement(audit: dict[str, list[Judgement]], population: Population) -> _Json | None:
    """Of the first two reviewers of each overlap article, each as he or she last said; adjudication does not count."""
    pairs = {}
    for text, judged in audit.items():
        own = {one.reviewer: one for one in judged}  # in the order of their first judgements
        if len(own) > 1 and population.overlap(text):
            pairs[text] = list(own.values())[:2]
    if not pairs:
        return None
    sets = [[_final(one, population.language_of(text)) for one in pair] for text, pair in pairs.items()]
    soft = score_mean([_alike(one, other) for one, other in sets])
    alpha = masi_alpha([[frozenset(one) for one in pair] for pair in sets])
    return {"articles": len(pairs), "soft_f1": soft.interval(), "masi_alpha": alpha, "ac1": _ac1(pairs)}


@lru_cache(maxsize=50_000)
def _forms(phrases: tuple[str, ...], language: str | None) -> tuple[str, ...]:
    return tuple(unique(phrases, language))


def _final(judgement: Judgement, language: str | None) -> tuple[str, ...]:
    return _forms((*judgement.accepted, *judgement.added), language)


@lru_cache(maxsize=50_000)
def _alike(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """Soft F1 of normal forms; who both reject all agree."""
    return 1.0 if set(one) == set(other) else score(sum(soft_hits(one, other)), len(one), len(other)).f1


def _ac1(pairs: dict[str, list[Judgement]]) -> _Json | None:
    both, texts = [], []
    for text, (one, other) in pairs.items():
        mine, yours = dict(verdicts(one)), dict(verdicts(other))
        for phrase in (phrase for phrase in mine if phrase in yours):
            both.append((mine[phrase], yours[phrase]))
            texts.append(text)
    found = ac1(both, texts)
    return {"value": found.value, "low": found.low, "high": found.high, "phrases": found.phrases} if found else None


def _anchoring(blind: Counted, audit: Counted, population: Population) -> _Json | None:
    """Acceptance by who had first written phrases of their own, less acceptance by who saw the label at once.

    Both over the strata that both lanes have.  The reviewers are what is measured, so a census of articles is none here.
    """
    names = blind.of.keys() & audit.of.keys()
    alone, assisted = (design_of(lane.samples(population, names, census=False)) for lane in (blind, audit))
    if not alone or not assisted:
        return None
    one, other = alone.share(), assisted.share()
    gap, low, high = difference(one, other)
    return {"blind": one.mean, "assisted": other.mean, "difference": gap, "low": low, "high": high}
