"""Boosted trees as plain arrays: fitted by scikit-learn, read and applied without it, and without a pickle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import MissingExtra, ModelError

if TYPE_CHECKING:
    from pipeline.train.ranking.candidates import Matrix

_Numbers = npt.NDArray[np.float64]
_ROWS = 128  # looked at together: what fits into a processor's cache
_MOST_LEAVES = 16
_LARGEST = np.finfo(np.float32).max
_ALL = np.uint16(0xFFFF)
# the lowest bit's place
_LOWEST = np.asarray([(bits & -bits).bit_length() - 1 if bits else 0 for bits in range(1 << _MOST_LEAVES)])
_TREES, _LEAVES, _RATE, _FEWEST = 120, 15, 0.08, 20
_FIELDS = ("feature", "threshold", "left", "right", "nan_left", "value")
_CLOSE = 1e-5


@dataclass(frozen=True)
class _Compiled:
    """Tests of all trees, as many for each; where one fails, its `mask` is of the leaves that a row may still come to.

    The leaf that is left of all is the row's (QuickScorer, Lucchese et al. 2015).
    """

    column: npt.NDArray[np.int64]
    nan_left: npt.NDArray[np.bool_]
    threshold: npt.NDArray[np.float32]
    mask: npt.NDArray[np.uint16]
    value: _Numbers  # [trees, leaves]


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
        # Every test of every tree is made, of many rows at once: without branches that is ten times as fast as walking the trees.
        tested = np.concatenate([np.where(np.isnan(rows), edge, rows).T for edge in (-np.inf, np.inf)]).astype(
            np.float32
        )
        parts = [self._log_odds(tested[:, at : at + _ROWS]) for at in range(0, len(rows), _ROWS)]
        odds: _Numbers = np.concatenate(parts) if parts else np.zeros(0)
        return 1 / (1 + np.exp(-odds))

    def _log_odds(self, tested: Matrix) -> _Numbers:
        """Return the sum over trees of [columns, rows], where a number that is missing is below all, then above all."""
        compiled = self._compiled
        columns = compiled.column + np.where(compiled.nan_left, 0, len(tested) // 2)
        is_left = tested[columns] <= compiled.threshold[:, None]
        left = np.negative(is_left.view(np.uint8).astype(np.uint16))  # all bits where a test holds, else none
        left |= compiled.mask[:, None]
        left = left.reshape(len(self.feature), -1, tested.shape[1])
        leaf = _LOWEST[np.bitwise_and.reduce(left, axis=1)]  # [trees, rows]
        odds: _Numbers = self.base + np.take_along_axis(compiled.value, leaf, axis=1).sum(axis=0)
        return odds

    @cached_property
    def _compiled(self) -> _Compiled:
        return _compiled(self)

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


def _compiled(trees: Trees) -> _Compiled:
    """Return the trees as tests.  Raises ModelError for a tree of too many leaves."""
    shape = len(trees.feature), _MOST_LEAVES - 1
    compiled = _Compiled(
        np.zeros(shape, np.int64), np.zeros(shape, bool), np.full(shape, _LARGEST), np.full(shape, _ALL),
        np.zeros((shape[0], _MOST_LEAVES)),
    )  # fmt: skip
    for number in range(shape[0]):
        _Compiler(trees, compiled, number).walk(0)
    return _Compiled(
        compiled.column.ravel(), compiled.nan_left.ravel(), compiled.threshold.ravel(), compiled.mask.ravel(),
        compiled.value,
    )  # fmt: skip


class _Compiler:
    """Notes the tests and leaves of one tree, the leaves from left to right."""

    def __init__(self, trees: Trees, compiled: _Compiled, number: int) -> None:
        self._trees, self._compiled, self._number = trees, compiled, number
        self._leaves = self._tests = 0

    def walk(self, node: int) -> int:
        """Note what is below a node; return the bits of its leaves."""
        trees, compiled, number = self._trees, self._compiled, self._number
        if trees.left[number, node] == node:
            if self._leaves == _MOST_LEAVES:
                raise ModelError("the student's trees have too many leaves; train it again")
            compiled.value[number, self._leaves] = trees.value[number, node]
            self._leaves += 1
            return 1 << (self._leaves - 1)
        own, self._tests = self._tests, self._tests + 1
        if own == _MOST_LEAVES - 1:
            raise ModelError("the student's trees have too many leaves; train it again")
        left = self.walk(int(trees.left[number, node]))
        compiled.column[number, own] = trees.feature[number, node]
        compiled.nan_left[number, own] = trees.nan_left[number, node]
        compiled.threshold[number, own] = min(trees.threshold[number, node], _LARGEST)  # what is missing stays above
        compiled.mask[number, own] = 0xFFFF & ~left
        return left | self.walk(int(trees.right[number, node]))


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
