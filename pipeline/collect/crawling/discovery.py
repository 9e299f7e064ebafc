"""Discovery of URLs: the entries of feeds and sitemaps, the links of a page.  Nothing here raises on bytes.

A feed's or sitemap's XML goes through `xml_records`.  A page's tags are handled as they are parsed: a tree would take quadratic
time for the attributes of a hostile tag.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from html import unescape
from typing import Any, NamedTuple

from pipeline.collect import charsets
from pipeline.collect.crawling.robots import token, words
from pipeline.collect.crawling.xml_records import XmlRecord, is_cut, pieces, records
from pipeline.collect.dates import as_stated, when, within
from pipeline.collect.urls import normal

MAX_ENTRIES = 50_000  # of a sitemap, as its protocol has it; a feed has a hundred
PAGE_BYTES = 5_000_000  # of a page that are parsed
MAX_LINKS = 10_000
_MAX_TITLE = 1_000  # characters

_PUBLISHED = ("pubdate", "published", "publication_date", "issued", "date", "created")
_UPDATED = ("updated", "modified", "lastmod")
_FEED_FIELDS = frozenset((*_PUBLISHED, *_UPDATED, "title", "link", "origlink", "guid", "id"))
_SITEMAP_FIELDS = _FEED_FIELDS | {"loc"}
_ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"
_TAG = re.compile(r"</?[a-z][^<>]*>", re.IGNORECASE)
_ROOT = re.compile(r"<(?:\w+:)?(?:rss|feed|rdf|urlset|sitemapindex|channel)\b", re.IGNORECASE)
_FEED_TYPES = re.compile(r"(?:application|text)/(?:(?:rss|atom|rdf)\+)?xml", re.IGNORECASE)


class FeedEntry(NamedTuple):
    """A page that a feed or sitemap names.  Times are ISO 8601 in UTC; a sitemap's `lastmod` is an update."""

    url: str
    published_at: str | None = None
    title: str | None = None
    updated_at: str | None = None


class Sitemap(NamedTuple):
    """A sitemap's `pages`, further `sitemaps`, and when those last `changed`, where it is stated."""

    pages: list[FeedEntry]
    sitemaps: list[str]
    changed: dict[str, str]


class Links(NamedTuple):
    """The links of a page.  `nofollow`: it asks not to follow its links, which are listed nonetheless."""

    pages: list[str]
    feeds: list[str]
    canonical: str | None
    nofollow: bool


def fault_of(body: bytes, count: int, is_feed: bool) -> str | None:
    """Return why a feed or sitemap that named `count` pages and sitemaps cannot be read, or only in part; None where it can."""
    # White space, NULs of UTF-16 and byte order marks alone.
    if not body.strip(b"\0 \t\r\n\xef\xbb\xbf"):
        return "empty"
    head = next(pieces(body, ">"), "")
    if head.lstrip().startswith("{") and is_feed:
        return None if count or _json_items(body) is not None else "neither XML nor JSON Feed"
    if not head.lstrip().startswith("<"):
        return "no XML" if is_feed or not count else None
    if not count and not _ROOT.search(head):
        return "XML, but no feed or sitemap"
    return f"it ends within an element; {count} addresses were read" if is_cut(body) else None


def entries_of_feed(body: bytes, url: str) -> list[FeedEntry]:
    """Return the pages that an RSS (0.9x, 1.0, 2.0), Atom or JSON feed at `url` names, each once, in its order."""
    if (items := _json_items(body)) is not None:
        return _each_once(_json_entry(item, url) for item in items[:MAX_ENTRIES])
    return _each_once(_entry(record) for record in records(body, url, ("item", "entry"), _FEED_FIELDS, MAX_ENTRIES))


def _json_items(body: bytes) -> list[Any] | None:
    """Return the items of a JSON Feed, None where it is none."""
    if not body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return None
    try:
        feed = json.loads(charsets.decode(body, None)[0])
    # RecursionError: lists nested a thousand deep, which a hostile feed may send.
    except (ValueError, RecursionError):
        return None
    items = feed.get("items")
    return items if isinstance(items, list) and "jsonfeed" in str(feed.get("version")) else None


def _json_entry(item: Any, base: str) -> FeedEntry | None:
    fields = item if isinstance(item, dict) else {}
    texts = {name: value for name, value in fields.items() if isinstance(value, str)}
    addresses = (normal(texts[name], base) for name in ("url", "external_url") if name in texts)
    id_is_url = texts.get("id", "").startswith(("http://", "https://"))
    url = next(filter(None, addresses), None) or (normal(texts["id"]) if id_is_url else None)
    dates = as_stated(texts.get("date_published")), when(texts.get("date_modified"))
    return FeedEntry(url, dates[0], _title(texts.get("title")), dates[1]) if url else None


def entries_of_sitemap(body: bytes, url: str) -> Sitemap:
    """Return what a sitemap at `url` names: XML, an index of sitemaps, a feed, or text with a URL a line; gzip or not."""
    if not _is_xml(body):
        return Sitemap(_each_once(_lines(body)), [], {})
    pages: list[FeedEntry | None] = []
    sitemaps: dict[str, str | None] = {}
    for record in records(body, url, ("url", "sitemap", "item", "entry"), _SITEMAP_FIELDS, MAX_ENTRIES):
        entry = _entry(record)
        if record.name != "sitemap":
            pages.append(entry)
        elif entry is not None:
            sitemaps.setdefault(entry.url, entry.updated_at)
    return Sitemap(_each_once(pages), list(sitemaps), {each: changed for each, changed in sitemaps.items() if changed})


