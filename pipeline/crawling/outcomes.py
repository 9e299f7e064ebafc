"""What an answer comes to: a page to keep, a reason not to, and the addresses that it leads to.  Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.crawling import discovery, robots
from pipeline.crawling.addresses import Scope, host_of, trap
from pipeline.crawling.fetching import Fetched
from pipeline.crawling.frontier import Found, Outcome, State, Url

SITEMAPS_DEEP = 3  # indexes of indexes
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
            outcome = outcome_of(url, got, "done")
            outcome.found = [] if unchanged else self._entries(url, got)
            return outcome
        refusal = robots.forbids_use(got.headers, got.body, self._manners.agent)
        if refusal:
            return outcome_of(url, got, "skipped", "forbidden_by_page", refusal)
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
        links = discovery.links_of_page(got.body, got.final_url)
        if links.nofollow or "nofollow" in robots.directives(got.headers, b"", self._manners.agent):
            return []
        wanted = (link for link in links.pages if self._sites.allows(link) and not trap(link))
        return [Found(link, host_of(link), "site", url.depth + 1) for link in wanted]

    def _entries(self, url: Url, got: Fetched) -> list[Found]:
        since, until = self._manners.since, self._manners.until
        if url.kind == "feed":
            entries, further = discovery.entries_of_feed(got.body, got.final_url), []
        else:
            sitemap = discovery.entries_of_sitemap(got.body, got.final_url)
            entries = sitemap.pages
            further = [] if url.depth >= SITEMAPS_DEEP else sitemap.sitemaps
        pages = [
            Found(entry.url, host_of(entry.url), "page", 0, entry.published_at, entry.title)
            for entry in entries
            if discovery.entry_within(entry, since, until) and self._scope.allows(entry.url) and not trap(entry.url)
        ]
        return pages + [Found(address, host_of(address), "sitemap", url.depth + 1) for address in further]


def outcome_of(url: Url, got: Fetched, state: State, reason: str | None = None, detail: str | None = None) -> Outcome:
    charset = _CHARSET.search(got.headers.get("content-type", ""))
    unchanged = got.status == 304
    return Outcome(
        url.number, state, got.status, reason or got.reason, detail or got.detail or None, got.final_url,
        got.headers.get("etag", url.etag if unchanged else None),
        got.headers.get("last-modified", url.last_modified if unchanged else None),
        charset[1] if charset else None,
    )  # fmt: skip
