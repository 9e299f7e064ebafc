"""Command `quote`: what labelling the rest of a job will cost and how long it will take, before it is paid."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pyarrow as pa

from pipeline.core.errors import ConfigError
from pipeline.core.shards import read_order
from pipeline.core.text.tokens import is_encoding_of
from pipeline.core.types import Article, Request
from pipeline.job.label_options import Price
from pipeline.job.workspace import Workspace
from pipeline.label.batches import trial
from pipeline.label.chain import Asker, Course, Lack
from pipeline.label.cost import estimate
from pipeline.label.cost.prices import Prices, long_note, share_of, unknown
from pipeline.label.cost.token_bound import TokenBound
from pipeline.label.engine.context_fit import ContextFit
from pipeline.label.engine.monitor import EventLog, Monitor
from pipeline.label.engine.request_attempt import size_of
from pipeline.label.engine.run import ask_all
from pipeline.label.engine.run_context import RunContext
from pipeline.label.job_ledger import check_ledger_is_this_jobs, spent_elsewhere
from pipeline.label.ledger import Ledger, Record, open_ledger
from pipeline.label.requests import ARTICLE_COLUMNS, RequestBuilder, articles_of
from pipeline.label.sharing.plan import SharingPlan
from pipeline.label.stage_state import selection
from pipeline.label.until_notes import until_notes
from pipeline.split.near_copies import near_copies

_LOOKED_UP, _IN_FLIGHT = 256, 64  # articles; requests, assumed where neither a limit nor a sample tells
FREE = Price(input=0, output=0)


def quote(work: Workspace, sample: int = 0) -> estimate.Quote:
    """Quote the rest of a job; `sample`: label that many articles at random first (their labels are kept).

    The articles must have been filtered.  Raises Paused where the sample cannot be asked, InputError where the ledger lacks answers
    that the job had.
    """
    labeller = RequestBuilder(work)
    if labeller.prompt is None:
        raise ConfigError(f"label.provider: {labeller.provider_name} costs nothing; there is nothing to quote")
    with closing(open_ledger(work.ledger_target, work.config.name, verify=True)) as ledger:
        check_ledger_is_this_jobs(work, ledger, read_order(work.articles))
        survey = _Survey(work, labeller, ledger, sample)
        survey.count()
        if sample:
            survey.ask()
        result = survey.result()
    estimate.keep(work.quote_file, result)
    return result


@dataclass(frozen=True, slots=True)
class _Question:
    """A question about an article.  `tokens` are exact but for answers that it holds and that are not there yet, which count as
    nothing; `most` is what they may be for the endpoint, `ahead` those answers as long as they may be; `is_label`: it is the
    label's own, not one before it."""

    request: Request
    tokens: int
    most: int
    ahead: int
    is_label: bool


@dataclass(frozen=True, slots=True)
class _Drawn:
    """An article of the sample, with the questions about it as they were foreseen."""

    article: Article
    questions: list[_Question]


