"""The desk of the reviewers: lanes, what they are shown, what is taken in; and who may ask its server."""

from __future__ import annotations

import asyncio
import json
import re
import unicodedata
import urllib.parse
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import runner
from pipeline.core.errors import ConfigError, InputError
from pipeline.job.config import ReviewOptions
from pipeline.review.log import judgements
from pipeline.review.page import access
from pipeline.review.page import service as services
from pipeline.review.page.intake import RefusedJudgement, judgement_of
from pipeline.review.page.service import ReviewService
from pipeline.review.sample.label_sets import JobLabels, Predictions
from pipeline.review.sample.lanes import Lanes
from pipeline.review.sample.review_item import segments
from pipeline.review.sample.sampling_frame import Categories, SamplingFrame
from pipeline.review.statistics import summary
from tests.conftest import JobMaker, article, command, copied, named_article, rows, run, work_of, write_job, write_jsonl
from tests.review_page import ReviewServer, judged

EVERYTHING = {"blind": 0, "overlap": 0, "planted": 0}


@pytest.fixture(scope="module")
def job_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_job(tmp_path_factory.mktemp("review"), [article(n) for n in range(30)])
    run(path, last="review")
    return path


@pytest.fixture
def job(job_once: Path, tmp_path: Path) -> Path:
    """Thirty labelled articles."""
    return copied(job_once, tmp_path)


def desk(job: Path, **review: Any) -> ReviewService:
    return ReviewService(work_of(job, *(f"review.{name}={json.dumps(value)}" for name, value in review.items())))


def cards_of(table: ReviewService, reviewer: str, lane: str = "audit", count: int = 50) -> list[dict[str, Any]]:
    return table.next(reviewer, lane, count)


def keys(cards: list[dict[str, Any]]) -> list[str]:
    return [card["key"] for card in cards]


# --- lanes ---


def test_the_audit_is_a_seeded_order_and_goes_on_where_it_was(job: Path) -> None:
    first = cards_of(desk(job, **EVERYTHING), "kim")
    assert len(set(keys(first))) == 30
    assert keys(cards_of(desk(job, **EVERYTHING), "lee")) == keys(first)
    assert keys(cards_of(desk(job, seed=1, **EVERYTHING), "kim")) != keys(first)
    table = desk(job, **EVERYTHING)
    table.store("kim", [judged(card) for card in first[:10]])
    assert keys(cards_of(desk(job, **EVERYTHING), "kim")) == keys(first)[10:]
    assert table.left("kim") == {"audit": 20}


def test_growing_keeps_the_order_of_what_is_there(job: Path, make_job: JobMaker) -> None:
    before = keys(cards_of(desk(job, **EVERYTHING), "kim"))
    make_job([article(n) for n in range(60)])
    run(job, last="review")
    after = keys(cards_of(desk(job, **EVERYTHING), "kim", count=100))
    assert len(after) == 60
    assert [key for key in after if key in before] == before


def test_figures_and_gate_tell_when_the_job_has_grown_since(job: Path, make_job: JobMaker) -> None:
    review = [f"review.{name}={value}" for name, value in EVERYTHING.items()]
    table = desk(job, **EVERYTHING)
    table.store("kim", [judged(card) for card in cards_of(table, "kim")])
    assert table.figures()["precision"]["covers"] == table.short()["precision"]["covers"] == 1.0
    make_job([article(n) for n in range(90)])
    work = run(job, *review, last="split")
    assert desk(job, **EVERYTHING).figures()["precision"]["covers"] == pytest.approx(1 / 3, abs=0.05)
    gate = runner.plan_version(work).manifest["gates"]["reviewed_precision"]
    assert gate["state"] == "warns" and "they speak for 3" in gate["figure"]


def test_a_sheet_is_the_beginning_of_the_audit(job: Path, tmp_path: Path) -> None:
    table, out = desk(job), tmp_path / "sample.jsonl"
    assert command("review", job, "--export", out, "--sample", "7").returncode == 0
    exported = [json.loads(line)["row_key"].removeprefix("text-") for line in out.read_text().splitlines()]
    assert exported == keys(cards_of(table, "kim", count=7))
    assert command("review", job, "--export", out).returncode == 0
    assert out.read_text().count("\n") == 30


