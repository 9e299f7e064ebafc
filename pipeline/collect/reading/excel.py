"""Reader of Excel (.xlsx): every sheet is a table with a header; its texts, which Excel stores once each, are in memory."""

from __future__ import annotations

import re
from typing import Any

from pipeline.collect.reading.delimited import of_repeated_columns
from pipeline.collect.reading.items import InputItem, ReadOptions, Rows
from pipeline.core.errors import MissingExtra
from pipeline.core.types import BadRow, RawRow

_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")


def read(item: InputItem, options: ReadOptions) -> Rows:
    """Yield one row per row that is not empty; its line is Excel's row number.  A formula counts as its last result."""
    try:
        import openpyxl
    except ImportError as error:
        raise MissingExtra(f"{item.label}: reading Excel", "excel") from error
    with item.seekable() as file:
        try:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        except Exception as error:  # openpyxl raises as it likes: TypeError for a style, AttributeError for a chart
            yield BadRow(item.label, 1, "damaged_file", f"not readable as .xlsx ({str(error)[:150]})")
            return
        for sheet in book.worksheets:
            yield from _sheet(
                sheet, item.label if len(book.worksheets) == 1 else f"{item.label}[{sheet.title}]", options
            )


def _sheet(sheet: Any, label: str, options: ReadOptions) -> Rows:
    header: list[str] = []
    line = 0
    try:
        sheet.reset_dimensions()  # other programs write wrong dimensions
        for line, values in enumerate(sheet.iter_rows(values_only=True), 1):
            if all(value is None for value in values):
                continue
            if not header:
                header = [str(value).strip() if value is not None else "" for value in map(_plain, values)]
                continue
            yield _row(header, tuple(map(_plain, values)), label, line, options)
    except Exception as error:
        yield BadRow(label, line + 1, "damaged_file", f"the rest cannot be read ({str(error)[:150]})")


def _row(header: list[str], values: tuple[Any, ...], label: str, line: int, options: ReadOptions) -> RawRow | BadRow:
    if any(value is not None for value in values[len(header) :]):
        return BadRow(label, line, "wrong_column_count", f"{len(values)} values for {len(header)} columns")
    if sum(len(value) for value in values if isinstance(value, str)) > options.max_row_bytes:
        return BadRow(label, line, "row_too_large", f"max_row_bytes is {options.max_row_bytes}")
    values = (*values, *[None] * (len(header) - len(values)))[: len(header)]
    if len(named := [name for name in header if name]) > len(set(named)):
        texts = [value for name, value in zip(header, values, strict=True) if name]
        return of_repeated_columns(label, line, named, texts, options)
    return RawRow(label, line, {name: value for name, value in zip(header, values, strict=True) if name})


def _plain(value: Any) -> Any:
    """Return a text without Excel's own escapes: `_x000D_` is the character 13."""
    return (
        _ESCAPE.sub(lambda match: chr(int(match[1], 16)), value) if isinstance(value, str) and "_x" in value else value
    )
