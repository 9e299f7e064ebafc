"""The labelling engine: requests in, durable answers out.

Two lanes behind one function: a provider with `ask` has many requests in flight at once (`online`), a provider with
`answer` is given batches in this process.  Either way an answer is in the ledger, synced, before the caller hears of it.
A further lane (an endpoint's Batch API) is one more branch here: the same requests, the same ledger.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.core.coroutines import run_coroutine
from pipeline.core.engine import Task
from pipeline.core.types import Request
from pipeline.label.engine.monitor import now
from pipeline.label.engine.online import OnlineRun
from pipeline.label.engine.run_context import RunContext
from pipeline.label.ledger import Record


def ask_all(batches: Iterator[list[Request]], context: RunContext, count: int = 0) -> None:
    """Ask everything that the ledger does not know, in about `count` batches.  `batches` is drawn only as fast as there is room;
    `context.on_finished` is called once for each request.

    Raises Paused when the endpoint, the budget, a breaker or the user stopped the job; all that was answered is in the ledger by
    then.
    """
    if context.provider.batches():
        _answer_batches(batches, context, count)
    else:
        run_coroutine(_online(batches, context))


async def _online(batches: Iterator[list[Request]], context: RunContext) -> None:
    await OnlineRun(context, batches).run()


def _answer_batches(batches: Iterator[list[Request]], context: RunContext, count: int) -> None:
    waiting: dict[str, dict[bytes, Request]] = {}  # batches that are being answered, by task
    tasks = _tasks(batches, context, waiting)
    for name, replies, seconds in context.answering(tasks, count):
        requests = waiting.pop(name)
        fresh = [
            Record(key, "answered", reply, 1, seconds / len(requests), now(), cost_usd=0.0, lane="local")
            for key, reply in zip(requests, replies, strict=True)
        ]
        context.ledger.put(fresh)
        for record in fresh:
            context.finish(requests[record.key], record)


def _tasks(
    batches: Iterator[list[Request]], context: RunContext, waiting: dict[str, dict[bytes, Request]]
) -> Iterator[Task]:
    """Yield batches of what the ledger does not know, and finish what it knows."""
    for number, batch in enumerate(batches):
        requests = {request.key: request for request in batch}
        earlier = context.ledger.get(list(requests))
        if missing := {key: request for key, request in requests.items() if key not in earlier}:
            name = f"batch {number}"
            waiting[name] = missing
            yield Task(name, (name, list(missing.values())))
        # After the yield, so that who computes need not wait for it.
        for key, records in earlier.items():
            context.finish(requests[key], records[-1])
