"""What the label stage tells people at its end: what is left, and what they would not expect."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass

from pipeline.core.hints import with_job
from pipeline.job.workspace import Workspace
from pipeline.label.batches.report import under_way_elsewhere
from pipeline.label.cost import estimate
from pipeline.label.cost.prices import unknown
from pipeline.label.engine.monitor import Monitor
from pipeline.label.ledger import Ledger
from pipeline.label.requests import RequestBuilder

_log = logging.getLogger("labelmill.label")


@dataclass(frozen=True)
class Outcome:
    """What a run of the stage came to: its monitor's counts, and what got no answer or was rejected, by what the endpoint said."""

    monitor: Monitor
    is_unpriced: bool
    failed: int
    why_failed: Counter[str]
    rejected: Counter[str]


def tell(work: Workspace, builder: RequestBuilder, ledger: Ledger, outcome: Outcome) -> None:
    """Tell people what a run of the stage came to."""
    if outcome.monitor.unpriced and outcome.is_unpriced:
        _log.warning(unknown(builder.provider.model))
    if outcome.failed:
        why = "".join(f" ({text})" for text, _ in outcome.why_failed.most_common(1))
        _log.warning(f"{outcome.failed:,} requests got no answer{why}; the same command asks them again")
    if outcome.rejected:
        _log.warning(
            f"{outcome.rejected.total():,} articles are rejected by the endpoint for good "
            f"({outcome.rejected.most_common(1)[0][0]}); --retry-rejected asks them again"
        )
    api = builder.provider.batch_api()
    # in a ledger of names other jobs' batches may lie
    if work.within is None and (elsewhere := under_way_elsewhere(ledger, api.where if api else None)):
        _log.warning(with_job(elsewhere, work.config.in_commands))
    asked = builder.provider.model or ""
    for served, count in outcome.monitor.served.items():
        if served != "-" and asked.rpartition("/")[2] not in served:
            _log.warning(f"{count:,} requests to {asked} were answered by {served}")
    for reason, count in outcome.monitor.unknown_finishes.items():
        _log.warning(
            f"{count:,} replies ended with finish_reason {reason!r}, which is not known: those whose form shows no "
            "end count as cut"
        )
    for reason, replies in outcome.monitor.turned_away.items():
        _log.warning(f"{replies.count:,} replies are no label ({reason}), such as {replies}")
    if outcome.monitor.answered and (comparison := estimate.compared(work.quote_file, ledger.report.spending().spent)):
        logging.getLogger("labelmill.progress").info(comparison)
