"""Pacing: how soon the next request may go out.

Requests and tokens per minute are spent evenly (a minute's allowance is not sent in its first second), and an endpoint
that says "slow down" stops everyone, once, for as long as it says.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

Sleep = Callable[[float], Awaitable[None]]

_BURST_SECONDS = 1.0  # how much unused allowance may be saved up


class Pace:
    """An even flow of `per_minute` units; `None` is no limit."""

    def __init__(self, per_minute: int | None) -> None:
        self._seconds_a_unit = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0

    def reserve(self, units: float, now: float) -> float:
        """Take `units` and return the seconds to wait before using them."""
        start = max(self._next, now - _BURST_SECONDS)
        self._next = start + units * self._seconds_a_unit
        return max(0.0, start - now)


class Limiter:
    """The gate that every attempt passes, retries included (an endpoint counts those too).

    `sleep` waits for some seconds, or less where the job stops.
    """

    def __init__(self, requests_per_minute: int | None, tokens_per_minute: int | None, sleep: Sleep) -> None:
        self._sleep = sleep
        self._requests, self._tokens = Pace(requests_per_minute), Pace(tokens_per_minute)
        self._paused_until = 0.0

    async def turn(self, tokens: int) -> None:
        """Wait until one request of that many tokens may go out."""
        now = time.monotonic()
        wait = max(self._requests.reserve(1, now), self._tokens.reserve(tokens, now))
        if wait:
            await self._sleep(wait)
        if (pause := self._paused_until - time.monotonic()) > 0:
            await self._sleep(pause)

    def pause(self, seconds: float) -> None:
        """Hold everyone back; a pause under way is only made longer, never added to."""
        self._paused_until = max(self._paused_until, time.monotonic() + seconds)
