"""Asking of the prompts before the label's: one pass of the engine a step, over the articles that the label's pass will ask about.

A pass asks what the ledger does not know; the next one reads the answers out of the ledger, so nothing is held in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from pipeline.core.types import Article, Request
from pipeline.label.chain import Chain, PromptStep
from pipeline.label.engine.run_context import OnFinished, RunContext
from pipeline.label.ledger import Ledger, Record

Articles = Callable[[], Iterator[Sequence[Article]]]
Batches = Callable[[], Iterator[list[Request]]]
Ask = Callable[[RunContext, Batches, Batches], None]
"""(context, all requests of a pass, those that nobody waits for yet): asks them, and raises Paused where it cannot ask all."""


def ask_before(
    chain: Chain,
    articles: Articles,
    context_of: Callable[[PromptStep, OnFinished], RunContext],
    on_finished: OnFinished,
    ask: Ask,
) -> None:
    """Ask the prompts of `chain`, one after the other, about the articles that `articles()` yields, some at a time.

    `on_finished` hears of each request.  Raises Paused, with everything answered kept.
    """
    for step in chain.steps:
        asked = _Pass(chain, step, articles, on_finished)
        context = context_of(step, asked.finish)
        ask(context, partial(asked.requests, context), partial(asked.fresh, context))


class _Pass:
    """One step over all articles; a key that several articles share is in flight once."""

    def __init__(self, chain: Chain, step: PromptStep, articles: Articles, on_finished: OnFinished) -> None:
        self._chain, self._step, self._articles, self._on_finished = chain, step, articles, on_finished
        self._in_flight: set[bytes] = set()

    def requests(self, context: RunContext) -> Iterator[list[Request]]:
        """Yield the step's requests, some at a time, each at most once among them."""
        for some in self._articles():
            yield list(self._of(some, context.ledger)[1].values())

    def fresh(self, context: RunContext) -> Iterator[list[Request]]:
        """Yield those that are not in flight, and count the others."""
        for some in self._articles():
            count, requests = self._of(some, context.ledger)
            fresh = [request for key, request in requests.items() if key not in self._in_flight]
            self._in_flight.update(request.key for request in fresh)
            context.monitor.advance(count - len(fresh))
            if fresh:
                yield fresh

    def _of(self, articles: Sequence[Article], ledger: Ledger) -> tuple[int, dict[bytes, Request]]:
        """Return (how many courses there are, the requests of this step by key)."""
        courses = self._chain.follow(articles, ledger, self._step)
        return len(courses), {course.requests[-1].key: course.requests[-1] for course in courses if course.lack is None}

    def finish(self, request: Request, record: Record | None, failure: str | None, detail: str) -> None:
        """Hear what became of a request."""
        self._in_flight.discard(request.key)
        self._on_finished(request, record, failure, detail)
