"""The words that models put around labels, by language: each section of `vocabulary.txt` is an attribute of its name.

A section is a `frozenset[str]` of words; or what its head says: a `tuple[str, ...]` of beginnings, a `str` of alternatives (a
pattern), or pairs of lists.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

_HEAD = re.compile(r"^\[(\w+)(?: (\w+))?\]$", re.MULTILINE)


def _sections() -> dict[str, Any]:
    """Return what each section holds, by its name."""
    text = re.sub(r"^#.*\n", "", Path(__file__).with_suffix(".txt").read_text("utf-8"), flags=re.MULTILINE)
    heads = [*_HEAD.finditer(text), None]
    return {
        head[1]: _section(head[2], text[head.end() : following.start() if following else len(text)].strip().split("\n"))
        for head, following in pairwise(heads)
        if head
    }


def _section(kind: str | None, lines: list[str]) -> Any:
    if kind == "pattern":
        return "|".join(lines)
    if kind == "pairs":
        return [[side.split(" | ") for side in line.split(" => ")] for line in lines]
    entries = _entries(lines)
    return entries if kind == "beginnings" else frozenset(entries)


def _entries(lines: list[str]) -> tuple[str, ...]:
    """Return the entries of a section: between bars, where it has any, else words; spaces at an edge stand in quotes."""
    if not any(" | " in line for line in lines):
        return tuple(" ".join(lines).split())
    return tuple(entry.strip().strip('"') for entry in " | ".join(lines).split(" | "))


def __getattr__(name: str) -> Any:  # for the type checker: what no section is called is an error
    raise AttributeError(f"vocabulary.txt has no section [{name}]")


globals().update(_sections())
