"""Group of all commands, and what they have in common: help with an example, JOB and --set, --json, --debug, exit codes."""

from __future__ import annotations

import shlex
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipeline.core.errors import LabelmillError
from pipeline.core.hints import with_job
from pipeline.core.signals import Terminated

if TYPE_CHECKING:
    from pipeline.job.workspace import Workspace

QUICKSTART = "data/quickstart/job.yaml"
EXIT_CODES = "exit codes: 0 done, 1 error, 2 usage or job file, 3 paused (run again to resume), 4 a gate stopped"
FILE = click.Path(path_type=Path)
OVERRIDES = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a value of the job file, e.g. label.model=NAME.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="As JSON.")
_DEBUG = "labelmill.debug"  # set in the context of a command, which those above it share
_JOB = "labelmill.job"  # likewise

Function = TypeVar("Function", bound=Callable[..., Any])


class Number(click.IntRange):
    """Whole number within bounds; `expected` says in the error what would have been right."""

    def __init__(self, low: int, high: int | None, expected: str) -> None:
        super().__init__(low, high)
        self._expected = expected

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is {self._expected}", param, ctx)


POSITIVE = Number(1, None, "no whole number above 0")


class _WithExample:
    """Command whose help ends with an example, as it is written."""

    epilog: str | None

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write(f"\nexample:\n  {self.epilog}\n")


class Command(_WithExample, click.Command):
    """Command with an example."""


class Group(_WithExample, click.Group):
    """Commands, listed in the order in which they are registered; without one of them, it shows its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


class Program(Group):
    """All commands; every failure becomes one line and an exit code, which `Context.obj`, a list, gets."""

    def invoke(self, ctx: click.Context) -> None:
        try:
            code = super().invoke(ctx) or 0
        except (click.ClickException, click.exceptions.Exit):  # usage errors, --help
            raise
        except BrokenPipeError:
            sys.stderr.close()  # the reader of a pipe (`| head`) has seen enough
            code = 0
        except (Exception, KeyboardInterrupt, Terminated) as error:
            if ctx.meta.get(_DEBUG):
                traceback.print_exc()
            code, message = explained(error)
            print(f"labelmill: {with_job(message, ctx.meta.get(_JOB, 'JOB'))}", file=sys.stderr)
        ctx.obj.append(code)


def explained(error: BaseException) -> tuple[int, str]:
    """Return the exit code and one line for whatever went wrong."""
    if isinstance(error, LabelmillError):
        return error.exit_code, str(error)
    if isinstance(error, KeyboardInterrupt | Terminated):
        return 3, "stopped; what was finished is kept, the same command goes on"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return 1, f"{where}{error.strerror or error}; nothing is lost: mend it, run again"
    message = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return 1, f"{message} (not foreseen: --debug shows where; nothing is lost)"


@dataclass(frozen=True)
class Job:
    """Job file that a command is about, with the overrides of `--set`."""

    path: Path
    overrides: tuple[str, ...]

    @property
    def in_commands(self) -> str:
        """Return the path as a command in a hint names it."""
        return shlex.quote(str(self.path))

    def workspace(self, *more: str) -> Workspace:
        """Read the job file, with `more` overrides; return its workspace."""
        from pipeline.job.job_file import load_job
        from pipeline.job.workspace import Workspace

        return Workspace(load_job(self.path, [*self.overrides, *more]))


@click.group(
    "labelmill",
    Program,
    help="From a pile of articles to a labelled, reviewed, versioned training set.",
    epilog=f"labelmill run {QUICKSTART}\n\n{EXIT_CODES}",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="labelmill", message="labelmill %(version)s")
def labelmill() -> None:
    """Hold the commands; they register themselves."""


def command(name: str, text: str, example: str, group: click.Group = labelmill) -> Callable[[Function], click.Command]:
    """Register a command; `example` is how it is called, without `labelmill`."""

    def register(function: Function) -> click.Command:
        debug = click.option(
            "--debug", is_flag=True, expose_value=False, callback=_note_debug, help="Show the traceback of an error."
        )
        return group.command(name, Command, help=text, epilog=f"labelmill {example}")(debug(function))

    return register


def job_command(
    name: str, text: str, example: str, group: click.Group = labelmill
) -> Callable[[Function], click.Command]:
    """Register a command about a job: JOB is its first argument, and the function gets a Job as `job`."""

    def register(function: Function) -> click.Command:
        @wraps(function)
        def call(job: Path, overrides: tuple[str, ...], **flags: Any) -> Any:
            click.get_current_context().meta[_JOB] = shlex.quote(str(job))
            return function(job=Job(job, overrides), **flags)

        argument = click.argument("job", type=FILE, metavar="JOB")
        return command(name, text, example, group)(argument(OVERRIDES(call)))

    return register


def _note_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.meta[_DEBUG] = value
