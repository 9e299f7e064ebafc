"""Command `quote`: what labelling the rest of a job will cost and how long it will take, before it is paid."""

from __future__ import annotations

import hashlib
import heapq
import time
from collections.abc import Iterator
from contextlib import closing

import pyarrow as pa

from pipeline.core.errors import ConfigError
from pipeline.core.shards import read_order
from pipeline.core.types import Request
from pipeline.job.config import Price
from pipeline.job.workspace import Workspace
from pipeline.label.cost import quote as quotes
from pipeline.label.cost.prices import Prices
from pipeline.label.cost.quote import Quote, Sampled
from pipeline.label.engine.context_fit import ContextFit
from pipeline.label.engine.monitor import EventLog, Monitor
from pipeline.label.engine.run import ask_all
from pipeline.label.engine.run_context import RunContext
from pipeline.label.ledger import Ledger, open_ledger
from pipeline.label.progress import selection
from pipeline.label.requests import ARTICLE_COLUMNS, RequestBuilder, articles_of
from pipeline.label.selection import Rows

_LOOKED_UP = 256
_IN_FLIGHT = 64  # requests, assumed where neither a limit nor a sample tells
FREE = Price(input=0, output=0)


def quote(work: Workspace, sample: int = 0) -> Quote:
    """Quote the rest of a job; `sample`: label that many articles at random first (their labels are kept).

    The articles must have been filtered.  Raises Paused where the sample cannot be asked.
    """
    labeller = RequestBuilder(work)
    if labeller.prompt is None:
        raise ConfigError(f"label.provider: {labeller.provider_name} costs nothing; there is nothing to quote")
    with closing(open_ledger(work.ledger_target, work.config.name, verify=True)) as ledger:
        survey = _Survey(work, labeller, ledger, sample)
        survey.count()
        in_flight = survey.ask() if sample else 0.0
        result = survey.result(in_flight)
    quotes.keep(work.quote_file, result)
    return result


