"""95% confidence intervals: of means over articles, of shares of things that come in clusters and strata, of differences.

A share's interval is Wilson's (1927) for as many independent things as tell as much as the sample does: n over the design
effect (Kish 1965), as Korn & Graubard (1998) and Dean & Pagano (2015) advise for shares near 0 or 1 in surveys.  Two things
make it cover where clusters are few: Student's quantile for the clusters (less the strata) in place of the normal one, and
the larger of two design effects, the one by the intra-cluster correlation (whose noise does not follow the share's) and
the linearised one (which also sees that long labels are worse than short ones).  docs/figures.md has the coverage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

DRAWS = 2000
_LEVEL = (2.5, 97.5)  # percent
_Z = NormalDist().inv_cdf(0.975)
ENOUGH = 0.8  # `covers` below this: the share is not that of the whole
_PRIOR = 3.0  # independent things: what the share of all strata weighs in the spread of one
_Numbers: TypeAlias = npt.NDArray[np.float64]


def bootstrap(values: Sequence[float], seed: int = 0, clusters: Sequence[str] | None = None) -> tuple[float, float]:
    """Return the 95% percentile bootstrap interval of the mean (Efron & Tibshirani 1993, ch. 13): articles are drawn anew.

    With `clusters` (near-copies of one article) whole clusters are drawn: copies of one article tell no more than it does.
    """
    if not values:
        return 0.0, 0.0
    scores = np.asarray(values, float)
    if clusters is not None and len(set(clusters)) < len(values):
        return _clustered_bootstrap(scores, clusters, seed)
    random = np.random.default_rng(seed)
    means = [scores[random.integers(0, len(scores), len(scores))].mean() for _ in range(DRAWS)]
    low, high = np.percentile(means, _LEVEL)
    return float(low), float(high)


def _clustered_bootstrap(scores: _Numbers, clusters: Sequence[str], seed: int) -> tuple[float, float]:
    _, numbers = np.unique(np.asarray(clusters), return_inverse=True)
    sums, sizes = np.bincount(numbers, scores), np.bincount(numbers)
    random, means = np.random.default_rng(seed), []
    for _ in range(DRAWS):
        drawn = random.integers(0, len(sums), len(sums))
        means.append(sums[drawn].sum() / sizes[drawn].sum())
    low, high = np.percentile(means, _LEVEL)
    return float(low), float(high)


def wilson(mean: float, count: float, quantile: float = _Z) -> tuple[float, float]:
    """Return the score interval of a share of `count` independent things (Wilson 1927); `count` need not be whole."""
    if count <= 0:
        return 0.0, 1.0
    square = quantile**2 / count
    middle = (mean + square / 2) / (1 + square)
    half = sqrt(max(0.0, mean * (1 - mean) * square + square**2 / 4)) / (1 + square)
    return min(mean, max(0.0, middle - half)), max(mean, min(1.0, middle + half))


def student(freedom: int) -> float:
    """Return the 97.5% quantile of Student's t for `freedom` degrees of freedom.

    It is exact for 1 and 2, else Fisher's expansion to the fourth order (Abramowitz & Stegun 26.7.5): 0.01 too small at 3 and
    right to 0.001 from 5 on.
    """
    if freedom <= 2:
        return 12.706205 if freedom < 2 else 4.302653
    terms = (
        _Z,
        (_Z**3 + _Z) / 4,
        (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / 96,
        (3 * _Z**7 + 19 * _Z**5 + 17 * _Z**3 - 15 * _Z) / 384,
        (79 * _Z**9 + 776 * _Z**7 + 1482 * _Z**5 - 1920 * _Z**3 - 945 * _Z) / 92160,
    )
    return float(sum(term / freedom**power for power, term in enumerate(terms)))


@dataclass(frozen=True)
class Share:
    """A share of things that come in clusters (phrases in articles), with its 95% interval."""

    mean: float
    low: float
    high: float
    total: int  # things
    clusters: int
    design_effect: float = 1.0  # things over as many independent ones as tell as much
    icc: float | None = None  # intra-cluster correlation, -1..1; None where it cannot be seen
    covers: float = 1.0  # the share of the population's things that the judged ones speak for

    def interval(self) -> dict[str, float]:
        return {"mean": self.mean, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Sample:
    """The judged clusters of one stratum: `hits` of `sizes` things each.

    Where a thing may be a partial hit, `hits` are sums of credits between 0 and 1 and `squares` the sums of their squares.
    """

    hits: Sequence[float]
    sizes: Sequence[int]
    weight: float = 1.0  # the stratum's things in the population, or any number proportional to them
    population: int | None = None  # the stratum's clusters in the population; None: without end
    squares: Sequence[float] | None = None
    reach: float = 1.0  # the share of the stratum that these clusters speak for


NOTHING = Share(0.0, 0.0, 1.0, 0, 0)


def clustered_share(hits: Sequence[float], sizes: Sequence[int], population: int | None = None) -> Share:
    """Return the share of hits among all things of clusters with `sizes`.

    Things of one cluster are alike, so they tell less than as many of different ones.  `population` is the number of clusters
    that there are, so that who has seen all knows all.
    """
    return stratified_share([Sample(hits, sizes, 1.0, population)])


def stratified_share(samples: Sequence[Sample]) -> Share:
    """Return the share of hits in a population whose strata were sampled each for itself (post-stratified, Cochran 1977, 5A.9).

    The strata's shares are added by weight and their variances by squared weight.  Strata of which nothing was judged are
    left out; `covers` tells how much is left.
    """
    design = design_of(samples)
    return design.share() if design else NOTHING


def score_mean(values: Sequence[float]) -> Share:
    """Return the mean of values between 0 and 1, one a cluster, with its interval."""
    return stratified_share([Sample(values, [1] * len(values), squares=[value**2 for value in values])])


def difference(one: Share, other: Share) -> tuple[float, float, float]:
    """Return (one - other, low, high), by Newcombe's hybrid score method (1998, method 10) from the two shares' intervals."""
    gap = one.mean - other.mean
    below = sqrt((one.mean - one.low) ** 2 + (other.high - other.mean) ** 2)
    above = sqrt((one.high - one.mean) ** 2 + (other.mean - other.low) ** 2)
    return gap, max(-1.0, gap - below), min(1.0, gap + above)


# --- the design: the spread that the clusters show ---


@dataclass(frozen=True)
class Design:
    """A sample with the estimates of its own spread."""

    mean: float
    total: int
    clusters: int
    freedom: int  # degrees of freedom
    icc: float | None
    covers: float
    spread: _Numbers  # [strata] what each adds to 1 / independent things
    seen: _Numbers  # [strata] the share of its clusters that were judged

    def share(self) -> Share:
        low, high = self.at(1.0)
        effect = float(self.spread.sum()) * self.total
        return Share(self.mean, low, high, self.total, self.clusters, effect, self.icc, self.covers)

    def at(self, growth: float) -> tuple[float, float]:
        """Return the interval if `growth` times as many clusters were judged in each stratum, as far as there are."""
        rest = float((self.spread * np.maximum(0.0, 1 / growth - self.seen)).sum())
        clusters = round(self.clusters * growth)
        if rest <= 0:
            return self.mean, self.mean
        if clusters < 2:
            return 0.0, 1.0
        return wilson(self.mean, 1 / rest, student(self.freedom + clusters - self.clusters))


def design_of(samples: Sequence[Sample]) -> Design | None:
    """Return the design of samples, one a stratum, or None where nothing was judged."""
    weights = [sample.weight if sum(sample.sizes) else 0.0 for sample in samples]
    if not sum(weights):
        return None
    strata = [_Stratum.of(sample) for sample, weight in zip(samples, weights, strict=True) if weight]
    weight = np.asarray([one for one in weights if one]) / sum(weights)
    size, means = np.asarray([one.total for one in strata]), np.asarray([one.mean for one in strata])
    mean = float(weight @ means)
    freedom, icc, effects = _effects(strata)
    spread = weight**2 * effects / size * _relative_spread(means, mean, size / effects)
    clusters = sum(len(one.size) for one in strata)
    reached = sum(weight * sample.reach for sample, weight in zip(samples, weights, strict=True))
    covers = reached / sum(sample.weight for sample in samples)
    seen = np.asarray([one.seen for one in strata])
    return Design(mean, int(size.sum()), clusters, freedom, icc, covers, spread, seen)


@dataclass(frozen=True)
class _Stratum:
    hit: _Numbers  # [clusters that have things]
    size: _Numbers
    square: _Numbers
    seen: float = 0.0

    @staticmethod
    def of(sample: Sample) -> _Stratum:
        hit, size = np.asarray(sample.hits, float), np.asarray(sample.sizes, float)
        square = hit if sample.squares is None else np.asarray(sample.squares, float)
        seen = min(1.0, len(size) / sample.population) if sample.population else 0.0
        return _Stratum(hit[size > 0], size[size > 0], square[size > 0], seen)

    @property
    def total(self) -> float:
        return float(self.size.sum())

    @property
    def mean(self) -> float:
        return min(1.0, max(0.0, float(self.hit.sum()) / self.total))

    @property
    def variance(self) -> float:
        """Return the variance of one thing: p(1-p) where each is a hit or none, less where there are partial ones."""
        return max(0.0, float(self.square.sum()) / self.total - self.mean**2)

    @property
    def usual(self) -> float:
        """Return the mean size of the cluster in which a thing stands."""
        return float((self.size**2).sum()) / self.total


def _relative_spread(means: _Numbers, mean: float, counts: _Numbers) -> Any:
    """Return [strata] p(1-p) of each over that of all, drawn to 1 where things are few: three of three right are no proof."""
    whole = mean * (1 - mean)
    if whole < 1e-12:
        return np.ones(len(means))
    return (counts * means * (1 - means) / whole + _PRIOR) / (counts + _PRIOR)


def _effects(strata: Sequence[_Stratum]) -> tuple[int, float | None, _Numbers]:
    """Return (degrees of freedom, ICC, [strata] design effect); where nothing varies a cluster counts as one thing."""
    groups = _groups(strata)
    freedom = sum(len(one.size) for one in groups) - len(groups)
    usual, icc = np.asarray([one.usual for one in strata]), _icc(groups, freedom)
    varies = any(one.variance > 1e-12 for one in groups)
    if not varies or (icc is None and usual.max() > 1):
        return freedom, None, usual
    alike = max(0.0, icc or 0.0)
    partial = sum(one.total * one.variance for one in groups) / sum(
        one.total * one.mean * (1 - one.mean) for one in groups
    )
    return freedom, icc, (1 + (usual - 1) * alike) * max(1.0, _linearised(groups, alike)) * partial


def _linearised(groups: Sequence[_Stratum], icc: float) -> float:
    """Return the variance of the ratio estimators over what it would be by the ICC; 0 where it cannot be seen."""
    observed = expected = 0.0
    for one in groups:
        count = len(one.size)
        if count > 1:
            observed += float(((one.hit - one.mean * one.size) ** 2).sum()) * count / (count - 1)
            expected += one.total * one.variance * (1 + (one.usual - 1) * icc)
    return observed / expected if expected > 1e-12 else 0.0


def _groups(strata: Sequence[_Stratum]) -> list[_Stratum]:
    """Return strata in which the spread can be seen; those of one cluster become one (collapsed strata, Cochran 1977, 5A.12)."""
    lone = [one for one in strata if len(one.size) < 2]
    groups = [one for one in strata if len(one.size) >= 2]
    if lone:
        hit, size, square = (np.concatenate([getattr(one, name) for one in lone]) for name in ("hit", "size", "square"))
        groups.append(_Stratum(hit, size, square))
    return groups


def _icc(groups: Sequence[_Stratum], freedom: int) -> float | None:
    """Return the ICC within strata by the analysis of variance estimator for shares (Fleiss 1981; Ridout et al. 1999)."""
    inner = sum(one.total - len(one.size) for one in groups)
    if freedom < 1 or inner < 1:
        return None
    between = sum(float(((one.hit - one.mean * one.size) ** 2 / one.size).sum()) for one in groups) / freedom
    within = sum(float((one.square - one.hit**2 / one.size).sum()) for one in groups) / inner
    usual = sum(one.total - one.usual for one in groups) / freedom
    spread = between + (usual - 1) * within
    return (between - within) / spread if spread > 1e-12 else None
