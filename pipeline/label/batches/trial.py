"""A handful of requests online before the first batch: a wrong model, parameter or prompt shows for the price of eight replies.

The online way sends no more than eight until an answer has told who answers; a first batch of eight would take as long as one
of 50,000, so batches are confirmed online, too.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pipeline.core.errors import Paused
from pipeline.core.files import digest_of, read_json, write_json
from pipeline.core.types import Request
from pipeline.job.workspace import Workspace
from pipeline.label.batches.lane_context import Pending
from pipeline.label.engine.monitor import EventLog, Monitor
from pipeline.label.engine.run import ask_all
from pipeline.label.engine.run_context import RunContext
from pipeline.label.ledger import Ledger, Record

MANY = 1000  # requests; fewer cost so little that they may be the trial themselves
_EXAMPLE_CHARS = 80
_LEAVES_IT_OUT = "label.batch_trial: 0 leaves the trial out"


def try_first(work: Workspace, context: RunContext, pending: Pending) -> None:
    """Ask a few of many pending requests online, where no answer has confirmed this model and prompt yet.

    Raises Paused where they get no answer, and, once, where none of the answers is a label.
    """
    memory, asked = work.path / "batches" / "confirmed.json", _identity(context)
    if not context.options.batch_trial or asked in (read_json(memory) or []):
        return
    first = _first(pending)
    if len(first) < MANY or context.ledger.claims.in_batches(list(first)):
        return
    if not any(records[-1].reply for records in context.ledger.get(list(first)).values()):
        records = _ask(work, context, first)
        if not any(record.reply for record in records.values()):
            raise Paused(f"none of the first {len(records)} requests was answered; {_LEAVES_IT_OUT}")
        _remember(memory, asked)  # whatever they say: who looked at it, and runs the command again, wants the batches
        _check(context, first, records)
    else:
        _remember(memory, asked)


def _identity(context: RunContext) -> str:
    prompt = context.builder.prompt
    return digest_of([context.provider.identity, prompt.digest if prompt else None])


def _remember(memory: Path, asked: str) -> None:
    write_json(memory, [*(read_json(memory) or []), asked], durable=False)


def _first(pending: Pending) -> dict[bytes, Request]:
    """Return the first of the requests, by key: as many as tell that there are many."""
    first: dict[bytes, Request] = {}
    for _, requests in pending():
        first.update((request.key, request) for request in requests)
        if len(first) >= MANY:
            break
    return first


def _ask(work: Workspace, context: RunContext, first: dict[bytes, Request]) -> dict[bytes, Record]:
    """Ask some of the requests, spread over all; return their last records by key, as far as they have one.

    Raises Paused as any online run, with a word on how to do without.
    """
    count = context.options.batch_trial
    sample = list(first.values())[:: max(1, len(first) // count)][:count]
    with work.progress("trial", len(sample), "requests") as bar:
        monitor = Monitor(bar, EventLog(work.events_file), context.ledger.report.spending().spent)
        trial = RunContext(context.builder, context.ledger, context.options, monitor, lambda *_: None)
        try:
            ask_all(iter([sample]), trial)
        except Paused as pause:
            raise Paused(f"{pause} (of the {len(sample)} requests before the first batch; {_LEAVES_IT_OUT})") from pause
    return _last_records(context.ledger, sample)


def _last_records(ledger: Ledger, sample: list[Request]) -> dict[bytes, Record]:
    return {key: records[-1] for key, records in ledger.get([request.key for request in sample]).items()}


def _check(context: RunContext, first: dict[bytes, Request], records: dict[bytes, Record]) -> None:
    """Raise Paused where none of the answers is a label."""
    verdicts = {key: context.builder.verdict(first[key], record) for key, record in records.items()}
    if "ok" in verdicts.values():
        return
    counts = ", ".join(f"{count} {reason}" for reason, count in Counter(verdicts.values()).most_common())
    texts = (record.reply.text for record in records.values() if record.reply)
    example = " ".join(next(texts, "").split())[:_EXAMPLE_CHARS]
    raise Paused(
        f"none of the first {len(records)} replies is a label ({counts}), such as {example!r}; nothing went into a batch: look at "
        "model and prompt, or run the same command again to go on all the same"
    )
