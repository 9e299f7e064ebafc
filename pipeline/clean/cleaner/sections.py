"""Sections: lists of one reply that stand one behind the other, each with what leads to it, and which of them is the answer.

Categories (`People: A, B` above `Places: C, D`) are one answer. Two versions, or what was taken and what was not, are told apart by
the words that lead to them, where these are known; else by what the lists share, in any language; else nobody knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.clean.cleaner import labels, markers
from pipeline.clean.cleaner import vocabulary as words
from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.cleaner.trim import trim

_HEAD = re.compile(r"\s*([^:：;；,，、\n]{1,60}?)\s*[:：]\s*(?=\S)")
_SIGNS = re.compile("[;；]"), re.compile("[,，、؛،]")
_LINES, _ITEMS = 60, 20  # of a reply, of a list: with more it is no answer to a prompt for key phrases
_LEAD_CHARS, _HEADS = 300, 2  # Step 3: Final key phrases: A; B
_WORD = re.compile(r"[^\W\d_]+")


@dataclass
class _Section:
    """A list: the words that lead to it, its lines, its items; whether its items have a line each."""

    lead: str
    lines: list[str]
    items: list[str]
    bulleted: bool = False


def answer_of(text: str, article: ArticleIndex) -> tuple[str, bool]:
    """Return (the section that is the answer, or all of the text where it is one, whether it is so for certain)."""
    lines = [line for line in text.split("\n") if any(map(str.isalnum, line))]
    if sum(not markers.has_bullet(line) for line in lines) < 2 and not _SIGNS[0].search(text):
        return text, True  # one list
    sections = _sections(lines, article)
    if len(sections) < 2:
        return _without_measures(text, sections, article), True
    kinds = [labels.kind_of_lead(section.lead + ":") for section in sections]
    kinds = [
        "final" if at and _takes_back(section.lead) else kind
        for at, (section, kind) in enumerate(zip(sections, kinds, strict=True))
    ]
    best = labels.best_kind(kinds)
    chosen = [section for section, kind in zip(sections, kinds, strict=True) if kind == best]
    if len(chosen) < len(sections):
        chosen = chosen[-1:] if best == "final" else chosen
    elif _is_said_again(sections):
        chosen = sections[-1:]
    if len(chosen) == len(sections):
        return text, not _are_versions(sections)
    return "\n".join(line for section in chosen for line in section.lines), True


def _sections(lines: list[str], article: ArticleIndex) -> list[_Section]:
    sections: list[_Section] = []
    lead: list[str] = []
    for line in lines[:_LINES]:
        bulleted = markers.has_bullet(line)
        head, body = _split_head(markers.strip_bullet(line), article)
        items = _items(body, article)
        if bulleted and not items and not head and not lead and sections and sections[-1].bulleted:
            sections[-1].lines.append(line)
            sections[-1].items.append(body)
        elif items or (bulleted and not head and article.has(trim(body))):
            sections.append(
                _Section(
                    " ".join([*lead, head])[-_LEAD_CHARS:].strip(), [body if head else line], items or [body], not items
                )
            )
            lead = []
        elif article.has(trim(markers.strip_number(line.strip()))):
            return []  # a phrase, and what is below explains it
        else:
            lead.append(line)
    return sections


def _without_measures(text: str, sections: list[_Section], article: ArticleIndex) -> str:
    """Return the only list of a text without lines of measures behind it, `Word count: 7`, of which the article has nothing."""
    if not sections or sections[0].bulleted or sections[0].lead:
        return text
    line, *others = [line for line in text.split("\n") if any(map(str.isalnum, line))]
    heads = [_split_head(other, article) for other in others]
    are_measures = all(len(head) > 1 and head[0].isalpha() and not article.has(trim(body)) for head, body in heads)
    return line if heads and are_measures and line in sections[0].lines else text


def _split_head(line: str, article: ArticleIndex) -> tuple[str, str]:
    heads: list[str] = []
    while (match := _HEAD.match(line)) and len(heads) < _HEADS and not article.has(match[1]):
        heads.append(match[1])
        line = line[match.end() :]
    return " ".join(heads), line


def _items(text: str, article: ArticleIndex) -> list[str]:
    """Return the items of a list, most of which the article has; none where the text is no list."""
    for sign in _SIGNS:
        items = [trim(part) for part in sign.split(text, maxsplit=_ITEMS) if part.strip()]
        if len(items) > 1:
            evident = sum(article.has(item) or (sign is _SIGNS[0] and article.shares(item)) for item in items)
            return items if 2 * evident >= len(items) else []
    return []


def _takes_back(lead: str) -> bool:
    folded = lead.casefold()
    return any(word in folded for word in words.CORRECTIONS)


def _is_said_again(sections: list[_Section]) -> bool:
    """Tell whether the last list has something of one before it, behind words of the model's."""
    last = {item.casefold() for item in sections[-1].items}
    return bool(sections[-1].lead) and any(
        item.casefold() in last for section in sections[:-1] for item in section.items
    )


def _are_versions(sections: list[_Section]) -> bool:
    """Tell whether lists with a heading each may be two versions, or what was taken and what was not: two, or headings that share a
    word (`Draft 1`, `Draft 2`), none of which names a category or key phrases."""
    leads = [{*_WORD.findall(section.lead.casefold())} for section in sections]
    if not all(leads):
        return False
    if any(_names_something(lead) for lead in leads):
        return False
    return len(leads) == 2 or any(leads[0] & lead for lead in leads[1:])


def _names_something(lead: set[str]) -> bool:
    return any(word in words.CATEGORIES | words.GRADES or labels.is_head(word, strong=False) for word in lead)
