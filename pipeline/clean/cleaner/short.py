"""Short labels: the first line of a reply, without what stands before, behind and around the label in it."""

from __future__ import annotations

import re

from pipeline.clean.cleaner import labels, statuses
from pipeline.clean.cleaner.closing import is_cut
from pipeline.clean.cleaner.envelope import open_envelope
from pipeline.clean.cleaner.literal import find_literal
from pipeline.clean.cleaner.markers import strip_bullet, strip_number
from pipeline.clean.cleaner.normal import strip_emphasis
from pipeline.clean.cleaner.refine import refine
from pipeline.clean.cleaner.reject import is_clause
from pipeline.clean.cleaner.statuses import Status
from pipeline.core.finish import withheld

_HEAD = re.compile(r"([^:：;]{1,60}?)\s*(?:[:：]|\b(?:is|are|est|sont)\b:?)\s*", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_NAMES = ("title", "label", "name", "category", "class", "titre", "제목", "분류", "범주", "タイトル", "分類")


def clean_short(raw: str, *, max_words: int = 6, finish_reason: str | None = None) -> tuple[str, Status]:
    """Return (label, status); the label is empty unless the status is `ok`.  Never raises on a string.

    `{"topic": "A"}`, `Topic: A`, `Sure! Here is the label: "A".` and `A` with an explanation on further lines are all A;
    a sentence, or more words than `max_words`, is `unparseable`.
    """
    if kept_back := withheld(finish_reason):
        return "", kept_back
    envelope = open_envelope(raw, None, [])
    answer = envelope.answer
    if not any(map(str.isalnum, answer)):
        return "", "truncated" if envelope.unfinished else "empty"
    if opening := statuses.status_of_opening(answer, None):
        return "", opening
    line = _of_literal(answer) or _first_line(answer)
    if is_cut(finish_reason, raw) and answer.endswith(line):
        return "", "truncated"
    label = next(refine(strip_number(_behind_head(line)), None), "")
    if statuses.is_no_answer(label):
        return "", "no_answer"
    if not label or len(label.split()) > max_words or is_clause(label):
        return "", "unparseable"
    return label, "ok"


def _behind_head(line: str) -> str:
    """Return what a head announces: `I think the topic is: A`, `The topic is A`, `Title: A` -> A."""
    match = _HEAD.match(line)
    if match is None or not line[match.end() :].strip():
        return line
    words = _WORD.findall(match[1].casefold())
    is_head = any(labels.is_head(word, strong=False) or word in _NAMES for word in words)
    return line[match.end() :] if is_head else line


def _of_literal(answer: str) -> str | None:
    """Return the first text in JSON: the value of its first key, or its first item."""
    literal = find_literal(answer)
    if literal is None:
        return None
    group = literal.value
    values = [value for _, value in group.pairs()] if group.keys else group.items
    return next((value for value in values if isinstance(value, str) and value.strip()), None)


def _first_line(answer: str) -> str:
    """Return the first line of the first labelled part, or of the whole."""
    preface, *blocks = labels.split_blocks(labels.strip_interjection(strip_emphasis(answer)))
    full = [block for block in blocks if any(map(str.isalnum, block.text))]
    texts = [block.text for block in full if block.kind in ("answer", "category")] or [block.text for block in full]
    text = (
        preface.text
        if any(map(str.isalnum, preface.text)) and not _announces(preface.text, texts)
        else "".join(texts[:1])
    )
    lines = (line.strip() for line in text.split("\n"))
    return labels.strip_announcement(strip_bullet(next((line for line in lines if any(map(str.isalnum, line))), "")))


def _announces(preface: str, texts: list[str]) -> bool:
    """Tell whether the text before a label only leads to it."""
    return bool(texts) and (labels.opens_preamble(preface) or is_clause(preface.strip()))
