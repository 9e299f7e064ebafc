"""Labelling over real HTTP: nothing lost, nothing paid twice, failures by class."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.core import plugins
from pipeline.core.errors import InputError, Paused, RequestFailed
from pipeline.core.shards import read_order
from pipeline.core.types import Article, Request
from pipeline.job.label_options import LabelOptions
from pipeline.job.run_options import RunOptions
from pipeline.label import stage as label_stage
from pipeline.label.ledger import open_ledger
from pipeline.label.providers import openai
from pipeline.label.requests import RequestBuilder
from tests.conftest import JobMaker, article, command, rows, run, stage, write_jsonl
from tests.openai_server import Running, Server, completion
from tests.program import Program


def openai_job(make_job: JobMaker, server: Server, count: int, **label: Any) -> Path:
    sections = {"provider": "openai", "base_url": server.url, "parameters": {"max_output_tokens": 128}, **label}
    return make_job([article(n) for n in range(count)], label=sections)


def error(status: int, code: str = "", **headers: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    return status, {"error": {"message": "no", "code": code}}, headers


def test_the_request_is_what_the_job_file_says(make_job: JobMaker, server: Server, monkeypatch: Any) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-secret")
    server.models = ("m-1",)
    parameters = {"max_output_tokens": 128, "reasoning_effort": "none", "seed": 7, "temperature": 0.2}
    work = run(openai_job(make_job, server, 1, model="m-1", parameters=parameters), last="label")
    body = server.bodies[0]
    assert {name: body[name] for name in ("model", "reasoning_effort", "seed", "temperature")} == {
        "model": "m-1", "reasoning_effort": "none", "seed": 7, "temperature": 0.2,
    }  # fmt: skip
    assert body["max_completion_tokens"] == 128
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert server.headers[0]["Authorization"] == "Bearer sk-test-secret"
    for file in work.path.rglob("*"):
        assert not file.is_file() or b"sk-test-secret" not in file.read_bytes()


@pytest.mark.parametrize("before", [0, 60, 70, 75, 100, 110, 115, 180, 190, 195, 290])
@pytest.mark.parametrize("form", ["error", "detail", "text", "inside", "choices"])
def test_an_echoed_key_is_not_told_in_part_either(
    make_job: JobMaker, server: Server, monkeypatch: pytest.MonkeyPatch, before: int, form: str
) -> None:
    """Wherever a message is cut."""
    key = "sk-proj-Aa1Bb2Cc3Dd4Ee5Ff6Gg7Hh8"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    message = f"{'x' * before}{key} is no key of ours"
    bodies: dict[str, tuple[int, Any]] = {
        "error": (400, {"error": {"message": message, "code": "odd"}}),
        "detail": (422, {"detail": message}),
        "text": (500, message),
        "inside": (200, {"choices": None, "error": {"message": message, "code": 400}}),
        "choices": (200, {"choices": message}),
    }
    provider = plugins.create("providers", "openai", LabelOptions(base_url=server.url), openai.Options())
    server.script = lambda body, times: (*bodies[form], None)
    request = Request(b"k", Article("a", "", "text", "0"), ({"role": "user", "content": "x"},))

    async def ask() -> str:
        await provider.open()
        try:
            with pytest.raises(RequestFailed) as failed:
                await provider.ask(request)
            return str(failed.value)
        finally:
            await provider.close()

    told = asyncio.run(ask())
    assert key[:12] not in told and key[-12:] not in told


def test_nothing_is_asked_twice(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server, 30)
    work = run(path)
    assert sum(server.seen.values()) == 30
    assert [row["id"] for row in rows(work, "labels")] == [f"a{n}" for n in range(30)]
    run(path)
    run(path, "clean.max_phrases=3", "split.eval=0.5")  # what costs nothing asks nothing
    assert sum(server.seen.values()) == 30
    make_job([article(n) for n in range(40)], label={"provider": "openai", "base_url": server.url,
                                                     "parameters": {"max_output_tokens": 128}})  # fmt: skip
    work = run(path)
    assert sum(server.seen.values()) == 40
    assert stage(work, "label")["notes"] == {"answered": 40}


def test_equal_questions_are_asked_once(make_job: JobMaker, server: Server) -> None:
    same = article(1)
    path = make_job(
        [{**same, "id": f"copy{n}"} for n in range(5)], label={"provider": "openai", "base_url": server.url}
    )
    work = run(path, last="clean")
    assert sum(server.seen.values()) == 1
    assert len(rows(work, "labels")) == 5


def test_many_are_in_flight_at_once(make_job: JobMaker, server: Server) -> None:
    server.latency = 0.2
    run(openai_job(make_job, server, 40, limits={"concurrency": 20}), last="label")
    assert 10 < server.most_in_flight <= 20


def test_transient_failures_are_tried_again(make_job: JobMaker, server: Server) -> None:
    failures: list[Any] = [
        error(500),
        error(503),
        error(408),
        (200, "<html>gateway</html>", {}),
        error(429, "slow_down"),
    ]
    server.script = lambda body, times: failures[hash(str(body)) % len(failures)] if times == 1 else None
    work = run(openai_job(make_job, server, 12), last="clean")
    assert stage(work, "label")["notes"] == {"answered": 12}
    assert set(server.seen.values()) == {2}


def test_a_request_that_fails_for_good_costs_only_itself_and_is_asked_again(
    make_job: JobMaker, server: Server, monkeypatch: Any
) -> None:
    monkeypatch.setattr("pipeline.label.engine.retries._backoff", lambda state: 0.0)
    server.script = lambda body, times: error(500, "oops") if "harbour3x" in body["messages"][-1]["content"] else None
    path = openai_job(make_job, server, 5)
    work = run(path, last="clean")
    assert stage(work, "label")["notes"] == {"answered": 4, "failed": 1}
    assert [(row["id"], row["reason"]) for row in rows(work, "labels", rejected=True)] == [("a3", "request_failed")]
    assert stage(work, "clean")["rows"] == 5 == stage(work, "clean")["kept"] + 1
    server.script = None
    work = run(path, last="clean")
    assert stage(work, "clean")["kept"] == 5


def test_a_refusal_of_the_endpoint_is_final_for_the_article(make_job: JobMaker, server: Server) -> None:
    server.script = lambda body, times: (
        error(400, "context_length_exceeded") if "harbour3x" in body["messages"][-1]["content"] else None
    )
    path = openai_job(make_job, server, 5)
    for _ in range(2):
        work = run(path, last="clean")
        assert sum(server.seen.values()) == 5
    rejected = rows(work, "labels", rejected=True)
    assert [(row["id"], row["reason"]) for row in rejected] == [("a3", "request_rejected")]
    assert "context_length_exceeded" in rejected[0]["detail"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (error(401, "invalid_api_key"), "refuses the key"),
        (error(429, "insufficient_quota"), "no credit left"),
        (error(429, "project_spend_limit_exceeded"), "no credit left"),
        (error(404, "model_not_found"), "has no model 'gpt-6-luna'"),
        (error(400, "unsupported_parameter"), "see label.parameters"),
        (error(307), "redirects elsewhere"),
        (error(405), "does not take requests of this form"),
    ],
)
def test_what_no_waiting_mends_pauses_the_job(
    make_job: JobMaker, server: Server, answer: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong")
    calls = []
    server.script = lambda body, times: calls.append(1) or (answer if len(calls) > 10 else None)
    path = openai_job(make_job, server, 30, limits={"concurrency": 4})
    with pytest.raises(Paused, match=said):
        run(path)
    assert len(calls) <= 10 + 4
    assert open_ledger(path.parent / "jobs" / "test" / "ledger.sqlite", "test").report.totals()["answered"] == 10
    result = command("run", path)
    assert result.returncode == 3
    assert result.stderr.count("\n") == 1 and "the same command goes on" in result.stderr
    server.script = None
    work = run(path)
    assert stage(work, "label")["notes"] == {"answered": 30}
    assert sum(server.answered.values()) == 30


def test_an_endpoint_that_is_down_stops_the_job(make_job: JobMaker, monkeypatch: Any) -> None:
    path = make_job([article(n) for n in range(100)], label={"provider": "openai", "base_url": "http://127.0.0.1:9/v1"})
    monkeypatch.setattr("pipeline.label.engine.preflight.TRIES", 1)
    with pytest.raises(Paused, match="the endpoint cannot be reached"):
        run(path)


def test_an_endpoint_that_rejects_every_article_stops_the_job(make_job: JobMaker, server: Server) -> None:
    server.script = lambda body, times: error(400, "bad_request")
    with pytest.raises(Paused, match="20 requests in a row"):
        run(openai_job(make_job, server, 100, limits={"concurrency": 4}))
    assert sum(server.seen.values()) <= 24


def test_a_reply_that_drips_in_is_read_whole(make_job: JobMaker, server: Server) -> None:
    server.drip = True
    work = run(openai_job(make_job, server, 3), last="clean")
    assert stage(work, "label")["notes"] == {"answered": 3}
    assert sum(server.seen.values()) == 3


def test_the_embedded_labeller_looks_at_each_article_alone(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(20)])
    first = run(path)
    before = {row["id"]: row["keyphrases"] for row in rows(first, "labels")}
    path = make_job([article(n) for n in range(40)])
    work = run(path)
    assert stage(work, "publish")["state"] == "version 1.1.0"  # growing the data relabels nothing
    after = {row["id"]: row["keyphrases"] for row in rows(work, "labels")}
    assert before.items() <= after.items() and len(after) == 40
    assert open_ledger(work.ledger_target, "test").report.totals()["records"] == 40
    run(path, "label.refit=true")  # there is nothing to fit
    assert open_ledger(work.ledger_target, "test").report.totals()["records"] == 40


def test_the_embedded_labeller_takes_candidates_of_a_file(make_job: JobMaker) -> None:
    options = {"candidates": "terms.txt", "words": [1, 2], "phrases": 3}
    path = make_job([article(n) for n in range(12)], label={"provider": "extractive", "parameters": options})
    said = command("run", path)
    assert said.returncode and "label.parameters.candidates" in said.stderr and "terms.txt" in said.stderr
    (path.parent / "terms.txt").write_text("city\n\npublic in\nlighthouse\nthe city was\n", "utf-8")
    work = run(path)
    assert {phrase for row in rows(work, "labels") for phrase in row["keyphrases"]} == {"city", "public in"}
    run_ids = {row["run_id"] for row in rows(work, "labels")}
    (path.parent / "terms.txt").write_text("city\n", "utf-8")
    assert {row["run_id"] for row in rows(run(path), "labels")}.isdisjoint(run_ids)


def test_no_key_for_openai_is_said_before_anything_is_sent(make_job: JobMaker) -> None:
    path = make_job([article(1)], label={"provider": "openai"})
    done = command("run", path)
    assert done.returncode == 3 and done.stderr.count("\n") == 1
    assert "labelmill: no API key: set OPENAI_API_KEY" in done.stderr


@pytest.mark.parametrize("lists_models", [True, False])
def test_a_server_that_wants_a_key_and_gets_none(make_job: JobMaker, server: Server, lists_models: bool) -> None:
    """Another server than OpenAI's may need none: it says whether it does."""
    path = openai_job(make_job, server, 2)
    assert command("run", path, "--to", "label").returncode == 0
    server.wants_key, server.lists_freely = True, lists_models
    write_jsonl(path.parent / "articles.jsonl", [article(n) for n in range(3)])
    done = command("run", path, "--to", "label")
    assert done.returncode == 3 and done.stderr.count("\n") == 1, done.stderr
    assert "no API key: set OPENAI_API_KEY, for http://127.0.0.1" in done.stderr
    assert command("run", path, "--to", "label", OPENAI_API_KEY="sk-right").returncode == 0


