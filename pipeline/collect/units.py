"""One unit of a source: what it is made of, whether it is built, and its shards.

A unit is what a source reads at once: a file, a range of a table, some pages of a crawl.  Its record is written last, so a unit
is built or it is not.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.collect.to_article import to_article
from pipeline.core.contracts import Source, SourceOptions
from pipeline.core.files import digest_of, file_digest, printable_path, read_json, write_json
from pipeline.core.options import in_key
from pipeline.core.shards import ARTICLE, MAX_SHARD_BYTES, MAX_SHARD_ROWS, Folder, Output, rejected_table
from pipeline.core.types import Article, BadRow, RawRow, Unit

VERSION = 3  # of what the stage makes of a unit; a higher number reads everything again
Record = dict[str, Any]  # what is known of a built unit: its key, its shards, the rows that were dropped for their ids
Place = tuple[str, int]  # source label and line: where a row stands
Drops = dict[Place, tuple[str, str]]  # rows that another row's id excludes -> reason, detail


@dataclass(frozen=True)
class Entry:
    """A unit with the source that reads it."""

    unit: Unit
    source: Source
    options: SourceOptions
    number: int  # of the source in the job file


def _record_file(folder: Folder, name: str) -> Path:
    return folder.path / "_units" / f"{name}.json"


def record_of(folder: Folder, name: str) -> Record | None:
    """What is known of a built unit, None where it is not whole."""
    record = read_json(_record_file(folder, name))
    return record if record and all(folder.manifest(shard) for shard in record["shards"]) else None


def _key(entry: Entry) -> str:
    return key_of(entry.unit.digest, entry.options)


def key_of(unit_digest: str, options: SourceOptions) -> str:
    """What the shards of a unit depend on, beside the rows that other units exclude."""
    return digest_of([VERSION, unit_digest, in_key(options, mode="json")])


def is_current(folder: Folder, entry: Entry, drops: Drops | None) -> bool:
    record = record_of(folder, entry.unit.name)
    if record is None or record["key"] != _key(entry):
        return False
    return drops is None or record["drops"] == _drops_digest(drops)


def _drops_digest(drops: Drops) -> str:
    return digest_of(sorted([*place, *why] for place, why in drops.items()))


def build(folder: Folder, entry: Entry, drops: Drops, progress: Any) -> None:
    """Read a unit and write its shards; the record last."""
    _record_file(folder, entry.unit.name).unlink(missing_ok=True)
    shards, key = [], _key(entry)
    seen: dict[str, None] = {}  # the sources of rows: members of an archive are no labels of the unit
    for number, (articles, bad, seconds) in enumerate(_batches(rows_of(entry, drops, seen))):
        shard = f"{entry.unit.name}-{number:05d}"
        output = Output(_article_table(articles), rejected_table([rejected_row(row) for row in bad]))
        folder.write(shard, digest_of([key, number, _drops_digest(drops)]), {}, output, seconds)
        shards.append(shard)
        progress.update(len(articles) + len(bad))
    record: Record = {"key": key, "drops": _drops_digest(drops), "shards": shards, "files": list(entry.unit.labels)}
    if not seen.keys() <= set(entry.unit.labels):
        record["sources"] = list(seen)
    if entry.source.notes:
        record["notes"] = dict(entry.source.notes)
    write_json(_record_file(folder, entry.unit.name), record)


def rows_of(entry: Entry, drops: Drops, seen: dict[str, None]) -> Iterator[Article | BadRow]:
    for raw in entry.source.read(entry.unit):
        seen[raw.source] = None
        row = to_article(raw, entry.options) if isinstance(raw, RawRow) else raw
        if isinstance(row, Article) and (row.source, row.line) in drops:
            reason, detail = drops[row.source, row.line]
            row = BadRow(row.source, row.line, reason, detail, row.id, row.text_sha256)
        yield row


def _batches(rows: Iterable[Article | BadRow]) -> Iterator[tuple[list[Article], list[BadRow], float]]:
    """Rows in shards of bounded size, with the seconds that each took to read."""
    articles: list[Article] = []
    bad: list[BadRow] = []
    size, started = 0, time.monotonic()
    for row in rows:
        if isinstance(row, Article):
            articles.append(row)
            size += len(row.text)
        else:
            bad.append(row)
        if len(articles) + len(bad) >= MAX_SHARD_ROWS or size >= MAX_SHARD_BYTES // 2:
            yield articles, bad, time.monotonic() - started
            articles, bad, size, started = [], [], 0, time.monotonic()
    if articles or bad:
        yield articles, bad, time.monotonic() - started


def _article_table(articles: list[Article]) -> pa.Table:
    names = {"declared_language": "language"}
    columns = {name: [getattr(a, names.get(name, name)) for a in articles] for name in ARTICLE.names}
    return pa.table(columns, schema=ARTICLE)


def rejected_row(row: BadRow) -> dict[str, Any]:
    return {**asdict(row), "id": row.id if row.id is not None else f"{row.source}:{row.line}"}


class FileDigests:
    """Content digests of files, remembered by size, inode and times, so that an unchanged file is not read again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, list[Any]] = read_json(path) or {}
        self._seen: dict[str, list[Any]] = {}

    def __call__(self, path: Path) -> str:
        stat = path.stat()
        state = [stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns]
        name = printable_path(path)
        known = self._known.get(name)
        digest = known[-1] if known and known[:-1] == state else file_digest(path)
        self._seen[name] = [*state, digest]
        return str(digest)

    def save(self) -> None:
        if self._seen != self._known:
            write_json(self._path, self._seen)
