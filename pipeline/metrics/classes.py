"""Measures of one label an article: accuracy, and F1 averaged over the labels."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.core.text.folding import fold_case
from pipeline.metrics.keyphrases import score


def is_same(predicted: str | None, gold: str) -> bool:
    """Tell whether two labels are equal but for case, width and spacing; no label equals none."""
    return predicted is not None and fold_case(predicted) == fold_case(gold)


def macro_f1(predicted: Sequence[str | None], gold: Sequence[str]) -> float:
    """Return the mean over gold labels of each one's F1 (0..1); an article without a label is a miss."""
    given = [fold_case(label or "") for label in predicted]
    wanted = [fold_case(label) for label in gold]
    scores = []
    for label in sorted(set(wanted)):
        hits = sum(a == b == label for a, b in zip(given, wanted, strict=True))
        scores.append(score(hits, given.count(label), wanted.count(label)).f1)
    return sum(scores) / len(scores) if scores else 0.0
