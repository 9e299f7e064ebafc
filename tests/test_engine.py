"""What the engine does about money, quality, long articles, faults and hangs: over real HTTP."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest

from pipeline.commands import quote as quote_command
from pipeline.core.contracts import Provider
from pipeline.core.errors import ConfigError, FailureKind, Paused
from pipeline.core.text.tokens import encoding_counter
from pipeline.core.types import ModelInfo, Usage
from pipeline.job.job_file import load_job
from pipeline.job.label_options import Price
from pipeline.job.workspace import Workspace
from pipeline.label.cost.prices import Prices
from pipeline.label.engine import preflight
from pipeline.label.engine.failure_policy import POLICIES
from pipeline.label.ledger import open_ledger
from pipeline.label.openai_api.error_body import ErrorBody
from pipeline.label.openai_api.failures import RULES, failure_of
from tests.conftest import ROOT, JobMaker, article, command, rows, run, stage
from tests.openai_server import Server, completion, keyphrases
from tests.test_label import error, openai_job

PRICE = (100 * 0.10 + 20 * 0.50) / 1e6  # of one reply of the test server
MARK = "harbour3x"


def replies(text: str | None, finish: str = "stop", times: int = 1) -> Any:
    """The articles that are marked get this reply so many times, the others a good one."""
    return lambda body, time: (
        (200, completion(body, text, finish), {})
        if MARK in body["messages"][-1]["content"] and time <= times
        else (200, completion(body, keyphrases(body)), {})
    )


def records(work: Workspace) -> list[dict[str, Any]]:
    ledger = open_ledger(work.ledger_target, "test")
    path = work.path / "export.parquet"
    ledger.export(path)
    ledger.close()
    import pyarrow.parquet as pq

    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def events(work: Workspace) -> Counter[str]:
    return Counter(json.loads(line)["event"] for line in work.events_file.read_text().splitlines())


@pytest.mark.parametrize(
    ("text", "finish", "why"),
    [
        ("", "stop", "empty"),
        ("I'm sorry, I can't help with that.", "stop", "refusal"),
        ("Harbour; ci", "length", "truncated"),
        ("", "content_filter", "content_filter"),
    ],
)
def test_a_reply_without_a_label_is_asked_once_more(
    make_job: JobMaker, server: Server, text: str, finish: str, why: str
) -> None:
    server.script = replies(text, finish)
    path = openai_job(make_job, server, 6)
    work = run(path, last="clean")
    assert sum(server.seen.values()) == 7
    [again] = [row for row in records(work) if row["ask"] == 2]
    assert again["reason"] == why
    assert len(rows(work, "labels")) == 6
    assert events(work)["asked_again"] == 1
    run(path, last="clean")
    assert sum(server.seen.values()) == 7
    assert f"asked again: {why}  1" in command("ledger", path).stdout


def test_asking_again_ends(make_job: JobMaker, server: Server) -> None:
    server.script = replies("", times=99)
    path = openai_job(make_job, server, 5, reask=3)
    work = run(path, last="clean")
    assert sum(server.seen.values()) == 5 + 3
    [rejected] = rows(work, "labels", rejected=True)
    assert (rejected["reason"], rejected["detail"]) == ("empty", "finish_reason=stop asked 4 times")
    assert run(openai_job(make_job, server, 5, reask=3, limits={"concurrency": 2}), last="clean")
    assert sum(server.seen.values()) == 8


def test_the_first_good_reply_of_several_makes_the_label(make_job: JobMaker, server: Server) -> None:
    server.script = lambda body, times: (
        (200, completion(body, "The harbour3x0; city", "length") if times == 1 else completion(body, None), {})
        if MARK in body["messages"][-1]["content"]
        else None
    )
    work = run(openai_job(make_job, server, 5), last="clean")
    assert "harbour3x0" in " ".join(rows(work, "labels")[3]["keyphrases"])


# --- money ---


def test_a_budget_is_never_passed_and_raising_it_goes_on(make_job: JobMaker, server: Server) -> None:
    budget = 50 * PRICE
    path = openai_job(make_job, server, 100, budget_usd=budget, limits={"concurrency": 8})
    with pytest.raises(Paused, match=r"the budget of \$0.0010 is reached"):
        run(path)
    paid = sum(server.answered.values()) * PRICE
    assert 0.8 * budget < paid <= budget
    assert command("run", path).returncode == 3
    assert sum(server.answered.values()) * PRICE == paid
    assert stage(run(path, "label.budget_usd=1"), "label")["kept"] == 100
    assert sum(server.answered.values()) == 100


def test_attempts_whose_reply_never_arrives_count_against_the_budget(make_job: JobMaker, server: Server) -> None:
    """They may be billed: each of them, not each article."""
    server.script = lambda body, times: (200, "not JSON", {})
    budget = 50 * PRICE
    path = openai_job(make_job, server, 20, budget_usd=budget, limits={"concurrency": 4})
    with pytest.raises(Paused, match="is reached"):
        work = run(path)
    work = Workspace(load_job(path))
    money = open_ledger(work.ledger_target, "test").report.spending()
    assert money.lost_requests == sum(server.seen.values()) > 20 / 12
    assert 0.5 * budget < money.lost <= budget and not money.reserved
    assert f"{money.lost_requests} requests were sent whose reply never arrived" in command("ledger", path).stdout


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ({"parameters": {}}, "needs label.parameters.max_output_tokens"),
        ({"model": "nobody-knows"}, "the price of 'nobody-knows' is not known"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused(
    make_job: JobMaker, server: Server, label: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        run(openai_job(make_job, server, 1, budget_usd=1.0, **label))
    assert not server.seen


def test_prices() -> None:
    own = {"mine-*": {"input": 1.0, "output": 10.0, "cached_input": 0.1, "cache_write": 2.0, "flex": 0.25}}
    prices = Prices({name: Price.model_validate(price) for name, price in own.items()})
    usage = Usage(1_000_000, 400_000, 100_000, 100_000)
    assert prices.cost_usd("mine-2", "mine-2", usage) == pytest.approx(0.5 + 0.04 + 0.2 + 1.0)
    assert prices.cost_usd("mine-2", "mine-2", usage, "flex") == pytest.approx(1.74 / 4)
    assert prices.cost_usd(
        "gpt-6-luna-2026-09-01", "gpt-6-luna-2026-09-01", Usage(100_000, 0, 0), "batch"
    ) == pytest.approx(0.005)
    assert prices.cost_usd("unheard-of", "unheard-of", usage) is None
    assert prices.cost_usd("mine-2", "mine-2", Usage()) is None


def test_an_unknown_price_is_said_and_is_not_zero(make_job: JobMaker, server: Server) -> None:
    server.models = ("own-model",)
    path = openai_job(make_job, server, 3, model="own-model")
    work = run(path, last="label")
    assert stage(work, "label")["cost_usd"] is None
    assert "3 at a cost not known" in command("ledger", path).stdout
    priced = openai_job(make_job, server, 4, model="own-model", prices={"own-*": {"input": 1.0, "output": 1.0}})
    run(priced, last="label")
    assert [row["cost_usd"] for row in records(work)].count(pytest.approx(120 / 1e6)) == 1


def test_a_quote_comes_before_anything_is_paid(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server, 60, limits={"requests_per_minute": 600})
    result = command("quote", path, "--json")
    found = json.loads(result.stdout)
    assert not server.seen
    assert (found["articles"], found["to_ask"], found["seconds_at_limits"]) == (60, 60, 6.0)
    run(path, last="label")
    count = encoding_counter("o200k_base", "tiktoken")  # the oracle
    contents = sum(sum(count([message["content"] for message in body["messages"]])) for body in server.bodies)
    assert len(server.bodies) == 60
    assert found["input_tokens"] == contents + 60 * 4 * 3  # two messages, and the reply's start
    assert found["most_usd"] == pytest.approx((found["input_tokens"] * 0.10 + 60 * 128 * 0.50) / 1e6)


def test_a_quote_with_a_sample_keeps_its_labels(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server, 80)
    work = run(path, last="filter")
    found = quote_command.quote(work, sample=30)
    assert sum(server.answered.values()) == 30 == found.sampled
    assert (found.answered, found.to_ask) == (30, 50)
    assert found.rest_usd and found.rest_seconds
    low, high = found.rest_usd
    assert 0.9 * 50 * PRICE < low <= high < 1.1 * 50 * PRICE
    assert low - 1e-9 <= 50 * PRICE <= high + 1e-9
    assert quote_command.quote(work, sample=30).sampled == 30
    assert sum(server.answered.values()) == 30  # the same sample: nothing more was asked
    result = command("run", path, "--to", "label")
    assert sum(server.answered.values()) == 80
    assert "within the quote" in result.stderr


def test_nothing_to_quote(make_job: JobMaker) -> None:
    result = command("quote", make_job([article(1)]))
    assert result.returncode == 2 and "costs nothing" in result.stderr


# --- quality ---


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "I cannot help with that request.", "zeppelin; quasar; walrus tusk"])
def test_the_brake_pauses_before_the_rest_is_paid(make_job: JobMaker, server: Server, text: str) -> None:
    server.script = lambda body, times: (200, completion(body, text), {})
    server.latency = 0.02  # replies come in while others are being stored and judged
    brake = {"window": 40, "share": 0.5}
    path = openai_job(make_job, server, 400, brake=brake, reask=0, limits={"concurrency": 4})
    with pytest.raises(Paused, match="no good") as caught:
        run(path)
    assert str(caught.value).count("\n  a") == 5
    assert 20 < sum(server.seen.values()) < 100
    work = run(path, "label.brake=null", last="label")
    assert sum(server.seen.values()) == 400
    assert stage(work, "label")["notes"] == {"answered": 400}


# --- articles that are too long ---


def too_long(limit: int) -> Any:
    def script(body: dict[str, Any], times: int) -> Any:
        tokens = sum(len(message["content"]) for message in body["messages"]) // 4
        if tokens <= limit:
            return None
        message = f"This model's maximum context length is {limit} tokens. However, your messages resulted in {tokens} tokens."
        return 400, {"error": {"message": message, "type": "invalid_request_error", "code": None}}, {}

    return script


@pytest.mark.parametrize("says", ["when asked", "in its list of models"])
def test_what_does_not_fit_is_rejected_or_cut(
    make_job: JobMaker, server: Server, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    articles = [article(n, words=1600 if n == 3 else 40) for n in range(6)]
    server.script = too_long(1500)
    if says != "when asked":
        server.extra = {"max_model_len": 2000}
    label = {"provider": "openai", "base_url": server.url}
    work = run(make_job(articles, label=label), last="clean")
    assert [(r["id"], r["reason"]) for r in rows(work, "labels", rejected=True)] == [("a3", "request_rejected")]
    asked = sum(server.seen.values())
    assert asked == (6 if says == "when asked" else 5)
    work = run(make_job(articles, name="cut", label={**label, "on_too_long": "truncate"}), last="clean")
    assert len(rows(work, "labels")) == 6
    [cut] = [row for row in records(work) if row["note"]]
    assert re.fullmatch(r"article cut to \d+ of \d+ tokens", cut["note"])
    assert "article_truncated" in rows(work, "labels")[3]["repairs"]


# --- an endpoint that behaves badly ---


def test_what_follows_a_failure_is_what_the_documentation_says() -> None:
    """Row for row: one that is missing, or that no policy has, is a lie to somebody."""
    text = (ROOT / "docs/labelling.md").read_text("utf-8")
    table = text.partition("| kind | what follows |\n|---|---|\n")[2].partition("\n\n")[0]
    names = [f"{kind}, `{code}`" if code else kind for kind, code in POLICIES]
    sentences = [policy.sentence for policy in POLICIES.values()]
    assert table.splitlines() == [f"| {name} | {said} |" for name, said in zip(names, sentences, strict=True)]
    assert {kind for kind, code in POLICIES if code is None} == set(get_args(FailureKind))


def test_every_error_is_of_some_kind_and_one_that_pauses_says_what_to_do() -> None:
    assert all(rule.remedy for rule in RULES if rule.kind == "fatal")
    for status in {*range(1000)} - {200}:
        assert failure_of(status, ErrorBody("no such code"), "", {}).kind in get_args(FailureKind)


def test_a_reply_that_never_comes_is_given_up_and_asked_again(
    make_job: JobMaker, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.label.engine.timeouts.LEAST", 0.3)
    monkeypatch.setattr("pipeline.label.engine.online._HOUSEKEEPING_SECONDS", 0.1)
    server.hang = lambda body, times: MARK in body["messages"][-1]["content"] and times == 1
    work = run(openai_job(make_job, server, 40), last="label")
    assert stage(work, "label")["notes"] == {"answered": 40}
    assert sum(server.seen.values()) == 41
    assert open_ledger(work.ledger_target, "test").report.spending().lost_requests == 1


@pytest.mark.slow
@pytest.mark.parametrize("retry_after", ["0", "-5", "86400", "Wed, 21 Oct 2015 07:28:00 GMT", "soon", "nan"])
def test_a_server_that_lies_about_when_to_come_back(make_job: JobMaker, server: Server, retry_after: str) -> None:
    calls: list[int] = []

    def script(body: Any, times: int) -> Any:
        calls.append(1)
        return error(429, "rate_limit_exceeded", **{"retry-after": retry_after}) if len(calls) in (2, 3) else None

    server.script = script
    work = run(openai_job(make_job, server, 30), last="label")
    assert stage(work, "label")["notes"] == {"answered": 30}
    assert len(calls) < 40


def test_who_waits_in_an_outage_sees_why(
    make_job: JobMaker, server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pipeline.label.pacing.admission.OUTAGE_PAUSES", (0.2,))
    monkeypatch.setattr("pipeline.label.engine.monitor._PATIENT_SECONDS", 0.3)
    monkeypatch.setattr("pipeline.label.engine.online._HOUSEKEEPING_SECONDS", 0.1)
    monkeypatch.setattr("pipeline.label.engine.retries._backoff", lambda state: 0.0)
    path = openai_job(make_job, server, 60, limits={"concurrency": 10})

    def script(body: Any, times: int) -> Any:
        told = any("waiting" in message for message in caplog.messages)
        return (200, "<html>back soon</html>", {}) if 20 < sum(server.seen.values()) < 150 and not told else None

    server.script = script
    with caplog.at_level("INFO", "labelmill.progress"):
        work = run(path, last="label")
    assert stage(work, "label")["notes"] == {"answered": 60}
    line, *_ = [message for message in caplog.messages if "waiting" in message]
    assert "not a chat completion: <html>back soon</html>; " in line


@pytest.mark.slow
def test_an_outage_is_sat_out(make_job: JobMaker, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.label.pacing.admission.OUTAGE_PAUSES", (0.05,))
    monkeypatch.setattr("pipeline.label.engine.retries._backoff", lambda state: 0.0)
    calls: list[int] = []

    def script(body: Any, times: int) -> Any:
        calls.append(1)
        return error(503) if 30 < len(calls) < 90 else None

    server.script = script
    work = run(openai_job(make_job, server, 100, limits={"concurrency": 10}), last="label")
    assert stage(work, "label")["notes"] == {"answered": 100}  # 60 failures in a row used up nobody's attempts


def test_an_outage_that_does_not_end_pauses_the_job(
    make_job: JobMaker, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.label.pacing.admission.OUTAGE_PAUSES", (0.05,))
    monkeypatch.setattr("pipeline.label.pacing.admission.MAX_FIRST_SILENCE", 0.5)
    monkeypatch.setattr("pipeline.label.engine.retries._backoff", lambda state: 0.0)
    server.script = lambda body, times: (502, "<html>bad gateway</html>", {})
    with pytest.raises(Paused, match="no usable answer"):
        run(openai_job(make_job, server, 100))
    assert sum(server.seen.values()) < 60


def test_words_of_an_endpoint_do_not_reach_the_terminals_controls(make_job: JobMaker, server: Server) -> None:
    server.script = lambda body, times: (400, "<html>\x1b]0;title\x07\x1b[2Jbad\rgateway</html>", {})
    path = openai_job(make_job, server, 30)
    told = command("run", path)
    assert told.returncode == 3 and "2Jbad gateway" in told.stderr
    paused = command("status", path).stdout
    assert "2Jbad gateway" in paused and "where it stopped; the same command" not in paused
    assert not {"\x1b", "\x07", "\r"} & {*told.stderr, *paused}


def test_requests_that_get_no_answer_end_with_why(
    make_job: JobMaker, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too few for an outage, so each is given up by itself."""
    monkeypatch.setattr("pipeline.label.engine.retries._backoff", lambda state: 0.0)
    server.script = lambda body, times: (200, "<html>bad gateway</html>", {})
    path = openai_job(make_job, server, 5)
    run(path, last="filter")
    result = command("label", path)
    assert (
        "5 requests got no answer (broken_reply: not a chat completion: <html>bad gateway</html>); the same command"
        in result.stderr
    )


