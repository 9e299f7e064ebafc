"""Ctrl-C and SIGTERM: both stop a command in the same way, whenever they come."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import asyncio

_swallowed = threading.Event()  # SIGTERM came; C code that imports may have lost the exception
NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


class Terminated(SystemExit):
    """SIGTERM came.  No KeyboardInterrupt: one that comes in an `eval` (each named tuple is made by one) ends Python by a signal,
    though it was caught.  A SystemExit, for loops hand on no others."""


@contextmanager
def raised_when_terminated() -> Iterator[None]:
    """SIGTERM raises Terminated as long as no loop listens to it: also while libraries are imported."""

    def raised(*_: object) -> NoReturn:
        _swallowed.set()
        raise Terminated(3)

    _swallowed.clear()
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
    if _swallowed.is_set():
        stop(NAMES[signal.SIGTERM])
    try:
        yield
    finally:
        with suppress(NotImplementedError, RuntimeError, ValueError, TypeError):
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)  # a loop forgets what was there
