"""Prompts before the label's (`label.before`): each is asked of the same model, and its answer is a variable of those behind it.

A step is a question like any other: it has a key in the ledger, made of what it sends, so it is priced, resumed and never paid
twice; and the next prompt's key follows from its rendered text, which holds the answer.  Nothing but the ledger remembers
answers: `Chain.follow` reads them out of it for some articles at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import orjson

from pipeline.core import contracts, finish, plugins
from pipeline.core.errors import ConfigError
from pipeline.core.types import Article, Message, Reply, Request
from pipeline.job.config import JobConfig
from pipeline.job.label_options import PromptBefore
from pipeline.label import endings, prompts
from pipeline.label.candidates import VARIABLE as CANDIDATES
from pipeline.label.candidates import CandidateStore
from pipeline.label.ledger import Ledger, Record

_PROSE = "pipeline.clean.prose"  # made as tasks are: stages do not import each other
_PREFIX = "before_"  # of the reasons of articles whose chain ended before the label's prompt


class Asker(Protocol):
    """What the engine needs of what makes requests: a step, or the label's `RequestBuilder`."""

    provider: contracts.Provider
    provider_name: str
    tokenizer: str | None

    @property
    def prompt(self) -> prompts.Prompt | None:
        """The prompt that it asks by; None where the article itself is sent."""

    def verdict(self, request: Request, record: Record) -> str:
        """Return what a record is worth: `ok`, or why not."""

    def with_text(self, request: Request, text: str) -> Request:
        """Return the same question about less of the article: same key, other messages."""


@dataclass(frozen=True, slots=True)
class Lack:
    """Why the label's prompt cannot be sent: a prompt before it has no answer.  `key` is that prompt's request."""

    article: Article
    key: bytes
    status: str  # rejected (final) | failed (asked again by the next run)
    reason: str
    detail: str
    before: tuple[bytes, ...]


@dataclass
class Course:
    """How far an article is: the requests of the steps asked so far, their answers, and where it ends, why."""

    article: Article
    requests: list[Request] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    lack: Lack | None = None


