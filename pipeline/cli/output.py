"""Output of the commands for people; `--json` prints the same as data."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipeline.core.hints import with_job

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.commands.evaluate import Evaluation
    from pipeline.commands.prompt import Difference
    from pipeline.commands.takedown import Takedown
    from pipeline.commands.topic_costs import TopicQuote
    from pipeline.label.cost.estimate import Quote
    from pipeline.publish.planning import Plan
    from pipeline.versions.diff import Diff
    from pipeline.versions.export import ExportResult


def sampled(count: int, files: list[Path], job: str) -> None:
    """Print where a sample for review went, and what is next; another tool's settings are a second file."""
    then = "upload them (docs/interchange.md)" if files[1:] else "fill in 'verdict' (accept, reject) or 'corrected'"
    print(f"{count} articles written to {' and '.join(map(str, files))}; {then}, then:")
    print(f"  labelmill review {job} --import {shlex.quote(str(files[0]))}")


def review_address(url: str) -> None:
    """Print where the review page is, at once, for a server may wait in a pipe."""
    print(f"review: {url}  (Ctrl-C ends it; every verdict is stored at once)", flush=True)


def ledger(report: dict[str, Any]) -> None:
    """Print what was asked, answered and paid."""
    totals = report["totals"]
    print(f"{totals['records']:,} requests: {totals['answered']:,} answered, {totals['rejected']:,} rejected")
    for row in report["by_model_and_day"]:
        cost = f"${row['cost_usd'] or 0:.4f}" + (
            f" and {row['unpriced']:,} at a cost not known" if row["unpriced"] else ""
        )
        tokens = f"{row['input_tokens'] or 0:,} tokens in, {row['output_tokens'] or 0:,} out"
        print(f"  {row['day']}  {row['model']}  {row['answers']:,} answers, {tokens}, {cost}")
    if models := ", ".join(sorted({row["model"] for row in report["by_model_and_day"] if row["unpriced"]})):
        print(
            f"  no price is known for {models}, or no usage came with its replies; a price: label.prices in the job file"
        )
    for row in report["asked_again"]:
        print(f"  asked again: {row['reason']}  {row['requests']:,}")
    for row in report["paid_for_nothing"]:
        share = f", {row['cost_usd'] / totals['cost_usd']:.1%} of the cost" if totals["cost_usd"] else ""
        print(f"  paid for nothing: {row['reason']}  {row['replies']:,} replies, ${row['cost_usd']:.4f}{share}")
    if totals["lost_requests"]:
        lost = f"{totals['lost_requests']:,} requests were sent whose reply never arrived"
        print(f"  {lost}: they may have been billed, at most ${totals['lost_usd']:.4f}")
    if totals["in_flight"]:
        print(
            f"  {totals['in_flight']:,} requests are in flight or in a batch, or were in flight when their process was killed: "
            f"they may have been billed, at most ${totals['in_flight_usd']:.4f}"
        )
    for row in report["errors_by_class"]:
        print(f"  rejected: {row['error']}  {row['requests']:,}  {row['example'] or ''}")


def salvaged(ledgers: list[tuple[int, Path]]) -> None:
    """Print how many records of each damaged ledger were saved, and where that is kept."""
    if not ledgers:
        print("the ledger is sound: nothing to salvage")
        return
    for saved, kept in ledgers:
        print(f"{saved:,} records saved; the damaged file is kept as {kept}")
    print("what is missing is asked, and paid, again; what it had cost no longer counts against label.budget_usd")


def quote(estimate: Quote) -> None:
    """Print what the rest of a job takes and costs."""
    print(
        f"{estimate.articles:,} articles, {estimate.answered:,} answered; {estimate.to_ask:,} requests to {estimate.model}"
    )
    own = estimate.most_input_tokens
    at_most = f"; at most {own:,} as the endpoint counts" if own > estimate.input_tokens else ""
    print(f"  prompts  {estimate.input_tokens:,} tokens, counted with {estimate.encoding}{at_most}")
    if estimate.most_output_tokens:
        print(f"  replies  at most {estimate.most_output_tokens * estimate.to_ask:,} tokens")
    if estimate.input_usd is not None:
        most = "" if estimate.most_usd is None else f", at most ${estimate.most_usd:,.4f} with the replies"
        print(f"  price    ${estimate.input_usd:,.4f} for the prompts{most}")
    if estimate.seconds_at_limits is not None:
        print(f"  time     {duration(estimate.seconds_at_limits)} at the limits of the job file")
    if estimate.rest_seconds and estimate.output_tokens:
        price = (
            "at an unknown price"
            if not estimate.rest_usd
            else f"${estimate.rest_usd[0]:,.4f} to ${estimate.rest_usd[1]:,.4f}"
        )
        times = " to ".join(map(duration, estimate.rest_seconds))
        print(f"by {estimate.sampled} sampled requests (95%): {price}, {times},")
        print(f"  {estimate.output_tokens[0]:,.0f} to {estimate.output_tokens[1]:,.0f} tokens of replies")
    for number, way in enumerate(estimate.ways):
        low, high = way.usd or (None, None)
        price = "at an unknown price" if low is None else f"${low:,.4f}" + (f" to ${high:,.4f}" if high else "")
        time = (
            "within a day"
            if way.via == "batch"
            else ""
            if way.seconds is None
            else f"in about {duration(way.seconds[1])}"
        )
        print(f"via {way.via:8}{', '.join(filter(None, (price, time)))}{'' if number else f'   <- {way.why}'}")
    if estimate.paid_usd:
        print(f"paid already: ${estimate.paid_usd:,.4f}")
    for note in estimate.notes:
        print(f"note: {note}")


