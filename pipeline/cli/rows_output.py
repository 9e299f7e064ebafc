"""Output of rows: tables as lines, JSON or CSV; everything of one article; each step of one text."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.job.workspace import Workspace


def line(row: dict[str, Any], label: str) -> str:
    """Return one line of a row for people; `label` is the column of the job's label."""
    if "reason" in row:
        return f"{row['id']}  {row['reason']}  {row.get('detail') or ''}".rstrip()
    if label in row:
        return f"{row['id']}  {_cell(row[label])}"
    text = row.get("text") or ""
    return f"{row['id']}  {text[:100]}{'…' if len(text) > 100 else ''}"


def print_rows(rows: Iterable[dict[str, Any]], work: Workspace, as_json: bool) -> None:
    """Print rows of a table, one a line, as JSON or for people."""
    for row in rows:
        as_text = (
            json.dumps(row, ensure_ascii=False, default=str) if as_json else line(row, work.config.label_column.name)
        )
        print(as_text)


def print_csv(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> None:
    """Print rows as CSV; phrases are joined by semicolons, other lists and phrases with a semicolon are JSON."""
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: Any) -> Any:
    if not isinstance(value, list | dict):
        return value
    if isinstance(value, list) and all(isinstance(item, str) and ";" not in item for item in value):
        return "; ".join(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def article(parts: dict[str, Any]) -> None:
    """Print everything of one article, a section for each stage and reply; what is empty is left out."""
    named: dict[str, Any] = {}
    for name, value in parts.items():
        named |= {f"before: {step}": of for step, of in value.items()} if name == "before" else {name: value}
    for name, value in named.items():
        sections = value if isinstance(value, list) else [value]
        for section in sections:
            if not isinstance(section, dict):
                print(f"{name}: {section}")
                continue
            print(f"\n[{name}]")
            for key, item in section.items():
                if item not in (None, [], {}, ""):
                    print(f"  {key}: {_cell(item)}")


def tried(result: dict[str, Any]) -> None:
    """Print what was sent, what came back, and what became of it."""
    for step in result.get("before", ()):
        _print_messages(step["messages"], f"{step['as']}, ")
        print(f"[{step['as']}, reply]\n{step['answer']}\n{_cost(step)}\n")
    _print_messages(result["messages"])
    print(f"[reply]\n{result['reply']}\n")
    for name, value in result.items():
        if name not in ("before", "messages", "reply", "asked", "cost_usd") and value not in (None, []):
            print(f"{name}: {_cell(value)}")
    print(_cost(result))


def _print_messages(messages: Sequence[dict[str, str]], of: str = "") -> None:
    for message in messages:
        print(f"[{of}{message['role']}]\n{message['content']}\n")


def _cost(asked: dict[str, Any]) -> str:
    cost = "not known" if asked["cost_usd"] is None else f"${asked['cost_usd']:.6f}"
    return f"cost: {cost}" if asked["asked"] else "cost: nothing, the ledger had the answer"
