"""Prompts that wait for a slot, the longest first.  Filled from one thread, emptied from another."""

from __future__ import annotations

import threading
from bisect import insort
from concurrent.futures import Future
from dataclasses import dataclass, field

SETTLE_SECONDS = 0.05  # a wave begins when no more prompts come for so long
ALIKE = 0.5  # of the longest prompt of a wave: shorter ones wait for a wave of their own
LEAST_PREFIX = 16  # tokens: fewer are not worth computing apart


@dataclass(frozen=True, slots=True)
class Generated:
    """What was generated: the ids of a reply, without its end token; `tokens` were generated, `shared` tokens of the prompt
    computed once for all prompts.  `finish` is `stop` or `length`.
    """

    ids: list[int]
    tokens: int
    shared: int
    finish: str


@dataclass(slots=True, eq=False)
class Row:
    """A prompt, its reply so far, and how many tokens of both are computed."""

    prompt: list[int]
    future: Future[Generated] = field(default_factory=Future)
    reply: list[int] = field(default_factory=list)
    length: int = 0


class NotBegun(Exception):
    """The job stops; the prompt had not begun."""


class Pool:
    """The prompts that wait, for a generator in another thread."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._prefix: list[int] | None = None  # of all prompts so far
        self._changed = threading.Condition()
        self._stopped = False
        self.closed = False
        self._submitted = 0

    def submit(self, prompt: list[int]) -> Future[Generated]:
        """Add a prompt; the future's exception is Stopped where it never began."""
        row = Row(prompt)
        with self._changed:
            if self._stopped:
                row.future.set_exception(NotBegun())
                return row.future
            self._submitted += 1
            self._prefix = prompt if self._prefix is None else _common_prefix(self._prefix, prompt)
            self._put(row)
            self._changed.notify()
        return row.future

    def put_back(self, rows: list[Row]) -> None:
        """Have prompts begin anew."""
        with self._changed:
            for row in rows:
                row.reply, row.length = [], 0
                self._put(row)

    def _put(self, row: Row) -> None:
        insort(self._rows, row, key=lambda other: -len(other.prompt))

    def wait(self) -> bool:
        """Wait until there are prompts, and no more come for a moment; return False once it was closed."""
        with self._changed:
            while not self.closed:
                waiting = len(self._rows)
                self._changed.wait(SETTLE_SECONDS if waiting else None)
                if waiting and len(self._rows) == waiting:
                    return True
        return False

    def plan(self) -> tuple[int, int, list[int]]:
        """Return (tokens of the longest prompt, how many are about as long, what all begin with) of the next wave."""
        with self._changed:
            longest = len(self._rows[0].prompt) if self._rows else 0
            alike = sum(len(row.prompt) >= ALIKE * longest for row in self._rows)
            shared = self._prefix if self._prefix and self._submitted > 1 else []
            shared = shared[: len(self._rows[-1].prompt) - 1] if self._rows else []
        return longest, alike, shared if len(shared) >= LEAST_PREFIX and alike > 1 else []

    def take(self, most: int, longest: int, prefix: list[int]) -> list[Row]:
        """Return up to `most` prompts for a wave, the longest first."""
        taken: list[Row] = []
        remaining: list[Row] = []
        start = len(prefix)
        with self._changed:
            for row in self._rows:
                alike = ALIKE * longest <= len(row.prompt) <= longest and len(row.prompt) > start
                fits = alike and len(taken) < most and row.prompt[:start] == prefix
                (taken if fits else remaining).append(row)
            self._rows = remaining
        return [row for row in taken if row.future.running() or row.future.set_running_or_notify_cancel()]

    def stop(self) -> None:
        """Turn down what has not begun."""
        with self._changed:
            self._stopped = True
            rows, self._rows = self._rows, []
        for row in rows:
            if row.future.running() or row.future.set_running_or_notify_cancel():
                row.future.set_exception(NotBegun())

    def close(self) -> None:
        """Give up what is under way, too."""
        self.stop()
        with self._changed:
            self.closed = True
            self._changed.notify()


def _common_prefix(one: list[int], other: list[int]) -> list[int]:
    """Return the longest common prefix."""
    differing = (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return one[: next(differing, min(len(one), len(other)))]