def test_a_429_holds_everyone_back_for_as_long_as_the_server_says(make_job: JobMaker, server: Server) -> None:
    arrivals: list[float] = []

    def script(body: Any, times: int) -> Any:
        arrivals.append(time.monotonic())
        return (
            error(429, "rate_limit_exceeded", **{"retry-after-ms": "700", "retry-after": "60"})
            if len(arrivals) == 1
            else None
        )

    server.script = script
    run(openai_job(make_job, server, 20, limits={"concurrency": 1}), last="label")
    assert arrivals[1] - arrivals[0] >= 0.7
    assert len(arrivals) == 21


def test_requests_per_minute_are_kept(make_job: JobMaker, server: Server) -> None:
    started = time.monotonic()
    run(openai_job(make_job, server, 40, limits={"requests_per_minute": 1200, "concurrency": 40}), last="label")
    assert time.monotonic() - started >= 38 / 20 - 1.2  # 20 a second, after at most one second's worth at once


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [("", "stop", "empty"), (None, "stop", "empty"), ("I'm sorry, I can't help with that.", "stop", "refusal")],
)
def test_replies_without_a_label_are_rejected_with_the_reply(
    make_job: JobMaker, server: Server, text: str | None, finish: str, reason: str
) -> None:
    server.script = lambda body, times: (200, completion(body, text, finish), {})
    work = run(openai_job(make_job, server, 2), last="clean")
    assert [row["reason"] for row in rows(work, "labels", rejected=True)] == [reason] * 2


