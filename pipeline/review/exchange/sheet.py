"""Review sheets: a sample of labels as a CSV that opens in Excel, a workbook (.xlsx) or JSONL, and reading it back.

A reviewer writes `accept` or `reject` into `verdict`, or the right phrases, separated by `;`, into `corrected`.  A row
left blank is not judged.  Spreadsheets change what they show (numbers, separators, encodings), so rows are known by
`row_key`, which no spreadsheet takes for a number, and every encoding and separator that Excel saves is read.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from pipeline.collect.reading import tables
from pipeline.core.errors import ConfigError, InputError, MissingExtra
from pipeline.core.files import write_bytes
from pipeline.core.text.folding import fold_case
from pipeline.core.types import LabelColumn
from pipeline.review.log.judgements import Judgement

_BEFORE = ("row_key", "id", "language", "title", "text", "url")
_BEHIND = ("verdict", "corrected", "note")
_VERDICT_WORDS = {
    "accept": True, "a": True, "ok": True, "yes": True, "y": True, "1": True, "o": True,
    "reject": False, "r": False, "no": False, "n": False, "0": False, "x": False,
}  # fmt: skip
_XLSX_CELL = 32_767  # characters
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(path: Path, label: str, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write a sheet; the ending (.csv, .xlsx or .jsonl) says which, `label` is the label's column.  Returns the number of rows."""
    names = (*_BEFORE, label, *_BEHIND)
    lines = [{name: row.get(name) or "" for name in names} | {"row_key": f"text-{row['text_sha256']}"} for row in rows]
    if path.suffix == ".jsonl":
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        write_bytes(path, text.encode())
    elif path.suffix == ".csv":
        write_bytes(path, _csv(names, lines).encode("utf-8-sig"))
    elif path.suffix == ".xlsx":
        write_bytes(path, _xlsx(path, names, lines))
    else:
        raise ConfigError(f"{path}: a review sheet ends in .csv, .xlsx or .jsonl")
    return len(lines)


def read(path: Path, column: LabelColumn, reviewer: str, at: str) -> Iterator[Judgement]:
    """Yield the judgements in a filled sheet; rows without a verdict give none.  Raises InputError naming the row."""
    for number, row in _rows(path):
        word, corrected = _cell(row, "verdict").lower(), _cell(row, "corrected")
        if not word and not corrected:
            continue
        key = _cell(row, "row_key")
        if not key.startswith("text-") or len(key) != len("text-") + 64:
            raise InputError(f"{path}: row {number}: row_key {key!r} is not one that was exported")
        if word and word not in _VERDICT_WORDS:
            raise InputError(f"{path}: row {number}: verdict {word!r}; allowed: accept, reject, or empty")
        phrases, wanted = (_phrases(row.get(name), column) for name in (column.name, "corrected"))
        accepted, rejected, added = _verdicts(phrases, wanted, _VERDICT_WORDS.get(word, True))
        digest, note = key.removeprefix("text-"), _cell(row, "note")
        yield Judgement(digest, _cell(row, "id"), reviewer, at, accepted, rejected, added, note)


def _verdicts(phrases: list[str], corrected: list[str], accept: bool) -> tuple[list[str], list[str], list[str]]:
    """Return (accepted, rejected, added) phrases; a correction counts before a verdict."""
    if corrected:
        wanted, shown = {fold_case(phrase) for phrase in corrected}, {fold_case(phrase) for phrase in phrases}
        accepted = [phrase for phrase in phrases if fold_case(phrase) in wanted]
        rejected = [phrase for phrase in phrases if fold_case(phrase) not in wanted]
        return accepted, rejected, [phrase for phrase in corrected if fold_case(phrase) not in shown]
    return (phrases, [], []) if accept else ([], phrases, [])


def _phrases(value: Any, column: LabelColumn) -> list[str]:
    """Return the phrases of a cell: a list (JSONL), text separated by semicolons, or JSON where labels are."""
    read_as = column if column.schema is not None else LabelColumn(column.name, many=True)
    return tables.phrases_in(_unescape_formula(value) if isinstance(value, str) else value, read_as)


def _cell(row: Mapping[str, Any], name: str) -> str:
    return str(row.get(name) or "").strip()


def _csv(names: Sequence[str], lines: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(names)
    writer.writerows(map(_cells, lines))
    return out.getvalue()


def _xlsx(path: Path, names: Sequence[str], lines: list[dict[str, Any]]) -> bytes:
    """Return a workbook of one sheet.  Of a text only what a cell may hold is shown; rows are known by their key."""
    try:
        from openpyxl import Workbook
        from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    except ImportError as error:
        raise MissingExtra(f"{path}: writing Excel", "excel") from error
    book = Workbook(write_only=True)
    sheet = book.create_sheet("review")
    sheet.freeze_panes = "A2"
    sheet.append(list(names))
    for line in lines:
        sheet.append([ILLEGAL_CHARACTERS_RE.sub(" ", cell)[:_XLSX_CELL] for cell in _cells(line)])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _cells(line: Mapping[str, Any]) -> list[str]:
    return [_escape_formula("; ".join(v) if isinstance(v, list) else str(v)) for v in line.values()]


def _escape_formula(cell: str) -> str:
    """Return a cell that a spreadsheet does not run as a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _unescape_formula(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number as a spreadsheet counts, row): a cell of several lines is one row."""
    rows = tables.rows(path)
    first = next(rows, None)
    if first is None or "row_key" not in first.fields:
        raise InputError(f"{path}: no column 'row_key'; import a sheet that labelmill review --export wrote")
    yield from enumerate((row.fields for row in chain([first], rows)), first.line)
