"""Source of articles from files: JSONL, JSON, CSV/TSV, Parquet, Excel, plain text, HTML, WARC, archives of these; here or remote.

A data file is a unit of its own; files of one article each are grouped, in path order, with the group ends chosen by
the paths themselves, so that one file more or less changes one group only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from pipeline.collect.reading import formats, locations
from pipeline.collect.reading.items import ReadOptions
from pipeline.collect.unit_names import hyphenated
from pipeline.core import contracts
from pipeline.core.errors import ConfigError
from pipeline.core.files import digest_of, file_digest
from pipeline.core.types import ARTICLE_COLUMNS, BadRow, RawRow, Unit
from pipeline.engines.machine import cores

if TYPE_CHECKING:
    from pipeline.collect.html.extract import Page
    from pipeline.collect.html.workers import PageWorkers

MAX_ROW_BYTES = 10 * 2**20
_GROUP_MEAN, _GROUP_MAX = 256, 1024


class Options(contracts.SourceOptions):
    in_every_key = "path format encoding max_row_bytes"
    path: str | list[str]
    format: Literal["auto", "jsonl", "json", "csv", "parquet", "excel", "text", "html", "warc"] = "auto"
    # Not given: auto, each file as it looks (UTF-8, UTF-16, CP949, ...). What stands here is the default of before, in the keys of
    # the units that were read with it: they are not read again.
    encoding: str = Field(default="utf-8-sig", json_schema_extra={"default": "auto"})
    max_row_bytes: int = Field(default=MAX_ROW_BYTES, gt=0)
    mode: Literal["fast", "thorough"] = "fast"  # of extraction from HTML and WARC
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None  # of CSV; null: as its header shows

    def title(self) -> str:
        return self.path if isinstance(self.path, str) else ", ".join(self.path)

    def for_new_units(self) -> Options:
        return self if "encoding" in self.model_fields_set else self.model_copy(update={"encoding": "auto"})


class Source(contracts.Source):
    """Articles of files.

    Relative paths are relative to `folder`; `digest_of_file` may cache the digests of unchanged files.  After `read`, `notes`
    has the guessed encodings by file.
    """

    def __init__(self, options: Options, folder: Path, digest_of_file: Callable[[Path], str]) -> None:
        self._options, self._folder, self._digest_of_file = options, folder, digest_of_file
        self._locations: dict[str, locations.FileLocation] = {}
        self._workers: PageWorkers | None = None
        self._extractors = cores()
        self.notes: dict[str, str] = {}
        try:
            "".encode("utf-8" if options.encoding == "auto" else options.encoding)
        except LookupError as error:
            raise ConfigError(
                f"encoding: unknown encoding {options.encoding!r}; allowed: auto, utf-8, cp949, ..."
            ) from error

    def units(self) -> Iterator[Unit]:
        """Yield units in source order: patterns as given, paths of each sorted.  Raises ConfigError where nothing matches."""
        patterns = [self._options.path] if isinstance(self._options.path, str) else self._options.path
        for pattern in patterns:
            for group in _groups(self._match(pattern), self._format):
                yield self._unit(group)

    def read(self, unit: Unit) -> Iterator[RawRow | BadRow]:
        """Yield rows in file order.  What cannot be read is a BadRow; raises InputError for a file that cannot be opened."""
        options = self._options if unit.as_before else self._options.for_new_units()
        self.notes = {}
        read_options = ReadOptions(
            options.encoding,
            options.max_row_bytes,
            (*options.columns.values(), *ARTICLE_COLUMNS),
            self.notes,
            self._extract,
            options.delimiter,
        )
        for part in unit.parts:
            location = self._locations[part]
            reader = formats.reader(location.name, options.format)
            assert reader is not None  # `_format` has seen it
            with location.errors():
                yield from reader(locations.item(location), read_options)

    def apart(self, unit: Unit) -> Source | None:
        """Return a source of the unit's files alone; pages are extracted on all cores already."""
        parts = {part: self._locations[part] for part in unit.parts}
        if {self._format(location) for location in parts.values()} & {"html", "warc"}:
            return None
        apart = Source(self._options, self._folder, file_digest)
        apart._locations = parts
        return apart

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_digest_of_file": file_digest, "_workers": None, "_extractors": 1}

    def close(self) -> None:
        """End the workers."""
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    def _extract(self, items: Iterable[Any]) -> Iterator[tuple[Any, Page]]:
        """Extract pages in processes that may be killed, for pages of strangers can hang or crash a parser."""
        from pipeline.collect.html.workers import PageWorkers

        if self._workers is None:
            self._workers = PageWorkers(self._extractors, mode=self._options.mode)
        return self._workers.extract_all(items)

    def _match(self, pattern: str) -> Sequence[locations.FileLocation]:
        matches: Sequence[locations.FileLocation] = (
            locations.remote_files(pattern)
            if locations.is_remote(pattern)
            else locations.local_files(pattern, self._folder, self._digest_of_file)
        )
        # a file that is named, not matched by a pattern, must have a known format
        is_named = len(matches) == 1 and Path(pattern).name == matches[0].name
        readable = [
            location for location in matches if is_named or formats.format_of(location.name, self._options.format)
        ]
        if not readable:
            raise locations.no_file_error(pattern, self._folder, len(matches), " ".join(formats.ENDINGS))
        return readable

    def _format(self, location: locations.FileLocation) -> str:
        name = formats.format_of(location.name, self._options.format)
        if name is None:
            raise ConfigError(
                f"format: {location.label} has an unknown ending; allowed: {', '.join(sorted(formats.READERS))}"
            )
        return name

    def _unit(self, group: list[locations.FileLocation]) -> Unit:
        self._locations |= {location.part: location for location in group}
        labels = tuple(location.label for location in group)
        digests = [location.digest() for location in group]
        name, suffix = group[0].name, digest_of(labels[0])[:8]
        return Unit(
            f"{_slug(name)}-{suffix}",
            digest_of(list(zip(labels, digests, strict=True))),
            tuple(p.part for p in group),
            labels,
            former_name=f"{_ascii_slug(name)}-{suffix}",
        )


def _slug(name: str) -> str:
    """Return a file's name as its shards begin: letters of any script, and nothing that hides a file from readers of data sets."""
    return hyphenated(name.lstrip(".").split(".")[0]).strip("-_")[:40] or "file"


def _ascii_slug(name: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in name.split(".")[0])[:40]


def _groups(
    files: Sequence[locations.FileLocation], format_of: Callable[[locations.FileLocation], str]
) -> Iterator[list[locations.FileLocation]]:
    group: list[locations.FileLocation] = []
    for file in files:
        if format_of(file) not in formats.ONE_ARTICLE_A_FILE:
            yield [file]
            continue
        group.append(file)
        is_boundary = (
            int.from_bytes(sha256(file.name.encode("utf-8", "surrogateescape")).digest()[:4]) % _GROUP_MEAN == 0
        )
        if is_boundary or len(group) == _GROUP_MAX:
            yield group
            group = []
    if group:
        yield group