@pytest.fixture
def named(make_job: JobMaker) -> Path:
    """Thirty labelled articles, each with a phrase of its own."""
    path = make_job([named_article(n) for n in range(30)])
    run(path, last="review")
    return path


def test_a_planted_phrase_that_a_label_has_by_itself_is_judged_like_others(named: Path) -> None:
    job, table = named, desk(named, blind=0, overlap=0, planted=1)
    labels = {row["id"]: row["keyphrases"] for row in rows(work_of(job), "labels")}
    cards = {card["id"]: [phrase["text"] for phrase in card["phrases"]] for card in cards_of(table, "kim")}
    row_id = next(row_id for row_id, shown in cards.items() if len(shown) > len(labels[row_id]))
    student = write_jsonl(job.parent / "student.jsonl", [{"id": row_id, "keyphrases": cards[row_id]}])
    table = ReviewService(work_of(job, "review.blind=0"), Predictions(work_of(job), student))
    table.store("kim", [judged(card) for card in cards_of(table, "kim")])
    assert table.figures()["precision"]["phrases"] == len(cards[row_id])
    assert not cards_of(table, "kim")


def test_the_blind_share_is_kept_out_of_the_audit(job: Path) -> None:
    table = desk(job, blind=0.4, overlap=0)
    audit, blind = cards_of(table, "kim"), cards_of(table, "kim", "blind")
    assert len(audit) + len(blind) == 30
    assert not set(keys(audit)) & set(keys(blind))
    assert 3 < len(blind) < 20
    assert all(card["blind"] for card in blind) and not any(card["blind"] for card in audit)


def test_two_reviewers_at_once_get_different_articles(job: Path) -> None:
    table = desk(job, **EVERYTHING)
    first, second = cards_of(table, "kim", count=8), cards_of(table, "lee", count=8)
    assert not set(keys(first)) & set(keys(second))
    again = table.next("kim", "audit", 3, keys(first))
    assert not set(keys(again)) & {*keys(first), *keys(second)}


def test_the_overlap_goes_to_two_and_the_second_does_not_see_the_first(job: Path) -> None:
    table = desk(job, blind=0, overlap=1, planted=0)
    first = cards_of(table, "kim", count=3)
    table.store("kim", [judged(card, wrong=2) for card in first])
    assert not set(keys(first)) & set(keys(cards_of(table, "kim")))
    second = [card for card in cards_of(table, "lee") if card["key"] in keys(first)]
    assert len(second) == 3
    assert all(phrase["verdict"] is None for card in second for phrase in card["phrases"])
    table.store("lee", [judged(second[0], wrong=2), judged(second[1], wrong=1), judged(second[2])])
    assert not set(keys(first)) & set(keys(cards_of(table, "choi")))
    disputed = cards_of(table, "choi", "adjudication")
    assert set(keys(disputed)) == {second[1]["key"], second[2]["key"]}
    assert [len(card["choices"]) for card in disputed] == [2, 2]
    assert "kim" not in json.dumps(disputed)
    table.store("choi", [judged(disputed[0])])
    assert table.left("choi")["adjudication"] == 1


def test_the_overlap_goes_to_two_also_when_three_begin_at_once(job: Path) -> None:
    table = desk(job, blind=0, overlap=1, planted=0)
    kim, lee, choi = (keys(cards_of(table, name, count=8)) for name in ("kim", "lee", "choi"))
    assert set(kim) == set(lee)
    assert not set(choi) & set(kim)


def test_the_riskiest_come_first(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(6)])
    work = run(path, last="review")
    predictions = [{"id": f"a{n}", "keyphrases": ["city", "public", "spring"]} for n in range(5)]
    predictions.append({"id": "a5", "keyphrases": ["city", "moon base", "dragon"]})
    predictions[3] = {"id": "a3", "keyphrases": ["city", "public", "dragon"]}
    table = ReviewService(work, Predictions(work, write_jsonl(path.parent / "student.jsonl", predictions)))
    found = cards_of(table, "kim", "triage")
    assert [(card["id"], card["why"]) for card in found] == [
        ("a5", [{"kind": "absent", "count": 2}]),
        ("a3", [{"kind": "absent", "count": 1}]),
    ]
    table.store("kim", [judged(found[0])])
    assert [card["id"] for card in cards_of(table, "kim", "triage")] == ["a3"]


