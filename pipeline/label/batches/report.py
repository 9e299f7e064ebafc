"""How batches stand, in rows for `status` and in words: from the ledger alone, so nobody is asked."""

from __future__ import annotations

from typing import Any

from pipeline.label.ledger import Ledger
from pipeline.label.ledger.batches import Batch, Holding


def batch_rows(ledger: Ledger) -> list[dict[str, Any]]:
    """Return a row for each batch of a job, the oldest first."""
    batches = ledger.batches.all()
    holdings, now = (ledger.batches.holdings(), ledger.database.now()) if batches else ({}, 0.0)
    return [_row(batch, holdings.get(batch.name, Holding()), now) for batch in batches]


def under_way_elsewhere(ledger: Ledger, where: str | None) -> str | None:
    """Return what people are told of batches at other endpoints than `where` the job asks now; None where there are none."""
    others = [batch for batch in ledger.batches.under_way() if batch.endpoint != where]
    if not others:
        return None
    endpoints, requests = sorted({batch.endpoint for batch in others}), sum(batch.requests for batch in others)
    return (
        f"{len(others):,} {'batch is' if len(others) == 1 else 'batches are'} under way at {', '.join(endpoints)} ({requests:,} "
        f"requests), which this job asks no more; labelmill label JOB --cancel --set label.base_url={endpoints[0]} keeps what was "
        "answered there, and gives up the rest"
    )


def out_of_budget(ledger: Ledger, budget_usd: float | None, budget_name: str) -> str:
    """Return why no further batch is made, where the budget does not reach for a request."""
    money = ledger.report.spending()
    lost = f", and at most ${money.lost:,.4f} for replies that never arrived" if money.lost else ""
    held = f", ${money.reserved:,.4f} reserved" if money.reserved else ""
    elsewhere = ledger.claims.elsewhere_usd
    beside = f", ${elsewhere:,.4f} elsewhere in the job" if elsewhere else ""
    return (
        f"the budget of ${budget_usd or 0.0:,.4f} does not reach for another request (${money.spent:,.4f} spent"
        f"{beside}{held}{lost}); raise {budget_name} to go on"
    )


def _row(batch: Batch, holding: Holding, now: float) -> dict[str, Any]:
    is_over = batch.settled_at is not None
    return {
        "name": batch.name,
        "id": batch.batch_id,
        "endpoint": batch.endpoint,
        "model": batch.model,
        "state": batch.state,
        "under_way": not is_over,
        "requests": batch.requests,
        "done": batch.answered + batch.rejected if is_over else batch.done,
        "answered": batch.answered,
        "rejected": batch.rejected,
        "age_seconds": round((batch.settled_at or now) - batch.created_at, 1),
        "spent_usd": holding.spent_usd,
        "reserved_usd": holding.reserved_usd,
        "lost_usd": holding.lost_usd,
        "detail": batch.detail,
    }
