"""`label.via: batch`: nothing lost, nothing swapped, nothing paid twice, over real HTTP."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pipeline.core.errors import Paused, RequestFailed
from pipeline.core.shards import read_order
from pipeline.job.run_options import RunOptions
from pipeline.job.workspace import Workspace
from pipeline.label import stage as label_stage
from pipeline.label.batches import calls, downloading, lane, posting
from pipeline.label.ledger import Ledger, open_ledger
from pipeline.label.ledger.claims import Wanted
from pipeline.label.ledger.sqlite import SQLite
from pipeline.label.openai_api.batches import OpenAIBatches
from pipeline.label.requests import ARTICLE_COLUMNS, RequestBuilder, articles_of
from tests.batch_server import Batch as EndpointBatch
from tests.batch_server import BatchServer, Plan, question, refusal
from tests.conftest import JobMaker, article, command, rows, run, stage, work_of
from tests.openai_server import Running
from tests.program import Program

PRICES = {"gpt-6-luna": {"input": 1.0, "output": 10.0}}  # those of the server
LABEL = {"provider": "openai", "parameters": {"max_output_tokens": 128}, "via": "batch", "prices": PRICES}
ONE = 0.5 * (100 * 1.0 + 20 * 10.0) / 1e6  # dollars of an answer in a batch


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with Running(BatchServer()) as running:
        yield running  # type: ignore[misc]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long: pauses grow from a hundredth of a second."""
    monkeypatch.setattr(calls.Pauses, "FIRST", 0.01)
    monkeypatch.setattr(calls, "LONGEST", 0.1)
    monkeypatch.setattr(posting, "GRACE_SECONDS", 0.3)


def batch_job(make_job: JobMaker, server: BatchServer, count: int, **label: Any) -> Path:
    sections = {**LABEL, "base_url": server.url, **label}
    return make_job([article(n) for n in range(count)], label=sections)


def finish(path: Path, *overrides: str, runs: int = 12) -> int:
    """Run the same command until it is done; return how often it paused."""
    work = run(path, *overrides, last="filter")
    for times in range(runs):
        try:
            label_stage.run(work, RunOptions())
        except Paused:
            continue
        return times
    raise AssertionError("it never ends")


def ledger_of(path: Path) -> Ledger:
    return open_ledger(work_of(path).ledger_target, "test")


def assert_paid_once(path: Path, server: BatchServer, count: int, lost: float = 0.0) -> None:
    """Every question has an answer, billed once, and the job's costs are the provider's own sum."""
    with_answers = ledger_of(path)
    totals = with_answers.report.totals()
    assert (totals["answered"], totals["records"]) == (count, count)
    assert len(server.paid) == count and set(server.paid.values()) == {1}
    assert totals["cost_usd"] == pytest.approx(server.billed_usd)
    money = with_answers.report.spending()
    assert (money.spent, money.lost, money.reserved) == pytest.approx((server.billed_usd, lost, 0.0))
    assert not with_answers.batches.under_way()
    with_answers.close()


def test_a_job_in_batches(make_job: JobMaker, server: BatchServer) -> None:
    path = batch_job(make_job, server, 30, limits={"batch_requests": 12})
    result = command("run", path)
    assert result.returncode == 3
    assert (
        "3 batches under way (30 requests, 0 done), usually within 24 hours; the same command goes on" in result.stderr
    )
    under_way = json.loads(command("status", path, "--json").stdout)["batches"]
    assert [(row["requests"], row["under_way"]) for row in under_way] == [(12, True), (12, True), (6, True)]
    assert command("run", path).returncode == 0
    assert_paid_once(path, server, 30)
    assert server.seen == {} and server.served["create"] == 3  # no chat completion was asked
    work = work_of(path)
    assert [row["id"] for row in rows(work, "labels")] == [f"a{n}" for n in range(30)]
    record = ledger_of(path).database.execute("SELECT DISTINCT lane, tier, status FROM replies")
    assert record == [("batch", "batch", "answered")]
    assert not list((work.path / "batches").glob("*.jsonl"))
    assert command("run", path).returncode == 0 and server.served["create"] == 3  # nothing is left to do


def test_answers_are_those_of_their_questions(make_job: JobMaker, server: BatchServer) -> None:
    """In whatever order they come: labels are as the online way has them."""
    path = batch_job(make_job, server, 40)
    finish(path)
    run(path, last="clean", first="clean")
    labels = {row["id"]: row["keyphrases"] for row in rows(work_of(path), "labels")}
    run(path, "name=online", "label.via=online", last="clean")
    assert labels == {row["id"]: row["keyphrases"] for row in rows(work_of(path, "name=online"), "labels")}


# --- posted once ---


@pytest.mark.parametrize("lists", ["by name", "by file"])
@pytest.mark.parametrize("fault", ["void", "made 500"])
def test_a_batch_whose_post_was_answered_into_the_void_is_found_again(
    make_job: JobMaker, server: BatchServer, fault: str, lists: str
) -> None:
    server.keeps_metadata = lists == "by name"
    server.posts = [None, fault, None, None, fault]
    path = batch_job(make_job, server, 30, limits={"batch_requests": 5})  # the list has several pages
    finish(path)
    assert_paid_once(path, server, 30)
    assert server.served["create"] == 6


@pytest.mark.parametrize("fault", [500, 503, 429])
def test_a_post_that_was_refused_is_made_again(make_job: JobMaker, server: BatchServer, fault: int) -> None:
    server.posts, server.uploads = [fault, fault], [500, "void", 429]
    path = batch_job(make_job, server, 10)
    finish(path)
    assert_paid_once(path, server, 10)
    assert len(server.batches) == 1


