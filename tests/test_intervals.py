"""Intervals: against statsmodels, by hand, and by simulation: 95% intervals hold the truth 93 to 97 times of 100."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pipeline.metrics.intervals import (
    NOTHING,
    Sample,
    Share,
    clustered_share,
    difference,
    score_mean,
    stratified_share,
    student,
    wilson,
)

Draw = np.random.Generator
Clusters = tuple[list[int], list[int]]


@pytest.mark.parametrize(("hits", "total"), [(0, 7), (7, 7), (1, 2), (37, 40), (500, 1000)])
def test_wilson_is_that_of_statsmodels(hits: int, total: int) -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    assert wilson(hits / total, total) == pytest.approx(
        proportion.proportion_confint(hits, total, method="wilson"), abs=1e-9
    )


@pytest.mark.parametrize(("a", "n", "b", "m"), [(9, 10, 70, 80), (56, 70, 48, 80), (10, 10, 0, 20), (5, 56, 0, 29)])
def test_the_difference_is_newcombes(a: int, n: int, b: int, m: int) -> None:
    """56 of 70 less 48 of 80: [0.0524, 0.3339] (Newcombe 1998, table II, method 10)."""
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    one, other = (Share(x / k, *wilson(x / k, k), k, k) for x, k in ((a, n), (b, m)))
    theirs = proportion.confint_proportions_2indep(a, n, b, m, method="newcomb", compare="diff")
    assert difference(one, other)[1:] == pytest.approx(theirs, abs=1e-9)
    if a == 56:
        assert difference(one, other) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_students_quantiles() -> None:
    scipy = pytest.importorskip("scipy.stats")
    for freedom in (1, 2, 5, 9, 29, 400):
        assert student(freedom) == pytest.approx(scipy.t.ppf(0.975, freedom), abs=1e-3)
    assert student(3) == pytest.approx(3.182, abs=0.005)


def test_the_design_effect_by_hand() -> None:
    """Four articles of 2: right 2, 2, 0, 1.  Mean square between (0.375^2 * 2 * 2 + ...) / 3, within (0 + 0 + 0 + 0.5) / 4."""
    found = clustered_share([2, 2, 0, 1], [2, 2, 2, 2])
    between = 2 * (2 * 0.375**2 + 0.625**2 + 0.125**2) / 3
    icc = (between - 0.125) / (between + 0.125)
    assert (found.mean, found.icc) == pytest.approx((0.625, icc))
    spread = (2 * 0.75**2 + 1.25**2 + 0.25**2) * 4 / 3 / 8**2
    assert found.design_effect == pytest.approx(max(1 + icc, spread / (0.625 * 0.375 / 8)))
    assert (found.low, found.high) == pytest.approx(wilson(0.625, 8 / found.design_effect, student(3)))


def test_where_little_is_known() -> None:
    assert clustered_share([], []) == stratified_share([]) == score_mean([]) == NOTHING
    one = clustered_share([3], [4])
    assert (one.low, one.high, one.icc) == (0.0, 1.0, None)
    same = clustered_share([4] * 10, [4] * 10)
    assert same.mean == same.high == 1.0 and same.design_effect == 4.0 and 0.6 < same.low < 0.75  # of 10, not of 40
    single = clustered_share([1, 0, 1, 1, 1], [1, 1, 1, 1, 1])
    assert single.icc is None and single.design_effect == pytest.approx(1.25)  # 5 / 4: the variance is estimated
    assert score_mean([0.8, 0.8]).low < 0.1 and score_mean([0.8] * 50).low > 0.6


def test_a_census_knows() -> None:
    sizes, hits = [3, 4, 5, 1], [3, 2, 5, 0]
    part, whole = clustered_share(hits, sizes, 5), clustered_share(hits, sizes, 4)
    assert part.low < whole.low == whole.mean == whole.high == 10 / 13 < part.high
    assert clustered_share(hits, sizes).low < part.low
    assert clustered_share([0, 3], [0, 3], 2).low == 1.0  # an article without phrases is seen too


def test_strata_are_weighted_and_their_absence_is_told() -> None:
    good, bad = Sample([9] * 30, [10] * 30, 800.0), Sample([5] * 30, [10] * 30, 100.0)
    found = stratified_share([good, bad, Sample([], [], 100.0)])
    assert found.mean == pytest.approx((800 * 0.9 + 100 * 0.5) / 900) and found.covers == pytest.approx(0.9)
    assert stratified_share([good, bad]).covers == 1.0
    assert stratified_share([Sample([9] * 30, [10] * 30, 5.0)]) == clustered_share([9] * 30, [10] * 30)


def test_a_stratum_of_one_article_adds_what_is_not_known_of_it() -> None:
    """Three right phrases of one article are no proof: the interval is wider than without the stratum's share."""
    large = Sample([9, 8, 10] * 20, [10] * 60, 70.0)
    lone = stratified_share([large, Sample([3], [3], 30.0)])
    assert lone.mean > clustered_share(large.hits, large.sizes).mean
    assert lone.high - lone.low > 2 * (stratified_share([large]).high - stratified_share([large]).low)


# --- simulations ---


def articles(draw: Draw, count: int, rate: float, icc: float) -> Clusters:
    """Articles of 1 to 7 phrases: right ones by a beta-binomial."""
    sizes = draw.integers(1, 8, count)
    sure = icc == 0 or rate in (0, 1)
    rates = np.full(count, rate) if sure else draw.beta(rate * (1 / icc - 1), (1 - rate) * (1 / icc - 1), count)
    return draw.binomial(sizes, rates).tolist(), sizes.tolist()


