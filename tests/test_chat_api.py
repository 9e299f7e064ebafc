"""The wire format: odd replies of status 200, which may have been paid."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.core.errors import RequestFailed
from pipeline.core.types import Usage
from pipeline.label.openai_api import chat_completions, failures
from pipeline.label.openai_api.error_body import ErrorBody

MESSAGE = {"message": {"content": "a; b"}, "finish_reason": "stop"}


@pytest.mark.parametrize(
    ("choices", "text"),
    [
        ([MESSAGE], "a; b"),
        ([], ""),
        (None, ""),
        ([{"message": None}], ""),
        ([{}], ""),
        ([{"message": {"content": [{"type": "text", "text": "a; "}, {"type": "text", "text": "b"}]}}], "a; b"),
        ([{"message": {"content": None, "refusal": "no"}}], "no"),
        ([{"message": {"content": 7}}], "7"),
    ],
)
def test_what_a_choice_says(choices: Any, text: str) -> None:
    data = json.dumps({"choices": choices, "usage": {"prompt_tokens": 3, "completion_tokens": 2}}).encode()
    reply = chat_completions.reply(data, {})
    assert reply.text == text and reply.usage == Usage(3, None, 2, None)


@pytest.mark.parametrize(
    "usage", [None, [1], "x", {"prompt_tokens": -1}, {"prompt_tokens": 1e300}, {"prompt_tokens": "3"}]
)
def test_odd_counts_are_not_known(usage: Any) -> None:
    assert chat_completions.reply(json.dumps({"choices": [MESSAGE], "usage": usage}).encode(), {}).usage == Usage()


@pytest.mark.parametrize(
    "content",
    [b"a; \xff", rb"a; \ud800", rb"a; \u0000", b'b", "score": NaN, "x": "y'],
    ids=["bytes", "half", "nul", "nan"],
)
def test_a_paid_reply_is_not_lost_for_a_stray_byte(content: bytes) -> None:
    data = b'{"choices": [{"message": {"content": "' + content + b'"}}]}'
    assert chat_completions.reply(data, {}).text[0] in "ab"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", "transient"),
        (b"", "transient"),
        (b"[1]", "transient"),
        (b'{"choices": "x"}', "transient"),
        (b'{"object": "x"}', "transient"),
        (b'{"error": {"code": 429, "message": "slow"}}', "rate_limited"),
        (b'{"error": {"code": 502, "message": "bad gateway"}}', "transient"),
        (b'{"error": "odd"}', "transient"),
        (b'{"error": {"code": 402, "message": "pay"}}', "fatal"),
        (b'{"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}}', "transient"),
        (b'{"choices": null}', "transient"),
        (b'{"choices": [{}]}', "transient"),
    ],
)
def test_what_is_no_completion(body: bytes, kind: str) -> None:
    with pytest.raises(RequestFailed) as failed:
        chat_completions.reply(body, {})
    assert failed.value.kind == kind


@pytest.mark.parametrize(
    ("code", "message", "unit"),
    [
        ("", "Rate limit reached on tokens per min (TPM)", "tokens"),
        ("", "已达到该模型的TPM限制", "tokens"),
        ("", "분당TPM을 넘었습니다", "tokens"),
        ("", "분당 tokens가 너무 많습니다", "tokens"),
        ("", "トークン（tokens）の上限", "tokens"),
        ("", "分あたりRPMの上限", "requests"),
    ],
)
def test_which_limit_it_was_beside_any_script(code: str, message: str, unit: str) -> None:
    failure = failures.failure_of(429, ErrorBody(code, message), message, {})
    assert failure.unit == unit


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        ({"code": 502, "message": "Provider returned error"}, 502, "transient", "http_502"),
        ({"code": "503", "message": "no"}, 503, "transient", "http_503"),
        ({"status": 529, "message": "no"}, 529, "transient", "http_529"),
        ({"code": 429, "message": "slow down"}, 429, "rate_limited", "429"),
        ({"code": 429, "type": "insufficient_quota", "message": "no"}, 429, "fatal", "insufficient_quota"),
        ({"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "no"}, 429, "rate_limited", "429"),
        ({"code": "insufficient_quota", "message": "no"}, 429, "fatal", "insufficient_quota"),
        ({"type": "rate_limit_error", "message": "no"}, 429, "rate_limited", "rate_limit_error"),
        ({"type": "RateLimitError", "message": "no"}, 429, "rate_limited", "RateLimitError"),
        ({"code": 402, "message": "Insufficient credits"}, 402, "fatal", "402"),
        ({"code": "insufficient_credits", "message": "no"}, 402, "fatal", "insufficient_credits"),
        ({"code": 401, "message": "no"}, 401, "fatal", "401"),
        ({"code": "invalid_api_key", "type": "invalid_request_error"}, 401, "fatal", "invalid_api_key"),
        ({"type": "authentication_error", "message": "no"}, 401, "fatal", "authentication_error"),
        ({"type": "permission_error", "message": "no"}, 403, "rejected", "permission_error"),
        ({"code": "model_not_found", "message": "no"}, 404, "fatal", "model_not_found"),
        ({"type": "NotFoundError", "code": 404, "message": "no"}, 404, "fatal", "404"),
        ({"code": 400, "message": "no"}, 400, "rejected", "400"),
        ({"type": "invalid_request_error", "message": "no"}, 400, "rejected", "invalid_request_error"),
        ({"code": 400, "message": "maximum context length is 9"}, 400, "rejected", "context_length_exceeded"),
        ({"code": "context_length_exceeded", "message": "no"}, 400, "rejected", "context_length_exceeded"),
        ({"code": "content_filter", "message": "no"}, 400, "rejected", "content_filter"),
        ({"code": "unsupported_parameter", "message": "no"}, 400, "fatal", "unsupported_parameter"),
        ({"type": "overloaded_error", "message": "no"}, 500, "transient", "http_500"),
        ({"type": "server_error", "message": "the quota server is down"}, 500, "transient", "http_500"),
        ({"code": "timeout", "message": "no"}, 408, "transient", "http_408"),
        ({"code": 1301, "message": "no"}, 500, "transient", "http_500"),
        ({"message": "something went wrong"}, 500, "transient", "http_500"),
        ("Bad Gateway", 502, "transient", "http_502"),
        ("rate limit exceeded", 429, "rate_limited", "rate_limited"),
        ("Unauthorized", 401, "fatal", "http_401"),
        ("a long sentence about a rate limit and an api key", 500, "transient", "http_500"),
        (["odd"], 500, "transient", "http_500"),
    ],
)
@pytest.mark.parametrize("choices", [None, [], "none", "its own"])
def test_an_error_of_status_200_is_what_its_status_would_be(
    error: Any, status: int, kind: str, code: str, choices: Any
) -> None:
    body: dict[str, Any] = {"error": error, "choices": choices}
    if choices == "none":
        del body["choices"]
    elif choices == "its own":
        body = {
            "choices": [{"error": error, "finish_reason": "error", "message": {"content": "", "role": "assistant"}}]
        }
    with pytest.raises(failures.ErrorInside) as failed:
        chat_completions.reply(json.dumps(body).encode(), {})
    assert (failed.value.status, failed.value.kind, failed.value.code) == (status, kind, code)
    assert not failed.value.may_be_paid


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"detail": "Not Found", "status": 404}, 404),
        ({"detail": [{"msg": "field required"}]}, 500),
        ({"object": "error", "message": "down", "code": 503}, 503),
        ({"object": "error", "message": "no", "type": "NotFoundError"}, 404),
        ({"status": 502, "error": "Bad Gateway", "path": "/v1"}, 502),
        ({"message": "Too many requests", "code": "too_many_requests", "choices": None}, 429),
    ],
)
def test_errors_in_the_words_of_other_servers(body: dict[str, Any], status: int) -> None:
    with pytest.raises(failures.ErrorInside) as failed:
        chat_completions.reply(json.dumps(body).encode(), {})
    assert failed.value.status == status


@pytest.mark.parametrize("error", [None, {}, "", [], 0, False, {"code": None, "message": ""}])
def test_an_empty_error_is_none(error: Any) -> None:
    assert chat_completions.reply(json.dumps({"choices": [MESSAGE], "error": error}).encode(), {}).text == "a; b"


@pytest.mark.parametrize(
    ("finish", "text", "stands"),
    [
        ("stop", "a; b", True),
        ("end_turn", "a; b", True),
        ("length", "a; b", True),
        ("stop", "", False),
        (None, "a; b", False),
        ("error", "a; b", False),
        ("strange", "a; b", False),
    ],
)
@pytest.mark.parametrize("within", ["body", "choice"])
def test_a_whole_answer_beside_an_error_stands(finish: str | None, text: str, stands: bool, within: str) -> None:
    choice: dict[str, Any] = {"message": {"content": text}, "finish_reason": finish}
    body: dict[str, Any] = {"choices": [choice]}
    (body if within == "body" else choice)["error"] = {"code": 502, "message": "bad gateway"}
    if stands:
        assert chat_completions.reply(json.dumps(body).encode(), {}).text == text
        return
    with pytest.raises(failures.ErrorInside) as failed:
        chat_completions.reply(json.dumps(body).encode(), {})
    assert failed.value.kind == "transient" and failed.value.may_be_paid == bool(text)


@pytest.mark.parametrize(
    ("usage", "paid"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 0}, True),
        ({"prompt_tokens": 0, "completion_tokens": 0}, False),
        (None, False),
    ],
)
def test_an_error_may_be_paid_where_tokens_were_counted(usage: Any, paid: bool) -> None:
    body = {"choices": [], "error": {"code": 502}, "usage": usage, "model": "m"}
    with pytest.raises(failures.ErrorInside) as failed:
        chat_completions.reply(json.dumps(body).encode(), {})
    assert failed.value.may_be_paid == paid and failed.value.reply and failed.value.reply.model == "m"


@pytest.mark.parametrize(
    ("reason", "kept"), [("stop", "stop"), (None, None), (2, "2"), (["x"], "['x']"), (True, "True"), ("", "")]
)
def test_a_finish_reason_that_is_no_text_is_not_taken_for_none(reason: Any, kept: str | None) -> None:
    data = json.dumps({"choices": [{"message": {"content": "a"}, "finish_reason": reason}]}).encode()
    assert chat_completions.reply(data, {}).finish_reason == kept
