"""The collect stage: sources -> `articles/`.

The unit of work is what a source reads as a whole (a data file, or a run of one-article files), by content digest: a
changed one replaces its rows, a vanished one removes them.  Ids are unique when the stage ends: of several rows with
the same id the earliest in source order stays, which takes a fold over the ids of all units.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from pipeline.collect import building, dropping, unique_ids
from pipeline.collect.units import (
    FileDigests,
    Record,
    SourceUnit,
    absent_columns,
    digests_of_units,
    has_key,
    is_current,
    is_of_an_earlier_reading,
    key_of,
    names_of_units,
    record_of,
)
from pipeline.core import plugins
from pipeline.core.contracts import Source, SourceOptions
from pipeline.core.errors import ConfigError, InputError
from pipeline.core.files import write_json
from pipeline.core.shards import Folder, write_order
from pipeline.core.types import Unit
from pipeline.engines.steps import DONE, NOT_RUN
from pipeline.job import takedowns
from pipeline.job.run_options import RunOptions
from pipeline.job.workspace import Workspace

_log = logging.getLogger("labelmill.collect")
_NAMES_SHOWN = 5  # of files, in one line
NO_ROWS = "has no rows; nothing was changed"
# reasons of rows that are articles: of another source, or taken down
_ARTICLE_REASONS = {"duplicate_id", "taken_down"}


def run(work: Workspace, options: RunOptions) -> None:
    """Bring `articles/` up to date with the sources; a crawl requests pages where `options.fetch` says so."""
    cache = FileDigests(work.articles.path / "_files.json")
    with ExitStack() as opened:
        sources = list(_sources(work, cache, opened, options.fetch))
        cache.save()
        entries = list(_entries(work, sources, options.reread))
        _build_all(work, entries, options.reread)
        for source, _ in sources:
            source.finished()  # also where no row is an article: the next run asks again
    records = [record_of(work.articles, entry.unit.name) or {} for entry in entries]
    errors = _write_sources(work, entries, records)
    _finish(work.articles, entries, records)
    work.given.keep_only([shard for record in records for shard in record["shards"]])
    if errors:  # after the shards are written, so that the rejected rows can be looked at
        raise InputError(f"{work.config.file}: {'; '.join(errors)}")


def state(work: Workspace, shards: Sequence[str]) -> str:
    """Return the state of `articles/`: DONE where it was made of the job's sources with their options.  No source is opened."""
    digests = digests_of_units(work.articles)
    records = [record for name in digests if (record := record_of(work.articles, name))]
    if len(records) < len(digests) or not records:
        return f"{len(records)} of {len(digests)} units" if records else NOT_RUN
    unit_of = {shard: record["key"] for record in records for shard in record["shards"]}
    units = list(dict.fromkeys(unit_of[shard] for shard in shards if shard in unit_of))
    sources = [
        {key_of(digest, each) for digest in digests.values() for each in (options, options.for_new_units())}
        for options in work.config.source_options
    ]
    return DONE if _in_order(units, sources) else "stale: sources changed"


def _in_order(units: Sequence[str], sources: Sequence[set[str]]) -> bool:
    """Return whether units (by key) are those of these sources (the keys that a unit of each would have), in their order.

    The order counts, since of rows with the same id the earliest stays.
    """
    number = 0
    for key in units:
        while key not in sources[number]:
            number += 1
            if number == len(sources):
                return False
    return all(keys & set(units) for keys in sources)


def prepare(work: Workspace, source: Source, state: Path, fetch: bool) -> None:
    """Have a source bring what it reads up to date, with a progress bar where that takes its time."""
    if source.prepares():
        with work.progress("crawl", None, "pages") as progress:
            source.prepare(state, progress, fetch)


def open_source(
    work: Workspace, number: int, options: SourceOptions, digest_of_file: Callable[[Path], str], opened: ExitStack
) -> Source:
    """Return a source of the job file by its number; it is closed with `opened`."""
    kind = work.config.sources[number].type
    source = plugins.create("sources", kind, options, work.config.folder, digest_of_file)
    opened.callback(source.close)
    return source


