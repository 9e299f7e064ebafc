"""Commands that look at what a job made: by people (`review`), in figures, row by row."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import click

from pipeline.cli import output, rows_output, status_output
from pipeline.cli.group import AS_JSON, FILE, POSITIVE, QUICKSTART, Job, Number, job_command

# as in `commands.show`: help need not import it
TABLES = ("articles", "filtered", "labels", "train", "eval")
REVIEW_FORMATS = ("csv", "xlsx", "jsonl", "argilla", "label-studio")


@job_command("review", "Serve the review page; or a sample of labels to a file, and verdicts back from it.",
             f"review {QUICKSTART}\n  labelmill review {QUICKSTART} --export sample.csv --sample 50")  # fmt: skip
@click.option("--host", default="127.0.0.1", help="Where to serve the page (default: this machine only).")
@click.option(
    "--port",
    type=Number(0, 65535, "not a port: 0 to 65535"),
    default=8377,
    help="Its port (default: 8377; 0: any that is free).",
)
@click.option("--token", help="What reviewers log in with; needed where --host is reached by others.")
@click.option("--reviewers", metavar="A,B", help="Who may review, by name (default: anyone).")
@click.option("--root-path", default="", metavar="/PATH", help="The path at which a proxy shows the page.")
@click.option("--predictions", type=FILE, metavar="FILE", help="Review another model's labels: JSONL by id.")
@click.option("--export", type=FILE, metavar="FILE", help="Write a sample to FILE.")
@click.option("--import", "filled", type=FILE, metavar="FILE", help="Read the filled FILE back.")
@click.option("--format", "file_format", type=click.Choice(REVIEW_FORMATS), metavar="FORMAT",
              help=f"{', '.join(REVIEW_FORMATS)} (default: by FILE's ending, or what is in it).")  # fmt: skip
@click.option("--sample", type=POSITIVE, metavar="N", help="How many articles (default: all).")
@click.option("--reviewer", default="reviewer", help="Whose verdicts these are.")
def review(
    job: Job,
    host: str,
    port: int,
    token: str | None,
    reviewers: str | None,
    root_path: str,
    predictions: Path | None,
    export: Path | None,
    filled: Path | None,
    file_format: str | None,
    sample: int | None,
    reviewer: str,
) -> None:
    if export and filled:
        raise click.UsageError("--export and --import exclude each other")
    from pipeline.commands import review

    work = job.workspace()
    if export:
        count, files = review.export_sample(work, export, file_format, sample)
        output.sampled(count, files, job.in_commands)
    elif filled:
        with work.locked():
            stored, repeated = review.import_verdicts(work, filled, file_format, reviewer)
        also = f" ({repeated} were known)" if repeated else ""
        print(f"{stored} verdicts stored{also}; labelmill run {job.in_commands} applies them")
    else:
        names = [] if reviewers is None else reviewers.split(",")
        review.serve(work, host, port, token, names, predictions, root_path, output.review_address)


@job_command("status", "What each stage took in, kept and rejected.", f"status {QUICKSTART}")
@AS_JSON
def status(job: Job, as_json: bool) -> None:
    from pipeline import runner

    report = runner.status(job.workspace())
    output.say(report, as_json, lambda: status_output.status(report))


@job_command("show", "Show rows of a table, or everything of one article.", f"show {QUICKSTART} labels -n 5")
@click.argument("table", type=click.Choice(TABLES), metavar="TABLE", required=False)
@click.option("--id", "row_id", metavar="ID", help="One article: text, replies, repairs, verdicts, split, versions.")
@click.option("--rejected", is_flag=True, help="The rows that were dropped, with reasons.")
@click.option("--topic", type=int, metavar="ID", help="Only articles of this topic (labelmill topics JOB).")
@click.option("-n", "count", type=POSITIVE, metavar="N", help="At most N rows (default: 10; all with --json, --csv).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with all columns.")
@click.option("--csv", "as_csv", is_flag=True, help="As CSV, with all columns; lists are joined by semicolons.")
def show(
    job: Job, table: str | None, row_id: str | None, rejected: bool, topic: int | None, count: int | None, as_json: bool,
    as_csv: bool,
) -> None:  # fmt: skip
    if (table is None) == (row_id is None):
        raise click.UsageError(f"give a TABLE ({', '.join(TABLES)}), or --id ID")
    if as_csv and (as_json or row_id is not None):
        raise click.UsageError("--csv goes with a TABLE, and without --json")
    if topic is not None and table is None:
        raise click.UsageError("--topic goes with a TABLE")
    from pipeline.commands import show

    work = job.workspace()
    if row_id is not None:
        parts = show.article(work, row_id)
        output.say(parts, as_json, lambda: rows_output.article(parts))
        return
    shown = show.show(work, str(table), rejected)
    shown = shown if topic is None else show.of_topic(work, shown, topic)
    rows: Iterable[dict[str, Any]] = islice(shown, count or (None if as_json or as_csv else 10))
    if as_csv:
        # all shards have no need to be looked at for the columns of a few rows
        rows = list(rows) if count else rows
        named = dict.fromkeys(name for row in rows for name in row) if count else ()
        rows_output.print_csv(rows, list(named) or show.columns(work, str(table), rejected))
    else:
        rows_output.print_rows(rows, work, as_json)


@job_command("try", "Label one text as the job would, and show each step; without --text, that of standard input.",
             f"try {QUICKSTART} --text 'The harbour of the old city was opened to the public in spring.'")  # fmt: skip
@click.option("--text", metavar="TEXT", help="The text of the article (default: standard input).")
@AS_JSON
def try_text(job: Job, text: str | None, as_json: bool) -> None:
    from pipeline.commands import try_text

    result = try_text.try_text(job.workspace(), _standard_input() if text is None else text)
    output.say(result, as_json, lambda: rows_output.tried(result))


def _standard_input() -> bytes:
    """Return what is on standard input; a person is told that it is waited for."""
    if sys.stdin.isatty():
        print("the text, then Ctrl-D:", file=sys.stderr)
    return sys.stdin.buffer.read()


@job_command("report", "One HTML file that tells what a job made, how good it is and what it cost.",
             f"report {QUICKSTART} --against 1.0.0")  # fmt: skip
@click.option("--output", "path", type=FILE, metavar="FILE",
              help="Default: report.html in the job's folder, here where that is read-only.")  # fmt: skip
@click.option("--against", metavar="WHAT",
              help="A version or another job file (default: the last version with other labels).")  # fmt: skip
@click.option("--seed", type=int, default=0, help="Of the random labels to read (default: 0).")
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON; writes no file.")
def report(job: Job, path: Path | None, against: str | None, seed: int, as_json: bool) -> None:
    from pipeline.report import facts, page

    work = job.workspace()
    figures = facts.gather(work, against, seed)
    if as_json:
        print(json.dumps(figures, ensure_ascii=False, indent=1))
        return
    path = path or (work.path if os.access(work.path, os.W_OK) else Path.cwd()) / page.FILE
    page.write(path, figures)
    print(f"{figures['verdict']}\n{path}")


@job_command("evaluate", "Compare the labels with those that people chose.", f"evaluate {QUICKSTART} --gold gold.jsonl")
@click.option("--gold", type=FILE, required=True, metavar="FILE", help="id and label: JSONL, CSV or Parquet.")
@click.option(
    "--porter",
    type=click.Choice(["snowball", "nltk"]),
    default="snowball",
    help="Stemmer of English: Porter's as published, or nltk's, which most published figures were made with.",
)
@AS_JSON
def evaluate(job: Job, gold: Path, porter: str, as_json: bool) -> None:
    from pipeline.commands import evaluate

    evaluation = evaluate.evaluate(job.workspace(), gold, porter)
    output.say(evaluation.as_dict(), as_json, lambda: output.evaluation(evaluation))


@job_command("ledger", "What was asked, answered and paid.", f"ledger {QUICKSTART} --export paid.parquet")
@click.option("--check", is_flag=True, help="Read the whole file and say whether it is sound.")
@click.option("--salvage", is_flag=True, help="Save what can be read of a damaged file.")
@click.option("--export", type=FILE, metavar="FILE", help="Write all records to a Parquet file.")
@AS_JSON
def ledger(job: Job, check: bool, salvage: bool, export: Path | None, as_json: bool) -> None:
    from pipeline.label import job_ledger

    work = job.workspace()
    if check:
        print(f"{job_ledger.check_ledger(work)}: sound")
    elif salvage:
        output.salvaged(job_ledger.salvage_ledger(work))
    elif export:
        print(f"{job_ledger.export_ledger(work, export):,} records written to {export}")
    else:
        report = job_ledger.ledger(work)
        output.say(report, as_json, lambda: output.ledger(report))
