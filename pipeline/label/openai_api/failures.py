"""Failures of chat completions: which kind of failure an error is, by one table, and what error bodies say.

What follows a failure of each kind: `label.engine.failure_policy`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

from pipeline.core.errors import TOO_LONG, FailureKind, RequestFailed, Unit
from pipeline.core.http import retry_after
from pipeline.core.types import Reply

ANY = range(1000)
SERVER = range(500, 1000)
ARTICLE = (400, 413, 422)  # what an endpoint may say against one article


@dataclass(frozen=True, slots=True)
class FailureRule:
    """A line of the table: errors that look like this are failures of this `kind`.

    All that is given must fit: one of the `statuses`, and the patterns, which may stand anywhere in the error's `code` (its type
    where it has none), in its `message`, and in `text`, which is both; case counts unless a pattern says `(?i)`.
    """

    kind: FailureKind
    statuses: Container[int] = ANY
    code: str = ""
    message: str = ""
    text: str = ""
    names_model: bool = False
    """Whether the message has the name of the model that was asked for."""
    reported_as: str | None = None
    """The code of the failure, where it is not the error's own."""
    remedy: str = ""
    """What a person is told, and may do, of a failure that pauses the job; may use {where} and {model}."""

    def fits(self, status: int, code: str, message: str, model: str) -> bool:
        """Return whether an error is one of these."""
        return (
            status in self.statuses
            and (not self.names_model or bool(model and model in message))
            and bool(re.search(self.code, code))
            and bool(re.search(self.message, message))
            and bool(re.search(self.text, f"{code} {message}"))
        )


_FORM = "{where} does not take requests of this form; see label.parameters"
_SPENT = "(insufficient_quota|credit_balance_exhausted|spend_limit_exceeded|usage_limit_exceeded)$"
_NO_CREDIT = "the account has no credit left"
RULES = (  # the first that fits counts
    # no waiting mends these
    FailureRule("fatal", (429,), code=_SPENT, remedy=_NO_CREDIT),
    FailureRule("rate_limited", (429,)),
    # the endpoint's own trouble, and JSON of the model's that is none
    FailureRule("transient", (408, 409, 425)),
    FailureRule("transient", SERVER),
    FailureRule("transient", code="^json_validate_failed$"),
    # every request has these: key, account, model, address
    FailureRule("fatal", (401,), remedy="the endpoint refuses the key"),
    FailureRule("fatal", (402,), remedy=_NO_CREDIT),
    FailureRule("fatal", (403,), remedy="the endpoint denies access to this key, model or country"),
    FailureRule("fatal", (404,), remedy="{where} has no model {model!r}, or is no OpenAI-compatible address (it ends in /v1)"),
    FailureRule("fatal", range(400), remedy="{where} redirects elsewhere; set label.base_url to where it leads"),
    FailureRule("fatal", ARTICLE, names_model=True, remedy=_FORM,
                message="(?i)pinned|not (?:found|loaded|available|served|exist)|unknown|no such|invalid"),
    # only this article has these
    FailureRule("rejected", ARTICLE, reported_as=TOO_LONG,
                text=r"(?i)context[ _](length|window|size)|maximum context|too many (input )?tokens"
                     r"|(prompt|input|request) (is )?too (long|large)"),
    FailureRule("rejected", ARTICLE, reported_as="content_filter",
                code="^(content_filter|content_policy_violation|ResponsibleAIPolicyViolation)$"),
    # every request has these parameters
    FailureRule("fatal", ARTICLE, remedy=_FORM,
                code="^(unsupported_|unknown_|missing_required|invalid_type|invalid_model|model_not_found)"),
    FailureRule("rejected", ARTICLE),
    FailureRule("fatal", remedy=_FORM),
)  # fmt: skip
# The status that an error in a reply of status 200 would have been sent with, by the words of its code or type; what none names
# is a 500.
_STATUS_WORDS = (
    (429, r"rate_?limit|too_many|resource_exhausted|throttl|quota|(spend|usage)_limit|credit_balance|^(tokens|requests)$"),
    (402, r"insufficient_(balance|credit|fund)|billing"),
    (401, r"api_key|authenticat|unauthori[sz]ed"),
    (413, r"too_(large|long)"),
    (403, r"permission|forbidden|access_denied"),
    (404, r"not_?found"),
    (408, r"time_?out|timed_out|deadline"),
    (400, r"(bad|invalid)_(request|argument|model|prompt|type|value|parameter)|context_(length|window|size)|content_(filter|policy)"
     r"|responsible_?ai|^(unsupported|unknown)_|missing_required|validation|unprocessable"),
)  # fmt: skip
_NAME_WORDS = 4  # an error that is a bare text of so many words is a name: "Bad Gateway", "model not found"
_STATUS_NAMES = {status.name.lower(): status.value for status in HTTPStatus if status >= 400}
_OF_TOKENS = re.compile(r"\btokens?\b|\bTPM\b", re.ASCII)  # beside any script


