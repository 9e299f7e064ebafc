"""What an error body says: its words for machines, its message, the parameter that it names, when to come back.

Servers write errors in many shapes: OpenAI's `{"error": {...}}`, FastAPI's `{"detail": [{"loc", "msg"}]}`, xAI's
`{"code", "error"}`, Google's list of one error, routers that carry the body of another server within theirs, a page of HTML.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

MOST_MESSAGE = 2000  # characters that are looked at; limits stand behind long names of organizations
_PAGE = 120  # characters of what is no JSON
_WORDS = ("code", "type", "status", "error_type", "reason", "quotaId")
_WITHIN = ("error", "innererror", "inner_error", "details", "detail", "errors", "metadata", "violations")
_MESSAGES = ("message", "msg", "error_message", "error_msg", "errorMessage", "title")
_PLACES = ("param", "loc", "path", "field")
_NOTHING = ("", "None", "null", "none")
_DEEPEST = 4
_SENTENCE = 4  # words: what has more is no word for machines, and no name of an error


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """An error as a server tells it.

    `words` are all its codes, types and statuses, those of errors within it as well; `code` is the one to report.  `parameter` is
    the one that it names by itself, as a path: `messages.0.role`.  `delay` is how long to wait, in its own form (`34s`).
    `headers` are those that a router passes on in the body.
    """

    code: str = ""
    message: str = ""
    parameter: str = ""
    words: tuple[str, ...] = ()
    delay: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All that it says."""
        return f"{' '.join(self.words)} {self.message}"


def read_error(data: bytes) -> ErrorBody:
    """Return what an error body says, which may be JSON of several shapes, or HTML."""
    value = parse_json(data)
    if value is None:
        return ErrorBody(message=data[:_PAGE].decode("utf-8", "replace").replace("\n", " "))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = value[0]
    error = value.get("error", value) if isinstance(value, dict) else value
    parts = [part for part in _parts(value, 0) if isinstance(part, dict)]
    words = tuple(dict.fromkeys(word for part in parts for word in _words_in(part)))
    if not isinstance(error, dict):
        names = [word for word in words if len(word.split()) < 2]
        return ErrorBody(names[0] if names else "", str(error)[:MOST_MESSAGE], _parameter(parts), words)
    own = list(_words_in(error))
    message = _message(error)
    if error.get("type") in ("tokens", "requests"):  # OpenAI's word for which limit it was
        message += f" ({error['type']})"
    raw = as_dict(error.get("metadata")).get("raw")
    if isinstance(raw, str):  # what the server behind a router said
        behind = read_error(raw.encode())
        words, message = (*words, *behind.words), f"{message}: {behind.message}"
    delay = next((str(part["retryDelay"]) for part in parts if "retryDelay" in part), "")
    headers = as_dict(as_dict(error.get("metadata")).get("headers"))
    lowered = {str(name).lower(): str(text) for name, text in headers.items()}
    return ErrorBody(own[0] if own else "", message[:MOST_MESSAGE], _parameter(parts), words, delay, lowered)


def _parts(value: Any, depth: int) -> Iterator[Any]:
    """Yield an error and the errors within it."""
    yield value
    if depth < _DEEPEST:
        inner = [value.get(name) for name in _WITHIN] if isinstance(value, dict) else value
        for part in inner if isinstance(inner, list) else []:
            if isinstance(part, dict | list):
                yield from _parts(part, depth + 1)


def _words_in(part: dict[str, Any]) -> Iterator[str]:
    for name in _WORDS:
        if isinstance(part.get(name), str | int) and str(part[name]) not in _NOTHING:
            yield str(part[name])[:200]


def _message(error: dict[str, Any]) -> str:
    message = next((error[name] for name in _MESSAGES if error.get(name)), None)
    counts = [error[name] for name in ("n_prompt_tokens", "n_ctx") if isinstance(error.get(name), int)]  # llama.cpp
    counted = f" ({counts[0]} tokens, context size {counts[1]})" if len(counts) == 2 else ""
    return str(message or _detail(error.get("detail")) or error)[:MOST_MESSAGE] + counted


def _detail(detail: Any) -> str:
    """Return what servers on FastAPI say: a text, or a list of what is wrong, and where."""
    if isinstance(detail, list):
        return "; ".join(_of_one(as_dict(item), item) for item in detail)
    return str(detail or "")


def _of_one(item: dict[str, Any], value: Any) -> str:
    where = _path(item.get("loc"))
    return (f"{where}: " if where else "") + str(item.get("msg") or value)


def _parameter(parts: list[dict[str, Any]]) -> str:
    paths = (_path(part.get(name)) for part in parts for name in _PLACES)
    return next((path for path in paths if path), "")


def _path(location: Any) -> str:
    """Return `messages.0.role` for `["body", "messages", 0, "role"]` and for `messages[0].role`."""
    names = list(map(str, location)) if isinstance(location, list) else re.findall(r"[^.\[\]/$]+", str(location or ""))
    if names[:1] == ["body"]:
        names = names[1:]
    return "" if not names or names[0] in _NOTHING else ".".join(names)


def parse_json(data: bytes) -> Any:
    """Return the value of a body, None where it is no JSON.

    orjson is strict about what a reply may hold without harm: a mark of the byte order, bytes that are no UTF-8, half surrogates,
    NaN.
    """
    try:
        return orjson.loads(data)
    except ValueError:
        pass
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return json.loads(data.decode(encoding, "replace"))
    except (ValueError, RecursionError):
        return None


def as_dict(value: Any) -> dict[str, Any]:
    """Return a JSON value that is an object, an empty one for any other."""
    return value if isinstance(value, dict) else {}


def is_name(text: str) -> bool:
    """Return whether a text is the name of an error and no sentence: "Bad Gateway", "model not found"."""
    return len(text.split()) <= _SENTENCE