class _Survey:
    def __init__(self, work: Workspace, labeller: RequestBuilder, ledger: Ledger, sample: int) -> None:
        self._work, self._labeller, self._ledger, self._wanted = work, labeller, ledger, sample
        self._options = work.config.label
        self._provider = labeller.provider
        self._most_output = self._provider.max_output_tokens
        self._is_here = self._provider.pool is not None
        self._fitting = ContextFit(labeller, self._options.on_too_long, self._most_output)
        self._bound = TokenBound(self._is_counted_here())
        self._articles, self._labelled, self._answered = 0, 0, 0
        self._tokens, self._most, self._ahead = 0, 0, 0
        self._seen: set[bytes] = set()
        self._sharing: set[str] = set()  # ids of articles that another one is asked about for
        self._saved, self._saved_tokens, self._saved_most = set[bytes](), 0, 0
        self._drawn: list[tuple[bytes, bytes, _Drawn]] = []  # a heap of the largest of the smallest digests
        self._sample: list[_Drawn] = []

    def _is_counted_here(self) -> bool:
        """Return whether prompts are counted with the model's own tokenizer."""
        is_named = bool(self._labeller.tokenizer) or is_encoding_of(self._provider.model or "")
        return is_named or self._provider.ruler is not None

    def count(self) -> None:
        shards = read_order(self._work.articles)
        chosen = selection(self._work, self._labeller, shards).rows(None, note=False)
        if self._options.share:
            copies = near_copies(self._work, shards)
            plan = SharingPlan(self._work, self._labeller, self._ledger, copies, chosen)
            plan.next_round()
            self._sharing = plan.sources.keys() | plan.waiting
        with self._work.progress("count", len(shards), "shards") as progress:
            for shard, rows in chosen.items():
                table, given = self._work.filtered.read(shard, ARTICLE_COLUMNS), self._work.given
                for start in range(0, len(rows), _LOOKED_UP):
                    some = articles_of(table.take(pa.array(rows[start : start + _LOOKED_UP], pa.int64())))
                    articles = given.as_given(shard, some)
                    self._articles += len(articles)
                    self._count([each for each in articles if each.id not in self._sharing])
                    self._count_saved([each for each in articles if each.id in self._sharing])
                progress.update()
        self._sample, self._drawn = [drawn for *_, drawn in self._drawn], []

    def _count(self, articles: list[Article]) -> None:
        """Count what is still to be asked about some articles, every question once."""
        planned = self._planned(articles)
        answers = self._ledger.get(list({request.key: None for requests in planned for request, *_ in requests}))
        for article, requests in zip(articles, planned, strict=True):
            is_new = requests[0][0].key not in self._seen
            questions = [self._question(*request, is_answered=request[0].key in answers) for request in requests]
            for question in questions:
                if (key := question.request.key) not in self._seen:
                    self._seen.add(key)
                    self._answered += key in answers
                    self._labelled += question.is_label and key in answers
                    self._tokens += 0 if key in answers else question.tokens
                    self._most += 0 if key in answers else question.most
                    self._ahead += 0 if key in answers else question.ahead
                    self._compare(question.request, answers.get(key, []))
            if self._wanted and is_new:
                self._draw(_Drawn(article, questions))

    def _count_saved(self, articles: list[Article]) -> None:
        """Count what would be asked about some articles that share an answer."""
        planned = self._planned(articles)
        answered = self._ledger.asked(request.key for requests in planned for request, *_ in requests)
        for request, ahead, is_label in (each for requests in planned for each in requests):
            if request.key not in answered and request.key not in self._saved:
                self._saved.add(request.key)
                question = self._question(request, ahead, is_label, is_answered=False)
                self._saved_tokens += question.tokens
                self._saved_most += question.most

    def _planned(self, articles: list[Article]) -> list[list[tuple[Request, int, bool]]]:
        """Return the requests about each article, each with how many answers it holds that are not there yet, and whether it is
        the label's.  An article that is rejected by a prompt before the label's has no further ones."""
        courses = self._labeller.chain.follow(articles, self._ledger)
        asked = self._labeller.requests_of(courses, self._ledger)
        return [self._of_course(*each) for each in zip(courses, asked, strict=True)]

    def _of_course(self, course: Course, asked: Request | Lack) -> list[tuple[Request, int, bool]]:
        if course.lack and course.lack.status == "rejected":
            return [(request, 0, False) for request in course.requests]
        steps, ahead = self._labeller.chain.steps, self._labeller.chain.foresee(course)
        missing = {step.name for step in steps if step.name not in course.answers}
        before = [
            (request, len(missing & step.prompt.uses), False)
            for request, step in zip(ahead.requests, steps, strict=True)
        ]
        unknown = len(missing & self._labeller.prompt.uses) if self._labeller.prompt else 0
        request = self._labeller.request(course.article, ahead) if isinstance(asked, Lack) else asked
        return [*before, (request, unknown, True)]

    def _question(self, request: Request, unknown: int, is_label: bool, is_answered: bool) -> _Question:
        if is_answered and not self._wanted:
            return _Question(request, 0, 0, 0, is_label)
        tokens, ahead = self._fitting.tokens(request), unknown * (self._most_output or 0)
        most = self._bound.most_of(request, tokens, size_of(request))
        return _Question(request, tokens, most, ahead, is_label)

    def _compare(self, request: Request, records: list[Record]) -> None:
        """Note how many tokens the endpoint counted for a prompt that was sent whole."""
        record = next((record for record in records if record.reply and not record.note), None)
        if record and record.reply and record.reply.usage.input_tokens and self._bound.wants_more:
            self._bound.compare(record.reply.usage.input_tokens, self._fitting.tokens(request))

    def _draw(self, drawn: _Drawn) -> None:
        """Keep the articles whose first questions have the smallest digests: a random sample, and the same one each time."""
        key = drawn.questions[0].request.key
        rank = bytes(255 - byte for byte in hashlib.sha256(b"quote" + key).digest())
        if len(self._drawn) < self._wanted:
            heapq.heappush(self._drawn, (rank, key, drawn))
        elif rank > self._drawn[0][0]:
            heapq.heapreplace(self._drawn, (rank, key, drawn))

    def ask(self) -> None:
        """Label the sample."""
        asked_about = [drawn.article.text_sha256 for drawn in self._sample]
        selection(self._work, self._labeller, read_order(self._work.articles)).note_further(asked_about)
        foreseen = {question.request.key for drawn in self._sample for question in drawn.questions}
        earlier = self._ledger.get(list(foreseen))
        with self._work.locked(shared=True), self._work.progress("sample", len(foreseen), "requests") as bar:
            self._ledger.claims.elsewhere_usd = spent_elsewhere(self._work)  # locked: topics spend nothing now
            self._ask_sample(Monitor(bar, EventLog(self._work.events_file), self._ledger.report.spending().spent))
        counted = set[bytes]()
        for question, key, records in self._asked():
            if records and key not in counted and question.request.key not in earlier:
                counted.add(key)
                self._answered += 1
                self._labelled += question.is_label
                self._tokens -= question.tokens
                self._most -= question.most
                self._ahead -= question.ahead
                if key == question.request.key:
                    self._compare(question.request, records)

    def _ask_sample(self, monitor: Monitor) -> None:
        articles, chain = [drawn.article for drawn in self._sample], self._labeller.chain
        for step in chain.steps:
            courses = chain.follow(articles, self._ledger, step)
            self._ask_all(step, [course.requests[-1] for course in courses if course.lack is None], monitor)
        asked = self._labeller.requests(articles, self._ledger)
        self._ask_all(self._labeller, [each for each in asked if isinstance(each, Request)], monitor)

    def _ask_all(self, asker: Asker, requests: list[Request], monitor: Monitor) -> None:
        unique = list({request.key: request for request in requests}.values())
        ask_all(iter([unique]), RunContext(asker, self._ledger, self._options, monitor, lambda *_: None))

    def _asked(self) -> Iterator[tuple[_Question, bytes, list[Record]]]:
        """Yield the questions of the sample as they were foreseen, their keys as they were asked, and the ledger's records."""
        planned = self._planned([drawn.article for drawn in self._sample])
        for drawn, requests in zip(self._sample, planned, strict=True):
            keys = [request.key for request, *_ in requests]
            records = self._ledger.get(keys)
            for question, key in zip(drawn.questions, keys, strict=False):  # a rejected one has no further questions
                yield question, key, records.get(key, [])

    def _sampled(self) -> list[estimate.Sampled]:
        sampled = []
        for question, _, records in self._asked():
            # what a batch took says nothing of the online way, and its price is another
            answers = [record for record in records if record.reply and record.lane != "batch"]
            if answers and answers[-1].reply:
                costs = [record.cost_usd for record in answers]
                cost = None if None in costs else sum(cost or 0.0 for cost in costs)
                seconds = sum(record.seconds for record in answers)
                sampled.append(estimate.Sampled(question.tokens, answers[-1].reply.usage, cost, seconds))
        return sampled

    def result(self) -> estimate.Quote:
        limits, model = self._options.limits, self._provider.model
        price, online_tier = Prices(self._options.prices, self._provider.base_url).of(model), self._provider.tier
        price, is_batch = FREE if self._is_here else price, self._options.via == "batch"
        share = share_of(price, "batch") / (share_of(price, online_tier) or 1.0) if price else 1.0
        service_tier = "batch" if is_batch else online_tier
        requests = len(self._seen) - self._answered
        tokens = (self._tokens, self._bound.most(self._tokens, self._most) + self._ahead)
        prompts, most = estimate.price_of_rest(price, service_tier, tokens, requests, self._most_output)
        rpm, tpm = limits.requests_per_minute, limits.tokens_per_minute
        at_limits = estimate.seconds_at_limits(requests, self._tokens, rpm, tpm)
        cost = outputs = seconds = None
        if sample := self._sampled():
            # of the ledger, where the answers of a sample stay: asked about once more it tells the same
            in_flight = limits.concurrency or self._ledger.report.in_flight() or _IN_FLIGHT
            cost, outputs, seconds = estimate.intervals(sample, self._tokens, requests, in_flight, at_limits or 0.0)
            cost = (cost[0] * share, cost[1] * share) if cost and is_batch else cost
        rest = cost or (None if prompts is None else (prompts, most))
        times = seconds or (None if at_limits is None else (at_limits, at_limits))
        saved = estimate.price_of_rest(
            price, service_tier, (self._saved_tokens, self._saved_most), len(self._saved), self._most_output
        )
        if cost and self._tokens:  # as the sample's articles cost
            saved = cost[0] * self._saved_tokens / self._tokens, cost[1] * self._saved_tokens / self._tokens
        sharing = estimate.Saved(len(self._sharing), len(self._saved), *saved) if self._options.share else None
        chosen = selection(self._work, self._labeller, read_order(self._work.articles))
        rounds = [] if self._options.until is None else until_notes(chosen, rest)
        return estimate.Quote(
            articles=self._articles,
            answered=self._labelled,
            to_ask=requests,
            model=model,
            encoding=self._fitting.tokenizer,
            input_tokens=tokens[0],
            most_input_tokens=tokens[1],
            most_output_tokens=self._most_output,
            price=price.model_dump(mode="json") if price else None,
            paid_usd=self._ledger.report.spending().spent,
            input_usd=prompts,
            most_usd=most,
            sampled=len(sample),
            rest_usd=cost,
            output_tokens=outputs,
            requests_per_minute=rpm,
            tokens_per_minute=tpm,
            seconds_at_limits=at_limits,
            rest_seconds=seconds,
            notes=[
                *([str(sharing)] if sharing else []),
                *rounds,
                *self._notes(model, price is None and cost is None, long_note(price, self._bound.longest)),
            ],
            saved=sharing,
            ways=estimate.ways(self._options.via, rest, times, share, requests) if self._provider.batch_api() else [],
        )

    def _notes(self, model: str | None, unpriced: bool, *of_length: str | None) -> list[str]:
        sample, rest = [drawn.questions[-1].request.key for drawn in self._sample], len(self._seen) - self._answered
        notes = [*filter(None, of_length), *trial.notes(self._options, rest, self._ledger.claims.in_batches(sample))]
        if chain := self._labeller.chain:
            length = "count in what is at most" if self._most_output else "do not count: their length is not bounded"
            notes.append(
                f"{len(chain.steps) + 1} requests an article (label.before); answers that are not there yet {length}"
            )
        if counted := self._bound.note(model, self._fitting.tokenizer):
            notes.append(counted)
        if self._is_here:
            notes.append("the model runs on this machine: no money; --sample 50 measures the time")
            return notes
        if unpriced:
            notes.append(unknown(model))
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