def test_strata_are_drawn_by_their_weights(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(200)])
    work = run(path, last="review")
    population = SamplingFrame(work, JobLabels(work), ReviewOptions())
    population.stratum = Categories(["en", "ko"], np.arange(200) % 5 == 0)  # 160 en, 40 ko
    order = Lanes(population, ReviewOptions(stratify="language", weights={"ko": 1, "en": 1}, blind=0), True).orders[
        "audit"
    ]
    counts = Counter(int(population.stratum.of[place]) for place in order[:40])
    assert counts == {0: 20, 1: 20}
    assert sorted(order) == list(range(200))


# --- cards ---


def test_segments_cover_the_text_and_know_overlaps() -> None:
    found = segments("서울시청 앞 광장", [[(0, 3)], [(0, 4)], [(7, 9)], []])
    assert found == [("서울시", [0, 1]), ("청", [1]), (" 앞 ", []), ("광장", [2])]
    assert segments("", []) == []


def test_a_planted_phrase_is_wrong_stays_and_never_reaches_the_label(named: Path) -> None:
    job, table = named, desk(named, blind=0, overlap=0, planted=1)
    shown = cards_of(table, "kim")
    labels = {row["id"]: row["keyphrases"] for row in rows(work_of(job), "labels")}
    extra = {card["id"]: [p["text"] for p in card["phrases"] if p["text"] not in labels[card["id"]]] for card in shown}
    planted = {row_id: found for row_id, found in extra.items() if found}
    assert planted
    again = {
        card["id"]: [p["text"] for p in card["phrases"]]
        for card in cards_of(desk(job, planted=1, blind=0, overlap=0), "kim")
    }
    assert again == {card["id"]: [p["text"] for p in card["phrases"]] for card in shown}
    caught, missed = [next(c for c in shown if c["id"] == row_id) for row_id in list(planted)[:2]]
    wrong = planted[caught["id"]]
    good = [p["text"] for p in caught["phrases"] if p["text"] not in wrong]
    table.store("kim", [judged(caught, accepted=good, rejected=wrong), judged(missed)])
    said = {judgement.id: judgement for judgement in judgements.read(work_of(job).verdicts_file)}
    assert said[caught["id"]].planted == {wrong[0]: True}
    assert list(said[missed["id"]].planted.values()) == [False]
    assert said[missed["id"]].accepted == labels[missed["id"]]
    run(job, last="review")
    assert {row["id"]: row["label_source"] for row in rows(work_of(job), "labels")}[caught["id"]] == "verified"


def test_a_label_made_anew_asks_only_for_the_new_phrases(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(n) for n in range(3)], review=EVERYTHING)
    work = run(path, last="review")
    old = write_jsonl(tmp_path / "s.jsonl", [{"id": f"a{n}", "keyphrases": ["city", "spring"]} for n in range(3)])
    table = ReviewService(work, Predictions(work, old))
    for card in cards_of(table, "kim"):
        table.store("kim", [judged(card)])
    new = [{"id": f"a{n}", "keyphrases": ["City", "public"] if n == 1 else ["spring"]} for n in range(3)]
    write_jsonl(old, new)
    for reviewer, verdicts in (("kim", [True, None]), ("lee", [None, None])):  # nobody sees what others said
        [card] = cards_of(ReviewService(work, Predictions(work, old)), reviewer)
        assert [p["text"] for p in card["phrases"]] == ["City", "public"]
        assert [p["verdict"] for p in card["phrases"]] == verdicts


# --- taking in ---


