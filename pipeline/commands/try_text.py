"""Command `try`: labels one text as the job would, through its ledger and budget, and shows each step."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from pipeline.collect import charsets
from pipeline.collect.to_article import to_article
from pipeline.core.contracts import SourceOptions
from pipeline.core.errors import InputError
from pipeline.core.files import read_json
from pipeline.core.text.language import detector
from pipeline.core.types import Article, RawRow, Request
from pipeline.job.workspace import Workspace
from pipeline.label.chain import Asker, Lack
from pipeline.label.engine.monitor import EventLog, Monitor
from pipeline.label.engine.run import ask_all
from pipeline.label.engine.run_context import RunContext
from pipeline.label.job_ledger import check_ledger_is_this_jobs, spent_elsewhere
from pipeline.label.ledger import Ledger, Record, open_ledger
from pipeline.label.requests import RequestBuilder


def try_text(work: Workspace, text: str | bytes) -> dict[str, Any]:
    """Label a text; return prompt, raw reply, label, repairs and cost.  A text that was asked before costs nothing.

    Bytes are a text in the encoding that they look like, as a file is read.

    The answer is in the job's ledger, as all are; no table of the job changes.  Raises InputError for a text that is no
    article, or where the request got no answer; Paused where the budget or the endpoint stopped it.
    """
    builder = RequestBuilder(work)
    article = _article(charsets.decode(text, None)[0] if isinstance(text, bytes) else text)
    with closing(open_ledger(work.ledger_target, work.config.name, verify=True)) as ledger, work.locked(shared=True):
        ledger.claims.elsewhere_usd = spent_elsewhere(work)
        check_ledger_is_this_jobs(work, ledger, read_json(work.articles.path / "_order.json") or [])
        before = _ask_before(work, builder, ledger, article)
        [request] = builder.requests([article], ledger)
        if isinstance(request, Lack):
            raise InputError(f"label.before: {request.reason}: {request.detail}")
        is_stored = request.key in ledger.get([request.key])
        _ask(work, builder, ledger, request)
        records = ledger.get([request.key]).get(request.key, [])
    answers = [record for record in records if record.reply is not None]
    if not answers:
        why = f"{records[-1].error_code}: {records[-1].error}" if records else "the request got no answer; try again"
        raise InputError(f"{builder.provider.where}: {why}")
    return {
        **({"before": before} if before else {}),
        **_result(builder, request, answers),
        "asked": not is_stored,
        "cost_usd": None if is_stored else _cost(records),
    }


def _article(text: str) -> Article:
    row = to_article(RawRow("try", 1, {"text": text, "language": detector("auto")(text)}), SourceOptions(type="files"))
    if not isinstance(row, Article):
        raise InputError(f"the text is no article: {row.reason} {row.detail}".rstrip())
    return row


def _ask_before(work: Workspace, builder: RequestBuilder, ledger: Ledger, article: Article) -> list[dict[str, Any]]:
    """Ask the prompts before the label's; return each with its answer, up to one that gets none."""
    steps: list[dict[str, Any]] = []
    for step in builder.chain.steps:
        [course] = builder.chain.follow([article], ledger, step)
        if course.lack:
            break
        request = course.requests[-1]
        is_stored = request.key in ledger.get([request.key])
        _ask(work, step, ledger, request)
        records = ledger.get([request.key]).get(request.key, [])
        step.advance(course, records)
        shown: dict[str, Any] = {"as": step.name, "prompt": step.prompt.name, "messages": list(request.messages)}
        shown |= {"answer": course.answers.get(step.name), "asked": not is_stored}
        steps.append(shown | {"cost_usd": None if is_stored else _cost(records)})
    return steps


def _ask(work: Workspace, builder: Asker, ledger: Ledger, request: Request) -> None:
    """Ask where the ledger has no answer yet."""
    with work.progress("try", 1, "texts") as bar:
        monitor = Monitor(bar, EventLog(work.events_file), ledger.report.spending().spent)
        ask_all(iter([[request]]), RunContext(builder, ledger, work.config.label, monitor, lambda *_: None))


def _result(builder: RequestBuilder, request: Request, answers: list[Record]) -> dict[str, Any]:
    """Return what the last answer that makes a label says, else the last answer."""
    read = [(record, builder.parse(record.reply, request.article)) for record in reversed(answers) if record.reply]
    record, label = next((pair for pair in read if pair[1].status == "ok"), read[0])
    assert record.reply is not None
    column = builder.column
    return {
        "language": request.article.language,
        "prompt": builder.prompt.name if builder.prompt else None,
        "messages": list(request.messages),
        "reply": record.reply.text,
        "finish_reason": record.reply.finish_reason,
        "model": record.reply.model,
        "status": label.status,
        column.name: column.value(label.phrases) if label.phrases else None,
        "tiers": label.tiers,
        "repairs": [*label.repairs, *request.notes],
    }


def _cost(records: list[Record]) -> float | None:
    costs = [record.cost_usd for record in records]
    return None if None in costs else sum(cost or 0.0 for cost in costs)
