"""Group commit: the ledger is synced once for all outcomes that came in within a short while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from pipeline.label.engine.request_attempt import AttemptOutcome

GROUP = 256  # outcomes in one commit, at most
GROUP_SECONDS = 0.05  # and how long the first of them waits for the others


class GroupCommit:
    """Outcomes that are not stored yet; `store` is awaited for a group at a time."""

    def __init__(self, store: Callable[[list[AttemptOutcome]], Awaitable[None]]) -> None:
        self._store = store
        self._waiting: list[AttemptOutcome] = []
        self._filled, self._full, self._over = asyncio.Event(), asyncio.Event(), False

    def add(self, outcome: AttemptOutcome) -> None:
        """Have an outcome stored, with others."""
        self._waiting.append(outcome)
        self._filled.set()
        if len(self._waiting) >= GROUP:
            self._full.set()

    def hurry(self) -> None:
        """Store now, be there outcomes or only a tariff."""
        self._filled.set()
        self._full.set()

    def finish(self) -> None:
        """Store what is there, and let `run` return."""
        self._over = True
        self.hurry()

    async def run(self) -> None:
        """Store group by group until `finish`."""
        while not (self._over and not self._waiting):
            await self._filled.wait()
            if not self._over:
                with suppress(TimeoutError):
                    # one timer for the group: a timeout for each reply costs more than its commit
                    async with asyncio.timeout(GROUP_SECONDS):
                        await self._full.wait()
            # Cleared before the group is stored: outcomes that come meanwhile set it again.
            self._full.clear()
            group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
            if not self._waiting and not self._over:
                self._filled.clear()
            await self._store(group)
