"""Limits and concurrency, a minute at a time, in virtual time: no clock of this machine is asked."""

from __future__ import annotations

import random
from typing import Any

import pytest

from pipeline.core.types import RateLimits
from pipeline.label.openai_api import rate_limits
from pipeline.label.pacing.admission import RequestAdmission
from tests import virtual_time
from tests.virtual_time import Endpoint, Load


@pytest.mark.parametrize("granularity", ["fixed", "bucket"])
@pytest.mark.parametrize("latency", [0.02, 0.4])
@pytest.mark.parametrize("how", ["job file", "headers"])
def test_a_limit_that_is_told_is_used_and_kept(granularity: Any, latency: float, how: str) -> None:
    told = {"requests_per_minute": 3000} if how == "job file" else {"headers": True}
    load = Load(Endpoint(granularity=granularity, latency=latency), **told).run()  # type: ignore[arg-type]
    assert load.share > 0.97
    assert load.refused < 0.01


@pytest.mark.parametrize("granularity", ["fixed", "bucket"])
@pytest.mark.parametrize("latency", [0.02, 0.1, 0.4])
@pytest.mark.parametrize("retry_after", [None, 1.0])
def test_a_limit_is_learned_from_refusals_alone(granularity: Any, latency: float, retry_after: float | None) -> None:
    load = Load(Endpoint(granularity=granularity, latency=latency, retry_after=retry_after)).run()
    assert load.share > 0.90
    assert load.refused < 0.01


def test_tokens_are_paced_like_requests() -> None:
    draw = random.Random(1)
    endpoint = Endpoint(per_minute=4_000_000, size=lambda: draw.randint(300, 700))
    load = Load(endpoint, tokens_per_minute=4_000_000).run()
    assert load.share > 0.97
    assert load.refused < 0.01


def test_a_limit_counted_otherwise_than_here_is_met_after_the_first_refusals() -> None:
    endpoint = Endpoint(per_minute=3_000_000, size=lambda: 500.0)  # a third more than it lets through by its own count
    load = Load(endpoint, tokens_per_minute=4_000_000).run()
    assert load.share > 0.93
    assert load.refused < 0.01


@pytest.mark.parametrize("granularity", ["fixed", "bucket"])
@pytest.mark.parametrize(("factor", "least"), [(0.5, 0.75), (2.0, 0.6)])
def test_a_limit_that_changes_is_followed(granularity: Any, factor: float, least: float) -> None:
    endpoint = Endpoint(granularity=granularity, latency=0.1)
    load = Load(endpoint, seconds=90.0, at={30.0: lambda e: setattr(e, "per_minute", 3000.0 * factor)}).run()
    later = sum(30 <= at < 90 for at in endpoint.accepted) / (3000 * factor)
    last = sum(60 <= at < 90 for at in endpoint.accepted) / (1500 * factor)
    assert later > least
    assert last > 0.85
    assert load.refused < 0.015


def test_an_allowance_for_a_whole_minute_is_spread_after_it_was_met_once() -> None:
    load = Load(Endpoint(granularity="minute"), seconds=180.0).run()
    assert load.share > 0.9
    assert load.refused < 0.05


@pytest.mark.parametrize("slots", [4, 16, 64])
def test_concurrency_finds_the_knee(slots: int) -> None:
    load = Load(Endpoint(per_minute=None, slots=slots, latency=0.1), seconds=40.0).run()
    served = sum(at > 15 for at in load.endpoint.accepted) / 25
    assert served > 0.9 * slots / 0.1
    settled = load.in_flight[len(load.in_flight) // 2 :]
    assert sum(settled) / len(settled) < max(3 * slots, 20)


def test_a_concurrency_that_is_given_is_kept() -> None:
    load = Load(Endpoint(per_minute=None, latency=0.1), concurrency=32, seconds=10.0).run()
    assert max(load.in_flight) == 32
    assert len(load.endpoint.accepted) > 0.9 * 32 / 0.1 * 8


@pytest.mark.parametrize(
    ("headers", "limits"),
    [
        ({"x-ratelimit-limit-requests": "3000", "x-ratelimit-reset-requests": "20ms"}, RateLimits(requests=3000)),
        ({"x-ratelimit-limit-tokens": "150000", "x-ratelimit-reset-tokens": "1m2s"}, RateLimits(tokens=150000)),
        (
            {"x-ratelimit-limit-requests": "14400", "x-ratelimit-reset-requests": "2m59.56s"},
            RateLimits(),
        ),  # by the day
        ({"x-ratelimit-limit-requests": "many", "x-ratelimit-limit-tokens": "-5"}, RateLimits()),
        ({"x-ratelimit-limit-requests": "0", "x-ratelimit-limit-tokens": "nan"}, RateLimits()),
    ],
)
def test_headers_are_read_with_care(headers: dict[str, str], limits: RateLimits) -> None:
    assert rate_limits.limits(headers) == limits


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("12ms", 0.012), ("6s", 6.0), ("1m30s", 90.0), ("1h2m3.5s", 3723.5), ("2d", 172800.0), ("7", 7.0), ("soon", None)],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert rate_limits.seconds(text) == pytest.approx(seconds) if seconds else rate_limits.seconds(text) is None


def test_workers_divide_the_limits_that_were_told() -> None:
    async def rates() -> list[float | None]:
        admission, seen = RequestAdmission(1200, None, None), []
        for workers in (1, 2, 3, 1):
            admission.share_with(workers)
            seen.append(admission.rate_limiters["requests"].rate(0.0))
        admission.share_with(2)
        admission.set_advertised(RateLimits(requests=600, tokens=6000))
        return [*seen, *(admission.rate_limiters[unit].rate(0.0) for unit in ("requests", "tokens"))]

    assert virtual_time.run(rates) == pytest.approx([20 * 0.99 / n for n in (1, 2, 3, 1)] + [4.95, 49.5])
