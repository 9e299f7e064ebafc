"""Pages to which a nearer link was found after they were handed out, or fetched: their links count now, and are read.

A page at the last depth is fetched for its article alone.  Where it turns out to be nearer, its links are read from the body that
is stored, in the transaction that tells so; only a body whose answer this process has not seen is requested once more, for its
headers may have asked not to follow its links.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator

import zstandard

from pipeline.collect.crawling.types import CrawlOutcome, DiscoveredUrl, QueuedUrl

QUEUED = """
SELECT number, url, host, kind, depth, tries, published_at, etag, last_modified, body_sha256 IS NOT NULL, final_url FROM urls"""
# what a page's body leads to, by the page, the address that answered, and the body
ReadLinks = Callable[[QueuedUrl, str, bytes], list[DiscoveredUrl]]


class NearerLinks:
    """What is known in one run of pages whose links were not read, or may be read from their bodies."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db, self._unpack = database, zstandard.ZstdDecompressor()
        self.read: ReadLinks | None = None
        self._run = self._depth = 0
        self._needed: set[int] = set()  # handed out before a nearer link to them was found
        self._readable: set[int] = set()  # fetched by this process, with headers that let links be followed
        self._due: list[int] = []

    def begin(self, run: int, depth: int) -> None:
        """Begin a run, in which links are followed `depth` far."""
        self._run, self._depth = run, depth

    def handed_out(self, numbers: Iterable[int]) -> None:
        """Note that pages are about to be requested as they are stored now."""
        self._needed.difference_update(numbers)

    def is_asked_again(self, outcome: CrawlOutcome) -> bool:
        """Take the outcome of a page, stored already; return whether it must be requested once more for its links."""
        if outcome.may_follow or outcome.same_as in self._readable:
            self._readable.add(outcome.number)
        if outcome.state != "done" or outcome.number not in self._needed:
            return False
        return not self._is_read_later(outcome.number)

    def ask(self, url: DiscoveredUrl) -> bool:
        """Have the links of a page that is nearer than it was read; return whether it must be requested once more for that."""
        nearer = self._db.execute(
            "UPDATE urls SET depth = ?1, kind = 'site', etag = NULL, last_modified = NULL "
            "WHERE url = ?2 AND state = 'waiting' AND (kind = 'page' OR (kind = 'site' AND depth > ?1)) RETURNING number",
            (url.depth, url.url),
        ).fetchall()
        if nearer or url.depth >= self._depth:
            self._needed.update(number for (number,) in nearer if url.depth < self._depth)
            return False
        fetched = self._db.execute(
            "UPDATE urls SET depth = ?1, kind = 'site' WHERE url = ?2 AND state = 'done' AND run = ?3 "
            "AND (kind = 'page' OR (kind = 'site' AND depth > ?1 AND depth >= ?4)) RETURNING number",
            (url.depth, url.url, self._run, self._depth),
        ).fetchone()
        if fetched is None or self._is_read_later(fetched[0]):
            return False
        self._db.execute(
            "UPDATE urls SET etag = NULL, last_modified = NULL, state = 'waiting', tries = 0, not_before = 0 WHERE number = ?",
            fetched,
        )
        return True

    def _is_read_later(self, number: int) -> bool:
        if self.read is None or number not in self._readable:
            return False
        self._needed.discard(number)
        self._due.append(number)
        return True

    def take(self) -> Iterator[tuple[int, list[DiscoveredUrl]]]:
        """Yield the pages whose links are due with what their bodies lead to; adding that may make others due."""
        while self._due:
            assert self.read is not None
            queued = QueuedUrl(*self._db.execute(f"{QUEUED} WHERE number = ?", (self._due[-1],)).fetchone())
            [packed] = self._db.execute("SELECT body FROM bodies WHERE number = ?", (self._due.pop(),)).fetchone()
            yield queued.number, self.read(queued, queued.final_url or queued.url, self._unpack.decompress(packed))
