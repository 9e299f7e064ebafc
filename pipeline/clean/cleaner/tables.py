"""Tables: Markdown's, tab-separated and comma-separated ones, with or without a header."""

from __future__ import annotations

import re

from pipeline.clean.cleaner.labels import is_label_key
from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.cleaner.trim import trim
from pipeline.clean.cleaner.vocabulary import GLOSS_COLUMNS, PHRASE_KEYS

_FIELD = re.compile(r"[\s\-*•]*[\"']?([\w-]{1,20})[\"']?\s*[:：]\s*(.*?)\s*,?")
_NUMBER = re.compile(r"[\s\d.,%/]+")


def is_table(lines: list[str]) -> bool:
    """Tell whether the lines are rows: two bars in one of them, or a bar or tab in two."""
    return any(line.count("|") > 1 for line in lines) or sum("|" in line or "\t" in line.strip() for line in lines) > 1


def table_items(text: str, article: ArticleIndex | None) -> list[str]:
    """Return the cells of the phrase column: by its name, else the one of which the article has most.

    Of a single row, or where none stands out, all cells that are no numbers.
    """
    rows = [_cells(line) for line in text.split("\n") if "|" in line or "\t" in line]
    ruled = [at for at, row in enumerate(rows) if not any(map(str.isalnum, "".join(row))) and "-" in "".join(row)]
    rows = [row for row in rows if any(map(str.isalnum, "".join(row)))]
    header = [cell.casefold() for cell in rows[0]] if rows else []
    named = [at for at, cell in enumerate(header) if _is_phrase_column(cell) and not (article and article.has(cell))]
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


def separator_of(lines: list[str]) -> str:
    """Return the separator of the columns that the first line names (`Phrase,Score`); empty where it names none."""
    for separator in ",;，；":
        cells = [cell.strip().casefold() for cell in lines[0].split(separator)] if len(lines) > 1 else []
        if len(cells) > 1 and all(_is_phrase_column(cell) or cell in GLOSS_COLUMNS for cell in cells):
            return separator
    return ""


def records_of(lines: list[str]) -> list[str]:
    """Return the phrases of records, a line for each field (`- phrase: A`, `  score: 0.9`); none where the lines are no records."""
    fields = [match for line in lines if (match := _FIELD.fullmatch(line))]
    keys = [match[1].casefold() for match in fields]
    if len(fields) < len(lines) or len(set(keys)) < 2 or not all(k in PHRASE_KEYS or k in GLOSS_COLUMNS for k in keys):
        return []
    return [match[2] for match, key in zip(fields, keys, strict=True) if key in PHRASE_KEYS]


def _is_phrase_column(cell: str) -> bool:
    return (is_label_key(cell) or cell in PHRASE_KEYS) and any(map(str.isalpha, cell)) and len(cell) < 30


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"[|\t]", line.strip().strip("|"))]
