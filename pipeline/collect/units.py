"""Units of sources: the record and the shards of each.

A unit is what a source reads at once: a file, a range of a table, some pages of a crawl.  Its record is written last, so a unit
is built or it is not.  The bounds of a group of one-article files are chosen by the hash of a path, so that a file more or less
changes one group.  Rejected rows keep id and text digest, so the fold needs no text.

The record says by which READING the unit was read, and a unit that an earlier one read is as good as any: its key does not change
with READING, so its articles, which may be paid for and published, stay as they are until `labelmill collect JOB --reread`, or
until the unit's own content or options change.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.collect.fields import ABSENT, value_of
from pipeline.collect.to_article import to_article
from pipeline.core.contracts import Source, SourceOptions
from pipeline.core.files import digest_of, file_digest, printable_path, read_json, write_json
from pipeline.core.hints import did_you_mean
from pipeline.core.objects import AnyPath
from pipeline.core.options import in_key
from pipeline.core.shards import ARTICLE, MAX_SHARD_BYTES, MAX_SHARD_ROWS, Folder, Output, rejected_table
from pipeline.core.types import Article, BadRow, RawRow, Unit
from pipeline.job.given_texts import GivenTexts

VERSION = 3  # stands in every key: a higher number would read, and pay for, everything again
READING = 3  # of how files, pages and rows are read: new units are read so, old ones stay (records without one: 1)
Record = dict[str, Any]  # of a built unit: its key, its shards, the digest of the rows that were dropped for their ids
RowKey = tuple[str, int]  # source label and line of a row
Drops = dict[RowKey, tuple[str, str]]  # rows that the fold drops -> reason, detail
DROPPED = ("duplicate_id", "id_conflict", "taken_down")  # reasons of the fold


@dataclass(frozen=True)
class SourceUnit:
    """A unit with the source that reads it."""

    unit: Unit
    source: Source
    options: SourceOptions
    number: int  # of the source in the job file


@dataclass
class RowsSeen:
    """What rows showed beside articles: `sources`, in order (members of an archive are no labels of the unit), and which of the
    columns that the job file names no row had so far (`absent`: our name -> the source's), of all and `absent_in` each source;
    `fields` are the first row's."""

    absent: dict[str, str]
    sources: dict[str, None] = field(default_factory=dict)
    fields: list[str] = field(default_factory=list)
    absent_in: dict[str, dict[str, str]] = field(default_factory=dict)
    wanted: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, options: SourceOptions) -> RowsSeen:
        """Return the beginning of a look; `text` is not in it, for each row without one is rejected and says why."""
        wanted: dict[str, str] = {name: column for name, column in options.columns.items() if name != "text"}
        return cls(wanted, wanted=wanted)

    def add(self, raw: RawRow | BadRow) -> None:
        self.sources[raw.source] = None
        if isinstance(raw, RawRow) and self.absent:
            self.fields = self.fields or [str(name) for name in raw.fields]
            self.absent = _absent(self.absent, raw)
        if isinstance(raw, RawRow) and (lacking := self.absent_in.get(raw.source, self.wanted)):
            self.absent_in[raw.source] = _absent(lacking, raw)

    def lacking(self) -> dict[str, dict[str, str]]:
        """Return the columns that all rows of a source lack while others of the unit have them, by source."""
        some = {
            source: {name: column for name, column in lacking.items() if name not in self.absent}
            for source, lacking in self.absent_in.items()
        }
        return {source: lacking for source, lacking in some.items() if lacking}


def _absent(columns: dict[str, str], raw: RawRow) -> dict[str, str]:
    return {name: column for name, column in columns.items() if value_of(raw.fields, column) is ABSENT}


def absent_columns(absent: dict[str, str], fields: list[str], whose: str = "no row") -> str:
    """Return what is wrong with named columns that rows do not have, with the names that they do have."""
    faults = (
        f"columns.{name}: {whose} has {column!r}{did_you_mean(column, fields)}" for name, column in absent.items()
    )
    return f"{'; '.join(faults)}; the row has: {', '.join(fields[:12])}"


def _record_file(folder: Folder, name: str) -> AnyPath:
    return folder.path / "_units" / f"{name}.json"


def digests_of_units(folder: Folder) -> dict[str, str]:
    """Return the content digest of each unit by its name, as the last finished run left them."""
    return read_json(folder.path / "_units.json") or {}


def names_of_units(folder: Folder) -> set[str]:
    """Return the names of units that any run built."""
    return {*digests_of_units(folder), *(file.stem for file in (folder.path / "_units").glob("*.json"))}


def record_of(folder: Folder, name: str) -> Record | None:
    """Return the record of a built unit (key, shards, digest of dropped rows), or None where it is not built whole."""
    record = read_json(_record_file(folder, name))
    return record if record and all(folder.manifest(shard) for shard in record["shards"]) else None


def _key(entry: SourceUnit) -> str:
    return key_of(entry.unit.digest, entry.options)


def key_of(unit_digest: str, options: SourceOptions) -> str:
    """Return the digest of what the shards of a unit depend on, without the rows that the fold drops."""
    return digest_of([VERSION, unit_digest, in_key(options, mode="json")])


