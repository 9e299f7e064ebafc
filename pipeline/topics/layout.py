"""Positions of articles on a map: neighbours attract each other, others repel, as UMAP draws it; deterministic, in numpy.

All forces of an epoch are computed from the positions before it, so that no order of rows or threads shows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.topics.space import Floats, Numbers, Space
from pipeline.topics.texts import Key

_A, _B = 1.577, 0.895  # the curve of UMAP's min_dist 0.1
_STRONGEST = 4.0  # of a force
_REPELLED, _REPELLED_INSIDE, _INSIDE = 6, 2, 0.8  # random others that each row is pushed from in an epoch
_FIRST_STEP = 0.6
_EPOCHS, _FEWEST_EPOCHS, _EDGES = 400, 80, 12_000_000  # as many epochs as so many edges allow
_LANDMARKS, _NEAREST = 4096, 3
_JITTER = 0.012
_INNER = 0.97  # the share of articles within the unit circle


def laid_out(space: Space, labels: Numbers, matrix: Any, seed: int) -> Floats:
    """Return a position for each row, most of them within the unit circle; `matrix` are the weights of the graph's edges."""
    size = len(space)
    rng = np.random.default_rng(seed)
    position = _start(space, labels, rng)
    edges = matrix.tocoo()
    if size < 3 or not edges.nnz:
        return position.astype(np.float32)
    weight = edges.data / max(edges.data.max(), 1)
    order, begin, count = _groups(labels)
    epochs = int(np.clip(_EDGES / max(edges.nnz, 1), _FEWEST_EPOCHS, _EPOCHS))
    for epoch in range(epochs):
        force = _attraction(position, edges.row, edges.col, weight)
        for _ in range(_REPELLED):
            force += _repulsion(position, position[rng.integers(0, size, size)])
        # Of many groups a row hardly meets its own: without this each would fall into a point.
        for _ in range(_REPELLED_INSIDE):
            force += _INSIDE * _repulsion(position, position[_of_same_group(order, begin, count, rng)])
        position += force * (_FIRST_STEP * (1 - epoch / epochs))
    position -= np.median(position, axis=0)
    radius = np.quantile(np.hypot(*position.T), _INNER)
    return np.asarray(position / max(radius, 1e-9), np.float32)


def _start(space: Space, labels: Numbers, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return each row near the middle of its group, and these by the two directions in which they differ most."""
    groups = int(labels.max(initial=0)) + 1
    middles = np.zeros((groups, 2))
    if groups > 1:
        centroids = np.concatenate(
            [_unit(np.concatenate([space.centroid(np.flatnonzero(labels == group)).parts[part] for group in range(groups)]))
             for part in range(len(space.parts))], axis=1,
        )  # fmt: skip
        centroids -= centroids.mean(axis=0)
        left, strength, _ = np.linalg.svd(centroids, full_matrices=False)
        middles = (left[:, :2] * strength[:2]) if strength.size > 1 else np.c_[left[:, 0], np.zeros(groups)]
        middles *= 10 / max(float(np.abs(middles).max()), 1e-9)
        # the sign of a direction is arbitrary
        middles *= np.sign(middles[np.abs(middles).argmax(axis=0), range(2)] + 1e-30)
    return middles[labels] + rng.normal(0, 1, (len(labels), 2))


def _unit(rows: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    rows = rows.astype(np.float64)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9))


def _groups(labels: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return the rows by their groups, and for each row where its group begins there and how large it is."""
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    begins = np.cumsum(counts) - counts
    return order, begins[labels], counts[labels]


def _of_same_group(order: Numbers, begin: Numbers, count: Numbers, rng: np.random.Generator) -> Numbers:
    return np.asarray(order[begin + (rng.random(len(begin)) * count).astype(np.int64)])


def _attraction(position: Any, rows: Any, columns: Any, weight: Any) -> Any:
    apart = position[columns] - position[rows]
    square = (apart**2).sum(axis=1)
    strength = (
        2 * _A * _B * np.power(square, _B - 1, where=square > 0, out=np.zeros_like(square)) / (1 + _A * square**_B)
    )
    pull = np.clip(apart * (strength * weight)[:, None], -_STRONGEST, _STRONGEST)
    size = len(position)
    total = np.stack([np.bincount(rows, pull[:, axis], size) for axis in (0, 1)], axis=1)
    return total / np.maximum(np.bincount(rows, weight, size), 1e-9)[:, None]


def _repulsion(position: Any, others: Any) -> Any:
    apart = position - others
    square = (apart**2).sum(axis=1)
    strength = 2 * _B / ((0.05 + square) * (1 + _A * square**_B))
    return np.clip(apart * strength[:, None], -_STRONGEST, _STRONGEST) / _REPELLED


def beside(space: Space, keys: list[Key], rows: Any, placed: Floats) -> Floats:
    """Return positions of rows that have none yet: beside those that are most like them, of a sample of those that are placed."""
    marks = np.flatnonzero(~np.isnan(placed[:, 0]))
    marks = marks[:: max(1, len(marks) // _LANDMARKS)][:_LANDMARKS]
    positions = np.zeros((len(rows), 2), np.float32)
    if len(marks) >= _NEAREST:
        for part, likeness in space.take(rows).blocks(space.take(marks)):
            near = np.argpartition(-likeness, _NEAREST - 1, axis=1)[:, :_NEAREST]
            near = np.sort(near, axis=1)
            weight = np.maximum(np.take_along_axis(likeness, near, 1), 1e-3) ** 2
            positions[part] = (placed[marks[near]] * weight[:, :, None]).sum(axis=1) / weight.sum(axis=1)[:, None]
    return positions + _jitter([keys[row] for row in rows])


def _jitter(keys: list[Key]) -> Floats:
    """Return a small offset for each text, by its key."""
    words = np.frombuffer(b"".join(key[:4] for key in keys), "<u2").reshape(-1, 2).astype(np.float64)
    angle, distance = words[:, 0] * (2 * np.pi / 65536), np.sqrt(words[:, 1] / 65536)
    return np.asarray(np.stack([np.cos(angle), np.sin(angle)], 1) * distance[:, None] * _JITTER, np.float32)
