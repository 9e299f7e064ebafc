"""How a reply ended that was paid for nothing: cut in its answer, in white space without an end, or before it began to answer."""

from __future__ import annotations

import re

from pipeline.core import finish
from pipeline.core.types import Reply

WHITESPACE_LOOP = "whitespace_loop"
# so many times the room, reserved and sent, for these: once more is enough for nearly all
MORE_ROOM, MORE_ROOM_FOR = (
    2,
    ("truncated", finish.EXHAUSTED),
)
_SPACE_AT_END = re.compile(r"(?:\s|\\[nrt])+$")  # also as a string of JSON holds it
_LOOP_CHARS = 100  # of white space at the end; no layout of a list or an object has as much
_OPEN_THOUGHT = re.compile(r"\s*<(think|thinking|reasoning)>(?!.*</\1>)", re.DOTALL | re.IGNORECASE)
_TAIL, _LONGEST_PERIOD = 240, 60  # characters: what repeats four times over is a loop


def of_cut(text: str) -> str:
    """Return why a reply that was cut is no good: `truncated`, `whitespace_loop` or `reasoning_exhausted`."""
    if _OPEN_THOUGHT.match(text):
        return finish.EXHAUSTED
    end = _SPACE_AT_END.search(text, max(0, len(text) - 4 * _LOOP_CHARS))
    return WHITESPACE_LOOP if end and len(end[0]) >= _LOOP_CHARS else "truncated"


def before_these_reasons(reply: Reply, verdict: str) -> str:
    """Return a verdict as it was before the reasons of this module: a reply that is in the ledger is asked again for no new one."""
    is_old = reply.finish_reason != finish.EXHAUSTED and finish.finish_of(reply.finish_reason) == "cut"
    return "truncated" if is_old and verdict in (WHITESPACE_LOOP, finish.EXHAUSTED) else verdict


def repeats_itself(text: str) -> bool:
    """Return whether a text ends in a loop, which more room would only make longer."""
    tail = text[-_TAIL:]
    return len(tail) == _TAIL and any(tail[period:] == tail[:-period] for period in range(1, _LONGEST_PERIOD + 1))
