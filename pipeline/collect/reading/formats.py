"""Formats of files, by their endings or as chosen, and the reader of each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath

from pipeline.collect.reading import archives, delimited, excel, json_values, lines, parquet, warc, whole
from pipeline.collect.reading.items import COMPRESSED, InputItem, ReadOptions, Rows

ENDINGS = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet",
    ".xlsx": "excel", ".txt": "text", ".md": "text", ".html": "html", ".htm": "html", ".warc": "warc", ".wet": "warc",
    ".zip": "archive", ".tar": "archive", ".tgz": "archive",
    ".tbz2": "archive", ".txz": "archive",
}  # fmt: skip
READERS: dict[str, Callable[[InputItem, ReadOptions], Rows]] = {
    "jsonl": lines.read, "json": json_values.read, "csv": delimited.read, "parquet": parquet.read, "excel": excel.read,
    "text": whole.read_text, "html": whole.read_html, "warc": warc.read,
}  # fmt: skip
ONE_ARTICLE_A_FILE = ("text", "html")


def by_name(name: str) -> str | None:
    """Return the format that a file's ending names, or None for an unknown ending."""
    endings = [s.lower() for s in PurePosixPath(name).suffixes if s.lower() not in COMPRESSED]
    return ENDINGS.get(endings[-1]) if endings else None


def format_of(name: str, chosen: str) -> str | None:
    """Return a file's format; `chosen` is a format or `auto`.  An archive stays one, and `chosen` holds for its members."""
    format_name = by_name(name)
    return format_name if chosen == "auto" or format_name == "archive" else chosen


def reader(name: str, chosen: str) -> Callable[[InputItem, ReadOptions], Rows] | None:
    """Return the reader of a file, or None; archives within archives are rejected, with the reason `archive_in_archive`."""
    format_name = format_of(name, chosen)
    if format_name != "archive":
        return READERS.get(format_name or "")
    return partial(
        archives.read,
        reader_of=lambda member: archives.refuse if by_name(member) == "archive" else reader(member, chosen),
    )
