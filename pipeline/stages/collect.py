"""collect: sources -> `articles/`.

The unit of work is what a source reads as a whole (a data file, or a run of one-article files), by content digest: a
changed one replaces its rows, a vanished one removes them.  Ids are unique when the stage ends: of several rows with
the same id the earliest in source order stays, which takes a fold over the ids of all units.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import plugins
from pipeline.articles import to_article
from pipeline.config import SourceOptions
from pipeline.errors import ConfigError, InputError
from pipeline.publishing import takedowns
from pipeline.records import Article, BadRow, RawRow, Unit
from pipeline.tables import (
    ARTICLE,
    MAX_SHARD_BYTES,
    MAX_SHARD_ROWS,
    Folder,
    Output,
    digest_of,
    file_digest,
    first_occurrences,
    printable_path,
    read_json,
    rejected_table,
    write_json,
    write_order,
)
from pipeline.workspace import Workspace

VERSION = 2  # of what the stage makes of a unit; a higher number reads everything again
Place = tuple[str, int]  # source label and line: where a row stands
Drops = dict[Place, tuple[str, str]]  # rows that another row's id excludes -> reason, detail
ROWS = pa.schema([ARTICLE.field(name) for name in ("source", "line", "id", "text_sha256")])  # what the fold reads


@dataclass(frozen=True)
class Entry:
    """A unit with the source that reads it."""

    unit: Unit
    source: Any
    options: SourceOptions
    number: int  # of the source in the job file


def run(work: Workspace) -> None:
    """Bring `articles/` up to date with the sources."""
    cache = FileDigests(work.articles.path / "_files.json")
    with ExitStack() as open_sources:
        entries = list(_entries(work, cache, open_sources))
        cache.save()
        _bring_up_to_date(work, entries)
        for source in {id(entry.source): entry.source for entry in entries}.values():
            if hasattr(source, "finished"):
                source.finished()


def preview(work: Workspace, count: int) -> Iterator[dict[str, Any]]:
    """The first rows of each source; a crawl fetches no more than that, into a folder that is thrown away."""
    for number, options in enumerate(work.config.source_options):
        if "limit" in type(options).model_fields:
            options = options.model_copy(update={"limit": min(options.limit or count, count)})
        with TemporaryDirectory() as state, ExitStack() as opened, _named(work, number):
            source = _open(work, number, options, lambda path: "", opened)
            _prepare(work, source, Path(state))
            rows = (row for unit in source.units() for row in _rows(Entry(unit, source, options, number), {}, {}))
            for row in islice(rows, count):
                yield asdict(row) if isinstance(row, Article) else _rejected(row)


def _prepare(work: Workspace, source: Any, state: Path) -> None:
    if hasattr(source, "prepare"):
        with work.progress("crawl", None, "pages") as progress:
            source.prepare(state, progress, work.fetch)


def _open(
    work: Workspace, number: int, options: SourceOptions, digest_of_file: Callable[[Path], str], opened: ExitStack
) -> Any:
    kind = work.config.sources[number].type
    source = plugins.create("sources", kind, options, work.config.folder, digest_of_file)
    if hasattr(source, "close"):
        opened.callback(source.close)
    return source


@contextmanager
def _named(work: Workspace, number: int) -> Iterator[None]:
    """What a source finds wrong with its section says which section that is."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{work.config.file}: sources.{number}.{error}") from error


def _bring_up_to_date(work: Workspace, entries: list[Entry]) -> None:
    folder = work.articles
    before = read_json(folder.path / "_units.json") or {}
    with work.progress("collect", None, "rows") as progress:
        for entry in entries:
            if not _is_current(folder, entry, None):
                _build(folder, entry, {}, progress)
        taken_down = takedowns.load(work.takedowns)
        for entry, drops in zip(entries, _fold(folder, entries, taken_down), strict=True):
            if not _is_current(folder, entry, drops):
                _build(folder, entry, drops, progress)
    _write_sources(work, entries)
    _finish(folder, entries, before)


def _entries(work: Workspace, cache: FileDigests, opened: ExitStack) -> Iterator[Entry]:
    taken: dict[str, int] = {}
    for number, options in enumerate(work.config.source_options):
        with _named(work, number):
            source = _open(work, number, options, cache, opened)
            _prepare(work, source, work.path / "crawl")
            units = list(source.units())
        for unit in units:
            taken[unit.name] = count = taken.get(unit.name, 0) + 1
            yield Entry(unit if count == 1 else _renamed(unit, count), source, options, number)


def _renamed(unit: Unit, count: int) -> Unit:
    return Unit(f"{unit.name}-{count}", unit.digest, unit.parts, unit.labels)


def _write_sources(work: Workspace, entries: list[Entry]) -> None:
    """What each source offered, and what became of it.  Raises InputError for one that had nothing: its former rows stay."""
    found = []
    for number, spec in enumerate(work.config.sources):
        records = [_record(work.articles, e.unit.name) or {} for e in entries if e.number == number]
        tally = work.articles.tally([shard for record in records for shard in record["shards"]])
        if not tally.rows:
            raise InputError(f"{work.config.file}: sources.{number}: {spec.type} has no rows; nothing was changed")
        encodings = Counter(name for record in records for name in record.get("notes", {}).values())
        found.append({"type": spec.type, "rows": tally.rows, "kept": tally.kept, "rejected": dict(tally.rejected.most_common()),
                      "encodings": dict(encodings)})  # fmt: skip
    write_json(work.articles.path / "_sources.json", found)


