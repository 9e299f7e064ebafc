"""Workers: which processes ask at this moment, what each holds, and what each adds.

Answers are counted by worker in the transaction that stores them, in slots of some seconds, so that a rate of lately can be told
of one that has run for a day.  A worker that ends takes its counts with it; one that was killed leaves them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from pipeline.label.ledger.claims import is_gone
from pipeline.label.ledger.database import Database

SLOT_SECONDS = 5
RECENT_SECONDS = 60.0  # the time that a rate is of
SILENT_SECONDS = 30.0  # without an answer: it adds nothing
TABLE = "worker_answers"


@dataclass(frozen=True, slots=True)
class Worker:
    """One process that asks, or that was killed and holds claims still.

    `state`: `starting`, `answering`, `silent` (no answer for SILENT_SECONDS), `gone` (its process, or its lease).
    """

    host: str
    pid: int
    state: str
    claims: int
    answers: int | None  # None: the ledger is looked at only, and older than these counts
    answers_a_minute: float | None  # of the last RECENT_SECONDS
    seconds: float  # since it started
    silent_seconds: float  # since its last answer, or since it started

    @property
    def adds(self) -> bool:
        """Whether it does anything for the job, as far as can be seen."""
        return self.state in ("starting", "answering")


class Workers:
    """The workers of a ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ahead: float | None = None  # seconds of the ledger's clock before this machine's

    def count(self, worker: str, answers: int) -> None:
        """Count answers of a worker that are being stored.  Within the caller's transaction."""
        if self._ahead is None:  # looked at once: for PostgreSQL it is a way to the server and back
            self._ahead = self._database.now() - time.time()
        now = time.time() + self._ahead
        self._database.execute(
            f"INSERT INTO {TABLE} (worker, slot, answers, last_at) VALUES (?, ?, ?, ?) ON CONFLICT (worker, slot)"  # noqa: S608
            f" DO UPDATE SET answers = {TABLE}.answers + excluded.answers, last_at = excluded.last_at",
            (worker, int(now // SLOT_SECONDS), answers, now),
        )

    def forget(self, worker: str) -> None:
        """Drop the counts of a worker that ends."""
        with self._database.transaction(durable=False):
            self._database.execute(f"DELETE FROM {TABLE} WHERE worker = ?", (worker,))  # noqa: S608

    def all(self) -> list[Worker]:
        """Return the workers that have not ended, the first to start first.

        Batches, which have no process, are none, nor are those that only wait for a batch: `status` has a line for each of these.
        """
        now = self._database.now()
        has_counts = self._database.has_table(TABLE)
        since = int((now - RECENT_SECONDS) // SLOT_SECONDS) + 1
        waits = _NOT_FOR_BATCHES if self._database.has_table("batches") else ""
        # a worker that ended has no lease; claims of one that was killed stand until somebody wants them
        rows = self._database.execute(_LIVE + waits + " ORDER BY started_at, worker")
        counts = self._counts(since) if has_counts else {}
        return [
            _worker(row[1:], counts.get(row[0], (0, 0, None)) if has_counts else None, now, since * SLOT_SECONDS)
            for row in rows
        ]

    def _counts(self, since: int) -> dict[str, tuple[int, int, float | None]]:
        """Return worker -> (answers, those since a slot, when the last one came)."""
        rows = self._database.execute(
            f"SELECT worker, sum(answers), sum(CASE WHEN slot >= ? THEN answers ELSE 0 END), max(last_at) FROM {TABLE}"  # noqa: S608
            " GROUP BY worker",
            (since,),
        )
        return {worker: (int(answers), int(recent), float(last)) for worker, answers, recent, last in rows}


_LIVE = (
    "SELECT worker, host, pid, born, started_at, lease_until,"
    " (SELECT count(*) FROM claims WHERE claims.worker = workers.worker)"
    " FROM workers WHERE lease_until > 0 AND host <> ''"
)
_NOT_FOR_BATCHES = " AND worker NOT IN (SELECT owner FROM batches WHERE settled_at IS NULL)"


def _worker(
    row: tuple[str, int, str, float, float, int], counts: tuple[int, int, float | None] | None, now: float, since: float
) -> Worker:
    """Return a worker by its row and its (answers, those after `since`, time of the last)."""
    host, pid, born, started_at, lease_until, claims = row
    answers, recent, last_at = counts or (None, None, None)
    silent = max(0.0, now - (last_at or started_at))
    if lease_until < now or is_gone(host, pid, born):
        state = "gone"
    elif counts is not None and silent > SILENT_SECONDS:
        state = "silent"
    else:
        state = "answering" if answers else "starting"
    covered = max(1.0, now - max(since, started_at))
    rate = None if recent is None else round(recent / covered * 60, 1)
    # what else `this_host` has in it (boot, namespace) tells machines apart, not people
    name = host.partition("/")[0]
    return Worker(name, int(pid), state, int(claims), answers, rate, round(now - started_at, 1), round(silent, 1))
