"""Which reader a file has: by its ending, or as it was told."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath

from pipeline.collect.reading import archives, delimited, excel, json_values, lines, parquet, warc, whole
from pipeline.collect.reading.items import COMPRESSED, How, Item, Rows

ENDINGS = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet",
    ".xlsx": "excel", ".txt": "text", ".md": "text", ".html": "html", ".htm": "html", ".warc": "warc", ".wet": "warc",
    ".zip": "archive", ".tar": "archive", ".tgz": "archive",
    ".tbz2": "archive", ".txz": "archive",
}  # fmt: skip
READERS: dict[str, Callable[[Item, How], Rows]] = {
    "jsonl": lines.read, "json": json_values.read, "csv": delimited.read, "parquet": parquet.read, "excel": excel.read,
    "text": whole.read_text, "html": whole.read_html, "warc": warc.read,
}  # fmt: skip
ONE_ARTICLE_A_FILE = ("text", "html")


def by_name(name: str) -> str | None:
    """The format that a file's ending tells; None for one that is not known."""
    endings = [s.lower() for s in PurePosixPath(name).suffixes if s.lower() not in COMPRESSED]
    return ENDINGS.get(endings[-1]) if endings else None


def format_of(name: str, told: str) -> str | None:
    """`told` is a format or `auto`; an archive is always one, and what was told holds for what is in it."""
    found = by_name(name)
    return found if told == "auto" or found == "archive" else told


def reader(name: str, told: str) -> Callable[[Item, How], Rows] | None:
    """The reader of a file; archives within archives are told, not read."""
    found = format_of(name, told)
    if found != "archive":
        return READERS.get(found or "")
    return partial(
        archives.read,
        reader_of=lambda member: archives.refuse if by_name(member) == "archive" else reader(member, told),
    )
