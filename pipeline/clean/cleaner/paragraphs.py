"""Paragraphs of an answer: which of them are its list, and which talk about it before, behind and between."""

from __future__ import annotations

import re

from pipeline.clean.cleaner import markers
from pipeline.clean.cleaner.lines import is_bulleted
from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.cleaner.reject import ends_sentence_inside, is_clause

_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_LINE_END = re.compile("\n")
_BEFORE_HEAD = re.compile(r"\n(?=[^\W\d]{1,20}[:：] ?\S)")  # Sentiment: negative
_SCORED = re.compile(r"[:：]\s*\d[\d.,%]*\s*$")
_SENTENCE_END, _FEW_WORDS = re.compile(r"(?<=\w{3})\. (?=\w)"), 3  # not of an initial


def evident_paragraphs(text: str, article: ArticleIndex | None) -> str:
    """Return the text without single lines between blank lines that share nothing with the article, beside a list that does.

    `Here you go`, a list, `Word count: 5` -> the list.  A list with a blank line behind each item has no such neighbour.
    """
    if article is None or "\n" not in text or all(map(_SCORED.search, text.strip().split("\n"))):
        return text
    edges = _BLANK_LINE if "\n\n" in text else _LINE_END if ";" in text else _BEFORE_HEAD
    paragraphs = [part.strip("\n") for part in edges.split(text) if any(map(str.isalnum, part))]
    if len(paragraphs) < 2 and not ends_sentence_inside(text):
        return text
    lists = [part for part in paragraphs if len(parts_of(part)) > 1 and article.shares(part)]
    kept = [
        part
        for part in paragraphs
        if part in lists or _is_item(part) or article.shares(part) or (edges is _LINE_END and ";" in part)
    ]
    calm = [part for part in kept if not ends_sentence_inside(part)]
    if len(calm) < len(kept) and any(all(article.has(item.strip()) for item in parts_of(part)) for part in lists):
        kept = calm  # the others think aloud
    if lists and len(kept) > 1 and _is_afterword(kept[-1], kept[-2], article):
        kept.pop()
    return "\n".join(kept) if lists and len(kept) < len(paragraphs) else text


def _is_item(part: str) -> bool:
    """Tell whether a line of a paragraph begins with a bullet or a number."""
    lines = (line.lstrip(" #*") for line in part.split("\n"))
    return is_bulleted(part) or any(markers.has_bullet(line) or markers.strip_number(line) != line for line in lines)


def _is_afterword(part: str, list_before: str, article: ArticleIndex) -> bool:
    """Tell whether a paragraph is a sentence about the list before it, none of the article: `Ces phrases résument l'article.`"""
    is_sentence = part.rstrip()[-1] in ".!。" and (len(part.split()) > _FEW_WORDS or is_clause(part.strip()))
    return (
        is_sentence
        and "\n" not in part
        and list_before.rstrip()[-1] not in ".!。"
        and not article.has(part.strip(" .!。"))
    )


def without_afterword(line: str, article: ArticleIndex | None) -> str:
    """Return the list before a sentence about it: `A, B, C. They cover the place, the event and the cause.` -> `A, B, C`."""
    head, *rest_of_line = _SENTENCE_END.split(line, maxsplit=1)
    rest = "".join(rest_of_line)
    parts = parts_of(head) if rest else []
    is_list = article is not None and len(parts) > 2 and all(article.has(part.strip()) for part in parts[1:])
    if not is_list or article is None or not line.endswith((".", "!", "?")) or ";" in rest:
        return line
    further = [part.strip(" .!?") for part in parts_of(rest)]
    return line if len(further) > 1 and any(map(article.has, further)) else head


def parts_of(text: str) -> list[str]:
    return [part for part in re.split(r"[;；\n,，、]|\s[·ㆍ•|/]\s", text) if part.strip()]
