"""The labelling engine: requests in, durable answers out.

Two lanes behind one function: a provider with `ask` has many requests in flight at once (`online`), a provider with
`answer` is given batches in this process.  Either way an answer is in the ledger, synced, before the caller hears of it.
A further lane (an endpoint's Batch API) is one more branch here: the same requests, the same ledger.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from pipeline.core.coroutines import run_coroutine
from pipeline.core.types import Request
from pipeline.label.engine.monitor import now
from pipeline.label.engine.online import OnlineRun
from pipeline.label.engine.run_context import RunContext
from pipeline.label.ledger import Record


def ask_all(batches: Iterator[list[Request]], context: RunContext) -> None:
    """Ask everything that the ledger does not know.  `batches` is drawn only as fast as there is room; `context.on_finished` is
    called once for each request.

    Raises Paused when the endpoint, the budget, a breaker or the user stopped the job; all that was answered is in the ledger by
    then.
    """
    if context.provider.batches():
        _answer_batches(batches, context)
    else:
        run_coroutine(_online(batches, context))


async def _online(batches: Iterator[list[Request]], context: RunContext) -> None:
    await OnlineRun(context, batches).run()


def _answer_batches(batches: Iterator[list[Request]], context: RunContext) -> None:
    for batch in batches:
        requests = {request.key: request for request in batch}
        earlier = context.ledger.get(list(requests))
        missing = [request for key, request in requests.items() if key not in earlier]
        last_records = {key: records[-1] for key, records in earlier.items()}
        if missing:
            started = time.monotonic()
            replies = context.provider.answer(missing)
            seconds = (time.monotonic() - started) / len(missing)
            fresh = [
                Record(request.key, "answered", reply, 1, seconds, now(), cost_usd=0.0, lane="local")
                for request, reply in zip(missing, replies, strict=True)
            ]
            context.ledger.put(fresh)
            last_records.update((record.key, record) for record in fresh)
        for key, request in requests.items():
            context.finish(request, last_records[key])
