"""What a person sees of a run: one live line, and a log of events (`events.jsonl`, one JSON object a line)."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from pipeline.core.finish import finish_of
from pipeline.core.types import Reply
from pipeline.label.engine.failure_policy import TURNED_AWAY

if TYPE_CHECKING:
    from tqdm import tqdm

_log = logging.getLogger("labelmill.progress")
_RATE_SECONDS = 10.0  # over which rates are averaged
_PATIENT_SECONDS = 10.0  # of waiting for a limit, before people are shown the endpoint's own words
_WORDS = 120  # characters of them
_LOGGED_EVERY = 30.0  # seconds between two `progress` events, and two lines where there is no live one
_EXAMPLES, _EXAMPLE_CHARS = 3, 80  # of replies that were turned away
_TAIL = 1 << 16  # bytes


def now() -> str:
    """Return the time in UTC, to the millisecond, as it stands in logs and records."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class EventLog:
    """The file of events.  Each is written at once, so that the log shows what a process did that was killed, too."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Appended unbuffered: each event is one write, which also two processes with one log do not tear apart.
        self._file = path.open("ab", buffering=0)

    def write(self, event: str, **fields: Any) -> None:
        """Append an event with the time and its fields."""
        self._file.write(orjson.dumps({"time": now(), "event": event, **fields}, default=str) + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def paused_because(path: Path) -> str | None:
    """Return why the last run stopped before its end, by its log; None where it did not, or is under way."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        lines = file.read().splitlines()
    # A process that was killed may have left half a line.
    last = orjson.loads(lines[-1]) if lines and lines[-1].endswith(b"}") else {}
    return str(last.get("why")) if last.get("event") == "stopped" else None


@dataclass
class TurnedAway:
    """Replies that are no label for one reason: how many, and three of them as people are told."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, article: str, text: str) -> None:
        """Count a reply to an article's question."""
        self.count += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(f"{article}: {' '.join(text.split())[:_EXAMPLE_CHARS]!r}")

    def __str__(self) -> str:
        return "; ".join(self.examples)


