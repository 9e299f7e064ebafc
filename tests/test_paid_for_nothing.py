"""Replies that are paid for nothing: each has its reason, another way to be asked again, and its share of what `ledger` and
`report` tell; where asking again does not help, few of them pause the job."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from pipeline.core.errors import Paused
from pipeline.core.types import Article, Reply, Request
from pipeline.job.label_options import Price
from pipeline.label import endings
from pipeline.label.cost.cost_bound import CostBound
from pipeline.label.engine.request_attempt import RequestAttempt
from pipeline.label.ledger import Record
from tests.conftest import JobMaker, command, rows, run
from tests.openai_server import Server, completion
from tests.test_endpoints import is_marked, labelled, openai
from tests.test_engine import records

GOOD = "city; public"
ROOM = {"max_output_tokens": 128}
SPACES = '{"keyphrases": ["city", "public' + " \n" * 900


def exhausted(body: dict[str, Any], field: str = "reasoning_content") -> Any:
    answer = completion(body, "", "length")
    answer["choices"][0]["message"][field] = "Let me think about harbours. " * 20
    return 200, answer, {}


def good(body: dict[str, Any], finish: str = "stop") -> Any:
    return 200, completion(body, GOOD, finish), {}


def room_of(body: dict[str, Any]) -> Any:
    return body.get("max_completion_tokens")


def of_the_marked(server: Server) -> list[dict[str, Any]]:
    return [body for body in server.bodies if is_marked(body)]


def test_white_space_without_an_end_is_asked_again_without_the_schema(make_job: JobMaker, server: Server) -> None:
    server.script = lambda body, times: (
        (200, completion(body, SPACES, "length"), {})
        if is_marked(body) and "response_format" in body
        else (200, completion(body, '{"keyphrases": ["city", "public"]}'), {})
    )
    path = labelled(make_job, server, prompt="keyphrases/v2", parameters=ROOM)
    work = run(path, last="clean")
    assert len(rows(work, "labels")) == 30
    first, second = of_the_marked(server)
    assert "response_format" not in second and room_of(second) == 128 and second["messages"] == first["messages"]
    assert [row["reason"] for row in records(work) if row["ask"] == 2] == ["whitespace_loop"]
    said = command("ledger", path).stdout
    assert "asked again: whitespace_loop  1" in said
    assert "paid for nothing: whitespace_loop  1 replies, $0.0000, 3.2% of the cost" in said


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_that_takes_all_room_is_asked_again_with_less(make_job: JobMaker, server: Server, field: str) -> None:
    server.script = lambda body, times: (
        exhausted(body, field) if is_marked(body) and "reasoning_effort" not in body else good(body)
    )
    work = run(labelled(make_job, server, parameters=ROOM), last="clean")
    assert len(rows(work, "labels")) == 30
    assert [body.get("reasoning_effort") for body in of_the_marked(server)] == [None, "none"]
    assert [row["reason"] for row in records(work) if row["ask"] == 2] == ["reasoning_exhausted"]


def test_reasoning_is_seen_by_its_tokens_too(make_job: JobMaker, server: Server) -> None:
    def script(body: dict[str, Any], times: int) -> Any:
        if not is_marked(body) or "reasoning_effort" in body:
            return good(body)
        answer = completion(body, None, "length")
        answer["usage"]["completion_tokens_details"] = {"reasoning_tokens": 20}
        return 200, answer, {}

    server.script = script
    work = run(labelled(make_job, server, parameters=ROOM), last="clean")
    assert [row["reason"] for row in records(work) if row["ask"] == 2] == ["reasoning_exhausted"]


@pytest.mark.parametrize("status", [400, 422])
def test_an_endpoint_that_takes_no_effort_gives_more_room(make_job: JobMaker, server: Server, status: int) -> None:
    def script(body: dict[str, Any], times: int) -> Any:
        if body.get("reasoning_effort") in ("none", "minimal"):
            value = body["reasoning_effort"]
            return status, openai(f"Unsupported value: 'reasoning_effort' does not support '{value}' with this model. "
                                  "Supported values are: 'low', 'medium', and 'high'.", "unsupported_value"), {}  # fmt: skip
        return exhausted(body) if is_marked(body) and room_of(body) == 128 else good(body)

    server.script = script
    work = run(labelled(make_job, server, parameters={**ROOM, "reasoning_effort": "low"}), last="clean")
    assert len(rows(work, "labels")) == 30
    last = of_the_marked(server)[-1]
    assert room_of(last) == 256 and last["reasoning_effort"] == "low"
    # what was tried for one article changes nothing for the others
    assert {body["reasoning_effort"] for body in server.bodies if not is_marked(body)} == {"low"}


def test_reasoning_is_never_asked_again_in_the_same_room(make_job: JobMaker, server: Server) -> None:
    def script(body: dict[str, Any], times: int) -> Any:
        if "reasoning_effort" in body or room_of(body) != 128:
            return 400, openai("max_completion_tokens and reasoning_effort are set by the server"), {}
        return exhausted(body) if is_marked(body) else good(body)

    server.script = script
    path = labelled(make_job, server, parameters=ROOM)
    work = run(path, last="clean")
    [rejected] = rows(work, "labels", rejected=True)
    assert rejected["reason"] == "reasoning_exhausted"
    assert sum(room_of(body) == 128 and "reasoning_effort" not in body for body in of_the_marked(server)) == 1
    assert "paid for nothing: reasoning_exhausted  1 replies" in command("ledger", path).stdout
    facts = json.loads(command("report", path, "--json").stdout)
    assert [row["reason"] for row in facts["cost"]["paid_for_nothing"]] == ["reasoning_exhausted"]
    command("report", path, "--output", work.path / "report.html")
    assert "Paid for nothing" in (work.path / "report.html").read_text("utf-8")


def test_what_is_in_the_ledger_is_not_asked_again_for_a_new_reason(make_job: JobMaker, server: Server) -> None:
    server.script = lambda body, times: exhausted(body) if is_marked(body) else good(body)
    work = run(labelled(make_job, server, parameters=ROOM, reask=0), last="clean")
    asked = sum(server.seen.values())
    shutil.rmtree(work.requests.path)  # as where a run was killed before it had noted anything
    run(labelled(make_job, server, parameters=ROOM, reask=1), last="clean")
    assert sum(server.seen.values()) == asked


@pytest.mark.parametrize("takes_more", [True, False])
def test_a_cut_reply_gets_twice_the_room_once(make_job: JobMaker, server: Server, takes_more: bool) -> None:
    def script(body: dict[str, Any], times: int) -> Any:
        if room_of(body) != 128 and not takes_more:
            return 400, openai("max_completion_tokens is too large: 256. This model supports at most 128."), {}
        return good(body, "length" if is_marked(body) and room_of(body) < 256 else "stop")

    server.script = script
    work = run(labelled(make_job, server, parameters=ROOM, reask=3), last="clean")
    assert len(rows(work, "labels")) == 30
    sent = [room_of(body) for body in of_the_marked(server)]
    assert sent == ([128, 256] if takes_more else [128, 256, 128, 256, 128, 256, 128])


def test_a_rejection_that_was_billed_is_not_asked_in_a_further_way(make_job: JobMaker, server: Server) -> None:
    """An error within a reply of status 200 may cost its tokens: nobody pays for the same refusal twice."""
    usage = {"prompt_tokens": 900, "completion_tokens": 200, "total_tokens": 1100}
    filtered = {"error": {"code": "content_filter", "message": "filtered"}, "choices": [], "usage": usage}

    def script(body: dict[str, Any], times: int) -> Any:
        if not is_marked(body):
            return good(body)
        return good(body, "length") if len(of_the_marked(server)) == 1 else (200, filtered, {})

    server.script = script
    run(labelled(make_job, server, parameters={"max_output_tokens": 128}), last="clean")
    assert len(of_the_marked(server)) == 2


def test_a_loop_gets_no_more_room(make_job: JobMaker, server: Server) -> None:
    loop = "city; public; " + "rate freeze; " * 60
    server.script = lambda body, times: (
        (200, completion(body, loop, "length"), {}) if is_marked(body) and times == 1 else good(body)
    )
    work = run(labelled(make_job, server, parameters=ROOM), last="clean")
    assert len(rows(work, "labels")) == 30 and {room_of(body) for body in server.bodies} == {128}


@pytest.mark.parametrize(("text", "times"), [("city; publ", 2), ("rate freeze; " * 60, 1)])
def test_more_room_is_reserved_for(text: str, times: int) -> None:
    request = Request(b"", Article("a", None, "text", ""), ({"role": "user", "content": "text"},))
    record = Record(b"", "answered", Reply(text, "length"), 1, 0.0, "")
    attempt = RequestAttempt(request).once_more("truncated", record)
    bound = CostBound("asked", Price(input=0.0, output=1.0), 128)
    assert bound.dollars(attempt.size, attempt.room) == times * bound.dollars(attempt.size) > 0


def test_a_key_that_is_refused_meanwhile_is_no_parameters_fault(make_job: JobMaker, server: Server) -> None:
    server.script = lambda body, times: (
        (401, openai("Incorrect API key provided", "invalid_api_key"), {})
        if "reasoning_effort" in body
        else exhausted(body)
        if is_marked(body)
        else good(body)
    )
    path = labelled(make_job, server, parameters=ROOM)
    with pytest.raises(Paused, match="API key"):
        run(path, last="clean")
    server.script = lambda body, times: good(body)
    assert len(rows(run(path, last="clean"), "labels")) == 29


# --- the breaker ---


@pytest.mark.parametrize("brake", [{}, {"brake": {"window": 200, "share": 0.5}}])
def test_few_that_are_paid_for_nothing_pause_a_job_that_says_nothing_of_it(
    make_job: JobMaker, server: Server, brake: dict[str, Any]
) -> None:
    server.script = lambda body, times: good(body, "length" if is_marked(body) else "stop")
    path = labelled(make_job, server, count=60, marked=range(0, 60, 3), parameters=ROOM, **{"brake": None, **brake})
    if not brake:
        text = path.read_text().replace("  brake: null\n", "")
        path.write_text(text)
        with pytest.raises(Paused, match="truncated 11") as paused:
            run(path, last="clean")
        assert "raise label.parameters.max_output_tokens" in str(paused.value)
    else:
        assert len(rows(run(path, last="clean"), "labels")) == 60


def test_what_asking_again_mends_pauses_nothing(make_job: JobMaker, server: Server) -> None:
    server.script = lambda body, times: exhausted(body) if "reasoning_effort" not in body else good(body)
    path = labelled(make_job, server, parameters=ROOM)
    path.write_text(path.read_text().replace("  brake: null\n", ""))
    assert len(rows(run(path, last="clean"), "labels")) == 30


# --- replies in forms that few servers use ---


def test_a_thought_without_an_answer_is_empty_and_kept(make_job: JobMaker, server: Server) -> None:
    def script(body: dict[str, Any], times: int) -> Any:
        status, answer, headers = exhausted(body)
        answer["choices"][0]["finish_reason"] = "stop"
        return (status, answer, headers) if is_marked(body) else good(body)

    server.script = script
    work = run(labelled(make_job, server), last="clean")
    [rejected] = rows(work, "labels", rejected=True)
    assert rejected["reason"] == "empty"
    assert {row["error"][:20] for row in records(work) if row["reply"] == ""} == {"reasoning: Let me th"}


@pytest.mark.parametrize(
    ("status", "before", "headers"),
    [(201, "", {}), (200, "\ufeff", {}), (200, "", {"x-policy": "a" * 60_000}), (203, "\ufeff \n", {})],
)
def test_a_reply_is_read_whatever_stands_around_it(
    make_job: JobMaker, server: Server, status: int, before: str, headers: dict[str, str]
) -> None:
    server.script = lambda body, times: (status, before + json.dumps(completion(body, GOOD)), headers)
    assert len(rows(run(labelled(make_job, server), last="clean"), "labels")) == 30


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"keyphrases": ["city"' + " " * 300, "whitespace_loop"),
        ('{"keyphrases": ["city", "' + "\\n" * 80, "whitespace_loop"),
        ("\n\t" * 200, "whitespace_loop"),
        ("city; public;   ", "truncated"),
        ("<think>The harbour is", "reasoning_exhausted"),
        ("<think>short</think> city; pub", "truncated"),
        ("", "truncated"),
    ],
)
def test_how_a_reply_was_cut(text: str, why: str) -> None:
    assert endings.of_cut(text) == why
