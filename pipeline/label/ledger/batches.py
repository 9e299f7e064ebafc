"""Batches: requests that an endpoint answers within hours, while no process of ours needs to live.

A batch is a worker of the ledger under its own name: without a process, with a lease that never runs out, so its claims
survive every kill and count against the budget as anybody's.  Its row says how far it is.  One process at a time, its
`owner`, submits or settles it; another may take it over once that one is dead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from pipeline.label.ledger.claims import Claims
from pipeline.label.ledger.database import Database
from pipeline.label.ledger.schema import INSERT_REPLY, Record, storable, to_row

FOR_EVER = 1e15  # epoch seconds: the end of a batch's lease
MAX_FAILURES = 3  # batches in which a request may fail by itself; then it is asked online
LEARNED_SECONDS = 86400.0  # how long a full token queue is remembered: accounts grow
_SURE_AFTER = 20  # replies, before tokens are taken to be fewer than bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch, as the ledger has it."""

    name: str
    endpoint: str  # where it is, without a user
    model: str | None  # that was asked for
    owner: str  # the worker that submits or settles it
    state: str  # writing | written | uploaded | posting, then what the endpoint calls it
    created_at: float
    requests: int = 0
    bytes: int = 0  # of its file
    input_file: str | None = None
    posted_at: float | None = None  # when it was posted, or was about to be
    posts: int = 0  # how often
    batch_id: str | None = None
    completed: int = 0  # as the endpoint counts them
    failed: int = 0
    output_file: str | None = None
    error_file: str | None = None
    settled_at: float | None = None
    answered: int = 0  # as settled
    rejected: int = 0
    limit_bytes: int | None = None  # the most that a file may have: the token queue was too full for this one
    ratio: float = 0.0  # most tokens to a byte of a prompt, of its replies
    detail: str | None = None  # why it failed

    @property
    def is_posted(self) -> bool:
        """Whether the endpoint may have it."""
        return self.posted_at is not None

    @property
    def done(self) -> int:
        """How many of its requests have an outcome, as the endpoint counts them."""
        return self.completed + self.failed


Failed = tuple[bytes, str, str, int]
"""(key, code, text, how often) of a request that failed in a batch by itself."""
_COLUMNS = tuple(field.name for field in fields(Batch))


@dataclass(frozen=True, slots=True)
class Holding:
    """What a batch has cost, and what it holds still."""

    spent_usd: float = 0.0
    lost_usd: float = 0.0
    claims: int = 0
    reserved_usd: float = 0.0


class NotOurs(Exception):
    """Another process has taken a batch over, as this one slept: it does the rest."""


