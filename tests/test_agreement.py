"""Agreement of two people: against nltk, published tables and simulations."""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import sqrt

import numpy as np
import pytest

from pipeline.metrics.agreement import ac1, masi, masi_alpha

Units = list[list[frozenset[str]]]


def units(seed: int, count: int, words: int) -> Units:
    """What two or three people made of the same labels."""
    draw = random.Random(seed)
    found = []
    for _ in range(count):
        label = draw.sample(range(words), draw.randint(1, 6))
        found.append(
            [frozenset(str(w) for w in label if draw.random() < 0.8) for _ in range(draw.choice([1, 2, 2, 3]))]
        )
    return found


def test_masi_by_hand() -> None:
    """Passonneau 2006: Jaccard times 1, 2/3, 1/3 or 0."""
    a = frozenset("ab")
    assert masi(a, a) == 1.0 == masi(frozenset(), frozenset())
    assert masi(a, frozenset("abc")) == pytest.approx(2 / 3 * 2 / 3)
    assert masi(a, frozenset("bc")) == pytest.approx(1 / 3 * 1 / 3)
    assert masi(a, frozenset("cd")) == 0.0 == masi(a, frozenset())


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "count", "words"), [(1, 4, 5), (2, 30, 8), (3, 60, 40), (4, 50, 400)])
def test_alpha_is_that_of_nltk(seed: int, count: int, words: int) -> None:
    agreement = pytest.importorskip("nltk.metrics.agreement")
    distance = pytest.importorskip("nltk.metrics").masi_distance
    found = [[one or frozenset("x") for one in unit] for unit in units(seed, count, words)]
    data = [(str(who), str(at), one) for at, unit in enumerate(found) if len(unit) > 1 for who, one in enumerate(unit)]
    ours = masi_alpha(found)
    assert ours == pytest.approx(agreement.AnnotationTask(data, lambda a, b: 1 - masi(a, b)).alpha())
    assert ours == pytest.approx(
        agreement.AnnotationTask(data, distance).alpha(), abs=0.01
    )  # it may round to 0.67, 0.33


def test_alpha_by_all_pairs_with_empty_sets() -> None:
    found = [unit for unit in units(5, 40, 12) if len(unit) == 2] + [
        [frozenset(), frozenset()],
        [frozenset(), frozenset("1")],
    ]
    values = [one for unit in found for one in unit]
    pairs = [1 - masi(a, b) for i, a in enumerate(values) for j, b in enumerate(values) if i != j]
    expected, observed = sum(pairs) / len(pairs), sum(1 - masi(a, b) for a, b in found) / len(found)
    assert masi_alpha(found) == pytest.approx(1 - observed / expected)


def test_alpha_where_nothing_can_be_said() -> None:
    a, b = frozenset("a"), frozenset("b")
    assert masi_alpha([]) is None and masi_alpha([[a], [b]]) is None
    assert masi_alpha([[a, a], [a, a]]) is None  # chance agrees too
    assert masi_alpha([[a, a], [b, b]]) == 1.0
    assert masi_alpha([[a, b], [a, b]]) == pytest.approx(1 - 1 / (4 * 2 / 12))  # less than chance


@pytest.mark.slow
def test_alpha_looks_at_no_pairs_that_share_nothing() -> None:
    """20,000 articles have 800 million pairs of sets: all of them would not end here."""
    found = [[frozenset({str(at), "n" + str(at % 500)}), frozenset({str(at)})] for at in range(20_000)]
    alpha = masi_alpha(found)
    assert alpha is not None and 0.3 < alpha < 0.34  # MASI of a part of half the size: 1/3


# --- AC1 ---


def verdicts(both: int, first: int, second: int, none: int) -> list[tuple[bool, bool]]:
    return [(True, True)] * both + [(True, False)] * first + [(False, True)] * second + [(False, False)] * none


