"""The most that a request can cost: what `label.budget_usd` reserves before it is sent."""

from __future__ import annotations

from pipeline.core.contracts import Provider
from pipeline.core.errors import ConfigError
from pipeline.core.types import Usage
from pipeline.job.label_options import JOB_BUDGET, Price
from pipeline.label.cost.prices import of_a_token, times_for_length, unknown
from pipeline.label.ledger.tariffs import LongPromptFactors, Tariff

SURE_AFTER = 20  # replies, before tokens are taken to be fewer than bytes
MARGIN = 1.15  # over the most tokens to a byte seen
_TOLERANCE = 1e-12  # dollars


def is_free(provider: Provider) -> bool:
    """Return whether a provider computes its answers in this process: they cost nothing, and no budget stops them."""
    return provider.pool is not None or provider.batches()


class CostBound:
    """The most that requests can cost, by a tariff: at first that of the asked model at its dearest tier, later the dearest
    that answered.

    A token is at least one byte, so the bytes of a prompt bound its tokens; after some replies the highest ratio that was
    seen, and a margin, does.  Replies are bounded by the parameter that limits them.
    """

    def __init__(self, asked: str, price: Price | None, most_output: int | None, tier: str | None = None) -> None:
        self._price, self._most_output, self._tier = price, most_output, tier  # a tier: the only one that can serve
        input_usd, output_usd = of_a_token(price, tier) if price else (0.0, 0.0)
        self.tariff = Tariff(asked, input_usd, output_usd, 1.0, most_output or 0)
        self._ratio, self._replies, self._output = 0.0, 0, 0  # as seen since the tariff was raised

    @property
    def long(self) -> LongPromptFactors:
        """How much more a long prompt costs than its tokens say."""
        long = self._price.long_prompts if self._price else None
        return LongPromptFactors(long.above, long.input, long.output) if long else LongPromptFactors()

    @property
    def is_known(self) -> bool:
        """Whether there is a most that a request can cost: a price, and a limit of replies."""
        return self._price is not None and self._most_output is not None

    def check(self, model: str, budget: str = JOB_BUDGET) -> None:
        """Raise ConfigError where a budget cannot be kept at all; `budget` is the option's whole name, its section first."""
        if self._price is None:
            raise ConfigError(f"{budget}: {unknown(model)}")
        if not self.is_known:
            section = budget.removesuffix("budget_usd")
            raise ConfigError(f"{budget}: needs {section}parameters.max_output_tokens, or a reply may cost anything")

    def dollars(self, size: int, room: int = 1) -> float:
        """Return the most dollars that one attempt of a request of so many bytes can cost, whose reply may have `room` times as
        many tokens as others; 0 where the price is not known."""
        tariff = self.tariff
        # a token is a byte at least, which bounds prompts before anything is known of them; far too much once replies show
        # how many it is
        ratio = tariff.ratio if self._replies < SURE_AFTER else min(tariff.ratio, self._ratio * MARGIN)
        output = max(tariff.output_tokens * room, self._output)
        tokens = int(size * max(ratio, self._ratio)) + 1
        times = times_for_length(self._price, tokens)
        return tokens * tariff.input_usd * times[0] + output * tariff.output_usd * times[1]

    def learn(self, size: int, usage: Usage) -> None:
        """Take note of what the endpoint counted for a request of `size` bytes."""
        if usage.input_tokens is not None:
            self._replies += 1
            self._ratio = max(self._ratio, usage.input_tokens / size)
        self._output = max(self._output, usage.output_tokens or 0)

    def expect(self, ratio: float | None) -> None:
        """Take for granted that a byte is no more tokens than in enough earlier replies."""
        if ratio is not None:
            self._replies, self._ratio = SURE_AFTER, max(self._ratio, ratio)

    def adopt(self, tariff: Tariff) -> None:
        """Reserve by another tariff; where it was raised, what was seen before does not count."""
        if tariff.raised > self.tariff.raised:
            self._ratio, self._replies, self._output = 0.0, 0, 0
        self.tariff = tariff

    def compare(self, price: Price, size: int, usage: Usage, cost_usd: float | None, reserved_usd: float) -> None:
        """Raise the tariff where a reply is by a dearer model, or cost more than was reserved for its request."""
        input_usd, output_usd = of_a_token(price, self._tier)
        dearest = self.tariff.joined(self.tariff._replace(input_usd=input_usd, output_usd=output_usd))
        if cost_usd is not None and cost_usd > max(reserved_usd, self.dollars(size)) + _TOLERANCE:
            dearest = dearest._replace(
                ratio=max(dearest.ratio, MARGIN * (usage.input_tokens or 0) / size),
                output_tokens=max(dearest.output_tokens, int(MARGIN * (usage.output_tokens or 0))),
                raised=self.tariff.raised + 1,
            )
        self.adopt(dearest)
