"""Refusals by limits: which are one article's, in whatever words; what people hear who wait; limits that take hours."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from pipeline.core.errors import Paused
from pipeline.label.engine.limit_refusals import LimitRefusals
from pipeline.label.engine.monitor import EventLog, Monitor
from tests.conftest import JobMaker, rows, run
from tests.openai_server import Server, completion
from tests.test_endpoints import is_marked, labelled, openai
from tests.virtual_time import Endpoint, Load

ODD = openai("Nope, not that one, not now", "odd", "odd")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for hundredths of what people wait for."""
    monkeypatch.setattr("pipeline.label.pacing.admission.DOUBTED_SECONDS", 0.2)
    monkeypatch.setattr("pipeline.label.pacing.admission.LULL_SECONDS", 0.05)
    monkeypatch.setattr("pipeline.label.pacing.admission.PAUSES", (0.02, 0.1))
    monkeypatch.setattr("pipeline.label.engine.limit_refusals.SHORTEST", 0.02)
    monkeypatch.setattr("pipeline.label.engine.limit_refusals.LONGEST", 0.1)
    monkeypatch.setattr("pipeline.label.engine.limit_refusals.SILENCE", 1.0)
    monkeypatch.setattr("pipeline.label.engine.retries.OTHERS_SECONDS", 0.05)
    monkeypatch.setattr("pipeline.label.engine.retries._backoff", lambda state: 0.05)


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("marked", [0, 10, 29])
@pytest.mark.parametrize(
    ("status", "headers"),
    [(429, {}), (429, {"Retry-After": "60"}), (429, {"Retry-After": "10800"}), (429, {"retry-after-ms": "300"}),
     (503, {"Retry-After": "60"}), (529, {})],
)  # fmt: skip
def test_an_article_that_is_always_refused_stops_no_other(
    make_job: JobMaker, server: Server, status: int, headers: dict[str, str], marked: int
) -> None:
    if marked == 29 and float(headers.get("Retry-After", 0)) >= 60:
        pytest.skip("nothing is left to ask that could tell, so what the endpoint asks for is waited for")
    asked: list[int] = []

    def script(body: dict[str, Any], times: int) -> Any:
        if not is_marked(body):
            return 200, completion(body, "city; public"), {}
        asked.append(1)
        return status, ODD, headers

    server.script = script
    work = run(labelled(make_job, server, marked=[marked]), last="clean")
    assert len(rows(work, "labels")) == 29
    [rejected] = rows(work, "labels", rejected=True)
    reason = ("request_rejected", "refused_alone") if status == 429 else ("request_failed", f"http_{status}")
    assert rejected["id"] == f"a{marked}" and rejected["reason"] == reason[0] and reason[1] in rejected["detail"]
    assert len(asked) <= 70  # with pauses of a fiftieth


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_several_that_are_always_refused_stop_no_other(make_job: JobMaker, server: Server) -> None:
    server.script = lambda body, times: (429, ODD, {}) if is_marked(body) else (200, completion(body, "city"), {})
    work = run(labelled(make_job, server, count=40, marked=range(5, 9)), last="clean")
    assert len(rows(work, "labels")) == 36
    assert {row["reason"] for row in rows(work, "labels", rejected=True)} == {"request_rejected"}


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_one_that_is_refused_by_bad_luck_is_labelled_in_the_end(make_job: JobMaker, server: Server) -> None:
    refused: list[int] = []

    def script(body: dict[str, Any], times: int) -> Any:
        if is_marked(body) and len(refused) < 4:
            refused.append(1)
            return 429, ODD, {}
        return 200, completion(body, "city; public"), {}

    server.script = script
    assert len(rows(run(labelled(make_job, server, marked=[10]), last="clean"), "labels")) == 30


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_a_limit_that_refuses_everybody_is_nobodys_fault(
    make_job: JobMaker, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lets eight through, refuses all for two seconds (as others do for a minute), and lets the rest through."""
    monkeypatch.setattr("pipeline.label.engine.limit_refusals.SILENCE", 2.5)
    since: list[float] = []

    def script(body: dict[str, Any], times: int) -> Any:
        if sum(server.answered.values()) >= 8 and time.monotonic() - (since or [time.monotonic()])[0] < 2:
            since.append(time.monotonic())
            return 429, ODD, {}
        return 200, completion(body, "city; public"), {}

    server.script = script
    work = run(labelled(make_job, server, marked=[]), last="clean")
    assert len(rows(work, "labels")) == 30 and since


def test_a_request_that_is_refused_like_others_is_never_at_fault() -> None:
    history = LimitRefusals()
    for now in range(0, 70, 10):
        history.add(now, others_are_answered=False, is_alone=True)
        assert not history.is_its_own("requests", has_company=False)
    history.add(80, others_are_answered=False, is_alone=True)
    assert history.is_its_own("requests", has_company=False)  # a whole minute of silence and more
    assert not history.is_its_own("requests", has_company=True)  # which use up the limit


def test_the_last_article_waits_for_the_minute_to_end(make_job: JobMaker, server: Server) -> None:
    """A limit per minute refuses the last request alone for nearly as long; that is no fault of the article's."""
    history = LimitRefusals()
    for now in (0, 1, 3, 8, 18, 33, 50, 61):
        history.add(now, others_are_answered=False, is_alone=True)
        assert not history.is_its_own("requests", has_company=False)


@pytest.mark.parametrize(("granularity", "most"), [("fixed", 0.01), ("bucket", 0.015), ("minute", 0.045)])
def test_a_long_wait_is_kept_where_it_is_meant_for_everybody(granularity: Any, most: float) -> None:
    """An endpoint that counts by the second and asks for twenty is used all the same."""
    load = Load(Endpoint(granularity=granularity, per_minute=600, retry_after=20.0), seconds=180.0).run()
    assert load.refused < most and load.share > 0.75


# --- limits that take hours ---


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"Retry-After": "10800"}, "Limit reached"),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "3h0m0s"}, "Limit reached"),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2099-01-01T00:00:00Z"}, "Limit reached"),
        ({"X-RateLimit-Reset": "4070908800"}, "Limit reached"),
        ({}, "Limit reached. Please try again in 7h12m0s."),
        ({}, "You have reached your limit of requests per day. It resets at 2099-01-01T00:00:00Z"),
    ],
)
def test_a_limit_that_takes_hours_pauses_the_job_and_says_until_when(
    make_job: JobMaker, server: Server, headers: dict[str, str], message: str
) -> None:
    server.script = lambda body, times: (
        (200, completion(body, "city; public"), {})
        if sum(server.seen.values()) <= 8
        else (429, openai(message, "rate_limit_exceeded"), headers)
    )
    path = labelled(make_job, server, marked=[])
    with pytest.raises(Paused, match=r"20\d\d-\d\d-\d\d \d\d:\d\d UTC"):
        run(path, last="clean")
    assert sum(server.seen.values()) < 25
    server.script = None
    assert len(rows(run(path, last="clean"), "labels")) == 30


