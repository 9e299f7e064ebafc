"""Headers of HTTP that several rooms read: how long a server asks to wait, and until when that is."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any


def retry_after(headers: Any) -> float | None:
    """Return the seconds that the server asks to wait, or None: `retry-after-ms` before `retry-after` (seconds or a date)."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        value = headers.get("retry-after")
        return max(0.0, float(value)) if value else None
    except ValueError:
        return _seconds_until(str(headers.get("retry-after")))


def in_future(seconds: float) -> str:
    """Return, for people, the time in so many seconds: `2026-11-30 14:05 UTC`."""
    at = datetime.fromtimestamp(datetime.now(UTC).timestamp() + min(seconds, 1e9), UTC)
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _seconds_until(date: str) -> float | None:
    try:
        return max(0.0, (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError, OverflowError):  # a year of eleven digits
        return None