def test_a_limit_labels_the_first_and_never_takes_back(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server, 20)
    work = run(path, limit=5)
    assert [row["id"] for row in rows(work, "labels")] == [f"a{n}" for n in range(5)]
    assert stage(work, "label")["waiting"] == 15
    work = run(path)
    assert (stage(work, "label")["kept"], stage(work, "publish")["state"]) == (20, "version 1.1.0")
    work = run(path, limit=3)
    assert (stage(work, "label")["kept"], stage(work, "publish")["state"]) == (20, "version 1.1.0")
    assert sum(server.seen.values()) == 20


def test_the_raw_reply_is_in_the_ledger_with_its_cost(make_job: JobMaker, server: Server) -> None:
    reply = "  1. Harbour\n2. city ​\n"
    server.script = lambda body, times: (200, completion(body, reply), {"x-request-id": "req-1"})
    work = run(openai_job(make_job, server, 1), last="label")
    with sqlite3.connect(work.ledger_target) as database:
        database.row_factory = sqlite3.Row
        [row] = map(dict, database.execute("SELECT * FROM replies"))
    assert row["reply"] == reply
    assert (row["finish_reason"], row["model"], row["request_id"]) == ("stop", "gpt-6-luna", "req-1")
    assert row["cost_usd"] == pytest.approx((100 * 0.10 + 20 * 0.50) / 1e6)


