"""Nobody sees another's verdict, or the label of a blind article, before his or her own: by the server's own answers."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.job.workspace import Workspace
from pipeline.review.log import judgements
from pipeline.review.log.judgements import Judgement, JudgementLog, Lane
from pipeline.review.sample.label_sets import JobLabels
from pipeline.review.sample.lanes import Lanes
from pipeline.review.sample.sampling_frame import SamplingFrame
from pipeline.review.statistics import summary
from tests.conftest import command, copied, rows, run, work_of, write_jsonl
from tests.openai_server import Running, Server, completion
from tests.review_page import Reviewer, ReviewServer, judged

REVIEW: dict[str, Any] = {"blind": 0.35, "overlap": 0.5, "planted": 0}
ARTICLES = 30


def secret(number: int) -> str:
    """A phrase that no text has, and one label only: who reads it has seen that label."""
    return f"hidden treasure {number}x"


def make(folder: Path) -> Path:
    """A labelled job; every label has a phrase that is not in its article, so all of them are risky."""
    lines = [
        {"id": f"a{n}", "title": f"Harbour {n}", "body": f"Harbour {n}y: the city was opened in spring. " * 9}
        for n in range(ARTICLES)
    ]
    write_jsonl(folder / "articles.jsonl", lines)
    with Running(Server()) as server:
        server.script = lambda body, times: (200, completion(body, label(body)), {})
        config = {
            "name": "test",
            "sources": [{"type": "files", "path": "articles.jsonl", "columns": {"text": "body"}}],
            "label": {"provider": "openai", "base_url": server.url},
            "clean": {"absent": "flag"},
            "review": REVIEW,
        }
        path = folder / "job.yaml"
        path.write_text(json.dumps(config), "utf-8")
        run(path, last="review")
    return path


def label(body: Any) -> str:
    number = body["messages"][-1]["content"].rpartition("Harbour ")[2].partition("y")[0]
    return f"city; {secret(int(number))}; spring"


@pytest.fixture(scope="module")
def job_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("blind"))


@pytest.fixture
def job(job_once: Path, tmp_path: Path) -> Path:
    return copied(job_once, tmp_path)


@pytest.fixture
def served(job: Path) -> Iterator[ReviewServer]:
    with ReviewServer(job) as server:
        yield server


def blind_ids(job: Path) -> set[str]:
    """The blind share, by the seed alone."""
    work = work_of(job)
    population = SamplingFrame(work, JobLabels(work), work.config.review)
    lanes = Lanes(population, work.config.review, True)
    return {row["id"] for row in rows(work, "labels") if lanes.is_blind(row["text_sha256"])}


def digests(work: Workspace) -> dict[str, str]:
    return {row["id"]: row["text_sha256"] for row in rows(work, "labels")}


# --- the label of a blind article ---


def test_no_lane_shows_a_blind_label_before_phrases_were_written(served: ReviewServer, job: Path) -> None:
    kim, blind = Reviewer(served, "kim"), blind_ids(job)
    assert 5 < len(blind) < 16
    for lane in ("triage", "audit", "adjudication"):
        assert not blind & {card["id"] for card in kim.queue(lane)}
    cards = kim.queue("blind")
    assert {card["id"] for card in cards} == blind
    for card in cards:
        assert (card["blind"], card["typed"], card["phrases"], card["previous"]) == (True, None, [], None)
        assert [there for _, there in card["text"]] == [[]]
    assert not any("treasure" in answer for answer in kim.answers[-1:])
    shown = kim.reveal(cards[0], "city", " spring  sun ")
    assert (shown["blind"], shown["typed"], shown["id"]) == (False, ["city", "spring sun"], cards[0]["id"])
    assert secret(int(shown["id"][1:])) in [phrase["text"] for phrase in shown["phrases"]]
    assert "treasure" not in json.dumps(Reviewer(served, "lee").queue("blind"))  # lee wrote nothing
    again = {card["id"]: card for card in kim.queue("blind")}
    assert [again[card["id"]]["blind"] for card in cards] == [False] + [True] * (len(cards) - 1)


def test_what_was_written_first_stays(served: ReviewServer, job: Path) -> None:
    kim = Reviewer(served, "kim")
    card = kim.queue("blind")[0]
    assert kim.reveal(card, "city")["typed"] == ["city"]
    served.kill()
    served.restart()
    shown = kim.reveal(card, "city", "spring", secret(int(card["id"][1:])))  # another tab, or second thoughts
    assert shown["typed"] == ["city"]
    assert "before the label was shown" in kim.judge(shown, typed=["city", "spring"])
    assert kim.judge(shown) == ""
    [judgement] = judgements.read(work_of(job).verdicts_file)
    assert (judgement.lane, judgement.typed) == ("blind", ["city"])


@pytest.mark.parametrize(
    "typed",
    [None, [], ["", "  "], "city", [1], [["city"]], ["x" * 301], ["half a pair \ud83d"], {"city": 1}],
    ids=["null", "empty", "blanks", "text", "number", "list", "long", "surrogate", "object"],
)
def test_who_wrote_nothing_gets_no_label(served: ReviewServer, typed: Any) -> None:
    kim = Reviewer(served, "kim")
    card = kim.queue("blind")[0]
    status, _ = kim.post("api/reveal", key=card["key"], typed=typed)
    assert status == 400
    assert kim.queue("blind")[0]["blind"]
    assert not any("treasure" in answer for answer in kim.answers)


def test_a_label_is_revealed_to_our_own_page_only(served: ReviewServer) -> None:
    kim = Reviewer(served, "kim")
    blind, audit = kim.queue("blind")[0], kim.queue("audit")[0]
    body = {"reviewer": "kim", "key": blind["key"], "typed": ["city"]}
    assert served.ask("api/reveal", body)[0] == served.ask("api/reveal", body, X_CSRF_Token="0" * 64)[0] == 403
    assert served.ask(f"api/reveal?reviewer=kim&key={blind['key']}&typed=city")[0] == 405
    for key in (audit["key"], "0" * 64, "../../etc/passwd", None):
        assert kim.post("api/reveal", key=key, typed=["city"])[0] == 400
    assert kim.post("api/reveal", typed=["city"])[0] == 400


def test_a_skipped_blind_article_stays_blind_in_the_history(served: ReviewServer) -> None:
    kim = Reviewer(served, "kim")
    first, second = kim.queue("blind")[:2]
    assert kim.judge(first, skipped=True) == ""
    shown = kim.reveal(second, "city")
    assert kim.judge(shown, skipped=True, accepted=[], rejected=[], typed=None) == ""
    seen, unseen = kim.get("api/history", n=5)["judgements"]
    assert (unseen["card"]["id"], unseen["card"]["blind"], unseen["card"]["phrases"]) == (first["id"], True, [])
    assert (seen["card"]["id"], seen["card"]["blind"], seen["card"]["typed"]) == (second["id"], False, ["city"])


@pytest.mark.slow
def test_another_seed_does_not_make_blind_who_has_seen(job: Path) -> None:
    """What was handed out counts, judged or not; and a new seed takes a blind article of who wrote for it to the audit."""
    with ReviewServer(job) as server:
        kim = Reviewer(server, "kim")
        seen = {card["id"] for card in kim.queue("audit")}
    config = json.loads(job.read_text("utf-8"))
    job.write_text(json.dumps(config | {"review": REVIEW | {"seed": 7}}), "utf-8")
    with ReviewServer(job) as server:
        kim, lee = Reviewer(server, "kim"), Reviewer(server, "lee")
        blind = blind_ids(job)
        assert blind & seen and blind - seen
        assert {card["id"] for card in kim.queue("blind")} == blind - seen
        assert kim.get("api/queue", lane="blind", n=1)["left"] == len(blind - seen)
        assert {card["id"] for card in lee.queue("blind")} == blind - {card["id"] for card in kim.queue("blind")}


# --- what others said ---


def test_the_second_reviewer_learns_nothing_of_the_first(served: ReviewServer) -> None:
    """Labels, added phrases, notes, flags, figures, and who was faster."""
    kim, lee = Reviewer(served, "kim"), Reviewer(served, "lee")
    before = lee.get("api/figures")
    card = next(card for card in kim.queue("audit") if card["id"] in overlap(served))
    reasons = {card["phrases"][0]["text"]: "generic"}
    assert kim.judge(card, wrong=2, added=["kims own phrase"], note="kims note", flagged=True, reasons=reasons) == ""
    mine = next(other for other in lee.queue("audit") if other["id"] == card["id"])
    assert [phrase["verdict"] for phrase in mine["phrases"]] == [None] * 3
    assert mine["choices"] is None
    assert lee.get("api/figures") == before
    assert lee.get("api/history")["judgements"] == []
    assert not any("kims" in answer for answer in lee.answers)
    assert kim.get("api/figures")["precision"]["phrases"] == 3
    assert lee.judge(mine) == ""
    assert lee.get("api/figures")["precision"]["mean"] == pytest.approx(1 / 3)
    assert lee.get("api/figures")["flagged"] == 1
    [disputed] = lee.queue("adjudication")
    assert sorted(choice["added"] for choice in disputed["choices"]) == [[], ["kims own phrase"]]


def overlap(server: ReviewServer) -> set[str]:
    """The articles of the overlap: two newcomers are both given them."""
    first, second = (Reviewer(server, name).queue("audit") for name in ("one of two", "two of two"))
    both = {card["id"] for card in first} & {card["id"] for card in second}
    server.kill()  # so that nobody has them any more
    server.restart()
    return both


def test_a_verdict_in_one_lane_fills_in_no_other(served: ReviewServer) -> None:
    kim = Reviewer(served, "kim")
    risky = kim.queue("triage")[0]
    assert kim.judge(risky, wrong=3, added=["a better one"]) == ""
    assert risky["id"] not in {card["id"] for card in kim.queue("triage")}
    again = kim.card("audit", risky["id"])
    assert [phrase["verdict"] for phrase in again["phrases"]] == [None] * 3
    assert kim.judge(again) == ""
    assert risky["id"] not in {card["id"] for card in kim.queue("audit")}


@pytest.mark.slow
def test_the_version_does_not_tell_what_was_rejected(job: Path) -> None:
    """The published label has one reviewer's verdicts in it: beside the present one it would tell them to the next."""
    with ReviewServer(job) as server:
        kim = Reviewer(server, "kim")
        for card in kim.queue("audit")[:8]:
            assert kim.judge(card, wrong=2, added=["kims own phrase"]) == ""
    run(job)
    published = [row for row in rows(work_of(job), "labels") if row["label_source"] == "edited"]
    assert len(published) == 8
    with ReviewServer(job) as server:
        lee = Reviewer(server, "lee")
        cards = [card for lane in ("audit", "triage", "blind") for card in lee.queue(lane)]
        assert {row["id"] for row in published} & {card["id"] for card in cards}
        assert all(card["previous"] is None for card in cards)
        assert not any(why["kind"] == "changed" for card in cards for why in card["why"] or [])
        report = server.ask("report?reviewer=lee")[1]
        assert f"{ARTICLES} articles labelled" in report
        assert not any(word in json.dumps(lee.answers) + report for word in ("kims", "1.0.0"))
        assert "treasure" not in report


