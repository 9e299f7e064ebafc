"""Asking of the prompts before the label's: one pass of the engine a step, over the articles that the label's pass will ask about.

A pass asks what the ledger does not know; the next one reads the answers out of the ledger, so nothing is held in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pipeline.core.types import Article, Request
from pipeline.label.chain import Chain, PromptStep
from pipeline.label.engine.monitor import Monitor
from pipeline.label.engine.run import ask_all
from pipeline.label.engine.run_context import OnFinished, RunContext
from pipeline.label.ledger import Ledger, Record


def ask_before(
    chain: Chain,
    articles: Callable[[], Iterator[Sequence[Article]]],
    context_of: Callable[[PromptStep, OnFinished], RunContext],
    on_finished: OnFinished,
) -> None:
    """Ask the prompts of `chain`, one after the other, about the articles that `articles()` yields, some at a time.

    `on_finished` hears of each request.  Raises Paused, with everything answered kept.
    """
    for step in chain.steps:
        _Pass(chain, step, on_finished).ask(articles(), context_of)


class _Pass:
    """One step over all articles; a key that several articles share is in flight once."""

    def __init__(self, chain: Chain, step: PromptStep, on_finished: OnFinished) -> None:
        self._chain, self._step, self._on_finished = chain, step, on_finished
        self._in_flight: set[bytes] = set()

    def ask(
        self, articles: Iterator[Sequence[Article]], context_of: Callable[[PromptStep, OnFinished], RunContext]
    ) -> None:
        context = context_of(self._step, self._finish)
        ask_all(self._batches(articles, context.ledger, context.monitor), context)

    def _batches(
        self, articles: Iterator[Sequence[Article]], ledger: Ledger, monitor: Monitor
    ) -> Iterator[list[Request]]:
        for some in articles:
            courses = self._chain.follow(some, ledger, self._step)
            requests = {course.requests[-1].key: course.requests[-1] for course in courses if course.lack is None}
            fresh = [request for key, request in requests.items() if key not in self._in_flight]
            self._in_flight.update(request.key for request in fresh)
            monitor.advance(len(courses) - len(fresh))
            if fresh:
                yield fresh

    def _finish(self, request: Request, record: Record | None, failure: str | None, detail: str) -> None:
        self._in_flight.discard(request.key)
        self._on_finished(request, record, failure, detail)
