"""The best one-to-one matching of two small sets."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf


def matched(similarity: Sequence[Sequence[float]]) -> list[float]:
    """Return the similarities of the pairs in the best one-to-one matching of rows and columns.

    Their sum is the largest in which each row and each column counts once at most; no similarity is negative.  The Hungarian
    method with potentials, O(rows^2 * columns) (Kuhn 1955; Munkres 1957).
    """
    if not similarity or not similarity[0]:
        return []
    rows = list(similarity) if len(similarity) <= len(similarity[0]) else list(zip(*similarity, strict=True))
    count, width = len(rows), len(rows[0])
    of_row, of_column = [0.0] * (count + 1), [0.0] * (width + 1)
    taken = [0] * (width + 1)  # column -> the row that has it, 0 for none
    for row in range(1, count + 1):
        least, came_from, done = [inf] * (width + 1), [0] * (width + 1), [False] * (width + 1)
        taken[0], column = row, 0
        while taken[column]:
            done[column], current, step, following = True, taken[column], inf, 0
            for other in range(1, width + 1):
                if done[other]:
                    continue
                cost = -rows[current - 1][other - 1] - of_row[current] - of_column[other]
                if cost < least[other]:
                    least[other], came_from[other] = cost, column
                if least[other] < step:
                    step, following = least[other], other
            for other in range(width + 1):
                if done[other]:
                    of_row[taken[other]] += step
                    of_column[other] -= step
                else:
                    least[other] -= step
            column = following
        while column:
            taken[column], column = taken[came_from[column]], came_from[column]
    return [rows[taken[column] - 1][column - 1] for column in range(1, width + 1) if taken[column]]
