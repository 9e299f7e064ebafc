"""What a person sees of a run: one live line, and a log of events (`events.jsonl`, one JSON object a line)."""

from __future__ import annotations

import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from tqdm import tqdm

_RATE_SECONDS = 10.0  # over which rates are averaged
_LOGGED_EVERY = 30.0  # seconds between two `progress` events


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class EventLog:
    """Each event is written at once, so that the log tells of a process that was killed, too."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)

    def write(self, event: str, **fields: Any) -> None:
        self._file.write(orjson.dumps({"time": now(), "event": event, **fields}, default=str) + b"\n")

    def close(self) -> None:
        self._file.close()


class Monitor:
    """`bar` counts articles; `cost_usd` is what the job has cost so far, `quoted_usd` what it was said to cost."""

    def __init__(
        self, bar: tqdm[Any], events: EventLog, cost_usd: float = 0.0, quoted_usd: float | None = None
    ) -> None:
        self._bar, self.events, self._quoted = bar, events, quoted_usd
        self.cost_usd, self.unpriced = cost_usd, 0
        self.answered, self.tokens, self.retries, self.refused = 0, 0, 0, 0
        self._marks: deque[tuple[float, int, int]] = deque()
        self._logged_at = time.monotonic()

    def settled(self, count: int = 1) -> None:
        self._bar.update(count)

    def answer(self, tokens: int, cost_usd: float | None) -> None:
        self.answered += 1
        self.tokens += tokens
        self.cost_usd += cost_usd or 0.0
        self.unpriced += cost_usd is None

    def rates(self) -> tuple[float, float]:
        """Answers and tokens a second, lately."""
        at = time.monotonic()
        self._marks.append((at, self.answered, self.tokens))
        while at - self._marks[0][0] > _RATE_SECONDS:
            self._marks.popleft()
        then, answered, tokens = self._marks[0]
        seconds = max(at - then, 1e-3)
        return (self.answered - answered) / seconds, (self.tokens - tokens) / seconds

    def tick(self, in_flight: int) -> None:
        """Bring the live line up to date; now and then the log as well."""
        requests, tokens = self.rates()
        if not self._bar.disable:
            cost = _dollars(self.cost_usd) + (" + unknown" if self.unpriced else "")
            quoted = f" of {_dollars(self._quoted)}" if self._quoted is not None else ""
            self._bar.set_postfix_str(
                f"{requests:,.0f} req/s, {tokens:,.0f} tok/s, {in_flight} in flight, {self.refused} 429s, "
                f"{self.retries} retries, {cost}{quoted}"
            )
        if time.monotonic() - self._logged_at > _LOGGED_EVERY:
            self._logged_at = time.monotonic()
            self.events.write("progress", **self.summary(), in_flight=in_flight, requests_per_second=round(requests, 1))

    def summary(self) -> dict[str, Any]:
        return {
            "done": self._bar.n,
            "total": self._bar.total,
            "answered": self.answered,
            "tokens": self.tokens,
            "refused_by_limit": self.refused,
            "retries": self.retries,
            "cost_usd": round(self.cost_usd, 6),
            "unpriced": self.unpriced,
        }


def _dollars(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.4f}"
