"""Keeping `label.budget_usd`: who answers, at what price, and what follows where that is dearer than was reserved.

A reply that is dearer raises the tariff in this process at once, and with the next commit for all (`label.ledger.tariffs`).
What was reserved by the tariff before is not sent any more, and nothing is claimed until what is in flight is settled.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from pipeline.core.types import Reply
from pipeline.label.engine.question import RequestAttempt
from pipeline.label.engine.run_context import RunContext
from pipeline.label.engine.stopping import Stop
from pipeline.label.ledger.tariffs import Tariff


class Cap:
    """The tariff of a run.  `on_raise` is called when it was raised here, so that it is committed without delay."""

    def __init__(self, asking: RunContext, stop: Stop, on_raise: Callable[[], None]) -> None:
        self._asking, self._bounds, self._stop, self._on_raise = asking, asking.bounds, stop, on_raise
        self._kept = asking.budget_usd is not None
        self._told = False  # whether a reply, to whichever worker, has told who answers
        self._stored: Tariff | None = None

    @property
    def tariff(self) -> Tariff | None:
        """What is reserved by; None without a budget."""
        return self._bounds.tariff if self._kept else None

    @property
    def heard(self) -> Tariff | None:
        """What the ledger is to be told, as far as replies have told it."""
        return self._bounds.tariff if self._kept and self._told else None

    @property
    def is_news(self) -> bool:
        """Whether the ledger does not know it yet."""
        return self._kept and self._told and self._stored != self._bounds.tariff

    def is_outdated(self, ask: RequestAttempt) -> bool:
        """Whether an ask was reserved by an earlier tariff, and must be claimed anew."""
        return self._kept and ask.raised != self._bounds.tariff.raised

    def hear(self, ask: RequestAttempt, reply: Reply, cost_usd: float | None) -> float:
        """Hear who answered.  What the reply counts against the budget: its cost, or the most that it can have cost where
        nobody knows that."""
        price = None
        if self._kept:
            price = self._asking.prices.of_served(self._asking.model, reply.model)
            self._told, before = True, self._bounds.tariff
            if price is None:
                self._bounds.adopt(before.joined(before._replace(unpriced=reply.model)))
            else:
                self._bounds.hear(price, ask.size, reply.usage, cost_usd, ask.reserved_usd)
            self._act_on(before, reply.model)
        most = self._bounds.dollars(ask.size)
        self._bounds.learn(ask.size, reply.usage)
        return most if cost_usd is None or (self._kept and price is None) else cost_usd

    def heed(self, stored: Tariff | None) -> None:
        """Reserve by what the ledger has, which other workers may have raised."""
        self._stored = stored
        if self._kept and stored is not None:
            self._told, before = True, self._bounds.tariff
            self._bounds.adopt(stored.joined(before))
            self._act_on(before)

    def _act_on(self, before: Tariff, model: str | None = None) -> None:
        """Do what follows where the tariff is not what it was; `model` answered this process."""
        tariff, asked = self._bounds.tariff, self._asking.model
        if tariff.raised == before.raised:
            return
        self._asking.monitor.events.write("tariff_raised", **tariff._asdict())
        self._on_raise()
        self._stop.wake()
        if tariff.unpriced is not None:
            self._stop.pause(
                f"{asked} was asked for and {tariff.unpriced} answers, whose price is not known, so label.budget_usd cannot be "
                "kept; give it in label.prices"
            )
        elif tariff[1:3] != before[1:3]:
            dollars = f"${tariff.input_usd * 1e6:,.2f} and ${tariff.output_usd * 1e6:,.2f}"
            print(
                f"labelmill: {asked} was asked for, and {model or 'another model'} answers, at up to {dollars} for a million "
                "tokens of prompts and of replies: nothing is sent until what is in flight is settled, then by that price",
                file=sys.stderr,
            )
