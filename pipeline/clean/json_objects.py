"""JSON objects of a reply: found in what models put around them, read where they are broken, brought to their schema's form."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.clean.cleaner import labels
from pipeline.clean.prose import prose_of
from pipeline.core.json_labels import Part
from pipeline.core.text.folding import fold_case
from pipeline.core.text.lenient_json import Bare, Value, find_literal

_MOST = 20  # objects in one reply
_WORDS: dict[str, Any] = {"null": None, "none": None, "true": True, "false": False}
_NOTHING = object()


@dataclass
class FoundObject:
    """What a reply holds: a `value`, or the status of a reply without one; `repairs` names what was mended."""

    value: Any = None
    status: str = "ok"
    repairs: list[str] = field(default_factory=list)


def object_in(raw: str, part: Part) -> FoundObject:
    """Return the object of a reply: as strict JSON, else as `core.text.lenient_json` reads what is broken.

    Of several that which is called final is taken, then the first answer, as for other labels.
    """
    text, unfinished = prose_of(raw)
    if not any(map(str.isalnum, text)):
        empty = "{" in text or "[" in text
        return FoundObject(status="truncated" if unfinished else "no_answer" if empty else "empty")
    strict = [(lead, value) for lead, value in _strict(text) if isinstance(value, dict | list | str)]
    try:
        value = _chosen(strict, part)
    except RecursionError:  # hundreds of objects within each other are no label
        return FoundObject(status="unparseable")
    if value is not _NOTHING:
        return _unwrapped(value, part, [] if value == _loaded(text) else ["aside"])
    literal = find_literal(text)
    if literal is None:
        return FoundObject(status="unparseable")
    if literal.cut:
        return FoundObject(status="truncated")
    return _unwrapped(_plain(literal.value), part, ["literal"])


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _NOTHING


def _strict(text: str) -> Iterator[tuple[str, Any]]:
    """Yield (the text before it, value) of what is JSON in a text, from the outside in."""
    if (whole := _loaded(text)) is not _NOTHING:
        yield "", whole
        return
    decoder, position, start = json.JSONDecoder(), 0, 0
    for _ in range(_MOST):
        begins = [at for at in (text.find("{", position), text.find("[", position)) if at >= 0]
        if not begins:
            return
        try:
            value, end = decoder.raw_decode(text, min(begins))
        except (ValueError, RecursionError):
            return  # what is broken is for the lenient reader, the rest within it is no answer
        yield text[start : min(begins)], value
        position = start = end


def _chosen(values: list[tuple[str, Any]], part: Part) -> Any:
    """Return the value that is the answer; those with names of the schema come before others."""
    named = [(lead, value) for lead, value in values if _names_any(value, part)] or values
    kinds = [labels.kind_of_lead(lead) for lead, _ in named]
    best = labels.best_kind(kinds)
    return named[kinds.index(best)][1] if best else _NOTHING


def _names_any(value: Any, part: Part) -> bool:
    """Tell whether an object has a name of the schema, whatever is around it."""
    if isinstance(value, Mapping):
        names_of_schema = {fold_case(name) for name in part.properties}
        return any(fold_case(str(name)) in names_of_schema for name in value) or any(
            _names_any(v, part) for v in value.values()
        )
    return isinstance(value, list) and any(_names_any(item, part) for item in value)


def _unwrapped(value: Any, part: Part, repairs: list[str]) -> FoundObject:
    """Return the object within a list of one, within an object of one name, or within a text."""
    for _ in range(3):
        inner = _inner(value, part)
        if inner is _NOTHING:
            break
        value, repairs = inner, [*repairs, *(["unwrapped"] if "unwrapped" not in repairs else [])]
    if isinstance(value, Mapping):
        return FoundObject(value, "ok", repairs)
    return FoundObject(status="unparseable", repairs=repairs)


def _inner(value: Any, part: Part) -> Any:
    if isinstance(value, str):
        return loaded if isinstance(loaded := _loaded(value), dict | list) else _NOTHING
    if isinstance(value, list) and len(value) == 1:
        return value[0]
    names_of_schema = {fold_case(name) for name in part.properties}
    if isinstance(value, Mapping) and len(value) == 1 and fold_case(str(next(iter(value)))) not in names_of_schema:
        inner = next(iter(value.values()))
        return inner if isinstance(inner, dict | list) and _names_any(inner, part) else _NOTHING
    return _NOTHING


def _plain(value: Value) -> Any:
    """Return what was read as Python values."""
    if isinstance(value, str):
        return value
    if isinstance(value, Bare):
        word = value.text.casefold()
        return _WORDS[word] if word in _WORDS else _number(value.text)
    if value.keys or (value.opener == "{" and not value.items):
        return {key: _plain(inner) for key, inner in value.pairs()}
    return [_plain(item) for item in value.items]


def _number(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


# --- to the schema's form ---


def fitted(value: Any, part: Part, repairs: list[str]) -> Any:
    """Return a value with names, words of enumerations and numbers spelled as the schema has them; nothing is dropped."""
    if part.kind == "object" and isinstance(value, Mapping):
        return _fitted_object(value, part, repairs)
    if part.kind == "array" and part.items is not None and isinstance(value, list):
        return [fitted(item, part.items, repairs) for item in value]
    if part.enum and value not in part.enum:
        same = [one for one in part.enum if isinstance(value, str) and fold_case(str(one)) == fold_case(value)]
        return _noted(same[0], "enum_spelling", repairs) if len(same) == 1 else value
    if isinstance(value, str) and part.kind in ("integer", "number", "boolean"):
        number = _WORDS.get(value.strip().casefold(), _number(value.strip()))
        wanted = bool if part.kind == "boolean" else (int, float)
        if isinstance(number, wanted) and isinstance(number, bool) == (part.kind == "boolean"):
            return _noted(number, "number_as_text", repairs)
    if part.kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _fitted_object(value: Mapping[str, Any], part: Part, repairs: list[str]) -> dict[str, Any]:
    by_fold = {fold_case(name): name for name in part.properties}
    made: dict[str, Any] = {}
    for name, inner in value.items():
        names_of_schema = name if name in part.properties else by_fold.get(fold_case(str(name)))
        if names_of_schema is None or names_of_schema in made or (names_of_schema != name and names_of_schema in value):
            made[name] = inner
            continue
        if names_of_schema != name:
            _noted(None, "name_spelling", repairs)
        made[names_of_schema] = fitted(inner, part.properties[names_of_schema], repairs)
    return made


def _noted(value: Any, repair: str, repairs: list[str]) -> Any:
    if repair not in repairs:
        repairs.append(repair)
    return value