@pytest.mark.slow
def test_a_label_that_was_made_anew_is_still_compared_with_the_version(job: Path) -> None:
    run(job, "clean.max_phrases=2")
    with ReviewServer(job) as server:  # the labels are those of two phrases; the version has them, too
        assert all(card["previous"] is None for card in Reviewer(server, "kim").queue("audit"))
    run(job, last="review")
    with ReviewServer(job) as server:
        lee = Reviewer(server, "lee")
        card = lee.queue("audit")[0]
        assert (card["previous"]["name"], len(card["previous"]["phrases"])) == ("1.0.0", 2)
        assert {"kind": "changed", "count": None} in lee.queue("triage")[0]["why"]
        assert all(card["previous"] is None for card in lee.queue("blind"))


def test_who_adjudicates_audits_no_more(served: ReviewServer) -> None:
    """The choices show what both said: who has seen them cannot judge the article alone, nor take back and say it anew."""
    kim, lee, choi = (Reviewer(served, name) for name in ("kim", "lee", "choi"))
    both = overlap(served)
    card = next(card for card in kim.queue("audit") if card["id"] in both)
    sent = judged(card, wrong=1)
    assert kim.send(sent) == {}
    theirs = judged(lee.card("audit", card["id"]), wrong=2)
    assert lee.send(theirs) == {}
    assert [c["id"] for c in choi.queue("adjudication")] == [card["id"]]  # shown, and left alone
    undo = {"uid": uuid.uuid4().hex, "key": card["key"], "id": card["id"], "lane": "audit", "undoes": sent["uid"]}
    assert kim.send(undo) == {}  # kim has not seen what lee said
    assert card["id"] in {c["id"] for c in kim.queue("audit")}
    assert card["id"] not in {c["id"] for c in choi.queue("audit")}
    assert "verdicts of others" in choi.judge({**card, "lane": "audit"})
    assert kim.send(judged(card, wrong=1)) == {}
    served.kill()
    served.restart()
    assert [c["id"] for c in lee.queue("adjudication")] == [card["id"]]
    refusal = lee.send({**undo, "uid": uuid.uuid4().hex, "undoes": theirs["uid"]})
    assert "shown to you since" in next(iter(refusal.values()))


