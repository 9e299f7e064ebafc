"""A minute in a moment: an event loop whose clock jumps to the next timer, and an endpoint that enforces limits in it."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.core.types import RateLimits
from pipeline.label.pacing.admission import Closed, RequestAdmission


class _Jump(selectors.SelectSelector):
    """Waits for nothing: waiting is what moves the clock."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        self.loop.now += timeout or 0.0
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.now = 0.0
        selector = _Jump()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


@dataclass
class Endpoint:
    """Takes `per_minute` units, by fixed seconds or by a bucket that holds one second's worth; or `slots` at once.

    `size` is what a request counts, `latency` how long an answer takes (a refusal a tenth of that).
    """

    per_minute: float | None = 3000.0
    granularity: Literal["fixed", "bucket", "minute"] = "fixed"
    latency: float = 0.4
    retry_after: float | None = 1.0
    slots: int | None = None
    size: Callable[[], float] = lambda: 1.0
    accepted: list[float] = field(default_factory=list)  # when
    units: float = 0.0
    refused: int = 0
    _window: int = -1
    _used: float = 0.0
    _level: float | None = None
    _at: float = 0.0
    _free_at: list[float] = field(default_factory=list)

    def takes(self, units: float, now: float) -> bool:
        if self.per_minute is None:
            return True
        second = self.per_minute / 60
        if self.granularity == "bucket":
            level = second if self._level is None else min(second, self._level + (now - self._at) * second)
            self._at, self._level = now, level
            if level < units:
                return False
            self._level = level - units
            return True
        length = 1.0 if self.granularity == "fixed" else 60.0
        window = int((now + 0.37) / length)
        if window != self._window:
            self._window, self._used = window, 0.0
        if self._used + units > self.per_minute / 60 * length:
            return False
        self._used += units
        return True

    def seconds(self, now: float, jitter: float) -> float:
        """How long this answer takes; where there are slots, others may be before it."""
        if self.slots is None:
            return self.latency * jitter
        self._free_at = sorted(self._free_at + [now] * (self.slots - len(self._free_at)))
        start = max(now, self._free_at[0])
        self._free_at[0] = start + self.latency * jitter
        return self._free_at[0] - now


@dataclass
class Load:
    """As many requests as the gate lets through for `seconds`; `at` is called at times, to change the endpoint."""

    endpoint: Endpoint
    seconds: float = 61.0
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    headers: bool = False
    at: dict[float, Callable[[Endpoint], None]] = field(default_factory=dict)
    in_flight: list[int] = field(default_factory=list)

    def run(self) -> Load:
        run(self._main)
        return self

    async def _main(self) -> None:
        self._admission = RequestAdmission(self.requests_per_minute, self.tokens_per_minute, self.concurrency)
        loop, self._random = asyncio.get_running_loop(), random.Random(1)
        for at, change in self.at.items():
            loop.call_later(at, change, self.endpoint)
        loop.call_later(self.seconds, self._admission.close)
        tasks: set[asyncio.Task[None]] = set()
        try:
            while True:
                units = self.endpoint.size()
                passed = await self._admission.enter(units)
                task = asyncio.ensure_future(self._one(passed, units))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        except Closed:
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, passed: Any, units: float) -> None:
        loop, endpoint = asyncio.get_running_loop(), self.endpoint
        while True:
            self.in_flight.append(self._admission.in_flight)
            if endpoint.takes(units, loop.time()):
                endpoint.accepted.append(loop.time())
                endpoint.units += units
                await asyncio.sleep(endpoint.seconds(loop.time(), self._random.uniform(0.7, 1.3)))
                self._admission.answered(passed)
                if self.headers and endpoint.per_minute:
                    self._admission.set_advertised(RateLimits(requests=endpoint.per_minute))
                return
            endpoint.refused += 1
            await asyncio.sleep(endpoint.latency / 10)
            self._admission.refused(passed, endpoint.retry_after, "tokens" if units > 1 else "requests")
            passed = await self._admission.enter(units, "first", 1)

    @property
    def share(self) -> float:
        """Accepted units in the first minute, of what the limit allows."""
        assert self.endpoint.per_minute
        return self.endpoint.units / (self.endpoint.per_minute * self.seconds / 60)

    @property
    def refused(self) -> float:
        """The share of all attempts that was refused."""
        return self.endpoint.refused / max(1, self.endpoint.refused + len(self.endpoint.accepted))