def test_what_is_sent_twice_counts_once_and_undo_takes_it_back(job: Path) -> None:
    table = desk(job, **EVERYTHING)
    card = cards_of(table, "kim", count=1)[0]
    sent = judged(card, wrong=1, reasons={card["phrases"][0]["text"]: "generic"}, flagged=True)
    for _ in range(2):
        stored, refused = table.store("kim", [sent, sent])
        assert (stored, refused) == ([sent["uid"]], {})
    assert table.left("kim")["audit"] == 29
    [entry] = table.history("kim", "", 10)
    assert {k: entry["judgement"][k] for k in sent if k != "seconds"} == {k: sent[k] for k in sent if k != "seconds"}
    undo = {"uid": "undo-of-it", "key": card["key"], "id": card["id"], "lane": "audit", "undoes": sent["uid"]}
    table.store("lee", [{**undo, "uid": "not-hers-to-undo"}])
    assert table.left("kim")["audit"] == 29
    table.store("kim", [undo])
    assert table.left("kim")["audit"] == 30
    assert table.history("kim", "", 10) == []
    assert desk(job, **EVERYTHING).left("kim")["audit"] == 30


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"uid": "x y"}, "uid, key or lane"),
        ({"key": "../../etc"}, "uid, key or lane"),
        ({"lane": "root"}, "uid, key or lane"),
        ({"accepted": "all"}, "accepted is no list"),
        ({"added": ["x" * 301]}, "longer than 300"),
        ({"rejected": ["a"], "accepted": ["a"]}, "both accepted and rejected"),
        ({"reasons": {"a": "mood"}}, "reasons are absent"),
        ({"seconds": "many"}, "could not convert"),
        ({"seconds": float("nan")}, "no number"),
        ({"note": "half a pair \ud83d"}, "surrogates not allowed"),
    ],
)
def test_what_is_no_judgement_is_refused_alone(job: Path, change: dict[str, Any], why: str) -> None:
    table = desk(job, **EVERYTHING)
    good, bad = (judged(card) for card in cards_of(table, "kim", count=2))
    stored, refused = table.store("kim", [bad | change, good, "nonsense"])
    assert stored == [good["uid"]]
    assert why in refused[(bad | change)["uid"]]


def test_additions_keep_to_the_most_phrases_of_a_label() -> None:
    def size(accepted: int, most: int, model: str | None = None, **more: Any) -> int:
        shown = [f"p{number}" for number in range(8)]
        sent = {"uid": "u" * 8, "key": "0" * 64, "lane": "audit", "accepted": shown[:accepted], **more}
        found = judgement_of(sent, "kim", model, lambda text: ["p0"], str, most)
        return len(found.accepted) + len(found.added)

    two = {"added": ["x", "y"]}
    assert size(6, 7, **two) == 7  # the planted phrase is not counted
    for change in ({"added": ["x", "y"]}, {"added": ["x", "y"], "rejected": ["z"], "reasons": {"z": "edited"}}):
        with pytest.raises(RefusedJudgement, match="8 phrases; the job allows 7"):
            size(7, 7, **change)
    assert size(7, 0, **two) == size(7, 7, "student", **two) == size(7, 7, skipped=True, **two) == 8
    assert size(8, 5) == 7  # too long by itself: judged as it is
    assert size(8, 5, added=["x"], rejected=["z"], reasons={"z": "edited"}) == 8


def test_a_phrase_of_any_length_that_was_shown_can_be_judged(job: Path) -> None:
    table = desk(job, **EVERYTHING)
    [card] = cards_of(table, "kim", count=1)
    sent = judged(card) | {"rejected": ["a model that does not stop " * 100]}
    assert table.store("kim", [sent]) == ([sent["uid"]], {})


