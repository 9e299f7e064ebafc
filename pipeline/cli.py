"""The command line: parse, call, print.  No logic; opens no file."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import printing
from pipeline.errors import LabelmillError

if TYPE_CHECKING:
    from pipeline.workspace import Workspace

STAGES = ("collect", "filter", "label", "clean", "review", "split", "publish")
TABLES = ("articles", "filtered", "labels", "train", "eval")
_JOB = "data/quickstart/job.yaml"
EXIT_CODES = "exit codes: 0 done, 1 error, 2 usage or job file, 3 paused (run again to resume), 4 a gate stopped"


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.call(arguments) or 0)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe (`| head`) has seen enough
        return 0
    except (Exception, KeyboardInterrupt) as error:
        if arguments.debug:
            traceback.print_exc()
        code, text = _told(error)
        print(f"labelmill: {text}", file=sys.stderr)
        return code


def _told(error: BaseException) -> tuple[int, str]:
    """Exit code and one line for whatever went wrong."""
    if isinstance(error, LabelmillError):
        return error.exit_code, str(error)
    if isinstance(error, KeyboardInterrupt):
        return 3, "stopped; what was finished is kept, the same command goes on"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return 1, f"{where}{error.strerror or error}; nothing is lost: mend it, run again"
    what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return 1, f"{what} (not foreseen: --debug shows where; nothing is lost)"


def _parser() -> argparse.ArgumentParser:
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

    def add(name: str, call: Callable[[Any], Any], text: str, example: str, base: Any = job) -> argparse.ArgumentParser:
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
    _add_looking(add)
    _add_setting_up(add, common)
    return parser


Add = Callable[..., argparse.ArgumentParser]


def _add_running(add: Add) -> None:
    run = add("run", _run, "Run a job: all stages, or some.", f"labelmill run {_JOB} --set split.eval=0.1")
    run.add_argument("--from", dest="first", choices=STAGES, default=STAGES[0], metavar="STAGE", help=", ".join(STAGES))
    run.add_argument("--to", dest="last", choices=STAGES, default=STAGES[-1], metavar="STAGE", help="the last stage")
    run.add_argument("--limit", type=_positive, metavar="N", help="label at most the first N articles")
    _may_retry(run)
    quote = add("quote", _quote, "What labelling the rest will cost and take, before it is paid.",
                f"labelmill quote {_JOB} --sample 200 --set label.provider=openai")  # fmt: skip
    quote.add_argument("--sample", type=_positive, metavar="N", help="label N at random first (kept), for intervals")
    quote.add_argument("--json", action="store_true", help="as JSON")
    for name, text in _STAGE_HELP.items():
        stage = add(name, _stage, text, f"labelmill {name} {_JOB}")
        stage.set_defaults(stage=name)
        if name == "label":
            _may_retry(stage)


def _may_retry(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--retry-rejected", action="store_true", help="ask again what the endpoint rejected for good")


def _add_looking(add: Add) -> None:
    review = add("review", _review, "Draw a sample for people to judge, or read their verdicts back.",
                 f"labelmill review {_JOB} --export sample.csv --sample 50")  # fmt: skip
    direction = review.add_mutually_exclusive_group(required=True)
    direction.add_argument("--export", type=Path, metavar="FILE", help="write a sample to FILE (.csv or .jsonl)")
    direction.add_argument("--import", dest="filled", type=Path, metavar="FILE", help="read the filled FILE back")
    review.add_argument("--sample", type=_positive, metavar="N", help="how many articles (default: all)")
    review.add_argument("--seed", type=int, default=0, help="of the random sample (default: 0)")
    review.add_argument("--reviewer", default="reviewer", help="whose verdicts these are")
    status = add("status", _status, "What each stage took in, kept and rejected.", f"labelmill status {_JOB}")
    status.add_argument("--json", action="store_true", help="as JSON")
    show = add("show", _show, "Show rows of a table.", f"labelmill show {_JOB} labels -n 5")
    show.add_argument("table", choices=TABLES, metavar="TABLE", help=", ".join(TABLES))
    show.add_argument("--rejected", action="store_true", help="the rows that were dropped, with reasons")
    show.add_argument("-n", type=_positive, metavar="N", help="at most N rows (default: 10, with --json all)")
    show.add_argument("--json", action="store_true", help="one JSON object a line, with all columns")
    ledger = add(
        "ledger", _ledger, "What was asked, answered and paid.", f"labelmill ledger {_JOB} --export paid.parquet"
    )
    ledger.add_argument("--check", action="store_true", help="read the whole file and say whether it is sound")
    ledger.add_argument("--salvage", action="store_true", help="save what can be read of a damaged file")
    ledger.add_argument("--export", type=Path, metavar="FILE", help="write all records to a Parquet file")
    ledger.add_argument("--json", action="store_true", help="as JSON")


def _add_setting_up(add: Add, common: argparse.ArgumentParser) -> None:
    init = add(
        "init", _init, "Write a commented job file, or a copy of the quickstart.", "labelmill init job.yaml", common
    )
    init.add_argument("path", type=Path, nargs="?", default=Path("job.yaml"), metavar="PATH", help="default: job.yaml")
    init.add_argument("--quickstart", action="store_true", help="copy the quickstart (articles and job file) to PATH")
    doctor = add(
        "doctor", _doctor, "Check versions, extras, keys and the endpoint.", f"labelmill doctor {_JOB}", common
    )
    doctor.add_argument("job", type=Path, nargs="?", metavar="JOB", help="also check what this job needs")
    doctor.set_defaults(set=[])


_STAGE_HELP = {
    "collect": "Read the sources into articles.",
    "filter": "Keep articles by language, length and novelty.",
    "label": "Ask the labeller about every article that has no answer yet.",
    "clean": "Make labels of the raw replies (free).",
    "split": "Assign train and eval, for good.",
    "publish": "Write a version where rows changed.",
}


class _Version(argparse.Action):
    """Looked up only when asked for: it takes longer than all the rest."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(nargs=0, **kwargs)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"labelmill {version('labelmill')}")
        parser.exit()


