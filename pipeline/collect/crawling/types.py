"""Row types of a crawl: a URL as it was discovered, as it is queued, its outcome, and a page as it is stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pipeline.collect.urls import key

Kind = Literal["page", "site", "feed", "sitemap", "site_sitemap"]
State = Literal["waiting", "done", "failed", "skipped", "left"]  # left: no start of the job leads to it any more
TRAP = "trap"  # the reason of a URL that is not requested: it would lead on without an end


class DiscoveredUrl(NamedTuple):
    """A URL that a page, feed or sitemap named, or a start."""

    url: str
    host: str
    kind: Kind
    depth: int
    published_at: str | None = None
    title: str | None = None
    trap: str | None = None  # which one it looks like (`traps.trap`); then it is stored and never requested


@dataclass(frozen=True, slots=True)
class QueuedUrl:
    """A URL that waits to be requested, with what an earlier run stored of it."""

    number: int
    url: str
    host: str
    kind: Kind
    depth: int
    tries: int
    published_at: str | None
    etag: str | None
    last_modified: str | None
    is_kept: bool  # an earlier run stored a body
    final_url: str | None  # where that body came from

    @property
    def is_page(self) -> bool:
        """Return whether it may become an article, as feeds and sitemaps do not."""
        return self.kind in ("page", "site")

    def is_moved(self, final_url: str) -> bool:
        """Return whether the URL leads elsewhere than when its body was stored: to another page, such as a log-in."""
        return self.is_kept and key(final_url) != key(self.final_url or self.url)


@dataclass(slots=True)
class CrawlOutcome:
    """The result of one request: the URL's new state, its body where it changed, and the URLs that it led to.

    `again_at`: epoch seconds; it waits until then.  A body of None keeps the stored one; `same_as`: the number of the page
    whose body is this one's too.  `may_follow`: the answer's headers let the links in its body be followed.
    """

    number: int
    state: State
    status: int | None = None
    reason: str | None = None
    detail: str | None = None
    final_url: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    charset: str | None = None
    tdm_policy: str | None = None
    body: bytes | None = None
    same_as: int | None = None
    may_follow: bool = False
    again_at: float = 0.0
    discovered: list[DiscoveredUrl] = field(default_factory=list)


class StoredPage(NamedTuple):
    """A page as it is stored.  `body` is None where there is none; `page`: an extracted `html.extract.Page` as JSON."""

    number: int
    url: str
    final_url: str | None
    state: State
    reason: str | None
    detail: str | None
    published_at: str | None
    charset: str | None
    tdm_policy: str | None
    page: str | None
    body: bytes | None

    @property
    def is_usable(self) -> bool:
        """Return whether there is a body, and nobody forbids its use."""
        return self.body is not None and self.state != "skipped"


class Body(NamedTuple):
    """A body as it was served from a URL."""

    url: str
    charset: str | None
    body: bytes


class Revalidation(NamedTuple):
    """The body of a changed page that stays: the new one, or for a `reason` the former one; `page`: extracted from it, as JSON."""

    number: int
    page: str
    reason: str | None = None
    detail: str | None = None
