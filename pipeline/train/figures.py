"""Figures of a student on eval: each measure with its interval, beside what needs no training, and by parts of the articles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pipeline.core.types import Example, LabelColumn
from pipeline.label.extractive import Settings, extract
from pipeline.metrics.intervals import bootstrap
from pipeline.train.scores import Scores, main_measure, scores

Labels = list[list[str]]
_PARTS: dict[str, Callable[[Example], str | None]] = {
    "language": lambda example: example.article.language,
    "source": lambda example: example.article.source,
    "topic": lambda example: example.topic,
}
_FEWEST = 5  # articles of a part that gets a figure of its own
_MOST_PARTS = 30


def judge(
    predicted: Labels, eval_rows: Sequence[Example], train: Sequence[Example], column: LabelColumn
) -> dict[str, Any]:
    """Return the figures of a student's labels of the eval rows; the baselines take from train what they need."""
    main, ours = main_measure(column), scored(predicted, eval_rows, column)
    groups = [example.group_id for example in eval_rows]
    others = {name: scored(labels, eval_rows, column) for name, labels in baselines(eval_rows, train, column).items()}
    return {
        "measure": main,
        "articles": len(eval_rows),
        "without_a_label": sum(not label for label in predicted),
        "phrases_a_label": {
            "student": _mean([len(label) for label in predicted]),
            "eval": _mean([len(example.phrases) for example in eval_rows]),
        },
        "student": _with_intervals(ours, groups),
        "baselines": {name: _with_intervals(theirs, groups) for name, theirs in others.items()},
        "differences": {name: difference(ours, theirs, main, groups) for name, theirs in others.items()},
        "by": {part: _by(value, ours, eval_rows, main) for part, value in _PARTS.items()},
    }


def scored(predicted: Labels, eval_rows: Sequence[Example], column: LabelColumn) -> list[Scores]:
    """Return the measures of each article."""
    return [scores(label, example, column) for label, example in zip(predicted, eval_rows, strict=True)]


def baselines(eval_rows: Sequence[Example], train: Sequence[Example], column: LabelColumn) -> dict[str, Labels]:
    """Return the labels of who does not learn from articles: the most frequent ones of train; the embedded labeller.

    Both give as many phrases as a label of train has in the mean, so that a student does not win by the number alone.
    """
    counts = Counter(phrase for example in train for phrase in example.phrases)
    size = max(1, round(_mean([len(example.phrases) for example in train])))
    majority = [phrase for phrase, _ in counts.most_common(size)]
    labels = {"majority": [majority for _ in eval_rows]}
    if column.has_tiers:
        settings = Settings(phrases=size)
        labels["extractive"] = [
            extract(one.article.text, title=one.article.title, language=one.article.language, settings=settings)
            for one in eval_rows
        ]
    return labels


def difference(ours: Sequence[Scores], theirs: Sequence[Scores], main: str, groups: Sequence[str]) -> dict[str, float]:
    """Return by how much ours is better on the same articles, with the paired 95% interval."""
    gaps = [one[main] - other[main] for one, other in zip(ours, theirs, strict=True)]
    return interval(gaps, groups)


def _with_intervals(per_article: Sequence[Scores], groups: Sequence[str]) -> dict[str, dict[str, float]]:
    names = list(dict.fromkeys(name for one in per_article for name in one))
    figures = {}
    for name in names:
        pairs = [(one[name], group) for one, group in zip(per_article, groups, strict=True) if name in one]
        figures[name] = interval([value for value, _ in pairs], [group for _, group in pairs])
    return figures


def interval(values: Sequence[float], groups: Sequence[str]) -> dict[str, float]:
    low, high = bootstrap(values, clusters=groups)
    return {"mean": round(_mean(values), 4), "low": round(low, 4), "high": round(high, 4)}


def _by(
    value: Callable[[Example], str | None], ours: Sequence[Scores], eval_rows: Sequence[Example], main: str
) -> dict[str, Any]:
    """Return the main measure by a value of the articles, where there are several; the largest parts first."""
    numbers: dict[str, list[int]] = {}
    for number, example in enumerate(eval_rows):
        numbers.setdefault(value(example) or "unknown", []).append(number)
    if len(numbers) < 2:
        return {}
    shown = sorted(
        (item for item in numbers.items() if len(item[1]) >= _FEWEST), key=lambda item: (-len(item[1]), item[0])
    )
    return {
        name: {"articles": len(of), **interval([ours[n][main] for n in of], [eval_rows[n].group_id for n in of])}
        for name, of in shown[:_MOST_PARTS]
    }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
