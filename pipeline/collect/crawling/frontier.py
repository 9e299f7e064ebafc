"""Frontier of a crawl: every URL's state and every page's body, in one SQLite file.

A page's state, its validators, its body and the links that it led to commit together, many pages in one transaction.  What was
under way when a process was killed is fetched again.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import zstandard

from pipeline.collect.crawling import recrawl
from pipeline.collect.crawling.nearer_links import QUEUED, NearerLinks
from pipeline.collect.crawling.types import TRAP, Body, CrawlOutcome, DiscoveredUrl, QueuedUrl, Revalidation, StoredPage
from pipeline.core.errors import InputError

FORMAT = 2
UNIT_PAGES = 500  # of one unit of the collect stage

_TABLES = """
CREATE TABLE IF NOT EXISTS urls (
  number        INTEGER PRIMARY KEY,          -- in the order of discovery
  url           TEXT NOT NULL UNIQUE,         -- in normal form
  host          TEXT NOT NULL,
  kind          TEXT NOT NULL,                -- page | site | feed | sitemap | site_sitemap; a site's pages lead to others
  depth         INTEGER NOT NULL,             -- links away from a start
  state         TEXT NOT NULL,                -- waiting | done | failed | skipped | left
  start         INTEGER NOT NULL,             -- of `starts`: the one that led to it first
  run           INTEGER NOT NULL,             -- in which it was asked last; 0: never
  tries         INTEGER NOT NULL DEFAULT 0,   -- in this run
  not_before    REAL NOT NULL DEFAULT 0,      -- epoch seconds
  published_at  TEXT, title TEXT,             -- as a feed or sitemap says
  status        INTEGER, reason TEXT, detail TEXT,
  final_url     TEXT, etag TEXT, last_modified TEXT, charset TEXT,
  tdm_policy    TEXT,                         -- rights are reserved; '' where no policy is named
  fetched_at    TEXT, body_sha256 TEXT
);
CREATE INDEX IF NOT EXISTS urls_waiting ON urls (host, not_before, number) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS bodies (number INTEGER PRIMARY KEY, body BLOB NOT NULL);  -- zstd
-- What a page was before it changed in this run, until it is settled whether the new body is a new state of it.
CREATE TABLE IF NOT EXISTS formers (number INTEGER PRIMARY KEY, final_url TEXT, etag TEXT, last_modified TEXT, charset TEXT,
  body_sha256 TEXT, body BLOB NOT NULL);
