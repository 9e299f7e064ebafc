"""From an article to a request: a job's provider, task and prompt, and what identifies them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from pipeline.core import finish, plugins
from pipeline.core.contracts import Task
from pipeline.core.errors import ConfigError, LabelmillError
from pipeline.core.files import canonical_json, digest_of, write_json
from pipeline.core.json_labels import is_strict
from pipeline.core.text.tokens import Counter, counter_of, encoding_counter, tokenizer_counter
from pipeline.core.types import Article, Label, LabelColumn, Message, Reply, Request, ResponseFormat
from pipeline.job.config import JobConfig
from pipeline.job.workspace import Workspace
from pipeline.label import candidates, chain, endings, prompts
from pipeline.label.articles import ARTICLE_COLUMNS as ARTICLE_COLUMNS  # for those who make requests of rows
from pipeline.label.articles import articles_of as articles_of
from pipeline.label.articles import filtered_articles
from pipeline.label.chain import Chain, Course, Lack, PromptStep
from pipeline.label.ledger import Ledger, Record
from pipeline.label.provider_state import fitted, forget_earlier, remember, statistics
from pipeline.label.runs import Run, finished_key, identities, run_of_requests, started_key

_log = logging.getLogger("labelmill.label")


class RequestBuilder:
    """What turns an article into a request: provider, task and prompt of a job; their identity is the run's.

    Where an earlier version of the provider answered in this job, the job's run is still that one, and `newer` is the run of
    articles that it did not answer for.  Where the job file spelled the same question otherwise, the job's run is still that of
    then, and answers to any spelling count.
    """

    def __init__(self, work: Workspace, refit: bool = False) -> None:
        self._work = work
        config = work.config
        self.provider = plugins.create("providers", config.label.provider, config.label, config.provider_options)
        self.provider_name, self.tokenizer = config.label.provider, config.tokenizer
        self.prompt, before = chain.load(config)
        self._before = chain.identity(config.label.before, before)
        self.provider.identify(config.folder, work.weights_file, refit)
        if self.provider.fits():
            self.provider.load(statistics(work, self.provider, refit, filtered_articles(work)))
        count = config.label.candidates  # some prompt uses them: `chain.load` has checked it
        self._candidates = {candidates.VARIABLE: count} if count else {}
        self._form = _form(config) if self.prompt and self.prompt.source.output == "json_schema" else None
        if refit:
            forget_earlier(work)
        asked = identities(work, self.provider)
        remember(work, self.provider, asked)
        earlier = self.provider.earlier(work.models)
        spellings = [self._run_of(identity) for identity in (asked if earlier is None else [earlier])]
        self._run = run_of_requests(work, spellings) if len(spellings) > 1 else spellings[0]
        self._others = [run for run in spellings if run is not self._run]
        keys = [started_key(self.provider_name, run.identity["answers"]) for run in (self._run, *self._others)]
        self.chain = Chain(
            [
                PromptStep(options, prompt, self.provider, config, keys)
                for options, prompt in zip(config.label.before, before, strict=True)
            ],
            candidates.CandidateStore(work.candidates_file, count) if count else None,
        )
        self._is_first_run: bool | None = None
        self.newer = None if earlier is None else self._run_of(self.provider.identity)

    def _run_of(self, answers: dict[str, Any]) -> Run:
        started = started_key(self.provider_name, answers, *([self._form.schema] if self._form else []))
        prompt = self.prompt.digest if self.prompt else None
        identity: dict[str, Any] = {"provider": self.provider_name, "answers": answers, "prompt": prompt}
        identity |= ({"before": self._before} if self._before else {}) | self._candidates
        task = plugins.name_in_digests(self._work.config.task.__module__)
        return Run(identity, digest_of([identity, task])[:16], started)

    @property
    def column(self) -> LabelColumn:
        """How the job's labels stand in tables."""
        return self._work.config.label_column

    @cached_property
    def task(self) -> Task:
        """The job's task; made when a reply is parsed, for its tokenizer takes its time."""
        config = self._work.config
        task = plugins.create("tasks", config.label.task, config.task_options, token_counter(self._work))
        if self.prompt is not None:
            task.take_prompt(self.prompt.constants, self.prompt.source.language)
        return task

    @property
    def step(self) -> list[Any]:
        """What a shard of `requests/` depends on beside its articles."""
        return self._run.step

    @property
    def identity(self) -> dict[str, Any]:
        """Provider and prompt, as the job's run has them."""
        return self._run.identity

    @property
    def run_id(self) -> str:
        """Short digest of what made the raw replies: it stands in every label and names the run in a version."""
        return self._run.run_id

    def run_id_of(self, article: Article, key: bytes) -> str:
        """Return the run of a request for an article, by its key.

        With prompts before the label's it is the job's run, in whatever spelling an answer stands in the ledger.
        """
        if self.chain or not (self._others or self.newer):
            return self.run_id
        return self._run_of_key(self.request(article), key).run_id

    def _run_of_key(self, request: Request, key: bytes) -> Run:
        if request.key == key:
            return self._run
        return next((run for other, run in self._other_keys(request) if other == key), self.newer or self._run)

    @property
    def description(self) -> dict[str, Any]:
        """What a version tells of this run."""
        return self._describe(self._run)

    def _describe(self, run: Run) -> dict[str, Any]:
        identity = {"model": self.provider.model, **run.identity["answers"]}
        parameters = identity.pop("parameters", None)
        return {
            "run_id": run.run_id,
            "provider": self.provider_name,
            "model": identity.pop("model", None),
            "endpoint": identity.pop("endpoint", None),
            "parameters": identity if parameters is None else parameters | identity,
            "prompt": self.prompt.name if self.prompt else None,
            "prompt_sha256": self.prompt.digest if self.prompt else None,
            "prompt_text": self._prompt_text(),
        }

    def _prompt_text(self) -> dict[str, Any] | None:
        if self.prompt is None:
            return None
        before = {"before": [step.description for step in self.chain.steps]} if self.chain else {}
        return self.prompt.source.model_dump(mode="json") | before | self._candidates

    def describe(self, run_id: str) -> None:
        """Keep beside the job what a version tells of one of these runs."""
        file = self._work.run_file(run_id)
        if not file.exists():
            runs = (self._run, *self._others, *([self.newer] if self.newer else []))
            write_json(file, self._describe(next(run for run in runs if run.run_id == run_id)))

    def parse(self, reply: Reply, article: Article) -> Label:
        """Return the task's label of a reply, in the language that the prompt asks for, where it asks for one.

        A reply that was blocked or broken off has none, whatever the task.
        """
        if kept_back := finish.withheld(reply.finish_reason):
            return Label([], [], kept_back)
        label = self.task.parse(reply, self._as_asked(article))
        if finish.finish_of(reply.finish_reason) != "unknown" or finish.UNKNOWN in label.repairs:
            return label
        return replace(label, repairs=[finish.UNKNOWN, *label.repairs])

    def parse_shared(self, reply: Reply, article: Article) -> Label:
        """Return what a reply about a near-copy of an article is for the article itself: without what its text lacks."""
        label = self.parse(reply, article)
        return self.task.shared(label, self._as_asked(article)) if label.status == "ok" else label

    def _as_asked(self, article: Article) -> Article:
        language = self.prompt.source.language if self.prompt else None
        return replace(article, language=language) if language else article

    def verdict(self, request: Request, record: Record) -> str:
        """Return what a record is worth: `ok`, or why not.  What the endpoint says of a reply comes before its text."""
        reply = record.reply
        if reply is None:
            return record.error_code or "rejected"
        if kept_back := finish.withheld(reply.finish_reason):
            return kept_back
        ending = finish.finish_of(reply.finish_reason)
        if ending == "cut":
            return endings.of_cut(reply.text)
        if not reply.text.strip():
            return "empty"
        if ending == "unknown" and type(self.task).judge is Task.judge:
            return "truncated"  # nobody can tell whether its form is closed
        return self.task.judge(reply, self._as_asked(request.article))

    def with_text(self, request: Request, text: str) -> Request:
        """Return the same question about less of the article: same key, other messages."""
        if self.prompt is None:
            return request
        return replace(request, messages=self.prompt.render(replace(request.article, text=text), request.answers))

    def request(self, article: Article, course: Course | None = None) -> Request:
        """Return the request for an article; its key is a digest of what changes the answer.

        `course` is the article's through the prompts before this one, where the job has any.
        """
        return self._request(article, self._run, course)

    def requests(self, articles: Iterable[Article], ledger: Ledger) -> Sequence[Request | Lack]:
        """Return the requests for some articles: those that were asked by an earlier version of the provider, or in another
        spelling, as they were asked then.

        In place of one that needs the answer to a prompt before it, and has none, stands why.
        """
        if not (self.chain or self._candidates):
            return self._as_asked_before([self.request(article) for article in articles], ledger)
        return self.requests_of(self.chain.follow(articles, ledger), ledger)

    def requests_of(self, courses: Iterable[Course], ledger: Ledger) -> Sequence[Request | Lack]:
        """Return the requests for articles that went through the prompts before the label's, as `requests` does."""
        asked = [course.lack or self.request(course.article, course) for course in courses]
        requests = iter(self._as_asked_before([each for each in asked if isinstance(each, Request)], ledger))
        return [each if isinstance(each, Lack) else next(requests) for each in asked]

    def _as_asked_before(self, requests: list[Request], ledger: Ledger) -> list[Request]:
        if self._is_first_run is None:
            self._is_first_run = ledger.is_empty() and not ledger.batches.are_under_way()
        has_given = any(request.article.given for request in requests)
        if self._is_first_run or not (self._others or self.newer or has_given):
            return self._asked_anew(requests) if self.newer else requests
        asked = ledger.asked((request.key for request in requests), in_batches=True)
        missing = [request for request in requests if request.key not in asked]
        others = self._spelled_otherwise(missing, ledger)
        if self.newer:
            pairs = list(zip(missing, others, strict=True))
            anew = iter(self._asked_anew([request for request, other in pairs if other is request]))
            others = [next(anew) if other is request else other for request, other in pairs]
        instead = iter(others)  # by place, not by key, which articles with the same text share
        return [request if request.key in asked else next(instead) for request in requests]

    def _asked_anew(self, requests: list[Request]) -> list[Request]:
        """Return requests that an earlier version did not answer, as this one is asked."""
        assert self.newer is not None
        if requests:
            self.describe(self.newer.run_id)
        return [self._request(request.article, self.newer) for request in requests]

    def _spelled_otherwise(self, requests: list[Request], ledger: Ledger) -> list[Request]:
        """Return requests by the key under which the ledger has them, where it has."""
        keys = [[key for key, _ in self._other_keys(request)] for request in requests]
        asked = ledger.asked((key for of_one in keys for key in of_one), in_batches=True)
        earlier = (next((key for key in of_one if key in asked), None) for of_one in keys)
        return [
            request if key is None else replace(request, key=key)
            for request, key in zip(requests, earlier, strict=True)
        ]

    def _other_keys(self, request: Request) -> Iterator[tuple[bytes, Run]]:
        """Yield the further keys of a question with their runs: other spellings, and the text as it was before it was NFC."""
        for run in self._others:
            yield self._key(request.article, request.messages, run), run
        if given := request.article.given:
            article = replace(request.article, title=given.title, text=given.text)
            messages = self.prompt.render(article, request.answers) if self.prompt else ()
            for run in (self._run, *self._others):
                yield self._key(article, messages, run), run

    def _request(self, article: Article, run: Run, course: Course | None = None) -> Request:
        course = course or (self.chain.begin([article])[0] if self._candidates else None)
        answers = course.answers if course else prompts.NO_ANSWERS
        messages = self.prompt.render(article, answers) if self.prompt else ()
        request = Request(self._key(article, messages, run), article, messages, self._form)
        if course is None or not answers:
            return request
        before = tuple(earlier.key for earlier in course.requests)
        return replace(request, answers=answers, before=before, notes=tuple(course.notes))

    def _key(self, article: Article, messages: tuple[Message, ...], run: Run) -> bytes:
        return finished_key(run.key, article, None if self.prompt is None else messages)


