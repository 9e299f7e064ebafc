"""Learning curve: what a student reaches with parts of train, and what another thousand labels would be worth.

How it could lie, and what is done about it.  A point of one random part is luck, so each stands for several draws.  Eval articles
are a sample, so they are drawn anew (bootstrap, the same ones for all points), and each point is moved by what trainings on as many
rows differ: the interval has both kinds of chance in it.  Where each point is one training, nothing tells the second, and no gain
is called sure.  A rising curve need not be learning: a student that is trained on labels shuffled among the
articles shows what form alone gives, and where the real one is not surely above such, nothing is learned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import ConfigError
from pipeline.core.types import Example, LabelColumn
from pipeline.metrics.intervals import DRAWS
from pipeline.train.figures import scored
from pipeline.train.members import WHOLE, Member, part_of, shuffled
from pipeline.train.scores import main_measure

Numbers = npt.NDArray[np.float64]
MORE = 1000  # labels, whose worth is told
_EXPONENTS = (0.0, 0.25, 0.5, 1.0, 2.0)  # of a + b * size^-exponent; 0: a + b * log(size)
_LEVEL = (2.5, 97.5)  # percent
_FLOOR, _OF_FIVE = 5, 2.132  # shuffled trainings, and Student's t of their spread: the real one is above, at 95%
_STEPS = 24  # of the drawn curve


def parse(text: str) -> tuple[float, ...]:
    """Return `0.1,0.3,1.0` as shares of train, the smallest first, with all of it.  Raises ConfigError."""
    try:
        shares = {float(part) for part in text.split(",")}
    except ValueError:
        shares = set()
    if not shares or not all(0 < share <= 1 for share in shares) or not min(shares) < 1:
        raise ConfigError(f"--curve {text}: write it as shares of train, such as 0.1,0.3,1.0")
    return tuple(sorted(shares | {1.0}))


@dataclass(frozen=True)
class Point:
    """Part of train: how many rows it has in each draw, and the members that were trained on it."""

    share: float
    rows: tuple[int, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class CurvePlan:
    """The trainings that a curve needs beside that of all of train."""

    points: tuple[Point, ...]
    floor: tuple[str, ...]  # members that were trained on shuffled labels
    members: tuple[Member, ...]

    def judged(
        self, predict: Callable[[str], list[list[str]]], eval_rows: Sequence[Example], column: LabelColumn
    ) -> dict[str, Any]:
        """Return the curve: points, the fitted line, what more labels are worth, in a sentence; scores are shares (0..1)."""
        main = main_measure(column)

        def measured(names: Sequence[str]) -> Numbers:
            return np.asarray([[one[main] for one in scored(predict(name), eval_rows, column)] for name in names])

        values, floor = [measured(point.names) for point in self.points], measured(self.floor)
        return _summary(self.points, values, floor, [one.group_id for one in eval_rows], main)


def names_of(curve: dict[str, Any] | None) -> set[str]:
    """Return the names of the trainings that a judged curve is of, without that of all of train."""
    if not curve:
        return set()
    parts = {_name(point["share"], draw) for point in curve["points"] for draw in range(point["draws"])}
    return parts | {_name_shuffled(draw) for draw in range(curve["floor"]["trainings"])}


def _name(share: float, draw: int) -> str:
    return f"{share:g}-{draw}"


def _name_shuffled(draw: int) -> str:
    return f"shuffled-{draw}"


def plan(examples: Sequence[Example], fractions: Sequence[float], seed: int, draws: int) -> CurvePlan:
    """Return what must be trained.  Raises ConfigError where a share is of no rows."""
    points, members = [], []
    for share in fractions:
        if share == 1:
            points.append(Point(1.0, (len(examples),), (WHOLE,)))
            continue
        parts = [part_of(examples, share, seed, draw) for draw in range(draws)]
        names = tuple(_name(share, draw) for draw in range(draws))
        points.append(Point(share, tuple(map(len, parts)), names))
        members += [Member(name, part) for name, part in zip(names, parts, strict=True)]
    count = _FLOOR if draws > 1 else 1  # a dear student is shuffled once, and its floor has no spread
    floor = [Member(_name_shuffled(draw), shuffled(examples, seed, draw)) for draw in range(count)]
    return CurvePlan(tuple(points), tuple(one.name for one in floor), (*members, *floor))


# --- what the scores tell ---


def _summary(
    points: Sequence[Point], values: Sequence[Numbers], floor: Numbers, groups: Sequence[str], main: str
) -> dict[str, Any]:
    sizes = np.asarray([np.mean(point.rows) for point in points])
    weights = _resampled(groups)
    drawn = _drawn(values, weights)
    means = np.asarray([one.mean() for one in values])
    gains = np.asarray([gain(sizes, row) for row in drawn])
    shape = fit(sizes, means)
    curve: dict[str, Any] = {
        "asked": [point.share for point in points],
        "measure": main,
        "points": [
            {"share": point.share, "rows": round(float(size)), "draws": len(point.names), **_between(mean, column)}
            for point, size, mean, column in zip(points, sizes, means, drawn.T, strict=True)
        ],
        "fitted": [
            [round(float(n)), round(float(shape.at(n)), 4)] for n in np.geomspace(sizes[0], sizes[-1] + MORE, _STEPS)
        ],
        "more": {
            "labels": MORE,
            **_between(gain(sizes, means), gains),
            "with_luck": _between_trainings(values)[1] > 0,  # whether the interval has the luck of training in it
        },
        "floor": _floor(values[-1][0], floor, weights),
    }
    return curve | {"sentence": sentence(curve)}


def _resampled(groups: Sequence[str]) -> Numbers:
    """Return [draws, articles] how often each article is drawn; near-copies are drawn together."""
    _, numbers = np.unique(np.asarray(groups), return_inverse=True)
    count = int(numbers.max()) + 1
    random = np.random.default_rng(0)
    return np.asarray(
        [np.bincount(random.integers(0, count, count), minlength=count)[numbers] for _ in range(DRAWS)], float
    )


def _drawn(values: Sequence[Numbers], weights: Numbers) -> Numbers:
    """Return [draws, points] the mean over drawn articles, moved by as much as other trainings would move it.

    Trainings of one point are too few to draw from, and all of train has but one: what moves them is estimated over all points
    together, as of a normal distribution whose spread is itself uncertain (chi square).
    """
    means = np.stack([weights @ of_point.mean(axis=0) / weights.sum(axis=1) for of_point in values], axis=1)
    variance, freedom = _between_trainings(values)
    if not freedom:
        return np.asarray(means, float)
    random = np.random.default_rng(1)
    spread = np.sqrt(variance * freedom / random.chisquare(freedom, len(weights)))
    luck = random.standard_normal(means.shape) / np.sqrt([len(of_point) for of_point in values])
    return np.asarray(means + spread[:, None] * luck, float)


def _between_trainings(values: Sequence[Numbers]) -> tuple[float, int]:
    """Return the variance between trainings on as many rows, pooled over points, and its degrees of freedom; 0: it is not known."""
    several = [of_point.mean(axis=1) for of_point in values if len(of_point) > 1]
    freedom = sum(len(one) - 1 for one in several)
    return sum(float(((one - one.mean()) ** 2).sum()) for one in several) / max(1, freedom), freedom


def _between(mean: float, draws: Numbers) -> dict[str, float]:
    low, high = np.percentile(draws, _LEVEL)
    return {"mean": round(float(mean), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def _floor(whole: Numbers, floor: Numbers, weights: Numbers) -> dict[str, Any]:
    """Return what shuffled labels give, and whether the real ones give surely more.

    Surely: beyond the chance in which articles are judged, and beyond that between one shuffling and the next (the prediction
    interval of one more training, by Student's t), added as independent errors.
    """
    gaps = weights @ (whole - floor.mean(axis=0)) / weights.sum(axis=1)
    gap = float(whole.mean() - floor.mean())
    by_training, count = floor.mean(axis=1), len(floor)
    below = gap - float(np.percentile(gaps, _LEVEL[0]))
    spread = _OF_FIVE * float(by_training.std(ddof=1)) * (1 + 1 / count) ** 0.5 if count > 1 else 0.0
    low = gap - float(np.hypot(below, spread))
    return {
        "mean": round(float(floor.mean()), 4),
        "trainings": count,
        "gap": round(gap, 4),
        "low": round(low, 4),
        "learned": low > 0,
    }


# --- the fitted line ---


@dataclass(frozen=True)
class CurveShape:
    """Curve a + b * size^-exponent, or a + b * log(size) where the exponent is 0."""

    a: float
    b: float
    exponent: float

    def at(self, size: float) -> float:
        return self.a + self.b * float(_base(np.asarray([size]), self.exponent)[0])


def fit(sizes: Numbers, scores: Numbers) -> CurveShape:
    """Return the curve nearest to the points by least squares; two points decide no exponent, so theirs is the middle one."""
    exponents = _EXPONENTS if len(sizes) > 2 else (0.5,)
    fits = [_line(sizes, scores, exponent) for exponent in exponents]
    return min(fits, key=lambda one: one[0])[1]


def _base(sizes: Numbers, exponent: float) -> Numbers:
    return np.asarray(np.log(sizes) if exponent == 0 else sizes**-exponent, float)


def _line(sizes: Numbers, scores: Numbers, exponent: float) -> tuple[float, CurveShape]:
    base = _base(sizes, exponent)
    centred = base - base.mean()
    b = float(centred @ (scores - scores.mean()) / max(float(centred @ centred), 1e-300))
    a = float(scores.mean() - b * base.mean())
    return float(((scores - a - b * base) ** 2).sum()), CurveShape(a, b, exponent)


def gain(sizes: Numbers, scores: Numbers) -> float:
    """Return by how much the curve rises with MORE labels behind its last point."""
    shape = fit(sizes, scores)
    return shape.at(float(sizes[-1]) + MORE) - shape.at(float(sizes[-1]))


def sentence(curve: dict[str, Any]) -> str:
    """Say in a sentence what more labels are worth."""
    floor, more, measure = curve["floor"], curve["more"], curve["measure"]
    whole = curve["points"][-1]
    if not floor["learned"]:
        return (
            f"nothing is learned: trained on labels shuffled among the articles it reaches {points(floor['mean'])} points of "
            f"{measure}, on the real ones {points(whole['mean'])}; more such labels are worth nothing"
        )
    worth = f"another {more['labels']:,} labels are worth {signed(more['mean'])} ({bounds(more)}) points of {measure}"
    if more["low"] <= 0:
        return f"{worth}: no gain can be seen"
    return (
        worth if more["with_luck"] else f"{worth}: of one training a point, whose luck is not in it, so no gain is sure"
    )


def points(share: float) -> str:
    return f"{100 * share:.1f}"


def signed(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "\N{MINUS SIGN}").replace("+0.0", "0.0")


def bounds(share: dict[str, Any]) -> str:
    return " to ".join(f"{100 * share[name]:.1f}".replace("-", "\N{MINUS SIGN}") for name in ("low", "high"))
