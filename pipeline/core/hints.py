"""A hint for a name that is almost one that is there."""

from __future__ import annotations

from difflib import get_close_matches


def did_you_mean(name: str, allowed: list[str]) -> str:
    """` (did you mean 'x'?)` or nothing."""
    close = get_close_matches(str(name), allowed, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