@contextmanager
def section_errors(work: Workspace, number: int) -> Iterator[None]:
    """Add the job file and the number of a source's section to a ConfigError."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{work.config.file}: sources.{number}.{error}") from error


def _build_all(work: Workspace, entries: list[SourceUnit], reread: bool) -> None:
    folder, earlier = work.articles, 0
    with work.progress("collect", None, "rows") as progress:
        to_build = list[SourceUnit]()
        for entry in entries:
            is_earlier = is_of_an_earlier_reading(folder, entry)
            if not is_current(folder, entry, None) or (reread and is_earlier):
                to_build.append(entry)
            else:
                earlier += is_earlier
        building.build_all(work.engine, folder, to_build, progress)
        taken_down = takedowns.load(work.takedowns, work.given)
        work.given.forget(taken_down.texts | taken_down.nfc)
        for entry, drops in zip(entries, unique_ids.fold(folder, entries, taken_down, work.exchange), strict=True):
            if not is_current(folder, entry, drops):
                dropping.apply(folder, entry, drops)
    if earlier:
        _log.info(
            f"collect: {earlier:,} of {len(entries):,} units keep what an earlier version of labelmill read; to read them anew: "
            f"labelmill collect {work.config.file} --reread"
        )


def _sources(
    work: Workspace, cache: FileDigests, opened: ExitStack, fetch: bool
) -> Iterator[tuple[Source, list[Unit]]]:
    for number, options in enumerate(work.config.source_options):
        with section_errors(work, number):
            source = open_source(work, number, options, cache, opened)
            prepare(work, source, work.path / "crawl", fetch)
            units = list(source.units())
        yield source, units


def _entries(work: Workspace, sources: list[tuple[Source, list[Unit]]], reread: bool) -> Iterator[SourceUnit]:
    count_of_name: dict[str, int] = {}
    known_names = names_of_units(work.articles)
    for number, (options, (source, units)) in enumerate(zip(work.config.source_options, sources, strict=True)):
        newest = options.for_new_units()
        for unit in units:
            name = unit.former_name if unit.former_name in known_names else unit.name
            count_of_name[name] = count = count_of_name.get(name, 0) + 1
            renamed = replace(unit, name=name if count == 1 else f"{name}-{count}")
            if not reread and newest is not options and has_key(work.articles, renamed, options):
                yield SourceUnit(replace(renamed, as_before=True), source, options, number)
            else:
                yield SourceUnit(renamed, source, newest, number)


def _write_sources(work: Workspace, entries: list[SourceUnit], records_of_all: list[Record]) -> list[str]:
    """Write each source's counts for `status`; return an error for each that has no article.

    Raises InputError for a source without rows: its former rows stay.
    """
    summaries, errors = [], []
    for number, spec in enumerate(work.config.sources):
        records = [record for entry, record in zip(entries, records_of_all, strict=True) if entry.number == number]
        tally = work.articles.tally([shard for record in records for shard in record["shards"]])
        if not tally.rows:
            raise InputError(f"{work.config.file}: sources.{number}: {spec.type}: {NO_ROWS}")
        if not tally.kept and not tally.rejected.keys() & _ARTICLE_REASONS:
            errors.append(
                f"sources.{number}: {spec.type}: {why_none(work, tally.rows, tally.rejected, _example(work.articles, records))}"
            )
        elif fault := _absent_columns(work.articles, records):
            errors.append(f"sources.{number}: {spec.type}: {fault}")
        else:
            _warn_of_files_that_lack_columns(work, number, records)
        encodings = Counter(name for record in records for name in record.get("notes", {}).values())
        summaries.append({"type": spec.type, "rows": tally.rows, "kept": tally.kept, "rejected": dict(tally.rejected.most_common()),
                      "encodings": dict(encodings)})  # fmt: skip
    write_json(work.articles.path / "_sources.json", summaries)
    return errors


def _absent_columns(folder: Folder, records: list[Record]) -> str | None:
    """Return which columns that the job file names are in no row of a source: an id or a title would be missing unseen.

    Units of before, whose records do not tell, count as having them.
    """
    with_articles = [record for record in records if folder.tally(record["shards"]).kept]
    absent = with_articles[0].get("absent", {}) if with_articles else {}
    for record in with_articles:
        absent = {name: column for name, column in absent.items() if name in record.get("absent", {})}
    return absent_columns(absent, with_articles[0]["fields"]) if absent else None


def _warn_of_files_that_lack_columns(work: Workspace, number: int, records: list[Record]) -> None:
    """Say in one line which files, or members of an archive, lack a column that the job file names and others of their source have.

    Their articles are good, but the ids are made of their content, a title is none.
    """
    files_without: dict[tuple[str, str], list[str]] = {}
    for record in records:
        if (record.get("absent") or record.get("lacking")) and work.articles.tally(record["shards"]).kept:
            for column in record.get("absent", {}).items():
                files_without.setdefault(column, []).extend(record["files"])
            for member, lacking in record.get("lacking", {}).items():
                for column in lacking.items():
                    files_without.setdefault(column, []).append(member)
    faults = [
        f"columns.{name}: no row of {_some(files)} has {column!r}"
        + (", so ids are made of the text" if name == "id" else "")
        for (name, column), files in files_without.items()
    ]
    if faults:
        _log.warning(f"{work.config.file}: sources.{number}: {'; '.join(faults)}; other files have it")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {len(names) - _NAMES_SHOWN:,} more" * (len(names) > _NAMES_SHOWN))


def _example(folder: Folder, records: list[Record]) -> str | None:
    """Return what was wrong with one of the rejected rows of a source."""
    shards = (shard for record in records for shard in record["shards"])
    details = (row["detail"] for shard in shards for row in folder.read_rejected(shard).to_pylist())
    return next(filter(None, details), None)


def why_none(work: Workspace, rows: int, reasons: Counter[str], example: str | None) -> str:
    """Return the error of a source none of whose rows is an article, with why, and what was wrong with one of them."""
    why = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
    return (
        f"none of its {rows:,} rows is an article ({why}{f'; {example}' if example else ''}); see: labelmill show "
        f"{work.config.in_commands} articles --rejected"
    )


def _finish(folder: Folder, entries: list[SourceUnit], records: list[Record]) -> None:
    """Write the order of shards, delete vanished units, write what changed for `status`."""
    former = digests_of_units(folder)
    shards = [shard for record in records for shard in record["shards"]]
    write_order(folder, shards)
    current = {entry.unit.name: entry.unit.digest for entry in entries}
    removed_rows = folder.keep_only(shards)
    for file in (folder.path / "_units").glob("*.json"):
        if file.stem not in current:
            file.unlink()
    if current == former:
        (folder.path / "_changes.json").unlink(missing_ok=True)  # it is what the last run found
    else:
        changed = [name for name in current if name in former and current[name] != former[name]]
        vanished = sorted(set(former) - set(current))
        changes = {"new": len(set(current) - set(former)), "changed": len(changed), "vanished": len(vanished)}
        write_json(folder.path / "_changes.json", {**changes, "units": len(current), "rows_removed": removed_rows})
        write_json(folder.path / "_units.json", current)
