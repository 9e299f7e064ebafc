"""What is known of an address: as it was found, as it is to be asked, what became of it, and as it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pipeline.collect.urls import key

Kind = Literal["page", "site", "feed", "sitemap", "site_sitemap"]
State = Literal["waiting", "done", "failed", "skipped", "left"]  # left: no start of the job leads to it any more
TRAP = "trap"  # the reason of an address that is not asked: it would lead on without an end


class Found(NamedTuple):
    """An address that was discovered."""

    url: str
    host: str
    kind: Kind
    depth: int
    published_at: str | None = None
    title: str | None = None
    trap: str | None = None  # which one it looks like; then it is noted and never asked


@dataclass(frozen=True, slots=True)
class Url:
    """An address that is to be asked, and what is known of it."""

    number: int
    url: str
    host: str
    kind: Kind
    depth: int
    tries: int
    published_at: str | None
    etag: str | None
    last_modified: str | None
    is_kept: bool  # there is a body of an earlier run
    final_url: str | None  # where that came from

    @property
    def is_page(self) -> bool:
        return self.kind in ("page", "site")

    def is_moved(self, final_url: str) -> bool:
        """Whether it leads elsewhere than it did when its copy was made; what is there may be another page, a log-in say."""
        return self.is_kept and key(final_url) != key(self.final_url or self.url)


@dataclass(slots=True)
class Outcome:
    """What became of one: its new state, its body where it changed, and where it led.

    `again_at`: epoch seconds; it waits until then.  A body of None keeps the one that is there; `same_as`: the number of the
    page whose body is this one's too.
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
    again_at: float = 0.0
    found: list[Found] = field(default_factory=list)


class Kept(NamedTuple):
    """A page as it is kept.  `body` is None where there is none; `page`: what was extracted of it already, as JSON."""

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
        """Whether there is a body, and nobody forbids its use."""
        return self.body is not None and self.state != "skipped"


class Copy(NamedTuple):
    """A body, as it was served from an address."""

    url: str
    charset: str | None
    body: bytes


class Verdict(NamedTuple):
    """Which body of a page stays: the new one, or for a `reason` the former one; and what was extracted of it, as JSON."""

    number: int
    page: str
    reason: str | None = None
    detail: str | None = None
