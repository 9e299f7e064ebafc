"""Groups of articles: communities (Leiden) of the graph of nearest neighbours, at the resolution at which they are stable.

Modularity alone merges small groups in a large graph, and any fixed resolution is right for some corpora only.  So the graph is
parted at many resolutions, and of those at which the next one changes least the finest is taken.  Measured beside UMAP + HDBSCAN:
docs/topics.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.core.errors import MissingExtra
from pipeline.topics.space import Floats, Numbers

RESOLUTIONS = tuple(0.5 * 2**step for step in range(9))  # 0.5 to 128
_BROADEST = 1.0  # a coarser part is stable, too, and tells nothing
# about as stable: what changes beside the best, a share of it, within a bound
_MORE, _AT_MOST, _NOISE = (
    0.55,
    0.02,
    0.001,
)
_HALF, _ENOUGH = 0.5, 0.85  # shares of articles in groups that are large enough
_COARSEST, _STEPS, _REFINED = 0.05, 24, 5  # of the search for a number: 0.05 to 128
_WEIGHT = 1000  # weights are whole numbers: no last bit of an exponential decides
_ITERATIONS = 2
_LARGE_MEAN, _COUNTS = 20.0, 80


class Graph:
    """Undirected weighted graph of articles, each with its nearest ones."""

    def __init__(self, numbers: Numbers, values: Floats) -> None:
        self.size = len(numbers)
        self.matrix = _weights(numbers, values)

    def communities(self, resolution: float, seed: int) -> Numbers:
        """Return the community of each row: numbers from 0, the largest first, of equals that of the first row."""
        matrix = self.matrix
        if not matrix.nnz:
            return np.arange(self.size)
        native = _native()
        parted = native.leiden_csr(
            matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.astype(np.float64), self.size,
            resolution=resolution, iterations=_ITERATIONS, seed=seed,
        )[1]  # fmt: skip
        labels = np.array([parted[row] for row in range(self.size)] if isinstance(parted, dict) else parted, np.int64)
        return by_size(labels)


def _native() -> Any:
    try:
        import graspologic_native
    except ImportError as error:
        raise MissingExtra("topics", "topics") from error
    return graspologic_native


def _weights(numbers: Numbers, values: Floats) -> Any:
    """Return the weights of edges: how near a neighbour is beside the row's others, joined from both ends as UMAP does it."""
    try:
        from scipy.sparse import csr_matrix
    except ImportError as error:
        raise MissingExtra("topics", "topics") from error
    size, count = numbers.shape
    behind = values[:, :1] - values if count else values
    spread = np.maximum(behind.mean(axis=1, keepdims=True), 1e-6) if count else behind
    near = np.exp(-behind / spread) if count else behind
    rows = np.repeat(np.arange(size), count)
    one = csr_matrix((near.ravel().astype(np.float64), (rows, numbers.ravel())), (size, size))
    both = (one + one.T - one.multiply(one.T)).tocsr()
    both.data = np.rint(both.data * _WEIGHT)
    both.eliminate_zeros()
    both.sort_indices()
    return both


def by_size(labels: Numbers) -> Numbers:
    """Return labels renumbered: the largest group is 0, of equals the one whose first row comes first."""
    _, first, inverse, counts = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -counts))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return np.asarray(rank[inverse], np.int64)


def stable_communities(graph: Graph, min_size: int, seed: int) -> Numbers:
    """Return the communities at the finest resolution that is about as stable as the most stable one.

    Resolutions at which too many articles are in groups too small to be topics count only where there is no other.
    """
    kept: list[tuple[float, float, Numbers]] = []  # share in groups, stability, labels
    before: Numbers | None = None
    for resolution in RESOLUTIONS:
        labels = graph.communities(resolution, seed)
        share = _share_in_groups(labels, min_size)
        if before is not None and resolution >= _BROADEST:
            kept.append((share, agreement(before, labels), labels))
        if share < _HALF and kept:  # from here on most groups are too small to be topics
            break
        before = labels
    enough = min(_ENOUGH, max(share for share, _, _ in kept))
    able = [(stability, labels) for share, stability, labels in kept if share >= enough]
    best = max(stability for stability, _ in able)
    least = best - min(_MORE * (1 - best), _AT_MOST) - _NOISE
    return next(labels for stability, labels in reversed(able) if stability >= least)


def communities_of_number(graph: Graph, number: int, min_size: int, seed: int) -> Numbers:
    """Return communities of which at least `number` are large enough, at the coarsest resolution that gives so many; where none
    does, those of which most are."""
    most: tuple[int, Numbers] | None = None
    below = above = _COARSEST
    for _ in range(_STEPS):
        labels = graph.communities(above, seed)
        if most is None or _large(labels, min_size) > most[0]:
            most = _large(labels, min_size), labels
        if most[0] >= number:
            break
        below, above = above, above * 2**0.5
    assert most is not None
    labels = most[1]
    for _ in range(_REFINED if most[0] >= number else 0):
        middle = (below * above) ** 0.5
        some = graph.communities(middle, seed)
        if _large(some, min_size) >= number:
            above, labels = middle, some
        else:
            below = middle
    return labels


def _large(labels: Numbers, min_size: int) -> int:
    return int((np.bincount(labels) >= min_size).sum())


def _share_in_groups(labels: Numbers, min_size: int) -> float:
    counts = np.bincount(labels)
    return float(counts[counts >= min_size].sum() / max(len(labels), 1))


def agreement(one: Numbers, other: Numbers) -> float:
    """Return how alike two partitions are: mutual information less what chance gives, by their entropies (1: the same)."""
    joint = _entropy(one * (int(other.max(initial=0)) + 1) + other)
    first, second = _entropy(one), _entropy(other)
    chance, shared, mean = _by_chance(one, other), first + second - joint, (first + second) / 2
    return 1.0 if mean - chance < 1e-9 else float((shared - chance) / (mean - chance))


def _by_chance(one: Numbers, other: Numbers) -> float:
    """Return the mutual information that two partitions with groups of these sizes have by chance: cells as Poisson's counts.

    The usual first order, (groups - 1)(groups - 1) / 2n, is far off where groups are small, which is where it counts.
    """
    sizes, many = np.unique(np.bincount(one), return_counts=True)
    others, more = np.unique(np.bincount(other), return_counts=True)
    means = np.outer(sizes, others).ravel() / len(one)
    gains = 0.5 + 1 / (12 * np.maximum(means, 1.0))  # of k log(k / mean), for large means
    small = np.flatnonzero((means < _LARGE_MEAN) & (means > 0))
    counts = np.arange(_COUNTS)
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, _COUNTS)))])
    for some in np.array_split(small, len(small) // 4096 + 1):
        mean = means[some][:, None]
        chances = np.exp(counts * np.log(mean) - mean - logs)
        gains[some] = means[some] * (chances * np.log((counts + 1) / mean)).sum(axis=1)
    gains[means <= 0] = 0.0
    return float((gains * np.outer(many, more).ravel()).sum() / len(one))


def _entropy(labels: Numbers) -> float:
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(shares * np.log(shares)).sum())