def test_an_endpoint_that_turns_batches_down_gets_none(make_job: JobMaker, server: BatchServer) -> None:
    server.posts = [401]
    path = batch_job(make_job, server, 10)
    result = command("run", path)
    assert (
        result.returncode == 3 and "no API key: set OPENAI_API_KEY" in result.stderr and result.stderr.count("\n") == 1
    )
    assert ledger_of(path).report.spending().reserved == 0 and not server.batches
    finish(path)
    assert_paid_once(path, server, 10)


def test_where_nobody_can_know_whether_a_batch_was_made_people_decide(make_job: JobMaker, server: BatchServer) -> None:
    server.posts, server.lists = ["void"], False
    path = batch_job(make_job, server, 10)
    for _ in range(2):
        result = command("run", path)
        assert result.returncode == 3 and "the endpoint lists no batches" in result.stderr
    assert len(server.batches) == 1
    assert "given up" in command("label", path, "--cancel").stdout
    assert ledger_of(path).report.spending().lost > 10 * ONE
    finish(path)
    assert ledger_of(path).report.totals()["answered"] == 10


def test_a_batch_that_was_made_twice_is_settled_once(
    make_job: JobMaker, server: BatchServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The list comes too late: it showed nothing for as long as anybody waits."""
    server.posts, server.lists_after = ["void"], 0.6
    path = batch_job(make_job, server, 10)
    finish(path)
    assert len(server.batches) == 2 and len(server.paid) == 10 and set(server.paid.values()) == {2}
    money = ledger_of(path).report.spending()
    assert (money.spent, money.lost, money.lost_requests) == pytest.approx((10 * ONE, 10 * ONE, 10))
    assert "was made twice by the endpoint" in caplog.text


def test_a_clock_that_is_set_back_while_a_batch_is_posted_makes_nobody_wait(
    make_job: JobMaker, server: BatchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that is not in the list is posted again after the grace, and not once the clock has caught up."""
    server.posts, looks = [500], []
    as_it_is = posting.sleep
    monkeypatch.setattr(SQLite, "now", lambda _: time.time() + (0 if server.served["create"] else 86400))

    async def sleep(*arguments: Any) -> None:
        looks.append(1)
        assert len(looks) < 100
        await as_it_is(*arguments)

    monkeypatch.setattr(posting, "sleep", sleep)
    path = batch_job(make_job, server, 10)
    finish(path)
    assert looks and server.served["create"] == 2
    assert_paid_once(path, server, 10)


# --- what comes back ---


def test_any_order_repeats_and_strangers(
    make_job: JobMaker, server: BatchServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.plans = [Plan(repeats=3, unknown=4)]
    path = batch_job(make_job, server, 20)
    finish(path)
    assert_paid_once(path, server, 20)
    assert "3 answers twice (the first counts), 4 answers to no question of this batch (ignored)" in caplog.text


def test_every_line_of_a_file_is_read_once_in_whatever_form(
    make_job: JobMaker, server: BatchServer, tmp_path: Path
) -> None:
    """In the order of their ids, so that answers are stored beside each other; of those with one id the first comes first."""
    api = RequestBuilder(work_of(batch_job(make_job, server, 1))).provider.batch_api()
    assert api is not None
    pairs = [(f"{number * 7 % 50:02}-{'x' * 30}", f"answer {number}") for number in range(60)]
    spellings = [f'{{"custom_id" : "{name}", "response": {answered(text)}}}' for name, text in pairs]
    spellings[3] = spellings[3].replace('"custom_id"', '"custom\\u005fid"')
    spellings[4] = f'{{"response": {answered(pairs[4][1])}, "custom_id":"{pairs[4][0]}"}}'
    name, response = pairs[5][0], answered(pairs[5][1])
    spellings[5] = f'{{"note": "\\"custom_id\\": \\"", "id": "{name}", "custom_id":"{name}", "response": {response}}}'
    lines = [*spellings[:20], "", "no JSON", '{"custom_id": "short"}', *spellings[20:]]
    path = tmp_path / "output.jsonl"
    path.write_text("\n".join(lines), "utf-8")
    read = list(api.read(path))
    assert read.count(None) == 1
    answers = [(line.custom_id, line.reply.text) for line in read if line and line.reply]
    assert sorted(answers) == sorted(pairs)
    usual = [pair for pair in answers if pair not in pairs[3:6]]
    assert usual == sorted(usual, key=lambda pair: pair[0]) and usual != sorted(usual)
    for name, text in pairs[:10]:
        assert next(answer for other, answer in answers if other == name) == text


def answered(text: str) -> str:
    body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    return json.dumps({"status_code": 200, "body": body})


@pytest.mark.parametrize("end", ["expired", "cancelled", "failed"])
def test_a_batch_that_ends_early_keeps_what_it_holds(make_job: JobMaker, server: BatchServer, end: str) -> None:
    server.plans = [Plan(end=end, share=0.4), Plan()]
    path = batch_job(make_job, server, 20)
    assert finish(path) == (1 if end == "failed" else 2)  # what fails at once is seen at once
    assert_paid_once(path, server, 20)
    assert [len(batch.lines) for batch in server.batches.values()] == [20, 12]


def test_a_batch_without_an_output_file_is_no_success(
    make_job: JobMaker, server: BatchServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.plans = [Plan(no_output=True), Plan()]
    path = batch_job(make_job, server, 10)
    finish(path)
    ledger = ledger_of(path)
    assert ledger.report.totals()["answered"] == 10 and len(server.batches) == 2
    assert "10 answers missing though the endpoint counted them" in caplog.text
    money = ledger.report.spending()
    assert money.spent == pytest.approx(10 * ONE) and money.lost >= 10 * ONE and money.lost_requests == 10


def test_where_nothing_is_counted_a_completed_batch_has_answered_all(make_job: JobMaker, server: BatchServer) -> None:
    """Its file is named a moment later, or never: then what it billed is lost, and asked again."""
    server.plans = [Plan(counts_nothing=True, names_late=2), Plan(counts_nothing=True)]
    path = batch_job(make_job, server, 10)
    finish(path)
    assert_paid_once(path, server, 10)
    server.plans = [Plan(), Plan(counts_nothing=True, no_output=True), Plan(counts_nothing=True)]
    path = batch_job(make_job, server, 14)
    finish(path)
    money = ledger_of(path).report.spending()
    assert money.lost_requests == 4 and money.spent == pytest.approx(14 * ONE)
    assert money.spent + money.lost >= server.billed_usd


def test_what_failed_is_named_later_than_what_was_answered(make_job: JobMaker, server: BatchServer) -> None:
    """By an endpoint that counts nothing: what failed is asked again, and none of it counts as lost."""
    fails = iter([True] * 3 + [False] * 30)
    server.plans = [Plan(refuse=lambda line: refusal(500, "server_error") if next(fails) else None)]
    server.plans[0].counts_nothing, server.plans[0].names_errors_late = True, 1
    path = batch_job(make_job, server, 10)
    finish(path)
    assert_paid_once(path, server, 10)


def test_failed_requests_that_are_counted_as_completed_are_not_missing(
    make_job: JobMaker, server: BatchServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Some servers count every request that they are done with."""
    server.plans = [Plan(refuse=lambda line: refusal(500, "server_error") if len(server.batches) == 1 else None)]
    server.plans[0].counts_all = True
    path = batch_job(make_job, server, 10)
    finish(path)
    assert_paid_once(path, server, 10)
    assert "missing" not in caplog.text and "once more" not in caplog.text


def test_three_batches_without_an_answer_pause_the_job(make_job: JobMaker, server: BatchServer) -> None:
    server.plans = [Plan(end="expired", share=0)]
    result = command("run", batch_job(make_job, server, 4), "--wait")
    assert result.returncode == 3 and "3 batches in a row came back without an answer" in result.stderr
    assert len(server.batches) == 3


def test_half_of_the_requests_fail(make_job: JobMaker, server: BatchServer) -> None:
    """By themselves, for a while; one is rejected for good, and one never gets through a batch."""

    def refuse(line: dict[str, Any]) -> dict[str, Any] | None:
        text = line["body"]["messages"][-1]["content"]
        if "number 3 " in text:
            return refusal(400, "odd", "no such thing")
        if "number 4 " in text:
            return refusal(500, "server_error")
        return refusal(429, "rate_limit") if len(server.batches) == 1 and hash(text) % 2 else None

    server.plans = [Plan(refuse=refuse)]
    path = batch_job(make_job, server, 20)
    finish(path)
    ledger = ledger_of(path)
    totals = ledger.report.totals()
    assert (totals["answered"], totals["rejected"]) == (19, 1)
    assert ledger.report.errors_by_class()[0]["error"] == "odd"
    assert len(server.paid) == 19 and set(server.paid.values()) == {1}
    assert sum(server.answered.values()) == 1  # what failed in three batches was asked online
    assert totals["cost_usd"] == pytest.approx(server.billed_usd)
    assert stage(work_of(path), "label")["notes"] == {"answered": 19, "rejected": 1}


def test_a_batch_says_why_its_requests_failed(make_job: JobMaker, server: BatchServer) -> None:
    """What most of them failed of; what was not run did not fail."""
    texts = iter(["disk on fire"] * 3 + ["no memory"] * 2)
    server.plans = [
        Plan(end="expired", share=0.5, refuse=lambda _: refusal(500, "server_error", next(texts, "no"))),
        Plan(),
    ]
    path = batch_job(make_job, server, 10)
    assert command("run", path).returncode == 3
    shown = command("run", path).stderr
    assert "batch batch_0 is expired: 0 answers, 10 are asked again (HTTP 500 server_error: disk on fire)\n" in shown


def test_nothing_is_rejected_as_long_as_nothing_was_answered(make_job: JobMaker, server: BatchServer) -> None:
    server.plans = [Plan(refuse=lambda line: refusal(400, "odd", "no such thing")), Plan()]
    path = batch_job(make_job, server, 5)
    assert command("run", path).returncode == 3
    result = command("run", path)
    assert result.returncode == 3 and "the endpoint has answered nothing yet, only turned down" in result.stderr
    finish(path)
    assert_paid_once(path, server, 5)


def test_a_batch_that_fails_as_a_whole_says_why(make_job: JobMaker, server: BatchServer) -> None:
    server.plans = [Plan(errors=[{"code": "model_not_found", "message": "no such model", "line": 2}]), Plan()]
    path = batch_job(make_job, server, 5)
    result = command("run", path)
    assert result.returncode == 3 and "failed: line 2: model_not_found: no such model" in result.stderr
    finish(path)
    assert_paid_once(path, server, 5)


@pytest.mark.parametrize("ranges", [True, False])
def test_downloads_that_are_cut_are_taken_up_again(make_job: JobMaker, server: BatchServer, ranges: bool) -> None:
    server.ranges = ranges
    server.downloads, server.retrievals = ["cut", 500, "cut", "cut", None], [500, "void", 503]
    path = batch_job(make_job, server, 60)
    finish(path)
    assert_paid_once(path, server, 60)
    assert server.served["content"] == 5


@pytest.mark.slow
def test_a_file_that_is_shorter_than_was_counted(
    make_job: JobMaker, server: BatchServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.downloads = ["short", "short"]
    path = batch_job(make_job, server, 20)
    finish(path)
    assert_paid_once(path, server, 20)
    server.plans = [Plan(), Plan(forget=2), Plan()]
    make_job([article(n) for n in range(30)], label={**LABEL, "base_url": server.url})
    caplog.clear()
    finish(path)
    assert ledger_of(path).report.totals()["answered"] == 30
    assert [len(batch.lines) for batch in server.batches.values()] == [20, 10, 2]


def test_a_file_that_ends_within_a_line_is_fetched_again(make_job: JobMaker, server: BatchServer) -> None:
    """However many lines it has: what nobody expects is among them."""
    server.plans, server.downloads = [Plan(repeats=6, unknown=6)], ["short"]
    path = batch_job(make_job, server, 6)
    finish(path)
    assert_paid_once(path, server, 6)
    assert len(server.batches) == 1


@pytest.mark.parametrize("page", ["<html>\n<p>Back soon</p>\n", '{"error": {"message": "busy"}}\n', "<html>"])
def test_answers_are_not_added_to_a_page_that_came_for_them(make_job: JobMaker, server: BatchServer, page: str) -> None:
    """Its process was killed before it saw what had come."""
    path = batch_job(make_job, server, 10)
    assert command("run", path).returncode == 3
    folder, [batch] = work_of(path).path / "batches", server.batches.values()
    (folder / f"{batch.name}.output.jsonl").write_text(page)
    assert command("run", path).returncode == 0
    assert_paid_once(path, server, 10)
    assert len(server.batches) == 1


@pytest.mark.parametrize("page", ["<html>\n" + "<p>Back soon</p>\n" * 20, '{"error": {"message": "busy"}}'])
@pytest.mark.parametrize("lasts", ["a moment", "a run", "for ever"])
def test_a_page_in_the_place_of_the_answers_is_none_of_them(
    make_job: JobMaker, monkeypatch: pytest.MonkeyPatch, page: str, lasts: str
) -> None:
    """A gateway's, with HTTP 200, of more lines than there are answers: what is paid is waited for, and not asked again."""
    as_it_is, pages = BatchServer.content, iter(range(2 if lasts == "a moment" else 99))

    async def content(self: BatchServer, request: web.Request) -> web.StreamResponse:
        return await as_it_is(self, request) if next(pages, None) is None else web.Response(text=page)

    async def at_once(*_: Any) -> None: ...

    monkeypatch.setattr(BatchServer, "content", content)
    monkeypatch.setattr(downloading, "sleep", at_once)
    with Running(BatchServer()) as server:
        path = batch_job(make_job, server, 10)
        assert command("run", path).returncode == 3
        if lasts != "a moment":
            result = command("run", path)
            assert result.returncode == 3 and "1 batch under way (10 requests, 10 done)" in result.stderr
            assert "(output-batch_0) holds none of them" in result.stderr and "--cancel gives it up" in result.stderr
            assert len(server.batches) == 1
        if lasts == "for ever":
            assert command("label", path, "--cancel").returncode == 0
            assert ledger_of(path).report.spending().lost >= 10 * ONE
            return
        if lasts == "a run":
            pages = iter(())
        finish(path)
        assert_paid_once(path, server, 10)


def test_a_page_for_a_moment_costs_no_answers_of_what_is_cancelled(
    make_job: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_it_is, pages = BatchServer.content, iter(range(2 * downloading.DOWNLOADS))

    async def content(self: BatchServer, request: web.Request) -> web.StreamResponse:
        return await as_it_is(self, request) if next(pages, None) is None else web.Response(text="<html>\nbusy\n")

    async def at_once(*_: Any) -> None: ...

    monkeypatch.setattr(BatchServer, "content", content)
    monkeypatch.setattr(downloading, "sleep", at_once)
    with Running(BatchServer()) as server:
        path = batch_job(make_job, server, 10)
        assert command("run", path).returncode == 3
        assert "10 answers kept, 0 not answered" in command("label", path, "--cancel").stdout
        assert next(pages, None) is None
        finish(path)
        assert_paid_once(path, server, 10)


def test_a_full_disk_names_the_file_of_a_batch(make_job: JobMaker, server: BatchServer) -> None:
    """A limit on a file's size fails in the same call as a full disk."""
    pytest.importorskip("resource")
    sections = {**LABEL, "base_url": server.url}
    path = make_job([article(n, words=2000) for n in range(60)], label=sections)
    run(path, last="filter")
    limited = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    process = Program("label", path, before=f"{limited}resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, -1))")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and ".input.jsonl: File too large; nothing is lost" in err
    finish(path)
    assert_paid_once(path, server, 60)


def test_an_answer_that_names_no_batch_is_asked_for_again(make_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    as_it_is, others = BatchServer.retrieve, iter(["{}", '{"error": {"message": "busy"}}'])

    async def retrieve(self: BatchServer, request: web.Request) -> web.StreamResponse:
        other = next(others, None)
        return await as_it_is(self, request) if other is None else web.json_response(text=other)

    monkeypatch.setattr(BatchServer, "retrieve", retrieve)
    with Running(BatchServer()) as server:
        path = batch_job(make_job, server, 10)
        finish(path)
        assert_paid_once(path, server, 10)


def test_a_parameter_that_batches_do_not_take_is_sent_otherwise(make_job: JobMaker, server: BatchServer) -> None:
    def refuse(line: dict[str, Any]) -> dict[str, Any] | None:
        text = (
            "Unsupported parameter: 'max_completion_tokens' is not supported with this model. Use 'max_tokens' instead."
        )
        return refusal(400, "unsupported_parameter", text) if "max_completion_tokens" in line["body"] else None

    server.plans = [Plan(refuse=refuse)]
    path = batch_job(make_job, server, 10)
    assert finish(path) == 2
    assert_paid_once(path, server, 10)
    assert "max_tokens" in server.batches["batch_1"].lines[0]["body"]


def test_a_salvaged_ledger_still_knows_what_is_under_way(make_job: JobMaker, server: BatchServer) -> None:
    server.plans = [Plan(), Plan(seconds=3600), Plan()]
    path = batch_job(make_job, server, 20, limits={"batch_requests": 10})
    assert [command("run", path).returncode for _ in range(2)] == [3, 3]  # one of two is settled
    file = Path(work_of(path).ledger_target)
    data = bytearray(file.read_bytes())
    with sqlite3.connect(file) as database:
        [(root,)] = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'replies'")
    data[(root - 1) * 4096 : (root - 1) * 4096 + 8] = bytes(8)
    file.write_bytes(data)
    assert command("ledger", path, "--salvage").returncode == 0
    ledger = ledger_of(path)
    assert [batch.name for batch in ledger.batches.under_way()] == [server.batches["batch_1"].name]
    assert ledger.batches.holdings()[server.batches["batch_1"].name].claims == 10
    ledger.close()
    server.batches["batch_1"].plan.seconds = 0
    finish(path)
    assert {server.paid[question(line["body"])] for line in server.batches["batch_1"].lines} == {1}


# --- money and limits ---


def test_a_token_queue_that_is_full_makes_batches_smaller(make_job: JobMaker, server: BatchServer) -> None:
    path = batch_job(make_job, server, 40)
    run(path, last="filter")
    server.queue_bytes = 30_000
    assert finish(path, runs=40) > 1
    assert_paid_once(path, server, 40)
    sizes = [len(server.uploaded[batch.file]) for batch in server.batches.values() if batch.status == "completed"]
    assert max(sizes) <= 30_000 and len(sizes) <= 6


def test_the_budget_holds_for_batches(make_job: JobMaker, server: BatchServer) -> None:
    """What is reserved, at the batch price, never passes it: so a job goes in several rounds, and stops where it ends."""
    path = batch_job(make_job, server, 40, budget_usd=0.03)
    run(path, last="filter")
    for _ in range(12):
        result = command("label", path)
        money = ledger_of(path).report.spending()
        assert money.spent + money.lost + money.reserved <= 0.03 + 1e-9
    assert result.returncode == 0, result.stderr
    assert_paid_once(path, server, 40)
    assert len(server.batches) > 1
    path = batch_job(make_job, server, 40, budget_usd=0.002, parameters={"max_output_tokens": 130})
    for _ in range(12):
        result = command("label", path)
    assert result.returncode == 3 and "does not reach for another request" in result.stderr
    assert ledger_of(path).report.spending().spent <= 0.03 + 0.002


def test_a_batch_is_cancelled_and_what_it_answered_is_kept(make_job: JobMaker, server: BatchServer) -> None:
    server.plans = [Plan(seconds=3600, share=0.5), Plan()]
    path = batch_job(make_job, server, 10)
    assert command("run", path).returncode == 3
    result = command("label", path, "--cancel")
    assert result.returncode == 0, result.stderr
    assert f"cancelled: 5 answers kept, 5 not answered; it cost ${5 * ONE:.4f}" in result.stdout
    assert command("label", path, "--cancel").stdout == "no batch is under way\n"
    finish(path)
    assert_paid_once(path, server, 10)


def test_a_quote_shows_both_ways(make_job: JobMaker, server: BatchServer) -> None:
    path = batch_job(
        make_job, server, 30, via="online", prices={"gpt-6-luna": {"input": 1000.0, "output": 10_000.0, "batch": 0.4}}
    )
    lines = [line for line in command("quote", path).stdout.splitlines() if line.startswith("via ")]
    assert lines[0].startswith("via batch") and "within a day" in lines[0] and "<- it saves up to $" in lines[0]
    quoted = json.loads(command("quote", path, "--json").stdout)
    batch, online = ({way["via"]: way["usd"] for way in quoted["ways"]}[via] for via in ("batch", "online"))
    assert online == [pytest.approx(quoted["input_usd"]), pytest.approx(quoted["most_usd"])]
    assert batch == [pytest.approx(0.4 * usd) for usd in online]
    as_batch = json.loads(command("quote", path, "--json", "--set", "label.via=batch").stdout)
    assert as_batch["most_usd"] == pytest.approx(0.4 * quoted["most_usd"])
    assert as_batch["ways"][1]["usd"] == pytest.approx(online) and as_batch["ways"][0]["usd"] == pytest.approx(batch)
    cheap = json.loads(command("quote", path, "--json", "--set", "label.prices=null").stdout)
    assert cheap["ways"][0]["via"] == "online"


# --- one queue, whatever the way ---


def test_a_sample_that_is_in_a_batch_is_told_of(make_job: JobMaker, server: BatchServer) -> None:
    server.plans = [Plan(seconds=60)]
    path = batch_job(make_job, server, 5)
    assert command("run", path).returncode == 3
    assert "in a batch under way" not in command("quote", path).stdout
    assert (
        "note: 3 of the sample are in a batch under way, so they were not asked"
        in command("quote", path, "--sample", "3").stdout
    )
    assert server.seen == {}


def test_switching_ways_asks_nothing_anew(make_job: JobMaker, server: BatchServer) -> None:
    path = batch_job(make_job, server, 10)
    finish(path)
    run(path, "label.via=online", last="clean")
    assert_paid_once(path, server, 10)
    run(path, "name=other", "label.via=online", last="label")
    paid = sum(server.paid.values())
    run(path, "name=other", last="clean")
    assert sum(server.paid.values()) == paid and len(server.batches) == 1


def test_another_spelling_of_the_parameters_finds_what_is_in_a_batch(make_job: JobMaker, server: BatchServer) -> None:
    path = batch_job(make_job, server, 5, parameters={"max_output_tokens": 128, "temperature": 0})
    server.plans = [Plan(seconds=3600)]
    assert command("run", path).returncode == 3
    batch_job(make_job, server, 5, parameters={"max_completion_tokens": 128, "temperature": 0.0})
    assert command("run", path).returncode == 3 and len(server.batches) == 1
    server.batches["batch_0"].plan.seconds = 0
    finish(path)
    assert_paid_once(path, server, 5)


def test_an_online_run_settles_batches_and_does_not_wait_for_them(make_job: JobMaker, server: BatchServer) -> None:
    server.plans = [Plan(seconds=3600), Plan()]
    path = batch_job(make_job, server, 10)
    assert command("run", path, "--limit", "6").returncode == 3
    result = command("run", path, "--set", "label.via=online")
    assert result.returncode == 3 and "1 batch under way (6 requests, 0 done)" in result.stderr
    assert sum(server.answered.values()) == 4  # all but what the batch holds
    next(iter(server.batches.values())).plan.seconds = 0
    assert command("run", path, "--set", "label.via=online").returncode == 0
    assert_paid_once(path, server, 10)


def test_a_line_that_never_comes_goes_online_in_the_end(make_job: JobMaker, server: BatchServer) -> None:
    """Each batch is completed, and bills it: the job must not make such batches for ever."""
    path = batch_job(make_job, server, 10)
    server.plans = [Plan(loses="number 3 ")]
    assert finish(path, runs=5)
    totals = ledger_of(path).report.totals()
    assert totals["answered"] == 10 and len(server.batches) == 3 and sum(server.answered.values()) == 1


def test_a_second_ask_that_fails_in_batches_goes_online_in_the_end(make_job: JobMaker, server: BatchServer) -> None:
    server.spoil = lambda body: "number 3 " in body["messages"][-1]["content"]
    server.plans = [Plan(), Plan(refuse=lambda line: refusal(500, "server_error"))]
    path = batch_job(make_job, server, 10, reask_via="batch")
    assert finish(path, runs=6)
    assert ledger_of(path).report.totals()["records"] == 11
    assert len(server.batches) == 4 and sum(server.answered.values()) == 1


@pytest.mark.parametrize("reask_via", ["online", "batch"])
def test_bad_replies_are_asked_again(make_job: JobMaker, server: BatchServer, reask_via: str) -> None:
    server.spoil = lambda body: len(server.batches) == 1 and "number 3 " in body["messages"][-1]["content"]
    path = batch_job(make_job, server, 10, reask_via=reask_via)
    finish(path)
    ledger = ledger_of(path)
    assert ledger.report.totals()["records"] == 11
    assert sum(server.answered.values()) == (reask_via == "online") and len(server.batches) == 1 + (
        reask_via == "batch"
    )
    if reask_via == "batch":  # in another way: cut once more it would be paid for nothing once more
        rooms = [batch.lines[-1]["body"]["max_completion_tokens"] for batch in server.batches.values()]
        assert rooms[1] == 2 * rooms[0]
    work = run(path, first="clean", last="clean")
    assert len(rows(work, "labels")) == 10
    assert ledger.report.totals()["cost_usd"] == pytest.approx(server.billed_usd)


def test_a_model_that_answers_nonsense_in_batches_is_not_asked_on(make_job: JobMaker, server: BatchServer) -> None:
    server.spoil = lambda body: True
    path = batch_job(make_job, server, 30, brake={"window": 10})
    assert command("run", path).returncode == 3
    result = command("run", path)
    assert result.returncode == 3 and "replies are no good" in result.stderr
    assert sum(server.answered.values()) < 10


def test_waiting_until_all_is_done(make_job: JobMaker, server: BatchServer) -> None:
    server.plans = [Plan(seconds=0.4), Plan(seconds=0.2, end="expired", share=0.5), Plan()]
    path = batch_job(make_job, server, 30, limits={"batch_requests": 10})
    result = command("run", path, "--wait")
    assert result.returncode == 0, result.stderr
    assert_paid_once(path, server, 30)


def test_nobody_waits_for_a_batch_that_the_endpoint_has_no_more(
    make_job: JobMaker, server: BatchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are waited for; then the run says how to give it up."""
    server.plans, looks = [Plan(), Plan(seconds=1)], []
    path = batch_job(make_job, server, 10, limits={"batch_requests": 5})
    assert command("run", path).returncode == 3
    del server.batches["batch_0"]
    as_it_is = lane.sleep

    async def sleep(*arguments: Any) -> None:
        looks.append(1)
        assert len(looks) < 200
        await as_it_is(*arguments)

    monkeypatch.setattr(lane, "sleep", sleep)
    result = command("run", path, "--wait")
    assert result.returncode == 3, result.stderr
    assert "1 batch under way (5 requests" in result.stderr and "--cancel gives it up" in result.stderr
    assert ledger_of(path).report.totals()["answered"] == 5


def test_who_waits_hears_of_what_troubles_a_batch_once(
    make_job: JobMaker, server: BatchServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.plans = [Plan(seconds=0.2)]
    path = batch_job(make_job, server, 10)
    assert command("run", path).returncode == 3
    server.retrievals = [503] * 4 * calls.TRIES
    with caplog.at_level("WARNING"):
        assert command("run", path, "--wait").returncode == 0
    troubles = [line for line in caplog.messages if "this run goes on looking" in line]
    assert troubles == ["batch batch_0: HTTP 503: no; this run goes on looking"]
    assert_paid_once(path, server, 10)


def test_a_batch_at_an_endpoint_that_is_asked_no_more_is_told_of(make_job: JobMaker, server: BatchServer) -> None:
    """The run at the new one is done; what was paid at the old one is there to be taken."""
    path = batch_job(make_job, server, 10)
    assert command("run", path).returncode == 3
    with Running(BatchServer()) as other:
        elsewhere = f"label.base_url={other.url}"
        assert command("run", path, "--set", elsewhere).returncode == 3
        result = command("run", path, "--set", elsewhere)
        advice = f"labelmill label {path} --cancel --set label.base_url={server.url} keeps what was answered there"
        assert result.returncode == 0, result.stderr
        assert f"1 batch is under way at {server.url} (10 requests)" in result.stderr and advice in result.stderr
        result = command("label", path, "--cancel", "--set", elsewhere)
        assert result.returncode == 1 and advice in result.stderr
        assert "10 answers kept" in command("label", path, "--cancel").stdout
        assert "under way" not in command("run", path, "--set", elsewhere).stderr


def test_a_provider_without_a_batch_api(make_job: JobMaker) -> None:
    path = make_job([article(1)], label={"provider": "extractive", "via": "batch"})
    result = command("run", path)
    assert result.returncode == 2 and "label.via: batch: the provider 'extractive' has no Batch API" in result.stderr


def test_no_key_is_kept_or_told(make_job: JobMaker, server: BatchServer, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-proj-Aa1Bb2Cc3Dd4Ee5Ff6Gg7Hh8"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    server.plans = [Plan(errors=[{"code": "odd", "message": f"your key {key} is odd", "line": None}])]
    path = batch_job(make_job, server, 3)
    result = command("run", path)
    assert "your key [key] is odd" in result.stderr
    for file in work_of(path).path.rglob("*"):
        assert not file.is_file() or key.encode() not in file.read_bytes()


def test_prompts_before_the_labels_go_in_batches_too(make_job: JobMaker, server: BatchServer) -> None:
    (Path(make_job(None)).parent / "first.yaml").write_text("user: 'Summarise: {{ text }}'\n")
    (Path(make_job(None)).parent / "second.yaml").write_text("user: 'Label {{ summary }}. Article: {{ text }}'\n")
    before = [{"prompt": "first.yaml", "as": "summary"}]
    path = batch_job(make_job, server, 6, prompt="second.yaml", before=before)
    finish(path)
    assert [len(batch.lines) for batch in server.batches.values()] == [6, 6]
    assert server.seen == {}


def submitted_by_another(work: Workspace, path: Path) -> tuple[Path, Program]:
    """Start another process that labels, and wait until it has submitted all; return where that is noted, and the process."""
    submitted, other = work.path / "batches" / "submitted.json", Program("label", path, "--wait")
    until = time.monotonic() + 60
    while not submitted.exists() and time.monotonic() < until:
        time.sleep(0.01)
    return submitted, other


@pytest.mark.slow
@pytest.mark.parametrize("is_settled", [True, False])
@pytest.mark.parametrize("has_lane", [True, False])
def test_a_run_that_asks_online_is_not_over_while_a_batch_holds_rows(
    make_job: JobMaker, server: BatchServer, monkeypatch: pytest.MonkeyPatch, is_settled: bool, has_lane: bool
) -> None:
    """Whether the batch is there as it looks, or made since, and settled before it ends, or not.  Nothing is asked twice."""
    server.plans = [Plan(seconds=4)]
    path = batch_job(make_job, server, 10)
    work = run(path, last="filter")
    other_job = ("label.via=online", "workspace=second", f"label.ledger={work.ledger_target}")
    online = work_of(path, *other_job)
    run(path, *other_job, last="filter")
    _, others = submitted_by_another(work, path)
    as_it_is = label_stage.ask_all

    def ask(*arguments: Any) -> None:
        as_it_is(*arguments)
        if is_settled:
            assert others.wait(timeout=60) == 0

    monkeypatch.setattr(label_stage, "ask_all", ask)
    if not has_lane:
        monkeypatch.setattr(label_stage, "lane_of", lambda *_: None)
    with pytest.raises(
        Paused, match="settled the last batch just now" if is_settled else r"1 batch under way \(10 requests"
    ):
        label_stage.run(online, RunOptions())
    assert stage(online, "label")["state"] != "done"
    assert is_settled or others.wait(timeout=60) == 0
    label_stage.run(online, RunOptions())
    assert stage(online, "label")["state"] == "done" and stage(online, "label")["kept"] == 10
    assert server.seen == {}
    assert_paid_once(path, server, 10)


@pytest.mark.slow
@pytest.mark.parametrize("is_noted", [True, False])
def test_the_last_batch_is_settled_by_another_process_while_this_one_looks(
    make_job: JobMaker, server: BatchServer, monkeypatch: pytest.MonkeyPatch, is_noted: bool
) -> None:
    """What it left undone as all of it was under way is done then: the shard is written.  `is_noted`: that all is submitted."""
    server.plans = [Plan(seconds=2)]
    path = batch_job(make_job, server, 10)
    work = run(path, last="filter")
    submitted, others = submitted_by_another(work, path)
    if not is_noted:  # as on another machine
        submitted.unlink()
    as_it_is, looks = lane.BatchLane._submit_rest, []

    async def look(self: Any, *arguments: Any) -> Any:
        looks.append(await as_it_is(self, *arguments))
        if len(looks) == 1:
            assert others.wait(timeout=60) == 0
            shutil.rmtree(work.requests.path)  # as on another machine, which shares the ledger only
            work.requests.path.mkdir()
        return looks[-1]

    monkeypatch.setattr(lane.BatchLane, "_submit_rest", look)
    label_stage.run(work, RunOptions(wait=True))
    assert looks[0][0] == set() and len(looks) == 2
    assert stage(work, "label")["state"] == "done" and stage(work, "label")["kept"] == 10
    assert_paid_once(path, server, 10)


def test_the_last_batch_is_settled_by_another_process_as_this_one_ends(
    make_job: JobMaker, server: BatchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that left shards to it is not over."""
    server.plans = [Plan(seconds=2)]
    path = batch_job(make_job, server, 10)
    work = run(path, last="filter")
    _, others = submitted_by_another(work, path)

    async def end(self: Any) -> bool:
        assert others.wait(timeout=60) == 0
        shutil.rmtree(work.requests.path)  # as on another machine, which shares the ledger only
        work.requests.path.mkdir()
        return False

    monkeypatch.setattr(lane.BatchLane, "_fail_early", end)
    with pytest.raises(Paused, match="another process settled the last batch just now"):
        label_stage.run(work, RunOptions())
    label_stage.run(work, RunOptions())
    assert stage(work, "label")["state"] == "done" and stage(work, "label")["kept"] == 10
    assert_paid_once(path, server, 10)


def test_what_others_held_twice_goes_in_batches_all_the_same(
    make_job: JobMaker, server: BatchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others hold all of it, then a half, and give back either as this run looks again: it pays the half price for both."""
    path = batch_job(make_job, server, 10)
    work = run(path, last="filter")
    [shard] = read_order(work.articles)
    articles = articles_of(work.filtered.read(shard, ARTICLE_COLUMNS))
    others = [ledger_of(path), ledger_of(path)]
    keys = [request.key for request in RequestBuilder(work).requests(articles, others[0])]
    for number, other in enumerate(others):
        other.claims.start("online")
        other.claims.claim([Wanted(key, 1, 0.0) for key in keys[number::2]])
    as_it_is, looks = lane.BatchLane._submit_rest, []

    async def look(self: Any, *arguments: Any) -> Any:
        looks.append(len(server.paid))
        if len(looks) % 2 == 0 and others:
            with closing(others.pop()) as other:
                other.claims.end()
        return await as_it_is(self, *arguments)

    monkeypatch.setattr(lane.BatchLane, "_submit_rest", look)
    label_stage.run(work, RunOptions(wait=True))
    assert looks[:4] == [0, 0, 5, 5] and not others
    assert server.seen == {}, "nothing was asked at the full price"
    assert_paid_once(path, server, 10)


def test_a_list_is_read_no_further_than_to_where_a_batch_may_stand(make_job: JobMaker, server: BatchServer) -> None:
    """An account with years of batches: a page of those before this one was made, by more than clocks differ, ends the look."""
    for days in range(30, 10, -1):
        made = time.time() - 86400 * days
        server.batches[f"old-{days}"] = EndpointBatch(f"old-{days}", "another's", "f", Plan(), [], made=made)
    path = batch_job(make_job, server, 10)
    finish(path)
    assert server.served["list"] == 2  # pages of three; there are seven
    assert_paid_once(path, server, 10)


@pytest.mark.slow
def test_ctrl_c_ends_the_wait_and_loses_nothing(make_job: JobMaker, server: BatchServer) -> None:
    """Twice, at any moment of it: exit code 3, no traceback, and the same command goes on."""
    server.plans = [Plan(seconds=60)]
    path = batch_job(make_job, server, 10)
    run(path, last="filter")
    for times in (1, 2):
        process = Program("label", path, "--wait")
        looked, until = server.served["retrieve"], time.monotonic() + 60
        while server.served["retrieve"] <= looked and time.monotonic() < until:
            time.sleep(0.01)
        for _ in range(times):
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=30)[1]
        assert process.returncode == 3 and "Traceback" not in error and "Ctrl-C" in error, error
    server.batches["batch_0"].plan.seconds = 0
    finish(path)
    assert_paid_once(path, server, 10)


# --- made twice ---


def test_one_of_two_that_failed_as_a_whole_gives_way_to_the_other(make_job: JobMaker, server: BatchServer) -> None:
    """The first post was made without a word, the second finds the queue full of it: what the first holds is not asked again."""
    full = [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached for gpt-6-luna.", "line": None}]
    server.posts = ["void"]
    server.lists_after = 0.6
    server.plans = [Plan(seconds=2.0), Plan(errors=full), Plan()]
    path = batch_job(make_job, server, 20)
    finish(path, runs=60)
    assert set(server.paid.values()) == {1}
    money = ledger_of(path).report.spending()
    assert money.spent + money.lost == pytest.approx(server.billed_usd)


def test_a_list_that_fails_forgets_no_twin(
    make_job: JobMaker, server: BatchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a batch was made twice is looked at until the endpoint says so: a minute of 503s settles nothing."""
    server.posts = ["void"]
    server.lists_after = 0.6
    server.plans = [Plan(seconds=2.0), Plan()]
    path, failures, found = batch_job(make_job, server, 20), [], OpenAIBatches.find

    async def find(self: OpenAIBatches, *arguments: Any) -> Any:
        if len(server.batches) > 1 and len(failures) < 12:
            failures.append(1)
            raise RequestFailed("transient", "http_503", "the list is down")
        return await found(self, *arguments)

    monkeypatch.setattr(OpenAIBatches, "find", find)
    finish(path, runs=60)
    money = ledger_of(path).report.spending()
    assert failures and money.spent + money.lost == pytest.approx(server.billed_usd)
