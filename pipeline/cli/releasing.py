"""Commands about versions: which there are, how they differ, whether they are whole, and what is made of them."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from pipeline.cli import output
from pipeline.cli.group import AS_JSON, FILE, POSITIVE, QUICKSTART, Job, job_command

FORMATS = ("seq2seq", "chat", "clm", "jsonl", "csv", "prompt-completion", "preference")


@job_command("versions", "The versions of a job.", f"versions {QUICKSTART}")
@click.option("--drop", metavar="X.Y.Z", help="Remove the last version, where it is not on the Hub.")
@AS_JSON
def versions(job: Job, drop: str | None, as_json: bool) -> None:
    from pipeline.commands import versions

    if drop:
        print(f"{versions.drop(job.workspace(), drop)}: dropped")
        return
    rows, trouble = versions.listing(job.workspace())
    if trouble:
        print(f"labelmill: {trouble}", file=sys.stderr)
    output.say(rows, as_json, lambda: output.versions(rows, job.in_commands))


@job_command("diff", "How the rows of one version differ from another's.", f"diff {QUICKSTART} 1.0.0 1.1.0")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@AS_JSON
def diff(job: Job, a: str, b: str, as_json: bool) -> None:
    from pipeline.versions import store

    folder = job.workspace().versions
    difference = store.difference(store.named(folder, a), store.named(folder, b))
    output.say(asdict(difference), as_json, lambda: output.changes(difference))


@job_command(
    "verify", "Hold a version's files against its manifest, here and on the Hub.", f"verify {QUICKSTART} 1.0.0"
)
@click.argument("version", metavar="VERSION")
def verify(job: Job, version: str) -> int:
    from pipeline.commands import verify

    differences = verify.verify(job.workspace(), version)
    for copy, problems in differences.items():
        print("\n".join(f"{copy}: {problem}" for problem in problems) or f"{copy}: as its manifest says")
    return 1 if any(differences.values()) else 0


@job_command("export", "Write a split in a form to train with.",
             f"export {QUICKSTART} --format seq2seq --split train --output train.jsonl")  # fmt: skip
@click.option("--format", "form", type=click.Choice(FORMATS), metavar="FORMAT", help=", ".join(FORMATS))
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "eval"]),
    default="train",
    metavar="SPLIT",
    help="train (default), eval; validation: a part of train, by --fold or --validation.",
)
@click.option("--fold", metavar="K/N", help="Hold fold K of N of train out of it, as --split validation.")
@click.option(
    "--validation",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Hold a share of train out, as --split validation.",
)
@click.option(
    "--where",
    multiple=True,
    metavar="COLUMN=VALUE,...",
    help="Only such rows: label_source=verified, language=ko; tiers=exact.",
)
@click.option(
    "--output", "path", type=FILE, metavar="FILE", help="Default: NAME-VERSION-SPLIT-FORMAT.jsonl or .csv here."
)
@click.option("--version", metavar="X.Y.Z", help="Default: the last one.")
@click.option("--prefix", metavar="TEXT", help="What stands before the text (default: the task's).")
@click.option("--conversational", is_flag=True, help="Prompts and answers as messages (prompt-completion, preference).")
@click.option("--weights", metavar="SOURCE=W,...", help="Give rows a weight: verified=3,edited=3,llm=1.")
@click.option(
    "--few-shot", type=POSITIVE, metavar="N", help="Write N verified rows as examples for a prompt file instead."
)
@click.option(
    "--tokenizer",
    metavar="NAME",
    help="Counts tokens: an encoding of OpenAI's, a Hub name or a folder (default: the job's).",
)
@click.option(
    "--max-input-tokens",
    type=POSITIVE,
    metavar="N",
    help="Cut the text so that all that the model reads is no longer (seq2seq: its input).",
)
@click.option("--max-target-tokens", type=POSITIVE, metavar="N", help="Leave out last phrases of a longer target.")
def export(
    job: Job,
    form: str | None,
    split: str,
    fold: str | None,
    validation: float | None,
    where: tuple[str, ...],
    path: Path | None,
    version: str | None,
    prefix: str | None,
    conversational: bool,
    weights: str | None,
    few_shot: int | None,
    tokenizer: str | None,
    max_input_tokens: int | None,
    max_target_tokens: int | None,
) -> None:
    from pipeline.commands import export
    from pipeline.versions.export import ExportOptions, TokenLimits
    from pipeline.versions.selection import Selection, parse_fold, parse_weights, parse_where

    if (form is None) == (few_shot is None):
        raise click.UsageError(f"give either '--format' ({', '.join(FORMATS)}) or --few-shot")
    work = job.workspace()
    selection = Selection(split, parse_where(where), parse_fold(fold) if fold else None, validation)
    if few_shot is not None:
        print(f"{few_shot} examples written to {export.few_shot(work, version, few_shot, path, selection)}")
        return
    if max_input_tokens or max_target_tokens:
        tokenizer = tokenizer or work.config.tokenizer
    limits = TokenLimits(tokenizer, max_input_tokens, max_target_tokens)
    weighted = parse_weights(weights) if weights else None
    output.exported(
        export.export(
            work, ExportOptions(str(form), selection, version, path, prefix, conversational, limits, weighted)
        )
    )


@job_command("takedown", "Publish an article no more: not in the next version, nor in any later one.",
             f"takedown {QUICKSTART} --id ko-001 --reason 'asked by the author'")  # fmt: skip
@click.option(
    "--id", "ids", required=True, multiple=True, metavar="ID", help="Of the article; may be given several times."
)
@click.option("--reason", default="", metavar="TEXT", help="Kept in the log.")
def takedown(job: Job, ids: tuple[str, ...], reason: str) -> None:
    from pipeline import runner
    from pipeline.commands import takedown

    work = job.workspace()
    for row_id in ids:
        taken = takedown.takedown(work, row_id, reason)
        output.takedown(taken, job.in_commands, is_up_to_date=runner.is_ready_to_publish(work))