class Monitor:
    """What a run has done so far.  `bar` counts articles; `cost_usd` is what the job has cost, `quoted_usd` what it was quoted
    at.
    """

    def __init__(
        self,
        bar: tqdm[Any],
        events: EventLog,
        cost_usd: float = 0.0,
        quoted_usd: float | None = None,
        stage: str = "label",
    ) -> None:
        self._bar, self.events, self._quoted, self._stage = bar, events, quoted_usd, stage
        self.cost_usd, self.unpriced = cost_usd, 0
        self.done, self.answered, self.tokens, self.retries, self.refused = 0, 0, 0, 0, 0
        self.served: Counter[str] = Counter()  # answers by the model that gave them
        self.unknown_finishes: Counter[str] = Counter()  # answers by a finish reason that is not known
        self.turned_away: dict[str, TurnedAway] = {}  # replies by the gate that turned them away
        self._history: deque[tuple[float, int, int]] = deque()
        self._logged_at = time.monotonic()
        self._refusal, self._refused_since, self._is_shown = (
            "",
            0.0,
            False,
        )  # by a limit or an outage, since the last answer

    def refusal(self, words: str) -> None:
        """Count a refusal by a limit, in the endpoint's own words, which hold no key."""
        self.refused += 1
        self.wait_for(words)

    def wait_for(self, words: str) -> None:
        """Note why everybody waits, of a limit or in an outage, in words of the endpoint."""
        if not self._refusal:
            self._refused_since = time.monotonic()
        # The words are the endpoint's: what would move the cursor or colour a terminal is taken out.
        self._refusal = " ".join("".join(char if char.isprintable() else " " for char in words).split())[:_WORDS]

    def advance(self, count: int = 1) -> None:
        """Count articles of which all is known."""
        self.done += count
        self._bar.update(count)

    def answer(self, reply: Reply, cost_usd: float | None) -> None:
        """Count an answer; `cost_usd` is None where its price is not known."""
        self.answered += 1
        # An answer ends the wait, so the words of an older refusal would mislead.
        self._refusal, self._is_shown = "", False
        self.served[reply.model or "-"] += 1
        if finish_of(reply.finish_reason) == "unknown":
            self.unknown_finishes[str(reply.finish_reason)] += 1
        self.tokens += reply.usage.tokens or 0
        self.cost_usd += cost_usd or 0.0
        self.unpriced += cost_usd is None

    def include(self, other: Monitor) -> None:
        """Count what another one, which began with nothing, has counted of the same run."""
        self.answered += other.answered
        self.tokens += other.tokens
        self.retries += other.retries
        self.refused += other.refused
        self.unpriced += other.unpriced
        self.cost_usd += other.cost_usd
        self.served.update(other.served)
        self.unknown_finishes.update(other.unknown_finishes)
        for verdict, replies in other.turned_away.items():
            own = self.turned_away.setdefault(verdict, TurnedAway())
            own.count += replies.count
            own.examples = [*own.examples, *replies.examples][:_EXAMPLES]

    def judge(self, verdict: str, article: str, text: str) -> None:
        """Count a reply that a gate of evidence turned away, and keep the first of each kind."""
        if verdict in TURNED_AWAY:
            self.turned_away.setdefault(verdict, TurnedAway()).add(article, text)

    def rates(self) -> tuple[float, float]:
        """Return (answers, tokens) a second, lately."""
        seconds_now = time.monotonic()
        self._history.append((seconds_now, self.answered, self.tokens))
        while seconds_now - self._history[0][0] > _RATE_SECONDS:
            self._history.popleft()
        seconds_then, answered, tokens = self._history[0]
        # At the first look both times are one.
        seconds = max(seconds_now - seconds_then, 1e-3)
        return (self.answered - answered) / seconds, (self.tokens - tokens) / seconds

    def tick(self, in_flight: int, shut_for: float) -> None:
        """Bring the live line up to date; now and then the log as well, and the line itself where it cannot live.
        `shut_for` is how many seconds nothing may be sent."""
        requests, tokens = self.rates()
        if not self._bar.disable:
            self._bar.set_postfix_str(self._line(requests, tokens, in_flight, shut_for))
        is_news = bool(self._words()) and not self._is_shown
        self._is_shown = self._is_shown or is_news
        if is_news or time.monotonic() - self._logged_at > _LOGGED_EVERY:
            self._logged_at = time.monotonic()
            self.events.write("progress", **self.summary(), in_flight=in_flight, requests_per_second=round(requests, 1))
            if self._bar.disable:
                line = self._line(requests, tokens, in_flight, shut_for)
                _log.info(f"{self._stage}: {self.done:,}/{self._bar.total or 0:,}, {line}")

    def _line(self, requests: float, tokens: float, in_flight: int, shut_for: float) -> str:
        cost = _dollars(self.cost_usd) + (" + unknown" if self.unpriced else "")
        quoted = f" of {_dollars(self._quoted)}" if self._quoted is not None else ""
        words, seconds = self._words(), f" {shut_for:.0f} s" if shut_for > 1 else ""
        # before the numbers, which a narrow terminal cuts off
        first = f"waiting{seconds}: {words}; " if words else ""
        waiting = f", waiting{seconds} as the endpoint asks or fails" if seconds and not words else ""
        return (
            f"{first}{requests:,.0f} req/s, {tokens:,.0f} tok/s, {in_flight} in flight, {self.refused} 429s, "
            f"{self.retries} retries, {cost}{quoted}{waiting}"
        )

    def _words(self) -> str:
        """Return what the endpoint says to those who wait, once they have waited for a while."""
        is_due = time.monotonic() - self._refused_since > _PATIENT_SECONDS
        return self._refusal if self._refusal and is_due else ""

    def summary(self) -> dict[str, Any]:
        """Return the counts, for the event log."""
        return {
            "done": self.done,
            "total": self._bar.total,
            "answered": self.answered,
            "tokens": self.tokens,
            "refused_by_limit": self.refused,
            "retries": self.retries,
            "cost_usd": round(self.cost_usd, 6),
            "unpriced": self.unpriced,
            "served": dict(self.served),
            "unknown_finishes": dict(self.unknown_finishes),
            "turned_away": {reason: replies.count for reason, replies in self.turned_away.items()},
        }


def _dollars(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.4f}"
