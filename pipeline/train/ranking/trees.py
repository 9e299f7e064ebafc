"""Boosted trees as plain arrays: fitted by scikit-learn, read and applied without it, and without a pickle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import MissingExtra, ModelError

if TYPE_CHECKING:
    from pipeline.train.ranking.candidates import Matrix

_Numbers = npt.NDArray[np.float64]
_ROWS = 2048  # looked at together: what fits into a processor's cache
_TREES, _LEAVES, _RATE, _FEWEST = 120, 15, 0.08, 20
_FIELDS = ("feature", "threshold", "left", "right", "nan_left", "value")
_CLOSE = 1e-5


@dataclass(frozen=True)
class Trees:
    """Trees as arrays [trees, nodes]; a leaf is its own child.  The sum of a row's leaves and `base` is its log-odds."""

    base: float
    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float32]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    nan_left: npt.NDArray[np.bool_]
    value: npt.NDArray[np.float32]

    def probability(self, rows: Matrix) -> _Numbers:
        """Return for each row how likely it is to be in a label (0..1)."""
        parts = [self._log_odds(rows[at : at + _ROWS]) for at in range(0, len(rows), _ROWS)]
        odds: _Numbers = np.concatenate(parts) if parts else np.zeros(0)
        return 1 / (1 + np.exp(-odds))

    def _log_odds(self, rows: Matrix) -> _Numbers:
        count, nodes = self.feature.shape
        roots = np.arange(count, dtype=np.int32) * nodes
        at = np.broadcast_to(roots, (len(rows), count))
        feature, threshold, left, right, nan_left = (
            getattr(self, name).ravel() for name in ("feature", "threshold", "left", "right", "nan_left")
        )
        width, flat = rows.shape[1], np.ascontiguousarray(rows).ravel()
        begins = (np.arange(len(rows), dtype=np.int32) * width)[:, None]
        while True:
            values = flat[begins + feature[at]]
            goes_left = (values <= threshold[at]) | (np.isnan(values) & nan_left[at])
            children = roots + np.where(goes_left, left[at], right[at])
            if (children == at).all():
                odds: _Numbers = self.base + self.value.ravel()[at].sum(axis=1, dtype=np.float64)
                return odds
            at = children

    def arrays(self) -> dict[str, Any]:
        """Return the arrays by name, as `of_arrays` takes them."""
        return {"base": np.float64(self.base)} | {name: getattr(self, name) for name in _FIELDS}

    @staticmethod
    def of_arrays(arrays: Any) -> Trees:
        """Return the trees that `arrays` were of.  Raises ModelError for arrays that are no trees."""
        try:
            trees = Trees(float(arrays["base"]), *(arrays[name] for name in _FIELDS))
            shapes = {getattr(trees, name).shape for name in _FIELDS}
        except (KeyError, ValueError, TypeError) as error:
            raise ModelError(f"the student's trees are damaged ({error}); train it again") from error
        own = np.arange(trees.feature.shape[-1])
        # children stand behind their node, so that every row comes to an end
        sound = all((child >= own).all() and (child < len(own)).all() for child in (trees.left, trees.right))
        if len(shapes) != 1 or not sound:
            raise ModelError("the student's trees are damaged; train it again")
        return trees


def check_installed() -> None:
    """Raise MissingExtra where scikit-learn is not there."""
    try:
        import sklearn.ensemble  # noqa: F401
    except ImportError as error:
        raise MissingExtra("the student ranker", "train") from error


def fit(rows: Matrix, is_right: npt.NDArray[np.bool_], seed: int) -> Trees:
    """Fit trees that tell right rows from wrong ones; where all are alike, all stay equally likely.  Raises MissingExtra."""
    check_installed()
    if is_right.all() or not is_right.any():
        return level((is_right.sum() + 1) / (len(is_right) + 2))
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingClassifier(
        max_iter=_TREES, learning_rate=_RATE, max_leaf_nodes=_LEAVES, min_samples_leaf=_FEWEST, l2_regularization=1.0,
        early_stopping=False, random_state=seed,
    )  # fmt: skip
    # a column of a family that no article is of has no number at all, for which scikit-learn finds no bins
    numbers = np.where(np.isnan(rows).all(axis=0), np.float32(0), rows)
    with threadpool_limits(1):  # the same bits wherever it runs, and no thread that spins where others work
        model.fit(numbers, is_right)
    trees = _as_arrays(model)
    sample = rows[:: max(1, len(rows) // 1000)]
    # the arrays are the package's own inner ones: a release that lays them out otherwise must not pass unnoticed
    if np.abs(trees.probability(sample) - model.predict_proba(sample)[:, 1]).max() > _CLOSE:
        raise ModelError("this release of scikit-learn lays out its trees in another way; install another one")
    return trees


def level(share: float) -> Trees:
    """Return a tree that says the same of every row."""
    node = np.zeros((1, 1), np.int32)
    return Trees(
        float(np.log(share / (1 - share))), node, node.astype(np.float32), node, node, node > 0, node.astype(np.float32)
    )


def _as_arrays(model: Any) -> Trees:
    all_nodes = [predictor.nodes for [predictor] in model._predictors]
    shape = len(all_nodes), max(map(len, all_nodes))
    feature = np.zeros(shape, np.int32)
    left, right = (np.tile(np.arange(shape[1], dtype=np.int32), (shape[0], 1)) for _ in range(2))
    threshold, value, nan_left = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, bool)
    for number, nodes in enumerate(all_nodes):
        part, own, is_leaf = slice(0, len(nodes)), np.arange(len(nodes)), nodes["is_leaf"].astype(bool)
        feature[number, part] = np.where(is_leaf, 0, nodes["feature_idx"])
        # in single precision, as the rows are; rounded down, so that a row at a threshold falls as it fell in double precision
        threshold[number, part] = _rounded_down(nodes["num_threshold"])
        left[number, part] = np.where(is_leaf, own, nodes["left"])
        right[number, part] = np.where(is_leaf, own, nodes["right"])
        nan_left[number, part], value[number, part] = nodes["missing_go_to_left"], nodes["value"] * is_leaf
    base = float(np.ravel(model._baseline_prediction)[0])
    return Trees(base, feature, threshold, left, right, nan_left, value)


def _rounded_down(values: _Numbers) -> npt.NDArray[np.float32]:
    single = values.astype(np.float32)
    return np.where(single > values, np.nextafter(single, np.float32(-np.inf)), single)
