"""Chat completions on the wire, as OpenAI and the many servers like it speak them: bodies, replies, errors, headers.

Pure functions; what they make of a failure (transient, rate limited, of this article, of the job) is acted on elsewhere.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

import orjson

from pipeline.core.errors import TOO_LONG, RequestFailed, Unit
from pipeline.core.finish import finish_of
from pipeline.core.http import retry_after
from pipeline.core.types import ModelInfo, RateLimits, Reply, ResponseFormat, Usage

# error.code (or error.type) of a 429 that no waiting mends
_SPENT = ("insufficient_quota", "credit_balance_exhausted", "spend_limit_exceeded", "usage_limit_exceeded")
# what an endpoint may say against one article; anything else holds for every request and stops the job
_OF_THE_ARTICLE = (400, 413, 422)
_FILTERED = ("content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation")
_TOO_LONG = re.compile(
    r"context[ _](length|window|size)|maximum context|too many (input )?tokens|(prompt|input|request) (is )?too (long|large)",
    re.IGNORECASE,
)
_MOST_TOKENS = 100_000_000  # in one request; more is no count
_OF_THE_JOB = ("unsupported_", "unknown_", "missing_required", "invalid_type", "invalid_model", "model_not_found")
# the status that an error would have been sent with, by the words of its code or type; what none names is a 500
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


class ErrorInside(RequestFailed):
    """An error in a reply of status 200, as routers in front of several endpoints send it.

    `status` is what it would have been sent with, `body` the error as a body of its own.
    """

    status: int = 500
    body: bytes = b""


def as_chat(parameters: dict[str, Any]) -> dict[str, Any]:
    """`max_output_tokens` is the one name that every endpoint's parameter goes by in a job file."""
    renamed = {"max_output_tokens": "max_completion_tokens"}
    return {renamed.get(name, name): value for name, value in sorted(parameters.items())}


def response_format(form: ResponseFormat) -> dict[str, Any]:
    """Structured outputs: the reply is held to a schema."""
    return {"type": "json_schema", "json_schema": {"name": form.name, "strict": True, "schema": form.schema}}


def most_output(parameters: dict[str, Any]) -> int | None:
    value = parameters.get("max_completion_tokens") or parameters.get("max_tokens")
    return value if isinstance(value, int) else None


def reply(data: bytes, headers: Any) -> Reply:
    """Read a reply of status 200.  One whose choice says nothing, or that has none but was billed, is an empty reply.

    Raises ErrorInside where it tells of an error and has no whole answer beside it, RequestFailed where it is no chat
    completion.
    """
    value = _json(data)
    choices = value.get("choices", 0) if isinstance(value, dict) else 0
    choice = _dict(choices[0]) if isinstance(choices, list) and choices else {}
    error = _error_in(value, choice) if isinstance(value, dict) else None
    if not isinstance(choices, list | None) and error is None:
        text = f"not a chat completion: {data[:80].decode('utf-8', 'replace')}"
        raise RequestFailed("transient", "broken_reply", text, may_be_paid=True)
    arrived = _read(value, choice, headers)
    if error is not None and not _is_answer(arrived):
        raise _error_inside(value, error, arrived, headers)
    if not isinstance(choice.get("message"), dict) and not choice.get("finish_reason") and not arrived.usage.tokens:
        text = f"a chat completion without an answer: {data[:80].decode('utf-8', 'replace')}"
        may_be_paid = arrived.usage.tokens is None  # else the endpoint says that it counted nothing
        raise RequestFailed("transient", "broken_reply", text, may_be_paid=may_be_paid, reply=arrived)
    return arrived


def _read(value: dict[str, Any], choice: dict[str, Any], headers: Any) -> Reply:
    message = _dict(choice.get("message"))
    text, refusal = _text(message.get("content")), _text(message.get("refusal"))
    return Reply(
        text=text or refusal or "",
        finish_reason="refusal" if refusal and not text else _string(choice.get("finish_reason")),
        model=_string(value.get("model")),
        request_id=headers.get("x-request-id") or _string(value.get("id")),
        usage=_usage(_dict(value.get("usage"))),
        tier=_string(value.get("service_tier")),
    )


