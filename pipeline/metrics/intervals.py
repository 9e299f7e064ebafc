"""Confidence intervals of means over articles."""

from __future__ import annotations

from collections.abc import Sequence

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
