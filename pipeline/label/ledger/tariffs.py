"""Tariffs: what requests are reserved by, shared by all workers that ask the same of an endpoint.

A reservation is the most that a request may cost as far as anybody knows.  Who answers is known from the first reply on;
a reply that is dearer than its reservation raises the tariff, and with it everything that is reserved or lost.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from pipeline.label.ledger.database import Database

# Requests of all workers in flight or lost, as long as no reply has shown who answers, and at what price: what passes the cap
# is what was under way when the first dearer reply was stored.
MAX_UNCONFIRMED = 8
_UNLIMITED = 2**31
_COLUMNS = "asked, input_usd, output_usd, ratio, output_tokens, raised, unpriced"


class Tariff(NamedTuple):
    """The dearest that is known of those who answer what is `asked`, in US dollars for a token.

    `ratio` is how many tokens a byte of a prompt may be, `output_tokens` how many a reply may have, `raised` how often a reply
    was dearer than its reservation, `unpriced` a model that answered and whose price is not known.
    """

    asked: str
    input_usd: float
    output_usd: float
    ratio: float
    output_tokens: int
    raised: int = 0
    unpriced: str | None = None

    def joined(self, other: Tariff) -> Tariff:
        """Return the dearer of both in everything; it counts as raised once more where that is dearer than this one."""
        dearest = self._replace(
            input_usd=max(self.input_usd, other.input_usd),
            output_usd=max(self.output_usd, other.output_usd),
            ratio=max(self.ratio, other.ratio),
            output_tokens=max(self.output_tokens, other.output_tokens),
            unpriced=self.unpriced or other.unpriced,
        )
        return dearest._replace(raised=max(self.raised + (dearest != self), other.raised))


class LongPromptFactors(NamedTuple):
    """How many times its price a request costs whose prompt has over `above` tokens: of the prompt, of the reply."""

    above: float = inf
    input: float = 1.0
    output: float = 1.0


class Tariffs:
    """The tariffs of a ledger.  All of it happens within the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def current(self, asked: str) -> Tariff | None:
        """Return the tariff of what is `asked`; None as long as no reply has told who answers."""
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM tariffs WHERE asked = ?", (asked,))  # noqa: S608
        return Tariff(*rows[0]) if rows else None

    def room(self, tariff: Tariff, stored: Tariff | None, idle: int) -> int:
        """Return how many more requests a worker that reckons by `tariff` may claim where `stored` holds, whatever they cost.

        That is none by an old tariff, or while requests are under way that were claimed by one.  `idle` claims of the worker
        are not in flight: their requests were turned down.
        """
        if tariff.raised != (stored.raised if stored else 0) or (stored and stored.unpriced):
            return 0
        if stored is None:
            claims, lost = self._under_way(tariff.asked)
            least = 1 if claims <= idle else 0  # one, or nobody would ever know
            return max(MAX_UNCONFIRMED - (claims - idle) - lost, least)
        return 0 if tariff.raised and self._claimed_before(tariff) else _UNLIMITED

    def may_repeat(self, tariff: Tariff) -> bool:
        """Return whether one more attempt may be made under a claim that is there."""
        stored = self.current(tariff.asked)
        if stored is not None:
            return stored.raised == tariff.raised and not stored.unpriced
        claims, lost = self._under_way(tariff.asked)
        return claims + lost <= MAX_UNCONFIRMED or claims == 1

    def _under_way(self, asked: str) -> tuple[int, int]:
        """Return (claims, lost requests) of all workers that ask the same."""
        [(claims, lost)] = self._database.execute(
            "SELECT (SELECT count(*) FROM claims JOIN workers USING (worker) WHERE asked = ?),"
            " (SELECT coalesce(sum(lost_requests), 0) FROM workers WHERE asked = ?)",
            (asked, asked),
        )
        return int(claims), int(lost)

    def _claimed_before(self, tariff: Tariff) -> bool:
        query = "SELECT 1 FROM claims JOIN workers USING (worker) WHERE asked = ? AND raised < ? LIMIT 1"
        return bool(self._database.execute(query, (tariff.asked, tariff.raised)))

    def raise_to(self, observed: Tariff, long: LongPromptFactors = LongPromptFactors()) -> Tariff:  # noqa: B008 (it cannot be changed)
        """Store what a worker has observed, where it is dearer; return what holds now, for everybody.  `long` prompts cost more."""
        stored = self.current(observed.asked)
        if stored is not None and stored.joined(observed) == stored:
            return stored
        # Looked at again behind the lock: another worker may have raised it meanwhile.
        self._database.serialize()
        stored = self.current(observed.asked)
        tariff = observed if stored is None else stored.joined(observed)
        self._database.execute("DELETE FROM tariffs WHERE asked = ?", (observed.asked,))
        self._database.execute(f"INSERT INTO tariffs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", tariff)  # noqa: S608
        if tariff.raised > (stored.raised if stored else 0):
            is_dearer = stored is None or tariff._replace(raised=stored.raised) != stored
            self._raise_all(tariff, long, and_lost=is_dearer)
        return tariff

    def _raise_all(self, tariff: Tariff, long: LongPromptFactors, and_lost: bool) -> None:
        """Reserve for what is in flight as much as this; what was lost may have been as dear, if anything got dearer than it
        could be (a prompt of more tokens than others were seen to have did not).

        What was lost is known by its sums alone, not prompt by prompt: it is raised without the factors of long prompts."""
        # Claims keep the bytes of their prompts for this.  A factor of what had been reserved would be one number less, but a model
        # that was free has no factor to a paid one.
        byte_usd, reply_usd = tariff.ratio * tariff.input_usd, tariff.output_tokens * tariff.output_usd
        most = "CASE WHEN bytes * ? > ? THEN bytes * ? + ? ELSE bytes * ? + ? END"
        # a number that every database takes, where no prompt is long
        of_long = (tariff.ratio, min(long.above, 1e15), byte_usd * long.input, reply_usd * long.output)
        values = (*of_long, byte_usd, reply_usd)
        self._database.execute(
            f"UPDATE claims SET reserved_usd = {most} WHERE reserved_usd < {most}"  # noqa: S608
            " AND worker IN (SELECT worker FROM workers WHERE asked = ?)",
            (*values, *values, tariff.asked),
        )
        if not and_lost:
            return
        self._database.execute(
            "UPDATE workers SET lost_usd = lost_bytes * ? + lost_requests * ?"
            " WHERE lost_usd < lost_bytes * ? + lost_requests * ? AND asked = ?",
            (byte_usd, reply_usd, byte_usd, reply_usd, tariff.asked),
        )
