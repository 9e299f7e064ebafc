"""How batches stand, in rows for `status`: from the ledger alone, so nobody is asked."""

from __future__ import annotations

from typing import Any

from pipeline.label.ledger import Ledger
from pipeline.label.ledger.batches import Batch, Holding


def batch_rows(ledger: Ledger) -> list[dict[str, Any]]:
    """Return a row for each batch of a job, the oldest first."""
    batches = ledger.batches.all()
    holdings, now = (ledger.batches.holdings(), ledger.database.now()) if batches else ({}, 0.0)
    return [_row(batch, holdings.get(batch.name, Holding()), now) for batch in batches]


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
