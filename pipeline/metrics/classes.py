"""Measures of classes: of one label an article accuracy and F1; of several the sets, by class and over all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


# --- several classes an article ---


@dataclass(frozen=True)
class ClassScore:
    """How well one class is found: in so many gold labels it stands (`support`)."""

    precision: float
    recall: float
    f1: float
    support: int


def per_class(predicted: Sequence[Sequence[str]], gold: Sequence[Sequence[str]]) -> dict[str, ClassScore]:
    """Return the score of each class that either side has, by its gold name where there is one."""
    given, wanted = [_by_fold(labels) for labels in predicted], [_by_fold(labels) for labels in gold]
    names = {key: name for labels in (*given, *wanted) for key, name in labels.items()}
    scores = {}
    for key, name in sorted(names.items(), key=lambda item: item[1]):
        hits = sum(key in a and key in b for a, b in zip(given, wanted, strict=True))
        answered, support = sum(key in a for a in given), sum(key in b for b in wanted)
        measured = score(hits, answered, support)
        scores[name] = ClassScore(measured.precision, measured.recall, measured.f1, support)
    return scores


def _by_fold(labels: Sequence[str]) -> dict[str, str]:
    return {fold_case(label): label for label in labels}


def jaccard(predicted: Sequence[str], gold: Sequence[str]) -> float:
    """Return the share of the classes of both sides that both have; 1 for two sides without any."""
    given, wanted = {*map(fold_case, predicted)}, {*map(fold_case, gold)}
    return len(given & wanted) / len(given | wanted) if given | wanted else 1.0


def micro_f1(predicted: Sequence[Sequence[str]], gold: Sequence[Sequence[str]]) -> float:
    """Return F1 over all pairs of article and class."""
    sides = [({*map(fold_case, a)}, {*map(fold_case, b)}) for a, b in zip(predicted, gold, strict=True)]
    return score(sum(len(a & b) for a, b in sides), sum(len(a) for a, _ in sides), sum(len(b) for _, b in sides)).f1
