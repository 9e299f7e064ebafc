"""One article that an endpoint turns down stops no other, in whatever words it says so; what holds for all pauses the job.

Bodies are those that servers send, by their public reports: OpenAI, Azure, vLLM, TGI, llama.cpp, LiteLLM, OpenRouter, Gemini, xAI,
Groq, DashScope, Moonshot, Zhipu, Mistral, Anthropic.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from pipeline.core.errors import Paused
from pipeline.label.openai_api.compatibility import refused
from pipeline.label.pacing.concurrency_limiter import ConcurrencyLimiter
from tests.conftest import JobMaker, article, rows, run
from tests.openai_server import Server, completion

MARK = "one of its kind"
TOO_LONG, FILTERED = "context_length_exceeded", "content_filter"


def openai(message: str, code: str | None = None, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code, "param": None}}


def labelled(
    make_job: JobMaker, server: Server, count: int = 30, marked: Iterable[int] | None = None, **label: Any
) -> Any:
    articles = [article(n) for n in range(count)]
    for number in [count // 3] if marked is None else marked:
        articles[number]["body"] += f" {MARK}"
    label = {"provider": "openai", "base_url": server.url, "limits": {"concurrency": 4}, "brake": None, **label}
    return make_job(articles, label=label)


def is_marked(body: dict[str, Any]) -> bool:
    return MARK in json.dumps(body["messages"])


OF_THE_ARTICLE = [
    # larger than what is allowed in a minute: no waiting makes it fit
    (429, openai("Request too large for gpt-6-luna in organization org-1 on tokens per min (TPM): Limit 300, Requested 942. The input "
                 "or output tokens must be reduced in order to run successfully.", "rate_limit_exceeded", "tokens"), TOO_LONG),
    (413, openai("Request too large for model `llama` on tokens per minute (TPM): Limit 6000, Requested 9000, please reduce your "
                 "message size and try again.", "rate_limit_exceeded", "tokens"), TOO_LONG),
    # too long for the model
    (400, openai("This model's maximum context length is 8192 tokens. However, your messages resulted in 9130 tokens."), TOO_LONG),
    (400, {"object": "error", "message": "The decoder prompt (length 5012) is longer than the maximum model length of 4096. Make "
           "sure that `max_model_len` is no smaller than the number of text tokens.", "code": 400}, TOO_LONG),
    (422, {"error": "Input validation error: `inputs` must have less than 4095 tokens. Given: 5120", "error_type": "validation"}, TOO_LONG),
    (400, [{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "The input token count (1200000) exceeds the maximum number "
            "of tokens allowed (1048576)."}}], TOO_LONG),
    (400, {"code": "Client specified an invalid argument", "error": "This model's maximum prompt length is 131072 but the request "
           "contains 163541 tokens."}, TOO_LONG),
    (400, openai("Invalid request: Your request exceeded model token limit: 8192"), TOO_LONG),
    (400, openai("<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 6000]", "invalid_parameter_error"), TOO_LONG),
    (400, {"error": {"code": "1261", "message": "Prompt 超长"}}, TOO_LONG),
    (400, openai("the request exceeds the available context size. try increasing the context size or enable context shift",
                 kind="exceed_context_size_error"), TOO_LONG),
    (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 210123 tokens > 200000 maximum"}},
     TOO_LONG),
    # what nobody may say
    (400, openai("The response was filtered due to the prompt triggering Azure OpenAI's content management policy.", "content_filter"),
     FILTERED),
    (400, {"error": {"code": "data_inspection_failed", "message": "Input data may contain inappropriate content."}}, FILTERED),
    (403, {"error": {"code": 403, "message": "Your chosen model requires moderation and your input was flagged", "metadata":
           {"reasons": ["violence"], "flagged_input": "..."}}}, FILTERED),
    # a firewall's page, which may be about anything: others are answered, so it is about this article
    (403, "<html><head><title>403 Forbidden</title></head><body>nginx</body></html>", "http_403"),
    (403, {"error": {"type": "permission_error", "message": "not allowed"}}, "permission_error"),
    (400, openai("Something about this request is odd: model gpt-6-luna said so"), "invalid_request_error"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "answer", "code"), OF_THE_ARTICLE)
def test_an_article_that_is_turned_down_stops_no_other(
    make_job: JobMaker, server: Server, status: int, answer: Any, code: str
) -> None:
    server.script = lambda body, times: (
        (status, answer, {"Retry-After": "60"} if status == 429 else {})
        if is_marked(body)
        else (200, completion(body, "city; public"), {})
    )
    work = run(labelled(make_job, server), last="clean")
    assert len(rows(work, "labels")) == 29
    [rejected] = rows(work, "labels", rejected=True)
    assert rejected["id"] == "a10" and rejected["reason"] == "request_rejected" and code in rejected["detail"]


@pytest.mark.parametrize(
    ("status", "answer", "code"),
    [case for case in OF_THE_ARTICLE if case[2] in (TOO_LONG, FILTERED)][3:17:4],
)
def test_many_of_them_in_a_row_pause_nothing(
    make_job: JobMaker, server: Server, status: int, answer: Any, code: str
) -> None:
    seen: list[int] = []

    def script(body: dict[str, Any], times: int) -> Any:
        seen.append(1)
        return (status, answer, {}) if len(seen) <= 45 else (200, completion(body, "city; public"), {})

    server.script = script
    work = run(labelled(make_job, server, count=60), last="clean")
    assert len(rows(work, "labels")) == 15


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (400, openai("Budget has been exceeded! Current cost: 0.00012, Max budget: 0.0001", "400", "budget_exceeded")),
        (422, {"error": {"message": "ExceededBudget: User over budget", "type": "budget_exceeded", "code": "422"}}),
        (429, openai("Budget has been exceeded! Team=x", "429", "budget_exceeded")),
        (429, openai("You exceeded your current quota", "insufficient_quota", "insufficient_quota")),
        (402, {"error": {"message": "Insufficient Balance", "code": "invalid_request_error"}}),
        (429, {"error": {"code": "1113", "message": "您的账户已欠费，请充值后重试"}}),
    ],
)
def test_a_budget_that_is_spent_is_nobodys_fault(make_job: JobMaker, server: Server, status: int, answer: Any) -> None:
    server.script = lambda body, times: (
        (200, completion(body, "city; public"), {}) if sum(server.seen.values()) <= 8 else (status, answer, {})
    )
    path = labelled(make_job, server)
    with pytest.raises(Paused, match="credit"):
        run(path, last="clean")
    server.script = lambda body, times: (200, completion(body, "city; public"), {})
    work = run(path, last="clean")  # and goes on where it stood: no article was rejected
    assert len(rows(work, "labels")) == 30


def test_a_limit_of_the_day_pauses_the_job_and_says_until_when(make_job: JobMaker, server: Server) -> None:
    answer = openai("Rate limit reached for gpt-6-luna on requests per day (RPD): Limit 200, Used 200. Please try again in 7h12m0s.",
                    "rate_limit_exceeded", "requests")  # fmt: skip
    server.script = lambda body, times: (429, answer, {})
    with pytest.raises(Paused, match=r"whole again at .*per day"):
        run(labelled(make_job, server), last="clean")


def test_everything_refused_is_not_the_articles_fault(make_job: JobMaker, server: Server) -> None:
    server.script = lambda body, times: (403, {"error": {"message": "your country is not served"}}, {})
    path = labelled(make_job, server, count=60)
    with pytest.raises(Paused):
        run(path, last="clean")
    server.script = lambda body, times: (200, completion(body, "city; public"), {})
    assert len(rows(run(path, last="clean"), "labels")) == 60


@pytest.mark.parametrize(
    "answer",
    [
        (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "temperature"], "msg": "Extra inputs are not permitted"}]}),
        (400, openai("invalid temperature: only 1 is allowed for this model")),
        (400, openai("Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
                     "unsupported_value")),
    ],
)  # fmt: skip
def test_a_parameter_that_is_turned_down_is_left_out(make_job: JobMaker, server: Server, answer: Any) -> None:
    server.script = lambda body, times: (
        (*answer, {}) if "temperature" in body else (200, completion(body, "city; public"), {})
    )
    work = run(labelled(make_job, server, parameters={"temperature": 0.2}), last="clean")
    assert len(rows(work, "labels")) == 30


@pytest.mark.parametrize(
    "answer",
    [
        (400, openai("System role not supported")),
        (422, {"detail": [{"type": "enum", "loc": ["body", "messages", 0, "role"], "msg": "Input should be 'user' or 'assistant'"}]}),
        (500, openai("Conversation roles must alternate user/assistant/user/assistant/...", kind="internal_error")),
    ],
)  # fmt: skip
def test_a_model_without_a_system_role_gets_the_message_with_the_article(
    make_job: JobMaker, server: Server, answer: Any
) -> None:
    server.script = lambda body, times: (
        (*answer, {}) if body["messages"][0]["role"] == "system" else (200, completion(body, "city; public"), {})
    )
    work = run(labelled(make_job, server), last="clean")
    assert len(rows(work, "labels")) == 30
    adapted = server.bodies[-1]["messages"]
    assert adapted[0]["role"] == "user" and "key phrases" in adapted[0]["content"]


def test_a_limit_of_parallel_requests_makes_the_window_smaller() -> None:
    limiter = ConcurrencyLimiter(200, fixed=False)
    for in_flight in (8, 7, 6, 5, 4):
        limiter.refused_parallel(in_flight)
    assert limiter.size == 3
    for _ in range(100):
        limiter.answered(1.0, 0.1, 3, False)
    assert limiter.size == 3
    for _ in range(100):
        limiter.answered(1.0, 0.1, 3, False)
    assert limiter.size == 4  # somebody else may have left room
    limiter.refused_parallel(1)
    assert limiter.size == 1


def test_parallel_limits_are_kept_without_sleeping(make_job: JobMaker, server: Server) -> None:
    """LiteLLM says to come back in a minute; it is enough to have fewer in flight."""
    server.latency = 0.02
    answer = openai(
        "Max parallel request limit reached. Limit type: max_parallel_requests. Current limit: 3, Remaining: 0",
        "429",
        "None",
    )
    refused: list[int] = []

    def script(body: dict[str, Any], times: int) -> Any:
        if len(refused) < 6 and times == 1:
            refused.append(1)
            return 429, answer, {"Retry-After": "60", "rate_limit_type": "max_parallel_requests"}
        return 200, completion(body, "city; public"), {}

    server.script = script
    work = run(labelled(make_job, server, limits={}), last="clean")
    assert len(rows(work, "labels")) == 30 and refused


@pytest.mark.slow
@pytest.mark.parametrize("case", [0, 1, 12, 14])
def test_what_is_said_to_all_is_final_for_none(make_job: JobMaker, server: Server, case: int) -> None:
    """A proxy that takes no body, a firewall that flags everything: no article may lose its label to it."""
    status, answer, _ = OF_THE_ARTICLE[case]
    server.script = lambda body, times: (status, answer, {})
    path = labelled(make_job, server, count=300)
    with pytest.raises(Paused, match="answered nothing yet, only turned down"):
        run(path, last="clean")
    assert sum(server.seen.values()) == 300
    server.script = lambda body, times: (200, completion(body, "city; public"), {})
    assert len(rows(run(path, last="clean"), "labels")) == 300


def test_an_error_that_repeats_the_article_is_not_read_as_the_endpoints_words(
    make_job: JobMaker, server: Server
) -> None:
    articles = [article(n) for n in range(30)]
    articles[10]["body"] += " The budget has been exceeded, and the account was suspended."
    path = make_job(articles, label={"provider": "openai", "base_url": server.url, "brake": None})
    server.script = lambda body, times: (
        (400, openai(f"cannot be parsed: {body['messages'][-1]['content'][-300:]}"), {})
        if "exceeded" in body["messages"][-1]["content"]
        else (200, completion(body, "city; public"), {})
    )
    work = run(path, last="clean")
    assert len(rows(work, "labels")) == 29 and len(rows(work, "labels", rejected=True)) == 1


@pytest.mark.parametrize(
    "says",
    [
        "The decoder prompt (length {count}) is longer than the maximum model length of {limit}.",
        "This model's maximum context length is {limit} tokens. However, your messages resulted in {count} tokens.",
        "`inputs` must have less than {limit} tokens. Given: {count}",
    ],
)
def test_an_article_is_cut_once_by_limit_and_count_in_either_order(
    make_job: JobMaker, server: Server, says: str
) -> None:
    def script(body: dict[str, Any], times: int) -> Any:
        count, limit = sum(len(message["content"]) for message in body["messages"]) // 4, 1500
        message = says.format(count=count, limit=limit)
        return (400, openai(message), {}) if count > limit else (200, completion(body, "city; public"), {})

    server.script = script
    articles = [article(n, words=1600 if n == 3 else 40) for n in range(6)]
    label = {"provider": "openai", "base_url": server.url, "on_too_long": "truncate", "brake": None}
    work = run(make_job(articles, label=label), last="clean")
    assert len(rows(work, "labels")) == 6 and sum(server.seen.values()) == 7


def test_a_parameter_is_named_as_a_whole_word() -> None:
    body = {"model": "m", "messages": [], "top_p": 0.5, "seed": 1}
    assert refused(body, 400, "", "unsupported parameter: top_pressure") == []
    assert refused(body, 400, "", "'reseed' is not supported") == []
    assert refused(body, 400, "", "unsupported parameter: 'seed'") == ["seed"]
