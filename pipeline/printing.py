"""What the commands print for people; `--json` prints the same as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.labelling.quote import Quote


def line(row: dict[str, Any]) -> str:
    if "reason" in row:
        return f"{row['id']}  {row['reason']}  {row.get('detail') or ''}".rstrip()
    if "keyphrases" in row:
        return f"{row['id']}  {'; '.join(row['keyphrases'])}"
    text = row.get("text") or ""
    return f"{row['id']}  {text[:100]}{'…' if len(text) > 100 else ''}"


def status(report: dict[str, Any]) -> None:
    print(f"{report['job']}  {report['path']}")
    print(f"{'stage':9}{'in':>9}{'kept':>9}{'rejected':>10}  {'state':14} details")
    for row in report["stages"]:
        counts = f"{row['rows']:>9,}{row['kept']:>9,}{sum(row['rejected'].values()):>10,}"
        print(f"{row['stage']:9}{counts}  {row['state']:14} {details(row, report)}")
    if report["paused"]:
        print(f"paused: {report['paused']}; the same command goes on")


def ledger(report: dict[str, Any]) -> None:
    totals = report["totals"]
    print(f"{totals['records']:,} requests: {totals['answered']:,} answered, {totals['rejected']:,} rejected")
    for row in report["by_model_and_day"]:
        cost = f"${row['cost_usd'] or 0:.4f}" + (
            f" and {row['unpriced']:,} at a cost not known" if row["unpriced"] else ""
        )
        tokens = f"{row['input_tokens'] or 0:,} tokens in, {row['output_tokens'] or 0:,} out"
        print(f"  {row['day']}  {row['model']}  {row['answers']:,} answers, {tokens}, {cost}")
    for row in report["asked_again"]:
        print(f"  asked again: {row['reason']}  {row['requests']:,}")
    if totals["lost_requests"]:
        lost = f"{totals['lost_requests']:,} requests were sent whose reply never arrived"
        print(f"  {lost}: they may have been billed, at most ${totals['lost_usd']:.4f}")
    if totals["in_flight"]:
        print(
            f"  {totals['in_flight']:,} requests are in flight, or were when their process was killed: they may have "
            f"been billed, at most ${totals['in_flight_usd']:.4f}"
        )
    for row in report["errors_by_class"]:
        print(f"  rejected: {row['error']}  {row['requests']:,}  {row['example'] or ''}")


def salvaged(result: tuple[int, Path] | None) -> None:
    if result is None:
        print("the ledger is sound: nothing to salvage")
        return
    saved, kept = result
    print(f"{saved:,} records saved; the damaged file is kept as {kept}")
    print("what is missing is asked, and paid, again; what it had cost no longer counts against label.budget_usd")


def quote(found: Quote) -> None:
    print(f"{found.articles:,} articles, {found.answered:,} answered; {found.to_ask:,} requests to {found.model}")
    print(f"  prompts  {found.input_tokens:,} tokens, counted with {found.encoding}")
    if found.most_output_tokens:
        print(f"  replies  at most {found.most_output_tokens * found.to_ask:,} tokens")
    if found.input_usd is not None:
        most = "" if found.most_usd is None else f", at most ${found.most_usd:,.4f} with the replies"
        print(f"  price    ${found.input_usd:,.4f} for the prompts{most}")
    if found.seconds_at_limits is not None:
        print(f"  time     {duration(found.seconds_at_limits)} at the limits of the job file")
    if found.rest_seconds and found.output_tokens:
        price = (
            "at an unknown price" if not found.rest_usd else f"${found.rest_usd[0]:,.4f} to ${found.rest_usd[1]:,.4f}"
        )
        times = " to ".join(map(duration, found.rest_seconds))
        print(f"by {found.sampled} sampled requests (95%): {price}, {times},")
        print(f"  {found.output_tokens[0]:,.0f} to {found.output_tokens[1]:,.0f} tokens of replies")
    if found.paid_usd:
        print(f"paid already: ${found.paid_usd:,.4f}")
    for note in found.notes:
        print(f"note: {note}")


def duration(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    return (
        f"{minutes // 60} h {minutes % 60} min"
        if minutes >= 60
        else f"{minutes} min {left} s"
        if minutes
        else f"{left} s"
    )


def details(row: dict[str, Any], report: dict[str, Any]) -> str:
    parts = [f"{reason} {count:,}" for reason, count in row["rejected"].items()]
    parts += [f"{name} {count:,}" for name, count in row["notes"].items()]
    if row["waiting"]:
        parts.append(f"waiting {row['waiting']:,}")
    if row["stage"] == "label" and report["ledger"]["records"]:
        cost = row["cost_usd"]
        parts.append(_UNKNOWN_COST if cost is None else f"cost ${cost:.4f}")
    if row["stage"] == "collect" and report["sources"]:
        changes = {name: count for name, count in report["sources"].items() if count and name in _CHANGES}
        parts += [f"{_CHANGES[name]} {count:,}" for name, count in changes.items()]
    return ", ".join(parts)


_UNKNOWN_COST = "cost not known (no price for the model, or the endpoint told no usage)"
_CHANGES = {"changed": "files changed", "vanished": "files vanished", "rows_removed": "rows removed"}
