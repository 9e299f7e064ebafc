"""The command line: parse, call, print.  No logic; opens no file."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pipeline.cli import output
from pipeline.cli.output import print_rows, say
from pipeline.cli.parser import parser
from pipeline.core.errors import LabelmillError
from pipeline.core.signals import Terminated, raising_on_sigterm, run_to_exit

if TYPE_CHECKING:
    from pipeline.job.run_options import RunOptions
    from pipeline.job.workspace import Workspace


@raising_on_sigterm()
def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    if sys.platform == "linux" and os.uname().machine == "x86_64":  # where pyarrow's wheels have it
        # Read when pyarrow is imported: mimalloc, its default, keeps what was freed, 150 MB a million rows.
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
    arguments = parser().parse_args(argv)
    try:
        return int(CALLS[arguments.call](arguments) or 0)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe (`| head`) has seen enough
        return 0
    except (Exception, KeyboardInterrupt, Terminated) as error:
        if arguments.debug:
            traceback.print_exc()
        code, text = _told(error)
        print(f"labelmill: {text}", file=sys.stderr)
        return code


def process() -> NoReturn:
    """Run the command of `sys.argv` and end this process with its exit code."""
    run_to_exit(main)


def _told(error: BaseException) -> tuple[int, str]:
    """Exit code and one line for whatever went wrong."""
    if isinstance(error, LabelmillError):
        return error.exit_code, str(error)
    if isinstance(error, KeyboardInterrupt | Terminated):
        return 3, "stopped; what was finished is kept, the same command goes on"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return 1, f"{where}{error.strerror or error}; nothing is lost: mend it, run again"
    what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return 1, f"{what} (not foreseen: --debug shows where; nothing is lost)"


def _workspace(arguments: argparse.Namespace) -> Workspace:
    from pipeline.job.config import load_job
    from pipeline.job.workspace import Workspace

    return Workspace(load_job(arguments.job, arguments.set))


def _options(arguments: argparse.Namespace, **given: Any) -> RunOptions:
    """Return the options of a run as the flags of its command say; `given` ones are the command's own."""
    from pipeline.job.run_options import RunOptions

    flags = {field.name: getattr(arguments, field.name) for field in fields(RunOptions) if field.name in arguments}
    return RunOptions(**{**flags, **given})


def _run(arguments: argparse.Namespace) -> None:
    from pipeline import runner

    work = _workspace(arguments)
    held_back = runner.run(work, _options(arguments))
    if held_back and arguments.set:  # without them the rows would be stale to `publish`
        command = f"labelmill publish {arguments.job}"
        held_back = held_back.replace(
            command, f"{command} {' '.join(f'--set {shlex.quote(s)}' for s in arguments.set)}"
        )
    output.status({**runner.status(work), "held_back": held_back})


def _stage(arguments: argparse.Namespace) -> None:
    from pipeline import runner

    work = _workspace(arguments)
    runner.run(work, _options(arguments, first=arguments.stage, last=arguments.stage))
    report = runner.status(work)
    output.status({**report, "stages": [row for row in report["stages"] if row["stage"] == arguments.stage]})


def _collect(arguments: argparse.Namespace) -> None:
    if not arguments.preview:
        return _stage(arguments)
    from pipeline.commands import show

    work = _workspace(arguments)
    print_rows(show.preview(work, arguments.preview), work, arguments.json)


def _publish(arguments: argparse.Namespace) -> None:
    from pipeline import runner
    from pipeline.commands import publish

    arguments.set += [f"publish.to={arguments.to}"] if arguments.to else []
    arguments.set += ["publish.private=true"] if arguments.private else []
    work = _workspace(arguments)
    if arguments.dry_run:
        output.plan(runner.plan_version(work, _options(arguments)))
        return
    first = "split" if arguments.adopt and publish.adopt(work) else "publish"
    runner.run(work, _options(arguments, first=first, publish=True))
    report = runner.status(work)
    output.status({**report, "stages": report["stages"][-1:]})


def _quote(arguments: argparse.Namespace) -> None:
    from pipeline import runner
    from pipeline.commands import quote

    work = _workspace(arguments)
    runner.run(work, _options(arguments, last="filter"))
    found = quote.quote(work, arguments.sample or 0)
    say(arguments, asdict(found), lambda: output.quote(found))


def _review(arguments: argparse.Namespace) -> None:
    from pipeline.commands import review

    work = _workspace(arguments)
    if arguments.export:
        count, files = review.export_sample(work, arguments.export, arguments.format, arguments.sample)
        output.sampled(count, files, arguments.job)
    elif arguments.filled:
        with work.locked():
            stored, known = review.import_verdicts(work, arguments.filled, arguments.format, arguments.reviewer)
        also = f" ({known} were known)" if known else ""
        print(f"{stored} verdicts stored{also}; labelmill run {arguments.job} applies them")
    else:
        names = [] if arguments.reviewers is None else arguments.reviewers.split(",")
        review.serve(work, arguments.host, arguments.port, arguments.token, names, arguments.predictions)


def _status(arguments: argparse.Namespace) -> None:
    from pipeline import runner

    report = runner.status(_workspace(arguments))
    say(arguments, report, lambda: output.status(report))


def _show(arguments: argparse.Namespace) -> None:
    from itertools import islice

    from pipeline.commands import show

    work = _workspace(arguments)
    rows = show.show(work, arguments.table, arguments.rejected)
    limit = arguments.n or (None if arguments.json else 10)
    print_rows(islice(rows, limit), work, arguments.json)


