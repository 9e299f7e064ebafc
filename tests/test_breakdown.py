"""Precision by source and over time, and where two reviewers differ: from judgements to the report."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.metrics.intervals import clustered_share
from pipeline.report import facts, page
from pipeline.review.log import judgements
from pipeline.review.statistics.counting import Population, SourcePart
from pipeline.review.statistics.figures import everything, figures
from tests.conftest import JobMaker, article, rows, run, work_of, write_jsonl
from tests.test_figures import LABELS, A, B, C, D, population, said


def of_two_sources() -> Population:
    """The articles A and B are of `one.kr`, C and D of `two.kr`."""
    sources = {A: "one.kr", B: "one.kr", C: "two.kr", D: "two.kr"}
    parts = [SourcePart("one.kr", "all", 2, 5), SourcePart("two.kr", "all", 2, 3)]
    return replace(population(), sources=parts, source_of=sources.get)


def test_each_source_has_a_precision_of_its_own() -> None:
    log = [said(A, "rates", "Bank"), said(B, "harbour,city,spring"), said(C, "", "tax")]
    one, two = figures(log, of_two_sources())["sources"]
    assert (one["name"], one["articles"], one["judged_articles"]) == ("one.kr", 2, 2)
    assert one["precision"]["mean"] == pytest.approx(4 / 5)
    expected = clustered_share([1, 3], [2, 3], 2).interval()
    assert {end: one["precision"][end] for end in expected} == expected
    assert (two["name"], two["judged_articles"], two["precision"]["mean"]) == ("two.kr", 1, 0.0)


def test_one_source_is_no_breakdown_and_one_that_nobody_judged_has_none() -> None:
    log = [said(A, "rates,Bank")]
    assert figures(log, population())["sources"] == []
    assert [row["precision"] is None for row in figures(log, of_two_sources())["sources"]] == [False, True]


def at(when: str, text: str, right: str = "", wrong: str = "", who: str = "kim") -> judgements.Judgement:
    return replace(said(text, right, wrong, who), at=when)


def test_over_time_is_by_when_an_article_was_first_judged() -> None:
    log = [
        at("2026-03-01T08:00:00Z", A, "rates", "Bank"),
        at("2026-03-02T08:00:00Z", B, "harbour,city,spring"),
        at("2026-03-02T09:00:00Z", C, "tax"),
        at("2026-03-09T09:00:00Z", A, "rates,Bank"),  # said anew; it was judged on the first of March
    ]
    first, second = figures(log, population())["periods"]
    assert (first["name"], first["judged_articles"], first["precision"]["mean"]) == ("2026-03-01", 1, 1.0)
    assert (second["name"], second["judged_articles"], second["precision"]["mean"]) == ("2026-03-02", 2, 1.0)
    assert figures(log[:1], population())["periods"] == []
    unreadable = [at("someday", A, "rates,Bank"), *log[1:3]]
    assert figures(unreadable, population())["periods"] == []  # one day that is known


@pytest.mark.parametrize(
    ("days", "names"),
    [(1, ["2026-01-01", "2026-01-02"]), (7, ["2026-W01", "2026-W02"]), (31, ["2026-01", "2026-02"])],
)
def test_a_period_is_what_makes_a_dozen_at_most(days: int, names: list[str]) -> None:
    count = {1: 12, 7: 70, 31: 300}[days]
    labels = {f"{number:064x}": ["x"] for number in range(count)}
    log = [
        at(f"{date(2026, 1, 1) + timedelta(days=number)}T00:00:00Z", text, "x") for number, text in enumerate(labels)
    ]
    periods = figures(log, population(labels))["periods"]
    assert [row["name"] for row in periods][:2] == names and len(periods) <= 12
    assert sum(row["judged_articles"] for row in periods) == count


def test_differences_are_what_two_say_of_the_same_phrases() -> None:
    log = [
        said(A, "rates,Bank"),
        said(A, "rates", "Bank", who="lee", added=["Bank of Korea"]),
        said(B, "harbour,city,spring"),
        said(B, "harbour,city,spring", who="lee"),
    ]
    [row] = everything(log, population())["differences"]
    assert (row["id"], row["reviewers"]) == ("a", ["kim", "lee"])
    assert row["phrases"] == [
        {"phrase": "Bank", "verdicts": ["accepted", "rejected"]},
        {"phrase": "Bank of Korea", "verdicts": [None, "added"]},
    ]
    settled = [*log, said(A, "rates,Bank", who="choi", lane="adjudication")]
    assert everything(settled, population())["differences"] == []
    assert "differences" not in figures(log, population())  # which reviewers may read while they judge
    assert LABELS[A] == ["rates", "Bank"]


def test_the_report_shows_sources_time_and_differences_by_title(make_job: JobMaker, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "more.jsonl", [article(n) for n in range(4, 8)])
    columns = {"columns": {"text": "body"}}
    sources = [{"type": "files", "path": f"{name}.jsonl", **columns} for name in ("articles", "more")]
    path = make_job([article(n) for n in range(4)], sources=sources, review={"blind": 0, "overlap": 1})
    work = run(path, last="review")
    labels = rows(work, "labels")
    assert len(labels) == 8
    with judgements.JudgementLog(work.verdicts_file) as log:
        for number, row in enumerate(labels):
            phrases, day = row["keyphrases"], f"2026-02-0{1 + number % 3}"
            about: dict[str, Any] = {"text_sha256": row["text_sha256"], "id": row["id"], "at": f"{day}T00:00:00Z"}
            log.add([judgements.Judgement(**about, reviewer="kim", accepted=phrases[1:], rejected=phrases[:1])])
        log.add([judgements.Judgement(**about, reviewer="lee", accepted=phrases)])
    gathered = facts.gather(work_of(path))
    review = gathered["review"]
    assert {row["judged_articles"] for row in review["sources"]} == {4} and len(review["periods"]) == 3
    html = page.render(gathered)
    for expected in ("Where reviewers differ", "by source", "over time", "✗ kim", "✓ lee"):
        assert expected in html, expected
    assert f'<td rowspan="1">{review["differences"][0]["title"]}</td>' in html
    hidden = facts.gather_for_reviewers(work_of(path), figures(judgements.records(work.verdicts_file), population()))
    assert hidden["review"]["differences"] == []
