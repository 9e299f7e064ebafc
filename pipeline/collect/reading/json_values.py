"""JSON files: one array of objects, or objects one after another, in memory for one object."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from pipeline.collect.reading.items import DAMAGE, How, Item, Rows
from pipeline.collect.reading.lines import parse
from pipeline.core.types import BadRow

CHUNK = 2**18  # bytes
_MARK = re.compile(rb'["{}\[\],]')
_STRING_END = re.compile(rb'(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BLANK = b" \t\r\n\xef\xbb\xbf"


def read(item: Item, how: How) -> Rows:
    """A row for each value; its line is its number.  A value that is no JSON costs only itself while brackets pair up."""
    number, label = 0, item.label
    stream, encoding = item.recoded(item.encoding(how))
    scanner = Scanner(how.max_row_bytes)
    with stream as file:
        try:
            for value, size in scanner.values(file):
                number += 1
                if value is None:
                    yield BadRow(label, number, "row_too_large", f"{size} bytes; max_row_bytes is {how.max_row_bytes}")
                else:
                    yield parse(value, label, number, encoding)
        except DAMAGE as error:
            yield BadRow(label, number + 1, "damaged_file", f"the rest cannot be read ({error})")
            return
    if scanner.unfinished:
        yield BadRow(label, number + 1, "damaged_file", "the file ends within a value or its array")


class Scanner:
    """Cuts a stream into values by quotes, brackets and commas; at most `limit` bytes are held."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._depth = 0  # of brackets, that of the outer array not counted
        self._in_array: bool | None = None  # None: nothing was seen yet
        self._in_string = self._escaped = self._closed = False
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def unfinished(self) -> bool:
        return self._in_string or self._depth > 0 or (self._in_array is True and not self._closed)

    def values(self, file: BinaryIO) -> Iterator[tuple[bytes | None, int]]:
        """Each value and its bytes; None for one that is larger than the limit."""
        while chunk := file.read(CHUNK):
            start = place = 0
            while place < len(chunk):
                place, ended = self._step(chunk, place)
                if ended:
                    self._hold(chunk[start : place - (ended == 1)])
                    start = place
                    if (value := self._take()) is not None:
                        yield value
            self._hold(chunk[start:])
        if not self.unfinished and (value := self._take()) is not None:
            yield value

    def _step(self, chunk: bytes, place: int) -> tuple[int, int]:
        """Go on to after the next mark; 1: a value ended before it, 2: with it, 0: none did."""
        if self._in_string:
            return self._through_string(chunk, place), 0
        found = _MARK.search(chunk, place)
        if found is None:
            return len(chunk), 0
        mark, place = found[0], found.end()
        if self._in_array is None and mark != b'"':
            self._in_array = mark == b"["
            if self._in_array:
                return place, 1  # what stands before the array is nothing
        if mark == b'"':
            self._in_string = True
        elif mark in b"{[":
            self._depth += 1
        elif mark == b",":
            return place, int(self._depth == 0)
        elif self._depth == 0:  # the end of the outer array
            self._closed = True
            return place, 1
        else:
            self._depth -= 1
            return place, 2 * (self._depth == 0 and not self._in_array)
        return place, 0

    def _through_string(self, chunk: bytes, place: int) -> int:
        if self._escaped:
            self._escaped, place = False, place + 1
        found = _STRING_END.match(chunk, place)
        if found:
            self._in_string = False
            return found.end()
        rest = chunk[place:]
        self._escaped = (len(rest) - len(rest.rstrip(b"\\"))) % 2 == 1
        return len(chunk)

    def _hold(self, piece: bytes) -> None:
        """Keep what belongs to the value, as far as the limit."""
        piece = piece if self._pieces else piece.lstrip(_BLANK)
        if piece:
            self._pieces.append(piece[: max(self._limit - self._size, 0)])
            self._size += len(piece)

    def _take(self) -> tuple[bytes | None, int] | None:
        """The value that ended; None where there is nothing but blanks."""
        pieces, size = self._pieces, self._size
        self._pieces, self._size = [], 0
        if not pieces:
            return None
        return (b"".join(pieces).rstrip(_BLANK) if size <= self._limit else None), size
