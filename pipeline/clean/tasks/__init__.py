"""What a label is: one file a task.

A task is a module with `Options`, which checks the job file's `clean`, and `Task`, a `pipeline.core.contracts.Task`.  It needs

- `column` (how its label stands in tables), `prompt` (the name of its own prompt);
- `variables(options)`: what it offers to a prompt beside the article's fields;
- `parse(reply, article)`: the label that a raw reply holds.

`schema` is for prompts with `output: json_schema`; `classes` and `max_phrases` bound what a label may be, `check` knows a label
that a person wrote, `judge` says quickly what a reply is worth.  A module constant `VERSION` that rises cleans all replies
again.  Pure: no disk, no network.
"""

from __future__ import annotations

from typing import Any


def object_of(properties: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON schema as strict as endpoints want it: every property required, no others."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