def _is_answer(arrived: Reply) -> bool:
    """Whether what stands beside an error is an answer: it has a text, and says itself how it ended."""
    return bool(arrived.text.strip() and arrived.finish_reason) and finish_of(arrived.finish_reason) in ("whole", "cut")


def _error_in(value: dict[str, Any], choice: dict[str, Any]) -> Any:
    """The error that a body of status 200 tells of: its own, its choice's, or in the words of other servers; or None."""
    for error in (value.get("error"), choice.get("error")):
        if any(error.values()) if isinstance(error, dict) else error:
            return error
    told = "detail" in value or ("message" in value and any(name in value for name in ("code", "type", "status")))
    return value if not value.get("choices") and (told or value.get("object") == "error") else None


def _error_inside(value: dict[str, Any], error: Any, arrived: Reply, headers: Any) -> ErrorInside:
    """The failure that this error is with the status that it names: what its code, or its type, would have been sent with."""
    status, body = _status_of(error, value), orjson.dumps({"error": error}, default=str)
    code, message = error_of(body)
    text = f"HTTP 200 with an error: {code} {message}"
    failed = failure(status, code, message, text, headers) or RequestFailed("fatal", code or f"http_{status}", text)
    billed = bool(arrived.usage.tokens) or (arrived.usage.tokens is None and bool(arrived.text))
    inside = ErrorInside(
        failed.kind, failed.code, text, retry_after=failed.retry_after, unit=failed.unit, may_be_paid=billed, reply=arrived
    )  # fmt: skip
    inside.status, inside.body = status, body
    return inside


def _status_of(error: Any, value: dict[str, Any]) -> int:
    told = _dict(error) or {"code": error}
    names = ("code", "status", "status_code", "statusCode", "http_status")
    values = [*(told.get(name) for name in names), *(value.get(name) for name in names)]
    numbers = [int(number) for number in map(str, values) if number.isdecimal() and len(number) == 3]
    if statuses := [number for number in numbers if 400 <= number < 600]:
        return statuses[0]
    named = (told.get(name) for name in ("code", "type", "status"))
    words = [_snake(word) for word in named if isinstance(word, str) and len(word.split()) <= _NAME_WORDS]
    if exact := [_STATUS_NAMES[word] for word in words if word in _STATUS_NAMES]:
        return exact[0]
    return next((status for word in words for status, known in _STATUS_WORDS if re.search(known, word)), 500)


def _snake(word: str) -> str:
    """`RateLimitError` and `Rate limit error` -> `rate_limit_error`."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word[:80]).lower()).strip("_")


def _json(data: bytes) -> Any:
    """None where it is none.  orjson is strict about what a reply may hold without harm: bytes that are no UTF-8, half
    surrogates, NaN."""
    try:
        return orjson.loads(data)
    except ValueError:
        pass
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _string(value: Any) -> str | None:
    return str(value) if value is not None else None


def _text(content: Any) -> str:
    """A message's content, which may come in parts: `[{"type": "text", "text": ...}]`."""
    if isinstance(content, list):
        return "".join(_text(part.get("text") if isinstance(part, dict) else part) for part in content)
    return "" if content is None else str(content)


def _usage(usage: dict[str, Any]) -> Usage:
    details = _dict(usage.get("prompt_tokens_details"))
    written = details.get("cache_write_tokens") or details.get("cache_creation_tokens")
    counts = (usage.get("prompt_tokens"), details.get("cached_tokens"), usage.get("completion_tokens"), written)
    return Usage(*map(_count, counts))


