"""Source of articles from the web: lists of URLs, feeds, sitemaps, or a site followed by its links.

Fetched pages are in a frontier (SQLite) beside the job, so that a stopped run goes on, a second run takes only what changed,
and a better extractor needs no network.  Every URL that was requested is a row: an article, or rejected with its reason.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from pipeline.core import contracts, signals
from pipeline.core.coroutines import run_coroutine
from pipeline.core.errors import ConfigError, InputError, Paused
from pipeline.core.files import digest_of
from pipeline.core.types import BadRow, RawRow, Unit
from pipeline.engines.machine import cores

if TYPE_CHECKING:
    from pipeline.collect.crawling.crawler import Crawler
    from pipeline.collect.crawling.frontier import Frontier
    from pipeline.collect.crawling.types import DiscoveredUrl, StoredPage
    from pipeline.collect.html.workers import PageWorkers


_URL_FILE = "url_file"  # the part of the unit of lines that are no address
KEYS = {"site": "sites", "page": "urls", "feed": "feeds", "sitemap": "sitemaps"}


class Options(contracts.SourceOptions):
    """Options of a crawl; at least one of `urls`, `url_file`, `feeds`, `sitemaps`, `sites` to start from."""

    in_every_key = (
        "name urls url_file feeds sitemaps sites depth include exclude since until limit contact delay "
        "connections_per_host connections timeout max_bytes allow tdm mode workers"
    )
    name: Annotated[str, Field(pattern=r"^[^\W_][\w-]*$", max_length=40)] = "web"
    urls: tuple[str, ...] = ()
    url_file: str | None = None  # one address a line
    feeds: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()  # their links are followed, `depth` far, on the same hosts
    depth: Annotated[int, Field(ge=0, le=50)] = 3
    include: tuple[str, ...] = ()  # shell patterns over whole addresses of pages; none: all
    exclude: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    limit: Annotated[int, Field(gt=0)] | None = None
    contact: Annotated[str, Field(pattern=r"^[^\r\n]+$")] | None = (
        None  # e-mail or address of a page; needed for any host but this machine
    )
    delay: Annotated[float, Field(ge=0, le=3600)] = 1.0
    connections_per_host: Annotated[int, Field(gt=0, le=100)] = 1
    connections: Annotated[int, Field(gt=0, le=1000)] = 50
    timeout: Annotated[float, Field(gt=0)] = 60.0
    max_bytes: Annotated[int, Field(gt=0)] = 20 * 2**20
    allow: tuple[str, ...] = ()  # networks that may be connected to although they are private: 127.0.0.0/8
    tdm: Literal["skip", "record"] = "skip"  # pages whose rights are reserved (TDMRep)
    mode: Literal["fast", "thorough"] = "fast"
    workers: Annotated[int, Field(gt=0, le=256)] | None = (
        None  # processes that extract; null: as many as there are cores
    )

    def title(self) -> str:
        return f"web:{self.name}"

    @model_validator(mode="after")
    def _somewhere_to_start(self) -> Options:
        if not (self.urls or self.url_file or self.feeds or self.sitemaps or self.sites):
            raise ValueError("give urls, url_file, feeds, sitemaps or sites")
        return self


class Source(contracts.Source):
    """Articles of a crawl.

    `prepare` crawls, or only opens the frontier of an earlier crawl; `units` and `read` look at the frontier, without a network.
    """

    def __init__(self, options: Options, folder: Path, digest_of_file: Callable[[Path], str]) -> None:
        self._options, self._folder = options, folder
        self._frontier: Frontier | None = None
        self._workers: PageWorkers | None = None
        self._crawled = False
        self._bad_lines: list[tuple[int, str]] = []  # of `url_file`
        self._label = f"web:{options.name}"

    @staticmethod
    def for_preview(options: Options, count: int) -> Options:
        """Return options that crawl no more than `count` pages."""
        return options.model_copy(update={"limit": min(options.limit or count, count)})

    # --- the crawl ---

    def prepare(self, state: Path, progress: Any, fetch: bool = True) -> None:
        """Bring the frontier, a file in folder `state`, up to date; without `fetch` it stays as the last crawl left it.

        Raises ConfigError, InputError, Paused where the user stopped it.
        """
        from pipeline.collect.crawling.frontier import Frontier
        from pipeline.collect.html import extract

        extract.require("crawling", "crawl", ("trafilatura", "protego"))
        starts = self._starts()
        path = state / f"{self._options.name}.sqlite"
        if not (fetch or path.exists()):
            raise InputError(f"{path}: nothing was crawled yet; run it without --no-fetch")
        self._frontier, self._crawled = Frontier(path), fetch
        with _frontier_errors(path):
            progress_line = _ProgressLine(progress, self._frontier)
            if fetch:
                run_coroutine(self._crawl(starts, progress_line))
            progress_line.add_reasons(self._revalidate())

    def _revalidate(self) -> Counter[str]:
        from pipeline.collect.crawling.revalidate import revalidate

        return revalidate(self._opened(), self._extractors, self._extractor_digest())

    def _starts(self) -> list[DiscoveredUrl]:
        from pipeline.collect.crawling.types import DiscoveredUrl
        from pipeline.collect.crawling.url_file import read_list
        from pipeline.collect.urls import host_of, normal

        starts: list[DiscoveredUrl] = []
        listed = list[str]()
        if self._options.url_file is not None:
            self._bad_lines, listed = read_list(self._folder / self._options.url_file)
        addresses_by_kind = {
            "site": self._options.sites, "page": [*self._options.urls, *listed], "feed": self._options.feeds,
            "sitemap": self._options.sitemaps,
        }  # fmt: skip
        for kind, addresses in addresses_by_kind.items():
            for address in addresses:
                url = normal(address)
                if url is None:
                    raise ConfigError(f"{KEYS[kind]}: {address!r} is no http(s) address")
                starts.append(DiscoveredUrl(url, host_of(url), kind, 0))  # type: ignore[arg-type]
        self._check_contact(starts)
        self._check_dates()
        return starts

    def _check_dates(self) -> None:
        from pipeline.collect.dates import bound, within

        for name in ("since", "until"):
            bound_text = getattr(self._options, name)
            if bound_text is not None and bound(bound_text) is None:
                raise ConfigError(f"{name}: {bound_text!r} is no date; write it as 2026-05-01")
        since, until = self._options.since, self._options.until
        if not within(bound(since), None, until):
            raise ConfigError(f"until: {until!r} is before since: {since!r}")

    def _check_contact(self, starts: list[DiscoveredUrl]) -> None:
        """Raise ConfigError where other machines would be crawled without a contact: who runs a site must be able to reach us."""
        from pipeline.collect.crawling.ssrf_guard import is_loopback

        strangers = [start.host for start in starts if not is_loopback(start.host)]
        if strangers and not (self._options.contact or "").strip():
            raise ConfigError(
                f"contact: needed before {strangers[0]} is asked: an e-mail address or a page that says who crawls, and why"
            )

    def _agent(self) -> str:
        from importlib.metadata import version

        contact = f" (+{self._options.contact.strip()})" if self._options.contact else ""
        return f"labelmill/{version('labelmill')}{contact}"

    async def _crawl(self, starts: list[DiscoveredUrl], progress_line: _ProgressLine) -> None:
        from pipeline.collect.crawling.crawler import Crawler
        from pipeline.collect.crawling.fetching import Fetcher, FetchLimits
        from pipeline.collect.crawling.outcomes import CrawlPolicy
        from pipeline.collect.crawling.ssrf_guard import SsrfGuard
        from pipeline.collect.urls import Scope

        options, frontier = self._options, self._frontier
        assert frontier is not None
        policy = CrawlPolicy(
            options.delay, options.connections_per_host, options.connections, options.depth, options.limit, options.since,
            options.until, options.tdm == "skip", self._agent(),
        )  # fmt: skip
        scope = Scope(options.include, options.exclude)
        sites = Scope(options.include, options.exclude, [start.host for start in starts if start.kind == "site"])
        extent = [options.include, options.exclude, options.depth, options.since, options.until, sorted(options.sites)]
        start_urls = {start.url for start in starts}
        frontier.begin(
            digest_of(extent), starts, lambda url: url not in start_urls and not scope.allows(url), options.depth
        )
        limits = FetchLimits(body_bytes=options.max_bytes, seconds=options.timeout)
        has_contact = bool((options.contact or "").strip())
        async with Fetcher(self._agent(), SsrfGuard(options.allow), limits=limits, strangers=has_contact) as fetcher:
            crawler = Crawler(frontier, fetcher, scope, sites, policy, progress_line)
            with signals.stop_handler(asyncio.get_running_loop(), _stopping(crawler)):
                try:
                    finished = await crawler.run()
                except asyncio.CancelledError:
                    finished = False
        if not finished:
            raise Paused(
                f"stopped; {frontier.stored_count():,} pages are kept: the same command goes on where it stopped"
            )

    def finished(self) -> None:
        """Mark the crawl as finished, its articles being stored: the next run requests every URL again."""
        if self._crawled:
            self._opened().finish()

    # --- units and rows ---

    def units(self) -> Iterator[Unit]:
        """Yield a unit for each range of the frontier's numbers, with a digest of its rows and of the extractor."""
        options, frontier = self._options, self._opened()
        made_by = digest_of([self._extractor_digest(), options.since, options.until])
        for first, digest in frontier.units():
            name = f"{options.name}-{first:09d}"
            yield Unit(name, digest_of([digest, made_by]), (str(first),), (self._label,))
        if self._bad_lines:
            yield Unit(f"{options.name}-url-file", digest_of(self._bad_lines), (_URL_FILE,), (str(options.url_file),))

    def _extractor_digest(self) -> str:
        from pipeline.collect.html import extract

        return extract.extractor_digest(self._options.mode)

    def _opened(self) -> Frontier:
        assert self._frontier is not None, "prepare() comes first"
        return self._frontier

    def read(self, unit: Unit) -> Iterator[RawRow | BadRow]:
        """Yield a row for each URL of a unit, in the order of discovery; `line` is its number in the frontier."""
        from pipeline.collect.crawling import to_row

        if unit.parts[0] == _URL_FILE:
            for number, text in self._bad_lines:
                yield BadRow(str(self._options.url_file), number, "bad_url", f"{text!r} is no http(s) address"[:200])
            return
        stored: deque[StoredPage] = deque()
        since, until = self._options.since, self._options.until
        pages = self._opened().pages(int(unit.parts[0]), self._extractor_digest())
        for number, page in self._extractors().extract_all(_items(pages, stored)):
            while stored[0].number != number:
                yield to_row.row(self._label, stored.popleft(), None, since, until)
            yield to_row.row(self._label, stored.popleft(), page, since, until)
        for remaining in stored:
            yield to_row.row(self._label, remaining, None, since, until)

    def _extractors(self) -> PageWorkers:
        from pipeline.collect.html.workers import PageWorkers

        if self._workers is None:
            self._workers = PageWorkers(self._options.workers or cores(), mode=self._options.mode)
        return self._workers

    def close(self) -> None:
        """End the workers and close the frontier."""
        if self._workers is not None:
            self._workers.close()
            self._workers = None
        if self._frontier is not None:
            self._frontier.close()


