"""What a run is given: who answers, the ledger, options, prices, and who hears of the results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from pipeline.core.contracts import Provider
from pipeline.core.engine import Task
from pipeline.core.files import digest_of
from pipeline.core.types import Reply, Request
from pipeline.job.label_options import JOB_BUDGET, LabelOptions, Price
from pipeline.label.chain import Asker
from pipeline.label.cost.cost_bound import CostBound, is_free
from pipeline.label.cost.prices import Prices, billed
from pipeline.label.endings import before_these_reasons
from pipeline.label.engine.context_fit import ContextFit
from pipeline.label.engine.failure_policy import ASKED_AGAIN, ASKED_AGAIN_LATER, ASKED_OTHERWISE
from pipeline.label.engine.monitor import Monitor
from pipeline.label.ledger import Ledger, Record
from pipeline.label.pacing.rate_limiter import TokenEstimate

OnFinished = Callable[[Request, Record | None, str | None, str], None]
"""(request, its last record or None, code of the failure, detail): called once for each request."""

Answered = tuple[str, list[Reply], float]
"""(name of a task, the replies to its requests, seconds)"""

Answering = Callable[[Iterable[Task], int], Iterator[Answered]]
"""What answers tasks of (name, requests) of which there are about so many, in any order."""

OnLateReply = Callable[[Request, Record, str], None]
"""(request, its last record, what that is worth): called for each reply of a batch that no run has judged yet."""


def answerer(provider: Provider) -> Callable[[tuple[str, Sequence[Request]]], Answered]:
    """Return what answers a task's batch by this provider, in this process."""

    def answer(given: tuple[str, Sequence[Request]]) -> Answered:
        name, requests = given
        started = time.monotonic()
        return name, provider.answer(requests), time.monotonic() - started

    return answer


class RunContext:
    """The parts of a run that its modules share."""

    def __init__(
        self,
        builder: Asker,
        ledger: Ledger,
        options: LabelOptions,
        monitor: Monitor,
        on_finished: OnFinished,
        retry_rejected: bool = False,
        answering: Answering | None = None,
        budget_name: str = JOB_BUDGET,
        is_divided: Callable[[Request], bool] = lambda _: False,
    ) -> None:
        """`is_divided`: whether a request that is turned down is asked in parts then, so that this is nobody's verdict."""
        self._retry_rejected = retry_rejected
        self.builder, self.ledger, self.options = builder, ledger, options
        self.monitor, self.on_finished = monitor, on_finished
        self.is_divided = is_divided
        self.on_late_reply: OnLateReply = lambda *_: None
        self.provider = provider = builder.provider
        self.answering = answering if answering and provider.in_processes else self._answer_here
        self.pool = provider.pool  # it computes here: nothing is paced, cut off or paid
        self.model, most_output = provider.model, provider.max_output_tokens
        self.prices = Prices(options.prices, provider.base_url)
        asked = digest_of([provider.identity, self.prices.table(self.model)])
        self.bound = CostBound(asked, self.prices.of(self.model), most_output)
        self.is_free = is_free(provider)
        self.budget_usd, self.budget_name = None if self.is_free else options.budget_usd, budget_name
        # whether this pass did not ask all of its requests, for a batch holds the rest
        self.leaves_some = False
        self.token_estimate = TokenEstimate(most_output)
        self.context_fit = ContextFit(builder, options.on_too_long, most_output)
        if self.budget_usd is not None:
            self.bound.check(self.model or builder.provider_name, budget_name)

    def _answer_here(self, tasks: Iterable[Task], count: int) -> Iterator[Answered]:
        return map(answerer(self.provider), (task.given for task in tasks))

    def cost_usd(self, reply: Reply) -> float | None:
        """Return the dollars of a reply: as billed, where a gateway says so, else by the model that served it, else by the one that
        was asked for; None where neither has a price."""
        if self.is_free:
            return 0.0
        if reply.billed_usd is not None:
            return reply.billed_usd
        return self.prices.cost_usd(self.model, reply.model, reply.usage, reply.tier)

    @property
    def is_unpriced(self) -> bool:
        """Whether nobody knows what the asked model costs."""
        return not self.is_free and self.prices.of(self.model) is None

    def price_of(self, reply: Reply) -> Price | None:
        """Return the price of whoever answered, by which the next requests are reserved; None where it is not known."""
        price = self.prices.of_served(self.model, reply.model)
        if reply.billed_usd is None:
            return price
        price = price or self.prices.of(self.model)
        return price and billed(price, reply.usage, reply.tier, reply.billed_usd)

    def finish(self, request: Request, record: Record | None, failure: str | None = None, detail: str = "") -> None:
        """Report what became of a request: nothing more will be asked about it in this run."""
        self.monitor.advance()
        self.on_finished(request, record, failure, detail)

    def why_again(self, request: Request, records: list[Record]) -> str | None:
        """Return why a question that the ledger has `records` of must be asked once more, or None."""
        if records[-1].reply is None and self._retry_rejected:
            return "rejected"
        if request.settled:
            return None
        record = records[-1]
        why = self.builder.verdict(request, record)
        if record.lane == "batch":  # this run is the first to read it
            self.on_late_reply(request, record, why)
            return why if self.may_ask_again(len(records), why) else None
        if record.reply is not None:
            why = before_these_reasons(record.reply, why)
        return why if why in ASKED_AGAIN_LATER and self.may_ask_again(len(records), why) else None

    def may_ask_again(self, asked: int, why: str) -> bool:
        """Return whether a reply that is no good for this reason, the answer to so many asks, is worth another one."""
        is_worth_it = why in ASKED_AGAIN or (why in ASKED_OTHERWISE and why in self.provider.asks_otherwise)
        return asked <= self.options.reask and is_worth_it and not self.provider.repeats
