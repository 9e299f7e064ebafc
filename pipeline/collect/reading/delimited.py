"""Reader of CSV and TSV."""

from __future__ import annotations

import csv
import io
import re
from itertools import chain

from pipeline.collect.reading.items import DAMAGE, InputItem, ReadOptions, Rows, wrong_encoding
from pipeline.core.types import BadRow, RawRow

_QUOTED = re.compile(r'"[^"]*"')


def read(item: InputItem, options: ReadOptions) -> Rows:
    """Yield the rows of strict CSV: a quote left open is an error of that row, not a row that swallows its neighbours unseen."""
    csv.field_size_limit(2**31 - 1)
    label, encoding = item.label, item.encoding(options)
    with item.open() as binary, io.TextIOWrapper(binary, encoding, "surrogateescape", newline="") as file:
        try:
            first = file.readline()
        except (*DAMAGE, UnicodeDecodeError) as error:
            yield BadRow(label, 1, "damaged_file", f"cannot be read ({error})")
            return
        delimiter = "\t" if item.suffixes[-1:] == [".tsv"] else delimiter_of(first)
        reader = csv.reader(chain([first], file), delimiter=delimiter, strict=True)
        header: list[str] = []
        while True:
            line = reader.line_num + 1
            try:
                values = next(reader, None)
            except csv.Error as error:
                yield BadRow(label, line, "torn_line", f"not CSV: {error} (lines {line}-{reader.line_num})")
                continue
            except (*DAMAGE, UnicodeDecodeError) as error:
                yield BadRow(label, line, "damaged_file", f"the rest cannot be read ({error})")
                return
            if values is None:
                return
            if not header:
                header = [name.strip().removeprefix("\ufeff") for name in values]
            elif values:
                yield _row(header, values, label, line, options, encoding)


def delimiter_of(header: str) -> str:
    """Return the separator of a header: Excel writes semicolons wherever the comma is the decimal sign."""
    return max(",;\t", key=_QUOTED.sub("", header).count)  # of none the first, a comma: there is one column


def _row(
    header: list[str], values: list[str], label: str, line: int, options: ReadOptions, encoding: str
) -> RawRow | BadRow:
    if len(values) != len(header):
        return BadRow(label, line, "wrong_column_count", f"{len(values)} values for {len(header)} columns")
    if sum(map(len, values)) > options.max_row_bytes:
        return BadRow(label, line, "row_too_large", f"max_row_bytes is {options.max_row_bytes}")
    try:
        "".join(values).encode()
    except UnicodeEncodeError:
        return BadRow(label, line, "wrong_encoding", wrong_encoding(encoding))
    return RawRow(label, line, {name: value or None for name, value in zip(header, values, strict=True)})
