"""Searching and jumping to an article, and what becomes of articles that a page had which was closed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.review.log.judgements import LANES
from pipeline.review.page.intake import RefusedJudgement
from pipeline.review.page.leases import Leases
from pipeline.review.page.service import ReviewService
from tests.conftest import JobMaker, article, run, work_of
from tests.review_page import judged
from tests.test_review_blind import ARTICLES, blind_ids, digests, make, secret


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("searched"))


@pytest.fixture
def desk(job: Path) -> ReviewService:
    """A desk at which nobody has judged yet."""
    work = work_of(job)
    for file in work.verdicts_file.parent.glob("verdicts.sqlite*"):
        file.unlink()
    return ReviewService(work)


def places(desk: ReviewService, reviewer: str, words: str = "harbour") -> dict[str, tuple[str, str]]:
    return {found["id"]: (found["state"], found["lane"]) for found in desk.search(reviewer, words)}


def key(job: Path, row_id: str) -> dict[str, str]:
    return {"key": digests(work_of(job))[row_id]}


def open_ids(job: Path) -> list[str]:
    """Ids of the articles outside the blind share."""
    blind = blind_ids(job)
    return [f"a{n}" for n in range(ARTICLES) if f"a{n}" not in blind]


def test_an_id_a_title_and_words_of_the_text_are_found(desk: ReviewService) -> None:
    assert next(iter(places(desk, "kim", "a7"))) == "a7"  # the id that is it, before a17 and a27, which are not
    assert list(places(desk, "kim", " HARBOUR  7 ")) == ["a7"]
    assert list(places(desk, "kim", "harbour 7Y: the")) == ["a7"]
    assert places(desk, "kim", "nothing of the kind") == places(desk, "kim", "  ") == {}


def test_a_label_is_not_searched_and_a_blind_article_waits_for_its_turn(desk: ReviewService, job: Path) -> None:
    for n in range(ARTICLES):
        assert desk.search("kim", secret(n)) == []
    blind = sorted(blind_ids(job))[0]
    assert places(desk, "kim", blind)[blind] == ("turn", "blind")
    with pytest.raises(RefusedJudgement, match="in its turn"):
        desk.article("kim", key(job, blind))
    results = desk.search("kim", "harbour")
    assert results and "treasure" not in json.dumps(results)
    assert {found["lane"] for found in results if found["id"] in blind_ids(job)} == {"blind"}


def test_a_blind_article_that_was_given_opens_without_its_label(desk: ReviewService, job: Path) -> None:
    card = desk.next("kim", "blind", 1)[0]
    assert places(desk, "kim", card["id"])[card["id"]] == ("open", "blind")
    found = desk.article("kim", key(job, card["id"]))
    assert found["card"]["blind"] and found["card"]["phrases"] == [] and "treasure" not in json.dumps(found)


def test_what_was_chosen_feeds_no_figure_and_comes_again_in_its_turn(desk: ReviewService, job: Path) -> None:
    chosen = open_ids(job)[0]
    assert places(desk, "kim", chosen)[chosen] == ("open", "triage")
    card = desk.article("kim", key(job, chosen))["card"]
    assert card["lane"] == "triage" and len(card["phrases"]) == 3
    assert desk.store("kim", [judged(card, wrong=1)])[1] == {}
    assert desk.figures()["precision"] is None
    assert chosen in {card["id"] for card in desk.next("kim", "audit", 50)}


def test_ones_own_are_opened_with_what_was_said_and_those_of_others_are_not_there(
    desk: ReviewService, job: Path
) -> None:
    once = [card for card in desk.next("kim", "audit", 50) if desk._queues.needed("audit", _prefix(card)) == 1]
    mine = once[0]
    desk.store("kim", [judged(mine, wrong=1, note="look again")])
    assert places(desk, "kim", mine["id"])[mine["id"]] == ("judged", "audit")
    entry = desk.article("kim", {"key": mine["key"]})
    assert (entry["judgement"]["note"], len(entry["judgement"]["rejected"])) == ("look again", 1)
    assert mine["id"] not in places(desk, "lee", mine["id"])
    for nothing in ({"key": mine["key"]}, {"key": "0" * 64}, {"key": "x"}, {}):
        with pytest.raises(RefusedJudgement, match="no article that waits"):
            desk.article("lee", nothing)


def test_what_is_before_another_is_not_there_until_that_page_is_closed(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(4)], review={"blind": 0, "overlap": 0, "planted": 0})
    run(path, last="review")
    desk = ReviewService(work_of(path))
    assert "triage" not in desk.left("kim")  # nothing is risky here, so there is one way to each article
    held = desk.next("kim", "audit", 2)
    free = {"a0", "a1", "a2", "a3"} - {card["id"] for card in held}
    assert set(places(desk, "lee", "a")) == free
    with pytest.raises(RefusedJudgement, match="no article that waits"):
        desk.article("lee", {"key": held[0]["key"]})
    assert places(desk, "kim", held[0]["id"]) == {held[0]["id"]: ("open", "audit")}
    desk.presence("kim", False)
    assert len(places(desk, "lee", "a")) == 4


def test_the_second_of_two_reviewers_is_not_led_to_what_the_first_judged(desk: ReviewService, job: Path) -> None:
    twice = [card for card in desk.next("kim", "audit", 50) if desk._queues.needed("audit", _prefix(card)) == 2]
    desk.store("kim", [judged(twice[0], wrong=2)])
    assert places(desk, "lee", twice[0]["id"])[twice[0]["id"]] == ("turn", "audit")  # judged once: in its turn alone
    assert not any(phrase["verdict"] is False for card in desk.next("lee", "audit", 50) for phrase in card["phrases"])


def test_an_article_opened_again_is_as_it_was_before(desk: ReviewService) -> None:
    first = desk.next("kim", "audit", 1)[0]
    desk.store("kim", [judged(first, wrong=2)])
    [entry] = desk.history("kim", "", 1)
    assert [phrase["verdict"] for phrase in entry["card"]["phrases"]] == [None] * 3  # no verdict of an earlier review
    assert len(entry["judgement"]["rejected"]) == 2


def test_an_adjudication_opened_again_shows_what_both_said(desk: ReviewService) -> None:
    twice = next(c for c in desk.next("kim", "audit", 50) if desk._queues.needed("audit", _prefix(c)) == 2)
    second = next(c for c in desk.next("lee", "audit", 50) if c["key"] == twice["key"])
    desk.store("kim", [judged(twice, wrong=1)])
    desk.store("lee", [judged(second)])
    card = desk.next("choi", "adjudication", 1)[0]
    desk.store("choi", [judged(card)])
    [entry] = desk.history("choi", "", 1)
    assert entry["card"]["choices"] == card["choices"] and len(card["choices"]) == 2


# --- pages that were closed ---


def test_a_page_that_was_closed_gives_its_articles_back(desk: ReviewService) -> None:
    held = {card["id"] for card in desk.next("kim", "triage", 50)}
    assert held and desk.next("lee", "triage", 50) == [] and desk.left("lee")["triage"] == len(held)
    desk.presence("kim", False)
    assert {card["id"] for card in desk.next("lee", "triage", 50)} == held
    assert desk.next("lee", "blind", 1) and desk.left("lee")["blind"] > 0


def test_another_page_of_the_same_reviewer_keeps_its_own(desk: ReviewService) -> None:
    kept = [card["key"] for card in desk.next("kim", "audit", 3)]
    desk.presence("kim", False)  # one of two pages
    desk.next("kim", "audit", 1, kept)  # the other one goes on
    assert all(desk._leases.lane_of(int(key[:16], 16), "kim") == "audit" for key in kept)


class Clock:
    """A clock that stands until it is put forward."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_leases_end_with_silence_and_with_time() -> None:
    clock = Clock()
    leases = Leases(clock)
    leases.hear("kim")
    leases.take("audit", 1, "kim")
    assert (leases.others("audit", 1, "lee"), leases.others("audit", 1, "kim"), leases.others("blind", 1, "lee")) == (
        1,
        0,
        0,
    )
    clock.now += 149
    assert leases.others("audit", 1, "lee") == 1
    clock.now += 2  # a machine that was closed says no farewell
    assert leases.others("audit", 1, "lee") == 0 and leases.was_given("audit", 1, "kim")
    leases.hear("kim")
    assert leases.others("audit", 1, "lee") == 1
    for _ in range(30):  # a page that is open, and nobody before it
        clock.now += 60
        leases.hear("kim")
    assert leases.others("audit", 1, "lee") == 0
    leases.renew("audit", [1, 2], "kim")
    assert leases.others("audit", 1, "lee") == 1 and leases.others("audit", 2, "lee") == 0
    leases.end("audit", 1, "kim")
    assert not leases.was_given("audit", 1, "kim") and leases.lane_of(1, "kim") is None


def _prefix(card: dict[str, Any]) -> int:
    return int(card["key"][:16], 16)


def test_every_lane_may_be_leased() -> None:
    leases = Leases(Clock())
    leases.hear("kim")
    for number, lane in enumerate(LANES):
        leases.take(lane, number, "kim")
    assert [leases.lane_of(number, "kim") for number in range(len(LANES))] == list(LANES)
