"""Claims: who is asking what at this moment, so that two processes never send the same request.

A claim is made, durably against a kill, before its request is sent, and given back in the transaction that stores the
reply.  It belongs to a worker (one process) that renews a lease.  A worker is dead when its process is gone from this
host, or when its lease has run out, whichever is seen first; its claims then go to whoever wants them.  What they had
reserved counts as lost money: the endpoint may have billed replies that nobody received.

A claim carries the most that its request may cost as far as anybody knows (see `tariffs`), so a budget holds over all
workers of a job, kills included: spent + lost + reserved never passes it by what was known when it was claimed.  What was
not known then is bounded by how many requests are under way: few until a reply has told who answers, none anew after one
that was dearer until those before it are settled.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.core.processes import began, is_alive, this_host
from pipeline.label.ledger.database import Database
from pipeline.label.ledger.schema import ClaimOutcome
from pipeline.label.ledger.tariffs import Tariff, Tariffs

LEASE_SECONDS = 60.0
_TOLERANCE = 1e-9  # dollars
_MANY = 500  # keys in one query


class Wanted(NamedTuple):
    """A request to be claimed: `ask` of `key`, a prompt of so many `bytes`, at a cost of at most `reserved_usd`."""

    key: bytes
    ask: int
    reserved_usd: float
    bytes: int = 0


@dataclass(slots=True)
class Claimed:
    """What became of the wanted keys."""

    granted: set[bytes] = field(default_factory=set)
    answered: set[bytes] = field(default_factory=set)  # somebody has stored this ask meanwhile
    held: set[bytes] = field(default_factory=set)  # by another worker
    in_batches: set[bytes] = field(default_factory=set)  # those of them that a batch holds, perhaps for hours
    waiting: set[bytes] = field(default_factory=set)  # not before others are given back, or the tariff is adopted
    # not within the budget as long as others reserve what they do
    unaffordable: set[bytes] = field(default_factory=set)
    tariff: Tariff | None = None  # as the ledger has it, where it was asked by one


class Claims:
    """The claims of this process."""

    def __init__(self, database: Database) -> None:
        self._database, self.tariffs = database, Tariffs(database)
        self._worker = ""
        self.elsewhere_usd = 0.0  # spent of the same budget in another ledger of the job

    def start(self, asked: str) -> None:
        """Become a worker.  `asked` says whose tariff its reservations follow."""
        # Not the process's number: one process may be several workers, one after the other, and numbers come back.
        self._worker = uuid.uuid4().hex
        now = self._database.now()
        row = (self._worker, this_host(), os.getpid(), began(os.getpid()), now, now + LEASE_SECONDS, asked)
        with self._database.transaction(durable=False):
            self._database.execute(
                "INSERT INTO workers (worker, host, pid, born, started_at, lease_until, asked)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            self._bury_the_dead()

    @property
    def worker(self) -> str:
        """The name of this worker; empty before `start`."""
        return self._worker

    def of_worker(self, worker: str) -> Claims:
        """Return the claims of another worker, which has no process (a batch)."""
        claims = Claims(self._database)
        claims._worker, claims.elsewhere_usd = worker, self.elsewhere_usd
        return claims

    def claim(
        self, wanted: Sequence[Wanted], budget_usd: float | None = None, tariff: Tariff | None = None, idle: int = 0
    ) -> Claimed:
        """Claim what is free and affordable, in one transaction.  `tariff` is what the costs were reckoned by; `idle`
        claims of this worker are not in flight: their requests were turned down."""
        claimed = Claimed()
        if not wanted:
            return claimed
        by_key = {item.key: item for item in wanted}
        # in one order everywhere, so that two transactions cannot wait for each other
        keys = sorted(by_key)
        # Safe from a kill, but not synced: a power cut ends all workers of a host anyway.
        with self._database.transaction(durable=False):
            if budget_usd is not None:
                # What is added up must stay true.  Without a budget machines need not wait for each other: each has a row of
                # its own.
                self._database.serialize()
                if tariff is not None:
                    claimed.tariff = self.tariffs.current(tariff.asked)
                    room = self.tariffs.room(tariff, claimed.tariff, idle)
                    # Who was killed may hold the room: looked for only where there is none, for it reads all workers.
                    if not room and self._bury_the_dead():
                        room = self.tariffs.room(tariff, claimed.tariff, idle)
                    wanted, late = wanted[:room], wanted[room:]
                    claimed.waiting = {item.key for item in late}
                claimed.unaffordable = self._unaffordable(wanted, budget_usd)
                kept_back = claimed.waiting | claimed.unaffordable
                keys = [key for key in keys if key not in kept_back]
            raised = tariff.raised if tariff else 0
            claimed.granted = self._insert([by_key[key] for key in keys], raised)
            # Likewise: mostly nobody is dead, and all is granted at once.
            if len(claimed.granted) < len(keys) and self._bury_the_dead():
                claimed.granted |= self._insert([by_key[key] for key in keys if key not in claimed.granted], raised)
            claimed.held = set(keys) - claimed.granted
            claimed.in_batches = self.in_batches(sorted(claimed.held))
            claimed.answered = self._answered([by_key[key] for key in claimed.granted])
            claimed.granted -= claimed.answered
            self._delete(claimed.answered)
        return claimed

    def _unaffordable(self, wanted: Sequence[Wanted], budget_usd: float) -> set[bytes]:
        used, beyond = self._used(), set()
        for item in wanted:
            used += item.reserved_usd
            if used > budget_usd + _TOLERANCE:
                beyond.add(item.key)
        return beyond

    def _used(self) -> float:
        [(used,)] = self._database.execute(
            "SELECT (SELECT coalesce(sum(spent_usd + lost_usd), 0) FROM workers)"
            " + (SELECT coalesce(sum(reserved_usd), 0) FROM claims)"
        )
        return float(used) + self.elsewhere_usd

    def _insert(self, wanted: Sequence[Wanted], raised: int) -> set[bytes]:
        """Claim what is free; return the keys of that."""
        if not wanted:
            return set()
        # one statement that returns what it inserted: a look-up after the insertion would cost as much again
        rows = ", ".join(["(?, ?, ?, ?, ?)"] * len(wanted))
        values = [value for item in wanted for value in (item.key, self._worker, item.reserved_usd, item.bytes, raised)]
        query = f"INSERT INTO claims (key, worker, reserved_usd, bytes, raised) VALUES {rows} ON CONFLICT DO NOTHING RETURNING key"  # noqa: S608
        return {bytes(key) for (key,) in self._database.execute(query, values)}

    def _answered(self, granted: Sequence[Wanted]) -> set[bytes]:
        """Return the keys whose ask somebody has stored meanwhile.

        Looked up after the claim was made: whoever stored a reply before that gave its claim back with it.
        """
        if not granted:
            return set()
        marks = ", ".join("?" * len(granted))
        rows = self._database.execute(
            f"SELECT key, max(ask) FROM replies WHERE key IN ({marks}) GROUP BY key",  # noqa: S608
            [item.key for item in granted],
        )
        last = {bytes(key): ask for key, ask in rows}
        return {item.key for item in granted if last.get(item.key, 0) >= item.ask}

    def in_batches(self, keys: Sequence[bytes]) -> set[bytes]:
        """Return which of these keys a batch has claimed."""
        claimed: set[bytes] = set()
        for start in range(0, len(keys), _MANY):
            part = keys[start : start + _MANY]
            query = f"SELECT key FROM claims JOIN batches ON worker = name WHERE key IN ({', '.join('?' * len(part))})"  # noqa: S608
            claimed |= {bytes(key) for (key,) in self._database.execute(query, part)}
        return claimed

    def _delete(self, keys: Iterable[bytes]) -> None:
        if rows := [(key, self._worker) for key in keys]:
            self._database.executemany("DELETE FROM claims WHERE key = ? AND worker = ?", rows)

    def give_back(self, outcomes: Sequence[ClaimOutcome]) -> None:
        """Give back the claims of these and book what they cost.  Within the caller's transaction."""
        lost = [self._loss(outcome.key, outcome.lost_usd) for outcome in outcomes if outcome.lost_usd is not None]
        self._delete(outcome.key for outcome in outcomes)
        self._book(sum(outcome.spent_usd for outcome in outcomes), lost)

    def may_repeat(
        self, key: bytes, lost_usd: float | None, budget_usd: float | None = None, tariff: Tariff | None = None
    ) -> bool:
        """Book an attempt whose reply never arrived, where it was one; its claim stays as it is, for the next attempt.

        Return whether that may be made: the budget reaches so far, and the tariff is still the one that it was reserved by.
        """
        with self._database.transaction(durable=False):
            if budget_usd is not None:
                self._database.serialize()
            if lost_usd is not None:
                self._book(0.0, [self._loss(key, lost_usd)])
            if budget_usd is None:
                return True
            # Without reserving anew: the claim's reservation is there still, only what was lost came on top.
            return self._used() <= budget_usd + _TOLERANCE and (tariff is None or self.tariffs.may_repeat(tariff))

    def _loss(self, key: bytes, lost_usd: float) -> tuple[float, int]:
        """Return (dollars, bytes of the prompt) of an attempt that was lost: what its claim has by now, where that is more."""
        rows = self._database.execute(
            "SELECT reserved_usd, bytes FROM claims WHERE key = ? AND worker = ?", (key, self._worker)
        )
        return (max(lost_usd, rows[0][0]), rows[0][1]) if rows else (lost_usd, 0)

    def _book(self, spent: float, lost: Sequence[tuple[float, int]]) -> None:
        if spent or lost:
            self._database.execute(
                "UPDATE workers SET spent_usd = spent_usd + ?, lost_usd = lost_usd + ?, lost_bytes = lost_bytes + ?,"
                " lost_requests = lost_requests + ? WHERE worker = ?",
                (spent, sum(usd for usd, _ in lost), sum(size for _, size in lost), len(lost), self._worker),
            )

    def renew(self) -> set[bytes] | None:
        """Renew the lease.  Return None; or, where it had run out before (a process that slept), the keys that are still this
        worker's, for others may have taken the rest."""
        now = self._database.now()
        with self._database.transaction(durable=False):
            [(lease_until,)] = self._database.execute(
                "SELECT lease_until FROM workers WHERE worker = ?", (self._worker,)
            )
            self._database.execute(
                "UPDATE workers SET lease_until = ? WHERE worker = ?", (now + LEASE_SECONDS, self._worker)
            )
            # Nobody takes claims under a lease that runs, so nothing has to be looked at.
            if lease_until >= now:
                return None
            rows = self._database.execute("SELECT key FROM claims WHERE worker = ?", (self._worker,))
        return {bytes(key) for (key,) in rows}

    def workers(self) -> int:
        """Return how many workers ask the same at this moment, this one among them."""
        rows = self._database.execute(
            "SELECT worker, host, pid, born FROM workers WHERE lease_until > ?"
            " AND asked = (SELECT asked FROM workers WHERE worker = ?)",
            (self._database.now(), self._worker),
        )
        # A killed one has a lease for up to a minute: limits are divided by those that live.
        living = [row for row in rows if row[0] == self._worker or not is_gone(*row[1:])]
        return max(1, len(living))

    def end(self) -> None:
        """Be a worker no more.  A claim that is still there was broken off in flight, so its reply may have been billed."""
        if self._worker:
            with self._database.transaction(durable=False):
                self.bury(self._worker)
            self._worker = ""

    def is_dead(self, worker: str) -> bool:
        """Return whether a worker is no more: it ended, its process is gone, or its lease has run out."""
        rows = self._database.execute("SELECT host, pid, born, lease_until FROM workers WHERE worker = ?", (worker,))
        return not rows or rows[0][3] < self._database.now() or is_gone(*rows[0][:3])

    def _bury_the_dead(self) -> bool:
        """Take the claims from workers that are no more; return whether there were any."""
        rows = self._database.execute(
            "SELECT worker, host, pid, born, lease_until FROM workers WHERE lease_until > 0 AND worker <> ?",
            (self._worker,),
        )
        now = self._database.now()
        dead = [
            worker for worker, host, pid, since, lease_until in rows if lease_until < now or is_gone(host, pid, since)
        ]
        for worker in dead:
            self.bury(worker)
        return bool(dead)

    def bury(self, worker: str, lost: bool = True) -> int:
        """Take the claims from a worker, who is no more; return how many they were.  `lost`: they may have been billed.

        Within the caller's transaction.
        """
        [(count, reserved, size)] = self._database.execute(
            "SELECT count(*), coalesce(sum(reserved_usd), 0), coalesce(sum(bytes), 0) FROM claims WHERE worker = ?",
            (worker,),
        )
        self._database.execute("DELETE FROM claims WHERE worker = ?", (worker,))
        self._database.execute(
            # The row stays for what it spent, which counts for good.
            "UPDATE workers SET lease_until = 0, lost_usd = lost_usd + ?, lost_bytes = lost_bytes + ?,"
            " lost_requests = lost_requests + ? WHERE worker = ?",
            (reserved, int(size), count, worker) if lost else (0.0, 0, 0, worker),
        )
        return int(count)


def is_gone(host: str, pid: int, since: str) -> bool:
    """Return whether a worker's process is known to be gone: only this host's can be looked up."""
    return host == this_host() and (not is_alive(pid) or began(pid) != since)
