"""A public list of prices, as the package genai-prices ships it: what models cost of which neither the job file nor our table
tells.

A name means a price at an address that the list knows, or where it is one of a maker who alone sells it: a gateway charges what
the maker does.  Weights that anybody may serve (gpt-oss, gemma, `llama3:8b`) have no price elsewhere.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from pipeline.job.label_options import Price

# those who sell models of their own, in the order in which a bare name is looked up; what gateways call them
_MAKERS = ("openai", "anthropic", "google", "deepseek", "mistral", "x-ai")
_PREFIXES = {name: name for name in _MAKERS} | {
    "gemini": "google",
    "vertex_ai": "google",
    "azure": "openai",
    "xai": "x-ai",
}
_OPEN_WEIGHTS = re.compile(
    r"gpt-oss|gemma|^open-|^mi[sx]tral-\d|^mistral-nemo|instruct|deepseek-r1-distill|:", re.IGNORECASE
)
_CONTEXTS = {
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
}
_TOKENS = 1000  # priced at once: few enough for the tier of short prompts


@lru_cache(maxsize=1000)
def listed(model: str, base_url: str = "") -> Price | None:
    """Return the price of a model at an address, None where the list has none (or is not installed)."""
    try:
        import genai_prices  # noqa: F401
    except ImportError:
        return None
    if base_url and (price := _price(model, provider_api_url=base_url)):
        return price
    prefix, _, name = model.lower().rpartition("/")
    if _OPEN_WEIGHTS.search(name):
        return None
    makers = [_PREFIXES.get(prefix.rpartition("/")[2], "")] if prefix else _MAKERS
    return next((price for maker in makers if maker and (price := _price(name, provider_id=maker))), None)


def _price(model: str, **where: str) -> Price | None:
    asked = _dollars(model, where, input_tokens=_TOKENS)
    replied = _dollars(model, where, output_tokens=_TOKENS)
    if not asked or not replied:  # it has none, or is listed without a price, which is not nothing
        return None
    of_cache = {
        "cached_input": _dollars(model, where, input_tokens=_TOKENS, cache_read_tokens=_TOKENS),
        "cache_write": _dollars(model, where, input_tokens=_TOKENS, cache_write_tokens=_TOKENS),
    }
    shares = {
        name: (_dollars(model, where, context, input_tokens=_TOKENS) or asked) / asked
        for name, context in _CONTEXTS.items()
    }
    long = _long_prompts(model, where)
    source = f"genai-prices {version('genai-prices')}"
    return Price.model_validate(
        {"input": asked, "output": replied, "source": source, "long_prompts": long, **of_cache, **shares}
    )


def _long_prompts(model: str, where: Any) -> dict[str, float] | None:
    """Return from how many tokens a prompt costs more, and how many times as much: of the lowest of such steps."""
    from genai_prices import Usage, calc_price

    listed_price = calc_price(Usage(input_tokens=_TOKENS), model, **where).model_price
    steps = [
        step for rate in (listed_price.input_mtok, listed_price.output_mtok) for step in getattr(rate, "tiers", ())
    ]
    if not steps:
        return None
    above = min(step.start for step in steps)
    short, long = _split(model, where, above - 1), _split(model, where, above + 1)
    return {"above": above, "input": max(1.0, long[0] / short[0]), "output": max(1.0, long[1] / short[1])}


def _split(model: str, where: Any, tokens: int) -> tuple[float, float]:
    """Return the dollars for a million tokens of a prompt of so many, and of its reply."""
    from genai_prices import Usage, calc_price

    priced = calc_price(Usage(input_tokens=tokens, output_tokens=_TOKENS), model, **where)
    return round(float(priced.input_price) * 1e6 / tokens, 9), round(float(priced.output_price) * 1e6 / _TOKENS, 9)


def _dollars(model: str, where: Any, context: dict[str, str] | None = None, **tokens: int) -> float | None:
    """Return dollars for a million tokens, None where the list does not have the model."""
    from genai_prices import Usage, calc_price

    try:
        priced = calc_price(Usage(**tokens), model, price_context=context, **where)
    except (LookupError, ValueError):
        return None
    return round(float(priced.total_price) * 1e6 / _TOKENS, 9)
