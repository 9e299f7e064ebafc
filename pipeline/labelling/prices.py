"""What a reply cost.  A model that the table does not name has an unknown price, which is never taken for zero."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.resources import files

import yaml

from pipeline.records import Usage


@lru_cache(maxsize=1)
def table() -> list[dict[str, float | str]]:
    """Rows of `prices.yaml`: model pattern and US dollars for a million tokens of each kind."""
    return list(yaml.safe_load((files("pipeline.labelling") / "prices.yaml").read_text("utf-8")))


@lru_cache(maxsize=256)
def price_of(model: str) -> dict[str, float] | None:
    for row in table():
        if fnmatchcase(model, str(row["model"])):
            return {kind: float(value) for kind, value in row.items() if kind != "model"}
    return None


def cost_usd(model: str | None, usage: Usage) -> float | None:
    """Dollars for one reply, or None where the model's price or the usage is not known."""
    price = price_of(model) if model else None
    if price is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    cached = min(usage.cached_tokens or 0, usage.input_tokens)
    fresh = usage.input_tokens - cached
    return (fresh * price["input"] + cached * price["cached_input"] + usage.output_tokens * price["output"]) / 1e6