-- What was extracted to find that out, until the articles of this run are there.
CREATE TABLE IF NOT EXISTS extracts (number INTEGER PRIMARY KEY, made_by TEXT NOT NULL, page TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS starts (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, url TEXT NOT NULL, is_given INTEGER NOT NULL,
  UNIQUE (kind, url));  -- of the job file, now or once
-- What is a row: pages, and feeds and sitemaps that could not be used.
CREATE TEMP VIEW IF NOT EXISTS shown AS SELECT * FROM urls WHERE state != 'left' AND CASE WHEN kind IN ('page', 'site')
  THEN state != 'waiting' OR body_sha256 IS NOT NULL ELSE state IN ('failed', 'skipped') END;
CREATE TABLE IF NOT EXISTS runs (run INTEGER PRIMARY KEY, scope TEXT NOT NULL, started_at REAL NOT NULL, finished_at REAL);
"""


class Frontier:
    """The SQLite file of one crawl, used by one thread at a time.  Raises InputError for a file that cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000;")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            # A file that was just made has 0.
            if version not in (0, FORMAT):
                raise InputError(f"{path}: of another version of labelmill (format {version}); delete it to crawl anew")
            self._db.executescript(f"{_TABLES} PRAGMA user_version = {FORMAT};")
        except sqlite3.DatabaseError as error:
            raise InputError(f"{path}: cannot be used ({error}); delete it to crawl anew") from error
        # Bodies are most of the file, and are written while the crawl waits for none of them: a low level.
        self._pack = zstandard.ZstdCompressor(level=3)
        self._unpack = zstandard.ZstdDecompressor()
        self.run = 0
        self.nearer_links = NearerLinks(self._db)

    def close(self) -> None:
        self._db.close()

    # --- runs ---

    def begin(
        self, scope: str, starts: Iterable[DiscoveredUrl], is_excluded: Callable[[str], bool], depth: int
    ) -> None:
        """Begin a run or go on with an unfinished one, see `recrawl.begin`."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self.run = recrawl.begin(self._db, scope, starts, is_excluded, depth)
        self.nearer_links.begin(self.run, depth)

    def finish(self) -> None:
        """Mark the run as finished: the next one requests every URL again."""
        with self._db:
            self._db.execute("UPDATE runs SET finished_at = ? WHERE run = ?", (time.time(), self.run))
            self._db.execute("DELETE FROM extracts")

    # --- what to request next ---

    def hosts_waiting(self) -> list[tuple[str, int]]:
        """Return (host, number of waiting URLs) in the order of discovery."""
        rows = self._db.execute(
            "SELECT host, count(*) FROM urls WHERE state = 'waiting' GROUP BY host ORDER BY min(number)"
        )
        return list(rows)

    def waiting(
        self, host: str, busy: Sequence[int], count: int, with_new: bool, lists: bool = True
    ) -> list[QueuedUrl]:
        """Return up to `count` URLs of a host that may be requested now, in the order of discovery, without the `busy` numbers.

        `with_new`: also pages never fetched, and what may lead to some; `lists`: also feeds and sitemaps.
        """
        rows: Any = self._db.execute(
            f"{QUEUED} WHERE state = 'waiting' AND host = ? AND not_before <= ? "
            "AND (? OR body_sha256 IS NOT NULL) AND (? OR kind IN ('page', 'site')) ORDER BY not_before, number LIMIT ?",
            (host, time.time(), with_new, lists, count + len(busy)),
        )
        urls = [QueuedUrl(*row) for row in rows if row[0] not in busy]
        self.nearer_links.handed_out(url.number for url in urls[:count])
        return urls[:count]

    def next_time(self, host: str, with_new: bool) -> float | None:
        """Return when (epoch seconds) a host's next waiting URL may be requested, or None; `with_new` as in `waiting`."""
        row = self._db.execute(
            "SELECT min(not_before) FROM urls WHERE state = 'waiting' AND host = ? AND (? OR body_sha256 IS NOT NULL)",
            (host, with_new),
        ).fetchone()
        return None if row[0] is None else float(row[0])

    def waiting_page(self, url: str) -> QueuedUrl | None:
        """Return the page at a URL where it is still to be requested, else None."""
        row = self._db.execute(
            f"{QUEUED} WHERE url = ? AND state = 'waiting' AND kind IN ('page', 'site')", (url,)
        ).fetchone()
        return QueuedUrl(*row) if row else None

    def fetched_page(self, url: str) -> int | None:
        """Return the number of the page at a URL where it was fetched in this run, else None."""
        row = self._db.execute(
            "SELECT number FROM urls WHERE url = ? AND state = 'done' AND run = ? AND kind IN ('page', 'site')",
            (url, self.run),
        ).fetchone()
        return int(row[0]) if row else None

    # --- storing outcomes ---

    def commit(self, outcomes: Sequence[CrawlOutcome]) -> Counter[str]:
        """Store outcomes durably, all or none; return the number of new URLs by host."""
        new: Counter[str] = Counter()
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for outcome in outcomes:
                self._update(outcome)
                if outcome.discovered:
                    new += self._add(outcome.number, outcome.discovered)
            for number, discovered in self.nearer_links.take():
                new += self._add(number, discovered)
        return new

    def _update(self, outcome: CrawlOutcome) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if outcome.state == "waiting":
            self._db.execute(
                "UPDATE urls SET tries = tries + 1, not_before = ?, status = ?, reason = ?, detail = ? WHERE number = ?",
                (outcome.again_at, outcome.status, outcome.reason, outcome.detail, outcome.number),
            )
            return
        # Body, state and links in the caller's one transaction: a kill between them would leave a page that is done and led
        # nowhere.
        if outcome.body is not None:
            packed, digest = self._pack.compress(outcome.body), sha256(outcome.body).hexdigest()
            self._replace(outcome.number, outcome.final_url, outcome.charset, digest, packed)
        if outcome.same_as is not None:
            self._copy_body(outcome.same_as, outcome)
        once_more = self.nearer_links.is_asked_again(outcome)
        state = "waiting" if once_more else outcome.state
        self._db.execute(
            "UPDATE urls SET state = ?, run = ?, status = ?, reason = ?, detail = ?, fetched_at = ? WHERE number = ?",
            (state, self.run, outcome.status, outcome.reason, outcome.detail, now, outcome.number),
        )
        # what fails keeps the validators of its copy; what is not kept has none
        if outcome.state != "failed":
            done = outcome.state == "done" and not once_more
            validators = (outcome.etag, outcome.last_modified) if done else (None, None)
            tdm_policy = outcome.tdm_policy
            self._db.execute(
                "UPDATE urls SET etag = ?, last_modified = ?, tdm_policy = CASE WHEN ? THEN coalesce(?, tdm_policy) ELSE ? END, "
                "final_url = CASE WHEN kind IN ('page', 'site') THEN final_url ELSE ? END WHERE number = ?",
                (*validators, outcome.status == 304, tdm_policy, tdm_policy, outcome.final_url, outcome.number),
            )

    def _replace(self, number: int, final_url: str | None, charset: str | None, digest: str, packed: bytes) -> None:
        """Store a page's body; another one that it had stays beside it until it is revalidated."""
        self._db.execute(
            # Of a page that changes twice in a run the first former body stays: the choice is between what it was before the
            # run and what it is now.
            "INSERT OR IGNORE INTO formers SELECT number, final_url, etag, last_modified, charset, body_sha256, body "
            "FROM urls JOIN bodies USING (number) WHERE number = ? AND body_sha256 != ?",
            (number, digest),
        )
        self._db.execute("INSERT OR REPLACE INTO bodies (number, body) VALUES (?, ?)", (number, packed))
        self._db.execute("DELETE FROM extracts WHERE number = ?", (number,))
        self._db.execute(
            "UPDATE urls SET final_url = ?, charset = ?, body_sha256 = ? WHERE number = ?",
            (final_url, charset, digest, number),
        )

    def _copy_body(self, number: int, outcome: CrawlOutcome) -> None:
        """Store page `number`'s body as that of `outcome`, whose URL redirects to it."""
        row = self._db.execute(
            "SELECT coalesce(final_url, url), charset, body_sha256, body, etag, last_modified, tdm_policy "
            "FROM urls JOIN bodies USING (number) WHERE number = ?",
            (number,),
        ).fetchone()
        *stored, outcome.etag, outcome.last_modified, outcome.tdm_policy = row
        self._replace(outcome.number, *stored)

    def _add(self, via: int, discovered: Iterable[DiscoveredUrl]) -> Counter[str]:
        """Add the URLs that URL number `via` led to; return by host how many are to be requested that were not before."""
        new: Counter[str] = Counter()
        start = self._db.execute("SELECT start FROM urls WHERE number = ?", (via,)).fetchone()[0]
        for url in discovered:
            state = "skipped" if url.trap else "waiting"
            columns = (state, start, url.published_at, url.title, TRAP if url.trap else None, url.trap)
            cursor = self._db.execute(
                "INSERT INTO urls (url, host, kind, depth, state, start, run, published_at, title, reason, detail) "
                "VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?) "
                # What left with a start that was taken out comes back in full: without validators, so that its links are read.
                "ON CONFLICT (url) DO UPDATE SET state = excluded.state, start = excluded.start, kind = excluded.kind, "
                "depth = excluded.depth, etag = NULL, last_modified = NULL, tries = 0, not_before = 0 WHERE state = 'left'",
                (url.url, url.host, url.kind, url.depth, *columns),
            )
            if cursor.rowcount:
                # A trap is a row that tells why it was skipped, and nothing to request.
                new[url.host] += url.trap is None
            elif url.kind == "site":
                new[url.host] += self.nearer_links.ask(url)
        # Without the hosts that count nothing.
        return +new

    # --- revalidation: which of two bodies stays ---

    def changed_pages(self) -> dict[int, tuple[str, str]]:
        """Return the pages whose body changed in this run: number -> the addresses of the former and of the current body."""
        rows = self._db.execute(
            "SELECT number, coalesce(formers.final_url, url), coalesce(urls.final_url, url) "
            "FROM formers JOIN urls USING (number) ORDER BY number"
        )
        return {number: (former, current) for number, former, current in rows}

    def stored_body(self, number: int, former: bool) -> Body:
        """Return a changed page's body: the `former` one or the current one."""
        source = "formers JOIN urls USING (number)" if former else "urls JOIN bodies USING (number)"
        prefix = "formers" if former else "urls"
        url, charset, packed = self._db.execute(
            f"SELECT coalesce({prefix}.final_url, url), {prefix}.charset, body FROM {source} WHERE number = ?",  # noqa: S608
            (number,),
        ).fetchone()
        return Body(url, charset, self._unpack.decompress(packed))

    def commit_revalidations(self, revalidations: Iterable[Revalidation], made_by: str) -> None:
        """Keep the new bodies, or put the former ones back where a revalidation has a reason.  `made_by` names the extractor."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for number, page, reason, detail in revalidations:
                if reason is not None:
                    self._put_back(number, reason, detail)
                self._db.execute("DELETE FROM formers WHERE number = ?", (number,))
                self._db.execute("INSERT OR REPLACE INTO extracts VALUES (?, ?, ?)", (number, made_by, page))

    def _put_back(self, number: int, reason: str, detail: str | None) -> None:
        self._db.execute("INSERT OR REPLACE INTO bodies SELECT number, body FROM formers WHERE number = ?", (number,))
        self._db.execute(
            "UPDATE urls SET state = CASE state WHEN 'done' THEN 'failed' ELSE state END, reason = ?2, detail = ?3, "
            "(final_url, etag, last_modified, charset, body_sha256) = "
            "(SELECT final_url, etag, last_modified, charset, body_sha256 FROM formers WHERE number = ?1) WHERE number = ?1",
            (number, reason, detail),
        )

    # --- reading ---

    def stored_count(self) -> int:
        """Return the number of pages with a body."""
        count = self._db.execute("SELECT count(*) FROM urls WHERE body_sha256 IS NOT NULL AND state != 'left'")
        return int(count.fetchone()[0])

    def units(self) -> Iterator[tuple[int, str]]:
        """Yield (first number, digest of its rows) of each range of `UNIT_PAGES` numbers that has rows."""
        rows = self._db.execute(
            "SELECT number, url, state, reason, body_sha256, final_url, tdm_policy, published_at FROM shown "
            "ORDER BY number"
        )
        current, digest = None, sha256()
        for number, *columns in rows:
            # By number and not by count: a page that comes or goes changes its own unit alone.
            first = number - number % UNIT_PAGES
            if current is not None and first != current:
                yield current, digest.hexdigest()
                digest = sha256()
            current = first
            digest.update(repr((number, columns)).encode())
        if current is not None:
            yield current, digest.hexdigest()

    def pages(self, first: int, made_by: str = "") -> Iterator[StoredPage]:
        """Yield the rows of a range in order; `made_by` names the extractor whose stored result may be used."""
        with closing(self._db.cursor()) as cursor:
            rows: Any = cursor.execute(
                "SELECT shown.number, url, final_url, state, reason, detail, published_at, charset, tdm_policy, page, body "
                "FROM shown LEFT JOIN bodies USING (number) LEFT JOIN extracts ON extracts.number = shown.number AND made_by = ? "
                "WHERE shown.number >= ? AND shown.number < ? ORDER BY shown.number",
                (made_by, first, first + UNIT_PAGES),
            )
            for *columns, packed in rows:
                body = None if packed is None else self._unpack.decompress(packed)
                yield StoredPage(*columns, body)  # type: ignore[call-arg]