# --- what the page would not send ---


def refused_articles(served: ReviewServer, job: Path) -> tuple[Reviewer, dict[str, Any], dict[str, Any]]:
    """A reviewer, a card of the blind lane as another lane would have it, and one of the audit."""
    kim = Reviewer(served, "kim")
    blind, audit = kim.queue("blind")[0], kim.queue("audit")[0]
    names = {row["id"]: row["keyphrases"] for row in rows(work_of(job), "labels")}
    return kim, {**blind, "phrases": [{"text": phrase} for phrase in names[blind["id"]]]}, audit


@pytest.mark.parametrize("lane", ["audit", "triage", "adjudication"])
def test_a_blind_article_is_not_judged_in_another_lane(served: ReviewServer, job: Path, lane: str) -> None:
    kim, blind, _ = refused_articles(served, job)
    for more in ({}, {"typed": ["city"]}, {"skipped": True}):
        assert "write your own phrases" in kim.judge({**blind, "lane": lane}, **more)
    assert judgements.read(work_of(job).verdicts_file) == []


@pytest.mark.parametrize("typed", [None, [], ["", " "]])
def test_a_blind_judgement_has_phrases_of_its_own(served: ReviewServer, job: Path, typed: Any) -> None:
    kim, blind, _ = refused_articles(served, job)
    assert "come before its label" in kim.judge(blind, typed=typed)
    assert judgements.read(work_of(job).verdicts_file) == []
    assert kim.judge(blind, skipped=True, accepted=[], rejected=[]) == ""


