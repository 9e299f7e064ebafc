"""Traps: URLs of sites that have no end, and of files that are no pages."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote, urlsplit

MAX_URL = 2_000  # characters of a URL; servers and sitemaps stop there too
MAX_SEGMENTS = 32  # segments of a path

_CALENDAR_WORD = re.compile(r"calend(?:a|r)|kalender|달력", re.IGNORECASE)
_CALENDAR_DATE = re.compile(
    r"(?<!\d)(?:19|2\d)\d\d[-/._]?(?:0?[1-9]|1[0-2])(?!\d{3})|\byear=\d+.*\bmonth=|\bmonth=\d+.*\byear=",
    re.ASCII,
)
_CALENDAR_OF_PLUGINS = re.compile(
    r"[?&](?:tribe-bar-date|tribe_event_display|eventdisplay|outlook-ical|ical)=", re.IGNORECASE
)
_FILE = re.compile(
    r"\.(?:7z|aac|apk|avi|avif|bin|bmp|css|dmg|docx?|epub|exe|flv|gif|hwpx?|ico|iso|jar|jpe?g|js|json|m4[av]|mkv|mov|mp[34]|mpe?g|"
    r"msi|ogg|pdf|png|pptx?|rar|svg|swf|tar|tgz|tiff?|ttf|wav|webm|webp|wm[av]|woff2?|xlsx?|zip)",
    re.IGNORECASE,
)


def trap(url: str) -> str | None:
    """Return which trap a URL (in normal form) looks like, or None.

    `too_long` (over 2,000 characters), `too_deep` (over 32 segments), `repeats` (/a/b/a/b/a/b), `calendar` (a page for each month,
    for ever), `file` (an image, an archive, ...: by its name no page).
    """
    if len(url) > MAX_URL:
        return "too_long"
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    segments = [segment for segment in parts.path.split("/") if segment]
    if len(segments) > MAX_SEGMENTS:
        return "too_deep"
    if _repeats(segments):
        return "repeats"
    if _is_calendar(parts):
        return "calendar"
    _, dot, ending = parts.path.rpartition("/")[2].rpartition(".")
    return "file" if dot and _FILE.fullmatch(f".{ending}") else None


def _repeats(segments: list[str]) -> bool:
    """Return whether a run of segments stands three times in a row; numbers may repeat (/2011/11/11/11)."""
    count = len(segments)
    if count - len(set(segments)) < 2:
        return False
    for length in range(1, count // 3 + 1):
        for start in range(count - 3 * length + 1):
            run = segments[start : start + length]
            if run * 3 == segments[start : start + 3 * length] and not all(map(str.isdigit, run)):
                return True
    return False


def _is_calendar(parts: SplitResult) -> bool:
    address = f"{unquote(parts.path)}?{parts.query}"
    if _CALENDAR_OF_PLUGINS.search(address):
        return True
    return bool(_CALENDAR_WORD.search(address) and _CALENDAR_DATE.search(address))
