"""Every URL's state, what was fetched, and when: one SQLite file.

A page's state, its validators, its body and the links that it led to commit together, many pages in one transaction.  What was
under way when a process was killed is simply fetched again.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

import zstandard

from pipeline.errors import InputError

Kind = Literal["page", "site", "feed", "sitemap"]  # a site's pages lead to others
State = Literal["waiting", "done", "failed", "skipped"]
FORMAT = 1
UNIT_PAGES = 500  # of one unit of the collect stage

_TABLES = """
CREATE TABLE IF NOT EXISTS urls (
  number        INTEGER PRIMARY KEY,          -- in the order of discovery
  url           TEXT NOT NULL UNIQUE,         -- in normal form
  host          TEXT NOT NULL,
  kind          TEXT NOT NULL,                -- page | site | feed | sitemap
  depth         INTEGER NOT NULL,             -- links away from a start
  state         TEXT NOT NULL,                -- waiting | done | failed | skipped
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
CREATE TABLE IF NOT EXISTS runs (run INTEGER PRIMARY KEY, scope TEXT NOT NULL, started_at REAL NOT NULL, finished_at REAL);
"""


class Found(NamedTuple):
    """An address that was discovered."""

    url: str
    host: str
    kind: Kind
    depth: int
    published_at: str | None = None
    title: str | None = None


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

    @property
    def is_page(self) -> bool:
        return self.kind in ("page", "site")


@dataclass(slots=True)
class Outcome:
    """What became of one: its new state, its body where it changed, and where it led.

    `again_at`: epoch seconds; it waits until then.  A body of None keeps the one that is there.
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
    again_at: float = 0.0
    found: list[Found] = field(default_factory=list)


class Kept(NamedTuple):
    """A page as it is kept.  `body` is None where there is none."""

    number: int
    url: str
    final_url: str | None
    state: State
    reason: str | None
    detail: str | None
    published_at: str | None
    charset: str | None
    tdm_policy: str | None
    body: bytes | None


class Frontier:
    """Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000;")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, FORMAT):
                raise InputError(f"{path}: written by another version of labelmill (format {version})")
            self._db.executescript(f"{_TABLES} PRAGMA user_version = {FORMAT};")
        except sqlite3.DatabaseError as error:
            raise InputError(f"{path}: cannot be used ({error}); delete it to crawl anew") from error
        self._pack = zstandard.ZstdCompressor(level=3)
        self._unpack = zstandard.ZstdDecompressor()
        self.run = 0

    def close(self) -> None:
        self._db.close()

    # --- runs ---

    def begin(self, scope: str, found: Iterable[Found], is_out: Callable[[str], bool]) -> bool:
        """Go on with the run that was not finished, else begin one, in which all that is known is asked again.  Whether it
        is a new one.

        `scope` is a digest of what may be crawled: where it is another one than in the last run, feeds, sitemaps and sites
        are asked without conditions, and pages that `is_out` are dropped.
        """
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            last = self._db.execute("SELECT run, scope, finished_at FROM runs ORDER BY run DESC LIMIT 1").fetchone()
            is_new = last is None or last[2] is not None
            self.run = (last[0] if last else 0) + is_new
            if is_new:
                self._db.execute(
                    "UPDATE urls SET state = 'waiting', tries = 0, not_before = 0 WHERE reason IS NOT 'excluded'"
                )
            self._db.execute(
                "INSERT OR IGNORE INTO runs (run, scope, started_at) VALUES (?, ?, ?)", (self.run, scope, time.time())
            )
            self._add(found)
            if last and last[1] != scope:
                self._rescope(is_out)
                self._db.execute("UPDATE runs SET scope = ? WHERE run = ?", (scope, self.run))
        return is_new

    def _rescope(self, is_out: Callable[[str], bool]) -> None:
        self._db.execute("UPDATE urls SET etag = NULL, last_modified = NULL WHERE kind != 'page'")
        self._db.execute(
            "UPDATE urls SET state = 'waiting', reason = NULL, tries = 0, not_before = 0 WHERE reason = 'excluded'"
        )
        out = [
            (n,)
            for n, url in self._db.execute("SELECT number, url FROM urls WHERE kind IN ('page', 'site')")
            if is_out(url)
        ]
        self._db.executemany("UPDATE urls SET state = 'skipped', reason = 'excluded' WHERE number = ?", out)

    def finish(self) -> None:
        with self._db:
            self._db.execute("UPDATE runs SET finished_at = ? WHERE run = ?", (time.time(), self.run))

    # --- what to ask next ---

    def hosts_waiting(self) -> list[tuple[str, int]]:
        """(host, how many wait)."""
        rows = self._db.execute(
            "SELECT host, count(*) FROM urls WHERE state = 'waiting' GROUP BY host ORDER BY min(number)"
        )
        return list(rows)

    def waiting(self, host: str, besides: Sequence[int], count: int, new_pages: bool) -> list[Url]:
        """Some of a host's that may be asked now, in the order of discovery; `new_pages`: also pages never fetched."""
        found: Any = self._db.execute(
            "SELECT number, url, host, kind, depth, tries, published_at, etag, last_modified, body_sha256 IS NOT NULL "
            "FROM urls WHERE state = 'waiting' AND host = ? AND not_before <= ? "
            "AND (? OR body_sha256 IS NOT NULL OR kind NOT IN ('page', 'site')) ORDER BY not_before, number LIMIT ?",
            (host, time.time(), new_pages, count + len(besides)),
        )
        urls = [Url(*row) for row in found if row[0] not in besides]
        return urls[:count]

    def next_time(self, host: str, new_pages: bool) -> float | None:
        """When (epoch seconds) the first of those that wait may be asked; `new_pages` as above."""
        row = self._db.execute(
            "SELECT min(not_before) FROM urls WHERE state = 'waiting' AND host = ? "
            "AND (? OR body_sha256 IS NOT NULL OR kind NOT IN ('page', 'site'))",
            (host, new_pages),
        ).fetchone()
        return None if row[0] is None else float(row[0])

    # --- what came ---

    def commit(self, outcomes: Sequence[Outcome]) -> Counter[str]:
        """Durably, all or nothing; how many addresses are new, by host."""
        new: Counter[str] = Counter()
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for outcome in outcomes:
                self._update(outcome)
                new += self._add(outcome.found)
        return new

    def _update(self, outcome: Outcome) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if outcome.state == "waiting":
            self._db.execute(
                "UPDATE urls SET tries = tries + 1, not_before = ?, status = ?, reason = ?, detail = ? WHERE number = ?",
                (outcome.again_at, outcome.status, outcome.reason, outcome.detail, outcome.number),
            )
            return
        digest = sha256(outcome.body).hexdigest() if outcome.body is not None else None
        self._db.execute(
            "UPDATE urls SET state = ?, run = ?, status = ?, reason = ?, detail = ?, final_url = coalesce(?, final_url), "
            "charset = coalesce(?, charset), fetched_at = ?, body_sha256 = coalesce(?, body_sha256) WHERE number = ?",
            (
                outcome.state, self.run, outcome.status, outcome.reason, outcome.detail, outcome.final_url, outcome.charset, now,
                digest, outcome.number,
            ),
        )  # fmt: skip
        if (
            outcome.state != "failed"
        ):  # a page that fails keeps the validators of its copy; one that is not kept has none
            done = outcome.state == "done"
            validators = (outcome.etag, outcome.last_modified) if done else (None, None)
            said = outcome.tdm_policy
            self._db.execute(
                "UPDATE urls SET etag = ?, last_modified = ?, tdm_policy = CASE WHEN ? THEN coalesce(?, tdm_policy) ELSE ? END "
                "WHERE number = ?",
                (*validators, outcome.status == 304, said, said, outcome.number),
            )
        if outcome.body is not None:
            packed = self._pack.compress(outcome.body)
            self._db.execute("INSERT OR REPLACE INTO bodies (number, body) VALUES (?, ?)", (outcome.number, packed))

    def _add(self, found: Iterable[Found]) -> Counter[str]:
        new: Counter[str] = Counter()
        for item in found:
            cursor = self._db.execute(
                "INSERT OR IGNORE INTO urls (url, host, kind, depth, state, run, published_at, title) "
                "VALUES (?, ?, ?, ?, 'waiting', 0, ?, ?)",
                (item.url, item.host, item.kind, item.depth, item.published_at, item.title),
            )
            if cursor.rowcount:
                new[item.host] += 1
            elif item.kind == "site":  # nearer than it was thought, or known from a feed
                self._db.execute(
                    "UPDATE urls SET depth = min(depth, ?), kind = 'site' WHERE url = ? AND state = 'waiting' "
                    "AND kind IN ('page', 'site')",
                    (item.depth, item.url),
                )
        return new

    # --- what is kept ---

    def counts(self) -> dict[str, int]:
        """Addresses by state."""
        return dict(self._db.execute("SELECT state, count(*) FROM urls GROUP BY state").fetchall())

    def fetched(self) -> int:
        """Pages that are kept."""
        return int(self._db.execute("SELECT count(*) FROM bodies").fetchone()[0])

    def units(self) -> Iterator[tuple[int, str]]:
        """(first number, digest) of each range of `UNIT_PAGES` numbers, of pages alone."""
        rows = self._db.execute(
            "SELECT number, url, state, reason, body_sha256, final_url, tdm_policy, published_at FROM urls "
            "WHERE kind IN ('page', 'site') AND (state != 'waiting' OR body_sha256 IS NOT NULL) ORDER BY number"
        )
        current, digest = None, sha256()
        for number, *known in rows:
            first = number - number % UNIT_PAGES
            if current is not None and first != current:
                yield current, digest.hexdigest()
                digest = sha256()
            current = first
            digest.update(repr((number, known)).encode())
        if current is not None:
            yield current, digest.hexdigest()

    def pages(self, first: int) -> Iterator[Kept]:
        """The pages of a range, in order."""
        with closing(self._db.cursor()) as cursor:
            rows: Any = cursor.execute(
                "SELECT number, url, final_url, state, reason, detail, published_at, charset, tdm_policy, body FROM urls "
                "LEFT JOIN bodies USING (number) WHERE number >= ? AND number < ? AND kind IN ('page', 'site') "
                "AND (state != 'waiting' OR body IS NOT NULL) ORDER BY number",
                (first, first + UNIT_PAGES),
            )
            for *known, packed in rows:
                body = None if packed is None else self._unpack.decompress(packed)
                yield Kept(*known, body)  # type: ignore[call-arg]
