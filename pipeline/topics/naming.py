"""Names by a model: a job within the job, so that names are asked, paid once, bounded, resumed and cleaned as labels are.

Each topic is an article of that job; it lies in `topics/naming/`, with a ledger of its own.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any

import pyarrow as pa

from pipeline.core import plugins
from pipeline.core.contracts import Provider
from pipeline.core.errors import Paused
from pipeline.core.files import digest_of
from pipeline.core.shards import ARTICLE, Folder, Output, write_order
from pipeline.core.text.folding import fold_case, fold_space
from pipeline.core.types import Request
from pipeline.job.config import JobConfig
from pipeline.job.label_options import JOB_BUDGET, LabelOptions, Price
from pipeline.job.topic_options import TopicOptions
from pipeline.job.workspace import NAMING, Workspace
from pipeline.label.cost.cost_bound import CostBound, is_free
from pipeline.label.cost.prices import Prices
from pipeline.label.job_ledger import budget_beside, is_own, is_there, spent_in_job
from pipeline.label.ledger import open_ledger_to_read
from pipeline.label.requests import ARTICLE_COLUMNS, RequestBuilder, articles_of
from pipeline.topics.names import MOST_CHARACTERS, MOST_WORDS, Question, is_alike

_log = logging.getLogger("labelmill.topics")
PROMPT, _TASK, _OWN = "topic-names/v1", "topic", "topics.names.budget_usd"
_SHARD = "topics"
_DOCUMENT = 240  # characters of an article
_TIMES = 3  # that names are asked for, where some are taken
Label = Callable[[Workspace], None]  # asks what is to be asked in a job, and cleans the answers


def workspace(work: Workspace, options: TopicOptions) -> Workspace | None:
    """Return the job that names topics, None where no model names them.

    The job's budget bounds it, too, with what else was spent of that; its prices come behind those of `names`.
    """
    if options.names is None:
        return None
    given = options.names
    budget = budget_beside(work, (work.names_ledger, NAMING), given.budget_usd, _OWN)
    changes: dict[str, Any] = {"task": _TASK, "budget_usd": budget.usd, "prices": _prices(work, given)}
    changes |= {} if given.prompt else {"prompt": PROMPT}
    config = JobConfig(
        name=NAMING,
        workspace=work.topic_table.path,
        sources=[{"type": "files"}],  # type: ignore[list-item]
        label=given.model_copy(update=changes),
        clean={"max_words": MOST_WORDS},
        tokenizer=work.config.tokenizer,
        file=work.config.file,
        engine=work.config.engine,
    )
    return Workspace(config, within=work, budget_name=budget.name)


def _prices(work: Workspace, given: LabelOptions) -> dict[str, Price] | None:
    own, of_job = given.prices or {}, work.config.label.prices or {}
    return own | {name: price for name, price in of_job.items() if name not in own} or None


def names_of(
    work: Workspace, options: TopicOptions, questions: list[Question], taken: Iterable[str], label: Label
) -> tuple[dict[int, str], set[int]]:
    """Return a name for each topic that the model named, no two alike, none that is taken; and those that it gives none.

    Those that are alike are asked again, with the names that are taken.  Raises Paused, with everything answered kept.
    """
    naming = workspace(work, options) if questions else None
    if naming is None or options.names is None:
        return {}, set()
    naming, why_not = _as_bounded(naming, options.names.budget_usd)
    used, names, left = {fold_case(name): name for name in taken}, dict[int, str](), questions
    for turn in range(_TIMES):
        write(naming, left, sorted(used.values()) if turn else [])
        if why_not and not _is_answered(naming):
            raise Paused(why_not)
        with closing(naming.engine):
            label(naming)
        for number, name in _answers(naming).items():
            if not any(is_alike(name, other) for other in used.values()):
                names[number] = used[fold_case(name)] = name
        left = [question for question in left if question.topic not in names]
        if not left:
            break
    return names, {question.topic for question in left} - _unanswered(naming)


def _as_bounded(naming: Workspace, own_usd: float | None) -> tuple[Workspace, str | None]:
    """Return the job as it can be asked: by its own budget alone where nobody knows the most that a name costs; and why it may ask
    nothing, where nothing is left of the job's.

    Such names were asked before that budget counted for them, and cost little: they are told of, and not refused.
    """
    options = naming.config.label
    if naming.budget_name != JOB_BUDGET or options.budget_usd is None:
        _tell_of_shared_ledger(naming)
        return naming, None
    provider = plugins.create("providers", options.provider, options, naming.config.provider_options)
    price = Prices(options.prices, provider.base_url).of(provider.model)
    if is_free(provider) or CostBound("", price, provider.max_output_tokens).is_known:
        return naming, None
    changes: dict[str, Any] = {"budget_usd": own_usd}
    why_not = None
    if (spent := spent_in_job(naming)) >= options.budget_usd:
        reached = f"the budget of ${options.budget_usd:,.4f} is reached"
        why_not = f"{reached} (${spent:,.4f} spent in the job); raise {JOB_BUDGET} to go on"
        changes["reask"] = 0  # what is answered is as good as it gets, and free
    else:
        _tell_of_unknown_cost(provider, price)
    config = naming.config.model_copy(update={"label": options.model_copy(update=changes)})
    return Workspace(config, within=naming.within, budget_name=_OWN), why_not


def _tell_of_unknown_cost(provider: Provider, price: Price | None) -> None:
    counts = "what they cost counts for labels" + ("" if price else " only where the endpoint says it")
    lacks = {"prices": price, "parameters.max_output_tokens": provider.max_output_tokens}
    _log.warning(
        f"topics.names: nobody knows the most that a name of {provider.model} can cost, so {JOB_BUDGET} is not kept for names "
        f"({counts}); give {' and '.join(name for name, value in lacks.items() if value is None)}"
    )


def _tell_of_shared_ledger(naming: Workspace) -> None:
    job = naming.within
    if job and job.config.label.budget_usd is not None and not is_own(job, naming.ledger_target):
        _log.warning(
            f"topics.names.ledger: names of other jobs may lie there, too, so {JOB_BUDGET} does not count what they cost; "
            f"{_OWN} bounds them"
        )


def _is_answered(naming: Workspace) -> bool:
    """Return whether the ledger has a record of every question, so that a run pays for none."""
    if not is_there(naming.ledger_target):
        return False
    articles = articles_of(naming.filtered.read(_SHARD, ARTICLE_COLUMNS))
    with closing(open_ledger_to_read(naming.ledger_target, naming.config.name)) as ledger:
        asked = RequestBuilder(naming).requests(articles, ledger)
        keys = {each.key for each in asked if isinstance(each, Request) or each.status == "failed"}
        return keys <= ledger.asked(keys)


def write(naming: Workspace, questions: list[Question], taken: list[str]) -> None:
    """Write the topics to be named as the filtered articles of a job: one shard, in order."""
    rows = [_article(question, taken) for question in questions]
    schema = pa.schema([*ARTICLE, ("language", pa.string()), ("tokens", pa.int64())])
    table = pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)
    for folder in (naming.articles, naming.filtered):
        _write(folder, table)
    write_order(naming.articles, [_SHARD])


def _write(folder: Folder, table: pa.Table) -> None:
    key = digest_of(table.to_pylist())
    if not folder.done(_SHARD, key):
        folder.write(_SHARD, key, {}, Output(table), 0.0)


def _article(question: Question, taken: list[str]) -> dict[str, Any]:
    lines = [f"Keywords: {', '.join(question.words)}", "", "Articles:"]
    lines += [f"- {fold_space(text)[:_DOCUMENT]}" for text in question.documents]
    if question.within:
        lines += ["", "It is a broad topic. Topics within it:", *(f"- {topic}" for topic in question.within)]
    if question.siblings:
        lines += ["", "Topics beside it:", *(f"- {sibling}" for sibling in question.siblings)]
    if taken:
        lines += ["", f"Names that are taken: {'; '.join(taken)}"]
    text = "\n".join(lines)
    return {
        "id": str(question.topic),
        "title": ", ".join(question.words),
        "text": text,
        "source": "topics",
        "line": question.topic,
        "text_sha256": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        "language": question.language,
    }


def _unanswered(naming: Workspace) -> set[int]:
    """Return the topics whose question got no answer, and is asked again by the next run."""
    table = naming.requests.read(_SHARD, ["id", "status"])
    pairs = zip(table.column("id").to_pylist(), table.column("status").to_pylist(), strict=True)
    return {int(row_id) for row_id, status in pairs if status == "failed"}


def _answers(naming: Workspace) -> dict[int, str]:
    table = naming.labels.read(_SHARD, ["id", "topic"])
    pairs = zip(table.column("id").to_pylist(), table.column("topic").to_pylist(), strict=True)
    names = {int(row_id): fold_space(name) for row_id, name in pairs if name}
    return {
        number: name
        for number, name in names.items()
        if len(name.split()) <= MOST_WORDS and len(name) <= MOST_CHARACTERS
    }
