"""What the commands print for people; `--json` prints the same as data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.commands.evaluate import Evaluation
    from pipeline.commands.prompt import Difference
    from pipeline.commands.takedown import Takedown
    from pipeline.job.workspace import Workspace
    from pipeline.label.cost.quote import Quote
    from pipeline.publish.planning import Plan
    from pipeline.versions.diff import Diff
    from pipeline.versions.export import ExportResult


def line(row: dict[str, Any], label: str) -> str:
    """`label` is the column of the job's label."""
    if "reason" in row:
        return f"{row['id']}  {row['reason']}  {row.get('detail') or ''}".rstrip()
    if label in row:
        return f"{row['id']}  {'; '.join(row[label]) if isinstance(row[label], list) else row[label]}"
    text = row.get("text") or ""
    return f"{row['id']}  {text[:100]}{'…' if len(text) > 100 else ''}"


def sampled(count: int, files: list[Path], job: Path) -> None:
    """A sample that went out for review; another tool gets a second file, with its settings."""
    then = "upload them (docs/interchange.md)" if files[1:] else "fill in 'verdict' (accept, reject) or 'corrected'"
    print(f"{count} articles written to {' and '.join(map(str, files))}; {then}, then:")
    print(f"  labelmill review {job} --import {files[0]}")


def review_address(url: str) -> None:
    """Print where the review page is, at once, for a server may wait in a pipe."""
    print(f"review: {url}  (Ctrl-C ends it; every verdict is stored at once)", flush=True)


def status(report: dict[str, Any]) -> None:
    print(f"{report['job']}  {report['path']}")
    print(f"{'stage':9}{'in':>9}{'kept':>9}{'rejected':>10}  {'state':14} details")
    for row in report["stages"]:
        counts = f"{row['rows']:>9,}{row['kept']:>9,}{sum(row['rejected'].values()):>10,}"
        print(f"{row['stage']:9}{counts}  {row['state']:14} {details(row, report)}")
        for found in report["by_source"] if row["stage"] == "collect" and len(report["by_source"]) > 1 else ():
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in found["rejected"].items())
            counts = f"{found['rows']:>9,}{found['kept']:>9,}{sum(found['rejected'].values()):>10,}"
            print(f"  {found['type'][:6]:7}{counts}  {'':14} {reasons}".rstrip())
    if report["paused"]:
        print(f"paused: {report['paused']}; the same command goes on")
    if report.get("held_back"):
        print(report["held_back"])


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


def plan(found: Plan) -> None:
    last = found.last.name if found.last else "no version yet"
    print(f"last: {last}; this would be: {found.version or f'{last} still, for no row differs'}")
    changes(found.diff)
    for finding in found.findings:
        print(f"gate {finding.gate:22}{finding.state:8}{finding.message().partition(': ')[2]}")
    if found.version:
        print(f"\n{found.card}")


def changes(diff: Diff) -> None:
    for name, count in diff.counts.items():
        ids = diff.samples.get(name, [])
        print(f"  {name:12}{count:>9,}  {', '.join(ids)}{', ...' if 0 < len(ids) < count else ''}")


def versions(rows: list[dict[str, Any]]) -> None:
    """Side by side: what is here, and what is on the Hub."""
    for row in rows:
        place = f"{'here' if row['here'] else '-':5}{'hub ' + row['hub'][:10] if row.get('hub') else '-':15}"
        if not row["here"]:
            print(f"{row['version']:10}{place}")
            continue
        counts = ", ".join(f"{split} {count:,}" for split, count in row["rows"].items())
        diff = ", ".join(f"{name} {count:,}" for name, count in row["diff"].items() if isinstance(count, int) and count)
        print(f"{row['version']:10}{place}{row['created_at'][:19]}  {counts}  ({diff or 'the same rows'})")
    if not rows:
        print("no version yet; see: labelmill publish JOB --dry-run")


