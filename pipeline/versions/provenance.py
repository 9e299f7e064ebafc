"""Provenance of labels: one row for each labelling run of a version, from the run's description and the ledger.

The endpoint's address stays here: it may be a machine of one's own, and the data set may be public.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

import pyarrow as pa

RUNS = pa.schema(
    [
        *((name, pa.string()) for name in ("run_id", "provider", "model", "models_served", "parameters")),
        *((name, pa.string()) for name in ("prompt", "prompt_sha256", "prompt_text", "first_at", "last_at")),
        *((name, pa.int64()) for name in ("rows", "requests", "input_tokens", "output_tokens")),
        ("cost_usd", pa.float64()),
        ("unpriced", pa.int64()),
    ]
)


_DESCRIBED = ("provider", "model", "parameters", "prompt", "prompt_sha256", "prompt_text")


@dataclass
class RunTally:
    """Requests, tokens and cost of the labels of one run, as far as the ledger has them; every question counted once."""

    rows: int = 0
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0  # answers without a cost
    first_at: str | None = None
    last_at: str | None = None
    models: Counter[str] = field(default_factory=Counter)

    def add(self, requests: Sequence[tuple[Any, ...]]) -> None:
        """Add what some requests took (`Spent`), column by column: there is one for each row of a version."""
        if not requests:
            return
        models, input_tokens, output_tokens, costs, finished_at, is_answered = zip(*requests, strict=True)
        self.requests += len(requests)
        self.input_tokens += sum(filter(None, input_tokens))
        self.output_tokens += sum(filter(None, output_tokens))
        # one by one: `sum` rounds as its Python does
        self.cost_usd = reduce(add, filter(None, costs), self.cost_usd)
        self.unpriced += sum(cost is None and answered for cost, answered in zip(costs, is_answered, strict=True))
        self.first_at = min(self.first_at or finished_at[0], *finished_at)
        self.last_at = max(self.last_at or finished_at[0], *finished_at)
        self.models.update(filter(None, models))

    def merge(self, other: RunTally) -> None:
        """Add what others took."""
        for name in ("rows", "requests", "input_tokens", "output_tokens", "cost_usd", "unpriced"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.first_at = min(filter(None, (self.first_at, other.first_at)), default=None)
        self.last_at = max(filter(None, (self.last_at, other.last_at)), default=None)
        self.models.update(other.models)


def runs(tallies: dict[str, RunTally], descriptions: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row (RUNS, but `models_served`, `parameters`, `prompt_text` as values) for each run, the largest first."""
    rows = []
    for run_id, tally in sorted(tallies.items(), key=lambda item: (-item[1].rows, item[0])):
        described = descriptions.get(run_id, {})
        taken = {name: described.get(name) for name in _DESCRIBED}
        sums = {name: value for name, value in vars(tally).items() if name != "models"}
        served = dict(sorted(tally.models.items()))
        rows.append({"run_id": run_id, **taken, "models_served": served, **sums})
    return rows


def table(rows: list[dict[str, Any]]) -> pa.Table:
    """Return the table of the configuration `provenance`: what is no plain value as JSON."""
    flat = [
        {name: _plain(row[name]) if isinstance(row[name], dict | list) else row[name] for name in RUNS.names}
        for row in rows
    ]
    return pa.Table.from_pylist(flat, schema=RUNS)


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
