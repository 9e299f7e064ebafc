"""Commands that run stages: `run`, one for each stage, and `quote`, which tells before what they cost."""

from __future__ import annotations

import shlex
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from pipeline.cli import output, rows_output, status_output
from pipeline.cli.group import AS_JSON, POSITIVE, QUICKSTART, Job, job_command
from pipeline.core.errors import GateStopped, Paused
from pipeline.job.run_options import RunOptions

if TYPE_CHECKING:
    from pipeline.job.workspace import Workspace

# `runner.NAMES`: help need not import them
STAGES = (
    "collect",
    "filter",
    "topics",
    "label",
    "clean",
    "review",
    "split",
    "publish",
)
_STAGE = click.Choice(STAGES)
_WAIT = click.option("--wait", is_flag=True, help="Wait until the batches under way are over (label.via: batch).")
_RETRY = click.option("--retry-rejected", is_flag=True, help="Ask again what the endpoint rejected for good.")


@job_command("run", "Run a job: all stages, or some.", f"run {QUICKSTART} --set split.eval=0.1")
@click.option("--from", "first", type=_STAGE, default=STAGES[0], metavar="STAGE", help=", ".join(STAGES))
@click.option("--to", "last", type=_STAGE, default=STAGES[-1], metavar="STAGE", help="The last stage.")
@click.option("--limit", type=POSITIVE, metavar="N", help="Label at most the first N articles; no version.")
@click.option("--publish", is_flag=True, help="Make a version also where rows of the last one change or articles wait.")
@_RETRY
@_WAIT
@AS_JSON
def run(
    job: Job,
    first: str,
    last: str,
    limit: int | None,
    publish: bool,
    retry_rejected: bool,
    wait: bool,
    as_json: bool,
) -> None:
    from pipeline import runner

    work = job.workspace()
    options = RunOptions(first, last, limit=limit, publish=publish, retry_rejected=retry_rejected, wait=wait)
    try:
        held_back = runner.run(work, options)
    except (Paused, GateStopped) as error:
        if as_json:  # a program reads the status at the end, however the run ends
            report, why = runner.status(work), str(error)
            is_gate = isinstance(error, GateStopped)
            report |= {"held_back": why if is_gate else None, "paused": report["paused"] or (None if is_gate else why)}
            output.say(report, as_json, lambda: None)
        raise
    if held_back and job.overrides:  # without them the rows would be stale to `publish`
        publish_command = f"labelmill publish {job.in_commands}"
        overrides = " ".join(f"--set {shlex.quote(override)}" for override in job.overrides)
        held_back = held_back.replace(publish_command, f"{publish_command} {overrides}")
    report = {**runner.status(work), "held_back": held_back}
    output.say(report, as_json, lambda: status_output.status(report))


@job_command("quote", "What labelling the rest will cost and take, before it is paid.",
             f"quote {QUICKSTART} --sample 200 --set label.provider=openai")  # fmt: skip
@click.option("--sample", type=POSITIVE, metavar="N", help="Label N at random first (kept), for intervals.")
@AS_JSON
def quote(job: Job, sample: int | None, as_json: bool) -> None:
    from pipeline import runner
    from pipeline.commands import quote, topic_costs

    work = job.workspace()
    runner.run(work, RunOptions(last="filter"))
    topics = topic_costs.quote_of_run(work)
    if topics and not topic_costs.are_labels_paid(work):
        return output.say({"topics": topics.as_dict()}, as_json, lambda: output.topic_quote(topics))
    estimate = quote.quote(work, sample or 0)
    both = asdict(estimate) | ({"topics": topics.as_dict()} if topics else {})
    output.say(both, as_json, lambda: output.quote_of_all(estimate, topics))


@job_command("collect", "Read the sources into articles.", f"collect {QUICKSTART}")
@click.option("--preview", type=POSITIVE, metavar="N", help="Show the first N rows of each source; store nothing.")
@click.option("--no-fetch", is_flag=True, help="Web: of what was crawled before; ask no page.")
@click.option("--reread", is_flag=True, help="Read again what an earlier version of labelmill read.")
@click.option("--json", "as_json", is_flag=True, help="With --preview: as JSON lines.")
def collect(job: Job, preview: int | None, no_fetch: bool, reread: bool, as_json: bool) -> None:
    if not preview:
        return _run_stage(job, RunOptions("collect", "collect", fetch=not no_fetch, reread=reread))
    if no_fetch or reread:
        raise click.UsageError(f"--preview and {'--no-fetch' if no_fetch else '--reread'} exclude each other")
    from pipeline.commands import show

    work = job.workspace()
    rows_output.print_rows(show.preview(work, preview), work, as_json)


@job_command("filter", "Keep articles by language, length and novelty.", f"filter {QUICKSTART}")
@click.option("--rejudge", is_flag=True, help="Judge again what an earlier version of a filter judged.")
def filter_stage(job: Job, rejudge: bool) -> None:
    _run_stage(job, RunOptions("filter", "filter", rejudge=rejudge))


@job_command("label", "Ask the labeller about every article that has no answer yet.", f"label {QUICKSTART}")
@_RETRY
@_WAIT
@click.option("--cancel", is_flag=True, help="Cancel the batches under way; what they have answered is kept.")
def label(job: Job, retry_rejected: bool, wait: bool, cancel: bool) -> None:
    if not cancel:
        return _run_stage(job, RunOptions("label", "label", retry_rejected=retry_rejected, wait=wait))
    if wait or retry_rejected:
        raise click.UsageError("--cancel goes alone")
    from pipeline.label.batches import cancelling

    status_output.cancelled(cancelling.cancel(job.workspace()))


@job_command("clean", "Make labels of the raw replies (free).", f"clean {QUICKSTART}")
def clean(job: Job) -> None:
    _run_stage(job, RunOptions("clean", "clean"))


@job_command("split", "Assign train and eval, for good.", f"split {QUICKSTART}")
def split(job: Job) -> None:
    _run_stage(job, RunOptions("split", "split"))


@job_command("publish", "Write a version where rows changed.", f"publish {QUICKSTART} --dry-run")
@click.option("--dry-run", is_flag=True, help="Show diff, version, gates and card; write nothing.")
@click.option(
    "--to", type=click.Choice(["folder", "hub"]), metavar="WHERE", help="folder or hub, instead of publish.to."
)
@click.option("--private", is_flag=True, help="Make a new repository private, whatever publish.private says.")
@click.option("--adopt", is_flag=True, help="Go on from the repository as somebody else left it.")
@click.option(
    "--recreate", is_flag=True, help="Bring every version that is here to a repository that is gone or empty."
)
@click.option("--version", metavar="X.Y.Z", help="Instead of the computed one; refused where it promises too much.")
def publish(
    job: Job, dry_run: bool, to: str | None, private: bool, adopt: bool, recreate: bool, version: str | None
) -> None:
    from pipeline import runner
    from pipeline.commands import publish

    work = job.workspace(*([f"publish.to={to}"] if to else []), *(["publish.private=true"] if private else []))
    options = RunOptions("publish", publish=True, version=version, adopt=adopt, recreate=recreate)
    if dry_run:
        return output.plan(runner.plan_version(work, options), job.in_commands)
    if adopt and publish.adopt(work, version):
        options = replace(options, first="split")
    _run_stage(job, options, work)


def _run_stage(job: Job, options: RunOptions, work: Workspace | None = None) -> None:
    """Run a stage, and print how it stands now."""
    from pipeline import runner

    work = work or job.workspace()
    runner.run(work, options)
    report = runner.status(work)
    status_output.status({**report, "stages": [row for row in report["stages"] if row["stage"] == options.last]})