def test_labels_made_anew_by_another_process_are_seen(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = desk(job, **EVERYTHING)
    cards_of(table, "kim", count=2)
    run(job, "clean.max_phrases=2", last="review")
    found = table.next("kim", "audit", 3)
    assert all(len(card["phrases"]) <= 2 for card in found)
    assert table.figures()["population"]["phrases"] > 60
    monkeypatch.setattr(services, "_RELOAD_EVERY", 0)
    table.next("kim", "audit", 3)
    assert table.figures()["population"]["phrases"] <= 60


def test_what_was_filtered_out_since_is_not_shown(make_job: JobMaker) -> None:
    """The labels are still those of the earlier filter, and some of them have no article any more."""
    path = make_job([article(n, words=400 if n % 2 else 40) for n in range(8)], review=EVERYTHING)
    run(path, last="review")
    run(path, "filters=[{type: tokens, max: 300}]", first="filter", last="filter")
    table = desk(path)
    assert {card["id"] for card in cards_of(table, "kim")} == {"a0", "a2", "a4", "a6"}
    assert table.figures()["population"]["articles"] == 4


def test_labels_in_another_order_are_not_taken_for_those_of_other_articles(job: Path) -> None:
    class Turned(JobLabels):
        now = False

        def at(self, shard: str, numbers: Sequence[int]) -> dict[int, Any]:
            found = super().at(shard, [29 - number for number in numbers] if self.now else numbers)
            return dict(zip(numbers, found.values(), strict=True))

    work = work_of(job)
    labels = Turned(work)
    table = ReviewService(work, labels)
    labels.now = True
    with pytest.raises(InputError, match="made anew"):
        cards_of(table, "kim")


def test_figures_of_a_job_are_those_of_its_desk(job: Path) -> None:
    table = desk(job, **EVERYTHING)
    assert summary.of_job(work_of(job)) is None
    table.store("kim", [judged(card, wrong=number % 2) for number, card in enumerate(cards_of(table, "kim", count=12))])
    found = summary.of_job(work_of(job, *(f"review.{name}={value}" for name, value in EVERYTHING.items())))
    assert found is not None
    assert found["precision"] == table.figures()["precision"]
    assert 0.5 < found["precision"]["low"] < found["precision"]["mean"] < found["precision"]["high"] < 1


# --- predictions ---


def test_predictions_of_no_article_or_in_no_form_are_named(job: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none of its 1 ids is an article"):
        Predictions(work_of(job), write_jsonl(tmp_path / "p.jsonl", [{"id": "zz", "keyphrases": ["a"]}]))
    with pytest.raises(InputError, match=r"p.jsonl: row 1: not"):
        Predictions(work_of(job), write_jsonl(tmp_path / "p.jsonl", [{"id": "a1"}]))


def test_untidy_predictions_are_judged_as_they_are_stored(job: Path, tmp_path: Path) -> None:
    untidy = [{"id": f"a{n}", "keyphrases": [" moon  base ", "moon base", "", "city"]} for n in range(5)]
    work = work_of(job)
    table = ReviewService(work, Predictions(work, write_jsonl(tmp_path / "p.jsonl", untidy)))
    [card] = cards_of(table, "kim", count=1)
    assert [phrase["text"] for phrase in card["phrases"]] == ["moon base", "city"]


# --- the server ---


@pytest.mark.slow
def test_this_machine_only_without_a_token(job: Path) -> None:
    with ReviewServer(job) as server:
        status, _, headers = server.ask("/?reviewer=kim")
        assert status == 200
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert server.ask("/", Host="evil.example")[0] == 403  # a name that resolves to this machine
        body = {"reviewer": "kim", "judgements": []}
        assert server.ask("/api/judgements", body)[0] == 403
        assert server.ask("/api/judgements", body, X_CSRF_Token="0" * 64)[0] == 403
        csrf = server.csrf()
        assert server.ask("/api/judgements", body, X_CSRF_Token=csrf)[0] == 200
        assert server.ask("/api/judgements", {"reviewer": ""}, X_CSRF_Token=csrf)[0] == 400
        assert server.ask("/api/judgements", body | {"reviewer": ["kim"]}, X_CSRF_Token=csrf)[0] == 403
        assert server.ask("/static/../app.py")[0] == 404
        status, report, headers = server.ask("/report")
        assert status == 200 and "30 articles labelled" in report
        assert "script-src" not in headers["content-security-policy"]
        server.kill()
        server.restart()
        assert server.csrf() == csrf  # a page that is open goes on


@pytest.mark.slow
def test_others_need_the_token(job: Path) -> None:
    token = "correct-horse-battery"
    with ReviewServer(job, "--host", "0.0.0.0", "--token", token, "--reviewers", "kim, lee") as server:
        server.url = f"http://127.0.0.1:{server.port}/"
        assert server.ask("/")[0] == 303
        assert server.ask("/", Authorization="Basic a2ltOnNlY3JldA==")[0] == 303  # of a proxy before it: no guess
        for path in ("/api/queue?reviewer=kim", "/api/figures", "/api/history?reviewer=kim", "/report"):
            assert server.ask(path)[0] == 401
            assert server.ask(path, Cookie="labelmill_review=x", Authorization="Bearer x")[0] == 401
        assert server.ask("/api/judgements", {})[0] == 401
        bearer = {"Authorization": f"Bearer {token}"}
        assert server.ask("/api/queue?reviewer=kim", **bearer)[0] == 200
        status, told, _ = server.ask("/api/queue?reviewer=mallory", **bearer)
        assert (status, told["kind"]) == (403, "reviewer")
        assert token not in server.ask("/?reviewer=kim", **bearer)[1]
        status, _, headers = server.ask("/login", None)
        assert status == 200
        status, headers = login(server, "wrong-horse-battery")
        assert (status, "set-cookie" in headers) == (401, False)
        status, headers = login(server, token)
        assert status == 303
        cookie = headers["set-cookie"]
        assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower()
        assert server.ask("/api/queue?reviewer=lee", Cookie=cookie.split(";")[0])[0] == 200


def test_guessing_a_token_is_slow_however_many_guess_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(access, "_LONGEST_PAUSE", 0.002)

    async def guess() -> list[bool | None]:
        guesses = access.Guesses()
        given = [f"wrong-token-{n}" for n in range(200)] + ["right-token-here"]
        at_once = await asyncio.gather(*(guesses.is_right("10.0.0.1", text, "right-token-here") for text in given))
        assert (
            at_once[-1] is None and at_once.count(False) == access._MOST_WAITING
        )  # the right one among many is not found
        assert await guesses.is_right("10.0.0.2", "right-token-here", "right-token-here")  # somebody else need not wait
        return at_once

    assert asyncio.run(guess()).count(None) == 201 - access._MOST_WAITING
    pauses: list[float] = []
    monkeypatch.setattr(access, "_FIRST_PAUSE", 0.5)
    monkeypatch.setattr(access, "_LONGEST_PAUSE", 60.0)

    async def slept(seconds: float) -> None:
        pauses.append(seconds)

    async def one_after_the_other() -> None:
        guesses = access.Guesses()
        for n in range(20):
            await guesses.is_right("10.0.0.1", f"wrong-{n}", "right-token-here")
        assert await guesses.is_right("10.0.0.1", "right-token-here", "right-token-here")
        await guesses.is_right("10.0.0.1", "wrong", "right-token-here")

    monkeypatch.setattr(asyncio, "sleep", slept)
    asyncio.run(one_after_the_other())
    assert pauses[:6] == [0.5, 0.5, 0.5, 0.5, 0.5, 1.0] and pauses[13:20] == [60.0] * 7 and pauses[20] == 0.5


def test_a_proxy_may_show_the_page_at_any_path(job: Path) -> None:
    """With its path left on the requests or taken off them; and where nobody said so, all addresses are relative."""
    with ReviewServer(job, "--root-path", "/tools/review/") as server:
        for path in ("/?reviewer=kim", "/tools/review/?reviewer=kim"):
            status, page, _ = server.ask(path)
            assert status == 200 and 'src="/tools/review/static/app.js"' in page
        assert server.ask("/tools/review/static/app.js")[0] == server.ask("/static/app.js")[0] == 200
        assert server.ask("/tools/review/api/figures")[0] == 200 and server.ask("/tools/reviewer")[0] == 404
        assert server.ask("/login")[2]["location"] == "/tools/review/"
    with ReviewServer(job) as server:
        page = server.ask("/?reviewer=kim")[1]
        addresses = re.findall(r'(?:href|src|action)="([^"#]*)"', page)
        assert len(addresses) >= 5 and not [address for address in addresses if address.startswith("/")]
        assert server.ask("/login")[2]["location"] == "./"
    done = command("review", job, "--root-path", "review")
    assert done.returncode == 2 and "--root-path review: is no path" in done.stderr


def test_a_name_is_one_person_however_its_letters_are_composed(job: Path) -> None:
    composed, parts = "김하늘", unicodedata.normalize("NFD", "김하늘")
    with ReviewServer(job, "--reviewers", parts) as server:
        csrf = server.csrf_of(composed)
        [card, *_] = server.ask(f"/api/queue?reviewer={urllib.parse.quote(parts)}")[1]["articles"]
        sent = {"reviewer": parts, "judgements": [judged(card)]}
        assert server.ask("/api/judgements", sent, X_CSRF_Token=csrf)[1]["refused"] == {}
        history = server.ask(f"/api/history?reviewer={urllib.parse.quote(composed)}")[1]["judgements"]
        assert len(history) == 1
    [stored] = judgements.read(work_of(job).verdicts_file)
    assert stored.reviewer == composed
    with judgements.JudgementLog(work_of(job).verdicts_file) as log:  # as it was stored before names were folded
        body = json.dumps({"text_sha256": "0" * 64, "id": "x", "reviewer": parts, "at": judgements.now()})
        log._db.execute("INSERT INTO judgements (uid, body) VALUES ('old', ?)", (body,))
    assert {judgement.reviewer for judgement in judgements.read(work_of(job).verdicts_file)} == {composed}


def test_an_article_that_is_not_in_the_job_is_refused(job: Path) -> None:
    table = desk(job, **EVERYTHING)
    [card, *_] = cards_of(table, "kim")
    foreign = {**judged(card), "key": "f" * 64}
    assert table.store("kim", [foreign])[1] == {foreign["uid"]: "no article of this job"}
    skipped = {"uid": "skipped-1", "key": "e" * 64, "lane": "audit", "skipped": True}
    assert table.store("kim", [skipped])[1] == {"skipped-1": "no article of this job"}
    assert table.store("kim", [judged(card)])[1] == {}


def login(server: ReviewServer, token: str) -> tuple[int, dict[str, str]]:
    import urllib.error
    import urllib.request

    from tests.review_page import _Stay

    request = urllib.request.Request(f"{server.url}login", f"token={token}".encode())
    try:
        with urllib.request.build_opener(_Stay).open(request) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}
    except urllib.error.HTTPError as error:
        return error.code, {k.lower(): v for k, v in error.headers.items()}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--host", "0.0.0.0"], 2, "give --token"),
        (["--token", "short"], 2, "hard to guess"),
        (["--predictions", "nowhere.jsonl"], 1, "nowhere.jsonl: cannot be read"),
        (["--port", "99999"], 2, "not a port"),
        (["--reviewers", " , "], 2, "names nobody"),
    ],
)
def test_what_cannot_be_served_is_one_line(job: Path, arguments: list[str], code: int, said: str) -> None:
    result = command("review", job, *arguments)
    assert (result.returncode, said in result.stderr) == (code, True), result.stderr


def test_a_taken_port_and_a_job_without_labels_are_told(job: Path, make_job: JobMaker) -> None:
    with ReviewServer(job) as server:
        result = command("review", job, "--port", str(server.port))
        assert result.returncode == 1
        assert "another --port" in result.stderr
    empty = make_job([article(1)], name="empty")
    assert "run: labelmill collect" in command("review", empty, "--port", "0").stderr


def test_weights_need_strata(job: Path) -> None:
    with pytest.raises(ConfigError, match=r"review.weights: needs review.stratify"):
        work_of(job, "review.weights={ko: 2}")


def test_many_reviewers_at_once_need_no_more_threads(job: Path) -> None:
    """Each thread that read articles would keep its share of memory."""

    def asked(number: int) -> int:
        return server.ask(f"/api/queue?reviewer=r{number}&lane=audit&n=4")[0]

    with ReviewServer(job) as server:
        assert asked(0) == 200
        threads = Path(f"/proc/{server.process.pid}/task")
        before = len(list(threads.iterdir()))
        with ThreadPoolExecutor(20) as many:
            assert set(many.map(asked, range(60))) == {200}
        assert len(list(threads.iterdir())) <= before + 2  # pyarrow's own
