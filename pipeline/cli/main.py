"""The command line: `group` has what all commands share, a module for each kind of command parses and calls, `output` prints."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn

import click

from pipeline.cli import messages
from pipeline.cli.group import explained, labelmill
from pipeline.core.signals import raising_on_sigterm, run_to_exit

# isort: off
from pipeline.cli import running, topics, looking, releasing, training, setting_up  # noqa: F401  (they register their commands, in this order)
# isort: on


@raising_on_sigterm()
def main(argv: list[str] | None = None) -> int:
    """Run one command; return its exit code.  Raises SystemExit after --help, and for usage errors, which are one line."""
    if sys.platform == "linux" and os.uname().machine == "x86_64":  # where pyarrow's wheels have it
        # Read when pyarrow is imported: mimalloc, its default, keeps what was freed, 150 MB a million rows.
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
    # looking for circles among what was just made, every 700 objects, took a sixth of a command that settles a batch
    gc.set_threshold(20_000, 20, 20)
    codes: list[int] = []
    try:
        with messages.shown():
            labelmill.main(argv, "labelmill", standalone_mode=False, obj=codes)
    except click.Abort:  # Ctrl-C before the command began
        code, message = explained(KeyboardInterrupt())
        print(f"labelmill: {message}", file=sys.stderr)
        return code
    except click.exceptions.NoArgsIsHelpError as error:
        with suppress(BrokenPipeError):  # `labelmill | head`
            print(error.format_message())
        sys.exit(error.exit_code)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "labelmill"
        message = " ".join(error.format_message().split()).removesuffix(".")
        print(f"labelmill: {message}; see: {command} --help", file=sys.stderr)
        sys.exit(error.exit_code)
    if not codes:  # --help, --version
        sys.exit(0)
    return codes[0]


def process() -> NoReturn:
    """Run the command of `sys.argv` and end this process with its exit code."""
    run_to_exit(main)