class _Survey:
    def __init__(self, work: Workspace, labeller: RequestBuilder, ledger: Ledger, sample: int) -> None:
        self._work, self._labeller, self._ledger, self._wanted = work, labeller, ledger, sample
        self._options = work.config.label
        self._provider = labeller.provider
        self._most_output = self._provider.max_output_tokens
        self._is_here = self._provider.pool is not None
        self._fitting = ContextFit(labeller, self._options.on_too_long, self._most_output)
        self._articles, self._answered, self._tokens = 0, 0, 0
        self._seen: set[bytes] = set()
        self._drawn: list[tuple[bytes, int, bytes, Request]] = []  # a heap of the largest of the smallest digests
        self._sample: list[tuple[Request, int]] = []

    def count(self) -> None:
        shards = read_order(self._work.articles)
        chosen = selection(self._work, self._labeller, shards).rows(None, note=False)
        with self._work.progress("count", len(shards), "shards") as progress:
            for shard, rows in chosen.items():
                for requests in self._unique(shard, rows):
                    self._count(requests)
                progress.update()
        self._sample = [(request, tokens) for _, tokens, _, request in self._drawn]
        self._drawn = []

    def _unique(self, shard: str, rows: Rows) -> Iterator[list[Request]]:
        articles = articles_of(self._work.filtered.read(shard, ARTICLE_COLUMNS).take(pa.array(rows, pa.int64())))
        for start in range(0, len(articles), _LOOKED_UP):
            requests = self._labeller.requests(articles[start : start + _LOOKED_UP], self._ledger)
            self._articles += len(requests)
            fresh = {request.key: request for request in requests if request.key not in self._seen}
            self._seen.update(fresh)
            yield list(fresh.values())

    def _count(self, requests: list[Request]) -> None:
        answers = self._ledger.get([request.key for request in requests])
        self._answered += len(answers)
        for request in requests:
            answered = request.key in answers
            tokens = self._fitting.tokens(request) if not answered or self._wanted else 0
            self._tokens += 0 if answered else tokens
            if self._wanted:
                self._draw(request, tokens)

    def _draw(self, request: Request, tokens: int) -> None:
        """Keep the requests with the smallest digests: a random sample, and the same one each time."""
        rank = bytes(255 - byte for byte in hashlib.sha256(b"quote" + request.key).digest())
        item = (rank, tokens, request.key, request)
        if len(self._drawn) < self._wanted:
            heapq.heappush(self._drawn, item)
        elif rank > self._drawn[0][0]:
            heapq.heapreplace(self._drawn, item)

    def ask(self) -> float:
        """Label the sample; return how many requests were in flight on average."""
        events = EventLog(self._work.events_file)
        asked = [request for request, _ in self._sample]
        earlier = self._ledger.get([request.key for request in asked])
        started = time.monotonic()
        with self._work.locked(shared=True), self._work.progress("sample", len(asked), "articles") as bar:
            monitor = Monitor(bar, events, self._ledger.report.spending().spent)
            ask_all(iter([asked]), RunContext(self._labeller, self._ledger, self._options, monitor, lambda *_: None))
        wall = time.monotonic() - started
        fresh = [(request, tokens) for request, tokens in self._sample if request.key not in earlier]
        answered = self._ledger.get([request.key for request, _ in fresh])
        self._answered += len(answered)
        self._tokens -= sum(tokens for request, tokens in fresh if request.key in answered)
        busy = sum(record.seconds for records in answered.values() for record in records)
        return busy / wall if answered else 0.0

    def _sampled(self) -> list[Sampled]:
        records = self._ledger.get([request.key for request, _ in self._sample])
        sampled = []
        for request, tokens in self._sample:
            answers = [record for record in records.get(request.key, []) if record.reply]
            if answers and answers[-1].reply:
                costs = [record.cost_usd for record in answers]
                cost = None if None in costs else sum(cost or 0.0 for cost in costs)
                seconds = sum(record.seconds for record in answers)
                sampled.append(Sampled(tokens, answers[-1].reply.usage, cost, seconds))
        return sampled

    def result(self, measured_in_flight: float) -> Quote:
        limits, model = self._options.limits, self._provider.model
        price, service_tier = Prices(self._options.prices).of(model), self._provider.tier
        price = FREE if self._is_here else price
        requests = len(self._seen) - self._answered
        prompts, most = quotes.price_of_rest(price, service_tier, self._tokens, requests, self._most_output)
        rpm, tpm = limits.requests_per_minute, limits.tokens_per_minute
        at_limits = quotes.seconds_at_limits(requests, self._tokens, rpm, tpm)
        cost = outputs = seconds = None
        if sample := self._sampled():
            in_flight = limits.concurrency or measured_in_flight or _IN_FLIGHT
            cost, outputs, seconds = quotes.intervals(sample, self._tokens, requests, in_flight, at_limits or 0.0)
        return Quote(
            self._articles, self._answered, requests, model, self._fitting.tokenizer, self._tokens, self._most_output,
            price.model_dump(mode="json") if price else None, self._ledger.report.spending().spent, prompts, most, len(sample),
            cost, outputs, rpm, tpm, at_limits, seconds, self._notes(model, price is None),
        )  # fmt: skip

    def _notes(self, model: str | None, unpriced: bool) -> list[str]:
        notes = []
        if self._is_here:
            notes.append("the model runs on this machine: no money; --sample 50 measures the time")
            notes.append(f"tokens are counted as {self._fitting.tokenizer} does; the model's own may be more")
            return notes
        if unpriced:
            notes.append(f"the price of {model!r} is not known: give it in label.prices, or see the tokens only")
        if self._most_output is None:
            notes.append("no label.parameters.max_output_tokens: nothing bounds the length, and the price, of a reply")
        if self._options.limits.requests_per_minute is None and self._options.limits.tokens_per_minute is None:
            measured = "" if self._sample else "; --sample 200 measures it"
            notes.append(f"no limits in the job file: the time depends on the endpoint{measured}")
        if self._options.reask:
            notes.append(
                "replies that are truncated, empty or refuse are asked again; a sample takes that into account"
            )
        return notes
