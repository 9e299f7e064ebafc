"""What an answer comes to: a page to keep, a reason not to, and the addresses that it leads to.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.collect.crawling import discovery, robots
from pipeline.collect.crawling.fetching import Fetched
from pipeline.collect.crawling.traps import trap
from pipeline.collect.crawling.types import Found, Kind, Outcome, State, Url
from pipeline.collect.urls import Scope, host_of

SITEMAPS_DEEP = 3  # indexes of indexes
NO_PAGES = ("file", "too_long")  # traps that are no rows: a picture is no page that is missing
_IS_HTML = re.compile(
    rb"[\xef\xbb\xbf\xff\xfe\s]*(?:<\?[^>]*>\s*)?(?:<!--(?:(?!-->).)*-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{2,40})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Manners:
    """How politely: seconds between requests to a host, connections to it and in all, links away from a start.

    `limit`: pages to keep; `since`, `until`: ISO 8601, of what feeds and sitemaps date; `skip_reserved`: TDM reservations.
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


class Outcomes:
    """`scope` is for what feeds and sitemaps name, `sites` for links."""

    def __init__(self, scope: Scope, sites: Scope, manners: Manners) -> None:
        self._scope, self._sites, self._manners = scope, sites, manners

    def of(self, url: Url, got: Fetched, tdm: robots.TdmRules) -> Outcome:
        """Of a 200, or of a 304 that was asked for."""
        unchanged = got.status == 304
        if not url.is_page:
            if _IS_HTML.match(got.body[:4096].replace(b"\0", b"")):  # zeros: it may be UTF-16
                return outcome_of(
                    url, got, "failed", "wrong_type", f"a page in place of a {url.kind.replace('_', ' ')}"
                )
            outcome = outcome_of(url, got, "done")
            outcome.found = [] if unchanged else self._entries(url, got)
            return outcome
        refusal = robots.forbids_use(got.headers, got.body, self._manners.agent)
        if refusal:  # what a log-in page asks for itself says nothing of the page that was here
            state: State = "failed" if url.is_moved(got.final_url) else "skipped"
            return outcome_of(url, got, state, "forbidden_by_page", refusal)
        said = robots.reservation(got.final_url, tdm, got.headers, got.body)
        if said.reserved and self._manners.skip_reserved:
            return outcome_of(url, got, "skipped", "tdm_reserved", said.policy or "")
        outcome = outcome_of(url, got, "done")
        outcome.tdm_policy = (said.policy or "") if said.reserved else None
        if unchanged:  # what its text says of itself is known
            return outcome
        outcome.body = got.body
        if url.kind == "site" and url.depth < self._manners.depth:
            outcome.found = self._links(url, got)
        return outcome

    def _links(self, url: Url, got: Fetched) -> list[Found]:
        links = discovery.links_of_page(got.body, got.final_url, user_agent=self._manners.agent)
        if links.nofollow or "nofollow" in robots.directives(got.headers, b"", self._manners.agent):
            return []
        return _without_traps(
            [Found(link, host_of(link), "site", url.depth + 1) for link in links.pages if self._sites.allows(link)]
        )

    def sitemaps(self, url: Url, named: Iterable[str]) -> list[Found]:
        """Those that robots.txt names, for a site's start: what they name is one link away from it."""
        if url.kind != "site" or url.depth > 0 or self._manners.depth < 1:
            return []
        return [Found(each, host_of(each), "site_sitemap", 0) for each in named if self._sites.has_host(each)]

    def _entries(self, url: Url, got: Fetched) -> list[Found]:
        since, until = self._manners.since, self._manners.until
        kind: Kind
        if url.kind == "feed":
            entries, further = discovery.entries_of_feed(got.body, got.final_url), []
        else:
            sitemap = discovery.entries_of_sitemap(got.body, got.final_url)
            entries = sitemap.pages
            further = [] if url.depth >= SITEMAPS_DEEP else sitemap.sitemaps
        is_site = url.kind == "site_sitemap"
        scope, kind, depth = (self._sites, "site", 1) if is_site else (self._scope, "page", 0)
        pages = [
            Found(entry.url, host_of(entry.url), kind, depth, entry.published_at, entry.title)
            for entry in entries
            if discovery.entry_within(entry, since, until) and scope.allows(entry.url)
        ]
        maps = [
            Found(address, host_of(address), url.kind, url.depth + 1)
            for address in further
            if not is_site or self._sites.has_host(address)
        ]
        return _without_traps(pages) + maps


def _without_traps(pages: Iterable[Found]) -> list[Found]:
    found = (page._replace(trap=trap(page.url)) for page in pages)
    return [page for page in found if page.trap not in NO_PAGES]


def outcome_of(url: Url, got: Fetched, state: State, reason: str | None = None, detail: str | None = None) -> Outcome:
    charset = _CHARSET.search(got.headers.get("content-type", ""))
    unchanged = got.status == 304
    return Outcome(
        url.number, state, got.status, reason or got.reason, detail or got.detail or None, got.final_url,
        got.headers.get("etag", url.etag if unchanged else None),
        got.headers.get("last-modified", url.last_modified if unchanged else None),
        charset[1] if charset else None,
    )  # fmt: skip
