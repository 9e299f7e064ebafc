"""What pauses a run that is of no use: a model that answers nonsense, an endpoint that only turns down."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

from pipeline.core.errors import RequestFailed
from pipeline.job.label_options import Brake
from pipeline.label.engine.failure_policy import REMEDIES, policy_of
from pipeline.label.engine.request_attempt import AttemptOutcome

SHOWN = 5  # replies


@dataclass(frozen=True, slots=True)
class BadReply:
    """A reply that is no good: whose, why, and what it says."""

    article: str
    why: str
    text: str


class QualityBreaker:
    """Watches the last `window` replies; without options it never breaks.

    A model that answers nonsense must not be paid for all the rest.
    """

    def __init__(self, options: Brake | None) -> None:
        self._most = options.share * options.window if options else float("inf")
        self._most_wasted = options.wasted * options.window if options and options.wasted else float("inf")
        self._last: deque[BadReply | None] = deque(maxlen=options.window if options else 1)
        self._bad = 0
        self._wasted: deque[bool] = deque(maxlen=options.window if options else 1)

    def add(self, bad: BadReply | None, is_wasted: bool = False) -> str | None:
        """Take note of a reply, None for a good one; return why to pause, with five of the bad ones, where there are too many.
        `is_wasted`: it was paid for nothing, and will not be asked again."""
        if len(self._last) == self._last.maxlen:
            # A full deque drops its oldest silently; the running count spares a sum over the window for each reply.
            self._bad -= self._last[0] is not None
        self._last.append(bad)
        self._wasted.append(is_wasted)
        self._bad += bad is not None
        if is_wasted and sum(self._wasted) > self._most_wasted:
            return self._why(
                [reply for reply, wasted in zip(self._last, self._wasted, strict=True) if reply and wasted]
            )
        return self._why([reply for reply in self._last if reply]) if bad and self._bad > self._most else None

    def _why(self, bad: list[BadReply]) -> str:
        # a person sees at a glance what a count does not say: the wrong prompt, another language, an error page
        counts = ", ".join(f"{why} {count}" for why, count in Counter(reply.why for reply in bad).most_common())
        shown = "".join(f"\n  {reply.article}  {reply.why}: {reply.text[:200]!r}" for reply in bad[-SHOWN:])
        return (
            f"{len(bad)} of the last {len(self._last)} replies are no good ({counts}); five of them:{shown}\n"
            f"{_remedy(bad)}look at prompt and model; --set label.brake=null goes on regardless"
        )


def _remedy(bad: list[BadReply]) -> str:
    most = Counter(reply.why for reply in bad).most_common(1)[0][0]
    return f"{REMEDIES[most]}; " if most in REMEDIES else ""


class RejectionBreaker:
    """Counts requests without an answer, and holds back rejections that need a witness (see `failure_policy`).

    `suspects` were rejected since the last answer: whether that is their articles' fault or the endpoint's is not known yet.
    """

    def __init__(self) -> None:
        self.suspects: list[AttemptOutcome] = []
        self._in_a_row: Counter[int] = Counter()  # by the bound that they count towards

    def failed(self, failure: RequestFailed) -> str | None:
        """Take note of a request that was rejected or given up; return why to pause, after too many in a row."""
        # each bound counts its own: behind forty long articles one that fails for no reason is the first of its kind
        most = policy_of(failure).max_in_a_row
        self._in_a_row[most] += 1
        if self._in_a_row[most] < most:
            return None
        return f"{most:,} requests in a row got no answer ({failure.code}: {failure})"

    def answered(self) -> list[AttemptOutcome]:
        """Take note of an answer; return the suspects, whose rejections are final now: the endpoint answers others."""
        # An answer, to whichever request, shows that the endpoint takes some: all bounds begin anew.
        self._in_a_row.clear()
        return self.release()

    def release(self) -> list[AttemptOutcome]:
        """Return the suspects and hold them back no longer."""
        released, self.suspects = self.suspects, []
        return released
