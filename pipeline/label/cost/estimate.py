"""Quotes: what a job will cost and how long it will take, before it is paid; and afterwards, whether that was true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.files import read_json, write_json
from pipeline.core.types import Usage
from pipeline.job.label_options import Price
from pipeline.label.cost.prices import dollars, share_of

_DRAWS = 2000  # of the bootstrap
_LEVEL = (2.5, 97.5)  # percent: a 95% interval

Interval = tuple[float, float]


@dataclass(frozen=True)
class Sampled:
    """One answered request: its prompt's tokens as counted here, usage as the endpoint counted it, dollars, seconds."""

    tokens: int
    usage: Usage
    cost_usd: float | None
    seconds: float


@dataclass(frozen=True)
class Quote:
    """What the rest of a job will cost.  `input_tokens` are exact counts of the rendered prompts that are still to be asked, with
    `encoding`; the endpoint's own tokenizer counts at most `most_input_tokens`.
    Dollars are for all of the job: what is paid already, and the rest, which costs at most `most_usd` and with a sample
    `rest_usd`.
    """

    articles: int
    answered: int
    to_ask: int
    model: str | None
    encoding: str
    input_tokens: int
    most_input_tokens: int
    most_output_tokens: int | None  # of one reply
    price: dict[str, Any] | None
    paid_usd: float
    input_usd: float | None
    most_usd: float | None
    sampled: int
    rest_usd: Interval | None
    output_tokens: Interval | None  # of all that is still to be asked
    requests_per_minute: int | None
    tokens_per_minute: int | None
    seconds_at_limits: float | None
    rest_seconds: Interval | None
    notes: list[str] = field(default_factory=list)
    saved: Saved | None = None  # by `label.share`
    ways: list[Way] = field(default_factory=list)  # the first is the one to take


@dataclass(frozen=True)
class Saved:
    """What `label.share` saves of the rest of a job: so many articles share, which would take so many requests, and dollars
    where they are known."""

    articles: int
    requests: int
    least_usd: float | None
    most_usd: float | None

    def __str__(self) -> str:
        most = "" if self.most_usd is None else f" to ${self.most_usd:,.4f}"
        money = "" if self.least_usd is None else f" and ${self.least_usd:,.4f}{most}"
        return (
            f"label.share: {self.articles:,} articles share the answer about a near-copy; that saves {self.requests:,} requests"
            f"{money}, less those whose text has nothing of it"
        )


@dataclass(frozen=True)
class Way:
    """One way to ask for the rest of a job: dollars (least, most) where they are known, seconds (least, most) likewise."""

    via: str
    usd: tuple[float, float | None] | None
    seconds: Interval | None
    why: str = ""  # it is recommended


BATCH_SECONDS = 86_400.0  # within which an endpoint answers a batch
_QUICK_SECONDS, _LITTLE_USD, _NOTHING_USD = 3600.0, 1.0, 0.05  # what nobody waits overnight to save


def ways(
    via: str, usd: tuple[float, float | None] | None, seconds: Interval | None, share: float, requests: int
) -> list[Way]:
    """Return both ways to ask the rest, the recommended one first.

    `usd` is that of the way `via`, `share` what a batch costs of the online price.
    """
    online = usd if via == "online" or usd is None or not share else _times(usd, 1 / share)
    batch = usd if via == "batch" or usd is None else _times(usd, share)
    saved = None if online is None or batch is None else (online[1] or online[0]) - (batch[1] or batch[0])
    ends_soon = seconds is not None and seconds[1] < _QUICK_SECONDS
    if saved is None or not requests or saved < (_LITTLE_USD if ends_soon else _NOTHING_USD):
        why = "a batch may take a day" if saved is None else "a batch saves little, and may take a day"
        return [Way("online", online, seconds, why), Way("batch", batch, (0.0, BATCH_SECONDS))]
    why = f"it saves up to ${saved:,.2f}, where a day may pass"
    return [Way("batch", batch, (0.0, BATCH_SECONDS), why), Way("online", online, seconds)]


def _times(usd: tuple[float, float | None], factor: float) -> tuple[float, float | None]:
    return usd[0] * factor, None if usd[1] is None else usd[1] * factor


