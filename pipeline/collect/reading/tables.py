"""Tables that people hand to a command: gold labels, predictions, filled review sheets, exports of other tools.

They are read by the readers of articles, so they may have every form, encoding and compression that articles may.  A row that
cannot be read is an error here, though: a person waits for the answer, and a table with a hole gives wrong figures.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.collect.reading import formats
from pipeline.collect.reading.items import DAMAGE, InputItem, ReadOptions
from pipeline.core.errors import InputError
from pipeline.core.text.folding import fold_space
from pipeline.core.types import BadRow, LabelColumn, RawRow

MAX_ROW_BYTES = 2**31 - 1
_BY_NAME = ("excel", "parquet", "archive")  # the others are recognised by content: people rename what they save
_BLANK = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"  # byte order marks and white space


def rows(path: Path) -> Iterator[RawRow]:
    """Yield the rows of a table, with all columns; `source` and `line` tell where each stands.

    JSON lines, a JSON list, CSV with commas, semicolons or tabs, Excel or Parquet.  Raises InputError, naming file and row.
    """
    item = InputItem(path.name, str(path), lambda: path.open("rb"))
    try:
        reader = formats.reader(item.name, form(path))
        assert reader is not None  # `form` names no other
        for row in reader(item, ReadOptions("auto", MAX_ROW_BYTES, None, {}, _no_pages)):
            if isinstance(row, BadRow):
                raise InputError(f"{row.source}: row {row.line}: {row.detail or row.reason}")
            yield row
    except FileNotFoundError as error:
        raise InputError(f"{path}: cannot be read: it is not there") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _json_phrases(cell: Any) -> list[str]:
    cell = next(iter(cell), None) if isinstance(cell, list | tuple) else cell
    text = json.dumps(cell, ensure_ascii=False) if isinstance(cell, Mapping) else str(cell or "").strip()
    return [text] if text else []


def _no_pages(pages: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    raise InputError("a table is no web page")


def form(path: Path) -> str:
    """Return the format of a table: `jsonl`, `json`, `csv`, `excel`, `parquet` or `archive`.  Raises OSError."""
    named = formats.by_name(path.name)
    if named in _BY_NAME:
        return named
    try:
        with InputItem(path.name, str(path), lambda: path.open("rb")).open() as file:
            first = file.read(2**16).lstrip(_BLANK)[:1]
    except DAMAGE as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    if first in (b"{", b"["):
        return "jsonl" if named == "jsonl" else "json"
    return named if named in ("jsonl", "csv") else "csv"


def phrases_in(cell: Any, column: LabelColumn) -> list[str]:
    """Return the phrases of a cell: a list, a list written as JSON or Python would, or with `many` text between semicolons; of a
    label that is JSON the one text of it."""
    if column.schema is not None:
        return _json_phrases(cell)
    text = "" if cell is None else str(cell).strip()
    if not isinstance(cell, list) and text.startswith("[") and text.endswith("]"):
        with suppress(ValueError, SyntaxError):
            cell = ast.literal_eval(text)
    parts = cell if isinstance(cell, list | tuple) else text.replace("；", ";").split(";") if column.many else [text]
    return [phrase for part in parts if (phrase := fold_space(str(part)))]
