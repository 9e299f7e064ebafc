"""What endpoints tell of their limits: how many a minute, when to come back, which limit it was that was met."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline.core.errors import Unit
from pipeline.core.retry_after import retry_after
from pipeline.core.types import RateLimits
from pipeline.label.openai_api.error_body import ErrorBody

LIMIT_HEADERS = ("x-ratelimit-limit-requests", "x-ratelimit-limit-tokens")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?")
_UNITS = (86400.0, 3600.0, 60.0, 1.0, 0.001)
_LONGEST_WINDOW = 90.0  # seconds: a limit that takes longer to be whole again is none per minute
_EPOCH, _EPOCH_MS = 1e9, 1e12  # numbers from here on are dates

_OF_TOKENS = re.compile(r"\btokens?\b|\bTPM\b", re.ASCII)  # beside any script
_PARALLEL = re.compile(
    r"parallel|concurren|in[- ]flight|simultaneous|at the same time|at once|并发|並發|同时|동시|병렬|同時|並列",
    re.IGNORECASE,
)
_PAIR = re.compile(r"current (rpm|tpm): (\d+), \1 limit: (\d+)")
_DAILY = re.compile(
    r"(?<![A-Za-z])(?:per[ _-]?(?:day|week|month)|daily|weekly|monthly|[RT]PD|a day|24 ?h(?:ours?)?)(?![a-z])|/day|Per(?:Day|Week|Month)"
    r"|今日|每日|每天|当日|當日|하루|일일|1日",
    re.IGNORECASE,
)
_WAIT = re.compile(
    r"\b(?:in|after|within|for|wait)\b:?\s+((?:[\d.]+\s*(?:milliseconds?|ms|seconds?|secs?|minutes?|mins?|hours?|days?|[smhd])[\s,]*(?:and\s+)?)+)",
    re.IGNORECASE,
)
_PART = re.compile(r"([\d.]+)\s*(ms|milli|s|m|h|d)", re.IGNORECASE)
_OF_A_PART = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_CLOCK = re.compile(r"\bin (\d+):(\d\d):(\d\d)\b")
_DATE = re.compile(
    r"(?:reset|retry|again|until|available)\D{0,30}(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)",
    re.IGNORECASE,
)


def limits(headers: Any) -> RateLimits:
    """Return the limits per minute in a reply's headers."""
    per_minute = {unit: _per_minute(headers.get(f"x-ratelimit-limit-{unit}"), headers.get(f"x-ratelimit-reset-{unit}"))
                  for unit in ("requests", "tokens")}  # fmt: skip
    return RateLimits(**per_minute)


def _per_minute(limit: str | None, reset: str | None) -> float | None:
    """Return a header's limit, where it is one per minute (a few endpoints count by the day: they are left to their 429s)."""
    try:
        value = float(limit) if limit else 0.0
    except ValueError:
        return None
    daily = (seconds(reset) or 0.0) > _LONGEST_WINDOW if reset else False
    return value if 0 < value < float("inf") and not daily else None


def seconds(text: str) -> float | None:
    """Return the seconds of `12ms`, `6s`, `1m30s` or a plain number, and until a date (ISO 8601, or seconds of the epoch); None for
    anything else."""
    text = text.strip()
    match = _DURATION.fullmatch(text)
    try:
        if match and match[0]:
            return sum(float(part) * unit for part, unit in zip(match.groups(), _UNITS, strict=True) if part)
        number = float(text)
    except ValueError:
        return _until(text)
    if number < _EPOCH or number != number:
        return number
    return max(0.0, number / (1000 if number >= _EPOCH_MS else 1) - datetime.now(UTC).timestamp())


def _until(text: str) -> float | None:
    try:
        date = datetime.fromisoformat(text.replace(" UTC", "+00:00"))
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


def unit_of(error: ErrorBody, headers: Mapping[str, str]) -> Unit:
    """Return what the limit that was met counts."""
    pairs = {name: int(current) >= int(limit) for name, current, limit in _PAIR.findall(error.message)}
    if any(pairs.values()):  # LiteLLM names all three limits, whichever it was
        return "requests" if pairs.get("rpm") else "tokens"
    if _PARALLEL.search(f"{error.text} {headers.get('rate_limit_type') or ''}"):
        return "parallel"
    return "tokens" if _OF_TOKENS.search(error.text) else "requests"


def is_daily(error: ErrorBody) -> bool:
    """Return whether an error speaks of a limit per day, or longer."""
    return bool(_DAILY.search(error.text))


def wait_of(error: ErrorBody, headers: Mapping[str, str]) -> float | None:
    """Return the seconds after which the endpoint says to come back; None where it does not say."""
    waits = (
        retry_after(headers),
        seconds(error.delay) if error.delay else None,
        _in_words(error.message),
        _reset(headers, unit_of(error, headers)),
        _reset(error.headers, unit_of(error, headers)),
    )
    return next((wait for wait in waits if wait is not None), None)


def _in_words(message: str) -> float | None:
    if clock := _CLOCK.search(message):
        hours, minutes, rest = map(int, clock.groups())
        return hours * 3600.0 + minutes * 60 + rest
    if date := _DATE.search(message):
        return _until(date[1])
    if match := _WAIT.search(message):
        parts = _PART.findall(match[1])
        try:
            return sum(float(number) * _OF_A_PART[unit.lower()] for number, unit in parts)
        except ValueError:
            return None
    return None


def _reset(headers: Mapping[str, str], unit: Unit) -> float | None:
    """Return when the exhausted limit is whole again, by the headers of the one that has nothing left."""
    names = [f"-{name}" for name in _exhausted(headers)] or ([f"-{unit}"] if unit != "parallel" else [])
    texts = (headers.get(f"x-ratelimit-reset{name}") for name in (*names, ""))
    return next((wait for text in texts if text and (wait := seconds(text)) is not None), None)


def _exhausted(headers: Mapping[str, str]) -> Iterable[str]:
    return [name for name in ("requests", "tokens") if headers.get(f"x-ratelimit-remaining-{name}") == "0"]
