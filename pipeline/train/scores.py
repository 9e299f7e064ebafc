"""Measures of one predicted label against the one in the version, by what a label is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from pipeline.core.errors import MissingExtra
from pipeline.core.json_labels import parsed
from pipeline.core.types import Example, LabelColumn
from pipeline.metrics import classes, fields, keyphrases, rouge

Scores = dict[str, float]
_KS = (5, 7, 10)


def main_measure(column: LabelColumn) -> str:
    """Return the name of the measure that decides."""
    if column.has_tiers:
        return "f1@m"
    if column.schema is not None:
        return "fields"
    return "jaccard" if column.many else "accuracy"


def scores(predicted: Sequence[str], example: Example, column: LabelColumn) -> Scores:
    """Return measure -> value (0..1) of one article's label; what an article has no value of is not there."""
    if column.has_tiers:
        return _of_phrases(predicted, example)
    if column.schema is not None:
        return _of_json(predicted, example, parsed(column.schema))
    if column.many:
        overlap = classes.jaccard(predicted, example.phrases)
        return {"jaccard": overlap, "exact": float(overlap == 1.0)}
    return {"accuracy": float(classes.is_same(predicted[0] if predicted else None, example.phrases[0]))}


def _of_phrases(predicted: Sequence[str], example: Example) -> Scores:
    gold, language = example.phrases, example.article.language
    at_m = keyphrases.at_m(predicted, gold, language)
    values = {"f1@m": at_m.f1, "precision": at_m.precision, "recall": at_m.recall}
    values |= {f"f1@{k}": keyphrases.at_k(predicted, gold, k, language).f1 for k in _KS}
    values["soft_f1"] = keyphrases.soft_f1(predicted, gold, language)
    ours, theirs = (keyphrases.present_and_absent(side, example.article.text, language) for side in (predicted, gold))
    for name, given, wanted in zip(("present", "absent"), ours, theirs, strict=True):
        if wanted:
            values[f"{name}_f1@m"] = keyphrases.at_m(given, wanted, language).f1
    return values | _rouge(language)(predicted, gold)


@cache
def _rouge(language: str | None) -> Callable[[Sequence[str], Sequence[str]], Scores]:
    try:
        return rouge.scorer(language)
    except MissingExtra:  # its own extra; all other figures need nothing
        return lambda predicted, gold: {}


def _of_json(predicted: Sequence[str], example: Example, part: Any) -> Scores:
    given, wanted = _value(predicted), json.loads(example.phrases[0])
    by_field = fields.field_scores(given, wanted, part)
    return {"fields": sum(by_field.values()) / max(1, len(by_field)), "exact": float(fields.is_same(given, wanted))}


def _value(predicted: Sequence[str]) -> Any:
    try:
        value = json.loads(predicted[0]) if predicted else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
