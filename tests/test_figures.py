"""The figures of a review: which verdicts count, and reviewers whose errors are known."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from pipeline.review.log.judgements import Judgement, Lane
from pipeline.review.statistics.figures import Population, Stratum, everything, figures, inherited, short

Labels = Mapping[str, list[str]]
A, B, C, D = (letter * 64 for letter in "abcd")
LABELS = {A: ["rates", "Bank"], B: ["harbour", "city", "spring"], C: ["tax"], D: ["vote", "law"]}


def population(labels: Labels = LABELS, model: str | None = None, **stratum_of: str) -> Population:
    """One stratum unless `stratum_of` names that of texts by their first letter."""

    def stratum(text: str) -> str | None:
        return stratum_of.get(text[0], "all") if text in labels else None

    names = sorted({stratum(text) or "" for text in labels})
    of = {name: [label for text, label in labels.items() if stratum(text) == name] for name in names}
    strata = [Stratum(name, len(own), sum(map(len, own)), 0) for name, own in of.items()]
    return Population(
        strata=strata,
        stratum_of=stratum,
        phrases_of=lambda text: labels.get(text, []),
        language_of=lambda text: "en",
        overlap=lambda text: True,
        labels=lambda: labels.items(),
        model=model,
    )


def said(text: str, right: str = "", wrong: str = "", who: str = "kim", lane: Lane = "audit", **more: Any) -> Judgement:
    """A judgement; phrases are separated by commas."""
    accepted, rejected = ([phrase for phrase in words.split(",") if phrase] for words in (right, wrong))
    return Judgement(text, text[0], who, "2026-01-01T00:00:00Z", accepted, rejected, lane=lane, **more)


def precision(*judgements: Judgement, **more: Any) -> dict[str, Any]:
    found = figures(judgements, population(**more))["precision"]
    assert found is not None
    return dict(found)


def test_nothing_is_known_at_first() -> None:
    found = everything([], population())
    assert [key for key, value in found.items() if value is None] == [
        *("precision", "needed", "recall", "agreement", "anchoring", "published"),
    ]
    nothing_judged = {"phrases_judged": 0, "phrases_accepted": 0, "phrases_open": 8, "articles_open": 4}
    assert found["inherited"] == nothing_judged
    assert short(found) == {"precision": None, "judged": 0, "needed": None}
    nothing = everything([], population({}))
    assert nothing["absent_rate"] is None and nothing["strata"] == []
    assert figures([said(A, "rates,Bank")], population({}))["precision"] is None


# --- what counts ---


def test_only_the_audit_lane_feeds_precision() -> None:
    lanes: tuple[Lane, ...] = ("blind", "triage", "adjudication")
    found = figures([said(A, "rates,Bank", lane=lane, typed=["rate"]) for lane in lanes], population())
    assert found["precision"] is None and found["lanes"] == {"audit": 0} | dict.fromkeys(lanes, 1)


def test_the_first_reviewer_counts_and_adjudication_wins() -> None:
    kim, lee = said(A, "rates,bank"), said(A, "", "rates,bank", who="lee")
    assert precision(kim, lee)["mean"] == 1.0 and precision(lee, kim)["mean"] == 0.0
    assert precision(kim, lee, said(A, "rates", "bank", who="ann", lane="adjudication"))["mean"] == 0.5
    assert precision(kim, replace(lee, reviewer="kim"))["mean"] == 0.0  # who judges again thought again
    found = figures([said(A, "rates,bank", who="ann", lane="adjudication")], population())
    assert found["precision"] is None  # nobody audited it


def test_an_edited_phrase_was_wrong() -> None:
    edited = said(A, "rates", "bank", added=["central bank"], reasons={"bank": "edited"})
    assert precision(edited)["mean"] == 0.5 and precision(edited)["phrases"] == 2
    assert figures([edited], population())["reasons"] == {"edited": 1}


def test_a_label_made_anew_inherits_by_phrase() -> None:
    """Phrases that are gone do not count; an article with new ones is open until they are judged."""
    old = [said(A, "rates,Bank"), said(B, "harbour", "city,old")]
    found = figures(old, population({A: ["ＢＡＮＫ"], B: ["harbour", "city", "new", "newer"], C: ["tax"]}))
    assert (found["precision"]["mean"], found["precision"]["phrases"], found["precision"]["articles"]) == (1.0, 1, 1)
    assert found["open"] == {"articles": 1, "phrases": 2}
    later = [*old, said(B, "new", "newer")]
    found = figures(later, population({A: ["ＢＡＮＫ"], B: ["harbour", "city", "new", "newer"], C: ["tax"]}))
    assert (found["precision"]["mean"], found["precision"]["articles"], found["open"]["articles"]) == (3 / 5, 2, 0)


def test_texts_that_are_gone_and_other_models_do_not_count() -> None:
    theirs = said(C, "", "tax", model="student.jsonl")
    mine = [said(A, "rates,Bank"), said("f" * 64, "", "gone", reasons={"gone": "wrong"}), theirs]
    found = figures(mine, population())
    assert found["precision"]["mean"] == 1.0 and found["lanes"]["audit"] == 1 and found["reasons"] == {}
    assert precision(*mine, model="student.jsonl")["mean"] == 0.0
    assert inherited(mine, population())["phrases_judged"] == 3  # a verdict in force is one, whoever was asked


def test_skipped_articles_say_nothing() -> None:
    found = figures([said(A, skipped=True), said(B, "harbour,city,spring", flagged=True)], population())
    assert (found["skipped"], found["flagged"], found["lanes"]["audit"]) == (1, 1, 1)
    assert found["precision"]["articles"] == 1 and found["open"]["articles"] == 0


def test_a_census_collapses_and_needs_nothing() -> None:
    all_said = [said(A, "rates,bank"), said(B, "harbour", "city,spring"), said(C, "tax"), said(D, "vote,law")]
    found = figures(all_said, population())
    assert found["precision"]["low"] == found["precision"]["high"] == found["precision"]["mean"] == 6 / 8
    assert found["needed"] is None
    some = figures(all_said[:3], population())
    assert some["precision"]["low"] < 0.6 and some["needed"] == {"articles": 1, "half_width": 0.1}


def test_strata_that_nobody_judged_are_told() -> None:
    found = figures([said(A, "rates", "bank"), said(C, "tax")], population(a="big", b="big", c="small", d="rest"))
    assert {one["name"]: one["judged_articles"] for one in found["strata"]} == {"big": 1, "rest": 0, "small": 1}
    assert [one["precision"] is None for one in found["strata"]] == [False, True, False]
    assert found["precision"]["mean"] == pytest.approx((5 * 0.5 + 1) / 6) and found["precision"]["covers"] == 6 / 8
    assert sum(one["weight"] for one in found["strata"]) == pytest.approx(1)


def test_inherited_phrases() -> None:
    log = [
        said(A, "rates", "bank", lane="triage"),
        said(B, "CITY"),
        said(C, skipped=True),
        said(D, planted={"law": True}),
    ]
    counts = {"phrases_judged": 3, "phrases_accepted": 2, "phrases_open": 5, "articles_open": 3}
    assert inherited(log, population()) == counts


def test_what_review_leaves_is_better_than_what_it_was_given() -> None:
    """What was rejected is in no label any more, what was accepted is right, and what nobody judged is as the audit."""
    log = [said(A, "rates", "bank"), said(C, "tax")]
    of_all = everything(log, population())
    share, left = of_all["precision"], of_all["published"]
    assert share["mean"] == 2 / 3 and left["phrases"] == 8 - 1
    assert left["mean"] == pytest.approx((2 + 5 * 2 / 3) / 7) and left["low"] == pytest.approx(
        (2 + 5 * share["low"]) / 7
    )
    seen_all = [said(A, "rates", "bank"), said(B, "harbour", "city,spring"), said(C, "tax"), said(D, "vote,law")]
    assert everything(seen_all, population())["published"] == {"mean": 1.0, "low": 1.0, "high": 1.0, "phrases": 5}


# --- recall, agreement, reviewers ---


def test_recall_of_what_was_typed() -> None:
    """rate = rates by its stem; 'city harbour' has one word of 'harbour': Dice 2/3."""
    log = [
        said(A, "rates,bank", lane="blind", typed=["Rate", "nothing else"]),
        said(B, "harbour,city,spring", lane="blind", typed=["city harbour"]),
        said(C, "tax", lane="blind", typed=[]),
        said(D, "vote,law", lane="blind", typed=None),
        said(D, "vote,law", who="lee", typed=["vote"]),
    ]
    found = figures(log, population())["recall"]
    assert (found["articles"], found["phrases"], found["strict"]["mean"]) == (2, 3, pytest.approx(1 / 3))
    assert found["soft"]["mean"] == pytest.approx((1 + 2 / 3) / 3)
    assert figures(log[2:], population())["recall"] is None


def test_agreement_of_two_reviewers() -> None:
    log = [
        said(A, "rates,bank"),
        said(A, "rates", "bank", who="lee"),
        said(A, "", "rates,bank", who="ann"),  # a third
        said(B, "harbour,city,spring"),
        said(B, "harbour,city,spring", who="lee"),
        said(C, "", "tax"),
        said(C, "", "tax", who="lee"),  # both want nothing: they agree
        said(D, "vote", "law", added=["laws of trade"]),
    ]
    found = figures(log, population())["agreement"]
    assert found["articles"] == 3 and found["soft_f1"]["mean"] == pytest.approx((2 / 3 + 1 + 1) / 3)
    assert found["ac1"]["phrases"] == 6 and found["ac1"]["low"] < found["ac1"]["value"] < 1
    assert 0 < found["masi_alpha"] < 1
    adjudicated = figures([*log, said(A, "rates,bank", who="ann", lane="adjudication")], population())["agreement"]
    assert adjudicated == found
    assert figures(log, replace(population(), overlap=lambda text: text == D))["agreement"] is None


def test_two_who_judged_in_other_tools_are_two() -> None:
    """Whoever gets a sheet or a project judges all of it: nobody had to draw an overlap for them."""
    nobody_overlaps = replace(population(), overlap=lambda text: False)

    def from_tool(tool: str, who: str) -> list[Judgement]:
        judged = [said(A, "rates,bank", who=who), said(B, "harbour", "city,spring", who=who)]
        return [replace(judgement, uid=f"{tool}:{who}:{judgement.text_sha256}") for judgement in judged]

    by_kim, by_lee = from_tool("label_studio", "kim"), from_tool("argilla", "lee")
    agreement = figures([*by_kim, *by_lee], nobody_overlaps)["agreement"]
    assert agreement["articles"] == 2 and agreement["soft_f1"]["mean"] == 1.0
    assert figures(by_kim, nobody_overlaps)["agreement"] is None
    # on the page a second one judges what the first one left, or has seen: that is no agreement
    assert figures([*by_kim, said(A, "rates,bank", who="lee")], nobody_overlaps)["agreement"] is None


def test_reasons_are_of_real_phrases_in_the_audit() -> None:
    log = [
        said(A, "rates", "bank", reasons={"bank": "generic", "moon": "wrong"}, planted={"moon": True}),
        said(C, "", "tax", lane="triage", reasons={"tax": "absent"}),
    ]
    assert figures(log, population())["reasons"] == {"generic": 1}


def test_precision_tells_for_how_much_it_speaks() -> None:
    """Judged were the first and the last of the ten whose turn has come: the others are new, or their labels are."""
    labels = {letter * 64: ["city"] for letter in "0123456789"}
    turns = {text: turn for turn, text in enumerate(labels)}
    whole = replace(population(labels), turn_of=turns.get)
    first, last = said("0" * 64, "city"), said("9" * 64, "city")
    for log, covers in (([first], 1.0), ([first, last], 0.2), ([said(text, "city") for text in labels], 1.0)):
        found = figures(log, whole)["precision"]
        assert found and found["covers"] == pytest.approx(covers)
    unknown = figures([last], population(labels))["precision"]
    assert unknown and unknown["covers"] == 1.0


def test_reviewers() -> None:
    log = [
        said(A, "rates", "bank", seconds=4.0, planted={"moon": True}),
        said(B, "harbour,city,spring", seconds=8.0, planted={"sun": False, "star": True}),
        said(C, "", "tax", lane="triage", seconds=100.0),
        said(D, "vote,law", lane="blind", typed=["x"], seconds=1000.0),
        said(C, skipped=True, seconds=1.0),
        said(A, "rates,bank", who="lee", lane="triage"),
    ]
    kim, lee = figures(log, population())["reviewers"]
    assert (kim["name"], kim["articles"], kim["phrases"], kim["seconds_median"]) == ("kim", 4, 8, 8.0)
    assert (kim["accepted"], kim["planted"], kim["caught"]) == (4 / 5, 3, 2)
    assert kim["catch_rate"]["mean"] == pytest.approx(2 / 3) and 0.2 < kim["catch_rate"]["low"] < 0.25
    assert lee == {
        **{"name": "lee", "articles": 1, "phrases": 2, "accepted": None, "seconds_median": None},
        **{"planted": 0, "caught": 0, "catch_rate": None},
    }


def test_anchoring_is_over_what_both_lanes_have() -> None:
    """Stratum `d` was judged blind only; it does not count.  Adjudication is no reviewer's acceptance."""
    log = [
        said(A, "rates,bank"),
        said(A, "", "rates,bank", who="ann", lane="adjudication"),
        said(B, "harbour", "city,spring", lane="blind", typed=["x"]),
        said(D, "", "vote,law", lane="blind", typed=["x"]),
    ]
    found = figures(log, population(d="other"))["anchoring"]
    assert (found["blind"], found["assisted"], found["difference"]) == pytest.approx((1 / 3, 1, -2 / 3))
    assert found["low"] <= found["difference"] <= found["high"]
    assert figures(log[:2], population())["anchoring"] is None