# --- before the first request ---


class _Provider(Provider):
    base_url = "https://api.openai.com/v1"
    identity: Any = None

    def __init__(self, model: str) -> None:
        self.model = model


@pytest.mark.parametrize(
    ("model", "offered", "said"),
    [
        ("gpt-6-lune", [ModelInfo("gpt-6-luna")], "did you mean 'gpt-6-luna'?"),
        ("gpt-3.5-turbo", [ModelInfo("gpt-6-luna")], "retired on 2026-10-23"),
        ("old", [ModelInfo("old", "2026-01-31")], "was shut down on 2026-01-31"),
    ],
)
def test_a_model_that_cannot_be_had(model: str, offered: list[ModelInfo], said: str) -> None:
    with pytest.raises(Paused, match=re.escape(said)):
        preflight.examine(_Provider(model), offered)


def test_preflight_pays_nothing(make_job: JobMaker, server: Server) -> None:
    server.models = ("gpt-6-luna-mini", "gpt-6-terra")
    path = openai_job(make_job, server, 5)
    result = command("run", path)
    assert result.returncode == 3
    assert "does not offer 'gpt-6-luna' (did you mean 'gpt-6-luna-mini'?)" in result.stderr
    assert not server.seen


def test_a_job_that_is_done_needs_neither_key_nor_endpoint(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server, 5)
    run(path)
    server.script = lambda body, times: error(401, "invalid_api_key")
    server.models = ()
    result = command("run", path)
    assert result.returncode == 0, result.stderr


