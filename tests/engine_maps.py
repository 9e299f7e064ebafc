"""Maps that the engines' tests run: functions of a module that imports little, since workers import it."""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

from pipeline.core import errors


def doubler() -> Any:
    return lambda number: 2 * number


def naming() -> Any:
    return lambda _: os.getpid()


def failing(kind: str) -> Any:
    made = {"InputError": "x.parquet: damaged", "HubError": "no"}

    def fail(_: object) -> None:
        raise errors.MissingExtra("a thing", "sql") if kind == "MissingExtra" else getattr(errors, kind)(made[kind])

    return fail


def killing(folder: Path, times: int) -> Any:
    """A task that ends its process, without a word, for as many times."""

    def kill(name: str) -> str:
        if name == "bad" and len(list(folder.iterdir())) < times:
            (folder / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return name

    return kill


def logging_one() -> Any:
    return lambda name: logging.getLogger("labelmill.test").warning("about %s", name)


def logging_and_failing() -> Any:
    def fail(name: str) -> None:
        logging.getLogger("labelmill.test").warning("about %s", name)
        raise errors.InputError("x.parquet: damaged")

    return fail


def reading(file: Path) -> Any:
    """A map whose tasks give what a file held when it was built."""
    text = file.read_text()
    return lambda _: text


def touching(folder: Path) -> Any:
    def touch(number: int) -> None:
        (folder / str(number)).touch()
        time.sleep(0.02)

    return touch
