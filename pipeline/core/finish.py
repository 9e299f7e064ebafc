"""Finish reasons, which say why a reply ended: one table of the words that makers of models and servers use.

A word that is not in the table says nothing, whatever was answered before: such a reply counts as whole only where its own
form shows its end, which the task tells (`clean.cleaner.closing`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

Finish = Literal["whole", "cut", "transient", "blocked", "unknown"]

UNKNOWN = "finish_unknown"  # the repair of a label whose reply ended with a word that is not in the table
EXHAUSTED = "reasoning_exhausted"  # what `length` is called where all of the reply was reasoning
_TABLE: dict[Finish, tuple[str, ...]] = {
    "whole": ("stop", "eos", "eos_token", "end_turn", "stop_sequence", "tool_calls"),
    "cut": ("length", "max_tokens", EXHAUSTED),
    "transient": ("error", "abort", "insufficient_system_resource"),
    "blocked": ("content_filter", "refusal", "safety", "recitation"),
}
_FINISHES = {word: finish for finish, words in _TABLE.items() for word in words}


@lru_cache(maxsize=256)
def finish_of(reason: str | None) -> Finish:
    """Return the meaning of a finish reason; case does not count (`STOP`, `MAX_TOKENS`), null and an empty text are whole."""
    word = (reason or "").strip().casefold()
    return _FINISHES.get(word, "unknown") if word else "whole"


def withheld(reason: str | None) -> Literal["refusal", "content_filter", "truncated", "reasoning_exhausted"] | None:
    """Return why a reply is no label whatever its text: it was blocked, broken off by a fault of the endpoint, or its room went to
    reasoning; else None."""
    if reason == EXHAUSTED:
        return "reasoning_exhausted"
    finish = finish_of(reason)
    if finish == "blocked":
        return "refusal" if reason and reason.strip().casefold() == "refusal" else "content_filter"
    return "truncated" if finish == "transient" else None
