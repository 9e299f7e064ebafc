"""Coroutines run from code that is not asynchronous, wherever that code is: a command, a thread, a notebook."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

from pipeline.core import signals

Result = TypeVar("Result")


def run_coroutine(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end in an event loop of its own, and return its result or raise its exception.

    Where this thread runs a loop already, as in a notebook, the coroutine gets a thread.  What interrupts the wait for it (Ctrl-C)
    goes to who listens in the coroutine (`signals.stop_handler`); where nobody does, it cancels the coroutine and is raised.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run(main)
    return _LoopThread(main).result()


def _run(main: Coroutine[Any, Any, Result]) -> Result:
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes loops of uvloop, or None (asyncio's own are made) where it is not installed, as on Windows."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return None
    return new_event_loop


class _LoopThread(Generic[Result]):
    """A coroutine in a thread and a loop of its own, for which this thread waits."""

    def __init__(self, main: Coroutine[Any, Any, Result]) -> None:
        self._main = main
        self._task: asyncio.Task[Any] | None = None
        self._begun, self._over = threading.Event(), threading.Event()
        self._result: list[Result] = []
        self._error: BaseException | None = None

    def result(self) -> Result:
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(self._work,), name="run_coroutine", daemon=True)
        interrupt: BaseException | None = None
        with signals.raising_on_ctrl_c():
            thread.start()
            while not self._over.is_set():
                try:
                    self._over.wait()  # not `thread.join`, which once interrupted takes the thread for ended
                except BaseException as error:  # raised by the handler of a signal
                    interrupt = error if self._interrupt(error) else interrupt
        if interrupt is not None and isinstance(self._error, asyncio.CancelledError):
            raise interrupt
        if self._error is not None:
            raise self._error
        return self._result[0]

    def _work(self) -> None:
        try:
            self._result.append(_run(self._noted()))
        except BaseException as error:  # raised again in the thread that waits
            self._error = error
        finally:
            self._begun.set()
            self._over.set()

    async def _noted(self) -> Result:
        self._task = asyncio.current_task()
        self._begun.set()
        return await self._main

    def _interrupt(self, error: BaseException) -> bool:
        """Tell who listens in the coroutine; where nobody does, cancel it and return True."""
        self._begun.wait()
        if self._task is None:
            return False
        loop = self._task.get_loop()
        if signals.hand_over(loop, error):
            return False
        with suppress(RuntimeError):  # the loop is closed, so the coroutine is over
            loop.call_soon_threadsafe(self._task.cancel)
        return True