def _items(pages: Iterator[StoredPage], stored: deque[StoredPage]) -> Iterator[tuple[int, bytes, str, str | None]]:
    """Yield the pages to extract, as workers take them; every page is appended to `stored` first, also one without extraction."""
    for page in pages:
        stored.append(page)
        if page.is_usable and page.page is None:
            assert page.body is not None
            yield page.number, page.body, page.final_url or page.url, page.charset


def _stopping(crawler: Crawler) -> Callable[[str], None]:
    """Return the handler of an interrupt: the first lets what is under way end, the second gives up on it."""
    task = asyncio.current_task()

    def stop(name: str) -> None:
        if crawler.is_stopped and task is not None:
            task.cancel()
        crawler.stop()

    return stop


class _ProgressLine:
    """The live line of a crawl: pages a second, hosts, waiting URLs, size of the frontier, failures by reason."""

    def __init__(self, progress: Any, frontier: Frontier) -> None:
        self._progress, self._frontier = progress, frontier
        self._counts: Counter[str] = Counter()

    def __call__(self, counts: Counter[str], hosts: int, waiting: int) -> None:
        self._progress.update(counts.total() - self._progress.n)
        self._counts = counts
        self._say(f"{hosts} hosts, {waiting:,} waiting, ")

    def add_reasons(self, reasons: Counter[str]) -> None:
        """Show pages whose new body was not taken, by reason."""
        if reasons:
            self._counts = self._counts + reasons
            self._say("")

    def _say(self, state: str) -> None:
        errors = ", ".join(f"{reason} {count}" for reason, count in self._counts.most_common(5) if reason != "done")
        size = self._frontier.path.stat().st_size / 2**20
        self._progress.set_postfix_str(f"{state}{size:,.0f} MB{', ' + errors if errors else ''}")


@contextmanager
def _frontier_errors(path: Path) -> Iterator[None]:
    """Raise what SQLite raises of the frontier as InputError, with the remedy."""
    try:
        yield
    except sqlite3.Error as error:
        is_broken = any(words in str(error) for words in ("malformed", "not a database"))
        remedy = "delete it to crawl anew" if is_broken else "what was stored before is kept, the same command goes on"
        raise InputError(f"{path}: {error}; {remedy}") from error