def coverage(once: Callable[[Draw], tuple[float, float, float]], times: int, seed: int = 17) -> float:
    """How often (low, truth, high) are in order."""
    draw = np.random.default_rng(seed)
    found = (once(draw) for _ in range(times))
    return sum(low - 1e-9 <= truth <= high + 1e-9 for low, truth, high in found) / times


@pytest.mark.parametrize(
    ("count", "rate", "icc"),
    [
        *[
            (30, 0.5, 0.1),
            (30, 0.8, 0.3),
            (30, 0.9, 0.5),
            (60, 0.9, 0.0),
            (60, 0.95, 0.5),
            (60, 0.8, 0.3),
        ],
        *[(120, 0.95, 0.3), (120, 0.98, 0.1), (400, 0.5, 0.5), (400, 0.9, 0.1), (400, 0.98, 0.5)],
    ],
)
def test_precision_covers(count: int, rate: float, icc: float) -> None:
    def once(draw: Draw) -> tuple[float, float, float]:
        found = clustered_share(*articles(draw, count, rate, icc))
        return found.low, rate, found.high

    share = coverage(once, 2000)
    assert 0.93 <= share <= 0.97


@pytest.mark.parametrize(("count", "rate"), [(3, 0.85), (5, 0.85), (10, 0.85), (30, 0.98)])
def test_small_samples_are_honest(count: int, rate: float) -> None:
    """Where few phrases or few wrong ones were seen the interval covers more than it says, not less."""

    def once(draw: Draw) -> tuple[float, float, float]:
        found = clustered_share(*articles(draw, count, rate, 0.2))
        return found.low, rate, found.high

    assert coverage(once, 600) >= 0.95


@pytest.mark.parametrize(
    ("weights", "rates", "counts"),
    [
        ([0.5, 0.3, 0.2], [0.9, 0.8, 0.95], [60, 40, 30]),
        ([0.7, 0.2, 0.1], [0.95, 0.8, 0.6], [30, 30, 30]),  # the sample's proportions are not the population's
        ([0.6, 0.2, 0.1, 0.1], [0.92, 0.85, 0.8, 0.97], [60, 12, 3, 1]),
        ([0.1] * 10, [0.75 + 0.02 * at for at in range(10)], [4] * 10),
        ([0.8, 0.1, 0.1], [1.0, 0.5, 0.3], [60, 20, 20]),
    ],
)
@pytest.mark.parametrize("icc", [0.05, 0.4])
def test_strata_cover(weights: list[float], rates: list[float], counts: list[int], icc: float) -> None:
    truth = float(np.dot(weights, rates))

    def once(draw: Draw) -> tuple[float, float, float]:
        strata = zip(weights, rates, counts, strict=True)
        found = stratified_share([Sample(*articles(draw, count, rate, icc), weight) for weight, rate, count in strata])
        return found.low, truth, found.high

    share = coverage(once, 1000)
    assert 0.93 <= share <= 0.97


@pytest.mark.parametrize(("judged", "rate"), [(25, 0.8), (40, 0.9), (45, 0.8), (48, 0.8)])
def test_a_part_of_a_small_population_covers(judged: int, rate: float) -> None:
    """The truth is the share of these 50 articles, not of the process that made them."""

    def once(draw: Draw) -> tuple[float, float, float]:
        hits, sizes = articles(draw, 50, rate, 0.2)
        found = clustered_share(hits[:judged], sizes[:judged], 50)
        return found.low, sum(hits) / sum(sizes), found.high

    share = coverage(once, 1500)
    assert 0.93 <= share <= 0.97


@pytest.mark.parametrize("icc", [0.05, 0.3])
def test_the_difference_covers(icc: float) -> None:
    def once(draw: Draw) -> tuple[float, float, float]:
        _, low, high = difference(
            clustered_share(*articles(draw, 40, 0.8, icc)), clustered_share(*articles(draw, 200, 0.9, icc))
        )
        return low, -0.1, high

    share = coverage(once, 1000)
    assert 0.93 <= share <= 0.97


@pytest.mark.parametrize(("count", "rate", "icc"), [(20, 0.9, 0.3), (40, 0.7, 0.2), (100, 0.5, 0.05)])
def test_partial_credit_covers(count: int, rate: float, icc: float) -> None:
    """Soft recall: a phrase that is not found has up to half of the credit."""

    def once(draw: Draw) -> tuple[float, float, float]:
        hits, sizes = articles(draw, count, rate, icc)
        partial = [draw.random(size - hit) / 2 for hit, size in zip(hits, sizes, strict=True)]
        credit = [hit + float(some.sum()) for hit, some in zip(hits, partial, strict=True)]
        squares = [hit + float((some**2).sum()) for hit, some in zip(hits, partial, strict=True)]
        found = stratified_share([Sample(credit, sizes, squares=squares)])
        return found.low, rate + (1 - rate) / 4, found.high

    share = coverage(once, 1000)
    assert 0.93 <= share <= 0.97


@pytest.mark.parametrize(("count", "whole"), [(10, 0.3), (30, 0.6), (100, 0.9)])
def test_means_of_scores_cover(count: int, whole: float) -> None:
    """Soft F1 of two reviewers: often 1, else about 0.8."""

    def once(draw: Draw) -> tuple[float, float, float]:
        found = score_mean(np.where(draw.random(count) < whole, 1.0, draw.beta(8, 2, count)).tolist())
        return found.low, whole + (1 - whole) * 0.8, found.high

    share = coverage(once, 1000)
    assert 0.93 <= share <= 0.97
