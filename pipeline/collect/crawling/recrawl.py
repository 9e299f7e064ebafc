"""What a run begins with: which addresses the job file gives, what leaves with those that it gives no more, what is asked anew.

An address belongs to the start that led to it first.  Where a start is taken out, what belongs to it leaves, and the feeds,
sitemaps and sites that are left are asked in full: what they lead to comes back, as theirs.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable

from pipeline.collect.crawling.types import Found


def begin(
    db: sqlite3.Connection, scope: str, starts: Iterable[Found], is_out: Callable[[str], bool], depth: int
) -> int:
    """In one transaction, go on with the run that was not finished, else begin one, in which all that is known is asked
    again; its number.

    `scope` is a digest of what may be crawled: where it is another one than in the last run, feeds, sitemaps and sites are
    asked in full.  Pages that `is_out`, and those of a site that are more than `depth` links away, are dropped.
    """
    last = db.execute("SELECT run, scope, finished_at FROM runs ORDER BY run DESC LIMIT 1").fetchone()
    is_new = last is None or last[2] is not None
    run = (last[0] if last else 0) + is_new
    if is_new:
        db.execute(
            "UPDATE urls SET state = 'waiting', tries = 0, not_before = 0 WHERE state != 'left' AND reason IS NOT 'trap'"
        )
    db.execute("INSERT OR IGNORE INTO runs (run, scope, started_at) VALUES (?, ?, ?)", (run, scope, time.time()))
    is_other = last is not None and last[1] != scope
    if _give(db, starts) or is_other:
        _ask_in_full(db)
    if is_new or is_other:
        _drop(db, is_out, depth)
        db.execute("UPDATE runs SET scope = ? WHERE run = ?", (scope, run))
    return run


def _give(db: sqlite3.Connection, starts: Iterable[Found]) -> bool:
    """Whether anything left with a start that was taken out, or came back with one."""
    first: dict[str, Found] = {}
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
    left = db.execute(
        "UPDATE urls SET state = 'left' WHERE state != 'left' AND start NOT IN (SELECT number FROM starts WHERE is_given)"
    )
    back = db.execute(
        "UPDATE urls SET state = CASE WHEN reason = 'trap' THEN 'skipped' ELSE 'waiting' END, tries = 0, not_before = 0 "
        "WHERE state = 'left' AND start IN (SELECT number FROM starts WHERE is_given)"
    )
    return left.rowcount + back.rowcount > 0


def _ask_in_full(db: sqlite3.Connection) -> None:
    """What leads to others is asked without conditions, for its links are to be read."""
    db.execute("UPDATE urls SET etag = NULL, last_modified = NULL WHERE kind != 'page'")
    db.execute("UPDATE urls SET state = 'waiting', tries = 0, not_before = 0 WHERE kind != 'page' AND state = 'done'")


def _drop(db: sqlite3.Connection, is_out: Callable[[str], bool], depth: int) -> None:
    db.execute("UPDATE urls SET state = 'waiting' WHERE state = 'skipped' AND reason = 'excluded'")
    known = db.execute(
        "SELECT number, url, kind = 'site' AND depth > ? FROM urls WHERE kind IN ('page', 'site') AND state != 'left' "
        "AND reason IS NOT 'trap'",
        (depth,),
    )
    out = [(number,) for number, url, is_deep in known if is_deep or is_out(url)]
    db.executemany("UPDATE urls SET state = 'skipped', reason = 'excluded' WHERE number = ?", out)
