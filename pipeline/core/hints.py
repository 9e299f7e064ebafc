"""Hints for mistyped names."""

from __future__ import annotations

from difflib import get_close_matches


def did_you_mean(name: str, allowed: list[str]) -> str:
    """Return ` (did you mean 'x'?)` with the allowed name that is like `name`, or an empty string."""
    close = get_close_matches(str(name), allowed, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