# --- reviewers whose errors are known ---


def many(seed: int, articles: int) -> tuple[dict[str, list[str]], dict[str, bool]]:
    """Labels of 1 to 7 phrases, 85% of which are right; articles differ."""
    draw = random.Random(seed)
    labels: dict[str, list[str]] = {}
    right = {}
    for at in range(articles):
        quality = draw.betavariate(8.5, 1.5)
        labels[f"{at:064x}"] = [f"word{at} number{n}" for n in range(draw.randint(1, 7))]
        right |= {phrase: draw.random() < quality for phrase in labels[f"{at:064x}"]}
    return labels, right


def review(
    labels: Labels, right: Mapping[str, bool], seed: int, plant: float = 0.0, who: str = "kim"
) -> list[Judgement]:
    """Somebody who accepts a wrong phrase one time in ten and rejects a right one one time in twenty."""
    draw = random.Random(seed)
    found = []
    for at, (text, phrases) in enumerate(labels.items()):
        yes = [phrase for phrase in phrases if draw.random() < (0.95 if right[phrase] else 0.1)]
        planted = {"planted": draw.random() < 0.9} if draw.random() < plant else {}
        no = [phrase for phrase in phrases if phrase not in yes]
        found.append(replace(said(text, who=who), uid=f"{who}{at}", accepted=yes, rejected=no, planted=planted))
    return found


