"""Removal of boilerplate from an article's head and tail: bylines, datelines, captions, rights, invitations.

The named rules of `boilerplate_rules` decide. Removal stops at the first paragraph that no rule accounts for, so the middle of
an article is never touched; what was removed is returned.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pipeline.collect.html.boilerplate_rules import BEGINNINGS, ENDS, PARAGRAPHS, RELATED_HEADING
from pipeline.core.text.folding import fold_case

MAX_AT_HEAD, MAX_AT_TAIL = 8, 24  # paragraphs
_TITLE_CHARS = 110  # a title among related ones is no longer
_PART_CHARS = 240  # of a paragraph's beginning or end, in which rules are searched
_SENTENCE_END = re.compile(r"[.!。]['\"”’)\]]*$|[다요죠까]$")
_BEFORE_END = re.compile(r"[.!?…。][\"'”’)\]]*\s*$|[\"”]\s*$|[다요]\s+$")
_AFTER_TITLE = "-|–—:·<"  # and then the site's name
_SITE_CHARS = 40

Removed = tuple[str, str]  # the rule's name, the removed text


def strip(paragraphs: Sequence[str], title: str | None = None) -> tuple[list[str], list[Removed]]:
    """Return the paragraphs of the article proper, and what was removed from its head and tail, in the page's order.

    A first paragraph that repeats the title goes too. Where nothing would be left, nothing is removed.
    """
    kept = [paragraph for paragraph in paragraphs if paragraph.strip()]
    head = _strip_head(kept, title)
    tail = _strip_tail(kept)
    return (kept, head + tail[::-1]) if kept else (list(paragraphs), [])


def _strip_head(kept: list[str], title: str | None) -> list[Removed]:
    """Remove boilerplate from the beginning of `kept`; return it in order."""
    removed: list[Removed] = []
    while kept and len(removed) < MAX_AT_HEAD:
        name = _rule(kept, 0, "head") or ("title" if _repeats(kept[0], title) else None)
        if name is not None:
            removed.append((name, kept.pop(0)))
            continue
        match = _first((name, pattern.match(kept[0][:_PART_CHARS])) for name, pattern in BEGINNINGS)
        if match is None:
            break
        removed.append((match[0], match[1][0].strip()))
        kept[0] = kept[0][match[1].end() :]
        if kept[0].strip():
            break
        del kept[0]
    return removed


def _strip_tail(kept: list[str]) -> list[Removed]:
    """Remove boilerplate from the end of `kept`; return it, last paragraph first."""
    removed = [("related", text) for text in reversed(_related(kept))]
    while kept and len(removed) < MAX_AT_TAIL:
        name = _rule(kept, len(kept) - 1, "tail")
        if name is not None:
            removed.append((name, kept.pop()))
            continue
        match = _first((name, _at_end(pattern, kept[-1])) for name, pattern in ENDS)
        if match is None:
            break
        removed.append((match[0], match[1][0].strip()))
        kept[-1] = kept[-1][: match[1].start()].rstrip()
    return removed


def _rule(paragraphs: Sequence[str], at: int, where: str) -> str | None:
    """Return the name of the rule that accounts for a whole paragraph, or None."""
    text = paragraphs[at].strip()
    if text[:1] in ("▲", "△") and sum(other.lstrip().startswith(text[0]) for other in paragraphs) > 1:
        return None  # a list, such as of appointments: no caption
    for rule in PARAGRAPHS:
        if rule.where in (where, "both") and len(text) <= rule.longest and rule.pattern.fullmatch(text):
            return rule.name
    return None


def _first(matches: Iterable[tuple[str, re.Match[str] | None]]) -> tuple[str, re.Match[str]] | None:
    return next(((name, match) for name, match in matches if match is not None), None)


def _at_end(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """Return a match at the end of a text before which a sentence ends, or None."""
    match = pattern.search(text, max(0, len(text) - _PART_CHARS))
    return match if match is not None and _BEFORE_END.search(text[max(0, match.start() - 8) : match.start()]) else None


def _repeats(paragraph: str, title: str | None) -> bool:
    """Return whether a paragraph is the title, where one of them may have the site's name behind it."""
    short, long = sorted((fold_case(paragraph), fold_case(title or "")), key=len)
    rest = long.removeprefix(short).lstrip()
    return (
        len(short) > 3
        and long.startswith(short)
        and (not rest or (rest[0] in _AFTER_TITLE and len(rest) <= _SITE_CHARS))
    )


def _related(kept: list[str]) -> list[str]:
    """Remove a heading such as 관련기사 and the titles behind it from the tail; nothing if one of them is a sentence."""
    for start in range(max(1, len(kept) - MAX_AT_TAIL + 1), len(kept)):
        if len(kept[start]) <= 60 and RELATED_HEADING.fullmatch(kept[start].strip()):
            titles = kept[start + 1 :]
            if all(_is_title(text) or _rule(titles, index, "tail") for index, text in enumerate(titles)):
                related = kept[start:]
                del kept[start:]
                return related
    return []


def _is_title(text: str) -> bool:
    return len(text) <= _TITLE_CHARS and not _SENTENCE_END.search(text.strip())