class PromptStep:
    """One prompt before the label's: makes its requests, and reads its answers."""

    def __init__(
        self,
        options: PromptBefore,
        prompt: prompts.Prompt,
        provider: contracts.Provider,
        config: JobConfig,
        keys: Sequence[Any],
    ) -> None:
        self.name, self.prompt, self.otherwise = options.variable, prompt, options.otherwise
        self.provider, self.provider_name, self.tokenizer = provider, config.label.provider, config.tokenizer
        self._keys = keys  # started SHA-256s: of the job's run, and of other spellings of it
        self._prose = plugins.create("tasks", _PROSE, plugins.load("tasks", _PROSE).Options(), _no_count)

    @property
    def description(self) -> dict[str, Any]:
        """What a version tells of it."""
        source = self.prompt.source.model_dump(mode="json")
        return {"as": self.name, "prompt": self.prompt.name, "prompt_sha256": self.prompt.digest, "prompt_text": source}

    def request(self, article: Article, answers: Mapping[str, str]) -> Request:
        """Return the request for an article; its key is a digest of what changes the answer."""
        messages = self.prompt.render(article, answers)
        return Request(_key(self._keys[0], messages), article, messages, answers=dict(answers))

    def as_asked(self, requests: Sequence[Request], ledger: Ledger) -> list[Request]:
        """Return requests by the keys under which the ledger has them, in whatever spelling, where it has."""
        if not self._keys[1:]:
            return list(requests)
        keys = [[_key(started, request.messages) for started in self._keys] for request in requests]
        asked = ledger.asked((key for of_one in keys for key in of_one), in_batches=True)
        spelled = (next((key for key in of_one if key in asked), of_one[0]) for of_one in keys)
        return [replace(request, key=key) for request, key in zip(requests, spelled, strict=True)]

    def verdict(self, request: Request, record: Record) -> str:
        """Return what a record is worth: `ok`, or why not.  A text without an end is one all the same."""
        if record.reply is None:
            return record.error_code or "rejected"
        return self._read(record.reply, request.article)[1]

    def with_text(self, request: Request, text: str) -> Request:
        """Return the same question about less of the article: same key, other messages."""
        return replace(request, messages=self.prompt.render(replace(request.article, text=text), request.answers))

    def _read(self, reply: Reply, article: Article) -> tuple[str, str]:
        """Return (text, status) of a reply; the text is empty unless the status is `ok`."""
        if kept_back := finish.withheld(reply.finish_reason):
            return "", kept_back
        label = self._prose.parse(reply, article)
        is_cut = finish.finish_of(reply.finish_reason) == "cut"
        if label.status != "ok":
            return "", endings.of_cut(reply.text) if is_cut and label.status == "empty" else label.status
        return label.phrases[0], "ok"

    def advance(self, course: Course, records: Sequence[Record]) -> None:
        """Take a step's answer, of its last request, into an article's course; end the course where there is none."""
        request = course.requests[-1]
        for record in reversed(records):
            text, status = self._read(record.reply, course.article) if record.reply else ("", "")
            if record.reply and status == "ok":
                course.answers[self.name] = text
                course.notes += self._notes(record)
                return
        if records and self.otherwise is not None:
            course.answers[self.name] = self.otherwise
            course.notes.append(f"{self.name}_missing")
            return
        keys = tuple(request.key for request in course.requests)
        course.lack = Lack(course.article, request.key, *self._why_not(records, course.article), keys)

    def _notes(self, record: Record) -> list[str]:
        is_cut = finish.finish_of(record.reply.finish_reason if record.reply else None) == "cut"
        cut = [f"{self.name}_truncated"] if is_cut else []
        return cut + ([f"{self.name}_article_truncated"] if record.note else [])

    def _why_not(self, records: Sequence[Record], article: Article) -> tuple[str, str, str]:
        """Return (status, reason, detail) of an article without this step's answer."""
        begin, whose = f"{_PREFIX}{self.name}_", f"the prompt {self.prompt.name}"
        if not records:
            return "failed", f"{begin}failed", f"{whose} got no answer"
        last = records[-1]
        if last.reply is None:
            return "rejected", f"{begin}rejected", f"{last.error_code} {last.error}".strip()
        replied = [record.reply for record in records if record.reply]
        asked = f", asked {len(records)} times" if len(records) > 1 else ""
        return (
            "rejected",
            f"{begin}{self._read(replied[-1], article)[1]}",
            f"{whose}{asked}: {replied[-1].text[:200]!r}",
        )


class Chain:
    """The steps of a job before its label's prompt, in order; most jobs have none."""

    def __init__(self, steps: Sequence[PromptStep], candidates: CandidateStore | None = None) -> None:
        self.steps = tuple(steps)
        self._candidates = candidates  # None: no prompt uses any

    def __bool__(self) -> bool:
        return bool(self.steps)

    def begin(self, articles: Sequence[Article]) -> list[Course]:
        """Return the courses of some articles before any prompt was asked; candidates are there like an answer."""
        if self._candidates is None:
            return [Course(article) for article in articles]
        phrases = zip(articles, self._candidates.of(articles), strict=True)
        return [Course(article, answers={CANDIDATES: of_article}) for article, of_article in phrases]

    def follow(self, articles: Iterable[Article], ledger: Ledger, until: PromptStep | None = None) -> list[Course]:
        """Return how far some articles are, by the ledger: up to the request of the step `until`, else through all steps."""
        courses = self.begin(list(articles))
        for step in self.steps:
            open_ones = [course for course in courses if course.lack is None]
            requests = [step.request(course.article, course.answers) for course in open_ones]
            for course, request in zip(open_ones, step.as_asked(requests, ledger), strict=True):
                course.requests.append(request)
            if step is until:
                break
            records = ledger.get(list({course.requests[-1].key: None for course in open_ones}))
            for course in open_ones:
                step.advance(course, records.get(course.requests[-1].key, []))
        return courses

    def foresee(self, course: Course) -> Course:
        """Return an article's course gone on to the label's prompt: `[name]` stands for each answer that is not there yet."""
        ahead = replace(course, requests=[*course.requests], answers={**course.answers}, lack=None)
        for number, step in enumerate(self.steps):
            if number >= len(ahead.requests):
                ahead.requests.append(step.request(course.article, ahead.answers))
            ahead.answers.setdefault(step.name, f"[{step.name}]")
        return ahead

    def is_lack(self, reason: str | None) -> bool:
        """Tell whether this is the reason why an article ended before the label's prompt."""
        return reason is not None and any(reason.startswith(f"{_PREFIX}{step.name}_") for step in self.steps)


