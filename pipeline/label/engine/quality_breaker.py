"""The quality brake: a model that answers nonsense must not be paid for all the rest."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

from pipeline.job.config import Brake

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Bad:
    """A reply that is no good: whose, why, and what it says."""

    article: str
    why: str
    reply: str


class QualityBreaker:
    """Watches the last `window` replies; None never brakes."""

    def __init__(self, options: Brake | None) -> None:
        self._most = options.share * options.window if options else float("inf")
        self._last: deque[Bad | None] = deque(maxlen=options.window if options else 1)
        self._bad = 0

    def saw(self, bad: Bad | None) -> str | None:
        """Take note of a reply; why to pause, with five of the bad ones, where there were too many."""
        if len(self._last) == self._last.maxlen:
            self._bad -= self._last[0] is not None
        self._last.append(bad)
        self._bad += bad is not None
        return self._why() if bad and self._bad > self._most else None

    def _why(self) -> str:
        bad = [reply for reply in self._last if reply]
        counts = ", ".join(f"{why} {count}" for why, count in Counter(reply.why for reply in bad).most_common())
        shown = "".join(f"\n  {reply.article}  {reply.why}: {reply.reply[:200]!r}" for reply in bad[-SHOWN:])
        return (
            f"{len(bad)} of the last {len(self._last)} replies are no good ({counts}); five of them:{shown}\n"
            "look at prompt and model; --set label.brake=null goes on regardless"
        )