# --- what people hear ---


@pytest.mark.slow
def test_who_waits_for_a_limit_sees_the_endpoints_own_words(
    make_job: JobMaker, server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pipeline.label.engine.monitor._PATIENT_SECONDS", 0.3)
    monkeypatch.setattr("pipeline.label.engine.online._HOUSEKEEPING_SECONDS", 0.1)
    key = "sk-secret-0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    words = f"Tokens of today\nare \x1b[31mscarce for {key}; " + "look at https://example.org/limits " * 9
    server.script = lambda body, times: (
        (200, completion(body, "city; public"), {})
        if sum(server.seen.values()) > 8
        else (429, openai(words, "rate_limit_exceeded"), {})
    )
    with caplog.at_level(logging.INFO, "labelmill.progress"):
        run(labelled(make_job, server, marked=[], api_key="${OPENAI_API_KEY}"), last="label")
    line, *_ = [record.message for record in caplog.records if "waiting" in record.message]
    assert "HTTP 429 rate_limit_exceeded: Tokens of today are [31mscarce for [key]" in line
    assert "\n" not in line and "\x1b" not in line and key not in line and len(line) < 300


def test_words_are_shown_only_as_long_as_somebody_waits(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.label.engine.monitor._PATIENT_SECONDS", 0.0)
    from tqdm import tqdm

    from pipeline.core.types import Reply

    bar = tqdm(total=3, disable=True)
    monitor = Monitor(bar, EventLog(tmp_path / "events.jsonl"))
    assert "waiting" not in monitor._line(0.0, 0.0, 0, 0.0)
    monitor.refusal("HTTP 429: come back")
    assert monitor._line(0.0, 0.0, 0, 12.0).startswith("waiting 12 s: HTTP 429: come back; ")
    monitor.answer(Reply("a"), 0.0)
    assert "come back" not in monitor._line(0.0, 0.0, 0, 0.0)
