"""Command `prompt`: what a prompt sends for an article, which there are, how two differ on labels already paid."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.core import plugins
from pipeline.core.errors import ConfigError, InputError
from pipeline.core.shards import read_order
from pipeline.core.text.folding import fold_case
from pipeline.core.types import Article
from pipeline.job.workspace import Workspace
from pipeline.label import prompts
from pipeline.label.candidates import VARIABLE as CANDIDATES
from pipeline.label.chain import Course
from pipeline.label.job_ledger import has_ledger, opened_ledger
from pipeline.label.ledger import Record, open_ledger_to_read
from pipeline.label.requests import ARTICLE_COLUMNS, RequestBuilder, articles_of
from pipeline.metrics.keyphrases import soft_f1

_BATCH = 1000


def render(work: Workspace, article_id: str) -> dict[str, Any]:
    """Return the messages that the job sends for an article, and the JSON schema that it asks for."""
    labeller = RequestBuilder(work)
    if labeller.prompt is None:
        raise ConfigError(f"label.provider: {labeller.provider_name!r} takes the article itself, without a prompt")
    article = next((candidate for candidate in _articles(work) if candidate.id == article_id), None)
    if article is None:
        raise InputError(
            f"{work.filtered.path}: no article {article_id!r}; see: labelmill show {work.config.in_commands} filtered"
        )
    course = _course(work, labeller, article) if labeller.chain else None
    request = labeller.request(article, course)
    steps = zip(labeller.chain.steps, course.requests if course else (), strict=True)
    before = [{"as": step.name, "prompt": step.prompt.name, "messages": list(sent.messages)} for step, sent in steps]
    return {
        **({"before": before} if before else {}),
        "prompt": labeller.prompt.name,
        "prompt_sha256": labeller.prompt.digest,
        "key": request.key.hex(),
        "messages": list(request.messages),
        "schema": request.form.schema if request.form else None,
    }


def _course(work: Workspace, labeller: RequestBuilder, article: Article) -> Course:
    """Return an article's course through the prompts before the label's, by the ledger; `[background]` stands for an answer
    that is not there yet."""
    if not has_ledger(work):
        return labeller.chain.foresee(labeller.chain.begin([article])[0])
    with closing(open_ledger_to_read(work.ledger_target, work.config.name)) as ledger:
        return labeller.chain.foresee(labeller.chain.follow([article], ledger)[0])


def listing(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (name, output, notes) of the prompts beside a job file and of those that ship."""
    for name in prompts.names(folder):
        source = prompts.source_of(prompts.find(name, folder))
        yield name, source.output, " ".join((source.notes or "").split())


@dataclass
class Difference:
    """Difference of two prompts on the articles that both have labelled.  `agreement`: mean soft F1 of their labels, `same`: the
    share of labels with the same phrases; costs are dollars for 1,000 articles, None where unknown."""

    text: str
    articles: int = 0
    labelled: tuple[int, int] = (0, 0)
    agreement: float | None = None
    same: float | None = None
    phrases: tuple[float, float] = (0.0, 0.0)
    cost_per_1000: tuple[float | None, float | None] = (None, None)
    added: list[tuple[str, int]] = field(default_factory=list)
    removed: list[tuple[str, int]] = field(default_factory=list)
    examples: list[dict[str, Any]] = field(default_factory=list)
    note: str | None = None  # why no labels could be compared


def difference(first: Workspace, second: Workspace, shown: int = 10) -> Difference:
    """Compare two prompts, and the job's labels by them; each workspace has the same job with another `label.prompt`."""
    result = Difference(_text_diff(first, second))
    try:
        _compare_labels(first, second, result, shown)
    except (ConfigError, InputError) as error:  # the texts can be compared all the same
        result.note = str(error)
    return result


def _compare_labels(first: Workspace, second: Workspace, result: Difference, shown: int) -> None:
    labellers = _builder(first), _builder(second)
    labels: list[tuple[list[str], list[str]]] = []
    costs: tuple[list[float | None], list[float | None]] = ([], [])
    for article, records in _labelled_by_both(first, labellers):
        result.articles += 1
        for side in (0, 1):
            costs_of_answers = [record.cost_usd for record in records[side]]
            costs[side].append(None if None in costs_of_answers else sum(cost or 0.0 for cost in costs_of_answers))
        pair = _label(labellers[0], article, records[0]), _label(labellers[1], article, records[1])
        labels.append(pair)
        if len(result.examples) < shown and set(pair[0]) != set(pair[1]):
            result.examples.append({"id": article.id, "a": pair[0], "b": pair[1]})
    _summarise(result, labels, costs, shown)