def test_a_reviewer_whose_errors_are_known() -> None:
    """The catch rate finds 0.9; what is accepted is 0.95 of the right and 0.1 of the wrong, so the truth can be told from it."""
    labels, right = many(1, 4000)
    log = review(labels, right, 2, plant=0.2)
    sample = {text: labels[text] for text in list(labels)[:400]}
    found = figures([one for one in log if one.text_sha256 in sample], population(labels))
    truth = sum(right.values()) / len(right)
    shown = 0.95 * truth + 0.1 * (1 - truth)
    assert found["precision"]["low"] < shown < found["precision"]["high"] and 0.02 < found["precision"]["icc"] < 0.2
    caught = found["reviewers"][0]["catch_rate"]
    assert caught["low"] < 0.9 < caught["high"]
    told = (found["precision"]["mean"] - (1 - caught["mean"])) / (0.95 - (1 - caught["mean"]))
    assert told == pytest.approx(truth, abs=0.03)
    assert figures(log, population(labels))["precision"]["high"] == pytest.approx(shown, abs=0.01)


def test_precision_covers_from_judgements_to_figure() -> None:
    """Strata sampled unlike their size, a finite population: the truth is the acceptance of the whole population."""
    labels, right = many(3, 600)
    of = {text: "big" if at < 500 else "small" for at, text in enumerate(labels)}
    strata = {name: {text: labels[text] for text in labels if of[text] == name} for name in ("big", "small")}
    whole = replace(
        population(labels),
        strata=[Stratum(name, len(own), sum(map(len, own.values())), 0) for name, own in strata.items()],
        stratum_of=of.get,
    )
    draw, covered, times = random.Random(4), 0, 300
    log = {one.text_sha256: one for one in review(labels, right, 5)}
    truth = sum(len(one.accepted) for one in log.values()) / sum(map(len, labels.values()))
    for _ in range(times):
        chosen = [*draw.sample(list(strata["big"]), 50), *draw.sample(list(strata["small"]), 40)]
        found = figures([log[text] for text in chosen], whole)["precision"]
        covered += found["low"] <= truth <= found["high"]
    assert 0.93 <= covered / times <= 0.97


