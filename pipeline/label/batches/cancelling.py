"""`label --cancel`: every batch under way is cancelled at its endpoint, and what it had answered by then is kept."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from pipeline.core.errors import InputError
from pipeline.job.workspace import Workspace
from pipeline.label.batches.lane import BatchLane
from pipeline.label.batches.report import batch_rows, under_way_elsewhere
from pipeline.label.engine.monitor import EventLog, Monitor
from pipeline.label.engine.run_context import RunContext
from pipeline.label.ledger import open_ledger
from pipeline.label.requests import RequestBuilder


def cancel(work: Workspace) -> list[dict[str, Any]]:
    """Cancel the job's batches at its endpoint, and settle them; return a row for each, as `status` has them.

    Raises Paused where the endpoint cannot be asked, InputError where it has no Batch API, or they are all at another one.
    """
    builder = RequestBuilder(work)
    api = builder.provider.batch_api()
    if api is None:
        raise InputError(f"--cancel: the provider {builder.provider_name!r} has no Batch API")
    with closing(open_ledger(work.ledger_target, work.config.name, verify=True)) as ledger, work.locked(shared=True):
        names = {batch.name for batch in ledger.batches.under_way(api.where)}
        if not names and (elsewhere := under_way_elsewhere(ledger, api.where)):
            raise InputError(f"--cancel: {elsewhere}")
        if not names:
            return []
        with work.progress("cancel", len(names), "batches") as bar:
            monitor = Monitor(bar, EventLog(work.events_file), ledger.report.spending().spent)
            context = RunContext(builder, ledger, work.config.label, monitor, lambda *_: None)
            BatchLane(work, context, api).cancel()
        return [row for row in batch_rows(ledger) if row["name"] in names]