def has_key(folder: Folder, unit: Unit, options: SourceOptions) -> bool:
    """Return whether a unit was built from its content with these options."""
    record = record_of(folder, unit.name)
    return record is not None and record["key"] == key_of(unit.digest, options)


def is_current(folder: Folder, entry: SourceUnit, drops: Drops | None) -> bool:
    """Return whether a unit is built from its content and options, and with these drops, unless they are None."""
    record = record_of(folder, entry.unit.name)
    if record is None or record["key"] != _key(entry):
        return False
    return drops is None or record["drops"] == _drops_digest(drops)


def is_of_an_earlier_reading(folder: Folder, entry: SourceUnit) -> bool:
    """Return whether a unit is built, and was read by a program that read otherwise than this one."""
    record = record_of(folder, entry.unit.name)
    return record is not None and record.get("reading", 1) < READING


def _drops_digest(drops: Drops) -> str:
    return digest_of(sorted([*row_key, *reason_and_detail] for row_key, reason_and_detail in drops.items()))


def build(folder: Folder, entry: SourceUnit, progress: Any) -> None:
    """Read a unit and write its shards with all of its rows, and the record last."""
    _record_file(folder, entry.unit.name).unlink(missing_ok=True)
    shards: list[str] = []
    seen, given = RowsSeen.of(entry.options), GivenTexts.beside(folder.path)
    for number, (articles, rejected, seconds) in enumerate(_batches(rows_of(entry, seen))):
        shard = f"{entry.unit.name}-{number:05d}"
        output = Output(article_table(articles), rejected_table([rejected_row(row) for row in rejected]))
        given.write(shard, articles)
        folder.write(shard, shard_key(entry, number, {}), {}, output, seconds)
        shards.append(shard)
        progress.update(len(articles) + len(rejected))
    record: Record = {"key": _key(entry), "reading": READING, "shards": shards, "files": list(entry.unit.labels)}
    if not seen.sources.keys() <= set(entry.unit.labels):
        record["sources"] = list(seen.sources)
    if seen.absent:
        record |= {"absent": seen.absent, "fields": seen.fields}
    if lacking := seen.lacking():
        record["lacking"] = lacking
    if entry.source.notes:
        record["notes"] = dict(entry.source.notes)
    write_record(folder, entry, record, {})


def shard_key(entry: SourceUnit, number: int, drops: Drops) -> str:
    """Return the key of a unit's shard with this number."""
    return digest_of([_key(entry), number, _drops_digest(drops)])


def write_record(folder: Folder, entry: SourceUnit, record: Record, drops: Drops) -> None:
    """Write the record of a unit whose shards are all there, without these rows."""
    write_json(_record_file(folder, entry.unit.name), {**record, "drops": _drops_digest(drops)})


def rows_of(entry: SourceUnit, seen: RowsSeen) -> Iterator[Article | BadRow]:
    """Yield the rows of a unit as articles or rejected rows; what they show beside is added to `seen`."""
    for raw in entry.source.read(entry.unit):
        seen.add(raw)
        yield to_article(raw, entry.options) if isinstance(raw, RawRow) else raw


def _batches(rows: Iterable[Article | BadRow]) -> Iterator[tuple[list[Article], list[BadRow], float]]:
    """Yield rows in batches of a shard's size: articles, rejected rows, seconds that reading took."""
    articles: list[Article] = []
    rejected: list[BadRow] = []
    size, started = 0, time.monotonic()
    for row in rows:
        if isinstance(row, Article):
            articles.append(row)
            size += len(row.text)
        else:
            rejected.append(row)
        if len(articles) + len(rejected) >= MAX_SHARD_ROWS or size >= MAX_SHARD_BYTES // 2:
            yield articles, rejected, time.monotonic() - started
            articles, rejected, size, started = [], [], 0, time.monotonic()
    if articles or rejected:
        yield articles, rejected, time.monotonic() - started


def article_table(articles: list[Article]) -> pa.Table:
    """Return articles as rows of a shard."""
    names = {"declared_language": "language"}
    columns = {name: [getattr(a, names.get(name, name)) for a in articles] for name in ARTICLE.names}
    return pa.table(columns, schema=ARTICLE)


def rejected_row(row: BadRow) -> dict[str, Any]:
    """Return a rejected row's columns; without an id its source and line make one."""
    return {**asdict(row), "id": row.id if row.id is not None else f"{row.source}:{row.line}"}


class FileDigests:
    """Cache of files' content digests by size, inode and times, so that an unchanged file is not read again."""

    def __init__(self, path: AnyPath) -> None:
        self._path = path
        self._former: dict[str, list[Any]] = read_json(path) or {}
        self._current: dict[str, list[Any]] = {}

    def __call__(self, path: Path) -> str:
        stat = path.stat()
        state = [stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns]
        name = printable_path(path)
        former = self._former.get(name)
        digest = former[-1] if former and former[:-1] == state else file_digest(path)
        self._current[name] = [*state, digest]
        return str(digest)

    def save(self) -> None:
        """Write the digests of the files that were asked for."""
        if self._current != self._former:
            write_json(self._path, self._current)