def test_needed_articles_are_what_is_needed() -> None:
    """So many more, and the interval is about as narrow as was said."""
    labels, right = many(6, 3000)
    log = review(labels, right, 7)
    for judged in (20, 150, 600):
        found = figures(log[:judged], population(labels))
        width = (found["precision"]["high"] - found["precision"]["low"]) / 2
        goal, more = found["needed"]["half_width"], found["needed"]["articles"]
        assert goal == max(one for one in (0.1, 0.05, 0.03, 0.02, 0.01) if one < width) and more > 0
        then = figures(log[: judged + more], population(labels))["precision"]
        assert (then["high"] - then["low"]) / 2 == pytest.approx(goal, rel=0.15)


def test_figures_are_json_and_the_same_each_time() -> None:
    labels, right = many(8, 300)
    log = [*review(labels, right, 9, plant=0.1), *review(dict(list(labels.items())[:50]), right, 10, who="lee")]
    log += [replace(one, lane="blind", typed=one.accepted[:2], uid=f"{one.uid}b") for one in log[200:260]]
    first = everything(log, population(labels))
    assert json.loads(json.dumps(first, allow_nan=False)) == first == everything(log, population(labels))
    assert short(first)["judged"] == 300 and short(first)["precision"].keys() == {"mean", "low", "high", "covers"}
