"""Fields of a source's record, by the names that a job file gives: a name, or a dotted path into objects and lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ABSENT = object()


def value_of(fields: Mapping[str, Any], column: str) -> Any:
    """Return the value of a column, ABSENT where there is none; `data.body` is a column of that name, else `body` within `data`."""
    if column in fields or "." not in column:
        return fields.get(column, ABSENT)
    value: Any = fields
    for part in column.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return ABSENT
    return value


def needed(columns: tuple[str, ...] | list[str]) -> set[str]:
    """Return the names of what must be read for some columns: a path needs what it begins with."""
    return {*columns, *(column.partition(".")[0] for column in columns)}
