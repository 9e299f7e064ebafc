"""A handful of requests online before the first batch: a wrong model, parameter or prompt shows for the price of eight replies.

The online way sends no more than eight until an answer has told who answers; a first batch of eight would take as long as one
of 50,000, so batches are confirmed online, too.  What has confirmed a model and prompt is remembered: a label, of the trial or of
a batch of any size.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from pipeline.core.errors import NOT_SERVED, Paused
from pipeline.core.files import digest_of, recall_json, write_json
from pipeline.core.types import Request
from pipeline.job.label_options import LabelOptions
from pipeline.job.workspace import Workspace
from pipeline.label.batches.lane_context import Pending
from pipeline.label.engine.monitor import Monitor
from pipeline.label.engine.run import ask_all
from pipeline.label.engine.run_context import RunContext
from pipeline.label.ledger import Record

MANY = 1000  # requests; fewer cost so little that they may be the trial themselves
_EXAMPLE_CHARS = 80
_LEAVES_IT_OUT = "label.batch_trial: 0 leaves the trial out"
_log = logging.getLogger("labelmill.label")


def try_first(work: Workspace, context: RunContext, pending: Pending, where: str) -> None:
    """Ask a few of many pending requests online, where no answer has confirmed this model and prompt yet.

    Raises Paused where they get no answer, and, once, where none of the answers is a label.
    """
    asked = _identity(context)
    if not context.options.batch_trial or asked in [*_noted(_confirmed(work)), *_noted(_shown(work))]:
        return
    first = _first(pending)
    if len(first) < MANY or context.ledger.claims.in_batches(list(first)):
        return
    if _was_answered_before(work, context, where) or _has_label(context, list(first.values())):
        _note(_confirmed(work), asked)
        return
    sample = _spread(first, context.options.batch_trial)
    try:
        _ask(work, context, sample)
    except Paused as pause:
        if pause.code == NOT_SERVED:  # then the first batch is the trial
            _log.warning(f"{where} answers nothing online, so nothing is tried before the first batch ({pause})")
            return
        raise Paused(f"{pause} (of the {len(sample)} requests before the first batch; {_LEAVES_IT_OUT})") from pause
    if _has_label(context, sample):
        _note(_confirmed(work), asked)
        return
    text = _none_is_a_label(context, sample)
    _note(_shown(work), asked)  # who looked at it, and runs the command again, wants the batches
    raise Paused(text)


def notes(options: LabelOptions, requests: int, in_batches: Collection[bytes]) -> list[str]:
    """Return what a quote of a job in batches says of the trial, whose requests are in the figures at the price of a batch, and of
    those of its sample that a batch holds."""
    notes = []
    if in_batches:
        notes.append(f"{len(in_batches):,} of the sample are in a batch under way, so they were not asked")
    if options.via == "batch" and options.batch_trial and requests >= MANY:
        notes.append(f"the first {options.batch_trial} may be asked online, at that price (label.batch_trial)")
    return notes


def confirm(work: Workspace, context: RunContext, pending: Pending) -> None:
    """Remember that this model and prompt give labels, where any pending request has one: batches were settled."""
    asked = _identity(context)
    if asked in _noted(_confirmed(work)):
        return
    looked_at = 0
    for _, requests in pending():
        if _has_label(context, requests):
            _note(_confirmed(work), asked)
            return
        looked_at += len(requests)
        if looked_at >= MANY:
            break
    _note(_confirmed(work))


def _identity(context: RunContext) -> str:
    prompt = context.builder.prompt
    return digest_of([context.provider.identity, prompt.digest if prompt else None])


def _confirmed(work: Workspace) -> Path:
    """Return the file of what a label has confirmed; there is none in a job whose batches are all from before trials."""
    return work.path / "batches" / "confirmed.json"


def _shown(work: Workspace) -> Path:
    """Return the file of those whose replies were no labels, as people were told."""
    return work.path / "batches" / "shown.json"


def _noted(memory: Path) -> list[str]:
    noted = recall_json(memory)
    return noted if isinstance(noted, list) else []


def _note(memory: Path, *asked: str) -> None:
    write_json(memory, [*_noted(memory), *asked], durable=False)


def _was_answered_before(work: Workspace, context: RunContext, where: str) -> bool:
    """Return whether a batch has answers from before any trial was remembered: its job was stored by an earlier version."""
    batches = context.ledger.batches.all() if not _confirmed(work).exists() else []
    return any(batch.answered and (batch.endpoint, batch.model) == (where, context.model) for batch in batches)


def _first(pending: Pending) -> dict[bytes, Request]:
    """Return the first of the requests, by key: as many as tell that there are many."""
    first: dict[bytes, Request] = {}
    for _, requests in pending():
        first.update((request.key, request) for request in requests)
        if len(first) >= MANY:
            break
    return first


def _spread(first: dict[bytes, Request], count: int) -> list[Request]:
    return list(first.values())[:: max(1, len(first) // count)][:count]


def _ask(work: Workspace, context: RunContext, sample: list[Request]) -> None:
    """Ask some requests; what that came to counts in the run's own account, also where it pauses.  Raises Paused."""
    with work.progress("trial", len(sample), "requests") as bar:
        monitor = Monitor(bar, context.monitor.events)
        try:
            ask_all(
                iter([sample]), RunContext(context.builder, context.ledger, context.options, monitor, lambda *_: None)
            )
        finally:
            context.monitor.include(monitor)


def _last_records(context: RunContext, requests: Sequence[Request]) -> dict[bytes, Record]:
    return {key: records[-1] for key, records in context.ledger.get([request.key for request in requests]).items()}


def _verdicts(context: RunContext, requests: Sequence[Request], records: dict[bytes, Record]) -> list[str]:
    return [context.builder.verdict(each, records[each.key]) for each in requests if each.key in records]


def _has_label(context: RunContext, requests: Sequence[Request]) -> bool:
    return "ok" in _verdicts(context, requests, _last_records(context, requests))


def _none_is_a_label(context: RunContext, sample: list[Request]) -> str:
    """Return what people are told of a sample without a label.  Raises Paused where none of it has an outcome."""
    records = _last_records(context, sample)
    if not records:
        raise Paused(f"none of the first {len(sample)} requests was answered; {_LEAVES_IT_OUT}")
    counts = Counter(_verdicts(context, sample, records))
    counts["unanswered"] = len(sample) - len(records)
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.most_common() if count)
    texts = (record.reply.text for record in records.values() if record.reply)
    example = " ".join(next(texts, "").split())[:_EXAMPLE_CHARS]
    return (
        f"none of the first {len(sample)} replies is a label ({reasons}), such as {example!r}; nothing went into a batch: look at "
        "model and prompt, or run the same command again to go on all the same"
    )
