"""Units are read and written: each where its source can be, in as many processes as the job's engine has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

from pipeline.collect.units import SourceUnit, build
from pipeline.core.engine import Engine, Task
from pipeline.core.objects import look_again
from pipeline.core.shards import Folder


def build_all(engine: Engine, folder: Folder, entries: Sequence[SourceUnit], progress: Any) -> None:
    """Build units; those that only the source in this process can read come last."""
    rows = _RowCount(progress)
    for unseen in engine.map("collect", partial(_builder, folder, rows), _apart(entries), len(entries)):
        progress.update(unseen)
    for entry in entries:
        if entry.source.apart(entry.unit) is None:
            build(folder, entry, progress)
    look_again()


def _apart(entries: Sequence[SourceUnit]) -> Iterator[Task]:
    for entry in entries:
        if (source := entry.source.apart(entry.unit)) is not None:
            yield Task(entry.unit.name, replace(entry, source=source))


def _builder(folder: Folder, rows: _RowCount) -> Callable[[SourceUnit], int]:
    def build_one(entry: SourceUnit) -> int:
        with closing(entry.source):
            build(folder, entry, rows)
        return rows.unseen()

    return build_one


class _RowCount:
    """The rows that were read: on the bar as they come in the process that has it, else counted for it."""

    def __init__(self, bar: Any) -> None:
        self._bar, self._rows = bar, 0

    def __getstate__(self) -> dict[str, Any]:
        return {"_bar": None, "_rows": 0}

    def update(self, rows: int) -> None:
        if self._bar is not None:
            self._bar.update(rows)
        else:
            self._rows += rows

    def unseen(self) -> int:
        """Return how many rows are not on the bar, and begin anew."""
        rows, self._rows = self._rows, 0
        return rows
