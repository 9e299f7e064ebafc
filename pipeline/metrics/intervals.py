"""Confidence intervals of means over articles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

DRAWS = 2000
_LEVEL = (2.5, 97.5)  # percent


def bootstrap(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """The 95% percentile bootstrap interval of the mean (Efron & Tibshirani 1993, ch. 13): articles are drawn anew."""
    if not values:
        return 0.0, 0.0
    found = np.asarray(values, float)
    random = np.random.default_rng(seed)
    means = [found[random.integers(0, len(found), len(found))].mean() for _ in range(DRAWS)]
    low, high = np.percentile(means, _LEVEL)
    return float(low), float(high)


@dataclass(frozen=True)
class Share:
    """A share of things that come in clusters (phrases in articles), with its 95% interval."""

    mean: float
    low: float
    high: float
    total: int  # things
    clusters: int


def clustered_share(hits: Sequence[int], sizes: Sequence[int]) -> Share:
    """The share of hits among all things of clusters with `sizes`, with a Wilson interval (Wilson 1927) for n / deff things:
    phrases of one article are accepted or rejected together, so they tell less than as many of different articles.

    deff is the variance of the ratio estimator over that of independent things (Kish 1965, ch. 5 and 6), at least 1;
    where it cannot be seen (one cluster, or all alike) a cluster counts as one thing.
    """
    found, size = np.asarray(hits, float), np.asarray(sizes, float)
    total, clusters = float(size.sum()), int((size > 0).sum())
    if not total:
        return Share(0.0, 0.0, 1.0, 0, 0)
    mean = float(found.sum() / total)
    spread = float(((found - mean * size) ** 2).sum()) / total**2
    if clusters > 1 and spread:
        effect = max(1.0, spread * clusters / (clusters - 1) * total / (mean * (1 - mean)))
    else:
        effect = total / clusters
    return Share(mean, *_wilson(mean, total / effect), int(total), clusters)


_Z = 1.959964  # of the 95% interval


def _wilson(mean: float, count: float) -> tuple[float, float]:
    middle = (mean + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z / (1 + _Z**2 / count) * sqrt(mean * (1 - mean) / count + _Z**2 / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)