def test_an_article_is_judged_in_its_lane(served: ReviewServer, job: Path) -> None:
    kim, _, audit = refused_articles(served, job)
    assert "blind lane" in kim.judge({**audit, "lane": "blind"}, typed=["city"])
    assert "nobody differs" in kim.judge({**audit, "lane": "adjudication"})
    assert kim.judge(audit, typed=["city"]) == ""
    assert [j.typed for j in judgements.read(work_of(job).verdicts_file)] == [None]


def test_what_was_judged_is_judged_again_only_where_that_is_asked(served: ReviewServer, job: Path) -> None:
    kim, lee = Reviewer(served, "kim"), Reviewer(served, "lee")
    both = overlap(served)
    alone = next(card for card in kim.queue("audit") if card["id"] not in both)
    sent = judged(alone, wrong=1)
    assert kim.send(sent, sent) == kim.send(sent) == {}  # the same one twice is one
    assert "judged it already" in kim.judge(alone)
    assert "judged it already" in kim.judge(alone, skipped=True)
    assert "others have judged" in lee.judge(alone)
    undo = {"uid": uuid.uuid4().hex, "key": alone["key"], "id": alone["id"], "lane": "audit", "undoes": sent["uid"]}
    again = judged(alone, wrong=2)
    assert kim.send(undo, again, judged(alone)).keys().isdisjoint({undo["uid"], again["uid"]})
    [judgement] = judgements.read(work_of(job).verdicts_file)
    assert judgement.uid == again["uid"]


