"""State of each host: the pace of its requests, and which of its URLs are ready, busy or waiting."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.collect.crawling.types import QueuedUrl

NEVER = float("inf")


@dataclass(slots=True)
class HostState:
    """State of one host: its URLs under way, and when it may be asked again."""

    name: str
    ready: deque[QueuedUrl] = field(default_factory=deque)
    busy: set[int] = field(default_factory=set)  # numbers of URLs under way or not committed yet
    in_flight: int = 0
    next_at: float = 0.0  # monotonic seconds
    delay: float = 0.0
    has_more: bool = True
    due_at: float = NEVER  # when the loop starts its next requests
    is_deferred: bool = False  # it asked for a longer wait than a run takes; its URLs wait for the next run


class HostRegistry:
    """Every host of a run, also when nothing of it waits.  `delay`: seconds between requests where a host asks for no more."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._hosts: dict[str, HostState] = {}

    def of(self, name: str) -> HostState:
        """Return the state of a host, a new one where it was not met yet."""
        return self._hosts.setdefault(name, HostState(name, delay=self._delay))

    async def wait_turn(self, name: str) -> None:
        """Wait until one more request to a host may start; every request passes here, redirects and robots.txt as well."""
        host = self.of(name)
        at = max(time.monotonic(), host.next_at)
        host.next_at = at + host.delay
        if (wait := at - time.monotonic()) > 0:
            await asyncio.sleep(wait)

    def request_ended(self, names: Iterable[str], delay: float | None = None) -> None:
        """Note that a request to these hosts ended; the next may start `delay` seconds later, where their robots.txt says so."""
        for host in map(self.of, names):
            if delay is not None:
                host.delay = max(self._delay, delay)
            host.next_at = max(host.next_at, time.monotonic() + host.delay)

    def pause(self, names: Iterable[str], seconds: float) -> None:
        """Start no request to these hosts for some seconds (Retry-After)."""
        for host in map(self.of, names):
            host.next_at = max(host.next_at, time.monotonic() + seconds)

    def defer(self, names: Iterable[str]) -> None:
        """Leave what waits at these hosts to the next run."""
        for host in map(self.of, names):
            host.is_deferred = True
