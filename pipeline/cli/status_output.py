"""Output of `status`: how each stage of a job stands, a line each."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pipeline.cli.output import duration

_TITLE = 60  # characters of a source's


def status(report: dict[str, Any]) -> None:
    """Print how each stage of a job stands, a line each."""
    print(f"{report['job']}  {report['path']}")
    print(f"{'stage':9}{'in':>9}{'kept':>9}{'rejected':>10}  {'state':14} details")
    for row in report["stages"]:
        counts = f"{row['rows']:>9,}{row['kept']:>9,}{sum(row['rejected'].values()):>10,}"
        print(f"{row['stage']:9}{counts}  {row['state']:14} {details(row, report)}")
        for source in report["by_source"] if row["stage"] == "collect" and len(report["by_source"]) > 1 else ():
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in source["rejected"].items())
            counts = f"{source['rows']:>9,}{source['kept']:>9,}{sum(source['rejected'].values()):>10,}"
            print(f"{'':9}{counts}  {'':14} {source['title'][:_TITLE]}{': ' if reasons else ''}{reasons}")
    batches(report["batches"])
    workers(report["workers"])
    if report["topics"]:
        print(f"topics: {topics_paid(report['topics'])}{_in_all(report)}")
    if len(report["labels"]) > 1:
        print("labels: " + ", ".join(f"{run['labels']:,} by {run['name']}" for run in report["labels"]))
    if report["paused"]:
        why = report["paused"]
        print(f"paused: {why}{'' if 'the same command' in why else '; the same command goes on'}")
    if report.get("held_back"):
        print(report["held_back"])


def topics_paid(topics: dict[str, dict[str, Any]]) -> str:
    """Return what vectors and names of topics cost, where they were paid."""
    parts = []
    for name, totals in topics.items():
        unknown = f" and {totals['unpriced']:,} replies at an unknown price" if totals["unpriced"] else ""
        lost = f", at most ${totals['lost_usd']:,.4f} for replies that never arrived" if totals["lost_usd"] else ""
        parts.append(f"{name} ${totals['cost_usd']:,.4f}{unknown}{lost}")
    return ", ".join(parts)


def _in_all(report: dict[str, Any]) -> str:
    whole = sum(totals["cost_usd"] for totals in (report["ledger"], *report["topics"].values()))
    return f"; ${whole:,.4f} with the labels" if report["ledger"]["records"] else ""


def batches(rows: list[dict[str, Any]]) -> None:
    """Print the batches that are under way, a line each, and in one line what the others have come to."""
    over = [row for row in rows if not row["under_way"]]
    if over:
        states = Counter(row["state"] for row in over)
        words = ", ".join(f"{state} {count:,}" for state, count in states.items())
        answered, cost = sum(row["answered"] for row in over), sum(row["spent_usd"] for row in over)
        print(f"batches over: {len(over):,} ({words}), {answered:,} answers, ${cost:.4f}")
    for row in rows:
        if row["under_way"]:
            name, age = row["id"] or row["name"], duration(row["age_seconds"])
            price = f"at most ${row['spent_usd'] + row['reserved_usd']:.4f}"
            print(f"batch {name}  {row['state']}, {row['done']:,} of {row['requests']:,} done, {age} old, {price}")


def workers(rows: list[dict[str, Any]]) -> None:
    """Print the processes that ask, a line each: what each holds and adds."""
    for row in rows:
        claims, silent = f"{row['claims']:,} claims", duration(row["silent_seconds"])
        did = "" if row["answers"] is None else f", {row['answers']:,} answers, {row['answers_a_minute']:,.0f} a minute"
        text = {
            "gone": f"adds nothing: its process is gone, or its lease has run out; {claims}, which others take over",
            "silent": f"adds nothing: no answer for {silent}; {claims}{did}",
            "starting": f"no answer yet, started {silent} ago; {claims}",
        }.get(row["state"], f"{claims}{did}")
        print(f"worker {row['host']} pid {row['pid']}  {text}")


def cancelled(rows: list[dict[str, Any]]) -> None:
    """Print what cancelled batches have answered, and cost."""
    for row in rows:
        rest = row["requests"] - row["answered"] - row["rejected"]
        lost = f", and at most ${row['lost_usd']:.4f} for answers that never came" if row["lost_usd"] else ""
        what = f"{row['answered']:,} answers kept, {rest:,} not answered; it cost ${row['spent_usd']:.4f}{lost}"
        print(f"batch {row['id'] or row['name']}  {row['state']}: {what}")
    if not rows:
        print("no batch is under way")


def details(row: dict[str, Any], report: dict[str, Any]) -> str:
    """Return the last column of `status`: rejections by reason, what else is noted, what waits, the cost."""
    parts = [f"{reason} {count:,}" for reason, count in row["rejected"].items()]
    parts += [f"{name} {count:,}" for name, count in row["notes"].items()]
    if row["waiting"]:
        parts.append(f"waiting {row['waiting']:,}")
    if row["stage"] == "label" and report["ledger"]["records"]:
        parts.append(_cost(row))
    if row["stage"] == "collect" and report["sources"]:
        changes = {name: count for name, count in report["sources"].items() if count and name in _CHANGES}
        parts += [f"{_CHANGES[name]} {count:,}" for name, count in changes.items()]
    return ", ".join(parts)


def _cost(row: dict[str, Any]) -> str:
    """Return what the labels cost, with all that was ever paid where that is another sum."""
    labels, whole = row["cost_of_labels_usd"], row["cost_usd"]
    if whole is None:
        models = ", ".join(row["unpriced_models"])
        return (
            f"cost not known: no price for {models} (label.prices: {{MODEL: {{input: DOLLARS, output: DOLLARS}}}}, for a million "
            "tokens), or no usage in its replies"
        )
    beside = f" (${whole:.4f} with all that was ever asked)" if f"{whole:.4f}" != f"{labels:.4f}" else ""
    return f"cost ${labels:.4f}{beside}"


_CHANGES = {"changed": "files changed", "vanished": "files vanished", "rows_removed": "rows removed"}