def topic_quote(estimate: TopicQuote) -> None:
    """Print what topics are still to cost: vectors of an endpoint, names by a model."""
    notes = list(estimate.notes)
    if vectors := estimate.vectors:
        models, paid = (
            ", ".join(vectors.models),
            f"; paid already: ${vectors.paid_usd:,.4f}" if vectors.paid_usd else "",
        )
        print(f"vectors: {vectors.texts:,} texts have none; {vectors.requests:,} requests to {models}{paid}")
        if vectors.texts:
            print(f"  tokens   {vectors.tokens:,}, at most {vectors.most_tokens:,}")
            notes = [*vectors.notes, *notes]
        if vectors.texts and vectors.least_usd is not None:
            print(f"  price    ${vectors.least_usd:,.4f}, at most ${vectors.most_usd:,.4f}")
    if names := estimate.names:
        print(
            f"names of topics: {names.to_ask:,} are to be asked for{', each an article of a job within' if names.to_ask else ''}"
        )
        if names.to_ask:
            quote(names)
    for note in notes:
        print(f"note: {note}")


def quote_of_all(estimate: Quote, topics: TopicQuote | None) -> None:
    """Print what the rest of a job takes and costs, with its topics."""
    quote(estimate)
    if topics:
        topic_quote(topics)
        rest = estimate.rest_usd or (estimate.input_usd, estimate.most_usd)
        if topics.usd and rest[0] is not None and rest[1] is not None:
            both = f"${rest[0] + topics.usd[0]:,.4f} to ${rest[1] + topics.usd[1]:,.4f}"
            labels = "labels, by the sample (95%)," if estimate.rest_usd else "labels"
            print(f"in all   {both} for {labels} and topics, at least and at most")


def plan(planned: Plan, job: str) -> None:
    """Print a planned version: number, diff, gates, card."""
    last = planned.last.name if planned.last else "no version yet"
    print(f"last: {last}; this would be: {planned.version or f'{last} still, for no row differs'}")
    changes(planned.diff)
    if "map_topics" in planned.manifest:
        print(
            f"  {'topic':12}{planned.manifest['map_topics']['moved']:>9,}  rows have another one, which changes no row"
        )
    for finding in planned.findings:
        message = with_job(finding.message().partition(": ")[2], job)
        print(f"gate {finding.gate:22}{finding.state:8}{message}")
    if planned.version:
        print(f"\n{planned.card}")


def changes(diff: Diff) -> None:
    """Print how many rows differ, by kind, with a few of their ids."""
    for name, count in diff.counts.items():
        ids = diff.shown(name)
        print(f"  {name:12}{count:>9,}  {', '.join(ids)}{', ...' if 0 < len(ids) < count else ''}")


def versions(rows: list[dict[str, Any]], job: str) -> None:
    """Print versions, a line each: whether they are here and on the Hub, their rows and changes."""
    for row in rows:
        copies = f"{'here' if row['here'] else '-':5}{'hub ' + row['hub'][:10] if row.get('hub') else '-':15}"
        if not row["here"]:
            print(f"{row['version']:10}{copies}")
            continue
        counts = ", ".join(f"{split} {count:,}" for split, count in row["rows"].items())
        diff = ", ".join(f"{name} {count:,}" for name, count in row["diff"].items() if isinstance(count, int) and count)
        print(f"{row['version']:10}{copies}{row['created_at'][:19]}  {counts}  ({diff or 'the same rows'})")
    if not rows:
        print(f"no version yet; see: labelmill publish {job} --dry-run")


def exported(done: ExportResult) -> None:
    """Print where a split was written, and what was cut for the limits on tokens."""
    print(f"{done.rows:,} rows of {done.version} written to {done.path}")
    counts = done.counts
    parts = {
        "texts cut": counts.cut,
        "targets shortened": counts.shortened,
        "rows left out (no room for a text or a phrase)": counts.left_out,
        "rows whose label nobody changed": counts.unpaired,
        "rows without a phrase of these tiers": counts.without_phrases,
    }
    if written := ", ".join(f"{name} {count:,}" for name, count in parts.items() if count):
        print(f"  {written}" + (f" ({', '.join(counts.left_out_ids)})" if counts.left_out_ids else ""))
    for note in done.notes:
        print(f"  note: {note}")


