"""What a response says of itself, and what a failure is called: the pure half of fetching."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import aiohttp
from yarl import URL

from pipeline.collect.crawling.ssrf_guard import Refused
from pipeline.core import http

# the response headers that something later may ask for; lower case in `Fetched.headers`
KEPT = ("content-type", "content-language", "etag", "last-modified", "date", "location", "link", "cache-control", "expires",
        "x-robots-tag", "tdm-reservation", "tdm-policy")  # fmt: skip
REDIRECTS = (301, 302, 303, 307, 308)
SNIFFED = 512  # bytes that tell what a body without a content type is
MOST_RETRY_AFTER = 7 * 86400.0  # seconds
_XML = ("text/xml", "application/xml", "application/rss+xml", "application/atom+xml")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a `get` came to.

    `reason` is None for a 200 with its whole body and for a 304 that was asked for; else `detail` says more and it is one of
        bad_url, bad_scheme, refused_address, no_contact    not asked: the URL, or a redirect's target
        dns, connect, tls, timeout               not reached, or not to the end in time
        too_many_headers, broken, undecodable    not as HTTP or the content encoding has it; cut off
        too_large, wrong_type                    `body` holds the first bytes of what was too large to read
        too_many_redirects, redirect_loop        and what `may_follow` said of a redirect
        http_<status>                            any other status
    `hops` are the redirects' targets in order; the last of them is `final_url`, asked or not.
    `retry_after` and `seconds` (without the time `may_follow` took) are in seconds.
    """

    url: str
    final_url: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    reason: str | None = None
    detail: str = ""
    retry_after: float | None = None
    seconds: float = 0.0
    hops: tuple[str, ...] = ()


class Unusable(Exception):
    """Ends a request; becomes `reason`, `detail` and `body`."""

    def __init__(self, reason: str, detail: str = "", body: bytes = b"") -> None:
        super().__init__(reason)
        self.reason, self.detail, self.body = reason, detail, body


def head(url: str, response: aiohttp.ClientResponse) -> Fetched:
    theirs = response.headers
    headers = {name: printable(_joined(name, theirs.getall(name))) for name in KEPT if name in theirs}
    if "location" in headers:  # not always ASCII: its bytes are kept, whatever they were meant to be
        raw = theirs["location"].encode("utf-8", "surrogateescape")
        headers["location"] = quote(raw, safe="".join(map(chr, range(33, 127))))
    after = http.retry_after(theirs)
    after = None if after is None else min(after, MOST_RETRY_AFTER)
    return Fetched(url, url, response.status, headers, retry_after=after)


def _joined(name: str, values: list[str]) -> str:
    """A bot's name in an X-Robots-Tag holds to the end of its line, so that header's lines stay apart."""
    return ("\n" if name == "x-robots-tag" else ", ").join(values)


def target(answer: Fetched) -> str | None:
    """Where a redirect leads; None for what is none."""
    if answer.status not in REDIRECTS or not answer.headers.get("location"):
        return None
    location = answer.headers["location"]
    try:
        address = URL(answer.url).join(URL(location)).with_fragment(None)
        return str(address.with_user(None) if address.raw_user or address.raw_password else address)
    except ValueError:
        return location  # then it is a bad URL


def content_type(headers: Mapping[str, str]) -> str:
    """Without its parameters; "" for none and for what is no type ("html")."""
    kind = headers.get("Content-Type", "").partition(";")[0].partition(",")[0].strip().lower()
    return printable(kind[:100]) if "/" in kind else ""


def sniffed(head: bytes) -> tuple[str, ...]:
    """The content types that the start of a body may be of."""
    head = head[:SNIFFED].replace(b"\0", b"")  # zeros: it may be UTF-16
    head = head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\f").lower()
    if head.startswith(b"<?xml"):
        return ("application/xhtml+xml", *_XML) if b"<html" in head else _XML
    if head.startswith((b"<rss", b"<feed", b"<urlset", b"<sitemapindex")):
        return _XML
    if head[:1] == b"<" and (head[1:2].isalpha() or head[1:2] == b"!"):
        return ("text/html",)
    return () if any(byte < 9 or 13 < byte < 27 for byte in head) else ("text/plain",)


def why(error: Exception) -> tuple[str, str]:
    """(reason, detail) of what aiohttp raises."""
    detail = printable(f"{type(error).__name__}: {error}")[:300]
    if isinstance(error, TimeoutError):
        return "timeout", detail if str(error) else "not finished in time"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "dns", detail
    if isinstance(error, aiohttp.ClientSSLError):
        return "tls", detail
    if isinstance(error, aiohttp.ClientConnectorError):
        refused = isinstance(error.os_error, Refused)
        return ("refused_address", printable(str(error.os_error))) if refused else ("connect", detail)
    if isinstance(error, aiohttp.InvalidURL):
        return "bad_url", detail
    if isinstance(error, aiohttp.ClientResponseError):
        headers = "Too many headers" in error.message or "Got more than" in error.message
        return "too_many_headers" if headers else "broken", detail
    return ("dns" if isinstance(error, UnicodeError) else "broken"), detail  # UnicodeError: no name that DNS can have


def printable(text: str) -> str:
    """A server's text in a form that can be stored: bytes that were no UTF-8 are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()
