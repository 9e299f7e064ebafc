"""What a reply costs.  A model that no table names has an unknown price, which is never taken for zero.

A gateway that says what it billed (`Reply.billed_usd`) is believed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.resources import files
from math import ceil, log

import yaml

from pipeline.core.types import Usage
from pipeline.job.label_options import Price
from pipeline.label.cost.price_list import listed

# what tells a version of a model from another, at the end of its name: -2026-09-01, -20260901, -001, @latest
_VERSION = re.compile(r"[-@:](?:\d{4}-\d\d-\d\d|\d{3,8}|latest)$")


@lru_cache(maxsize=1)
def shipped_prices() -> dict[str, Price]:
    """Return model pattern (shell style) -> price: the rows of `prices.yaml`."""
    rows = yaml.safe_load((files("pipeline.label.cost") / "prices.yaml").read_text("utf-8"))
    return {pattern: Price.model_validate(row) for pattern, row in rows.items()}


class Prices:
    """Prices by model.  `own`: the job file's, which come before those that ship, and these before the public list's, as it has
    them for `base_url`."""

    def __init__(self, own: Mapping[str, Price] | None = None, base_url: str = "") -> None:
        self._own, self._base_url = list((own or {}).items()), base_url
        self._by_model: dict[str, Price | None] = {}

    def of(self, model: str | None) -> Price | None:
        """Return the price of a model, None where it has no name or none is known."""
        if model is None:
            return None
        if model not in self._by_model:
            self._by_model[model] = self._own_of(model) or _shipped(model) or listed(model, self._base_url)
        return self._by_model[model]

    def _own_of(self, model: str) -> Price | None:
        return next((price for name, price in self._own if fnmatchcase(model, name)), None)

    def of_served(self, asked: str | None, served: str | None) -> Price | None:
        """Return the price of the model that answered.

        Its own; or that of the asked one where both are the same but for a version, or where the endpoint does not say: if nobody
        else has its own, or if the job file prices the asked one, for endpoints answer under the name of a version.
        """
        if served is not None and _family(served) != _family(asked or ""):
            return self.of(served)
        own = [price for name in (served, asked) if name is not None and (price := self._own_of(name))]
        return own[0] if own else self.of(served) or self.of(asked)

    def table(self, asked: str | None) -> dict[str, list[float | None]]:
        """All prices by model pattern, and that of the asked model: what reservations depend on."""
        prices = dict(reversed([*self._own, *shipped_prices().items()]))
        if asked is not None and (price := self.of(asked)) and price not in prices.values():
            prices[asked] = price
        return {name: _numbers(price) for name, price in prices.items()}

    def cost_usd(self, asked: str | None, served: str | None, usage: Usage, tier: str | None = None) -> float | None:
        """Return the dollars for one reply, by who answered, else by who was asked; None where neither's price, or the usage, is
        known."""
        price = self.of_served(asked, served) or self.of(asked)
        if price is None or usage.input_tokens is None or usage.output_tokens is None:
            return None
        return dollars(price, usage) * share_of(price, tier)


def long_note(price: Price | None, longest: int) -> str | None:
    """Return what a quote tells where its longest prompt, in tokens, is dearer than others; None where it is not."""
    if times_for_length(price, longest) == (1.0, 1.0) or not price or not (long := price.long_prompts):
        return None
    return (
        f"a prompt has {longest:,} tokens: one of over {long.above:,} costs {long.input:g} times what this quote says "
        f"(its reply {long.output:g} times); the token filter leaves such articles out"
    )


def _numbers(price: Price) -> list[float | None]:
    numbers = [
        price.input,
        price.output,
        price.cached_input,
        price.cache_write,
        price.batch,
        price.flex,
        price.priority,
    ]
    return numbers if (long := price.long_prompts) is None else [*numbers, long.above, long.input, long.output]


def unknown(model: str | None) -> str:
    """Return what people are told of a model without a price."""
    example = f'{{"{model}": {{input: 0.10, output: 0.50}}}}'
    return f"the price of {model!r} is not known; give it in label.prices: {example} (US dollars for a million tokens)"


def _shipped(model: str) -> Price | None:
    """Return the price of our own table: of a model by its name, whoever serves it, or of one of its versions."""
    return next((price for name, price in shipped_prices().items() if name.rstrip("*") == _family(model)), None)


def billed(price: Price, usage: Usage, tier: str | None, billed_usd: float) -> Price:
    """Return the price that a gateway asks who billed so much for a reply: never less than `price`.

    In steps of 5%, so that a fee on each request does not raise it with every reply.
    """
    expected = dollars(price, usage) * share_of(price, tier)
    if not expected or billed_usd <= expected * 1.001:
        return price
    factor = 1.05 ** ceil(log(billed_usd / expected) / log(1.05))
    fields = ("input", "output", "cached_input", "cache_write")
    return price.model_copy(
        update={name: value * factor for name in fields if (value := getattr(price, name)) is not None}
    )


def dollars(price: Price, usage: Usage) -> float:
    """Return the dollars of one request at the standard tier; tokens of the cache, read or written, are of its input tokens."""
    tokens_in, tokens_out = usage.input_tokens or 0, usage.output_tokens or 0
    cached = min(usage.cached_tokens or 0, tokens_in)
    written = min(usage.cache_write_tokens or 0, tokens_in - cached)
    of_cached = price.input if price.cached_input is None else price.cached_input
    of_written = price.input if price.cache_write is None else price.cache_write
    fresh = tokens_in - cached - written
    prompt, reply = fresh * price.input + cached * of_cached + written * of_written, tokens_out * price.output
    times = times_for_length(price, tokens_in)
    return (prompt * times[0] + reply * times[1]) / 1e6


def times_for_length(price: Price | None, tokens: float) -> tuple[float, float]:
    """Return how many times its price a token costs, (of the prompt, of the reply), where a prompt has so many tokens."""
    long = price.long_prompts if price else None
    return (long.input, long.output) if long and tokens > long.above else (1.0, 1.0)


TIERS = ("batch", "flex", "priority")


def share_of(price: Price, tier: str | None) -> float:
    """Return the share of the standard price that a service tier costs."""
    return float(getattr(price, tier)) if tier in TIERS else 1.0


def of_a_token(price: Price, tier: str | None = None) -> tuple[float, float]:
    """Return the most dollars that a token of a prompt, and one of a reply, can cost: at a tier, or whatever tier serves it."""
    share = (share_of(price, tier) if tier else max(1.0, *(share_of(price, each) for each in TIERS))) / 1e6
    return max(price.input, price.cached_input or 0.0, price.cache_write or 0.0) * share, price.output * share


def _family(model: str) -> str:
    """Return a model's name without its maker, its version and its case."""
    return _VERSION.sub("", model.rpartition("/")[2]).casefold()