def failure_of(
    status: int, code: str, message: str, text: str, headers: Any, model: str = "", where: str = "the endpoint"
) -> RequestFailed:
    """Return the failure that an error is, by its status and the `code` and `message` of its body; `text` is for people."""
    rule = next(rule for rule in RULES if rule.fits(status, code, message, model))
    if rule.kind == "rate_limited":
        unit: Unit = "tokens" if _OF_TOKENS.search(f"{code} {message}") else "requests"
        return RequestFailed(rule.kind, code or "rate_limited", text, retry_after=retry_after(headers), unit=unit)
    if rule.kind == "transient":
        return RequestFailed(rule.kind, f"http_{status}", text, retry_after=retry_after(headers))
    if rule.remedy:
        text = f"{rule.remedy.format(where=where, model=model)} ({text})"
    return RequestFailed(rule.kind, rule.reported_as or code or f"http_{status}", text)


def error_of(data: bytes) -> tuple[str, str]:
    """Return (code, message) of an error body, which may be JSON of several shapes, or HTML."""
    try:
        value = orjson.loads(data)
    except ValueError:
        return "", data[:120].decode("utf-8", "replace").replace("\n", " ")
    error = value.get("error", value) if isinstance(value, dict) else value
    if not isinstance(error, dict):
        return "", str(error)[:200]
    kind = str(error.get("type") or "")
    message = str(error.get("message") or _detail(error.get("detail")) or error)[:200]
    if kind in ("tokens", "requests"):  # OpenAI's word for which limit it was
        message += f" ({kind})"
    code = str(error.get("code") or kind)
    return kind if code.isdecimal() and re.search(_SPENT, kind) else code, message


def _detail(detail: Any) -> str:
    """Return what servers on FastAPI say: a text, or a list of what is wrong."""
    if isinstance(detail, list):
        return "; ".join(str(as_dict(item).get("msg") or item) for item in detail)
    return str(detail or "")


def parameter_of(data: bytes) -> str:
    """Return the parameter that an error body names: OpenAI's `param`; empty where it names none."""
    error = as_dict(as_dict(parse_json(data)).get("error"))
    return str(error.get("param") or "")


def parse_json(data: bytes) -> Any:
    """Return the value of a body, None where it is no JSON.

    orjson is strict about what a reply may hold without harm: bytes that are no UTF-8, half surrogates, NaN.
    """
    try:
        return orjson.loads(data)
    except ValueError:
        pass
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def as_dict(value: Any) -> dict[str, Any]:
    """Return a JSON value that is an object, an empty one for any other."""
    return value if isinstance(value, dict) else {}


# --- errors in a reply of status 200 ---


class ErrorInside(RequestFailed):
    """An error in a reply of status 200, as routers in front of several endpoints send it.

    `status` is what it would have been sent with, `body` the error as a body of its own.
    """

    status: int = 500
    body: bytes = b""


def error_in(value: dict[str, Any], choice: dict[str, Any]) -> Any:
    """Return the error that a body of status 200 tells of: its own, its choice's, or in the words of other servers; or None."""
    for error in (value.get("error"), choice.get("error")):
        if any(error.values()) if isinstance(error, dict) else error:
            return error
    is_error = "detail" in value or ("message" in value and any(name in value for name in ("code", "type", "status")))
    return value if not value.get("choices") and (is_error or value.get("object") == "error") else None


def error_inside(value: dict[str, Any], error: Any, arrived: Reply, headers: Any) -> ErrorInside:
    """Return the failure that an error is with the status that it names: what its code, or its type, would have been sent with."""
    status, body = _status_of(error, value), orjson.dumps({"error": error}, default=str)
    code, message = error_of(body)
    failed = failure_of(status, code, message, f"HTTP 200 with an error: {code} {message}", headers)
    billed = bool(arrived.usage.tokens) or (arrived.usage.tokens is None and bool(arrived.text))
    inside = ErrorInside(
        failed.kind, failed.code, str(failed), retry_after=failed.retry_after, unit=failed.unit, may_be_paid=billed,
        reply=arrived,
    )  # fmt: skip
    inside.status, inside.body = status, body
    return inside


def _status_of(error: Any, value: dict[str, Any]) -> int:
    fields = as_dict(error) or {"code": error}
    names = ("code", "status", "status_code", "statusCode", "http_status")
    values = [*(fields.get(name) for name in names), *(value.get(name) for name in names)]
    numbers = [int(number) for number in map(str, values) if number.isdecimal() and len(number) == 3]
    if statuses := [number for number in numbers if 400 <= number < 600]:
        return statuses[0]
    named = (fields.get(name) for name in ("code", "type", "status"))
    words = [_snake(word) for word in named if isinstance(word, str) and len(word.split()) <= _NAME_WORDS]
    if exact := [_STATUS_NAMES[word] for word in words if word in _STATUS_NAMES]:
        return exact[0]
    return next((status for word in words for status, pattern in _STATUS_WORDS if re.search(pattern, word)), 500)


def _snake(word: str) -> str:
    """Return `rate_limit_error` for `RateLimitError` and for `Rate limit error`."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word[:80]).lower()).strip("_")
