"""When a page says that its article was published."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date
from typing import Any

from pipeline.collect.dates import read, zone

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d{1,9})?\s?(?:Z|[+-]\d\d:?\d\d)?")
_DAY = re.compile(r"(?<!\d)(20\d\d|19\d\d)\s?[-./년]\s?(\d{1,2})\s?[-./월]\s?(\d{1,2})(?!\d)")
_FIRST_OF_JANUARY = re.compile(r"\bJan[a-z]*\.? 0?1\b|\b0?1(?:st)? (?:[Jj]an|Jänner|Enero|enero)|\b1er janvier\b")
_JSON_TIME = re.compile(r'"datePublished"\s*:\s*"([^"]{10,40})"')
_META_TIMES = (
    "article:published_time",
    "og:article:published_time",
    "datePublished",
    "date",
    "pubdate",
    "parsely-pub-date",
)
_META_CHANGES = ("article:modified_time", "og:updated_time", "dateModified", "lastmod", "last-modified")


def published(tree: Any, url: str, day: str | None) -> str | None:
    """Return trafilatura's date `day`, with the time of day where the page states one for that day, and its zone if it does."""
    times = [value.strip() for value in _stated_times(tree)]
    day = _first_published(tree, times, day)
    for value in times:
        if _TIME.fullmatch(value) and day == value[:10]:
            return value.replace(" ", "T", 1).replace(" ", "")
        stated = read(value)  # in another spelling: 2026-07-10 오후 1:18, Jul 10, 2026 1:18 PM KST
        if stated is not None and stated.timed and day == stated.moment.date().isoformat():
            return stated.moment.isoformat() + zone(stated.offset)
    return _written_day(tree, url, day) if day and day.endswith("-01-01") else day or None


def _first_published(tree: Any, times: list[str], day: str | None) -> str | None:
    """Return a day on which the page says that it was published, in place of one on which it was only changed."""
    days = [stated.moment.date().isoformat() for value in times if (stated := read(value))]
    changed = {stated.moment.date().isoformat() for value in _metas(tree, _META_CHANGES) if (stated := read(value))}
    return days[0] if days and day in changed and day not in days else day


def _written_day(tree: Any, url: str, guess: str) -> str | None:
    """Return a day written in the page, in place of a first of January that trafilatura makes of a mere year.

    It does so for a copyright's year, and does not read `2024. 5. 18.`
    """
    words = tree.xpath("//body//text()[not(ancestor::script or ancestor::style)]")
    text = " ".join((url, *_stated_times(tree), *words))
    for year, month, day in _DAY.findall(text):
        with suppress(ValueError):
            if year == guess[:4]:
                return date(int(year), int(month), int(day)).isoformat()
    return guess if _FIRST_OF_JANUARY.search(text) else None


def _stated_times(tree: Any) -> Iterator[str]:
    yield from _metas(tree, _META_TIMES)
    for text in linked_data(tree):
        yield from _JSON_TIME.findall(text)
    for time in tree.iter("time"):
        yield time.get("datetime") or ""


def _metas(tree: Any, names: Sequence[str]) -> Iterator[str]:
    for meta in tree.iter("meta"):
        if (meta.get("property") or meta.get("name") or meta.get("itemprop")) in names:
            yield meta.get("content") or ""


def linked_data(tree: Any) -> Iterator[str]:
    """Yield the page's JSON-LD."""
    for script in tree.iter("script"):
        if script.get("type") == "application/ld+json":
            yield (script.text or "")[:200_000]