def test_two_who_were_asked_at_once_are_both_heard(served: ReviewServer, job: Path) -> None:
    """A server that was restarted has forgotten who holds which article."""
    kim, lee = Reviewer(served, "kim"), Reviewer(served, "lee")
    both = overlap(served)
    card = next(card for card in kim.queue("audit") if card["id"] not in both)
    served.kill()
    served.restart()
    assert lee.judge(lee.card("audit", card["id"])) == ""
    assert kim.judge(card, wrong=1) == ""
    assert {j.reviewer for j in judgements.read(work_of(job).verdicts_file)} == {"kim", "lee"}


# --- anybody, in any order ---


@pytest.mark.slow
def test_whatever_reviewers_do_nothing_is_told_too_soon(served: ReviewServer, job: Path) -> None:
    """Three people in all lanes: what each says has words of its own, which no answer may bring to another too soon."""
    draw, blind = random.Random(16), blind_ids(job)
    people = [Reviewer(served, name) for name in ("kim", "lee", "choi")]
    typed: set[tuple[str, str]] = set()  # who wrote for which article
    judged_by: set[tuple[str, str]] = set()  # who said something of which article
    for step in range(150):
        me = draw.choice(people)
        lane = draw.choice(["audit", "audit", "blind", "triage", "adjudication"])
        cards = me.queue(lane, 4)
        if not cards:
            continue
        card = draw.choice(cards)
        if card["blind"]:
            typed.add((me.name, card["id"]))
            card = me.reveal(card, f"word {step}")
        judged_by.add((me.name, card["id"]))
        mark = f"{me.name} said of {card['id']}."
        if draw.random() < 0.8:
            assert me.judge(card, draw.randrange(4), added=[mark], note=mark, flagged=draw.random() < 0.3) == ""
        if draw.random() < 0.3:
            me.get("api/history", n=3)
            me.get("api/figures")
        check(people, blind, typed, judged_by, lane == "adjudication")
    assert len(typed) > 8 and len(judgements.read(work_of(job).verdicts_file)) > 40


def check(
    people: list[Reviewer],
    blind: set[str],
    typed: set[tuple[str, str]],
    judged_by: set[tuple[str, str]],
    adjudicating: bool,
) -> None:
    for me in people:
        heard = " ".join(me.answers)
        me.answers.clear()
        for row_id in blind:
            if (me.name, row_id) not in typed:
                assert secret(int(row_id[1:])) not in heard, (me.name, row_id)
        for other in people:
            for row_id in (f"a{n}" for n in range(ARTICLES)):
                if other is not me and not adjudicating and (me.name, row_id) not in judged_by:
                    assert f"{other.name} said of {row_id}." not in heard


# --- figures, also of what was stored before ---


def stored(job: Path, *said: Judgement) -> Workspace:
    work = work_of(job)
    with JudgementLog(work.verdicts_file) as log:
        log.add(said)
    return work


