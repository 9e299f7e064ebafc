"""One label an article: accuracy, and F1 averaged over the labels."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.core.text.folding import fold_case
from pipeline.metrics.keyphrases import score


def is_same(predicted: str | None, gold: str) -> bool:
    return predicted is not None and fold_case(predicted) == fold_case(gold)


def macro_f1(predicted: Sequence[str | None], gold: Sequence[str]) -> float:
    """The mean over gold labels of each one's F1; an article without a label is a miss."""
    found = [fold_case(label or "") for label in predicted]
    wanted = [fold_case(label) for label in gold]
    scores = []
    for label in sorted(set(wanted)):
        hits = sum(a == b == label for a, b in zip(found, wanted, strict=True))
        scores.append(score(hits, found.count(label), wanted.count(label)).f1)
    return sum(scores) / len(scores) if scores else 0.0
