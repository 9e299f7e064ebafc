"""Hosts, and the pace at which each may be asked."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.collect.crawling.types import Url

NEVER = float("inf")


@dataclass(slots=True)
class Host:
    name: str
    ready: deque[Url] = field(default_factory=deque)
    busy: set[int] = field(default_factory=set)  # under way, or not committed yet
    in_flight: int = 0
    next_at: float = 0.0  # monotonic seconds
    delay: float = 0.0
    has_more: bool = True
    looked_at: float = NEVER  # when it will be
    is_left: bool = False  # it asked for more patience than a run has; what waits, waits for the next one


class Hosts:
    """All that were met, also when nothing of theirs waits.  `delay`: seconds between requests where a host asks for no more."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._known: dict[str, Host] = {}

    def of(self, name: str) -> Host:
        return self._known.setdefault(name, Host(name, delay=self._delay))

    async def turn(self, name: str) -> None:
        """Wait until a host may be asked once more: every request passes here, redirects and robots.txt as well."""
        host = self.of(name)
        at = max(time.monotonic(), host.next_at)
        host.next_at = at + host.delay
        if (wait := at - time.monotonic()) > 0:
            await asyncio.sleep(wait)

    def ended(self, names: Iterable[str], delay: float | None = None) -> None:
        """A request to these has; `delay`: seconds that their robots.txt wants between two."""
        for host in map(self.of, names):
            if delay is not None:
                host.delay = max(self._delay, delay)
            host.next_at = max(host.next_at, time.monotonic() + host.delay)

    def pause(self, names: Iterable[str], seconds: float) -> None:
        for host in map(self.of, names):
            host.next_at = max(host.next_at, time.monotonic() + seconds)

    def leave(self, names: Iterable[str]) -> None:
        for host in map(self.of, names):
            host.is_left = True
