"""Tables: Markdown's, tab-separated and comma-separated ones, with or without a header."""

from __future__ import annotations

import csv
import re

from pipeline.clean.cleaner.labels import is_label_key
from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.cleaner.trim import trim
from pipeline.clean.cleaner.vocabulary import GLOSS_COLUMNS, PHRASE_KEYS

_FIELD = re.compile(r"[\s\-*•]*[\"']?([\w-]{1,20})[\"']?\s*[:：]\s*(.*?)\s*,?")
_NUMBER = re.compile(r"[\s\d.,%/]+")


def rows_of(text: str) -> list[list[str]]:
    """Return the rows of a table: lines with bars or tabs, lines below one that names columns (`Phrase,Score`); none where the text
    is no table."""
    lines = [line for line in text.split("\n") if any(map(str.isalnum, line))]
    for separator in ",;，；":
        if len(lines) > 1 and (rows := _separated(lines, separator)):
            return rows
    if (
        not any(line.count("|") > 1 for line in lines)
        and sum("|" in line or "\t" in line.strip() for line in lines) < 2
    ):
        return []
    return [_cells(line) for line in text.split("\n") if "|" in line or "\t" in line]


def _separated(lines: list[str], separator: str) -> list[list[str]]:
    """Return the cells of lines of which the first names columns, by words, or one of phrases where all have as many."""
    header = [cell.strip().casefold() for cell in lines[0].split(separator)]
    if len(header) < 2 or not any(map(_is_phrase_column, header)):
        return []
    rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
    are_known = all(_is_phrase_column(cell) or cell in GLOSS_COLUMNS for cell in header)
    return rows if are_known or {*map(len, rows)} == {len(header)} else []


def table_items(rows: list[list[str]], article: ArticleIndex | None) -> list[str]:
    """Return the cells of the phrase column: by its name, else the one of which the article has most.

    Of a single row, or where none stands out, all cells that are no numbers.
    """
    ruled = [at for at, row in enumerate(rows) if not any(map(str.isalnum, "".join(row))) and "-" in "".join(row)]
    rows = [row for row in rows if any(map(str.isalnum, "".join(row)))]
    header = [cell.casefold() for cell in rows[0]] if rows else []
    named = [at for at, cell in enumerate(header) if _is_phrase_column(cell)]
    if len(rows) > 1 and len(named) == len(header) > 1:  # a phrase in each column
        return [cell for row in rows[1:] for cell in row]
    if len(rows) > 1 and named:
        return _column(rows[1:], named[0])
    if len(rows) > 1 and (ruled[:1] == [1] or any(cell in GLOSS_COLUMNS for cell in header)):
        free = [at for at, cell in enumerate(header) if cell not in GLOSS_COLUMNS] or [0]
        return max((_column(rows[1:], at) for at in free), key=lambda cells: _present(cells, article))
    columns = [_column(rows, at) for at in range(len(header))] if len({*map(len, rows)}) == 1 < len(rows) else []
    evident = [cells for cells in columns if 2 * _present(cells, article) >= len(rows)]
    if len(evident) == 1 and all(cells in evident or not _present(cells, article) for cells in columns):
        return evident[0]
    return [cell for row in rows for cell in row if not _NUMBER.fullmatch(cell)]


def _column(rows: list[list[str]], at: int) -> list[str]:
    return [row[at] for row in rows if at < len(row)]


def _present(cells: list[str], article: ArticleIndex | None) -> int:
    return sum(article.has(trim(cell)) for cell in cells) if article else 0


def records_of(text: str) -> list[str]:
    """Return the phrases of records, a line for each field (`- phrase: A`, `  score: 0.9`); none where the lines are no records.

    Their keys are known, or come round in one order, with one of phrases among them.
    """
    lines = [line for line in text.split("\n") if line.strip()]
    fields = [match for line in lines if (match := _FIELD.fullmatch(line))]
    if len(fields) < len(lines) or not fields:
        return []
    fields = fields[1:] if not fields[0][2] else fields  # `keyphrases:`
    keys = [field[1].casefold() for field in fields]
    order = [*dict.fromkeys(keys)]
    are_known = all(key in PHRASE_KEYS or key in GLOSS_COLUMNS for key in keys)
    if len(order) < 2 or not (are_known or keys == order * (len(keys) // len(order)) != order):
        return []
    return [field[2] for field, key in zip(fields, keys, strict=True) if key in PHRASE_KEYS]


def _is_phrase_column(cell: str) -> bool:
    return (is_label_key(cell) or cell in PHRASE_KEYS) and any(map(str.isalpha, cell)) and len(cell) < 30


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"[|\t]", line.strip().strip("|"))]
