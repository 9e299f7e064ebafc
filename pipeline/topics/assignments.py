"""Which text has which topic, and where on the map it stands: a file for each round, only ever added to; the last one counts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.core.parquet import read_parquet, write_parquet
from pipeline.topics.space import Floats, Numbers
from pipeline.topics.texts import KEY_BYTES, Key

NONE = -1  # no topic
SAYS_NOTHING, TOO_FEW_ALIKE, FAR_FROM_ALL = "says_nothing", "too_few_alike", "far_from_all_topics"
_SCHEMA = pa.schema(
    [
        ("text", pa.binary(KEY_BYTES)),
        ("topic", pa.int32()),
        ("reason", pa.string()),
        ("x", pa.float32()),
        ("y", pa.float32()),
    ]
)


@dataclass
class Assigned:
    """A topic (or `NONE` and a reason) and a position for each of some texts; NaN: not placed yet."""

    topic: Numbers
    reason: list[str | None]
    position: Floats  # n x 2

    @classmethod
    def nothing(cls, size: int) -> Assigned:
        """Return texts that no round has seen."""
        return cls(np.full(size, NONE, np.int64), [None] * size, np.full((size, 2), np.nan, np.float32))

    @property
    def is_new(self) -> Any:
        """Return for each text whether no round has seen it."""
        return (self.topic == NONE) & np.array([reason is None for reason in self.reason], bool)


@dataclass(frozen=True)
class Assignments:
    """The files of a job."""

    path: Path

    def _file(self, number: int) -> Path:
        return self.path / f"{number:06}.parquet"

    def write(self, number: int, keys: list[Key], rows: Any, assigned: Assigned) -> None:
        """Write what a round assigned: of the texts at some rows."""
        columns = [
            pa.array([keys[row] for row in rows], pa.binary(KEY_BYTES)),
            pa.array(assigned.topic[rows], pa.int32()),
            pa.array([assigned.reason[row] for row in rows], pa.string()),
            *(pa.array(assigned.position[rows, axis], pa.float32()) for axis in (0, 1)),
        ]
        write_parquet(self._file(number), pa.Table.from_arrays(columns, schema=_SCHEMA), _SCHEMA)

    def forget(self, keys: Collection[Key]) -> None:
        """Remove what was assigned to some texts, for good."""
        for file in sorted(self.path.glob("*.parquet")):
            table = read_parquet(file)
            stays = pa.array([key not in keys for key in table.column("text").to_pylist()], pa.bool_())
            if (left := table.filter(stays)).num_rows < table.num_rows:
                write_parquet(file, left, _SCHEMA)

    def read(self, numbers: dict[Key, int], rounds: int, fit: int) -> Assigned:
        """Return what the rounds from a fit up to one of them say of texts, by their row; later rounds count more.

        A fit assigns every text that is there.  What was not there may come back, and its topic of before may have ended since.
        """
        assigned = Assigned.nothing(len(numbers))
        for number in range(max(fit, 1), rounds + 1):
            if self._file(number).exists():
                self._take(assigned, numbers, read_parquet(self._file(number)))
        return assigned

    def _take(self, assigned: Assigned, numbers: dict[Key, int], table: pa.Table) -> None:
        at = np.array([numbers.get(key, -1) for key in table.column("text").to_pylist()], np.int64)
        here = np.flatnonzero(at >= 0)
        rows = at[here]
        assigned.topic[rows] = np.asarray(table.column("topic"))[here]
        reasons = table.column("reason").to_pylist()
        for row, number in zip(rows.tolist(), here.tolist(), strict=True):
            assigned.reason[row] = reasons[number]
        for axis, name in enumerate(("x", "y")):
            assigned.position[rows, axis] = np.asarray(table.column(name))[here]
