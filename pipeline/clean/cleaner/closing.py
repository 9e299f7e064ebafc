"""Closing of a reply: whether it is whole, by what the endpoint says of its end, else by its own form."""

from __future__ import annotations

import re

from pipeline.clean.cleaner.container import enclosed_list
from pipeline.clean.cleaner.envelope import open_envelope
from pipeline.clean.cleaner.json_answers import literal_items
from pipeline.core.finish import finish_of
from pipeline.core.text.lenient_json import find_literal

_PAIRS = ("[]", "()", "{}", "（）", "【】", "<>", '""', "“”")
_OPENER = re.compile(r"[{\[]")


def is_cut(reason: str | None, raw: str) -> bool:
    """Tell whether a reply stopped before its end: its finish reason says so, or is unknown and its form shows no end."""
    finish = finish_of(reason)
    return finish == "cut" or (finish == "unknown" and not closes(raw))


def closes(raw: str) -> bool:
    """Tell whether the form of a reply shows its end.

    It does by a list or an object that is closed; a fence, a tag, brackets or quotes closed around a list; an end token behind it.
    A plain list shows none, for the next phrase may be missing.
    """
    envelope = open_envelope(raw, None, [])
    if envelope.closed:
        return True
    literal = find_literal(envelope.answer)
    if literal is None or literal_items(literal, None) is None:
        marks = envelope.answer.strip(" \n.;,")
        return enclosed_list(envelope.answer) is not None and f"{marks[0]}{marks[-1]}" in _PAIRS
    in_a_row = literal.value.opener != "[" and _OPENER.search(envelope.answer, literal.end)
    return not literal.cut and not in_a_row  # of objects in a row nobody knows which is the last