def _builder(work: Workspace) -> RequestBuilder:
    """Return who asks by this workspace's prompt.

    Of `label.variables` it is given those that it uses: another prompt's would be an error.  Raises ConfigError where the job's
    provider takes no prompt.
    """
    label = work.config.label
    if not plugins.load("providers", label.provider).Provider.uses_prompt:
        raise ConfigError(
            f"label.provider: {label.provider!r} takes the article itself, without a prompt; to compare labels: --set "
            "label.provider=NAME"
        )
    used = prompts.variables_of(prompts.find(work.config.prompt, work.config.folder))
    own = {name: value for name, value in label.variables.items() if name in used}
    changes = {"variables": own, CANDIDATES: label.candidates if CANDIDATES in used or label.before else None}
    return RequestBuilder(Workspace(work.config.model_copy(update={"label": label.model_copy(update=changes)})))


def _summarise(
    result: Difference,
    labels: list[tuple[list[str], list[str]]],
    costs: tuple[list[float | None], list[float | None]],
    shown: int,
) -> None:
    both = [pair for pair in labels if all(pair)]
    result.labelled = sum(bool(a) for a, _ in labels), sum(bool(b) for _, b in labels)
    result.cost_per_1000 = _per_1000(costs[0]), _per_1000(costs[1])
    if not both:
        return
    result.agreement = sum(soft_f1(b, a) for a, b in both) / len(both)
    result.same = sum({*map(fold_case, a)} == {*map(fold_case, b)} for a, b in both) / len(both)
    result.phrases = sum(len(a) for a, _ in both) / len(both), sum(len(b) for _, b in both) / len(both)
    result.added = _only(both, 1).most_common(shown)
    result.removed = _only(both, 0).most_common(shown)


def _only(pairs: list[tuple[list[str], list[str]]], side: int) -> Counter[str]:
    """Count the phrases that only one side gives, by articles."""
    counts: Counter[str] = Counter()
    for pair in pairs:
        other_phrases = {fold_case(phrase) for phrase in pair[1 - side]}
        counts.update(phrase for phrase in pair[side] if fold_case(phrase) not in other_phrases)
    return counts


def _per_1000(costs: list[float | None]) -> float | None:
    if not costs or None in costs:
        return None
    return 1000 * sum(cost or 0.0 for cost in costs) / len(costs)


def _label(labeller: RequestBuilder, article: Article, records: list[Record]) -> list[str]:
    """Return the phrases of the last answer that makes a label, empty where none does."""
    for record in reversed(records):
        if record.reply is not None and (label := labeller.parse(record.reply, article)).status == "ok":
            return label.phrases
    return []


def _labelled_by_both(
    work: Workspace, labellers: tuple[RequestBuilder, RequestBuilder]
) -> Iterator[tuple[Article, tuple[list[Record], list[Record]]]]:
    with opened_ledger(work) as ledger:
        for batch in _batches(work):
            requests = [labeller.requests(batch, ledger) for labeller in labellers]
            keys = [(first.key, second.key) for first, second in zip(*requests, strict=True)]
            records = ledger.get([key for pair in keys for key in pair])
            for article, (a, b) in zip(batch, keys, strict=True):
                if a in records and b in records:
                    yield article, (records[a], records[b])


def _articles(work: Workspace) -> Iterator[Article]:
    for shard in read_order(work.articles):
        yield from articles_of(work.filtered.read(shard, ARTICLE_COLUMNS))


def _batches(work: Workspace) -> Iterator[list[Article]]:
    for shard in read_order(work.articles):
        articles = work.given.as_given(shard, articles_of(work.filtered.read(shard, ARTICLE_COLUMNS)))
        for start in range(0, len(articles), _BATCH):
            yield articles[start : start + _BATCH]


def _text_diff(first: Workspace, second: Workspace) -> str:
    a, b = first.config.prompt, second.config.prompt
    lines_a, lines_b = (_lines(prompts.source_of(prompts.find(name, first.config.folder))) for name in (a, b))
    return "\n".join(difflib.unified_diff(lines_a, lines_b, a, b, lineterm=""))


def _lines(source: prompts.PromptFile) -> list[str]:
    parts = [("system", source.system or "")]
    for example in source.examples:
        parts += [("user", example.user), ("assistant", example.assistant)]
    parts += [("user", source.user), ("output", source.output)]
    return [line for role, text in parts for line in (f"[{role}]", *text.splitlines())]