def of_table(table: Sequence[Sequence[float]]) -> tuple[float, float]:
    """AC1 and its standard error of a square table of counts, as Gwet 2008 writes them (q categories, 1/n)."""
    cells = np.asarray(table, float)
    count, categories = cells.sum(), len(cells)
    shares = cells / count
    rate = (shares.sum(0) + shares.sum(1)) / 2
    agree, chance = np.trace(shares), (rate * (1 - rate)).sum() / (categories - 1)
    value = (agree - chance) / (1 - chance)
    first = (np.diag(shares) * (1 - rate)).sum() / (categories - 1) - agree * chance
    second = (shares * (1 - (rate[:, None] + rate) / 2) ** 2).sum() / (categories - 1) ** 2 - chance**2
    spread = agree * (1 - agree) - 4 * (1 - value) * first + 4 * (1 - value) ** 2 * second
    return float(value), sqrt(spread / count) / (1 - chance)


def test_published_examples() -> None:
    """Gwet 2002 (kappa is -0.02 there), and the table of 100 abstractors' records that his package irrCAC shows (Gwet 2014)."""
    found = ac1(verdicts(118, 5, 2, 0), range(125))
    assert found and found.value == pytest.approx(0.9408, abs=5e-5)
    assert of_table([[13, 0, 0], [0, 20, 7], [0, 4, 56]]) == pytest.approx((0.8493305, 0.04321747), abs=1e-7)


@pytest.mark.parametrize("cells", [(118, 5, 2, 0), (40, 9, 6, 45), (3, 10, 20, 1), (80, 0, 4, 16)])
def test_ac1_and_its_error_are_gwets(cells: tuple[int, int, int, int]) -> None:
    """With one phrase an article; ours divides by n - 1."""
    found, count = ac1(verdicts(*cells), range(sum(cells))), sum(cells)
    value, error = of_table([cells[:2], cells[2:]])
    assert found and (found.value, found.error) == pytest.approx((value, error * sqrt(count / (count - 1))))
    assert found.low < found.value < found.high


def test_ac1_of_articles() -> None:
    """Phrases of one article tell less; of one article nothing is known."""
    said = verdicts(30, 2, 2, 6)
    alone, together = ac1(said, range(40)), ac1(said, [at // 8 for at in range(40)])
    assert alone and together and alone.value == together.value
    assert together.high - together.low > alone.high - alone.low
    one = ac1(said, [0] * 40)
    assert one and (one.low, one.high) == (-1.0, 1.0)
    assert ac1([], []) is None
    same = ac1(verdicts(40, 0, 0, 0), [at // 2 for at in range(40)])
    assert same and same.value == same.high == 1.0 and 0.6 < same.low < 0.9


@pytest.mark.parametrize(
    ("articles", "rate", "wrong", "icc"), [(30, 0.9, 0.1, 0.05), (60, 0.6, 0.1, 0.4), (150, 0.95, 0.03, 0.4)]
)
def test_the_interval_of_ac1_covers(articles: int, rate: float, wrong: float, icc: float) -> None:
    """Two people who each err on a share of phrases, in articles whose quality differs."""
    accept, agree = rate * (1 - wrong) + (1 - rate) * wrong, (1 - wrong) ** 2 + wrong**2
    chance = 2 * accept * (1 - accept)
    true, covered, times = (agree - chance) / (1 - chance), 0, 1000
    draw = np.random.default_rng(11)
    for _ in range(times):
        sizes = draw.integers(1, 8, articles)
        quality = draw.beta(rate * (1 / icc - 1), (1 - rate) * (1 / icc - 1), articles)
        right = draw.random(sizes.sum()) < np.repeat(quality, sizes)
        one, other = (right ^ (draw.random(len(right)) < wrong) for _ in range(2))
        found = ac1(list(zip(one.tolist(), other.tolist(), strict=True)), np.repeat(range(articles), sizes).tolist())
        covered += found is not None and found.low <= true <= found.high
    assert 0.93 <= covered / times <= 0.97
