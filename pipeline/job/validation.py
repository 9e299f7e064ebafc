"""Validation of a value by a pydantic model: one line for each problem, in words for people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from pipeline.core import hints, stores
from pipeline.core.errors import ConfigError


def check(model: type[Any], value: Any, where: str, at: tuple[str | int, ...] = ()) -> Any:
    """Return a value as an instance of a pydantic model.  Raises ConfigError with one line for each problem."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = (f"{where}: {dotted((*at, *item['loc']))}: {_problem(item, model)}" for item in error.errors())
        raise ConfigError("\n".join(problems)) from None


def dotted(path: tuple[str | int, ...]) -> str:
    """Return a path of keys and numbers as people write it: `sources.0.path`."""
    return ".".join(str(part) for part in path)


def _problem(item: Any, model: type[BaseModel]) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = _allowed_keys(model, item["loc"])
        return f"unknown key{hints.did_you_mean(item['loc'][-1], allowed)}; allowed: {', '.join(allowed)}"
    if kind == "missing":
        return "missing; it must be given"
    value = f"found {kind_of(item['input'])}"
    if kind == "literal_error":
        allowed = [part.strip().strip("'") for part in re.split(r", | or ", context["expected"])]
        return f"{value}{hints.did_you_mean(str(item['input']), allowed)}; allowed: {', '.join(allowed)}"
    if kind in ("model_type", "dict_type"):
        return f"is a section of its own, with keys; leave it out for the defaults; {value}"
    if item["input"] is None:
        return "no value was given; leave the key out for the default"
    message = str(context["error"]) if kind == "value_error" else item["msg"].removeprefix("Input ")
    return f"{message}; {value}"


def _allowed_keys(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """Return the keys of the section that holds an unknown one."""
    for part in loc[:-1]:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        inner = [a for a in _types_in(annotation) if isinstance(a, type) and issubclass(a, BaseModel)]
        model = inner[0] if inner else model
    return sorted({field.alias or name for name, field in model.model_fields.items()} - {"file"})


def _types_in(annotation: Any) -> Iterator[Any]:
    """Yield a type and the types that it is made of: `dict[str, Price] | None` -> Price, among others."""
    yield annotation
    for part in get_args(annotation):
        yield from _types_in(part)


def kind_of(value: Any) -> str:
    """Return a value in a few words, for an error: long texts are cut, sections only named."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f"{(stores.without_secrets(value) if '://' in value else value)[:60]!r}"
    return "nothing" if value is None else f"{value!r}"[:60]