def test_figures_leave_out_what_was_not_blind(job: Path) -> None:
    """A log of before: in order, what each reviewer saw first."""
    work, blind = work_of(job), sorted(blind_ids(job), key=lambda row_id: int(row_id[1:]))
    texts, labels = digests(work), {row["id"]: row["keyphrases"] for row in rows(work, "labels")}
    numbers = iter(range(100))

    def said(row_id: str, lane: Lane, who: str = "kim", typed: list[str] | None = None, **more: Any) -> Judgement:
        at = f"2026-01-01T00:00:{next(numbers):02d}+00:00"
        uid = more.pop("uid", uuid.uuid4().hex)
        return Judgement(texts[row_id], row_id, who, at, labels[row_id], lane=lane, typed=typed, uid=uid, **more)

    def undo(row_id: str, uid: str) -> Judgement:
        return Judgement(texts[row_id], row_id, "kim", "2026-01-02", uid=uuid.uuid4().hex, lane="triage", undoes=uid)

    null, triaged, taken_back, audited, sound, changed = blind[:6]
    log = [
        said(null, "blind"),
        said(triaged, "triage"),
        said(triaged, "blind", typed=["city"]),  # kim had read the label in triage
        said(triaged, "blind", "lee", typed=["spring"]),  # lee had not
        said(taken_back, "triage", uid="t" * 32),
        undo(taken_back, "t" * 32),
        said(taken_back, "blind", typed=["city"]),  # taking back makes nobody forget
        said(audited, "audit", uid="e" * 32),
        said(sound, "blind", typed=["city", "moon"]),
        said(changed, "blind", typed=["nothing"], uid="c" * 32),
        undo(changed, "c" * 32),
        said(changed, "blind", typed=[*labels[changed]]),  # copied from the label
        said("a0" if "a0" not in blind else "a1", "audit", uid=f"{'0' * 32}:1:kim"),
        said(blind[6], "audit", uid=f"{'0' * 32}:2:kim"),  # in a sheet, which has everything in it
    ]
    stored(job, *log)
    before = work.verdicts_file.read_bytes()
    found = json.loads(command("report", job, "--json").stdout)["review"]
    assert found["recall"]["articles"] == 3  # triaged (by lee), sound, changed
    assert found["recall"]["phrases"] == 4
    assert found["recall"]["strict"]["mean"] == pytest.approx(2 / 4)  # spring; city of two; of three none
    assert found["lanes"] == {"audit": 2, "blind": 3, "triage": 0, "adjudication": 0}
    assert found["precision"]["articles"] == 2
    assert found["left_out"] == 5
    assert work.verdicts_file.read_bytes() == before
    assert summary.of_job(work) == found
    texts_said = {judgement.text_sha256 for judgement in judgements.read(work.verdicts_file)}
    assert len(texts_said) == 8  # all of it is still in force for the labels


def test_figures_leave_out_audits_of_who_had_adjudicated(job: Path) -> None:
    work = work_of(job)
    texts, labels = digests(work), {row["id"]: row["keyphrases"] for row in rows(work, "labels")}
    row_id = next(row_id for row_id in texts if row_id not in blind_ids(job))

    def said(who: str, lane: Lane, right: bool) -> Judgement:
        lists = (labels[row_id], []) if right else ([], labels[row_id])
        return Judgement(texts[row_id], row_id, who, "2026-01-01", *lists, lane=lane, uid=uuid.uuid4().hex)

    stored(job, said("ann", "adjudication", True), said("ann", "audit", True), said("kim", "audit", False))
    found = summary.of_job(work)
    assert found and (found["left_out"], found["lanes"]["audit"]) == (1, 1)
    assert {row["name"]: row["accepted"] for row in found["reviewers"]} == {"ann": None, "kim": 0.0}


def test_a_log_of_before_is_gone_on_with(job: Path) -> None:
    """Its readers see no blind label again, and nobody is asked for what was said blind; what was not is asked of others."""
    work, blind = work_of(job), sorted(blind_ids(job))
    texts, labels = digests(work), {row["id"]: row["keyphrases"] for row in rows(work, "labels")}
    null, triaged, sound = blind[:3]
    common = {"reviewer": "kim", "at": "2026-01-01"}
    stored(
        job,
        Judgement(texts[null], null, **common, accepted=labels[null], lane="blind", uid="n" * 32),
        Judgement(texts[triaged], triaged, **common, accepted=labels[triaged], lane="triage", uid="t" * 32),
        Judgement(texts[sound], sound, **common, accepted=labels[sound], lane="blind", typed=["x"], uid="s" * 32),
    )
    with ReviewServer(job) as server:
        kim, lee = Reviewer(server, "kim"), Reviewer(server, "lee")
        assert {card["id"] for card in kim.queue("blind")} == set(blind) - {null, triaged, sound}
        assert kim.get("api/queue", lane="blind", n=1)["left"] == len(blind) - 3
        shown = {card["id"]: card["phrases"] for card in lee.queue("blind")}
        assert {null, triaged} <= shown.keys() and sound not in shown
        history = kim.get("api/history", n=9)["judgements"]
        assert {entry["card"]["id"]: entry["card"]["blind"] for entry in history} == {
            sound: False, triaged: True, null: True,
        }  # fmt: skip