def test_the_ledger_tells_what_was_paid(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    server.script = lambda body, times: (
        error(400, "bad_words") if "harbour3x" in body["messages"][-1]["content"] else None
    )
    path = openai_job(make_job, server, 5)
    assert command("ledger", path).returncode == 1  # nothing was asked yet
    work = run(path, last="label")
    report = json.loads(command("ledger", path, "--json").stdout)
    assert (report["totals"]["answered"], report["totals"]["rejected"]) == (4, 1)
    [row] = report["by_model_and_day"]
    assert (row["model"], row["answers"], row["input_tokens"]) == ("gpt-6-luna", 4, 400)
    assert row["cost_usd"] == pytest.approx(4 * (100 * 0.10 + 20 * 0.50) / 1e6)
    assert [(row["error"], row["requests"]) for row in report["errors_by_class"]] == [("bad_words", 1)]
    assert "4 answered, 1 rejected" in command("ledger", path).stdout
    assert command("ledger", path, "--export", tmp_path / "all.parquet").returncode == 0
    exported = pq.read_table(tmp_path / "all.parquet").to_pylist()
    assert len(exported) == 5 and sum(row["status"] == "answered" for row in exported) == 4
    assert {row["key"] for row in exported} == {
        row["key"] for row in work.requests.read(read_order(work.articles)[0]).to_pylist()
    }
    assert command("ledger", path, "--check").stdout.endswith("sound\n")


def test_a_ledger_that_was_hurt_in_a_crash_is_found_before_more_is_paid(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server, 300)
    work = run(path, last="label")
    data = bytearray(work.ledger_target.read_bytes())
    for page in range(3, len(data) // 4096, 2):
        data[page * 4096 : page * 4096 + 200] = bytes(200)
    work.ledger_target.write_bytes(data)
    assert command("ledger", path, "--check").returncode == 1
    (work.path / "ledger.sqlite-wal").write_bytes(b"")  # what a killed writer leaves behind
    asked = sum(server.seen.values())
    result = command("run", path, "--set", "label.parameters.seed=1")
    assert result.returncode == 1 and "the ledger is damaged" in result.stderr
    assert sum(server.seen.values()) == asked


def start(path: Path, what: str = "run", *arguments: str) -> Program:
    return Program(what, path, *arguments)


def wait_for(server: Server, answered: int) -> None:
    deadline = time.monotonic() + 120
    while sum(server.answered.values()) < answered:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
def test_kill_9_loses_and_repeats_at_most_what_was_in_flight(make_job: JobMaker) -> None:
    with Running(Server(latency=0.02, faults=0.1)) as server:
        path = openai_job(make_job, server, 300, limits={"concurrency": 10})
        for point in (60, 140, 220):
            process = start(path)
            wait_for(server, point)
            process.kill()
            process.wait()
        work = run(path)
        assert [row["id"] for row in rows(work, "labels")] == [f"a{n}" for n in range(300)]
        twice = sum(count - 1 for count in server.answered.values())
        assert len(server.answered) == 300
        assert twice <= 3 * (10 + 50)  # in flight, and a commit group (50 ms at 20 ms a reply and 10 in flight)


def test_ctrl_c_keeps_what_is_in_flight(make_job: JobMaker) -> None:
    with Running(Server(latency=0.05)) as server:
        path = openai_job(make_job, server, 300, limits={"concurrency": 10})
        process = start(path)
        wait_for(server, 50)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
        assert process.returncode == 3
        assert "stopped by Ctrl-C" in stderr
        answered = sum(server.answered.values())
        totals = open_ledger(path.parent / "jobs" / "test" / "ledger.sqlite", "test").report.totals()
        assert totals["answered"] == answered < 300
        run(path)
        assert sum(server.answered.values()) == 300


@pytest.mark.slow
def test_ctrl_c_does_not_wait_for_a_server_that_asks_for_patience(make_job: JobMaker) -> None:
    with Running(Server(script=lambda body, times: error(429, "slow_down", **{"retry-after": "100"}))) as server:
        process = start(openai_job(make_job, server, 30, limits={"concurrency": 10}))
        while sum(server.seen.values()) < 10:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 3


def test_ctrl_c_twice_stops_now(make_job: JobMaker) -> None:
    with Running(Server(latency=60)) as server:
        process = start(openai_job(make_job, server, 30, limits={"concurrency": 8}))
        while server.in_flight < 8:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None  # what is in flight is waited for
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
        assert process.returncode == 3 and "Traceback" not in stderr


def test_a_shard_that_cannot_be_read_costs_nothing_in_flight(
    make_job: JobMaker, server: Server, monkeypatch: Any
) -> None:
    monkeypatch.setattr("pipeline.collect.units.MAX_SHARD_ROWS", 10)
    server.latency = 0.05
    path = openai_job(make_job, server, 30, limits={"concurrency": 15})
    work = run(path, last="filter")
    last = sorted(work.filtered.path.glob("*.parquet"))[-1]
    last.write_bytes(b"no Parquet")
    with pytest.raises(InputError, match="cannot be read"):
        run(path, first="label")
    assert 10 <= sum(server.answered.values()) == open_ledger(work.ledger_target, "test").report.totals()["answered"]


def test_a_second_process_on_the_same_job_is_told_so(make_job: JobMaker) -> None:
    with Running(Server(latency=0.2)) as server:
        path = openai_job(make_job, server, 40, limits={"concurrency": 2})
        process = start(path)
        wait_for(server, 1)
        server.latency = 60  # it is at work until it is killed
        result = command("run", path)
        assert result.returncode == 1
        assert str(process.pid) in result.stderr
        process.kill()
        process.wait()


def test_a_damaged_ledger_is_said_in_one_line(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server, 1)
    ledger = path.parent / "jobs" / "test" / "ledger.sqlite"
    ledger.parent.mkdir(parents=True)
    ledger.write_bytes(b"this is no database, whatever its name says" * 100)
    result = command("run", path)
    assert result.returncode == 1
    assert "the ledger is damaged" in result.stderr and result.stderr.count("\n") == 1
    assert json.dumps(str(ledger)).strip('"') in result.stderr


@pytest.mark.slow
def test_a_process_that_begins_does_not_disturb_one_that_tells_how_far_it_is(
    make_job: JobMaker, server: Server
) -> None:
    path = openai_job(make_job, server, 3)
    work = run(path, last="filter")
    ledger = open_ledger(work.ledger_target, "test")
    noting = label_stage._LabelRun(work, RunOptions(), RequestBuilder(work), ledger)
    over = threading.Event()

    def begin() -> None:
        while not over.is_set():
            with work.writing_requests():
                work.requests.keep_only([])

    beginning = threading.Thread(target=begin)
    beginning.start()
    try:
        for _ in range(1000):
            noting._note_progress()
    finally:
        over.set()
        beginning.join()
        ledger.close()


def test_cost_is_that_of_the_labels_at_hand_with_the_ledger_s_beside_it(make_job: JobMaker, server: Server) -> None:
    server.models = ("m-1", "m-2")
    prices = {"m-*": {"input": 100, "output": 500}}  # 0.02 a reply
    path = openai_job(make_job, server, 3, model="m-1", prices=prices)
    assert "cost $0.0600\n" in command("run", path, "--to", "label").stdout.replace("answered 3, ", "")
    told = command("run", path, "--to", "label", "--set", "label.model=m-2").stdout
    assert "cost $0.0600 ($0.1200 with all that was ever asked)" in told
    path = openai_job(make_job, server, 4, model="m-1")
    told = command("run", path, "--to", "label").stdout
    assert "cost not known: no price for m-1 (label.prices: " in told
    assert "no price is known for m-1" in command("ledger", path).stdout
