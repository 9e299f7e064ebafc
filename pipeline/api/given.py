"""Articles as users of pandas and datasets have them: a DataFrame, a Series, a Dataset, a list of texts or of mappings."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.api.jobs import kind_of
from pipeline.core.errors import ArgumentError
from pipeline.core.hints import did_you_mean
from pipeline.core.types import ARTICLE_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

_OURS: list[str] = list(ARTICLE_COLUMNS)


@dataclass(frozen=True)
class GivenArticles:
    """Records by our names of columns, in the order given; `index` is that of the DataFrame or Series that they came in."""

    records: list[dict[str, Any]]
    index: pd.Index | None = None


def is_a(value: object, module: str, *names: str) -> bool:
    """Return whether a value is an instance of a class of a library, which is not imported for that: whose value it is has
    it."""
    library = sys.modules.get(module)
    classes = tuple(cls for name in names if isinstance(cls := getattr(library, name, None), type))
    return isinstance(value, classes)


def read(articles: Any, columns: Mapping[str, str]) -> GivenArticles:
    """Return the given articles; `columns` maps our names to theirs.  Raises ArgumentError in one line for what holds none."""
    _check_ours(columns)
    if is_a(articles, "pandas", "DataFrame"):
        names = _names(columns, [str(name) for name in articles.columns])
        values = {name: articles[theirs].tolist() for name, theirs in names.items()}
        return GivenArticles(_records(values, len(articles)), articles.index)
    if is_a(articles, "datasets", "Dataset"):
        names = _names(columns, articles.column_names)
        return GivenArticles(_records({name: list(articles[theirs]) for name, theirs in names.items()}, len(articles)))
    if is_a(articles, "pandas", "Series"):
        return GivenArticles([{"text": text} for text in articles.tolist()], articles.index)
    if isinstance(articles, str) or (not isinstance(articles, Sequence) and not is_a(articles, "numpy", "ndarray")):
        kind = kind_of(articles)
        hint = (
            "; of a DatasetDict give one split"
            if kind.endswith("DatasetDict")
            else "; a single text is a list of one"
            if kind == "str"
            else ""
        )
        raise ArgumentError(f"articles: give a DataFrame, a Series, a Dataset or a list of texts; found {kind}{hint}")
    items = list(articles)
    if items and all(isinstance(item, Mapping) for item in items):
        names = _names(columns, list(dict.fromkeys(str(key) for item in items for key in item)))
        return GivenArticles([{name: item.get(theirs) for name, theirs in names.items()} for item in items])
    return GivenArticles([{"text": _text(number, item)} for number, item in enumerate(items)])


def _check_ours(columns: Mapping[str, str]) -> None:
    for name in columns:
        if name not in _OURS:
            raise ArgumentError(f"columns: no column {name!r}{did_you_mean(name, _OURS)}; ours are: {', '.join(_OURS)}")


def _text(number: int, item: Any) -> str | None:
    if item is None or item != item:  # what pandas has for no value
        return None
    if not isinstance(item, str):
        raise ArgumentError(f"articles: item {number} is no text; found {kind_of(item)}")
    return item


def _names(columns: Mapping[str, str], theirs: list[str]) -> dict[str, str]:
    """Return our names of the columns that there are -> theirs."""
    for name, column in columns.items():
        if column not in theirs:
            hint = did_you_mean(column, theirs)
            raise ArgumentError(
                f"columns.{name}: the articles have no {column!r}{hint}; they have: {', '.join(theirs)}"
            )
    names = {name: columns.get(name, name) for name in _OURS if columns.get(name, name) in theirs}
    if "text" not in names:
        example = '{"text": "body"}'
        raise ArgumentError(
            f"articles: have no column 'text'; name it with columns={example}; they have: {', '.join(theirs)}"
        )
    return names


def _records(values: Mapping[str, list[Any]], count: int) -> list[dict[str, Any]]:
    return [{name: column[row] for name, column in values.items()} for row in range(count)]
