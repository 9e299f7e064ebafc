"""Figures of a review: how good the labels are, how sure that is, and how far the reviewers can be trusted.

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
from pipeline.review.statistics import breakdown
from pipeline.review.statistics.counting import LaneCounts, Population, Stratum, by_text, count, verdicts

__all__ = ["Population", "Stratum", "everything", "figures", "inherited", "short"]
HALF_WIDTHS = (0.1, 0.05, 0.03, 0.02, 0.01)  # that `needed` counts articles to
_VERDICTS = ("accepted", "rejected")
_SHOWN, _MOST_NOTES = 12, 200
_Json = dict[str, Any]


def figures(records: Sequence[Judgement], population: Population) -> _Json:
    """Return all figures but `inherited`.

    `records` are those of the log, oldest first, also those that were taken back; what broke the rules (`blinding.countable`) and
    judgements of other models' labels are left out.
    """
    fair = countable(records, population.blind)
    of_these_labels = [judgement for judgement in fair if judgement.model == population.model]
    in_population = _in_population(of_these_labels, population)
    audit, blind = by_text(in_population, "audit"), by_text(in_population, "blind")
    counted = count(audit, population, by_text(in_population, "adjudication"))
    design = design_of(counted.samples(population))
    return {
        **_census(population),
        "precision": breakdown.precision(design.share()) if design else None,
        "needed": _needed(design, counted, population) if design else None,
        "open": {"articles": counted.open_articles, "phrases": counted.open_phrases},
        "strata": [_stratum(stratum, counted, population) for stratum in population.strata],
        "sources": breakdown.by_source(counted, population),
        "periods": breakdown.by_period(counted, audit, population),
        "recall": _recall(blind, population),
        "agreement": _agreement(audit, population),
        "anchoring": _anchoring(count(blind, population), count(audit, population), population),
        "reviewers": [
            _reviewer(name, of_these_labels) for name in sorted({judgement.reviewer for judgement in of_these_labels})
        ],
        **_counts(in_population),
        "left_out": _left_out(records, of_these_labels, population),
    }


def everything(records: Sequence[Judgement], population: Population) -> _Json:
    """Return the figures with `inherited`."""
    all_figures, in_labels = figures(records, population), inherited(standing(records), population)
    counted = _in_population([j for j in standing(records) if j.model == population.model], population)
    return all_figures | {
        "inherited": in_labels,
        "published": _published(all_figures["precision"], in_labels),
        "rejected_most": _rejected_most(counted),
        "differences": breakdown.differences(counted, population),
        "notes": _notes(counted),
    }


def _rejected_most(judgements: Iterable[Judgement]) -> list[list[Any]]:
    """Return [phrase, in how many articles it was rejected], the most often rejected first, those that were twice or more."""
    articles: dict[str, set[str]] = {}
    for judgement in judgements:
        for phrase in judgement.rejected:
            articles.setdefault(phrase, set()).add(judgement.text_sha256)
    counts = sorted(((phrase, len(texts)) for phrase, texts in articles.items()), key=lambda item: (-item[1], item[0]))
    return [[phrase, count] for phrase, count in counts[:_SHOWN] if count > 1]


def _notes(judgements: Iterable[Judgement]) -> list[_Json]:
    """Return what reviewers flagged or wrote a note on, the newest first."""
    noted = [j for j in judgements if j.flagged or j.note]
    names = ("id", "reviewer", "at", "note", "flagged")
    return [{name: getattr(judgement, name) for name in names} for judgement in reversed(noted[-_MOST_NOTES:])]


def _published(precision: _Json | None, in_labels: _Json) -> _Json | None:
    """Return which share of the model's phrases that are left after review is right: all that people accepted, and of those
    that nobody has judged the share that the audit has.  None where there is no precision."""
    accepted, unjudged = in_labels["phrases_accepted"], in_labels["phrases_open"]
    if precision is None or not accepted + unjudged:
        return None
    right = {end: (accepted + precision[end] * unjudged) / (accepted + unjudged) for end in ("mean", "low", "high")}
    return {**right, "phrases": accepted + unjudged}


def short(all_figures: _Json) -> _Json:
    """Return the figures beside the queue; `covers` is the share of phrases that the precision speaks for (docs/figures.md)."""
    names = ("mean", "low", "high", "covers")
    precision = all_figures["precision"] and {key: all_figures["precision"][key] for key in names}
    return {"precision": precision, "judged": all_figures["lanes"]["audit"], "needed": all_figures["needed"]}


def inherited(judgements: Iterable[Judgement], population: Population) -> _Json:
    """Count the phrases of the present labels that have a verdict in force, from whatever lane or model; reads all labels."""
    by_text_digest = in_force(judgements)
    judged = accepted = phrases = articles = 0
    for text, label in population.labels():
        verdicts_of_text = by_text_digest.get(text)
        of_phrases = [verdicts_of_text.of(phrase) for phrase in label] if verdicts_of_text else []
        decided = sum(verdict is not None for verdict in of_phrases)
        accepted += sum(verdict is True for verdict in of_phrases)
        judged, phrases, articles = judged + decided, phrases + len(label), articles + (decided < len(label))
    counts = {"phrases_judged": judged, "phrases_accepted": accepted, "phrases_open": phrases - judged}
    return {**counts, "articles_open": articles}


def _in_population(judgements: Iterable[Judgement], population: Population) -> list[Judgement]:
    names = {stratum.name for stratum in population.strata}
    is_in: dict[str, bool] = {}
    kept = []
    for judgement in judgements:
        text = judgement.text_sha256
        if text not in is_in:
            is_in[text] = population.stratum_of(text) in names
        if is_in[text]:
            kept.append(judgement)
    return kept


# --- counts ---


def _census(population: Population) -> _Json:
    phrases, absent = (sum(getattr(one, name) for one in population.strata) for name in ("phrases", "absent"))
    whole = {"articles": population.articles, "phrases": phrases, "absent": absent}
    return {"population": whole, "absent_rate": absent / phrases if phrases else None}


def _counts(judgements: Sequence[Judgement]) -> _Json:
    judged = [judgement for judgement in judgements if not judgement.skipped]
    audit = [judgement for judgement in judged if judgement.lane == "audit"]
    reasons = Counter(one.reasons[phrase] for one in audit for phrase in one.rejected if phrase in one.reasons)
    return {
        "reasons": dict(reasons.most_common()),
        "lanes": {lane: len({one.text_sha256 for one in judged if one.lane == lane}) for lane in LANES},
        "skipped": len({one.text_sha256 for one in judgements if one.skipped}),
        "flagged": len({one.text_sha256 for one in judgements if one.flagged}),
    }


def _left_out(records: Sequence[Judgement], counted_judgements: Sequence[Judgement], population: Population) -> int:
    """Count the standing judgements of these labels that broke the rules."""
    return sum(judgement.model == population.model for judgement in standing(records)) - len(counted_judgements)


def _reviewer(name: str, judgements: Sequence[Judgement]) -> _Json:
    own = [judgement for judgement in judgements if judgement.reviewer == name and not judgement.skipped]
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


def _stratum(stratum: Stratum, counted: LaneCounts, population: Population) -> _Json:
    design = design_of([counted.sample(stratum)])
    phrases = sum(one.phrases for one in population.strata)
    return {
        "name": stratum.name,
        "articles": stratum.articles,
        "phrases": stratum.phrases,
        "weight": stratum.phrases / phrases if phrases else 0.0,
        "judged_articles": len(counted.of.get(stratum.name, [])),
        "precision": breakdown.precision(design.share()) if design else None,
    }


def _needed(design: Design, counted: LaneCounts, population: Population) -> _Json | None:
    """Return how many more audit articles, in the proportions of those so far, lead to the next half width; None: no more would."""
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
    """Return which share of the phrases typed before the label was seen the label has."""
    credited = []
    for text, judged in blind.items():
        typed = next((one.typed for one in judged if one.typed is not None), None)
        if typed:
            credited.append(_had(tuple(typed), tuple(population.phrases_of(text)), population.language_of(text)))
    sizes = [size for _, _, size in credited]
    share = clustered_share([equal for equal, _, _ in credited], sizes, population.articles)
    if not share.total:
        return None
    squares = [sum(credit**2 for credit in credits) for _, credits, _ in credited]
    soft = Sample([sum(credits) for _, credits, _ in credited], sizes, 1.0, population.articles, squares)
    counts = {"articles": share.clusters, "phrases": share.total}
    return {"strict": share.interval(), "soft": stratified_share([soft]).interval(), **counts}


@lru_cache(maxsize=50_000)
def _had(typed: tuple[str, ...], label: tuple[str, ...], language: str | None) -> tuple[int, list[float], int]:
    """Return of the typed phrases, in normal form: how many the label has, how like each is to it (0..1), how many there are."""
    wanted, present = unique(typed, language), unique(label, language)
    return len(set(wanted) & set(present)), soft_hits(present, wanted), len(wanted)


def _agreement(audit: dict[str, list[Judgement]], population: Population) -> _Json | None:
    """Return how far the first two reviewers of an article agree, each as he or she last said, before adjudication."""
    pairs = {}
    for text, judged in audit.items():
        own = {one.reviewer: one for one in judged}  # in the order of their first judgements
        pair = list(own.values())[:2]
        # two are asked in the overlap; in sheets and other tools whoever gets a file judges all of it, on his or her own
        if len(pair) == 2 and (population.overlap(text) or all(one.from_file for one in pair)):
            pairs[text] = pair
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
    """Return the soft F1 of two sets of normal forms; reviewers who both reject all agree."""
    return 1.0 if set(one) == set(other) else score(sum(soft_hits(one, other)), len(one), len(other)).f1


def _ac1(pairs: dict[str, list[Judgement]]) -> _Json | None:
    both, texts = [], []
    for text, (one, other) in pairs.items():
        first, second = dict(verdicts(one)), dict(verdicts(other))
        for phrase in (phrase for phrase in first if phrase in second):
            both.append((first[phrase], second[phrase]))
            texts.append(text)
    gwet = ac1(both, texts)
    return {"value": gwet.value, "low": gwet.low, "high": gwet.high, "phrases": gwet.phrases} if gwet else None


def _anchoring(blind: LaneCounts, audit: LaneCounts, population: Population) -> _Json | None:
    """Return the acceptance by who had first written phrases of their own, less that by who saw the label at once.

    Both are taken over the strata that both lanes have.
    """
    names = blind.of.keys() & audit.of.keys()
    # the reviewers are what is measured, so having seen all articles makes no census here
    alone, assisted = (design_of(lane.samples(population, names, census=False)) for lane in (blind, audit))
    if not alone or not assisted:
        return None
    one, other = alone.share(), assisted.share()
    gap, low, high = difference(one, other)
    return {"blind": one.mean, "assisted": other.mean, "difference": gap, "low": low, "high": high}