class Batches:
    """The batches of a ledger."""

    def __init__(self, database: Database, claims: Claims) -> None:
        self._database, self._claims = database, claims

    # --- looking ---

    def all(self) -> list[Batch]:
        """Return all batches, the oldest first; a ledger of before there were any has none."""
        return self._select("") if self._database.has_table("batches") else []

    def under_way(self, endpoint: str | None = None) -> list[Batch]:
        """Return those that are not settled yet, of one endpoint or of all."""
        return [batch for batch in self.all() if batch.settled_at is None and endpoint in (None, batch.endpoint)]

    def are_under_way(self) -> bool:
        """Return whether any batch is not settled yet."""
        query = "SELECT 1 FROM batches WHERE settled_at IS NULL LIMIT 1"
        return self._database.has_table("batches") and bool(self._database.execute(query))

    def all_answered(self, endpoint: str, since: float) -> bool:
        """Return whether every batch made since then, and settled, has an outcome for each of its requests."""
        query = (
            "SELECT 1 FROM batches WHERE endpoint = ? AND created_at >= ? AND settled_at IS NOT NULL"
            " AND answered + rejected < requests LIMIT 1"
        )
        return not self._database.execute(query, (endpoint, since))

    def get(self, name: str) -> Batch:
        """Return one batch, as it is now."""
        return self._select("WHERE name = ?", (name,))[0]

    def _select(self, where: str, values: Sequence[Any] = ()) -> list[Batch]:
        query = f"SELECT {', '.join(_COLUMNS)} FROM batches {where} ORDER BY created_at, name"  # noqa: S608
        return [Batch(*row) for row in self._database.execute(query, values)]

    def holdings(self) -> dict[str, Holding]:
        """Return what each batch has cost and holds, by name: one look at all claims."""
        rows = self._database.execute(
            "SELECT name, spent_usd, lost_usd, coalesce(held, 0), coalesce(reserved, 0) FROM batches JOIN workers"
            " ON workers.worker = name LEFT JOIN (SELECT worker, count(*) AS held, sum(reserved_usd) AS reserved"
            " FROM claims GROUP BY worker) AS sums ON sums.worker = name"
        )
        return {
            name: Holding(float(spent), float(lost), int(held), float(usd)) for name, spent, lost, held, usd in rows
        }

    def limit_bytes(self, endpoint: str) -> int | None:
        """Return how large a file may be, as a full token queue has shown lately; None: nothing is known."""
        rows = self._database.execute(
            "SELECT limit_bytes FROM batches WHERE endpoint = ? AND limit_bytes IS NOT NULL AND created_at > ?"
            " ORDER BY created_at DESC, name LIMIT 1",
            (endpoint, self._database.now() - LEARNED_SECONDS),
        )
        return int(rows[0][0]) if rows else None

    def ratio(self, endpoint: str, model: str | None) -> float | None:
        """Return the most tokens to a byte that replies of settled batches have shown; None: not enough is known."""
        rows = self._database.execute(
            "SELECT max(ratio), coalesce(sum(answered), 0) FROM batches"
            " WHERE endpoint = ? AND coalesce(model, '') = ? AND ratio > 0",
            (endpoint, model or ""),
        )
        ratio, answered = rows[0]
        return float(ratio) if ratio and answered >= _SURE_AFTER else None

    # --- a batch's course ---

    def begin(self, name: str, endpoint: str, model: str | None, asked: str, owner: str) -> Batch:
        """Make a batch whose requests are about to be claimed."""
        now = self._database.now()
        with self._database.transaction(durable=False):
            self._database.execute(
                "INSERT INTO workers (worker, host, pid, born, started_at, lease_until, asked) VALUES (?, '', 0, '', ?, ?, ?)",
                (name, now, FOR_EVER, asked),
            )
            self._database.execute(
                "INSERT INTO batches (name, endpoint, model, owner, state, created_at) VALUES (?, ?, ?, ?, 'writing', ?)",
                (name, endpoint, model, owner, now),
            )
        return Batch(name, endpoint, model, owner, "writing", now)

    def discard(self, name: str) -> None:
        """Forget a batch that nothing was claimed for."""
        with self._database.transaction(durable=False):
            self._database.execute("DELETE FROM batches WHERE name = ?", (name,))
            self._database.execute("DELETE FROM workers WHERE worker = ?", (name,))

    def claims_of(self, name: str) -> Claims:
        """Return the claims of a batch."""
        return self._claims.of_worker(name)

    def take_over(self, batch: Batch, owner: str) -> bool:
        """Become the owner of a batch, where its owner is dead; return whether that worked."""
        if batch.owner == owner:
            return True
        with self._database.transaction(durable=True):
            if not self._claims.is_dead(batch.owner):
                return False
            return self._update(batch.name, batch.owner, {"owner": owner})

    def note(self, batch: Batch, owner: str, durable: bool = True, **columns: Any) -> Batch:
        """Note how far a batch is; return it.  Raises NotOurs where another process has taken it over."""
        with self._database.transaction(durable):
            if not self._update(batch.name, owner, columns):
                raise NotOurs
        return replace(batch, owner=owner, **columns)

    def _update(self, name: str, owner: str, columns: dict[str, Any]) -> bool:
        assert set(columns) <= set(_COLUMNS)
        changes = ", ".join(f"{column} = ?" for column in columns)
        query = f"UPDATE batches SET {changes} WHERE name = ? AND owner = ? AND settled_at IS NULL RETURNING name"  # noqa: S608
        return bool(self._database.execute(query, (*columns.values(), name, owner)))

    # --- settling ---

    def held(self, name: str) -> set[bytes]:
        """Return the keys that a batch still holds: of a batch whose answers are stored, what it has not answered."""
        return {bytes(key) for (key,) in self._database.execute("SELECT key FROM claims WHERE worker = ?", (name,))}

    def settle(self, name: str, records: Sequence[tuple[Record, float | None]]) -> dict[bytes, int]:
        """Store records, each with what it counts against the budget (None: what its claim reserves), and give their claims
        back, in one synced transaction.

        A record is stored, and booked, only where the batch still held its claim: so settling twice, or on two machines at
        once, changes nothing.  Return key -> bytes of its prompt, of those that were.
        """
        if not records:
            return {}
        by_key = {record.key: (record, spent) for record, spent in records}
        with self._database.transaction(durable=True):
            marks = ", ".join("?" * len(by_key))
            rows = self._database.execute(
                f"DELETE FROM claims WHERE worker = ? AND key IN ({marks}) RETURNING key, bytes, reserved_usd",  # noqa: S608
                (name, *sorted(by_key)),
            )
            sizes = {bytes(key): int(size) for key, size, _ in rows}
            settled = [by_key[key] for key in sizes]
            costs = (reserved if (usd := by_key[bytes(key)][1]) is None else usd for key, _, reserved in rows)
            self._database.executemany(INSERT_REPLY, [to_row(record) for record, _ in settled])
            answered = sum(record.reply is not None for record, _ in settled)
            self._database.execute(
                "UPDATE batches SET answered = answered + ?, rejected = rejected + ? WHERE name = ?",
                (answered, len(settled) - answered, name),
            )
            self._database.execute(
                "UPDATE workers SET spent_usd = spent_usd + ? WHERE worker = ?", (float(sum(costs)), name)
            )
        return sizes

    def _count_failures(self, failures: Iterable[Failed]) -> None:
        """Count that requests (key, code, text, how often) failed in a batch, each by itself."""
        self._database.executemany(
            "INSERT INTO batch_failures (key, failures, code, detail) VALUES (?, ?, ?, ?) ON CONFLICT (key)"
            " DO UPDATE SET failures = batch_failures.failures + excluded.failures, code = excluded.code,"
            " detail = excluded.detail",
            [(key, count, code[:60], storable(detail[:300])) for key, code, detail, count in failures],
        )

    def exhausted(self, keys: Sequence[bytes]) -> set[bytes]:
        """Return which of these keys failed in so many batches that they go into no further one."""
        marks = ", ".join("?" * len(keys))
        query = f"SELECT key FROM batch_failures WHERE failures >= ? AND key IN ({marks})"  # noqa: S608
        return {bytes(key) for (key,) in self._database.execute(query, (MAX_FAILURES, *keys))} if keys else set()

    def end(
        self,
        batch: Batch,
        owner: str,
        lost: bool = False,
        also_lost: tuple[float, int] = (0.0, 0),
        failures: Sequence[Failed] = (),
        **columns: Any,
    ) -> int:
        """Give the claims back that a batch holds still, and note that it is over; return how many they were.

        `lost`: what they reserve counts as lost, for the endpoint may have billed it.  `also_lost`: (dollars, requests) of what it
        has billed that nobody can use.  `failures` are counted with it, once, however often it was begun to be settled.  Raises
        NotOurs.
        """
        with self._database.transaction(durable=True):
            changes = {"settled_at": self._database.now(), **columns}
            if not self._update(batch.name, owner, changes):
                raise NotOurs
            self._count_failures(failures)
            self._database.execute(
                "UPDATE workers SET lost_usd = lost_usd + ?, lost_requests = lost_requests + ? WHERE worker = ?",
                (*also_lost, batch.name),
            )
            return self._claims.bury(batch.name, lost)
