"""The wire format: odd replies of status 200, which may have been paid."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.core.errors import RequestFailed
from pipeline.core.types import Usage
from pipeline.label.openai_api import chat_completions

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
    failure = chat_completions.failure(429, code, message, message, {})
    assert failure is not None and failure.unit == unit