def price_of_rest(
    price: Price | None, tier: str | None, tokens: tuple[int, int], requests: int, most_output: int | None
) -> tuple[float | None, float | None]:
    """Return (dollars of the prompts, the most that prompts and replies can cost), where the price is known.

    `tokens` are those of the prompts, as they are counted here and at most.
    """
    if price is None:
        return None, None
    share = share_of(price, tier)
    price = price.model_copy(update={"long_prompts": None})  # these are tokens of many requests
    prompts, most = (dollars(price, Usage(count, 0, 0)) * share for count in tokens)
    if most_output is None:
        return prompts, None
    return prompts, most + dollars(price, Usage(0, 0, most_output * requests)) * share


def intervals(
    sample: Sequence[Sampled], tokens: int, requests: int, in_flight: float, floor_seconds: float
) -> tuple[Interval | None, Interval, Interval]:
    """Return 95% intervals for the rest of a job: dollars, output tokens, seconds (never below what the limits allow).

    A percentile bootstrap over the sampled requests.  Dollars are predicted as a ratio to the prompts' tokens, which are
    known for every request (the ratio estimator, Cochran 1977, ch. 6), with the spread of the rest's own mean added.
    """
    random = np.random.default_rng(0)
    n = len(sample)
    counted = np.array([item.tokens for item in sample], float)
    output = np.array([item.usage.output_tokens or 0 for item in sample], float)
    seconds = np.array([item.seconds for item in sample], float)
    draws = random.integers(0, n, (_DRAWS, n))
    rest = max(requests, 1)

    def spread(values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Draw what the mean of the rest may differ from the true mean by."""
        return random.normal(0.0, float(values.std(ddof=1)) / rest**0.5 if n > 1 else 0.0, _DRAWS)

    outputs = requests * (output[draws].mean(1) + spread(output))
    times = requests * (seconds[draws].mean(1) + spread(seconds)) / max(in_flight, 1.0)
    cost = None
    if all(item.cost_usd is not None for item in sample):
        paid = np.array([item.cost_usd for item in sample], float)
        ratios = paid[draws].sum(1) / counted[draws].sum(1)
        residual = paid - counted * paid.sum() / counted.sum()
        cost = _interval(ratios * tokens + requests * spread(residual))
    low, high = _interval(times)
    return cost, _interval(outputs), (max(low, floor_seconds), max(high, floor_seconds))


def _interval(values: Any) -> Interval:
    low, high = np.percentile(values, _LEVEL)
    return max(0.0, float(low)), max(0.0, float(high))


def seconds_at_limits(
    requests: int, tokens: int, requests_per_minute: int | None, tokens_per_minute: int | None
) -> float | None:
    """Return the least seconds that the limits of the job file allow, None without limits."""
    times = [
        60.0 * count / limit for count, limit in ((requests, requests_per_minute), (tokens, tokens_per_minute)) if limit
    ]
    return max(times, default=None)


# --- kept beside the job, to be compared ---


def keep(path: Path, quote: Quote) -> None:
    """Write a quote to a file."""
    write_json(path, asdict(quote))


def quoted_usd(path: Path) -> float | None:
    """Return the dollars that the job was quoted at: the middle of the interval, or the most."""
    quote = read_json(path)
    if not quote:
        return None
    if quote["rest_usd"]:
        return float(quote["paid_usd"] + sum(quote["rest_usd"]) / 2)
    return None if quote["most_usd"] is None else float(quote["paid_usd"] + quote["most_usd"])


def quoted_range(quote: Mapping[str, Any]) -> Interval | None:
    """Return between which dollars a kept quote was, with what was paid before it; None without prices."""
    low, high = quote["rest_usd"] or (quote["input_usd"], quote["most_usd"])
    return None if low is None or high is None else (quote["paid_usd"] + low, quote["paid_usd"] + high)


def is_within(quoted: Interval, spent_usd: float) -> bool:
    """Tell whether the job has cost what it was quoted at."""
    low, high = quoted
    return low - 1e-9 <= spent_usd <= high + 1e-9


def compared(path: Path, spent_usd: float) -> str | None:
    """Return, in one line, what was quoted against what the job has cost; None without a quote in dollars."""
    quote = read_json(path)
    if not quote or (quoted := quoted_range(quote)) is None:
        return None
    (low, high), position = quoted, "within" if is_within(quoted, spent_usd) else "outside"
    return f"quoted ${low:,.4f} to ${high:,.4f} for {quote['articles']:,} articles; spent ${spent_usd:,.4f}: {position} the quote"