def entry_within(entry: FeedEntry, since: str | None, until: str | None) -> bool:
    """Return whether an entry may have been published between two times; what last changed before was published before."""
    if entry.published_at is not None:
        return within(entry.published_at, since, until)
    # Not by `until`: what was updated after it may have been published before.
    return within(entry.updated_at, since, None)


def _each_once(entries: Iterable[FeedEntry | None]) -> list[FeedEntry]:
    entries_by_url: dict[str, FeedEntry] = {}
    for entry in entries:
        if entry is not None:
            entries_by_url.setdefault(entry.url, entry)
    return list(entries_by_url.values())


def _is_xml(body: bytes) -> bool:
    return next(pieces(body, ">"), "").lstrip().startswith("<")


def _lines(body: bytes) -> Iterator[FeedEntry]:
    left = MAX_ENTRIES
    for piece in pieces(body, "\n"):
        for line in piece.splitlines():
            address = normal(line) if left else None
            if address:
                left -= 1
                yield FeedEntry(address)


def _entry(record: XmlRecord) -> FeedEntry | None:
    if record.name in ("url", "sitemap"):
        location = record.text("loc")
        url = normal(location, record.base) if location else None
    else:
        url = _link(record)
    if not url:
        return None
    return FeedEntry(
        url, as_stated(record.text(*_PUBLISHED)), _title(record.text("title")), when(record.text(*_UPDATED))
    )


def _link(record: XmlRecord) -> str | None:
    """Return an item's URL: FeedBurner's original, else its link, a GUID that is a URL, an RDF item's `about`; or None."""
    candidates = [(each.text, each.base) for each in record.all("origlink")]
    for link in record.all("link"):
        rel, kind = link.attributes.get("rel", "alternate"), link.attributes.get("type", "text/html")
        if rel == "alternate" and kind in ("text/html", "application/xhtml+xml", ""):
            candidates.append((link.attributes.get("href", "").strip() or link.text, link.base))
    candidates += [
        (each.text, "")
        for each in record.all("guid") + record.all("id")
        if each.attributes.get("isPermaLink") != "false"
    ]
    candidates.append((record.attributes.get(_ABOUT, ""), record.base))
    return next((address for text, base in candidates if text and (address := normal(text, base or None))), None)


def _title(text: str | None) -> str | None:
    """Return a title as one line without markup; feeds escape it once or twice."""
    text = unescape(text or "")
    if "<" in text:
        text = _TAG.sub("", text)
    return " ".join(unescape(text).split())[:_MAX_TITLE] or None


# --- a page ---


def links_of_page(body: bytes, url: str, charset: str | None = None, user_agent: str = "") -> Links:
    """Return the links of the first 5 MB of a page at `url`, in normal form and each once, without those marked `nofollow`.

    `charset` is the one of its HTTP header.  Links to the page itself are left out.
    """
    from lxml import etree

    text = charsets.decode(body[:PAGE_BYTES], charset)[0].replace("\0", "")
    page = _LinkCollector({"robots", token(user_agent) or "robots"})
    parser = etree.HTMLParser(target=page, encoding="utf-8", no_network=True, huge_tree=True)
    # What was collected until then counts: a page that breaks off has links all the same.
    with suppress(etree.LxmlError, ValueError):
        parser.feed(text.encode("utf-8", "replace"))
        parser.close()
    base = normal(page.base, url) or url if page.base else url
    pages = {address: None for href in page.hrefs if (address := normal(href, base))}
    pages.pop(normal(url) or url, None)
    feeds = {address: None for href in page.feeds if (address := normal(href, base))}
    return Links(list(pages), list(feeds), normal(page.canonical, base) if page.canonical else None, page.nofollow)


class _LinkCollector:
    """Target of lxml's parser that collects links and directives from tags."""

    def __init__(self, names: set[str]) -> None:
        self._names = names
        self.hrefs: dict[str, None] = {}
        self.feeds: dict[str, None] = {}
        self.base = self.canonical = ""
        self.nofollow = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag in ("a", "area"):
            href = attributes.get("href")
            if href and len(self.hrefs) < MAX_LINKS and href[0] != "#":
                rel = attributes.get("rel")
                if not rel or "nofollow" not in rel.lower().split():
                    self.hrefs[href] = None
        elif tag == "link":
            self._link(attributes)
        elif tag == "base":
            # The first `<base>` counts, as in browsers.
            self.base = self.base or attributes.get("href", "")
        elif tag == "meta" and attributes.get("name", "").strip().lower() in self._names:
            directives = words(attributes.get("content", ""))
            self.nofollow = self.nofollow or "nofollow" in directives or "none" in directives

    def _link(self, attributes: Mapping[str, str]) -> None:
        rel, href = attributes.get("rel", "").lower().split(), attributes.get("href", "")
        if "canonical" in rel:
            self.canonical = self.canonical or href
        elif "feed" in rel or ("alternate" in rel and _FEED_TYPES.fullmatch(attributes.get("type", "").strip())):
            self.feeds[href] = None

    def close(self) -> None:
        return None
