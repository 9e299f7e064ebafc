"""The state that a run begins with: the starts of the job file, what leaves with starts taken out, what is requested again.

A URL belongs to the start that led to it first.  Where a start is taken out, what belongs to it leaves, and the remaining
feeds, sitemaps and sites are requested in full: what they lead to comes back, as theirs.  To remember all starts that lead to a
URL would take starts times links of rows, and finds the same.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable

from pipeline.collect.crawling.types import DiscoveredUrl


def begin(
    db: sqlite3.Connection, scope: str, starts: Iterable[DiscoveredUrl], is_excluded: Callable[[str], bool], depth: int
) -> int:
    """Go on with the unfinished run, or begin one that requests every URL again; return its number.  In one transaction.

    `scope` is a digest of what may be crawled: where the last run had another one, feeds, sitemaps and sites are requested in
    full.  Pages that `is_excluded`, and those of a site that are more than `depth` links away, are dropped.
    """
    last = db.execute("SELECT run, scope, finished_at FROM runs ORDER BY run DESC LIMIT 1").fetchone()
    is_new = last is None or last[2] is not None
    run = (last[0] if last else 0) + is_new
    if is_new:
        db.execute(
            "UPDATE urls SET state = 'waiting', tries = 0, not_before = 0 WHERE state != 'left' AND reason IS NOT 'trap'"
        )
    db.execute("INSERT OR IGNORE INTO runs (run, scope, started_at) VALUES (?, ?, ?)", (run, scope, time.time()))
    is_other_scope = last is not None and last[1] != scope
    if _update_starts(db, starts) or is_other_scope:
        _ask_in_full(db)
    if is_new or is_other_scope:
        _drop_excluded(db, is_excluded, depth)
        db.execute("UPDATE runs SET scope = ? WHERE run = ?", (scope, run))
    return run


def _update_starts(db: sqlite3.Connection, starts: Iterable[DiscoveredUrl]) -> bool:
    """Store the job's starts; return whether any URL left with a start that was taken out, or came back with one."""
    first: dict[str, DiscoveredUrl] = {}
    for start in starts:
        first.setdefault(start.url, start)
    db.execute("UPDATE starts SET is_given = 0")
    db.executemany(
        "INSERT INTO starts (kind, url, is_given) VALUES (?, ?, 1) ON CONFLICT (kind, url) DO UPDATE SET is_given = 1",
        ((start.kind, start.url) for start in first.values()),
    )
    db.executemany(
        "INSERT INTO urls (url, host, kind, depth, state, run, start) "
        "SELECT ?, ?, kind, 0, 'waiting', 0, number FROM starts WHERE kind = ? AND url = ? "
        "ON CONFLICT (url) DO UPDATE SET start = excluded.start, kind = excluded.kind, depth = 0, "
        "etag = CASE kind WHEN excluded.kind THEN etag END, last_modified = CASE kind WHEN excluded.kind THEN last_modified END, "
        "state = CASE WHEN state = 'left' OR reason = 'trap' THEN 'waiting' ELSE state END "
        "WHERE excluded.kind != 'page' OR urls.reason = 'trap' "  # else another start has it
        "OR urls.start NOT IN (SELECT number FROM starts WHERE is_given)",
        ((start.url, start.host, start.kind, start.url) for start in first.values()),
    )
    departed = db.execute(
        "UPDATE urls SET state = 'left' WHERE state != 'left' AND start NOT IN (SELECT number FROM starts WHERE is_given)"
    )
    returned = db.execute(
        "UPDATE urls SET state = CASE WHEN reason = 'trap' THEN 'skipped' ELSE 'waiting' END, tries = 0, not_before = 0 "
        "WHERE state = 'left' AND start IN (SELECT number FROM starts WHERE is_given)"
    )
    return departed.rowcount + returned.rowcount > 0


def _ask_in_full(db: sqlite3.Connection) -> None:
    """Have feeds, sitemaps and sites requested without conditions, so that their links are read."""
    db.execute("UPDATE urls SET etag = NULL, last_modified = NULL WHERE kind != 'page'")
    db.execute("UPDATE urls SET state = 'waiting', tries = 0, not_before = 0 WHERE kind != 'page' AND state = 'done'")


def _drop_excluded(db: sqlite3.Connection, is_excluded: Callable[[str], bool], depth: int) -> None:
    """Skip the pages that are excluded now, and take those back that no longer are."""
    db.execute("UPDATE urls SET state = 'waiting' WHERE state = 'skipped' AND reason = 'excluded'")
    pages = db.execute(
        "SELECT number, url, kind = 'site' AND depth > ? FROM urls WHERE kind IN ('page', 'site') AND state != 'left' "
        "AND reason IS NOT 'trap'",
        (depth,),
    )
    excluded = [(number,) for number, url, is_deep in pages if is_deep or is_excluded(url)]
    db.executemany("UPDATE urls SET state = 'skipped', reason = 'excluded' WHERE number = ?", excluded)
