"""Keeping `label.budget_usd`: who answers, at what price, and what follows where that is dearer than was reserved.

A reply that is dearer raises the tariff in this process at once, and with the next commit for all (`label.ledger.tariffs`).
What was reserved by the tariff before is not sent any more, and nothing is claimed until what is in flight is stored.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from pipeline.core.types import Reply
from pipeline.label.cost.prices import unknown
from pipeline.label.engine.request_attempt import RequestAttempt
from pipeline.label.engine.run_context import RunContext
from pipeline.label.engine.stopping import Stop
from pipeline.label.ledger.tariffs import Tariff

_log = logging.getLogger("labelmill.label")


class BudgetCap:
    """The tariff of a run.  `on_raise` is called when it was raised here, so that it is committed without delay."""

    def __init__(self, context: RunContext, stop: Stop, on_raise: Callable[[], None]) -> None:
        self._context, self._bound, self._stop, self._on_raise = context, context.bound, stop, on_raise
        self._is_kept = context.budget_usd is not None
        self._is_known = False  # whether a reply, to whichever worker, has shown who answers
        self._stored: Tariff | None = None

    @property
    def tariff(self) -> Tariff | None:
        """What is reserved by; None without a budget."""
        return self._bound.tariff if self._is_kept else None

    @property
    def observed(self) -> Tariff | None:
        """What the ledger is to store: the tariff, once a reply has shown who answers."""
        return self._bound.tariff if self._is_kept and self._is_known else None

    @property
    def is_news(self) -> bool:
        """Whether the ledger does not have it yet."""
        return self._is_kept and self._is_known and self._stored != self._bound.tariff

    def is_outdated(self, attempt: RequestAttempt) -> bool:
        """Return whether a request was reserved by an earlier tariff, and must be claimed anew."""
        return self._is_kept and attempt.raised != self._bound.tariff.raised

    def learn(self, attempt: RequestAttempt, reply: Reply, cost_usd: float | None) -> float:
        """Take note of who answered; return the dollars that the reply counts against the budget: its cost, or the most that it can
        have cost where nobody knows that."""
        price = None
        if self._is_kept:
            price = self._context.price_of(reply)
            self._is_known, before = True, self._bound.tariff
            if price is None:
                # nobody knows what the next reply costs, so no budget can be kept: what is stored pauses all workers
                self._bound.adopt(before.joined(before._replace(unpriced=reply.model)))
            else:
                self._bound.compare(price, attempt.size, reply.usage, cost_usd, attempt.reserved_usd)
            self._act_on(before, reply.model)
        most = self._bound.dollars(attempt.size, attempt.room)
        self._bound.learn(attempt.size, reply.usage)
        return most if cost_usd is None or (self._is_kept and price is None) else cost_usd

    def adopt(self, stored: Tariff | None) -> None:
        """Reserve by what the ledger has, which other workers may have raised."""
        self._stored = stored
        if self._is_kept and stored is not None:
            self._is_known, before = True, self._bound.tariff
            self._bound.adopt(stored.joined(before))
            self._act_on(before)

    def _act_on(self, before: Tariff, model: str | None = None) -> None:
        """Do what follows where the tariff is not what it was; `model` answered this process."""
        tariff, asked = self._bound.tariff, self._context.model
        if tariff.raised == before.raised:
            return
        self._context.monitor.events.write("tariff_raised", **tariff._asdict())
        self._on_raise()
        self._stop.wake()
        if tariff.unpriced is not None:
            self._stop.pause(
                f"{asked} was asked for and {tariff.unpriced} answers, whose price is not known, so "
                f"{self._context.budget_name} cannot be kept: {unknown(tariff.unpriced)}"
            )
        elif tariff[1:3] != before[1:3]:
            dollars = f"${tariff.input_usd * 1e6:,.2f} and ${tariff.output_usd * 1e6:,.2f}"
            _log.warning(
                f"{asked} was asked for, and {model or 'another model'} answers, at up to {dollars} for a million "
                "tokens of prompts and of replies: nothing is sent until what is in flight is settled, then by that price"
            )
