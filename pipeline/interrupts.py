"""Ctrl-C and SIGTERM: both stop a command in the same way, whenever they come."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import asyncio

NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt too, as long as no loop listens to it: also while libraries are imported."""

    def raised(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, raised)
    except ValueError:  # no signals outside the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def heard_by(loop: asyncio.AbstractEventLoop, stop: Callable[[str], None]) -> Iterator[None]:
    """`stop` is called with the name of what came, in place of what would happen otherwise."""
    before = {number: signal.getsignal(number) for number in NAMES}
    with suppress(NotImplementedError, RuntimeError, ValueError):  # no signals outside the main thread
        for number, name in NAMES.items():
            loop.add_signal_handler(number, stop, name)
    try:
        yield
    finally:
        with suppress(NotImplementedError, RuntimeError, ValueError, TypeError):
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)  # a loop forgets what was there
