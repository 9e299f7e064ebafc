"""Candidate phrases: runs of content words between stop words and punctuation, with how they occur."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.label.extractive.profiles import CONTENT, LINK
from pipeline.label.extractive.words import Words

_LINKS = 3  # words that links may add to a phrase

_Integers = npt.NDArray[np.int64]
_Occurrence = tuple[int, int, int]  # row of the phrase, first and last word


@dataclass(frozen=True, slots=True)
class Candidates:
    """The phrases of an article; the arrays have one entry per phrase, in order of appearance."""

    phrases: list[str]  # stems joined with spaces
    first: _Integers  # place of the word where the phrase first begins
    last: _Integers  # and ends
    count: _Integers
    left: _Integers  # occurrences that nothing could extend to the left
    right: _Integers  # and to the right
    nested: _Integers  # highest count of a repeated longer phrase that holds it


def candidates(words: Words, longest: int) -> Candidates:
    """All phrases of up to `longest` words, links aside."""
    rows: dict[str, int] = {}
    occurrences: list[_Occurrence] = []
    runs = _runs(words)
    for begin, end in runs:
        _add_run(rows, occurrences, words, begin, end, longest)
    row, first, last = np.array(occurrences, np.int64).reshape(-1, 3).T
    is_begin, is_end = _edges(words, runs)
    starts, ends = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    starts[row[::-1]], ends[row[::-1]] = first[::-1], last[::-1]  # the first occurrence is written last
    count, left, right = (_count(row, flags, len(rows)) for flags in (None, is_begin[first], is_end[last]))
    return Candidates(list(rows), starts, ends, count, left, right, _nested(rows, words, starts, ends, count))


def _runs(words: Words) -> list[tuple[int, int]]:
    """Longest stretches without a boundary, as half-open ranges of words."""
    runs, begin = [], -1
    for place, (kind, joined) in enumerate(zip(words.kinds, words.joined, strict=True)):
        if kind and (joined or begin < 0):
            if begin < 0:
                begin = place
        elif begin >= 0:
            runs.append((begin, place))
            begin = place if kind else -1
    if begin >= 0:
        runs.append((begin, len(words.kinds)))
    return runs


def _add_run(
    rows: dict[str, int], occurrences: list[_Occurrence], words: Words, begin: int, end: int, longest: int
) -> None:
    """Note every phrase of one run. A phrase begins with a content word and does not end in a link."""
    keys, kinds = words.keys, words.kinds
    for first in range(begin, end):
        if kinds[first] != CONTENT:
            continue
        phrase, size = keys[first], 1
        occurrences.append((rows.setdefault(phrase, len(rows)), first, first))
        for last in range(first + 1, min(end, first + longest + _LINKS)):
            phrase = f"{phrase} {keys[last]}"
            if kinds[last] == LINK:
                continue
            size += 1
            occurrences.append((rows.setdefault(phrase, len(rows)), first, last))
            if size == longest:
                break


def _edges(words: Words, runs: list[tuple[int, int]]) -> tuple[_Integers, _Integers]:
    """For every word 1 where no content word of its run stands right before it, and right behind it."""
    links = np.array(words.kinds, np.int64) == LINK
    is_begin, is_end = np.zeros(len(links), np.int64), np.zeros(len(links), np.int64)
    is_begin[1:], is_end[:-1] = links[:-1], links[1:]
    bounds = np.array(runs, np.int64).reshape(-1, 2)
    is_begin[bounds[:, 0]], is_end[bounds[:, 1] - 1] = 1, 1
    return is_begin, is_end


def _count(row: _Integers, flags: _Integers | None, length: int) -> _Integers:
    return np.bincount(row, flags, length).astype(np.int64)


def _nested(rows: dict[str, int], words: Words, first: _Integers, last: _Integers, count: _Integers) -> _Integers:
    """For each phrase how often the longer phrases around it recur (the idea of C-value, Frantzi et al. 2000)."""
    nested = np.zeros(len(rows), np.int64)
    for row in np.flatnonzero((count > 1) & (last > first)).tolist():
        keys = words.keys[first[row] : last[row] + 1]
        for begin in range(len(keys)):
            for end in range(begin + 1, len(keys) + 1):
                part = rows.get(" ".join(keys[begin:end]), row)
                if part != row:
                    nested[part] = max(nested[part], count[row])
    return nested
