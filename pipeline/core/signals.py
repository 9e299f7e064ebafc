"""Signals: Ctrl-C and SIGTERM stop a command in the same way, whenever they come."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import asyncio

_listeners: dict[asyncio.AbstractEventLoop, Callable[[str], None]] = {}  # of loops beside the main thread
_swallowed = threading.Event()  # SIGTERM came; C code that imports may have lost the exception
NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
_AGAIN_SECONDS = 0.1  # long enough to be out of the interpreter's callback that swallowed the first one


class Terminated(SystemExit):
    """The exception that SIGTERM raises outside an event loop."""

    # No KeyboardInterrupt: one that comes in an `eval` (each named tuple is made by one) ends Python by a signal, though it was
    # caught.  A SystemExit, since event loops hand on no other exceptions.


def run_to_exit(command: Callable[[], int]) -> NoReturn:
    """Run a command and end this process with its exit code, which no signal changes once the command is over.

    What comes then ends the process at once, for a thread may keep it waiting; the last of the teardown, when Python runs no
    handlers any more and the system's would turn the exit code into the signal's, is deaf.
    """
    code = 3  # of a signal before the command begins

    def leave(*_: object) -> NoReturn:
        with suppress(Exception):  # a closed pipe; or the signal came within a flush
            sys.stdout.flush()
        os._exit(code)

    atexit.register(_ignore_signals)
    with raising_on_sigterm(then=leave):
        try:
            code = command()
        except SystemExit as ended:  # --help, a usage error
            code = ended.code if isinstance(ended.code, int) else 0
    sys.exit(code)


def _ignore_signals() -> None:
    for number in NAMES:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def raising_on_sigterm(then: Callable[..., object] | None = None) -> Iterator[None]:
    """Make SIGTERM raise Terminated as long as no event loop listens to it, also while libraries are imported.

    Afterwards `then`, where given, gets both signals; else the handlers of before are back.
    """

    def raised(*_: object) -> NoReturn:
        _swallowed.set()
        raise Terminated(3)

    _swallowed.clear()
    if threading.current_thread() is not threading.main_thread():  # no signals there
        yield
        return
    after = {number: then or signal.getsignal(number) for number in NAMES}
    hook = sys.unraisablehook
    signal.signal(signal.SIGTERM, raised)
    sys.unraisablehook = _sends_again(hook)
    try:
        yield
    finally:
        _set(after)
        sys.unraisablehook = hook


@contextmanager
def raising_on_ctrl_c() -> Iterator[None]:
    """Make Ctrl-C raise KeyboardInterrupt, also within a loop that listens for it but cannot act, as this thread is busy."""
    if threading.current_thread() is not threading.main_thread():  # no signals there
        yield
        return
    before = {signal.SIGINT: signal.getsignal(signal.SIGINT)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        _set(before)


def _sends_again(hook: Callable[[sys.UnraisableHookArgs], Any]) -> Callable[[sys.UnraisableHookArgs], None]:
    """Make a hook for exceptions that Python cannot raise where they come, as in a callback of its import locks: the signal comes
    once more, a moment later."""
    numbers: dict[type[BaseException], signal.Signals] = {Terminated: signal.SIGTERM, KeyboardInterrupt: signal.SIGINT}

    def unraisable(args: sys.UnraisableHookArgs) -> None:
        if args.exc_type in numbers:
            _swallowed.clear()  # a loop that begins meanwhile would hear it twice, which is another order
            over = threading.Event()
            threading.Thread(target=_send_after, args=(over, numbers[args.exc_type]), daemon=True).start()
            # on a busy machine starting a thread takes longer than any delay: what came within would be lost again
            over.set()
        else:
            hook(args)

    return unraisable


def _send_after(over: threading.Event, number: signal.Signals) -> None:
    """Send a signal to this process, from any thread; it wakes the main thread where that waits."""
    over.wait()
    time.sleep(_AGAIN_SECONDS)
    if sys.platform == "win32":  # there `kill` ends a process, whatever its handlers
        signal.raise_signal(number)
    else:
        os.kill(os.getpid(), number)


def _set(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None:  # one that is not Python's cannot be set again
            signal.signal(number, handler)


@contextmanager
def stop_handler(loop: asyncio.AbstractEventLoop, stop: Callable[[str], None]) -> Iterator[None]:
    """Call `stop` with the name of each signal (`Ctrl-C`, `SIGTERM`) that comes while `loop` runs, not the usual handlers."""
    # Not by `loop.add_signal_handler`: its removal leaves the system's handlers, which end the process, for a moment.
    if threading.current_thread() is not threading.main_thread():  # no signals there
        _listeners[loop] = stop
        try:
            yield
        finally:
            del _listeners[loop]
        return
    came: list[signal.Signals] = []

    def hand_over(number: int, _: object) -> None:
        came.append(signal.Signals(number))
        loop.call_soon_threadsafe(lambda: stop(NAMES[came.pop(0)]))

    before = {number: signal.getsignal(number) for number in NAMES}
    try:
        _set(dict.fromkeys(NAMES, hand_over))
        if _swallowed.is_set():
            _swallowed.clear()
            stop(NAMES[signal.SIGTERM])
        yield
    finally:
        _set(before)
        for number in came:  # the loop did not come to it
            signal.raise_signal(number)


def hand_over(loop: asyncio.AbstractEventLoop, error: BaseException) -> bool:
    """Tell who listens in `loop`, which runs in another thread, of the signal that raised `error` here; False: nobody listens."""
    name = {KeyboardInterrupt: "Ctrl-C", Terminated: "SIGTERM"}.get(type(error))
    stop = _listeners.get(loop)
    if name is None or stop is None:
        return False
    with suppress(RuntimeError):  # the loop is closed: what would stop is over
        loop.call_soon_threadsafe(stop, name)
    return True