def test_events_tell_the_story(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    server.script = lambda body, times: error(500) if times == 1 and MARK in body["messages"][-1]["content"] else None
    work = run(openai_job(make_job, server, 5), last="label")
    found = [json.loads(line) for line in work.events_file.read_text().splitlines()]
    assert [event["event"] for event in found] == ["started", "preflight", "attempt_failed", "finished"]
    assert (found[2]["id"], found[2]["code"]) == ("a3", "http_500")
    assert found[3]["answered"] == 5 and found[3]["retries"] == 1


# --- rejections ---


def test_an_endpoint_that_rejects_everything_rejects_nothing_for_good(make_job: JobMaker, server: Server) -> None:
    server.script = lambda body, times: error(400)
    path = openai_job(make_job, server, 60)
    with pytest.raises(Paused, match="20 requests in a row"):
        run(path)
    server.script = None
    assert stage(run(path), "label")["notes"] == {"answered": 60}


def test_what_was_rejected_is_asked_again_when_told(make_job: JobMaker, server: Server) -> None:
    server.script = lambda body, times: error(400) if MARK in body["messages"][-1]["content"] else None
    path = openai_job(make_job, server, 10)
    assert stage(run(path), "label")["notes"] == {"answered": 9, "rejected": 1}
    server.script = None
    assert command("run", path).returncode == 0 and sum(server.seen.values()) == 10
    assert command("run", path, "--retry-rejected").returncode == 0
    assert sum(server.seen.values()) == 11
    assert stage(Workspace(load_job(path)), "label")["notes"] == {"answered": 10}


def test_rejections_are_final_only_where_something_was_ever_answered(make_job: JobMaker, server: Server) -> None:
    server.script = lambda body, times: error(400)
    path = openai_job(make_job, server, 3)
    with pytest.raises(Paused, match="answered nothing yet, only turned down: HTTP 400: no"):
        run(path)
    server.script = lambda body, times: error(400) if "harbour1x" in body["messages"][-1]["content"] else None
    assert stage(run(path), "label")["notes"] == {"answered": 2, "rejected": 1}
