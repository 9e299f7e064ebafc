"""The most that a request can cost: what `label.budget_usd` reserves before it is sent."""

from __future__ import annotations

from pipeline.core.errors import ConfigError
from pipeline.core.types import Usage
from pipeline.job.config import Price
from pipeline.label.cost.prices import share_of

SURE_AFTER = 20  # replies, before tokens are taken to be fewer than bytes
MARGIN = 1.15  # over the most tokens to a byte seen


class Bounds:
    """A token is at least one byte, so the bytes of a prompt bound its tokens; after some replies the highest ratio
    that was seen, and a margin, does.  Replies are bounded by the parameter that limits them."""

    def __init__(self, price: Price | None, most_output: int | None, tier: str | None) -> None:
        self._price, self._most_output = price, most_output
        self._share = share_of(price, tier) if price else 0.0
        self._ratio, self._replies = 0.0, 0
        self._output = most_output or 0

    def check(self, model: str) -> None:
        """Whether a budget can be kept at all.  Raises ConfigError."""
        if self._price is None:
            raise ConfigError(f"label.budget_usd: the price of {model!r} is not known; give it in label.prices")
        if self._most_output is None:
            raise ConfigError(
                "label.budget_usd: needs label.parameters.max_output_tokens, or a reply may cost anything"
            )

    def dollars(self, size: int) -> float:
        """The most that one attempt of a request of so many bytes can cost; 0 where the price is not known."""
        if self._price is None:
            return 0.0
        ratio = 1.0 if self._replies < SURE_AFTER else min(1.0, self._ratio * MARGIN)
        tokens = size * max(ratio, self._ratio)
        dearest = max(self._price.input, self._price.cache_write or 0.0)
        return ((int(tokens) + 1) * dearest + self._output * self._price.output) * self._share / 1e6

    def learn(self, size: int, usage: Usage) -> None:
        if usage.input_tokens is not None:
            self._replies += 1
            self._ratio = max(self._ratio, usage.input_tokens / size)
        self._output = max(self._output, usage.output_tokens or 0)
