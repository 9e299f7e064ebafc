"""The command line's arguments: each command with its options, its help and an example that runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

STAGES = ("collect", "filter", "label", "clean", "review", "split", "publish")
TABLES = ("articles", "filtered", "labels", "train", "eval")
FORMATS = ("seq2seq", "chat", "clm", "jsonl", "csv")
REVIEW_FORMATS = ("csv", "jsonl", "argilla", "label-studio")
_JOB = "data/quickstart/job.yaml"
EXIT_CODES = "exit codes: 0 done, 1 error, 2 usage or job file, 3 paused (run again to resume), 4 a gate stopped"


def parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show the traceback of an error")
    job = argparse.ArgumentParser(add_help=False, parents=[common])
    job.add_argument("job", type=Path, metavar="JOB", help="the job file")
    job.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override, e.g. label.model=NAME")
    parser = argparse.ArgumentParser(
        prog="labelmill",
        description="From a pile of articles to a labelled, reviewed, versioned training set.",
        epilog=f"example:\n  labelmill run {_JOB}\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, help="show the version")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")

    def add(name: str, call: str, text: str, example: str, base: Any = job) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            parents=[base],
            help=text,
            description=text,
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(call=call)
        return sub

    _add_running(add)
    _add_prompts(commands, common, job)
    _add_looking(add)
    _add_versions(add)
    _add_setting_up(add, common)
    return parser


Add = Callable[..., argparse.ArgumentParser]


def _add_running(add: Add) -> None:
    run = add("run", "run", "Run a job: all stages, or some.", f"labelmill run {_JOB} --set split.eval=0.1")
    run.add_argument("--from", dest="first", choices=STAGES, default=STAGES[0], metavar="STAGE", help=", ".join(STAGES))
    run.add_argument("--to", dest="last", choices=STAGES, default=STAGES[-1], metavar="STAGE", help="the last stage")
    run.add_argument("--limit", type=_positive, metavar="N", help="label at most the first N articles; no version")
    run.add_argument(
        "--publish", action="store_true", help="make a version also where rows of the last one change or articles wait"
    )
    _may_retry(run)
    quote = add("quote", "quote", "What labelling the rest will cost and take, before it is paid.",
                f"labelmill quote {_JOB} --sample 200 --set label.provider=openai")  # fmt: skip
    quote.add_argument("--sample", type=_positive, metavar="N", help="label N at random first (kept), for intervals")
    quote.add_argument("--json", action="store_true", help="as JSON")
    for name, text in _STAGE_HELP.items():
        stage = add(name, "stage", text, f"labelmill {name} {_JOB}")
        stage.set_defaults(stage=name)
        if name == "label":
            _may_retry(stage)
        if name == "collect":
            stage.set_defaults(call="collect")
            what = stage.add_mutually_exclusive_group()
            what.add_argument(
                "--preview", type=_positive, metavar="N", help="show the first N rows of each source; store nothing"
            )
            what.add_argument(
                "--no-fetch", dest="fetch", action="store_false", help="web: of what was crawled before; ask no page"
            )
            stage.add_argument("--json", action="store_true", help="with --preview: as JSON lines")
    publish = add("publish", "publish", "Write a version where rows changed.", f"labelmill publish {_JOB} --dry-run")
    publish.add_argument("--dry-run", action="store_true", help="show diff, version, gates and card; write nothing")
    publish.add_argument(
        "--to", choices=("folder", "hub"), metavar="WHERE", help="folder or hub, instead of publish.to"
    )
    publish.add_argument(
        "--private", action="store_true", help="make a new repository private, whatever publish.private says"
    )
    publish.add_argument("--adopt", action="store_true", help="go on from the repository as somebody else left it")
    publish.add_argument(
        "--version", metavar="X.Y.Z", help="instead of the computed one; refused where it promises too much"
    )


def _may_retry(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--retry-rejected", action="store_true", help="ask again what the endpoint rejected for good")


def _add_looking(add: Add) -> None:
    review = add("review", "review", "Serve the review page; or a sample of labels to a file, and verdicts back from it.",
                 f"labelmill review {_JOB}\n  labelmill review {_JOB} --export sample.csv --sample 50")  # fmt: skip
    review.add_argument("--host", default="127.0.0.1", help="where to serve the page (default: this machine only)")
    review.add_argument("--port", type=_port, default=8377, help="its port (default: 8377; 0: any that is free)")
    review.add_argument("--token", help="what reviewers log in with; needed where --host is reached by others")
    review.add_argument("--reviewers", metavar="A,B", help="who may review, by name (default: anyone)")
    review.add_argument("--predictions", type=Path, metavar="FILE", help="review another model's labels: JSONL by id")
    direction = review.add_mutually_exclusive_group()
    direction.add_argument("--export", type=Path, metavar="FILE", help="write a sample to FILE")
    direction.add_argument("--import", dest="filled", type=Path, metavar="FILE", help="read the filled FILE back")
    review.add_argument(
        "--format",
        choices=REVIEW_FORMATS,
        metavar="FORMAT",
        help=f"{', '.join(REVIEW_FORMATS)} (default: by FILE's ending, or what is in it)",
    )
    review.add_argument("--sample", type=_positive, metavar="N", help="how many articles (default: all)")
    review.add_argument("--reviewer", default="reviewer", help="whose verdicts these are")
    status = add("status", "status", "What each stage took in, kept and rejected.", f"labelmill status {_JOB}")
    status.add_argument("--json", action="store_true", help="as JSON")
    show = add("show", "show", "Show rows of a table.", f"labelmill show {_JOB} labels -n 5")
    show.add_argument("table", choices=TABLES, metavar="TABLE", help=", ".join(TABLES))
    show.add_argument("--rejected", action="store_true", help="the rows that were dropped, with reasons")
    show.add_argument("-n", type=_positive, metavar="N", help="at most N rows (default: 10, with --json all)")
    show.add_argument("--json", action="store_true", help="one JSON object a line, with all columns")
    report = add("report", "report", "One HTML file that tells what a job made, how good it is and what it cost.",
                 f"labelmill report {_JOB} --against 1.0.0")  # fmt: skip
    report.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="default: report.html in the job's folder, here where that is read-only",
    )
    report.add_argument(
        "--against", metavar="WHAT", help="a version or another job file (default: the last version with other labels)"
    )
    report.add_argument("--seed", type=int, default=0, help="of the random labels to read (default: 0)")
    report.add_argument("--json", action="store_true", help="the figures as JSON; writes no file")
    evaluate = add("evaluate", "evaluate", "Compare the labels with those that people chose.",
                   f"labelmill evaluate {_JOB} --gold gold.jsonl")  # fmt: skip
    evaluate.add_argument(
        "--gold", type=Path, required=True, metavar="FILE", help="id and label: JSONL, CSV or Parquet"
    )
    evaluate.add_argument("--json", action="store_true", help="as JSON")
    ledger = add(
        "ledger", "ledger", "What was asked, answered and paid.", f"labelmill ledger {_JOB} --export paid.parquet"
    )
    ledger.add_argument("--check", action="store_true", help="read the whole file and say whether it is sound")
    ledger.add_argument("--salvage", action="store_true", help="save what can be read of a damaged file")
    ledger.add_argument("--export", type=Path, metavar="FILE", help="write all records to a Parquet file")
    ledger.add_argument("--json", action="store_true", help="as JSON")


def _add_versions(add: Add) -> None:
    listing = add("versions", "versions", "The versions of a job.", f"labelmill versions {_JOB}")
    listing.add_argument("--drop", metavar="X.Y.Z", help="remove the last version, where it is not on the Hub")
    listing.add_argument("--json", action="store_true", help="as JSON")
    diff = add(
        "diff", "diff", "How the rows of one version differ from another's.", f"labelmill diff {_JOB} 1.0.0 1.1.0"
    )
    diff.add_argument("a", metavar="A", help="a version")
    diff.add_argument("b", metavar="B", help="another")
    diff.add_argument("--json", action="store_true", help="as JSON")
    verify = add("verify", "verify", "Hold a version's files against its manifest, here and on the Hub.",
                 f"labelmill verify {_JOB} 1.0.0")  # fmt: skip
    verify.add_argument("version_name", metavar="VERSION", help="e.g. 1.0.0")
    export = add("export", "export", "Write a split in a form to train with.",
                 f"labelmill export {_JOB} --format seq2seq --split train --output train.jsonl")  # fmt: skip
    export.add_argument("--format", required=True, choices=FORMATS, metavar="FORMAT", help=", ".join(FORMATS))
    export.add_argument(
        "--split", choices=("train", "eval"), default="train", metavar="SPLIT", help="train (default), eval"
    )
    export.add_argument(
        "--output", type=Path, metavar="FILE", help="default: NAME-VERSION-SPLIT-FORMAT.jsonl or .csv here"
    )
    export.add_argument("--version", metavar="X.Y.Z", help="default: the last one")
    export.add_argument("--prefix", metavar="TEXT", help="what stands before the text (default: the task's)")
    export.add_argument(
        "--tokenizer", metavar="NAME", help="counts tokens: an encoding of OpenAI's, a Hub name or a folder"
    )
    export.add_argument(
        "--max-input-tokens", type=_positive, metavar="N", help="cut the text so that the input is no longer"
    )
    export.add_argument(
        "--max-target-tokens", type=_positive, metavar="N", help="leave out last phrases of a longer target"
    )
    takedown = add("takedown", "takedown", "Publish an article no more: not in the next version, nor in any later one.",
                   f"labelmill takedown {_JOB} --id ko-001 --reason 'asked by the author'")  # fmt: skip
    takedown.add_argument(
        "--id", required=True, action="append", metavar="ID", help="of the article; may be given several times"
    )
    takedown.add_argument("--reason", default="", metavar="TEXT", help="kept in the log")


def _add_prompts(commands: Any, common: argparse.ArgumentParser, job: argparse.ArgumentParser) -> None:
    text = "Look at prompts: what they send, which there are, how two of them differ."
    examples = {
        "render": f"labelmill prompt render {_JOB} --id ko-001 --set label.provider=openai",
        "list": f"labelmill prompt list {_JOB}",
        "diff": f"labelmill prompt diff keyphrases/v1 keyphrases/v2 --job {_JOB} --set label.provider=openai",
    }

    def about(text: str, example: str) -> dict[str, Any]:
        how = {"description": text, "epilog": f"example:\n  {example}"}
        return {"help": text, "formatter_class": argparse.RawDescriptionHelpFormatter, **how}

    prompt = commands.add_parser("prompt", parents=[common], **about(text, examples["render"]))
    parts = prompt.add_subparsers(required=True, metavar="WHAT")

    def add(name: str, call: str, text: str, base: Any = common) -> argparse.ArgumentParser:
        sub: argparse.ArgumentParser = parts.add_parser(name, parents=[base], **about(text, examples[name]))
        sub.set_defaults(call=call)
        sub.add_argument("--json", action="store_true", help="as JSON")
        return sub

    render = add("render", "prompt_render", "What the job sends for one article.", job)
    render.add_argument("--id", required=True, help="the article's id")
    listing = add("list", "prompt_list", "The prompts that ship, and those beside a job file.")
    listing.add_argument("job", type=Path, nargs="?", default=Path("job.yaml"), metavar="JOB", help="default: job.yaml")
    diff = add("diff", "prompt_diff", "Compare two prompts on the articles that both have labelled.")
    diff.add_argument("a", metavar="A", help="a prompt, e.g. keyphrases/v1")
    diff.add_argument("b", metavar="B", help="another")
    diff.add_argument(
        "--job", type=Path, default=Path("job.yaml"), help="the job whose ledger is read (default: job.yaml)"
    )
    diff.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override, e.g. label.model=NAME")


def _add_setting_up(add: Add, common: argparse.ArgumentParser) -> None:
    init = add(
        "init", "init", "Write a commented job file, or a copy of the quickstart.", "labelmill init job.yaml", common
    )
    init.add_argument("path", type=Path, nargs="?", default=Path("job.yaml"), metavar="PATH", help="default: job.yaml")
    init.add_argument("--quickstart", action="store_true", help="copy the quickstart (articles and job file) to PATH")
    doctor = add(
        "doctor",
        "doctor",
        "Check versions, extras, keys, the device, and what a job needs.",
        f"labelmill doctor {_JOB} --set label.provider=openai",
        common,
    )
    doctor.add_argument("job", type=Path, nargs="?", metavar="JOB", help="also check what this job needs")
    doctor.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override, e.g. label.model=NAME"
    )


_STAGE_HELP = {
    "collect": "Read the sources into articles.",
    "filter": "Keep articles by language, length and novelty.",
    "label": "Ask the labeller about every article that has no answer yet.",
    "clean": "Make labels of the raw replies (free).",
    "split": "Assign train and eval, for good.",
}


class _Version(argparse.Action):
    """Looked up only when asked for: it takes longer than all the rest."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(nargs=0, **kwargs)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"labelmill {version('labelmill')}")
        parser.exit()


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 to 65535")
    return int(text)


def _positive(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return value
