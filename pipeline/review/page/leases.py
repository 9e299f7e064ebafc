"""Leases: an article that one reviewer was given is kept from the others for a while, and only while his or her page is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from pipeline.review.log.judgements import LANES

_LEASE = 1800.0  # seconds that an article is kept from the others
# an open page calls once a minute, also from a tab in the background; who is silent for longer has closed it, or its machine
_SILENCE = 150.0


class Leases:
    """Leases by lane and article (its digest prefix).  One that ended is remembered: its reviewer was given the article."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[tuple[str, int], dict[str, float]] = {}
        self._heard: dict[str, float] = {}  # reviewer -> when the page last called

    def hear(self, reviewer: str) -> None:
        """Note that a reviewer's page is open."""
        self._heard[reviewer] = self._clock()

    def leave(self, reviewer: str) -> None:
        """End all leases of a reviewer, whose page was closed; another one that is open renews those of its articles."""
        for holders in self._until.values():
            if reviewer in holders:
                # Ended, not forgotten: what comes late from the page that was closed was given to its reviewer.
                holders[reviewer] = 0.0

    def take(self, lane: str, prefix: int, reviewer: str) -> None:
        """Keep an article for a reviewer."""
        self._until.setdefault((lane, prefix), {})[reviewer] = self._clock() + _LEASE

    def renew(self, lane: str, prefixes: Iterable[int], reviewer: str) -> None:
        """Keep those articles for longer that the reviewer was given and still has."""
        for prefix in prefixes:
            if self.was_given(lane, prefix, reviewer):
                self.take(lane, prefix, reviewer)

    def end(self, lane: str, prefix: int, reviewer: str) -> None:
        """Forget a lease: its article was judged."""
        self._until.get((lane, prefix), {}).pop(reviewer, None)

    def was_given(self, lane: str, prefix: int, reviewer: str) -> bool:
        """Return whether the reviewer was given the article and has not judged it."""
        return reviewer in self._until.get((lane, prefix), {})

    def lane_of(self, prefix: int, reviewer: str) -> str | None:
        """Return the lane in which the reviewer has the article now, None where in none."""
        return next((lane for lane in LANES if reviewer in self._holders(lane, prefix)), None)

    def others(self, lane: str, prefix: int, reviewer: str) -> int:
        """Return how many other reviewers have the article before them."""
        return len(self._holders(lane, prefix) - {reviewer})

    def _holders(self, lane: str, prefix: int) -> set[str]:
        now, silent = self._clock(), self._clock() - _SILENCE
        holders = self._until.get((lane, prefix), {})
        return {name for name, until in holders.items() if until > now and self._heard.get(name, silent) > silent}