def exported(done: ExportResult) -> None:
    print(f"{done.rows:,} rows of {done.version} written to {done.path}")
    notes = {
        "texts cut": done.cut,
        "targets shortened": done.shortened,
        "rows left out (no room for a text or a phrase)": done.left_out,
    }
    if told := ", ".join(f"{name} {count:,}" for name, count in notes.items() if count):
        print(f"  {told}")


def takedown(found: Takedown, job: Path) -> None:
    print(f"{found.id}: taken down, with its text under any id; labelmill publish {job} makes a version without it")
    for version, on_hub in found.held_by.items():
        print(f"  version {version} holds it{', here and on the Hub' if on_hub else ', here'}")
    if found.held_by:
        print("versions never change: delete what must not stay, folder or tag and history, by hand")


def evaluation(found: Evaluation) -> None:
    print(f"articles with gold labels: {found.articles:,}; without a label (counted as empty): {found.unlabelled:,}")
    if found.not_in_job:
        print(f"gold rows that are no articles of this job: {found.not_in_job:,}")
    print(f"{'metric':26}{'mean':>8}   95% interval")
    for name, (mean, low, high) in found.metrics.items():
        floor = f"   random pairs {found.baselines[name]:.3f}" if name in found.baselines else ""
        print(f"{name:26}{mean:>8.3f}   {low:.3f} to {high:.3f}{floor}")
    for name in found.baselines.keys() - found.metrics.keys():
        print(f"{name:26}{found.baselines[name]:>8.3f}")
    for note in found.notes:
        print(f"note: {note}")


def prompt(found: dict[str, Any]) -> None:
    print(f"# {found['prompt']}  {found['prompt_sha256']}  key {found['key']}")
    for message in found["messages"]:
        print(f"\n[{message['role']}]\n{message['content']}")
    if found["schema"]:
        print(f"\n[schema]\n{json.dumps(found['schema'], ensure_ascii=False)}")


def prompts(rows: list[tuple[str, str, str]]) -> None:
    for name, output, notes in rows:
        print(f"{name:20} {output:12} {notes}")


def difference(found: Difference, a: str, b: str) -> None:
    print(found.text)
    if not found.articles:
        print(
            f"\nno article was labelled with both; run the job with each: --set label.prompt={a}, --set label.prompt={b}"
        )
        return
    print(
        f"\n{found.articles:,} articles asked with both; labels: {found.labelled[0]:,} by {a}, {found.labelled[1]:,} by {b}"
    )
    if found.agreement is not None and found.same is not None:
        print(f"agreement (soft F1) {found.agreement:.3f}, the same phrases {found.same:.1%}")
        print(f"phrases a label: {found.phrases[0]:.1f}, {found.phrases[1]:.1f}")
    costs = ("unknown" if cost is None else f"${cost:.4f}" for cost in found.cost_per_1000)
    print(f"cost of 1,000 articles: {', '.join(costs)}")
    for name, rows in ((f"only by {b}", found.added), (f"only by {a}", found.removed)):
        print(f"{name}: {'; '.join(f'{phrase} ({count})' for phrase, count in rows) or '-'}")
    for row in found.examples:
        print(f"  {row['id']}\n    {a}: {'; '.join(row['a']) or '-'}\n    {b}: {'; '.join(row['b']) or '-'}")


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


def say(result: Any, as_json: bool, print_for_people: Callable[[], None]) -> None:
    """Print the result of a command: as JSON where that is asked for, else as people read it."""
    if as_json:
        print(json.dumps(result, ensure_ascii=False, indent=1))
    else:
        print_for_people()


def print_rows(rows: Iterable[dict[str, Any]], work: Workspace, as_json: bool) -> None:
    """Print rows of a table, one a line, as JSON or for people."""
    for row in rows:
        said = json.dumps(row, ensure_ascii=False, default=str) if as_json else line(row, work.config.label_column.name)
        print(said)