def identified(work: Workspace) -> RequestBuilder | None:
    """Return the job's builder, where its identity is known without running anything.

    None where statistics were not fitted yet, or where it is not known yet which weights a model's name means.
    """
    config = work.config
    try:
        provider = plugins.create("providers", config.label.provider, config.label, config.provider_options)
        if provider.fits() and fitted(work) is None:
            return None
        if not provider.is_identified(config.folder, work.weights_file):
            return None
        return RequestBuilder(work)
    except (LabelmillError, OSError):  # the label stage will raise it; here only `status` looks
        return None


def load_prompt(config: JobConfig) -> prompts.Prompt | None:
    """Return the job's prompt, checked with those before it; None for a provider that takes the article itself.

    Raises ConfigError.
    """
    return chain.load(config)[0]


def _form(config: JobConfig) -> ResponseFormat:
    schema = config.task.schema(config.task_options)
    if schema is None:
        raise ConfigError(
            f"label.prompt: the task {config.label.task!r} reads no JSON; give a prompt without output: json_schema"
        )
    return ResponseFormat(config.label_column.name, schema, len(canonical_json(schema)), is_strict(schema))


def token_counter(work: Workspace) -> Counter:
    """Return the counter of the job's tokenizer, else of its token filter: labels are counted as articles are; else cl100k_base."""
    if work.config.tokenizer:
        return counter_of(work.config.tokenizer)
    for options in work.config.filter_options:
        if options.type == "tokens":
            if options.tokenizer:
                return tokenizer_counter(options.tokenizer)
            return encoding_counter(options.encoding or "cl100k_base", options.counter)
    return encoding_counter("cl100k_base")
