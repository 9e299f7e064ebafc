"""Hints in messages: what a mistyped name may mean, which command is next."""

from __future__ import annotations

import re
from difflib import get_close_matches


def did_you_mean(name: str, allowed: list[str]) -> str:
    """Return ` (did you mean 'x'?)` with the allowed name that is like `name`, or an empty string."""
    close = get_close_matches(str(name), allowed, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def with_job(text: str, job: str) -> str:
    """Return a text with the job file, quoted where it needs that, for `JOB` in the commands that it names.

    Parts that know only a folder write `JOB`.
    """
    return re.sub(r"(\blabelmill \w+ )JOB\b", lambda match: match[1] + job, text)
