"""Whose refusal it is: a limit of the endpoint, for which everybody waits, or one request that it never takes.

The words of a 429 do not always tell (a prompt that is larger than a minute's tokens, a gateway's rule for one text).  What happens
tells: a request that is refused again, while others are answered that were sent after its first refusal, waits for no limit.
It goes last from then on, when nothing else is under way, for a limit that others use up may have refused a large one; where it is
refused even so, and even so again, the fault is its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.core.errors import Unit

REFUSED_ALONE = "refused_alone"  # the code of such a rejection
MOST_ALONE = 4  # refusals of a request that went last
MOST_ALONE_IN_PARALLEL = 12  # other workers may fill a limit of parallel requests for a while
SHORTEST, LONGEST = 1.0, 5.0  # seconds between two tries of one that goes last; what the endpoint says, within these
LEAST_ALONE = 2  # refusals of a request by itself, where no other was there to compare it with
SILENCE = 75.0  # seconds of such refusals: a limit per minute has let go of everybody by then


@dataclass(slots=True)
class LimitRefusals:
    """How limits refused one request; times are of the event loop's clock."""

    count: int = 0
    first_at: float = 0.0
    differs: bool = False  # others were answered that were sent after its first refusal
    alone: int = 0  # refusals while nothing else was under way
    _alone_since: float | None = None
    _last_at: float = 0.0

    def add(self, now: float, others_are_answered: bool, is_alone: bool) -> None:
        """Note a refusal."""
        self.count += 1
        if self.count == 1:
            self.first_at = self._last_at = now
            return
        self.differs = self.differs or others_are_answered
        if is_alone:
            self.alone += 1
            self._alone_since = self._last_at if self._alone_since is None else self._alone_since
        # Others were under way, so what came before of refusals by itself says nothing any more.
        elif not self.differs:
            self.alone, self._alone_since = 0, None
        self._last_at = now

    def is_its_own(self, unit: Unit, has_company: bool) -> bool:
        """Return whether the endpoint refuses this request whatever the limit has left; `has_company`: other workers ask, too."""
        if self.differs:
            return self.alone >= (MOST_ALONE_IN_PARALLEL if unit == "parallel" else MOST_ALONE)
        if has_company or self._alone_since is None or self.alone < LEAST_ALONE:
            return False  # others may use up the limit, so only what they are answered tells
        return self._last_at - self._alone_since >= SILENCE

    def pause(self, asked_for: float | None) -> float:
        """Return the seconds before the next try of a request that goes last."""
        growing = SHORTEST * 2.0 ** max(0, self.alone - 1)
        return min(max(asked_for or growing, SHORTEST), LONGEST)