def _ledger(arguments: argparse.Namespace) -> None:
    from pipeline.label import job_ledger

    work = _workspace(arguments)
    if arguments.check:
        print(f"{job_ledger.check_ledger(work)}: sound")
    elif arguments.salvage:
        output.salvaged(job_ledger.salvage_ledger(work))
    elif arguments.export:
        print(f"{job_ledger.export_ledger(work, arguments.export):,} records written to {arguments.export}")
    else:
        report = job_ledger.ledger(work)
        say(arguments, report, lambda: output.ledger(report))


def _versions(arguments: argparse.Namespace) -> None:
    from pipeline.commands import versions

    if arguments.drop:
        print(f"{versions.drop(_workspace(arguments), arguments.drop)}: dropped")
        return
    rows, trouble = versions.listing(_workspace(arguments))
    if trouble:
        print(f"labelmill: {trouble}", file=sys.stderr)
    say(arguments, rows, lambda: output.versions(rows))


def _diff(arguments: argparse.Namespace) -> None:
    from pipeline.versions import store

    folder = _workspace(arguments).versions
    found = store.difference(store.named(folder, arguments.a), store.named(folder, arguments.b))
    say(arguments, asdict(found), lambda: output.changes(found))


def _verify(arguments: argparse.Namespace) -> int:
    from pipeline.commands import verify

    found = verify.verify(_workspace(arguments), arguments.version_name)
    for place, wrong in found.items():
        print("\n".join(f"{place}: {what}" for what in wrong) or f"{place}: as its manifest says")
    return 1 if any(found.values()) else 0


def _export(arguments: argparse.Namespace) -> None:
    from pipeline.versions import export

    work = _workspace(arguments)
    limits = export.TokenLimits(arguments.tokenizer, arguments.max_input_tokens, arguments.max_target_tokens)
    done = export.export(
        work.versions, arguments.version, arguments.split, arguments.format, arguments.output, arguments.prefix, limits
    )
    output.exported(done)


def _takedown(arguments: argparse.Namespace) -> None:
    from pipeline.commands import takedown

    work = _workspace(arguments)
    for row_id in arguments.id:
        output.takedown(takedown.takedown(work, row_id, arguments.reason), arguments.job)


def _evaluate(arguments: argparse.Namespace) -> None:
    from pipeline.commands import evaluate

    found = evaluate.evaluate(_workspace(arguments), arguments.gold)
    say(arguments, found.as_dict(), lambda: output.evaluation(found))


def _report(arguments: argparse.Namespace) -> None:
    from pipeline.report import facts, page

    work = _workspace(arguments)
    found = facts.gather(work, arguments.against, arguments.seed)
    if arguments.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
        return
    path = arguments.output or (work.path if os.access(work.path, os.W_OK) else Path.cwd()) / page.FILE
    page.write(path, found)
    print(f"{found['verdict']}\n{path}")


def _prompt_render(arguments: argparse.Namespace) -> None:
    from pipeline import runner
    from pipeline.commands import prompt

    work = _workspace(arguments)
    runner.run(work, _options(arguments, last="filter"))
    found = prompt.render(work, arguments.id)
    say(arguments, found, lambda: output.prompt(found))


def _prompt_list(arguments: argparse.Namespace) -> None:
    from pipeline.commands import prompt

    rows = list(prompt.listing(arguments.job.parent))
    found = [dict(zip(("name", "output", "notes"), row, strict=True)) for row in rows]
    say(arguments, found, lambda: output.prompts(rows))


def _prompt_diff(arguments: argparse.Namespace) -> None:
    from pipeline.commands import prompt
    from pipeline.job.config import load_job
    from pipeline.job.workspace import Workspace

    a, b = (
        Workspace(load_job(arguments.job, [*arguments.set, f"label.prompt={name}"]))
        for name in (arguments.a, arguments.b)
    )
    found = prompt.difference(a, b)
    say(arguments, asdict(found), lambda: output.difference(found, arguments.a, arguments.b))


def _init(arguments: argparse.Namespace) -> None:
    from pipeline.commands import init

    written = init.quickstart(arguments.path) if arguments.quickstart else init.job_file(arguments.path)
    print(f"{written} written; next: labelmill run {written}")


def _doctor(arguments: argparse.Namespace) -> int:
    from pipeline.commands import doctor
    from pipeline.job.config import load_dotenv, load_job

    load_dotenv(Path.cwd())
    sound = True
    for fine, what, state in doctor.examine(load_job(arguments.job, arguments.set) if arguments.job else None):
        sound = sound and fine
        print(f"{'ok  ' if fine else 'FAIL'} {what:18} {state}")
    return 0 if sound else 1


CALLS: dict[str, Callable[[argparse.Namespace], int | None]] = {
    "collect": _collect,
    "doctor": _doctor,
    "diff": _diff,
    "evaluate": _evaluate,
    "export": _export,
    "init": _init,
    "ledger": _ledger,
    "prompt_diff": _prompt_diff,
    "prompt_list": _prompt_list,
    "prompt_render": _prompt_render,
    "publish": _publish,
    "quote": _quote,
    "report": _report,
    "review": _review,
    "run": _run,
    "show": _show,
    "stage": _stage,
    "takedown": _takedown,
    "verify": _verify,
    "versions": _versions,
    "status": _status,
}
