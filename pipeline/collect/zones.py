"""The zone of a time that a page or its feed states without one: that of the page's country by a rule that is named, else unknown.

The country is that of the region of the page's language (`ko-KR`, `og:locale`) or of its address (`.kr`); where these differ,
it is not known (many pages are `en-US` because their template is). Without both a language of one country tells it. Countries of
several zones have none. The offsets are written down here and not asked of the machine: the same page reads the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from pipeline.collect.dates import read, zone

# hours from UTC of countries with one zone and no summer time since _SINCE
_FIXED = {
    "KR": 9, "JP": 9, "CN": 8, "TW": 8, "HK": 8, "SG": 8, "MY": 8, "PH": 8, "TH": 7, "VN": 7, "KH": 7, "IN": 5.5, "AE": 4, "SA": 3,
    "KE": 3, "ZA": 2, "NG": 1, "GH": 0, "IS": 0, "CO": -5, "PE": -5,
}  # fmt: skip
# of countries that keep the European Union's summer time, in winter; the mainland's, where islands have another
_EUROPE = {
    "GB": 0, "IE": 0, "PT": 0, "DE": 1, "AT": 1, "CH": 1, "LI": 1, "FR": 1, "IT": 1, "ES": 1, "NL": 1, "BE": 1, "LU": 1, "DK": 1,
    "NO": 1, "SE": 1, "PL": 1, "CZ": 1, "SK": 1, "HU": 1, "SI": 1, "HR": 1, "RS": 1, "BA": 1, "ME": 1, "MK": 1, "AL": 1, "MT": 1,
    "FI": 2, "EE": 2, "LV": 2, "LT": 2, "GR": 2, "BG": 2, "RO": 2, "CY": 2,
}  # fmt: skip
_SINCE = 1996  # the rules above hold from then on
_OF_ONE_COUNTRY = {"ko": "KR", "ja": "JP", "th": "TH", "vi": "VN", "is": "IS"}
_DOMAINS = {"UK": "GB"}  # top-level domains that are no code of their country


@dataclass(frozen=True)
class Country:
    """Country of a page by its code (ISO 3166), and what says so."""

    code: str
    by: str


def country_of(tree: Any, url: str) -> Country | None:
    """Return the country of a page (an lxml tree) at an address, None where it is not known."""
    languages = list(_languages(tree))
    region = next((part.upper() for each in languages for part in each.split("-")[1:] if len(part) == 2), None)
    domain = (urlsplit(url).hostname or "").rpartition(".")[2].upper()
    domain = _DOMAINS.get(domain, domain)
    by_domain = Country(domain, "its address") if domain in _FIXED or domain in _EUROPE else None
    by_region = Country(region, "the region of its language") if region else None
    if by_domain and by_region:
        return by_domain if by_domain.code == by_region.code else None
    if by_domain or by_region:
        return by_domain or by_region
    code = next((_OF_ONE_COUNTRY[name] for each in languages if (name := each.split("-")[0]) in _OF_ONE_COUNTRY), None)
    return Country(code, "its language") if code else None


def _languages(tree: Any) -> Iterator[str]:
    """Yield what a page calls its language, such as `ko-kr`."""
    names = [tree.get("lang"), tree.get("xml:lang")]
    for meta in tree.iter("meta"):
        if (
            "og:locale" in (meta.get("property"), meta.get("name"))
            or (meta.get("http-equiv") or "").lower() == "content-language"
        ):
            names.append(meta.get("content"))
    yield from (name.strip().lower().replace("_", "-") for name in names if name)


def placed(published_at: str | None, country: Mapping[str, str] | None) -> tuple[str | None, str | None]:
    """Return a time with the zone of the page's country (`code`, `by`) where it states none, and a note on that; both as they are
    where nothing is to be said: a zone is stated, or no time of day."""
    stated = read(published_at)
    if published_at is None or stated is None or not stated.timed or stated.offset is not None:
        return published_at, None
    offset = _offset(country["code"], stated.moment) if country else None
    if country is None or offset is None:
        return published_at, "published_at: its zone is not known"
    written, where = zone(offset), f"{country['code']}, the page's country by {country['by']}"
    return f"{published_at}{written}", f"published_at: the zone {written} is that of {where}"


def _offset(code: str, local: datetime) -> timedelta | None:
    if local.year < _SINCE:
        return None
    if code in _FIXED:
        return timedelta(hours=_FIXED[code])
    if code not in _EUROPE:
        return None
    return timedelta(hours=_EUROPE[code] + _is_summer(local, _EUROPE[code]))


def _is_summer(local: datetime, winter: int) -> bool:
    """Return whether the European Union has summer time: from the last Sunday of March to that of October, at 1:00 UTC."""
    begin, end = (_last_sunday(local.year, month) + timedelta(hours=1) for month in (3, 10))
    return begin <= local - timedelta(hours=winter) < end


def _last_sunday(year: int, month: int) -> datetime:
    last = datetime(year, month, 31)
    return last - timedelta(days=(last.weekday() + 1) % 7)