def _count(value: Any) -> int | None:
    """A plausible number of tokens."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MOST_TOKENS:
        return None
    return int(value)


def model_info(model: Any) -> ModelInfo:
    """Servers tell a model's context under different names (vLLM, OpenRouter, llama.cpp, ...)."""
    extra = model.model_dump(warnings=False)  # servers give whole seconds as fractions
    meta = extra.get("meta") or {}
    sizes = (extra.get("max_model_len"), extra.get("context_length"), extra.get("context_window"), meta.get("n_ctx"))
    context = next((size for size in sizes if isinstance(size, int) and size > 0), None)
    date = extra.get("shutdown_date") or extra.get("deprecation_date")
    return ModelInfo(str(model.id), str(date)[:10] if date else None, context)


LIMIT_HEADERS = ("x-ratelimit-limit-requests", "x-ratelimit-limit-tokens")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?")
_UNITS = (86400.0, 3600.0, 60.0, 1.0, 0.001)
_LONGEST_WINDOW = 90.0  # seconds: a limit that takes longer to be whole again is none per minute


def limits(headers: Any) -> RateLimits:
    """The limits per minute that a reply's headers tell of."""
    told = {unit: _per_minute(headers.get(f"x-ratelimit-limit-{unit}"), headers.get(f"x-ratelimit-reset-{unit}"))
            for unit in ("requests", "tokens")}  # fmt: skip
    return RateLimits(**told)


def _per_minute(limit: str | None, reset: str | None) -> float | None:
    """A header's limit, where it is one per minute (a few endpoints count by the day: they are left to their 429s)."""
    try:
        value = float(limit) if limit else 0.0
    except ValueError:
        return None
    daily = (seconds(reset) or 0.0) > _LONGEST_WINDOW if reset else False
    return value if 0 < value < float("inf") and not daily else None


def seconds(duration: str) -> float | None:
    """`12ms`, `6s`, `1m30s` or plain seconds; None for anything else."""
    match = _DURATION.fullmatch(duration.strip())
    try:
        if match and match[0]:
            return sum(float(part) * unit for part, unit in zip(match.groups(), _UNITS, strict=True) if part)
        return float(duration)
    except ValueError:
        return None


def failure(status: int, code: str, message: str, text: str, headers: Any) -> RequestFailed | None:
    """What a status other than 200 means; None: it holds for every request, so the job must pause."""
    if status == 429:
        if any(code.endswith(spent) for spent in _SPENT):
            return RequestFailed("fatal", code, f"the account has no credit left ({text})")
        unit: Unit = "tokens" if re.search(r"\btokens?\b|\bTPM\b", f"{code} {message}", re.ASCII) else "requests"
        return RequestFailed("rate_limited", code or "rate_limited", text, retry_after=retry_after(headers), unit=unit)
    if (
        status in (408, 409, 425) or status >= 500 or code == "json_validate_failed"
    ):  # the model's JSON, not the request
        return RequestFailed("transient", f"http_{status}", text, retry_after=retry_after(headers))
    if status not in _OF_THE_ARTICLE:
        return None
    if code == TOO_LONG or _TOO_LONG.search(f"{code} {message}"):
        return RequestFailed("rejected", TOO_LONG, text)
    if code in _FILTERED:
        return RequestFailed("rejected", "content_filter", text)
    return None if code.startswith(_OF_THE_JOB) else RequestFailed("rejected", code or f"http_{status}", text)


def error_of(data: bytes) -> tuple[str, str]:
    """(code, message) of an error body, which may be JSON of several shapes, or HTML."""
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
    return kind if code.isdecimal() and kind.endswith(_SPENT) else code, message


def _detail(detail: Any) -> str:
    """What servers on FastAPI say: a text, or a list of what is wrong."""
    if isinstance(detail, list):
        return "; ".join(str(_dict(item).get("msg") or item) for item in detail)
    return str(detail or "")


def parameter_of(data: bytes) -> str:
    """The parameter that an error body names: OpenAI's `param`."""
    error = _dict(_dict(_json(data)).get("error"))
    return str(error.get("param") or "")
