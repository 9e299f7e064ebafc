"""Provenance of labels: one row for each labelling run of a version, from the run's description and the ledger.

The endpoint's address stays here: it may be a machine of one's own, and the data set may be public.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipeline.core.types import Spent

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

    def add(self, requests: Iterable[Spent]) -> None:
        for model, input_tokens, output_tokens, cost_usd, finished_at, is_answered in requests:
            self.requests += 1
            self.input_tokens += input_tokens or 0
            self.output_tokens += output_tokens or 0
            self.cost_usd += cost_usd or 0.0
            self.unpriced += bool(is_answered) and cost_usd is None
            self.first_at = min(self.first_at or finished_at, finished_at)
            self.last_at = max(self.last_at or finished_at, finished_at)
            if model:
                self.models[model] += 1


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