def _finish(folder: Folder, entries: list[Entry], before: dict[str, str]) -> None:
    """Write the order of shards, forget vanished units, note what changed for `status`."""
    records = [_record(folder, entry.unit.name) or {} for entry in entries]
    write_order(folder, [shard for record in records for shard in record["shards"]])
    now = {entry.unit.name: entry.unit.digest for entry in entries}
    gone = folder.keep_only([shard for record in records for shard in record["shards"]])
    for file in (folder.path / "_units").glob("*.json"):
        if file.stem not in now:
            file.unlink()
    if now != before:
        changed = [name for name in now if name in before and now[name] != before[name]]
        vanished = sorted(set(before) - set(now))
        changes = {"new": len(set(now) - set(before)), "changed": len(changed), "vanished": len(vanished)}
        write_json(folder.path / "_changes.json", {**changes, "units": len(now), "rows_removed": gone})
        write_json(folder.path / "_units.json", now)


# --- one unit ---


def _record_file(folder: Folder, name: str) -> Path:
    return folder.path / "_units" / f"{name}.json"


def _record(folder: Folder, name: str) -> dict[str, Any] | None:
    """What is known of a built unit: its key, its shards, the rows that were dropped for their ids."""
    record = read_json(_record_file(folder, name))
    return record if record and all(folder.manifest(shard) for shard in record["shards"]) else None


def _key(entry: Entry) -> str:
    options = entry.options.model_dump(mode="json")
    return digest_of([VERSION, entry.unit.digest, options])


def _is_current(folder: Folder, entry: Entry, drops: Drops | None) -> bool:
    record = _record(folder, entry.unit.name)
    if record is None or record["key"] != _key(entry):
        return False
    return drops is None or record["drops"] == _drops_digest(drops)


def _drops_digest(drops: Drops) -> str:
    return digest_of(sorted([*place, *why] for place, why in drops.items()))


def _build(folder: Folder, entry: Entry, drops: Drops, progress: Any) -> None:
    """Read a unit and write its shards; the record last."""
    _record_file(folder, entry.unit.name).unlink(missing_ok=True)
    shards, key = [], _key(entry)
    seen: dict[str, None] = {}  # the sources of rows: members of an archive are no labels of the unit
    for number, (articles, bad, seconds) in enumerate(_batches(_rows(entry, drops, seen))):
        shard = f"{entry.unit.name}-{number:05d}"
        output = Output(_article_table(articles), rejected_table([_rejected(row) for row in bad]))
        folder.write(shard, digest_of([key, number, _drops_digest(drops)]), {}, output, seconds)
        shards.append(shard)
        progress.update(len(articles) + len(bad))
    record = {"key": key, "drops": _drops_digest(drops), "shards": shards, "files": list(entry.unit.labels)}
    if not seen.keys() <= set(entry.unit.labels):
        record["sources"] = list(seen)
    if notes := getattr(entry.source, "notes", None):
        record["notes"] = notes
    write_json(_record_file(folder, entry.unit.name), record)


def _rows(entry: Entry, drops: Drops, seen: dict[str, None]) -> Iterator[Article | BadRow]:
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


def _rejected(row: BadRow) -> dict[str, Any]:
    return {**asdict(row), "id": row.id if row.id is not None else f"{row.source}:{row.line}"}


# --- the fold: which rows must go because an earlier one has their id ---


def _fold(folder: Folder, entries: list[Entry], taken_down: takedowns.Takedowns) -> list[Drops]:
    """For each unit the rows that were taken down, and those whose id stands earlier in the job: a copy (`duplicate_id`) or
    another text."""
    tables = [_unit_rows(folder, entry) for entry in entries]
    rows = pa.concat_tables(tables) if tables else ROWS.empty_table()
    first = first_occurrences(rows.column("id"))
    starts = np.cumsum([0, *(table.num_rows for table in tables)])
    drops: list[Drops] = [{} for _ in entries]
    for row in np.flatnonzero(first != np.arange(len(first))):
        here, there = rows.slice(row, 1).to_pylist()[0], rows.slice(first[row], 1).to_pylist()[0]
        reason = "duplicate_id" if here["text_sha256"] == there["text_sha256"] else "id_conflict"
        unit = int(np.searchsorted(starts, row, side="right")) - 1
        drops[unit][here["source"], here["line"]] = (
            reason,
            f"the id stands at {there['source']}:{there['line']} already",
        )
    for row in np.flatnonzero(np.asarray(taken_down.concerns(rows))):
        here = rows.slice(row, 1).to_pylist()[0]
        drops[int(np.searchsorted(starts, row, side="right")) - 1][here["source"], here["line"]] = ("taken_down", "")
    return drops


def _unit_rows(folder: Folder, entry: Entry) -> pa.Table:
    """Where every usable row of a unit stands, its id and text digest, in source order, dropped rows included."""
    record = _record(folder, entry.unit.name)
    if record is None:
        raise InputError(f"{folder.path}: unit {entry.unit.name} is damaged; run again")
    tables = [ROWS.empty_table()]
    for shard in record["shards"]:
        rejected = folder.read_rejected(shard, [*ROWS.names, "reason"])
        dropped = pc.is_in(rejected.column("reason"), pa.array(["duplicate_id", "id_conflict", "taken_down"]))
        tables += [folder.read(shard, ROWS.names), rejected.filter(dropped).select(ROWS.names)]
    rows = pa.concat_tables(tables)
    if not any(table.num_rows for table in tables[2::2]):
        return rows  # nothing dropped: in source order as it was written
    position = pc.index_in(rows.column("source"), pa.array(record.get("sources", entry.unit.labels)))
    return rows.take(np.lexsort((rows.column("line").to_numpy(), position.to_numpy())))


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
