"""Command `schema`: the job file's JSON schema, for editors: what each section may hold, plugins' options by their type."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from pipeline.core import plugins
from pipeline.job.config import JobConfig

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_VARIABLE = "variable"
_NO_TEXT = {"integer", "number", "boolean"}
_OF_ANOTHER_PACKAGE = {
    "type": "object",
    "required": ["type"],
    "properties": {"type": {"type": "string", "pattern": r"\."}},
}


def job_schema() -> dict[str, Any]:
    """Return the schema of a job file; a plugin of another package, which is named by its module, may have any options."""
    schema = JobConfig.model_json_schema()
    definitions, properties = schema["$defs"], schema["properties"]
    properties.pop("file")
    definitions.pop("PluginSpec")
    definitions.pop("EngineSpec")
    for kind in ("sources", "filters"):
        choices = [_by_type(kind, name, definitions) for name in plugins.names(kind)]
        properties[kind]["items"] = {"oneOf": [*choices, _OF_ANOTHER_PACKAGE]}
    engines = [_by_type("engines", name, definitions) for name in plugins.names("engines")]
    properties["engine"] = {"oneOf": [*engines, _OF_ANOTHER_PACKAGE]}
    rules = [_where_label("provider", name, {"label": {"properties": {"parameters": _add("providers", name, definitions)}}})
             for name in plugins.names("providers")]  # fmt: skip
    rules += [
        _where_label("task", name, {"clean": _add("tasks", name, definitions)}) for name in plugins.names("tasks")
    ]
    definitions |= {name: _or_a_variable(value) for name, value in definitions.items()}
    definitions[_VARIABLE] = {"type": "string", "pattern": r"\$\{\w+(:-[^}]*)?\}"}
    return {
        "$schema": _DIALECT,
        "title": "labelmill job file",
        **{k: v for k, v in schema.items() if k != "title"},
        "allOf": rules,
    }


def _or_a_variable(schema: Any) -> Any:
    """Return a schema in which `${NAME}` may stand for a number, a switch or one of several words: its value is read later."""
    if isinstance(schema, list):
        return [_or_a_variable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kind, words = schema.get("type"), schema.get("enum")  # mappings where options are named so
    if (isinstance(kind, str) and kind in _NO_TEXT) or isinstance(words, list):
        about = {name: schema[name] for name in ("title", "default", "description") if name in schema}
        return about | {
            "anyOf": [{k: v for k, v in schema.items() if k not in about}, {"$ref": f"#/$defs/{_VARIABLE}"}]
        }
    return {name: _or_a_variable(value) for name, value in schema.items()}


def _by_type(kind: plugins.Kind, name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    reference = _add(kind, name, definitions)
    definitions[f"{kind}.{name}"]["properties"]["type"] = {"const": name}
    return reference


def _add(kind: plugins.Kind, name: str, definitions: dict[str, Any]) -> dict[str, str]:
    """Add the options of a plugin to the definitions, with their own, under names that no other has; return the reference."""
    options: type[BaseModel] = plugins.load(kind, name).Options
    own = options.model_json_schema(ref_template=f"#/$defs/{kind}.{name}.{{model}}")
    definitions |= {f"{kind}.{name}.{model}": value for model, value in own.pop("$defs", {}).items()}
    definitions[f"{kind}.{name}"] = own
    return {"$ref": f"#/$defs/{kind}.{name}"}


def _where_label(key: str, name: str, then: dict[str, Any]) -> dict[str, Any]:
    """Return the rule for jobs whose `label` names this provider or task, or leaves it at a default that is this one."""
    default = JobConfig.model_fields["label"].default.model_dump()[key] == name
    named = {"properties": {key: {"const": name}}, **({} if default else {"required": [key]})}
    where = {"properties": {"label": named}, **({} if default else {"required": ["label"]})}
    return {"if": where, "then": {"properties": then}}
