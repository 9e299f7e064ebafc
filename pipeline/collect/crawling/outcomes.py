"""From an answer to its outcome: a page to store or the reason not to, and the URLs that it leads to.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.collect.crawling import discovery, robots
from pipeline.collect.crawling.fetching import FetchResult
from pipeline.collect.crawling.traps import trap
from pipeline.collect.crawling.types import CrawlOutcome, DiscoveredUrl, Kind, QueuedUrl, State
from pipeline.collect.urls import Scope, host_of

SITEMAPS_DEEP = 3  # levels of sitemap indexes that are followed
NO_PAGES = ("file", "too_long")  # traps that make no row: a picture is no missing page
_IS_HTML = re.compile(
    rb"[\xef\xbb\xbf\xff\xfe\s]*(?:<\?[^>]*>\s*)?(?:<!--(?:(?!-->).)*-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{2,40})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CrawlPolicy:
    """Policy of a crawl: its pace, its extent, and whether rights that are reserved count.

    `delay`: seconds between requests to a host; `per_host`, `connections`: requests in flight to a host and in all; `depth`: links
    away from a start; `limit`: pages to store; `since`, `until`: ISO 8601, for what feeds and sitemaps date; `skip_reserved`:
    reject pages whose text and data mining is reserved; `agent`: the User-Agent header.
    """

    delay: float
    per_host: int
    connections: int
    depth: int
    limit: int | None
    since: str | None
    until: str | None
    skip_reserved: bool
    agent: str


class OutcomeBuilder:
    """Builder of outcomes.  `scope` limits what feeds and sitemaps name, `sites` limits links."""

    def __init__(self, scope: Scope, sites: Scope, policy: CrawlPolicy) -> None:
        self._scope, self._sites, self._policy = scope, sites, policy

    def build(self, url: QueuedUrl, result: FetchResult, tdm: robots.TdmRules) -> CrawlOutcome:
        """Return the outcome of a 200, or of a 304 that was asked for."""
        is_unchanged = result.status == 304
        if not url.is_page:
            if _IS_HTML.match(result.body[:4096].replace(b"\0", b"")):  # zeros: it may be UTF-16
                return outcome_of(
                    url, result, "failed", "wrong_type", f"a page in place of a {url.kind.replace('_', ' ')}"
                )
            return outcome_of(url, result, "done") if is_unchanged else self._of_list(url, result)
        refusal = robots.forbids_use(result.headers, result.body, self._policy.agent)
        if refusal:  # what a log-in page forbids for itself says nothing of the stored page
            state: State = "failed" if url.is_moved(result.final_url) else "skipped"
            return outcome_of(url, result, state, "forbidden_by_page", refusal)
        reservation = robots.reservation(result.final_url, tdm, result.headers, result.body)
        if reservation.reserved and self._policy.skip_reserved:
            return outcome_of(url, result, "skipped", "tdm_reserved", reservation.policy or "")
        outcome = outcome_of(url, result, "done")
        outcome.tdm_policy = (reservation.policy or "") if reservation.reserved else None
        if is_unchanged:  # the stored body stays, and its links were read before
            return outcome
        outcome.body = result.body
        outcome.may_follow = "nofollow" not in robots.directives(result.headers, b"", self._policy.agent)
        if outcome.may_follow:
            outcome.discovered = self.links(url, result.final_url, result.body)
        return outcome

    def _of_list(self, url: QueuedUrl, result: FetchResult) -> CrawlOutcome:
        """Return the outcome of a feed or sitemap; what can be read of a damaged one counts, and it is a row, and asked again."""
        if url.kind == "feed":
            entries, sitemap_urls = discovery.entries_of_feed(result.body, result.final_url), list[str]()
        else:
            entries, sitemap_urls, _ = discovery.entries_of_sitemap(result.body, result.final_url)
        fault = discovery.fault_of(result.body, len(entries) + len(sitemap_urls), url.kind == "feed")
        outcome = outcome_of(url, result, "failed", "unreadable", fault) if fault else outcome_of(url, result, "done")
        outcome.discovered = self._entries(url, entries, sitemap_urls)
        return outcome

    def links(self, url: QueuedUrl, final_url: str, body: bytes) -> list[DiscoveredUrl]:
        """Return what a page of a site leads to; nothing where it is as deep as links are followed, or asks not to."""
        if url.kind != "site" or url.depth >= self._policy.depth:
            return []
        links = discovery.links_of_page(body, final_url, user_agent=self._policy.agent)
        if links.nofollow:
            return []
        return _without_traps(
            [
                DiscoveredUrl(link, host_of(link), "site", url.depth + 1)
                for link in links.pages
                if self._sites.allows(link)
            ]
        )

    def sitemaps(self, url: QueuedUrl, named: Iterable[str]) -> list[DiscoveredUrl]:
        """Return the sitemaps that robots.txt names, for a site's start only: their pages are one link away from it."""
        if url.kind != "site" or url.depth > 0 or self._policy.depth < 1:
            return []
        return [DiscoveredUrl(each, host_of(each), "site_sitemap", 0) for each in named if self._sites.has_host(each)]

    def _entries(
        self, url: QueuedUrl, entries: list[discovery.FeedEntry], sitemap_urls: list[str]
    ) -> list[DiscoveredUrl]:
        since, until = self._policy.since, self._policy.until
        kind: Kind
        is_site = url.kind == "site_sitemap"
        scope, kind, depth = (self._sites, "site", 1) if is_site else (self._scope, "page", 0)
        pages = [
            DiscoveredUrl(entry.url, host_of(entry.url), kind, depth, entry.published_at, entry.title)
            for entry in entries
            if discovery.entry_within(entry, since, until) and scope.allows(entry.url)
        ]
        sitemaps = [
            DiscoveredUrl(address, host_of(address), url.kind, url.depth + 1)
            for address in (sitemap_urls if url.depth < SITEMAPS_DEEP else [])
            if not is_site or self._sites.has_host(address)
        ]
        return _without_traps(pages) + sitemaps


def _without_traps(pages: Iterable[DiscoveredUrl]) -> list[DiscoveredUrl]:
    marked = (page._replace(trap=trap(page.url)) for page in pages)
    return [page for page in marked if page.trap not in NO_PAGES]


def outcome_of(
    url: QueuedUrl, result: FetchResult, state: State, reason: str | None = None, detail: str | None = None
) -> CrawlOutcome:
    """Return an outcome without a body, with the validators, charset and status of a result."""
    charset = _CHARSET.search(result.headers.get("content-type", ""))
    is_unchanged = result.status == 304
    return CrawlOutcome(
        url.number, state, result.status, reason or result.reason, detail or result.detail or None, result.final_url,
        result.headers.get("etag", url.etag if is_unchanged else None),
        result.headers.get("last-modified", url.last_modified if is_unchanged else None),
        charset[1] if charset else None,
    )  # fmt: skip