def _positive(text: str) -> int:
    value = int(text) if text.isdigit() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return value


def _workspace(arguments: argparse.Namespace) -> Workspace:
    from pipeline.config import load_job
    from pipeline.workspace import Workspace

    options = {name: getattr(arguments, name, None) for name in ("limit", "retry_rejected")}
    return Workspace(load_job(arguments.job, arguments.set), **options)


def _run(arguments: argparse.Namespace) -> None:
    from pipeline import job

    work = _workspace(arguments)
    job.run(work, arguments.first, arguments.last)
    printing.status(job.status(work))


def _stage(arguments: argparse.Namespace) -> None:
    from pipeline import job

    work = _workspace(arguments)
    job.run(work, arguments.stage, arguments.stage)
    report = job.status(work)
    printing.status({**report, "stages": [row for row in report["stages"] if row["stage"] == arguments.stage]})


def _quote(arguments: argparse.Namespace) -> None:
    from dataclasses import asdict

    from pipeline import job, quoting

    work = _workspace(arguments)
    job.run(work, "collect", "filter")
    found = quoting.quote(work, arguments.sample or 0)
    if arguments.json:
        print(json.dumps(asdict(found), ensure_ascii=False, indent=1))
    else:
        printing.quote(found)


def _review(arguments: argparse.Namespace) -> None:
    from pipeline.stages import review

    work = _workspace(arguments)
    if arguments.export:
        count = review.export_sheet(work, arguments.export, arguments.sample, arguments.seed)
        print(
            f"{count} articles written to {arguments.export}; fill in 'verdict' (accept, reject) or 'corrected', then:"
        )
        print(f"  labelmill review {arguments.job} --import {arguments.export}")
    else:
        with work.locked():
            count = review.import_sheet(work, arguments.filled, arguments.reviewer)
        print(f"{count} verdicts stored; labelmill run {arguments.job} applies them")


def _status(arguments: argparse.Namespace) -> None:
    from pipeline import job

    report = job.status(_workspace(arguments))
    if arguments.json:
        print(json.dumps(report, ensure_ascii=False, indent=1))
    else:
        printing.status(report)


def _show(arguments: argparse.Namespace) -> None:
    from itertools import islice

    from pipeline import job

    rows = job.show(_workspace(arguments), arguments.table, arguments.rejected)
    limit = arguments.n or (None if arguments.json else 10)
    for row in islice(rows, limit):
        print(json.dumps(row, ensure_ascii=False, default=str) if arguments.json else printing.line(row))


def _ledger(arguments: argparse.Namespace) -> None:
    from pipeline import job

    work = _workspace(arguments)
    if arguments.check:
        print(f"{job.check_ledger(work)}: sound")
    elif arguments.salvage:
        printing.salvaged(job.salvage_ledger(work))
    elif arguments.export:
        print(f"{job.export_ledger(work, arguments.export):,} records written to {arguments.export}")
    elif arguments.json:
        print(json.dumps(job.ledger(work), ensure_ascii=False, indent=1))
    else:
        printing.ledger(job.ledger(work))


def _init(arguments: argparse.Namespace) -> None:
    from pipeline import starter

    written = starter.quickstart(arguments.path) if arguments.quickstart else starter.job_file(arguments.path)
    print(f"{written} written; next: labelmill run {written}")


def _doctor(arguments: argparse.Namespace) -> int:
    from pipeline import doctor
    from pipeline.config import load_dotenv, load_job

    load_dotenv(Path.cwd())
    sound = True
    for fine, what, state in doctor.examine(load_job(arguments.job) if arguments.job else None):
        sound = sound and fine
        print(f"{'ok  ' if fine else 'FAIL'} {what:18} {state}")
    return 0 if sound else 1


if __name__ == "__main__":
    raise SystemExit(main())
