"""From a response's head or an exception to a FetchResult: the pure half of fetching."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import aiohttp
from yarl import URL

from pipeline.collect.crawling.ssrf_guard import RefusedAddress
from pipeline.core.retry_after import retry_after

# the response headers that are kept, for later stages of the crawl; lower case in `FetchResult.headers`
KEPT = ("content-type", "content-language", "etag", "last-modified", "date", "location", "link", "cache-control", "expires",
        "x-robots-tag", "tdm-reservation", "tdm-policy")  # fmt: skip
REDIRECTS = (301, 302, 303, 307, 308)
SNIFFED_BYTES = 512  # from which the type of a body without a content type is guessed
MAX_RETRY_AFTER = 7 * 86400.0  # seconds
_XML = ("text/xml", "application/xml", "application/rss+xml", "application/atom+xml")


@dataclass(frozen=True, slots=True)
class FetchResult:
    """The result of a `get`.

    `reason` is None for a 200 with its whole body and for a 304 that was asked for; else `detail` says more and it is one of
        bad_url, bad_scheme, refused_address, no_contact    not asked: the URL, or a redirect's target
        dns, connect, tls, timeout               not reached, or not to the end in time
        too_many_headers, broken, undecodable    not as HTTP or the content encoding has it; cut off
        too_large, wrong_type                    `body` holds the first bytes of what was too large to read
        too_many_redirects, redirect_loop        and what `may_follow` returned for a redirect
        http_<status>                            any other status
    `hops` are the redirects' targets in order; the last of them is `final_url`, requested or not.
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
    """Exception that ends a request; becomes `reason`, `detail` and `body` of its FetchResult."""

    def __init__(self, reason: str, detail: str = "", body: bytes = b"") -> None:
        super().__init__(reason)
        self.reason, self.detail, self.body = reason, detail, body


def head(url: str, response: aiohttp.ClientResponse) -> FetchResult:
    """Return the result of a response without its body."""
    raw_headers = response.headers
    headers = {name: printable(_joined(name, raw_headers.getall(name))) for name in KEPT if name in raw_headers}
    # not always ASCII: its bytes are kept as escapes, in whatever encoding they are
    if "location" in headers:
        raw = raw_headers["location"].encode("utf-8", "surrogateescape")
        headers["location"] = quote(raw, safe="".join(map(chr, range(33, 127))))
    delay = retry_after(raw_headers)
    delay = None if delay is None else min(delay, MAX_RETRY_AFTER)
    return FetchResult(url, url, response.status, headers, retry_after=delay)


def _joined(name: str, values: list[str]) -> str:
    """Join a repeated header; X-Robots-Tag keeps its lines, for a bot's name in it holds to the end of its line."""
    return ("\n" if name == "x-robots-tag" else ", ").join(values)


def target(answer: FetchResult) -> str | None:
    """Return the URL that a redirect leads to, or None for what is no redirect."""
    if answer.status not in REDIRECTS or not answer.headers.get("location"):
        return None
    location = answer.headers["location"]
    try:
        address = URL(answer.url).join(URL(location)).with_fragment(None)
        return str(address.with_user(None) if address.raw_user or address.raw_password else address)
    except ValueError:
        return location  # requesting it ends in `bad_url`


def content_type(headers: Mapping[str, str]) -> str:
    """Return the content type without its parameters; "" for none and for what is no type ("html")."""
    kind = headers.get("Content-Type", "").partition(";")[0].partition(",")[0].strip().lower()
    return printable(kind[:100]) if "/" in kind else ""


def sniffed(head: bytes) -> tuple[str, ...]:
    """Return the content types that a body with this beginning may have."""
    head = head[:SNIFFED_BYTES].replace(b"\0", b"")  # zeros: it may be UTF-16
    head = head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\f").lower()
    if head.startswith(b"<?xml"):
        return ("application/xhtml+xml", *_XML) if b"<html" in head else _XML
    if head.startswith((b"<rss", b"<feed", b"<urlset", b"<sitemapindex")):
        return _XML
    if head[:1] == b"<" and (head[1:2].isalpha() or head[1:2] == b"!"):
        return ("text/html",)
    return () if any(byte < 9 or 13 < byte < 27 for byte in head) else ("text/plain",)


def classify(error: Exception) -> tuple[str, str]:
    """Return (reason, detail) of an exception of aiohttp."""
    detail = printable(f"{type(error).__name__}: {error}")[:300]
    if isinstance(error, TimeoutError):
        return "timeout", detail if str(error) else "not finished in time"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "dns", detail
    if isinstance(error, aiohttp.ClientSSLError):
        return "tls", detail
    if isinstance(error, aiohttp.ClientConnectorError):
        is_refused = isinstance(error.os_error, RefusedAddress)
        return ("refused_address", printable(str(error.os_error))) if is_refused else ("connect", detail)
    if isinstance(error, aiohttp.InvalidURL):
        return "bad_url", detail
    if isinstance(error, aiohttp.ClientResponseError):
        is_too_many_headers = "Too many headers" in error.message or "Got more than" in error.message
        return "too_many_headers" if is_too_many_headers else "broken", detail
    return (
        "dns" if isinstance(error, UnicodeError) else "broken"
    ), detail  # UnicodeError: no host name that DNS can have


def printable(text: str) -> str:
    """Return a server's text with bytes that were no UTF-8 as escapes, so that it can be stored."""
    return text.encode("utf-8", "backslashreplace").decode()
