"""Stopping a run: on purpose (Paused), because something broke here, or by Ctrl-C, once and twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pipeline.core import signals
from pipeline.core.errors import Paused

_log = logging.getLogger("labelmill.label")


class Stop:
    """Whether a run stops, and why.  `on_stop` is called once, when nothing more may be sent.

    What is in flight is always stored, also where it was a file of this machine that failed: it may be paid.
    """

    def __init__(self, on_stop: Callable[[], None]) -> None:
        self.why: str | None = None
        self._code = ""
        self._on_stop = on_stop
        self._event = asyncio.Event()
        self._broken: BaseException | None = None

    def pause(self, why: str, code: str = "") -> None:
        """Send nothing more, keep what is in flight; nobody waits any longer to try again.  `code` is that of a failed request."""
        # The first reason is the one that people are told: those that follow are mostly its consequences.
        if self.why is None:
            self.why, self._code = why, code
            self._event.set()
            self._on_stop()

    def broken_by(self, error: BaseException) -> None:
        """Pause because of an error on this side, which `raise_if_any` raises."""
        self._broken = self._broken or error
        self.pause(str(error))

    def wake(self) -> None:
        """End the waits of those who sleep; nothing stops."""
        # Those who wait hold the old event; who comes later waits for a new one.
        self._event.set()
        if self.why is None:
            self._event = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Wait, but no longer than until the job stops or all are woken."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()

    def raise_if_any(self) -> None:
        """Raise what stopped the run, if anything did: the error on this side, else Paused."""
        if self._broken:
            raise self._broken
        if self.why:
            pause = Paused(f"{self.why}; every answer is kept: the same command goes on where it stopped")
            pause.code = self._code
            raise pause

    @contextmanager
    def on_interrupt(self) -> Iterator[None]:
        """Pause at Ctrl-C (or SIGTERM); at the second one cancel the task that is running now, and with it what is in flight."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def interrupted(name: str) -> None:
            if self.why and task:
                task.cancel()
            elif not self.why:
                _log.warning(f"{name}: waiting for what is in flight; once more stops at once")
            self.pause(f"stopped by {name}")

        with signals.stop_handler(loop, interrupted):
            yield
