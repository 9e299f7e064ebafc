"""Other ways to ask, for the reply that came was paid for nothing: with more room, without a schema, with less reasoning.

The question, and with it the ledger's key, stays the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.core.finish import EXHAUSTED
from pipeline.label.endings import MORE_ROOM, WHITESPACE_LOOP

_ROOM = ("max_completion_tokens", "max_tokens")
_LITTLE_REASONING = ("none", "minimal")

Body = dict[str, Any]


def other_ways(body: Body, reason: str | None) -> Iterator[Body]:
    """Yield bodies that ask the same in another way than `body`, the best first; none for a reason that wants none."""
    if reason == "truncated":
        yield from _with_room(body)
    elif reason == WHITESPACE_LOOP:
        if "response_format" in body:  # the grammar of a schema allows white space without an end
            yield {name: value for name, value in body.items() if name != "response_format"}
    elif reason == EXHAUSTED:
        # both at once, since many servers take the parameter and do not keep to it
        room = next(_with_room(body), body)
        efforts = () if body.get("reasoning_effort") in _LITTLE_REASONING else _LITTLE_REASONING
        yield from ({**room, "reasoning_effort": effort} for effort in efforts)
        yield from _with_room(body)


def _with_room(body: Body) -> Iterator[Body]:
    room = {name: MORE_ROOM * body[name] for name in _ROOM if isinstance(body.get(name), int)}
    if room:
        yield {**body, **room}
