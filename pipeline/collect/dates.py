"""Dates as pages, feeds, sitemaps and people write them -> ISO 8601, to the second."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

_DATE = re.compile(
    r"(\d{4})(?:\s*[-./년]\s*(\d{1,2})(?:\s*[-./월]\s*(\d{1,2})(?!\d)\s*일?)?|(\d\d)(\d\d)(?!\d)|$|(?=\s*년))"
)
_MONTHS = {"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6,
           "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12}  # fmt: skip
_NAME = rf"({'|'.join(_MONTHS)})[a-z]*"
_DAY_MONTH = re.compile(rf"(?<!\d)(\d{{1,2}})(?:st|nd|rd|th)?[\s.-]+{_NAME}\.?[\s,-]+(\d{{4}}|\d\d)(?!\d)", re.I)
_MONTH_DAY = re.compile(
    rf"(?a:\b){_NAME}\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?(?:\s*,\s*|\s+)(?:[\d:]+\s+(?:[a-z]+\s+)?)?(\d{{4}})(?!\d)", re.I
)
_TIME = re.compile(
    r"(오전|오후)?\s*(?<![\d:])(\d{1,2}):(\d\d)(?::(\d\d))?(?:[.,]\d+)?\s*([ap]\.?m(?a:\b))?|"
    r"T(\d\d)(\d\d)(\d\d)?(?:[.,]\d+)?",
    re.IGNORECASE,
)
_OFFSET = re.compile(r"([+-])(\d{1,2})(?::?(\d\d))?(?!\d)")
_ZONE = re.compile(r"\b[A-Z]{1,4}\b", re.IGNORECASE | re.ASCII)
_ZONES = {
    "kst": 9, "jst": 9, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "akst": -9,
    "akdt": -8, "hst": -10, "bst": 1, "ist": 5.5, "wet": 0, "west": 1, "cet": 1, "cest": 2, "met": 1, "mest": 2, "eet": 2,
    "eest": 3, "msk": 3, "trt": 3, "hkt": 8, "sgt": 8, "awst": 8, "aest": 10, "aedt": 11, "nzst": 12, "nzdt": 13,
}  # hours from UTC; of names with several meanings the one that feeds mean  # fmt: skip
_UTC = ("z", "utc", "gmt", "ut")


@dataclass(frozen=True)
class StatedTime:
    """Time as it is stated, `moment` in local time.  `timed`: it has a time of day; `offset` from UTC; None: none is stated."""

    moment: datetime
    timed: bool
    offset: timedelta | None


@lru_cache(maxsize=1024)  # sitemaps repeat themselves
def read(text: str | None) -> StatedTime | None:
    """Return a date as a text states it, or None where no date is seen.

    Reads RFC 822, ISO 8601 and what feeds make of them, and Korean dates.
    """
    text = " ".join((text or "")[:200].split())
    day_and_rest = _day(text)
    if day_and_rest is None:
        return None
    (year, month, day), rest = day_and_rest
    time, rest = _time(rest)
    hour, minute, second = time or (0, 0, 0)
    try:
        moment = datetime(year, month, day) + timedelta(hours=hour, minutes=minute, seconds=second)
    except (ValueError, OverflowError):
        return None
    return StatedTime(moment, time is not None, _zone(rest))


def when(text: str | None) -> str | None:
    """Return a date as ISO 8601 in UTC (2024-05-01T10:00:00Z), or None where no date is seen; without a zone as UTC."""
    stated = read(text)
    try:
        return (stated.moment - (stated.offset or timedelta())).isoformat()[:19] + "Z" if stated else None
    except OverflowError:
        return None


def as_stated(text: str | None) -> str | None:
    """Return a date as ISO 8601 without more than it states: in UTC, without a zone where it has none, or as a day."""
    stated = read(text)
    if stated is None or (stated.timed and stated.offset is not None):
        return when(text)
    return stated.moment.isoformat()[: 19 if stated.timed else 10]


def zone(offset: timedelta | None) -> str:
    """Return an offset from UTC as ISO 8601 writes it (+09:00), nothing for None."""
    if offset is None:
        return ""
    minutes = int(offset.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _day(text: str) -> tuple[tuple[int, int, int], str] | None:
    """Return (year, month, day) and what is left of the text, or None."""
    if match := _DATE.match(text):
        day = (int(match[1]), int(match[2] or match[4] or 1), int(match[3] or match[5] or 1))
        return day, text[match.end() :]
    if match := _DAY_MONTH.search(text):
        name, year = match[2], match[3]
        day = (_year(year), _MONTHS[name.lower()], int(match[1]))
        return day, text[match.end() :]
    # the time may stand before the year, so all behind the month is left
    if match := _MONTH_DAY.search(text):
        return (int(match[3]), _MONTHS[match[1].lower()], int(match[2])), text[match.start(2) :]
    return None


def _year(text: str) -> int:
    year = int(text)
    return year if len(text) == 4 else year + (1900 if year > 68 else 2000)


def _time(text: str) -> tuple[tuple[int, int, int] | None, str]:
    """Return hour (0 to 24), minute, second and what is left of the text; None where there is no time."""
    match = _TIME.search(text)
    if match is None:
        return None, ""
    hour, minute, second = int(match[2] or match[6]), int(match[3] or match[7]), int(match[4] or match[8] or 0)
    half = (match[1] or match[5] or "").lower()[:2]
    if half:
        hour = hour % 12 + (12 if half in ("오후", "pm", "p.") else 0)
    if hour > 24 or minute > 59 or second > 60:
        return None, ""
    return (hour, minute, min(second, 59)), text[match.end() :]


def _zone(text: str) -> timedelta | None:
    """Return the offset from UTC that a text names (GMT+0900, +09:00, +0900 (KST), KST, Z), None where it names none."""
    if match := _OFFSET.search(text):
        hours, minutes = int(match[2]), int(match[3] or 0)
        if hours <= 14 and minutes < 60:
            return timedelta(hours=hours, minutes=minutes) * (-1 if match[1] == "-" else 1)
    names = [name.lower() for name in _ZONE.findall(text)]
    hours_of = {name: _ZONES[name] for name in names if name in _ZONES} or {name: 0 for name in names if name in _UTC}
    return timedelta(hours=next(iter(hours_of.values()))) if hours_of else None


def within(published_at: str | None, since: str | None, until: str | None) -> bool:
    """Return whether a time lies between two, both included; whichever is a bare date means all of that day (UTC).

    True where the time is unknown: the page itself may tell it.  A bound that is no date is no bound.
    """
    at, first, last = bound(published_at), bound(since), bound(until)
    if at is None:
        return True
    after = first is None or at[: len(first)] >= first[: len(at)]
    return after and (last is None or at[: len(last)] <= last[: len(at)])


def bound(text: str | None) -> str | None:
    """Return a time as ISO 8601 in UTC; a date alone stays one (2024-05-01), a month is its first day, what is no date is None."""
    moment = when(text)
    return moment[:10] if moment and text and not _TIME.search(text) else moment
