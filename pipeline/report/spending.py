"""Spending of money and time, by the ledger, the log of events and the kept quote."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from pipeline.core.files import read_json
from pipeline.job.workspace import Workspace
from pipeline.label import job_ledger
from pipeline.label.cost import estimate

_POINTS = 120  # of the line of progress
_RUNS = 20  # the last ones


def cost(work: Workspace, totals: dict[str, Any], labels: int, labels_usd: float) -> dict[str, Any] | None:
    """Return dollars, tokens and answers in all, by model, by day and by reason; None where nothing was asked.

    `labels_usd` is what the labels at hand cost, and `per_1000` speaks of them: an earlier model's or prompt's answers made none.
    """
    if not totals["records"]:
        return None
    breakdown = job_ledger.ledger(work)
    rows = breakdown["by_model_and_day"]
    spent = float(totals["cost_usd"] or 0)
    return {
        "usd": spent,
        "labels_usd": labels_usd,
        "unpriced": totals["unpriced"],
        "per_1000": 1000 * labels_usd / labels if labels and not totals["unpriced"] else None,
        "totals": totals,
        "by_model": _summed(rows, "model"),
        "by_day": _summed(rows, "day"),
        "errors": breakdown["errors_by_class"],
        "asked_again": breakdown["asked_again"],
        "paid_for_nothing": breakdown["paid_for_nothing"],
    }


def _summed(rows: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    sums: dict[str, Counter[str]] = {}
    for row in rows:
        values = {name: row[name] or 0 for name in ("answers", "input_tokens", "output_tokens", "cost_usd", "unpriced")}
        sums.setdefault(row[by], Counter()).update(values)
    return [{by: name, **values} for name, values in sums.items()]


def quote(path: Path, spent: float, runs: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Compare what was quoted with what came, in dollars and in seconds; None where nothing was quoted."""
    quoted = read_json(path)
    if not quoted:
        return None
    dollars = estimate.quoted_range(quoted)
    low, high = dollars or (None, None)
    since = path.stat().st_mtime
    took = sum(run["seconds"] for run in runs if run["answered"] and _epoch(run["started"]) >= since)
    return {
        "articles": quoted["articles"],
        "sampled": quoted["sampled"],
        "low_usd": low,
        "high_usd": high,
        "spent_usd": spent,
        "within": estimate.is_within(dollars, spent) if dollars else None,
        "said": estimate.compared(path, spent),
        "rest_seconds": quoted["rest_seconds"],
        "took_seconds": took or None,
    }


def runs(path: Path) -> list[dict[str, Any]]:
    """Return the labelling runs in a log of events, the oldest first, without those that found nothing to ask."""
    runs_in_log: list[dict[str, Any]] = []
    for event in _events(path):
        if event["event"] == "started":
            runs_in_log.append(
                {"started": event["time"], "last": event["time"], "answered": 0, "line": [], "why": None}
            )
        elif runs_in_log:
            _add_event(runs_in_log[-1], event)
    for run in runs_in_log:
        run["seconds"] = round(_epoch(run.pop("last")) - _epoch(run["started"]), 3)
        run["most"] = max(run["line"], default=0)
        every = -(-len(run["line"]) // _POINTS) or 1
        run["line"] = run["line"][::every]
    return [run for run in runs_in_log if run["answered"]]


def _add_event(run: dict[str, Any], event: dict[str, Any]) -> None:
    run["last"] = event["time"]
    for name in ("answered", "tokens", "retries", "refused_by_limit"):
        run[name] = event.get(name, run.get(name, 0))
    if event["event"] == "progress":
        run["line"].append(event.get("requests_per_second", 0))
    run["why"] = event.get("why") if event["event"] == "stopped" else None
    run["state"] = event["event"]


def _events(path: Path) -> list[dict[str, Any]]:
    """Read a log of events; a torn line, of a process that was killed, is left out."""
    if not path.exists():
        return []
    events = []
    with path.open("rb") as file:
        for line in file:
            try:
                event = orjson.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and {"event", "time"} <= event.keys():
                events.append({name: event[name] for name in event.keys() - {"identity"}})
    return events


def _epoch(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def speed(stages: list[dict[str, Any]], log: list[dict[str, Any]]) -> dict[str, Any]:
    """Return articles a second and seconds by stage; labelling's are those of the log of events, for shards overlap in time."""
    seconds = sum(run["seconds"] for run in log)
    answered = sum(run["answered"] for run in log)
    took = {row["stage"]: row["seconds"] for row in stages if row["seconds"]}
    if seconds:
        took["label"] = seconds
    done = next((row["kept"] for row in stages if row["stage"] == "label"), 0)
    pace = answered / seconds if seconds else done / took["label"] if took.get("label", 0) >= 1 else None
    return {"articles_per_second": pace, "stages": took, "runs": log[-_RUNS:]}