def takedown(taken: Takedown, job: str, *, is_up_to_date: bool) -> None:
    """Print that an article was taken down, what makes a version without it, and which versions still hold it."""
    publish = f"labelmill publish {job}"
    makes = f"{publish} makes" if is_up_to_date else f"labelmill run {job} and then {publish} make"
    print(f"{taken.id}: taken down, with its text under any id; {makes} a version without it")
    for version, on_hub in taken.held_by.items():
        print(f"  version {version} holds it{', here and on the Hub' if on_hub else ', here'}")
    if taken.near_copies:
        shown = " ".join(f"--id {row_id}" for row_id in taken.near_copies[:20])
        more = f" ({len(taken.near_copies):,} in all)" if len(taken.near_copies) > 20 else ""
        print(f"  articles like it stay{more}; to take them down too: labelmill takedown {job} {shown}")
    if taken.held_by:
        print("versions never change: delete what must not stay, folder or tag and history, by hand")


def evaluation(result: Evaluation) -> None:
    """Print the metrics of labels against gold labels, with intervals."""
    print(f"articles with gold labels: {result.articles:,}; without a label (counted as empty): {result.unlabelled:,}")
    if result.not_in_job:
        print(f"gold rows that are no articles of this job: {result.not_in_job:,}")
    print(f"{'metric':26}{'mean':>8}   95% interval")
    for name, (mean, low, high) in result.metrics.items():
        floor = f"   random pairs {result.baselines[name]:.3f}" if name in result.baselines else ""
        print(f"{name:26}{mean:>8.3f}   {low:.3f} to {high:.3f}{floor}")
    for name in result.baselines.keys() - result.metrics.keys():
        print(f"{name:26}{result.baselines[name]:>8.3f}")
    if result.per_class:
        print(f"{'class':26}{'precision':>9}{'recall':>8}{'f1':>8}{'gold':>8}")
    for name, one in result.per_class.items():
        print(f"{name[:25]:26}{one.precision:>9.3f}{one.recall:>8.3f}{one.f1:>8.3f}{one.support:>8,}")
    for note in result.notes:
        print(f"note: {note}")


def prompt(rendered: dict[str, Any]) -> None:
    """Print the messages and the schema that are sent for one article."""
    for step in rendered.get("before", ()):
        print("\n".join(f"[{step['as']}, {part['role']}]\n{part['content']}\n" for part in step["messages"]))
    print(f"# {rendered['prompt']}  {rendered['prompt_sha256']}  key {rendered['key']}")
    for message in rendered["messages"]:
        print(f"\n[{message['role']}]\n{message['content']}")
    if rendered["schema"]:
        print(f"\n[schema]\n{json.dumps(rendered['schema'], ensure_ascii=False)}")


def prompts(rows: list[tuple[str, str, str]]) -> None:
    for name, output, notes in rows:
        print(f"{name:20} {output:12} {notes}")


def difference(diff: Difference, a: str, b: str) -> None:
    """Print how the labels by prompt `a` and prompt `b` differ."""
    print(diff.text)
    if diff.note:
        return print(f"\nno labels to compare: {diff.note}")
    if not diff.articles:
        print(
            f"\nno article was labelled with both; run the job with each: --set label.prompt={a}, --set label.prompt={b}"
        )
        return
    print(
        f"\n{diff.articles:,} articles asked with both; labels: {diff.labelled[0]:,} by {a}, {diff.labelled[1]:,} by {b}"
    )
    if diff.agreement is not None and diff.same is not None:
        print(f"agreement (soft F1) {diff.agreement:.3f}, the same phrases {diff.same:.1%}")
        print(f"phrases a label: {diff.phrases[0]:.1f}, {diff.phrases[1]:.1f}")
    costs = ("unknown" if cost is None else f"${cost:.4f}" for cost in diff.cost_per_1000)
    print(f"cost of 1,000 articles: {', '.join(costs)}")
    for name, rows in ((f"only by {b}", diff.added), (f"only by {a}", diff.removed)):
        print(f"{name}: {'; '.join(f'{phrase} ({count})' for phrase, count in rows) or '-'}")
    for row in diff.examples:
        print(f"  {row['id']}\n    {a}: {'; '.join(row['a']) or '-'}\n    {b}: {'; '.join(row['b']) or '-'}")


def duration(seconds: float) -> str:
    """Return a duration as people say it: `2 h 5 min`, `3 min 20 s`, `8 s`."""
    minutes, left = divmod(round(seconds), 60)
    return (
        f"{minutes // 60} h {minutes % 60} min"
        if minutes >= 60
        else f"{minutes} min {left} s"
        if minutes
        else f"{left} s"
    )


def say(result: Any, as_json: bool, print_for_people: Callable[[], None]) -> None:
    """Print the result of a command: as JSON where that is asked for, else as people read it."""
    if as_json:
        print(json.dumps(result, ensure_ascii=False, indent=1))
    else:
        print_for_people()
