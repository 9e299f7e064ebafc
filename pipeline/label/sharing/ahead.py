"""The passes before the last one of a run that shares: they ask everyone who waits for nobody, then those next in line; and the
rows of articles that another one was asked about for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pipeline.core.types import Article, Request
from pipeline.label import request_rows
from pipeline.label.engine.run_context import RunContext
from pipeline.label.ledger import Ledger, Record
from pipeline.label.requests import RequestBuilder
from pipeline.label.sharing.log import AnswerSource
from pipeline.label.sharing.plan import NearCopy, SharingPlan

_NO_ANSWER = "the near-copy that is asked about for it got no answer"


class AskedAhead:
    """What the passes before the last one came to: the last one reads it out of the ledger, and asks nothing of it again.

    The first pass asks everyone who waits for nobody, and not only those who answer for others: these alone may all be turned
    down, and an endpoint that has answered nothing yet pauses the job; a batch may take a day, two would take two.
    """

    def __init__(self) -> None:
        self.keys: set[bytes] = set()
        self.statuses: Counter[str] = Counter()
        self.failures: dict[str, tuple[bytes, str | None, str]] = {}  # (key, code, detail) by the article's id
        self.twins: dict[str, bytes] = {}  # keys by id of articles whose question is that of another one
        self.has_run = False

    def finish(self, request: Request, record: Record | None, failure: str | None, detail: str) -> None:
        """Hear what became of a request."""
        if record is None:
            self.failures[request.article.id] = (request.key, failure, detail)
        else:
            self.keys.add(request.key)
        self.statuses["failed" if record is None else "answered" if record.reply else "rejected"] += 1

    def failures_of_all(self) -> dict[str, tuple[bytes, str | None, str]]:
        """Return the failures by article, also of those whose question was asked for another one."""
        by_key = {failure[0]: failure for failure in self.failures.values()}
        return {row_id: by_key[key] for row_id, key in self.twins.items() if key in by_key} | self.failures


class Pass:
    """One pass of the engine over some articles; a key that several share is in flight once."""

    def __init__(
        self, builder: RequestBuilder, articles: Callable[[], Iterator[list[Article]]], ahead: AskedAhead
    ) -> None:
        self._builder, self._articles, self._ahead = builder, articles, ahead
        self._in_flight: set[bytes] = set()

    def requests(self, context: RunContext) -> Iterator[list[Request]]:
        """Yield all requests of the pass, some at a time."""
        for articles in self._articles():
            asked = self._builder.requests(articles, context.ledger)
            yield [each for each in asked if isinstance(each, Request)]

    def fresh(self, context: RunContext) -> Iterator[list[Request]]:
        """Yield those that are not in flight, and count the others."""
        for requests in self.requests(context):
            fresh: dict[bytes, Request] = {}
            for each in requests:
                if each.key in self._in_flight or each.key in fresh:
                    self._ahead.twins[each.article.id] = each.key
                else:
                    fresh[each.key] = each
            self._in_flight |= fresh.keys()
            context.monitor.advance(len(requests) - len(fresh))
            if fresh:
                yield list(fresh.values())


class SharedAnswers:
    """What each article stands on that is not asked about in the last pass of a run; none before `take`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._sources: dict[str, AnswerSource] = {}
        self._waited_for: dict[str, NearCopy] = {}  # in vain
        self._failures: dict[str, tuple[bytes, str | None, str]] = {}

    def take(self, plan: SharingPlan, ahead: AskedAhead) -> None:
        """Take what a plan came to."""
        self._sources, self._failures = plan.sources, ahead.failures_of_all()
        # one that failed before the label's prompt is no request yet: the stage finds that out for itself
        self._waited_for = {row_id: asked for row_id, asked in plan.failed.items() if row_id != asked.id}

    def others(self, articles: Sequence[Article]) -> list[Article]:
        """Return those of some articles that are asked about in the last pass."""
        return [each for each in articles if not any(each.id in of for of in self._all)]

    @property
    def _all(self) -> tuple[dict[str, Any], ...]:
        return self._sources, self._waited_for, self._failures

    def rows_of(self, articles: Sequence[Article]) -> dict[str, tuple[bytes, dict[str, Any]]]:
        """Return (key, row of `requests/`) of the others, by id."""
        sources = {each.id: self._sources[each.id] for each in articles if each.id in self._sources}
        records = self._ledger.get(list({source.key for source in sources.values()}))
        rows = {
            row_id: (
                source.key,
                request_rows.of_shared(_answered(records[source.key]), source.shared_from, source.notes),
            )
            for row_id, source in sources.items()
        }
        for article in articles:
            if asked := self._waited_for.get(article.id):
                _, failure, detail = self._failures.get(asked.id, (asked.key, None, ""))
                detail = f"{_NO_ANSWER} ({asked.id}) {detail}".strip()
                rows[article.id] = (asked.key, request_rows.of_unanswered(failure, detail))
            elif article.id in self._failures:
                key, failure, detail = self._failures[article.id]
                rows[article.id] = (key, request_rows.of_unanswered(failure, detail))
        return rows


def _answered(records: Sequence[Record]) -> Record:
    """Return the last record with a reply: of a request that is shared there is one."""
    return next(record for record in reversed(records) if record.reply is not None)
