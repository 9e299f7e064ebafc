"""What a ledger adds up to."""

from __future__ import annotations

from datetime import datetime
from math import inf
from typing import Any, NamedTuple

from pipeline.label.ledger.database import Database

_LATEST = 10_000  # answers that tell how many were in flight


class Spending(NamedTuple):
    """What a job has cost, in US dollars.  `lost` is the most that replies which never arrived may have cost; `reserved` is in
    flight, or was when its process was killed.
    """

    spent: float
    lost: float
    reserved: float
    lost_requests: int
    reserved_requests: int


class LedgerReport:
    """Sums over a ledger, made anew each time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def spending(self) -> Spending:
        """Return what the job has cost so far, over all its workers."""
        [(spent, lost, count)] = self._database.execute(
            "SELECT coalesce(sum(spent_usd), 0), coalesce(sum(lost_usd), 0), coalesce(sum(lost_requests), 0) FROM workers"
        )
        [(reserved, claims)] = self._database.execute("SELECT coalesce(sum(reserved_usd), 0), count(*) FROM claims")
        return Spending(float(spent), float(lost), float(reserved), int(count), int(claims))

    def in_flight(self) -> float:
        """Return how many requests were under way on average while any was, by the latest online answers; 0.0 where there are none.

        Made of the ledger alone, so that it is the same whoever asks, and when.
        """
        rows = self._database.execute(
            "SELECT finished_at, seconds FROM replies WHERE status = 'answered' AND coalesce(lane, '') <> 'batch'"
            " ORDER BY finished_at DESC LIMIT ?",
            (_LATEST,),
        )
        ends = sorted((datetime.fromisoformat(end).timestamp() - seconds, seconds) for end, seconds in rows)
        covered, until = 0.0, -inf
        for start, seconds in ends:
            covered += max(0.0, start + seconds - max(start, until))
            until = max(until, start + seconds)
        return sum(seconds for _, seconds in ends) / covered if covered else 0.0

    def totals(self) -> dict[str, float | int | None]:
        """Return counts and cost over all records; `unpriced` answers are not in `cost_usd`.  `articles` is how many questions were
        asked, `records` counts those asked again as well."""
        query = """SELECT count(*), count(*) FILTER (WHERE ask = 1), count(*) FILTER (WHERE status = 'answered'),
                   count(*) FILTER (WHERE status = 'rejected'), sum(input_tokens), sum(output_tokens), sum(cost_usd),
                   count(*) FILTER (WHERE status = 'answered' AND cost_usd IS NULL) FROM replies"""
        names = ("records", "articles", "answered", "rejected", "input_tokens", "output_tokens", "cost_usd", "unpriced")
        [row] = self._database.execute(query)
        money = self.spending()
        sums = {name: value or 0 for name, value in zip(names, row, strict=True)}
        lost = {"lost_requests": money.lost_requests, "lost_usd": money.lost}
        return {**sums, **lost, "in_flight": money.reserved_requests, "in_flight_usd": money.reserved}

    def by_model_and_day(self) -> list[dict[str, Any]]:
        """Return answers, tokens and cost by served model, tier and day (UTC); `unpriced` answers are not in `cost_usd`."""
        return self._database.dicts(
            """SELECT coalesce(model, '-') AS model, coalesce(tier, '-') AS tier, substr(finished_at, 1, 10) AS day,
               count(*) AS answers, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
               sum(cost_usd) AS cost_usd, count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced
               FROM replies WHERE status = 'answered' GROUP BY 1, 2, 3 ORDER BY 3, 1, 2"""
        )

    def errors_by_class(self) -> list[dict[str, Any]]:
        """Return how many requests the endpoint rejected for good, by its error code, with one message of each."""
        return self._database.dicts(
            """SELECT coalesce(error_code, '-') AS error, count(*) AS requests, min(error) AS example FROM replies
               WHERE status = 'rejected' GROUP BY 1 ORDER BY 2 DESC, 1"""
        )

    def replaced(self) -> list[dict[str, Any]]:
        """Return replies that were asked again, and what they cost, by the reason."""
        return self._database.dicts(
            """SELECT coalesce(later.reason, '-') AS reason, count(*) AS replies, sum(earlier.cost_usd) AS cost_usd
               FROM replies AS later JOIN replies AS earlier ON earlier.key = later.key AND earlier.ask = later.ask - 1
               WHERE later.ask > 1 AND earlier.status = 'answered' GROUP BY 1"""
        )

    def asked_again(self) -> list[dict[str, Any]]:
        """Return how many questions were asked again, by reason."""
        return self._database.dicts(
            """SELECT coalesce(reason, '-') AS reason, count(*) AS requests FROM replies WHERE ask > 1
               GROUP BY 1 ORDER BY 2 DESC, 1"""
        )
