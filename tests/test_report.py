"""The report: what it counts, what it draws, what it says where little is known, and that no article's text becomes markup."""

from __future__ import annotations

import json
import shutil
import uuid
import xml.etree.ElementTree as ET
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core import charts
from pipeline.core.errors import InputError
from pipeline.core.text.folding import fold_case
from pipeline.job.workspace import Workspace
from pipeline.report import facts, page, samples, spending, words
from pipeline.report.census import FrequentPhrases, binned, quantiles
from pipeline.review.log import judgements
from pipeline.versions import store
from tests.conftest import QUICKSTART, JobMaker, article, command, rows, run, work_of
from tests.openai_server import Server, completion

HOSTILE = '<script>alert(1)</script> "><img src=x onerror=alert(2)> </style> {{ 7 * 7 }} harbour'


class Tags(HTMLParser):
    """The tags and addresses of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def sound(html: str) -> Tags:
    """The page, which loads nothing and runs nothing."""
    found = Tags(html)
    assert not found.tags.keys() & {"script", "link", "img", "iframe", "object", "form", "base"}
    assert not [name for name, _ in found.attributes if name in ("src", "action") or name.startswith("on")]
    assert all((value or "").startswith("#") for name, value in found.attributes if name == "href")  # within the page
    assert "url(" not in html and "@import" not in html
    charts = [[part.count(f'class="chart{size}"') for size in ("", " narrow")] for part in html.split("<figure")[1:]]
    assert all(
        drawn in ([1, 1], [0, 0]) for drawn in charts
    )  # for a screen and for a phone, or numbers that are all the same
    assert found.tags["svg"] == sum(map(sum, charts)) and (not charts or charts[0] == [1, 1])
    for chart in html.split("<svg")[1:]:
        root = ET.fromstring("<svg" + chart.split("</svg>")[0] + "</svg>")
        assert root.attrib["role"] == "img" and root[0].text
    return found


def share(mean: float, half: float, **more: Any) -> dict[str, Any]:
    return {"mean": mean, "low": mean - half, "high": min(1.0, mean + half), **more}


REVIEW: dict[str, Any] = {
    "population": {"articles": 1204, "phrases": 7800, "absent": 265},
    "precision": share(0.941, 0.02, phrases=801, articles=120, design_effect=1.6, icc=0.1, covers=1.0),
    "needed": {"articles": 23, "half_width": 0.02},
    "strata": [
        {"name": "ko", "articles": 900, "phrases": 6000, "weight": 0.8, "judged_articles": 90, "precision": share(0.95, 0.02)},
        {"name": "en", "articles": 300, "phrases": 1700, "weight": 0.15, "judged_articles": 30, "precision": share(0.9, 0.05)},
        {"name": "fr", "articles": 4, "phrases": 100, "weight": 0.05, "judged_articles": 0, "precision": None},
    ],
    "recall": {"strict": share(0.5, 0.1), "soft": share(0.7, 0.1), "articles": 24, "phrases": 150},
    "absent_rate": 0.034,
    "agreement": {
        "articles": 18, "soft_f1": share(0.91, 0.03), "masi_alpha": 0.78,
        "ac1": {"value": 0.87, "low": 0.8, "high": 0.93, "phrases": 120},
    },
    "anchoring": {"blind": 0.9, "assisted": 0.94, "difference": -0.04, "low": -0.09, "high": 0.01},
    "reviewers": [
        {"name": "kim", "articles": 70, "phrases": 480, "accepted": 0.95, "seconds_median": 11.2, "planted": 14, "caught": 13,
         "catch_rate": share(0.93, 0.1)},
        {"name": "이하늘", "articles": 5, "phrases": 30, "accepted": None, "seconds_median": None, "planted": 0, "caught": 0,
         "catch_rate": None},
    ],
    "reasons": {"generic": 22, "absent": 11}, "lanes": {"audit": 120, "blind": 24}, "skipped": 3, "flagged": 2,
    "published": {"mean": 0.96, "low": 0.945, "high": 0.974, "phrases": 7500},
    "inherited": {"phrases_judged": 7388, "phrases_accepted": 7000, "phrases_open": 412, "articles_open": 300},
}  # fmt: skip
NOTHING_KNOWN = {
    **REVIEW, "precision": None, "needed": None, "recall": None, "agreement": None, "anchoring": None, "reviewers": [],
    "reasons": {}, "strata": [],
}  # fmt: skip


def gathered(path: Path, *overrides: str, **options: Any) -> dict[str, Any]:
    found = facts.gather(work_of(path, *overrides), **options)
    json.dumps(found)
    sound(page.render(found))
    return found


# --- whole reports ---


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "quickstart"
    shutil.copytree(QUICKSTART, folder)
    run(folder / "job.yaml")
    return folder / "job.yaml"


def test_the_command_writes_one_file_that_needs_nothing_else(quickstart: Path, tmp_path: Path) -> None:
    result = command("report", quickstart)
    assert result.returncode == 0, result.stderr
    said, path = result.stdout.splitlines()
    assert said.startswith("70 articles labelled free of charge; nobody has judged")
    assert Path(path) == work_of(quickstart).path / "report.html"
    html = Path(path).read_text("utf-8")
    found = sound(html)
    for expected in (
        said,
        "70 of 88 articles read (79.5%) came through to publish",
        "language not wanted",
        "학생",
    ):
        assert expected in found.text.replace("\u2060", "")
    assert found.tags["article"] == 20
    assert command("report", quickstart, "--output", tmp_path / "r.html", "--seed", "1").returncode == 0
    assert Tags((tmp_path / "r.html").read_text("utf-8")).tags["mark"] > 20


def test_json_is_what_the_page_is_made_of(quickstart: Path) -> None:
    found = json.loads(command("report", quickstart, "--json").stdout)
    labels = rows(work_of(quickstart), "labels")
    assert found["labels"]["count"] == len(labels) == found["articles"]["count"]
    assert found["labels"]["phrases"] == sum(len(row["keyphrases"]) for row in labels)
    assert found["labels"]["tiers"] == dict(Counter(tier for row in labels for tier in row["tiers"]))
    forms = Counter(fold_case(phrase) for row in labels for phrase in row["keyphrases"])
    assert [count for _, count in found["labels"]["top"]] == sorted(forms.values(), reverse=True)[:30]
    articles = rows(work_of(quickstart), "filtered")
    languages = {row["name"]: row["articles"] for row in found["articles"]["languages"]}
    assert languages == dict(Counter(row["language"] for row in articles))
    assert sum(row["count"] for row in found["articles"]["lengths"]) == len(articles)
    assert found["comparison"] is None and found["review"] is None and found["quote"] is None
    sections = [
        "verdict",
        "job",
        "funnel",
        "articles",
        "labels",
        "turned_away",
        "review",
        "cost",
        "topics_cost",
        "speed",
        "quote",
        "comparison",
        "versions",
    ]
    assert list(found) == [*sections, "student", "learning", "seed", "samples"]


def test_samples_are_drawn_with_a_seed(quickstart: Path) -> None:
    drawn = [[card["id"] for card in samples.draw(work_of(quickstart), seed)] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 20


# --- states with little in them ---


def test_a_job_that_never_ran_is_one_line(make_job: JobMaker) -> None:
    path = make_job([article(1)])
    result = command("report", path)
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert f"labelmill collect {path}" in result.stderr
    run(path, last="filter")
    assert command("report", path, "--output", path.parent / "r.html").returncode == 0
    assert "labelmill run job.yaml" in (page := (path.parent / "r.html").read_text()) and " JOB" not in page


@pytest.mark.parametrize("last", ["collect", "filter", "label", "clean", "review", "split", "publish"])
def test_a_report_at_every_stage(make_job: JobMaker, last: str) -> None:
    path = make_job([article(n) for n in range(4)])
    run(path, last=last)
    found = gathered(path)
    labelled = last in ("clean", "review", "split", "publish")
    assert found["labels"]["count"] == 4 * labelled == len(found["samples"])
    assert ("nothing is labelled yet" in found["verdict"]) is not labelled
    assert found["articles"]["unit"] == (
        "tokens" if last == "collect" else "characters"
    )  # no filter has counted tokens


def test_a_job_of_no_articles(make_job: JobMaker) -> None:
    path = make_job([article(1)], filters=[{"type": "tokens", "min": 10_000, "max": 20_000}])
    run(path, last="review")
    assert gathered(path)["verdict"] == "1 article collected; nothing is labelled yet."


def test_hostile_text_stays_text(make_job: JobMaker, server: Server) -> None:
    server.script = lambda body, times: (200, completion(body, "<img src=x onerror=alert(2)>; harbour; <b>x</b>"), {})
    hostile = {
        "id": "<i>1</i>",
        "title": HOSTILE,
        "body": f"{HOSTILE} and the city " * 30,
        "url": "javascript:alert(3)",
    }
    path = make_job([hostile, article(2)], label={"provider": "openai", "base_url": server.url, "model": "gpt-6-luna"})
    found = gathered(path) if run(path) else {}
    shown = Tags(page.render(found)).text
    assert "<script>alert(1)</script>" in shown and "{{ 7 * 7 }}" in shown and "<i>1</i>" in shown


def test_one_label_an_article(make_job: JobMaker, server: Server) -> None:
    server.script = lambda body, times: (200, completion(body, "Harbours"), {})
    label = {"provider": "openai", "base_url": server.url, "task": "topic", "prices": {"*": {"input": 1, "output": 2}}}
    path = make_job([article(n) for n in range(5)], label=label)
    run(path)
    found = gathered(path)
    assert found["labels"]["top"] == [("Harbours", 5)]
    assert (found["labels"]["tiers"], found["labels"]["absent_rate"]) == ({}, None)
    assert found["cost"]["usd"] > 0 and found["cost"]["by_model"][0]["answers"] == 5
    assert found["speed"]["articles_per_second"] > 0 and len(found["speed"]["runs"]) == 1
    assert f"5 articles labelled for {words.dollars(found['cost']['usd'])}" in found["verdict"]
    assert "The most common label, Harbours, is that of 100% of the articles." in page.render(found)


def test_the_cost_is_that_of_the_labels_with_the_ledger_s_beside_it(make_job: JobMaker, server: Server) -> None:
    server.models = ("m-1", "m-2")
    prices = {"m-1": {"input": 100, "output": 500}, "m-2": {"input": 200, "output": 1000}}  # 0.02 and 0.04 a reply
    label = {"provider": "openai", "base_url": server.url, "model": "m-1", "prices": prices}
    path = make_job([article(n) for n in range(5)], label=label)
    run(path, last="clean")
    assert "5 articles labelled for $0.10; " in gathered(path)["verdict"]
    work = run(path, "label.model=m-2", last="clean")
    found = facts.gather(work, None, 0)
    assert (found["cost"]["labels_usd"], found["cost"]["usd"]) == (pytest.approx(0.2), pytest.approx(0.3))
    assert found["cost"]["per_1000"] == pytest.approx(40)
    assert "5 articles labelled for $0.20 ($0.30 with all that was ever asked); " in found["verdict"]
    shown = Tags(page.render(found)).text
    assert "$40.00 for 1,000 labels; $0.30 with all that was ever asked" in shown
    assert "$0.20 of it for the labels at hand, $40.00 for 1,000 labels." in shown


def test_an_unknown_price_is_never_nothing(make_job: JobMaker, server: Server) -> None:
    server.models = ("m-1",)
    path = make_job([article(1)], label={"provider": "openai", "base_url": server.url, "model": "m-1"})
    run(path)
    found = gathered(path)
    assert "at a price not known" in found["verdict"]
    shown = page.render(found)
    assert "unknown price" in shown and "$0.00" not in shown


def test_labels_of_another_task_are_said(make_job: JobMaker) -> None:
    path = make_job([article(1)])
    run(path)
    result = command("report", path, "--set", "label.provider=openai", "--set", "label.task=topic")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "of another task" in result.stderr


# --- review ---


def test_what_people_found(quickstart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts.summary, "of_job", lambda work: REVIEW)
    found = gathered(quickstart)
    shown = Tags(page.render(found)).text.replace("\u2060", "")
    for expected in (
        "94.1% of the labeller's phrases were accepted (95%: 92.1–96.1%, 120 articles judged)",
        "of those that review left, 96.0% are right (95%: 94.5–97.4%)",
        "with about 23 more articles the interval is about ±2 points", "Not judged yet: fr.",
        "Of 14 planted wrong phrases 13 were caught",
        "−4.0", "412 have none", "recall, soft",
    ):  # fmt: skip
        assert expected in shown, expected
    some = {**REVIEW, "precision": REVIEW["precision"] | {"covers": 0.684}}
    monkeypatch.setattr(facts.summary, "of_job", lambda work: some)
    shown = Tags(page.render(gathered(quickstart))).text
    for expected in ("which speaks for 68.4% of them", "accepted of 68.4%", "They speak for 68.4% of all phrases"):
        assert expected in shown, expected
    monkeypatch.setattr(facts.summary, "of_job", lambda work: NOTHING_KNOWN)
    assert "nobody has judged a random sample" in gathered(quickstart)["verdict"]


# --- comparison ---


def test_flags_and_notes_and_what_was_rejected_most(quickstart: Path) -> None:
    work = work_of(quickstart)
    one, two = rows(work, "labels")[:2]
    with judgements.JudgementLog(work.verdicts_file) as log:
        for row, note in ((one, "<b>half of a name</b>"), (two, "")):
            about = {"text_sha256": row["text_sha256"], "id": row["id"], "reviewer": "kim", "at": judgements.now()}
            log.add(
                [
                    judgements.Judgement(
                        **about,
                        uid=uuid.uuid4().hex,
                        accepted=row["keyphrases"],
                        rejected=["shared"],
                        note=note,
                        flagged=True,
                    )
                ]
            )
    try:
        found = gathered(quickstart)
        assert [note["note"] for note in found["review"]["notes"]] == ["", "<b>half of a name</b>"]
        assert found["review"]["rejected_most"] == [["shared", 2]]
        html = page.render(found)
        shown = sound(html)
        assert "<b>half of a name</b>" in shown.text and "&lt;b&gt;half of a name" in html
        assert found["review"]["notes"][0]["title"] and found["review"]["notes"][0]["title"] in shown.text
        assert "Phrases that were rejected most" in shown.text
    finally:
        work.verdicts_file.unlink()


def test_a_report_against_a_version(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(6)])
    work = run(path, "clean.max_phrases=5")
    before = {row["id"]: row["keyphrases"] for row in rows(work, "labels")}
    make_job([article(n) for n in range(1, 8)])
    after = {row["id"]: row["keyphrases"] for row in rows(run(path, "clean.max_phrases=3", last="split"), "labels")}
    for options in ({}, {"against": "1.0.0"}):
        found = gathered(path, "clean.max_phrases=3", **options)["comparison"]
        assert (found["name"], found["both"], found["only_then"], found["only_now"]) == ("1.0.0", 5, 1, 2)
        lost = [set(before[i]) - set(after[i]) for i in before.keys() & after.keys()]
        came = [set(after[i]) - set(before[i]) for i in before.keys() & after.keys()]
        assert found["phrases_removed"] == sum(map(len, lost)) == sum(n for _, n in found["top_removed"])
        assert found["phrases_added"] == sum(map(len, came))
        assert found["changed"] == sum(bool(a or b) for a, b in zip(lost, came, strict=True)) == len(found["examples"])
        assert found["then"]["mean_phrases"] == np.mean([len(label) for label in before.values()])
        assert 0 < found["soft_f1"]["low"] <= found["soft_f1"]["mean"] < 1


def test_labels_that_were_just_published_are_compared_with_those_before(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(3)])
    run(path)
    assert gathered(path)["comparison"] is None
    run(path, "clean.max_phrases=2")
    assert gathered(path, "clean.max_phrases=2")["comparison"]["name"] == "1.0.0"
    same = gathered(path, "clean.max_phrases=2", against="2.0.0")["comparison"]
    assert (same["changed"], same["soft_f1"]["mean"], same["examples"]) == (0, 1.0, [])


def test_a_report_against_another_job(make_job: JobMaker, tmp_path: Path) -> None:
    first = make_job([article(n) for n in range(4)], name="first").rename(tmp_path / "first.yaml")
    run(first)
    path = make_job(clean={"max_phrases": 2})
    run(path)
    found = gathered(path, against=str(first))["comparison"]
    assert (found["kind"], found["both"], found["now"]["per_label"]) == ("job", 4, {"2": 4})
    for wrong in ("9.9.9", "nowhere.yaml"):
        with pytest.raises(InputError, match=wrong):
            facts.gather(work_of(path), wrong)


# --- parts ---


def test_frequent_phrases_in_bounded_memory() -> None:
    random, exact, bounded = np.random.default_rng(0), Counter[str](), FrequentPhrases(50)
    for _ in range(40):
        part = Counter(f"P{n}" for n in random.zipf(1.4, 200) if n < 10**6)
        exact.update(part)
        bounded.add(part.items())
    assert len(bounded._counts) <= 50
    for phrase, count in bounded.top(10):
        assert exact[phrase] - bounded.missed <= count <= exact[phrase]
    assert bounded.top(1)[0][0] == exact.most_common(1)[0][0]


@given(st.dictionaries(st.integers(0, 10**7), st.integers(1, 1000), min_size=1))
def test_histograms_lose_nothing(counts: dict[int, int]) -> None:
    bins = binned(Counter(counts))
    assert 1 <= len(bins) <= 20
    assert sum(row["count"] or 0 for row in bins) == sum(counts.values())
    for number, count in enumerate(row["count"] for row in bins):
        low, high = bins[number]["from"], bins[number]["to"]
        assert count == sum(n for value, n in counts.items() if value >= (low or 0) and (high is None or value < high))
    values = np.repeat(list(counts), list(counts.values()))
    assert quantiles(Counter(counts), (0.5,)) == [int(np.quantile(values, 0.5, method="inverted_cdf"))]


@settings(max_examples=40)
@given(st.text(), st.lists(st.text(max_size=6), max_size=5))
def test_marking_changes_no_text(text: str, phrases: list[str]) -> None:
    assert "".join(piece for piece, _ in samples.marked(text, phrases)) == text


def test_marks_stand_where_the_phrases_do() -> None:
    text = "서울시는 AI를 쓴다. Paris and art party, PARTY 서울 시."
    pieces = samples.marked(text, ["서울시", "AI", "art", "party", "서울"])
    assert [piece for piece in pieces if piece[1] is not None] == [
        ("서울시", 0), ("AI", 1), ("art", 2), ("party", 3), ("PARTY", 3), ("서울", 4),
    ]  # fmt: skip
    for text in (
        "AI가, 생성형AI와 東京AI研究所のAIです",
        "AI、AIの中国AI的「AI」",
    ):  # only a spaced script makes a word longer
        assert [piece for piece in samples.marked(text, ["AI"]) if piece[1] is not None] == [("AI", 0)] * 4
    assert samples.marked("AI, AIs, HAI, éAI, AIя, AI5", ["AI"])[1:] == [(", AIs, HAI, éAI, AIя, AI5", None)]


@given(st.text(), st.integers(3, 40))
def test_long_names_are_shortened_by_their_width(text: str, most: int) -> None:
    short = charts.shortened(text, most)
    assert charts.text_width(short) <= most or short == text
    assert short == text or short.endswith("…")


def test_charts_are_sound_for_any_name_and_for_nothing() -> None:
    names = [HOSTILE, "한국어 이름이 아주 길어서 줄여야 하는 것", "", "&amp;]]>"]
    for drawn in (
        charts.bars("t", [(name, 1.0, name) for name in names]), charts.bars("", []),
        charts.histogram(HOSTILE, names, [0, 0, 0, 0], names), charts.histogram("t", [], [], []),
        charts.paired("t", names, [0] * 4, [1, 2, 3, 4]), charts.sparkline("t", [], "", ""), charts.sparkline("t", [1], "a", "b"),
        charts.funnel("t", [(name, 0, 0, 0) for name in names]), charts.funnel("t", []),
        charts.stacked("t", [(name, 0, "bar") for name in names]), charts.stacked("t", []),
        charts.forest("t", [(name, 1.0, 0.0, 1.0, name) for name in names], 1.0), charts.forest("t", []),
        charts.ranged("t", 0, 0, 0, ("a", "b", "c")),
    ):  # fmt: skip
        root = ET.fromstring(drawn)
        assert root.tag.endswith("svg") and not [tag for tag in root.iter() if tag.tag.endswith("script")]
        assert "nan" not in drawn and "inf" not in drawn


def test_a_quote_is_held_against_what_came(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    told = {"articles": 9, "sampled": 5, "paid_usd": 1.0, "rest_usd": [1.0, 2.0], "input_usd": 1, "most_usd": 9}
    (tmp_path / "quote.json").write_text(json.dumps({**told, "rest_seconds": [10, 20]}))
    events: list[tuple[str, int, dict[str, Any]]] = [
        ("started", 0, {}),
        ("progress", 30, {"requests_per_second": 3.0}),
        ("finished", 40, {"answered": 90}),
        ("started", 50, {}),
        ("finished", 51, {"answered": 0}),
        ("started", 55, {}),
        ("stopped", 59, {"why": "no money"}),
    ]
    lines = [
        json.dumps({"time": f"2099-01-01T00:00:{s:02d}+00:00", "event": event, **more}) for event, s, more in events
    ]
    log.write_text("\n".join([*lines, '{"time": "torn']))
    runs = spending.runs(log)
    assert [(run["seconds"], run["answered"], run["line"]) for run in runs] == [(40.0, 90, [3.0])]
    found = spending.quote(tmp_path / "quote.json", 2.5, runs)
    assert found and (found["low_usd"], found["high_usd"], found["within"], found["took_seconds"]) == (
        2.0,
        3.0,
        True,
        40.0,
    )
    (tmp_path / "quote.json").write_text(json.dumps({**told, "rest_usd": None, "most_usd": None, "rest_seconds": None}))
    unpriced = spending.quote(tmp_path / "quote.json", 2.5, runs)
    assert unpriced and (unpriced["within"], unpriced["said"]) == (None, None)


def test_the_server_gets_the_page_as_a_function(quickstart: Path) -> None:
    work: Workspace = work_of(quickstart)
    assert sound(page.html(work)).tags["section"] >= 5
    assert store.latest(work.versions)
