"""What the labelling engine is given, and what it works on."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.core.files import digest_of
from pipeline.core.types import Reply, Request
from pipeline.job.config import LabelOptions
from pipeline.label.cost.budget import CostBound
from pipeline.label.cost.prices import Prices
from pipeline.label.engine.context_fit import Fitting
from pipeline.label.engine.monitor import Monitor
from pipeline.label.engine.token_estimate import TokenEstimate
from pipeline.label.ledger import Ledger, Record
from pipeline.label.requests import RequestBuilder

ASKED_AGAIN = ("truncated", "refusal", "empty", "content_filter")


OnSettled = Callable[[Request, Record | None, str | None, str], None]
"""(request, its last record or None, code of the failure, detail): heard once of each request."""


class RunContext:
    """A run's parts: labeller (its provider, its judgement), ledger, limits, prices, and who hears of the results."""

    def __init__(
        self,
        labeller: RequestBuilder,
        ledger: Ledger,
        options: LabelOptions,
        monitor: Monitor,
        on_settled: OnSettled,
        retry_rejected: bool = False,
    ) -> None:
        self._retry_rejected = retry_rejected
        self.labeller, self.ledger, self.options = labeller, ledger, options
        self.monitor, self.on_settled = monitor, on_settled
        self.provider = provider = labeller.provider
        self.pool = provider.pool  # it computes here: nothing is paced, cut off or paid
        self.model, most_output = provider.model, provider.max_output_tokens
        self.prices = Prices(options.prices)
        asked = digest_of([provider.identity, self.prices.table])
        self.bounds = CostBound(asked, self.prices.of(self.model), most_output)
        self.budget_usd = options.budget_usd if self.pool is None else None
        self.charge = TokenEstimate(most_output)
        self.fitting = Fitting(labeller, options.on_too_long, most_output)
        if self.budget_usd is not None:
            self.bounds.check(self.model or labeller.provider_name)

    def cost_usd(self, reply: Reply) -> float | None:
        """By the model that served it, else by the one that was asked for; None where neither has a price."""
        if self.pool is not None:
            return 0.0
        cost = self.prices.cost_usd(reply.model, reply.usage, reply.tier)
        return self.prices.cost_usd(self.model, reply.usage, reply.tier) if cost is None else cost

    def settle(self, request: Request, record: Record | None, failure: str | None = None, detail: str = "") -> None:
        """Nothing more will be asked about this request."""
        self.monitor.settled()
        self.on_settled(request, record, failure, detail)

    def again(self, request: Request, records: list[Record]) -> str | None:
        """Why the question must be asked once more, or None."""
        if records[-1].reply is None and self._retry_rejected:
            return "rejected"
        if request.settled:
            return None
        why = self.labeller.verdict(request, records[-1])
        return why if self.may_ask_again(len(records), why) else None

    def may_ask_again(self, asked: int, why: str) -> bool:
        """Whether a reply that is no good for this reason, the answer to so many asks, is worth another one."""
        return asked <= self.options.reask and why in ASKED_AGAIN and not self.provider.repeats
