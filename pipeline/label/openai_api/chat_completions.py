"""Chat completions on the wire, as OpenAI and the many servers like it speak them: bodies, replies, errors, headers.

Pure functions; what they make of a failure (transient, rate limited, of this article, of the job) is acted on elsewhere.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from pipeline.core.errors import TOO_LONG, RequestFailed, Unit
from pipeline.core.http import retry_after
from pipeline.core.types import Advertised, Form, ModelInfo, Reply, Usage

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


def as_chat(parameters: dict[str, Any]) -> dict[str, Any]:
    """`max_output_tokens` is the one name that every endpoint's parameter goes by in a job file."""
    renamed = {"max_output_tokens": "max_completion_tokens"}
    return {renamed.get(name, name): value for name, value in sorted(parameters.items())}


def response_format(form: Form) -> dict[str, Any]:
    """Structured outputs: the reply is held to a schema."""
    return {"type": "json_schema", "json_schema": {"name": form.name, "strict": True, "schema": form.schema}}


def most_output(parameters: dict[str, Any]) -> int | None:
    value = parameters.get("max_completion_tokens") or parameters.get("max_tokens")
    return value if isinstance(value, int) else None


def reply(data: bytes, headers: Any) -> Reply:
    """A reply of status 200.  What says nothing (no choices, no content) is an empty reply, for it was paid.

    Raises RequestFailed where it is no chat completion.
    """
    value = _json(data)
    if isinstance(value, dict) and "choices" not in value and "error" in value:
        raise _error_in_disguise(value, data, headers)
    if not isinstance(value, dict) or not isinstance(value.get("choices", 0), list | None):
        text = f"not a chat completion: {data[:80].decode('utf-8', 'replace')}"
        raise RequestFailed("transient", "broken_reply", text, may_be_paid=True)
    choice = _dict((value["choices"] or [{}])[0])
    message = _dict(choice.get("message"))
    text, refusal = _text(message.get("content")), _text(message.get("refusal"))
    reason = choice.get("finish_reason")
    return Reply(
        text=text or refusal or "",
        finish_reason="refusal" if refusal and not text else reason if isinstance(reason, str) else None,
        model=_string(value.get("model")),
        request_id=headers.get("x-request-id") or _string(value.get("id")),
        usage=_usage(_dict(value.get("usage"))),
        tier=_string(value.get("service_tier")),
    )


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


def _error_in_disguise(value: dict[str, Any], data: bytes, headers: Any) -> RequestFailed:
    """`{"error": {"code": 429, ...}}` with status 200, as routers in front of several endpoints send it."""
    code, message = error_of(data)
    status = int(code) if code.isdigit() and 400 <= int(code) < 600 else 500
    text = f"HTTP 200 with an error: {code} {message}"
    return failure(status, code, message, text, headers) or RequestFailed("fatal", code, text)


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


def limits(headers: Any) -> Advertised:
    """The limits per minute that a reply's headers tell of."""
    told = {unit: _per_minute(headers.get(f"x-ratelimit-limit-{unit}"), headers.get(f"x-ratelimit-reset-{unit}"))
            for unit in ("requests", "tokens")}  # fmt: skip
    return Advertised(**told)


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
    return str(error.get("code") or kind), message


def _detail(detail: Any) -> str:
    """What servers on FastAPI say: a text, or a list of what is wrong."""
    if isinstance(detail, list):
        return "; ".join(str(_dict(item).get("msg") or item) for item in detail)
    return str(detail or "")


def parameter_of(data: bytes) -> str:
    """The parameter that an error body names: OpenAI's `param`."""
    error = _dict(_dict(_json(data)).get("error"))
    return str(error.get("param") or "")
