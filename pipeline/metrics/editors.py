"""Acceptance by editors: which phrases of a label people would take, where each gave their own and what else they would accept.

Two phrases are the same when they are equal after NFKC, lower case, with hyphens, middle dots and apostrophes as spaces and edges
without punctuation; or without spaces; or without a final s or es of each word.  It is more generous than F1 against one person's
list: each of two editors accepts nearly all of the other's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import TypedDict

_GAP = re.compile(r"[\s\-‐–—·・'’]+")
_PLURAL = re.compile(r"(es|s)$")
_EDGES = " .,;:\"“”'‘()[]"


class Editor(TypedDict):
    """What one editor says of an article: the phrases he would give, and others that he would accept."""

    gold: list[str]
    also: list[str]


def accepted(phrases: Sequence[str], editors: Sequence[Editor]) -> int:
    """Count the phrases that at least one editor takes."""
    taken = {form for editor in editors for phrase in _of(editor) for form in _forms(phrase)}
    return sum(bool(_forms(phrase) & taken) for phrase in phrases)


def agreed_found(phrases: Sequence[str], editors: Sequence[Editor]) -> tuple[int, int]:
    """Return (how many of the first editor's phrases that all others take as well are among the phrases, how many there are)."""
    taken = [{_stem(phrase) for phrase in _of(editor)} for editor in editors]
    agreed = [form for form in map(_stem, editors[0]["gold"]) if all(form in forms for forms in taken)]
    given = set(map(_stem, phrases))
    return sum(form in given for form in agreed), len(agreed)


def _of(editor: Editor) -> list[str]:
    return [*editor["gold"], *editor.get("also", [])]


def _normal(phrase: str) -> str:
    return _GAP.sub(" ", unicodedata.normalize("NFKC", phrase).casefold()).strip(_EDGES)


def _stem(phrase: str) -> str:
    return " ".join(_PLURAL.sub("", word) for word in _normal(phrase).split())


def _forms(phrase: str) -> set[str]:
    normal = _normal(phrase)
    return {normal, normal.replace(" ", ""), _stem(phrase)}
