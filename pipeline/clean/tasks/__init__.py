"""What a label is: one file a task.

A module holds `Options` (it validates the job file's `clean` section) and `Task(options, count)`; `count` counts the tokens
of texts.  A task has the attributes `column` (how its label stands in tables) and `prompt` (the name of its own prompt),
the static methods `variables(options)` (what it offers to a prompt beside the article's fields) and `schema(options)`
(the JSON that a prompt with `output: json_schema` asks for), and `parse(reply, article) -> Label`.  It may have
`judge(reply, article) -> str` (what a reply is worth, quickly) and `check(label) -> str | None` (a label that a person
gave, in the task's form; None where it is no label of the task).  Pure: no disk, no
network.
"""

from __future__ import annotations

from typing import Any


def object_of(properties: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema as strict as endpoints want it: every property required, no others."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
