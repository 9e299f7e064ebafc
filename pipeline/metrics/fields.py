"""Measures of labels that are JSON: by field, and of whole objects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pipeline.core.json_labels import Part, leaves
from pipeline.core.text.folding import fold_case
from pipeline.metrics.keyphrases import score


def field_scores(predicted: Any, gold: Any, part: Part) -> dict[str, float]:
    """Return path -> score (0..1) of the fields of two objects; of no object None.

    A scalar is right or not (texts but for case, width and spacing); of a list it is the F1 of its items, whatever their order.
    """
    wanted, given = leaves(gold, part), leaves(predicted, part) if predicted is not None else {}
    return {path: _field(given.get(path), value, predicted is None) for path, value in wanted.items()}


def _field(given: Any, wanted: Any, is_missing: bool) -> float:
    if is_missing:
        return 0.0
    if isinstance(wanted, list) or isinstance(given, list):
        return _items_f1(given or [], wanted or [])
    return float(_folded(given) == _folded(wanted))


def _items_f1(given: Sequence[Any], wanted: Sequence[Any]) -> float:
    if not given and not wanted:
        return 1.0
    left, right = {_folded(item) for item in given}, {_folded(item) for item in wanted}
    return score(len(left & right), len(left), len(right)).f1


def _folded(value: Any) -> str:
    """Return a text by which equal values are equal: objects by their names in any order."""
    if isinstance(value, str):
        return f"text {fold_case(value)}"
    if isinstance(value, dict):
        return json.dumps({name: _folded(inner) for name, inner in sorted(value.items()) if inner is not None})
    if isinstance(value, list):
        return json.dumps(sorted(map(_folded, value)))
    return f"number {float(value)!r}" if isinstance(value, int | float) and not isinstance(value, bool) else repr(value)


def is_same(predicted: Any, gold: Any) -> bool:
    """Tell whether two objects are equal but for case, width and spacing of texts, and the order of lists."""
    return predicted is not None and _folded(predicted) == _folded(gold)
