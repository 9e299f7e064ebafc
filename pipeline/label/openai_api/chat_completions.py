"""Chat completions on the wire, as OpenAI and the many servers like it speak them: bodies, replies, headers.

Pure functions; errors are read in `failures`.
"""

from __future__ import annotations

from math import inf
from typing import Any

from pipeline.core.errors import RequestFailed
from pipeline.core.finish import EXHAUSTED, finish_of
from pipeline.core.types import ModelInfo, Reply, ResponseFormat, Usage
from pipeline.label.openai_api.error_body import as_dict, parse_json
from pipeline.label.openai_api.failures import error_in, error_inside

COST_HEADER = "x-litellm-response-cost"  # US dollars
_REASONING = ("reasoning_content", "reasoning", "thinking")
_MOST_TOKENS = 100_000_000  # in one request; more is no count


def as_chat(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a job file by the names of this API.

    `max_output_tokens` is the one name that the limit of a reply goes by in a job file, whatever the endpoint calls it.
    """
    renamed = {"max_output_tokens": "max_completion_tokens"}
    return {renamed.get(name, name): value for name, value in sorted(parameters.items())}


def response_format(form: ResponseFormat) -> dict[str, Any]:
    """Return the parameter that holds a reply to a schema (structured outputs)."""
    return {"type": "json_schema", "json_schema": {"name": form.name, "strict": form.strict, "schema": form.schema}}


def most_output(parameters: dict[str, Any]) -> int | None:
    """Return the most tokens of a reply, None where no parameter bounds it."""
    value = parameters.get("max_completion_tokens") or parameters.get("max_tokens")
    return value if isinstance(value, int) else None


def reply(data: bytes, headers: Any) -> Reply:
    """Return the reply in a body of status 200.  One whose choice says nothing, or that has none but was billed, is an empty reply.

    Raises ErrorInside where it tells of an error and has no whole answer beside it, RequestFailed where it is no chat
    completion.
    """
    return reply_of(parse_json(data), data, headers)


def reply_of(value: Any, data: bytes, headers: Any) -> Reply:
    """Return the reply in a body that is read already, and came as `data` or within it; otherwise as `reply`."""
    choices = value.get("choices", 0) if isinstance(value, dict) else 0
    choice = as_dict(choices[0]) if isinstance(choices, list) and choices else {}
    error = error_in(value, choice) if isinstance(value, dict) else None
    if not isinstance(choices, list | None) and error is None:
        text = f"not a chat completion: {data[:80].decode('utf-8', 'replace')}"
        raise RequestFailed("transient", "broken_reply", text, may_be_paid=True)
    arrived = _read(value, choice, headers)
    if error is not None and not _is_answer(arrived):
        raise error_inside(value, error, arrived, headers)
    if not isinstance(choice.get("message"), dict) and not choice.get("finish_reason") and not arrived.usage.tokens:
        text = f"a chat completion without an answer: {data[:80].decode('utf-8', 'replace')}"
        may_be_paid = arrived.usage.tokens is None  # else the endpoint says that it counted nothing
        raise RequestFailed("transient", "broken_reply", text, may_be_paid=may_be_paid, reply=arrived)
    return arrived


def _read(value: dict[str, Any], choice: dict[str, Any], headers: Any) -> Reply:
    message = as_dict(choice.get("message"))
    text, refusal = _text(message.get("content")), _text(message.get("refusal"))
    return Reply(
        text=text or refusal or "",
        finish_reason=_finish(choice, value, text, refusal),
        model=_string(value.get("model")),
        request_id=headers.get("x-request-id") or _string(value.get("id")),
        usage=_usage(as_dict(value.get("usage"))),
        tier=_string(value.get("service_tier")),
        billed_usd=dollars_in(headers.get(COST_HEADER)),
        reasoning="" if text or refusal else _reasoning(message),
    )


def _finish(choice: dict[str, Any], value: dict[str, Any], text: str, refusal: str) -> str | None:
    """Return how a reply ended, as it says; it does not say that there was room for reasoning only."""
    reason = _string(choice.get("finish_reason"))
    if text.strip():
        return reason
    if refusal:
        return "refusal"
    details = as_dict(as_dict(value.get("usage")).get("completion_tokens_details"))
    has_reasoned = _reasoning(as_dict(choice.get("message"))) or count(details.get("reasoning_tokens"))
    return EXHAUSTED if has_reasoned and finish_of(reason) == "cut" else reason


def _reasoning(message: dict[str, Any]) -> str:
    return next((text for name in _REASONING if (text := _text(message.get(name)).strip())), "")


def _is_answer(arrived: Reply) -> bool:
    """Return whether what stands beside an error is an answer: it has a text, and says itself how it ended."""
    return bool(arrived.text.strip() and arrived.finish_reason) and finish_of(arrived.finish_reason) in ("whole", "cut")


def _string(value: Any) -> str | None:
    return str(value) if value is not None else None


def _text(content: Any) -> str:
    """Return the text of a message's content, which may come in parts: `[{"type": "text", "text": ...}]`."""
    if isinstance(content, list):
        return "".join(_text(part.get("text") if isinstance(part, dict) else part) for part in content)
    return "" if content is None else str(content)


def _usage(usage: dict[str, Any]) -> Usage:
    details = as_dict(usage.get("prompt_tokens_details"))
    written = details.get("cache_write_tokens") or details.get("cache_creation_tokens")
    cached = count(details.get("cached_tokens"))
    return Usage(count(usage.get("prompt_tokens")), cached, count(usage.get("completion_tokens")), count(written))


def dollars_in(text: str | None) -> float | None:
    """Return an amount of money in a header, None for what is none."""
    try:
        amount = float(text or "")
    except ValueError:
        return None
    return amount if 0 <= amount < inf else None


def count(value: Any) -> int | None:
    """Return a number of tokens, None for what is not plausible."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MOST_TOKENS:
        return None
    return int(value)


def models(value: Any) -> dict[str, ModelInfo] | None:
    """Return the models of a list of models, by name; None for what is no such list."""
    entries = value.get("data") if isinstance(value, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and entry.get("id") for entry in entries):
        return None
    return {str(entry["id"]): model_info(entry) for entry in entries}


def model_info(entry: Any) -> ModelInfo:
    """Return what an entry of the list of models says; servers call the context differently (vLLM, OpenRouter, llama.cpp, ...)."""
    entry = as_dict(entry)
    lengths = (entry.get("max_model_len"), entry.get("context_length"), entry.get("context_window"))
    sizes = map(count, (*lengths, as_dict(entry.get("meta")).get("n_ctx")))
    date = entry.get("shutdown_date") or entry.get("deprecation_date")
    return ModelInfo(
        str(entry.get("id")), str(date)[:10] if date else None, next((size for size in sizes if size), None)
    )
