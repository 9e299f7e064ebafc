"""What is no article, at the head and the tail of one: bylines, datelines, captions, rights, invitations.

Peeled by the named rules of `boilerplate_rules`. It stops at the first paragraph that no rule accounts for, so the middle of an
article is never touched; what went is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pipeline.collect.html.boilerplate_rules import BEGINNINGS, ENDS, PARAGRAPHS, RELATED_HEADING
from pipeline.core.text.folding import fold_case

MOST_AT_HEAD, MOST_AT_TAIL = 8, 24  # paragraphs
_TITLE_CHARS = 110  # a title among related ones is no longer
_PART_CHARS = 240  # how much of a paragraph's beginning or end is looked at
_SENTENCE_END = re.compile(r"[.!。]['\"”’)\]]*$|[다요죠까]$")
_BEFORE_END = re.compile(r"[.!?…。][\"'”’)\]]*\s*$|[\"”]\s*$|[다요]\s+$")
_AFTER_TITLE = "-|–—:·<"  # and then the site's name
_SITE_CHARS = 40

Removed = tuple[str, str]  # the rule's name, the text that went


def strip(paragraphs: Sequence[str], title: str | None = None) -> tuple[list[str], list[Removed]]:
    """The paragraphs of the article proper, and what was taken from its head and tail, in the page's order.

    A first paragraph that repeats the title goes too. Where nothing would be left, nothing is removed.
    """
    kept = [paragraph for paragraph in paragraphs if paragraph.strip()]
    head = _strip_head(kept, title)
    tail = _strip_tail(kept)
    return (kept, head + tail[::-1]) if kept else (list(paragraphs), [])


def _strip_head(kept: list[str], title: str | None) -> list[Removed]:
    removed: list[Removed] = []
    while kept and len(removed) < MOST_AT_HEAD:
        name = _rule(kept, 0, "head") or ("title" if _repeats(kept[0], title) else None)
        if name is not None:
            removed.append((name, kept.pop(0)))
            continue
        found = _first((name, pattern.match(kept[0][:_PART_CHARS])) for name, pattern in BEGINNINGS)
        if found is None:
            break
        removed.append((found[0], found[1][0].strip()))
        kept[0] = kept[0][found[1].end() :]
        if kept[0].strip():
            break
        del kept[0]
    return removed


def _strip_tail(kept: list[str]) -> list[Removed]:
    """Last paragraph first."""
    removed = [("related", text) for text in reversed(_related(kept))]
    while kept and len(removed) < MOST_AT_TAIL:
        name = _rule(kept, len(kept) - 1, "tail")
        if name is not None:
            removed.append((name, kept.pop()))
            continue
        found = _first((name, _at_end(pattern, kept[-1])) for name, pattern in ENDS)
        if found is None:
            break
        removed.append((found[0], found[1][0].strip()))
        kept[-1] = kept[-1][: found[1].start()].rstrip()
    return removed


def _rule(paragraphs: Sequence[str], at: int, where: str) -> str | None:
    """The name of the rule that accounts for a whole paragraph, if there is one."""
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
    """A match at the end of a text, of which something is left that ends a sentence."""
    match = pattern.search(text, max(0, len(text) - _PART_CHARS))
    return match if match is not None and _BEFORE_END.search(text[max(0, match.start() - 8) : match.start()]) else None


def _repeats(paragraph: str, title: str | None) -> bool:
    """Whether a paragraph is the title, where one of them may have the site's name behind it."""
    short, long = sorted((fold_case(paragraph), fold_case(title or "")), key=len)
    rest = long.removeprefix(short).lstrip()
    return (
        len(short) > 3
        and long.startswith(short)
        and (not rest or (rest[0] in _AFTER_TITLE and len(rest) <= _SITE_CHARS))
    )


def _related(kept: list[str]) -> list[str]:
    """Takes a heading such as 관련기사 and the titles behind it off the tail; nothing if one of them is a sentence."""
    for at in range(max(1, len(kept) - MOST_AT_TAIL + 1), len(kept)):
        if len(kept[at]) <= 60 and RELATED_HEADING.fullmatch(kept[at].strip()):
            titles = kept[at + 1 :]
            if all(_is_title(text) or _rule(titles, place, "tail") for place, text in enumerate(titles)):
                taken = kept[at:]
                del kept[at:]
                return taken
    return []


def _is_title(text: str) -> bool:
    return len(text) <= _TITLE_CHARS and not _SENTENCE_END.search(text.strip())
