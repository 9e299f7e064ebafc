"""Reader of JSON files: one array of objects, or objects one after another, with one object in memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from pipeline.collect.reading.items import DAMAGE, InputItem, ReadOptions, Rows
from pipeline.collect.reading.lines import parse
from pipeline.core.types import BadRow

CHUNK = 2**18  # bytes
_MARK = re.compile(rb'["{}\[\],]')
_STRING_END = re.compile(rb'(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BLANK = b" \t\r\n\xef\xbb\xbf"


def read(item: InputItem, options: ReadOptions) -> Rows:
    """Yield one row per value; its line is its number.  A value that is no JSON costs only itself while brackets pair up."""
    number, label = 0, item.label
    stream, encoding = item.recoded(item.encoding(options))
    scanner = JsonScanner(options.max_row_bytes)
    with stream as file:
        try:
            for value, size in scanner.values(file):
                number += 1
                if value is None:
                    yield BadRow(
                        label, number, "row_too_large", f"{size} bytes; max_row_bytes is {options.max_row_bytes}"
                    )
                else:
                    yield parse(value, label, number, encoding)
        except DAMAGE as error:
            yield BadRow(label, number + 1, "damaged_file", f"the rest cannot be read ({error})")
            return
    if scanner.unfinished:
        yield BadRow(label, number + 1, "damaged_file", "the file ends within a value or its array")


class JsonScanner:
    """A scanner that cuts a stream into values by quotes, brackets and commas, and holds at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._depth = 0  # of brackets, without the outer array's
        self._in_array: bool | None = None  # None: nothing was seen yet
        self._in_string = self._escaped = self._closed = False
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def unfinished(self) -> bool:
        """Return whether the stream ended within a value or its array."""
        return self._in_string or self._depth > 0 or (self._in_array is True and not self._closed)

    def values(self, file: BinaryIO) -> Iterator[tuple[bytes | None, int]]:
        """Yield each value and its size in bytes; the value is None where it is larger than the limit."""
        while chunk := file.read(CHUNK):
            start = position = 0
            while position < len(chunk):
                position, ended = self._step(chunk, position)
                if ended:
                    self._hold(chunk[start : position - (ended == 1)])
                    start = position
                    if (value := self._take()) is not None:
                        yield value
            self._hold(chunk[start:])
        if not self.unfinished and (value := self._take()) is not None:
            yield value

    def _step(self, chunk: bytes, position: int) -> tuple[int, int]:
        """Return the position behind the next mark, and 1 where a value ended before the mark, 2 with it, else 0."""
        if self._in_string:
            return self._through_string(chunk, position), 0
        match = _MARK.search(chunk, position)
        if match is None:
            return len(chunk), 0
        mark, position = match[0], match.end()
        if self._in_array is None and mark != b'"':
            self._in_array = mark == b"["
            if self._in_array:
                return position, 1  # what stands before the array is no value
        if mark == b'"':
            self._in_string = True
        elif mark in b"{[":
            self._depth += 1
        elif mark == b",":
            return position, int(self._depth == 0)
        elif self._depth == 0:  # the end of the outer array
            self._closed = True
            return position, 1
        else:
            self._depth -= 1
            return position, 2 * (self._depth == 0 and not self._in_array)
        return position, 0

    def _through_string(self, chunk: bytes, position: int) -> int:
        if self._escaped:
            self._escaped, position = False, position + 1
        match = _STRING_END.match(chunk, position)
        if match:
            self._in_string = False
            return match.end()
        rest = chunk[position:]
        self._escaped = (len(rest) - len(rest.rstrip(b"\\"))) % 2 == 1
        return len(chunk)

    def _hold(self, piece: bytes) -> None:
        """Hold a piece of the current value, up to the limit."""
        piece = piece if self._pieces else piece.lstrip(_BLANK)
        if piece:
            self._pieces.append(piece[: max(self._limit - self._size, 0)])
            self._size += len(piece)

    def _take(self) -> tuple[bytes | None, int] | None:
        """Return the value that ended and its size, or None where there is nothing but blanks."""
        pieces, size = self._pieces, self._size
        self._pieces, self._size = [], 0
        if not pieces:
            return None
        return (b"".join(pieces).rstrip(_BLANK) if size <= self._limit else None), size
