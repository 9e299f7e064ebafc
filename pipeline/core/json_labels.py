"""Labels that are JSON: the subset of JSON schemas that a column can have, their Arrow type, and one text for each value.

A schema describes an object with `properties`.  Every part of it needs one `type` (`null` beside it, or `anyOf` with a null,
makes it nullable); `$ref` leads into the schema itself.  Keywords that only restrict values (`enum`, `pattern`, `minimum`, ...) may
stand anywhere: the task checks them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from pipeline.core.text.folding import fold_space

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["object", "array", "string", "integer", "number", "boolean"]
_KINDS = ("object", "array", "string", "integer", "number", "boolean")
_UNKNOWN = ("oneOf", "allOf", "patternProperties", "prefixItems", "dependentSchemas", "unevaluatedProperties", "if")
_LARGEST = 2**63


@dataclass(frozen=True)
class Part:
    """A part of a schema: an object has `properties` (of which some are `required`), an array `items`."""

    kind: Kind
    nullable: bool = False
    properties: Mapping[str, Part] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    items: Part | None = None
    enum: tuple[Any, ...] = ()


def part_of(schema: Mapping[str, Any]) -> Part:
    """Return a schema as its parts.  Raises ValueError in one line for what no column can hold."""
    part = _part(schema, schema, "", ())
    if part.kind != "object" or part.nullable:
        raise ValueError("the schema's type must be 'object'")
    return part


@lru_cache(maxsize=32)
def parsed(schema: str) -> Part:
    """Return the parts of a schema that is given as text."""
    return part_of(json.loads(schema))


def _part(schema: Any, root: Mapping[str, Any], path: str, within: tuple[str, ...]) -> Part:
    where = path or "the schema"
    if not isinstance(schema, Mapping):
        raise ValueError(f"{where}: is no schema with a type")
    if isinstance(reference := schema.get("$ref"), str):
        if reference in within:
            raise ValueError(f"{where}: {reference} refers to itself, which no column can hold")
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return _part({**_resolved(reference, root, where), **beside}, root, path, (*within, reference))
    if unknown := next((name for name in _UNKNOWN if name in schema), None):
        raise ValueError(f"{where}: {unknown!r} is not supported")
    if isinstance(schema.get("additionalProperties"), Mapping):
        raise ValueError(f"{where}: additionalProperties can be true or false; a column needs all names in properties")
    if "anyOf" in schema:
        return _either(schema, root, path, within)
    kind, nullable = _kind(schema, where)
    if kind == "object":
        return _object(schema, root, path, within, nullable)
    if kind == "array":
        if "items" not in schema:
            raise ValueError(f"{where}: an array needs items")
        return Part(kind, nullable, items=_part(schema["items"], root, f"{path}[]", within))
    return Part(kind, nullable, enum=tuple(schema.get("enum", ())))


def _either(schema: Mapping[str, Any], root: Mapping[str, Any], path: str, within: tuple[str, ...]) -> Part:
    """Return `anyOf` of something and null."""
    others = [one for one in schema["anyOf"] if not (isinstance(one, Mapping) and one.get("type") == "null")]
    if len(others) != 1 or len(others) == len(schema["anyOf"]):
        raise ValueError(f"{path or 'the schema'}: anyOf can only be one type and null: a column has one type")
    return replace(_part(others[0], root, path, within), nullable=True)


def _kind(schema: Mapping[str, Any], where: str) -> tuple[Kind, bool]:
    given = schema.get("type")
    if given is None and isinstance(
        values := schema.get("enum", [schema["const"]] if "const" in schema else None), list
    ):
        given = sorted({_kind_of(value) for value in values})
    kinds: list[Any] = [given] if isinstance(given, str) else list(given or ())
    named = [kind for kind in kinds if kind != "null"]
    if len(named) != 1 or named[0] not in _KINDS:
        raise ValueError(
            f"{where}: needs one type of {', '.join(_KINDS)}, or such a one and null; found {given or 'none'}"
        )
    kind: Kind = named[0]
    return kind, "null" in kinds


def _kind_of(value: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
    return kinds.get(type(value), "object")


def _object(
    schema: Mapping[str, Any], root: Mapping[str, Any], path: str, within: tuple[str, ...], nullable: bool
) -> Part:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        raise ValueError(f"{path or 'the schema'}: an object needs properties")
    parts = {
        name: _part(value, root, f"{path}.{name}" if path else str(name), within) for name, value in properties.items()
    }
    return Part("object", nullable, parts, frozenset(schema.get("required", ())))


def _resolved(reference: str, root: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    target: Any = root
    for step in reference.removeprefix("#").strip("/").split("/") if reference != "#" else ():
        target = target.get(step) if isinstance(target, Mapping) else None
    if not reference.startswith("#") or not isinstance(target, Mapping):
        raise ValueError(f"{where}: $ref {reference!r} is not in this schema")
    return target


def is_strict(schema: Any) -> bool:
    """Tell whether every object in a schema requires all of its properties and allows no others, as endpoints hold models to."""
    if isinstance(schema, Mapping):
        properties = schema.get("properties")
        if isinstance(properties, Mapping) and (
            schema.get("additionalProperties") is not False or {*properties} != {*schema.get("required", ())}
        ):
            return False
        return all(is_strict(value) for value in schema.values())
    return all(map(is_strict, schema)) if isinstance(schema, list) else True


def arrow_type(part: Part) -> pa.DataType:
    """Return the type of a column of such labels."""
    import pyarrow as pa

    if part.kind == "object":
        return pa.struct([(name, arrow_type(inner)) for name, inner in part.properties.items()])
    if part.items is not None:
        return pa.list_(arrow_type(part.items))
    return {"string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}[part.kind]


def canonical(value: Any, part: Part) -> str:
    """Return the one text of a value: properties in the schema's order, without those that are null and need not be there."""
    return json.dumps(_ordered(value, part), ensure_ascii=False)


def _ordered(value: Any, part: Part) -> Any:
    if value is None:
        return None
    if part.kind == "object":
        kept = ((name, inner) for name, inner in part.properties.items() if name in value)
        return {
            name: _ordered(value[name], inner)
            for name, inner in kept
            if value[name] is not None or name in part.required
        }
    if part.items is not None:
        return [_ordered(item, part.items) for item in value]
    if part.kind == "string" and not part.enum:
        return fold_space(value)  # as texts of articles are
    return float(value) if part.kind == "number" else value


def holds(value: Any, part: Part) -> bool:
    """Tell whether a column can hold a value that fits the schema: its integers, and its texts."""
    if isinstance(value, Mapping):
        return all(holds(value[name], inner) for name, inner in part.properties.items() if name in value)
    if isinstance(value, list):
        return part.items is None or all(holds(item, part.items) for item in value)
    if isinstance(value, str):
        return value.encode("utf-8", "ignore").decode() == value  # else it has half a surrogate pair
    if part.kind == "number" and isinstance(value, int):
        return abs(value) <= sys.float_info.max  # a column of numbers has floats
    if part.kind == "integer" and value is not None:
        return bool(-_LARGEST <= value < _LARGEST)
    return value == value and abs(value or 0) != float("inf") if isinstance(value, float) else True


def leaves(value: Any, part: Part, path: str = "") -> dict[str, Any]:
    """Return path -> value of the fields of a label: scalars, and arrays as a whole."""
    if part.kind != "object" or value is None:
        return {path: value}
    fields: dict[str, Any] = {}
    for name, inner in part.properties.items():
        fields |= leaves(value.get(name), inner, f"{path}.{name}" if path else name)
    return fields