def identity(before: Sequence[PromptBefore], loaded: Sequence[prompts.Prompt]) -> list[Any]:
    """Return what a label depends on beside its own prompt."""
    return [[step.variable, prompt.digest, step.otherwise] for step, prompt in zip(before, loaded, strict=True)]


def load(config: JobConfig) -> tuple[prompts.Prompt | None, list[prompts.Prompt]]:
    """Return the job's prompt and those before it, checked; none for a provider that takes the article itself.

    Prompts before the label's may use any of the task's and the job's values; every value must be used by one of them all.
    Raises ConfigError.
    """
    if not plugins.load("providers", config.label.provider).Provider.uses_prompt:
        _check_none(config)
        return None, []
    task_values, own = config.task.variables(config.task_options), dict(config.label.variables)
    before: list[prompts.Prompt] = []
    given = _given(config, {*task_values, *own})
    names: list[str] = []
    for number, options in enumerate(config.label.before):
        _check_name(config, number, {*names, *task_values, *own, *given})
        before.append(_load_step(config, number, task_values, own, [*given, *names]))
        names.append(options.variable)
    used_before = frozenset[str]().union(*(prompt.uses for prompt in before))
    shared = {name: value for name, value in own.items() if name in used_before}
    left = {name: value for name, value in own.items() if name not in shared}
    prompt = prompts.load(config.prompt, config.folder, task_values, left, shared, [*given, *names])
    for name in given:
        if not any(name in each.uses for each in (*before, prompt)):
            raise ConfigError(
                f"{config.file}: label.candidates: {prompts.find(config.prompt, config.folder)} does not use them; write "
                f"{{{{ {name} }}}} into a prompt of your own, or take label.prompt: keyphrases/verify-v1"
            )
    for number, name in enumerate(names):
        if not any(name in later.uses for later in (*before[number + 1 :], prompt)):
            raise ConfigError(
                f"{config.file}: label.before.{number}: no prompt after it uses its answer; write {{{{ {name} }}}} into "
                f"{prompts.find(config.prompt, config.folder)}, or into a prompt of your own"
            )
    return prompt, before


def _given(config: JobConfig, taken: set[str]) -> list[str]:
    """Return the variables that every article has beside its own, without being asked about."""
    if config.label.candidates is None:
        return []
    if CANDIDATES in taken:
        raise ConfigError(f"{config.file}: label.variables.{CANDIDATES}: label.candidates gives it; give another name")
    return [CANDIDATES]


def _check_none(config: JobConfig) -> None:
    if config.label.before:
        raise ConfigError(
            f"{config.file}: label.before: {config.label.provider!r} takes the article itself, without a prompt; leave it out "
            "(--set 'label.before=[]')"
        )
    if config.label.candidates:
        raise ConfigError(
            f"{config.file}: label.candidates: they are for the prompt of a model, and {config.label.provider!r} takes none; "
            "leave it out"
        )
    if config.label.share:
        raise ConfigError(
            f"{config.file}: label.share: {config.label.provider!r} asks nobody, so sharing saves nothing; leave it out"
        )


def _load_step(
    config: JobConfig, number: int, task_values: dict[str, Any], own: dict[str, Any], names: list[str]
) -> prompts.Prompt:
    name = config.label.before[number].prompt
    prompt = prompts.load(name, config.folder, task_values, None, own, names)
    if prompt.source.output != "text":
        raise ConfigError(f"{prompts.find(name, config.folder)}: output: a prompt before the label's gives a text")
    return prompt


def _check_name(config: JobConfig, number: int, taken: set[str]) -> None:
    name = config.label.before[number].variable
    if name in taken or not prompts.is_variable(name):
        why = "is taken" if name in taken or name in prompts.ARTICLE_VARIABLES else "cannot be a variable of a template"
        raise ConfigError(f"{config.file}: label.before.{number}.as: {name!r} {why}; give another name")


def _key(started: Any, messages: Sequence[Message]) -> bytes:
    digest = started.copy()
    digest.update(orjson.dumps(messages, option=orjson.OPT_SORT_KEYS))
    key: bytes = digest.digest()
    return key


def _no_count(texts: Sequence[str]) -> list[int]:
    return [0] * len(texts)
