"""Reader of CSV and TSV."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, TextIO

from pipeline.collect.reading.items import DAMAGE, InputItem, ReadOptions, Rows, wrong_encoding
from pipeline.core.types import BadRow, RawRow

_QUOTED = re.compile(r'"[^"]*"')
_BARE = re.compile(r"\r(?!\n)")
_HEAD_CHARS = 2**16  # in which the ends of lines are looked for


def read(item: InputItem, options: ReadOptions) -> Rows:
    """Yield the rows of strict CSV, with no more than one of at most `max_row_bytes` in memory.

    A quote left open is an error of its row and of every line that it swallows, each a row of its own: the counts tell of all.
    """
    csv.field_size_limit(2**31 - 1)
    encoding = item.encoding(options)
    try:
        with _opened(item, encoding, "") as file:
            # of the header: within quotes other line ends may stand
            header = _QUOTED.sub("", file.read(_HEAD_CHARS))
            first = min(at for at in (header.find("\n"), header.find("\r"), len(header)) if at >= 0)
            ends = "\r" if header[first : first + 1] == "\r" and header[first + 1 : first + 2] != "\n" else "\n"
        with _opened(item, encoding, ends) as file:
            yield from _Table(item, options, encoding, file, ends).rows()
    except (*DAMAGE, UnicodeDecodeError) as error:  # in the first characters
        yield BadRow(item.label, 1, "damaged_file", f"cannot be read ({error})")


def _opened(item: InputItem, encoding: str, ends: str) -> TextIO:
    return io.TextIOWrapper(item.open(), encoding, "surrogateescape", newline=ends)


class _Table:
    """One file as it is read: its header, and where it stands."""

    def __init__(self, item: InputItem, options: ReadOptions, encoding: str, file: TextIO, ends: str) -> None:
        self._label, self._options, self._encoding = item.label, options, encoding
        self._lines = _Lines(file, options.max_row_bytes, ends)
        self._header: list[str] = []
        self._delimiter = options.delimiter or ("\t" if item.suffixes[-1:] == [".tsv"] else None)

    def rows(self) -> Rows:
        """Yield the rows; the line of each is the one that it begins on."""
        lines, label = self._lines, self._label
        reader = None
        while True:
            line = lines.begin()
            try:
                if reader is None:
                    lines.delimiter = self._delimiter or delimiter_of(lines.peek())
                    reader = csv.reader(lines, delimiter=lines.delimiter, strict=True)
                values = next(reader, None)
            except csv.Error as error:
                yield from self._torn(line, f"not CSV: {error} (lines {line}-{lines.number})")
            except _TooLong:
                yield from self._too_long(line)
            except (*DAMAGE, UnicodeDecodeError) as error:
                yield BadRow(label, line, "damaged_file", f"the rest cannot be read ({error})")
                return
            else:
                if values is None:
                    return
                if not self._header:
                    self._header = [name.strip().removeprefix("\ufeff") for name in values]
                elif values:
                    yield self._row(values, line)

    def _torn(self, first: int, why: str) -> Iterator[BadRow]:
        """Yield a row for each line since `first`, all of which one open quote made one."""
        yield BadRow(self._label, first, "torn_line", why)
        for line in range(first + 1, self._lines.number + 1):
            yield BadRow(self._label, line, "torn_line", f"within the row that begins on line {first} and is not CSV")

    def _too_long(self, first: int) -> Iterator[BadRow]:
        if self._lines.skip_row():
            detail = f"max_row_bytes is {self._options.max_row_bytes} (lines {first}-{self._lines.number})"
            yield BadRow(self._label, first, "row_too_large", detail)
        else:
            where = f"(lines {first}-{self._lines.number})"
            yield from self._torn(
                first, f"a quote that opens in this row, which is too long, is not closed as CSV does {where}"
            )

    def _row(self, values: list[str], line: int) -> RawRow | BadRow:
        header, options = self._header, self._options
        if len(values) != len(header):
            detail = f"{len(values)} values for {len(header)} columns"
            return BadRow(self._label, line, "wrong_column_count", detail)
        try:
            "".join(values).encode()
        except UnicodeEncodeError:
            return BadRow(self._label, line, "wrong_encoding", wrong_encoding(self._encoding))
        fields = {name: value or None for name, value in zip(header, values, strict=True)}
        if len(fields) == len(header):
            return RawRow(self._label, line, fields)
        return of_repeated_columns(self._label, line, header, [value or None for value in values], options)


def of_repeated_columns(
    label: str, line: int, header: list[str], values: list[Any], options: ReadOptions
) -> RawRow | BadRow:
    """Return a row whose header has one name several times: the value that they agree on, else it is no row."""
    fields: dict[str, Any] = {}
    pairs = list(zip(header, values, strict=True))
    for name, value in pairs:
        fields[name] = value if fields.get(name) is None else fields[name]
    counts = Counter(name for name, value in set(pairs) if value is not None)
    for name in options.columns or ():
        if counts[name] > 1:
            return BadRow(
                label, line, "duplicate_column", f"{name!r} stands more than once in the header, with other values"
            )
    return RawRow(label, line, fields)


def delimiter_of(header: str) -> str:
    """Return the separator of a header: Excel writes semicolons wherever the comma is the decimal sign."""
    return max(",;\t", key=_QUOTED.sub("", header).count)  # of none the first, a comma: there is one column


class _TooLong(Exception):
    """Raised through `csv.reader` where a row has more characters than are allowed."""


class _Lines:
    """The lines of a file as `csv.reader` takes them, counted; a line end within a line is white space."""

    def __init__(self, file: TextIO, limit: int, ends: str) -> None:
        self._file, self._limit, self._ends = file, limit, ends
        self._next: str | None = None
        self.delimiter = ","
        self.number = 0  # of the line that was read last
        self._row: list[str] = []  # what is read of the row
        self._size = 0
        self._is_whole = True

    def __iter__(self) -> _Lines:
        return self

    def begin(self) -> int:
        """Begin a row; return its first line."""
        self._row, self._size = [], 0
        return self.number + 1

    def peek(self) -> str:
        """Return the next line, which stays the next one."""
        self._next = self._file.readline(self._limit + 1) if self._next is None else self._next
        return self._next

    def __next__(self) -> str:
        line, self._next = self.peek(), None
        if not line:
            raise StopIteration
        self.number += 1
        self._size += len(line)
        self._row.append(line)
        self._is_whole = line.endswith(self._ends)
        if self._size > self._limit:
            raise _TooLong
        return _BARE.sub(" ", line) if self._ends == "\n" and "\r" in line else line

    def skip_row(self) -> bool:
        """Read to the end of a row that is too long; return whether it is one row of CSV, however many lines it takes.

        It is none where a quote stays open to the end of the file, or is closed by one that opens another value: then the lines
        behind it are rows of their own.
        """
        quotes = _Quotes(self.delimiter)
        for piece in self._row:
            quotes.read(piece)
        self._row = []
        while not self._is_whole or (quotes.are_open and not quotes.are_wrong):
            if not (piece := self._file.readline(2**16)):
                return quotes.are_closed
            self.number += self._is_whole
            quotes.read(piece)
            self._is_whole = piece.endswith(self._ends)
        return not quotes.are_wrong


class _Quotes:
    """The quotes of one row as its text comes: whether a value that began with one is open, and whether one closed wrongly."""

    def __init__(self, delimiter: str) -> None:
        self._ends = (delimiter, "\r", "\n")
        self._opening = re.compile(f'[{re.escape(delimiter)}\r\n]"')
        self.are_open = self.are_wrong = False
        self._is_last = False  # a quote that may close the value, or be the first of two, stood at the end of the text
        self._before = "\n"  # what stands before the text: a quote opens a value only where the value begins

    @property
    def are_closed(self) -> bool:
        """Return whether a file may end here."""
        return not self.are_wrong and (not self.are_open or self._is_last)

    def read(self, text: str) -> None:
        """Read on."""
        at = self._after_last_quote(text) if text and self._is_last else 0
        while at < len(text):
            at = self._close(text, at) if self.are_open else self._open(text, at)
        self._before = text[-1:]

    def _open(self, text: str, at: int) -> int:
        """Look for a value that begins with a quote; one within a value is a letter as others are."""
        before = text[at - 1] if at else self._before
        if text[at] == '"' and before in self._ends:
            self.are_open = True
            return at + 1
        match = self._opening.search(text, at)
        if match is None:
            return len(text)
        self.are_open = True
        return match.end()

    def _close(self, text: str, at: int) -> int:
        quote = text.find('"', at)
        if quote < 0:
            return len(text)
        if quote + 1 == len(text):
            self._is_last = True
            return len(text)
        return quote + 1 + self._behind_quote(text[quote + 1])

    def _after_last_quote(self, text: str) -> int:
        self._is_last = False
        return self._behind_quote(text[0])

    def _behind_quote(self, character: str) -> int:
        """Take the character behind a quote of an open value; return how many were taken."""
        if character == '"':
            return 1
        self.are_open = False
        self.are_wrong = self.are_wrong or character not in self._ends
        return 0
