"""Commands for setting a job up: `init`, `doctor`, and `prompt` with its own."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path

import click

from pipeline.cli import output
from pipeline.cli.group import AS_JSON, FILE, OVERRIDES, QUICKSTART, Group, Job, command, job_command, labelmill
from pipeline.job.run_options import RunOptions


@labelmill.group(
    "prompt",
    Group,
    help="Look at prompts: what they send, which there are, how two of them differ.",
    epilog=f"labelmill prompt render {QUICKSTART} --id ko-001 --set label.provider=openai",
)
def prompt() -> None:
    """Hold the commands about prompts."""


@job_command("render", "What the job sends for one article.",
             f"prompt render {QUICKSTART} --id ko-001 --set label.provider=openai", prompt)  # fmt: skip
@click.option("--id", "row_id", required=True, metavar="ID", help="The article's id.")
@AS_JSON
def prompt_render(job: Job, row_id: str, as_json: bool) -> None:
    from pipeline import runner
    from pipeline.commands import prompt

    work = job.workspace()
    runner.run(work, RunOptions(last="filter"))
    rendered = prompt.render(work, row_id)
    output.say(rendered, as_json, lambda: output.prompt(rendered))


@command("list", "The prompts that ship, and those beside a job file.", f"prompt list {QUICKSTART}", prompt)
@click.argument("job", type=FILE, default="job.yaml", metavar="[JOB]")
@AS_JSON
def prompt_list(job: Path, as_json: bool) -> None:
    from pipeline.commands import prompt

    rows = list(prompt.listing(job.parent))
    output.say([dict(zip(("name", "output", "notes"), row, strict=True)) for row in rows], as_json,
               lambda: output.prompts(rows))  # fmt: skip


@command("diff", "Compare two prompts on the articles that both have labelled.",
         f"prompt diff keyphrases/v1 keyphrases/v2 --job {QUICKSTART} --set label.provider=openai", prompt)  # fmt: skip
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--job", type=FILE, default="job.yaml", metavar="JOB",
              help="The job whose ledger is read (default: job.yaml).")  # fmt: skip
@OVERRIDES
@AS_JSON
def prompt_diff(a: str, b: str, job: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    from pipeline.commands import prompt

    work_a, work_b = (Job(job, overrides).workspace(f"label.prompt={name}") for name in (a, b))
    difference = prompt.difference(work_a, work_b)
    output.say(asdict(difference), as_json, lambda: output.difference(difference, a, b))


@command("init", "Write a commented job file, or a copy of the quickstart.", "init job.yaml")
@click.argument("path", type=FILE, default="job.yaml", metavar="[PATH]")
@click.option("--quickstart", is_flag=True, help="Copy the quickstart (articles and job file) to PATH.")
@click.option("--task", default="keyphrases", metavar="TASK", help="For keyphrases (default), topic, classes or json.")
def init(path: Path, quickstart: bool, task: str) -> None:
    from pipeline.commands import init

    written = init.quickstart(path) if quickstart else init.job_file(path, task)
    print(f"{written} written; next: labelmill run {shlex.quote(str(written))}")


@command("schema", "Print the JSON schema of job files, for editors.", "schema > labelmill.schema.json")
def schema() -> None:
    from pipeline.commands import schema

    output.say(schema.job_schema(), True, lambda: None)


@command("doctor", "Check versions, extras, keys, the device, and what a job needs.",
         f"doctor {QUICKSTART} --set label.provider=openai")  # fmt: skip
@click.argument("job", type=FILE, required=False, metavar="[JOB]")
@OVERRIDES
def doctor(job: Path | None, overrides: tuple[str, ...]) -> int:
    from pipeline.commands import doctor
    from pipeline.job.job_file import load_dotenv

    load_dotenv(Path.cwd())
    checks = list(doctor.examine(Job(job, overrides).workspace() if job else None))
    for check in checks:
        mark = {True: "ok", None: "-", False: "FAIL"}[check.fine]
        print(f"{mark:4} {check.what:18} {check.state}")
    return next((check.exit_code for check in checks if check.fine is False), 0)
