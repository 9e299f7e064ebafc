"""Near-copies among the articles of `filtered/`, as the split finds them; who wires the stages hands them in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.job.workspace import Workspace

Numbers = np.ndarray[Any, np.dtype[np.int64]]
Shares = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class NearCopies:
    """Groups of the rows of `filtered/`, numbered through all shards in source order.

    `heads` has for each row the lowest row of its group, `starts` the number of the first row of each shard, and
    `likeness(row, others)` the share of their pieces that a row has in common with each of some others of its group (0 to 1,
    estimated).
    """

    heads: Numbers
    starts: dict[str, int]
    likeness: Callable[[int, Numbers], Shares]


FindNearCopies = Callable[[Workspace, Sequence[str]], NearCopies]
"""(job, shards in source order) -> their near-copies."""
