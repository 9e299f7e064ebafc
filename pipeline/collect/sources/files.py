"""Articles from files: JSONL, JSON, CSV/TSV, Parquet, Excel, plain text, HTML, WARC, archives of these; here or remote.

A data file is a unit of its own; files of one article each are grouped, in path order, with the group ends chosen by
the paths themselves, so that one file more or less changes one group only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pipeline.collect.reading import formats, places
from pipeline.collect.reading.items import OURS, How
from pipeline.core import contracts
from pipeline.core.errors import ConfigError
from pipeline.core.files import digest_of
from pipeline.core.types import BadRow, RawRow, Unit

if TYPE_CHECKING:
    from pipeline.collect.html.extract import Page
    from pipeline.collect.html.workers import Workers

MAX_ROW_BYTES = 10 * 2**20
_GROUP_MEAN, _GROUP_MAX = 256, 1024


class Options(contracts.SourceOptions):
    in_every_key = "path format encoding max_row_bytes"
    path: str | list[str]
    format: Literal["auto", "jsonl", "json", "csv", "parquet", "excel", "text", "html", "warc"] = "auto"
    encoding: str = "utf-8-sig"  # or auto: UTF-8, UTF-16, CP949 or Latin-1, each file as it looks
    max_row_bytes: int = Field(default=MAX_ROW_BYTES, gt=0)


class Source(contracts.Source):
    """`folder` is what relative paths are relative to; `digest_of_file` may remember digests of unchanged files.

    After `read`, `notes` has the encodings that were guessed, by file.
    """

    def __init__(self, options: Options, folder: Path, digest_of_file: Callable[[Path], str]) -> None:
        self._options, self._folder, self._digest_of_file = options, folder, digest_of_file
        self._places: dict[str, places.Place] = {}
        self._workers: Workers | None = None
        self.notes: dict[str, str] = {}
        try:
            "".encode("utf-8" if options.encoding == "auto" else options.encoding)
        except LookupError as error:
            raise ConfigError(
                f"encoding: unknown encoding {options.encoding!r}; allowed: auto, utf-8, cp949, ..."
            ) from error

    def units(self) -> Iterator[Unit]:
        """Units in source order: patterns as given, paths of each sorted.  Raises ConfigError where nothing matches."""
        patterns = [self._options.path] if isinstance(self._options.path, str) else self._options.path
        for pattern in patterns:
            for group in _groups(self._match(pattern), self._format):
                yield self._unit(group)

    def read(self, unit: Unit) -> Iterator[RawRow | BadRow]:
        """Rows in file order.  What cannot be read is a BadRow; raises InputError for a file that cannot be opened."""
        options = self._options
        self.notes = {}
        how = How(
            options.encoding, options.max_row_bytes, (*options.columns.values(), *OURS), self.notes, self._extract
        )
        for part in unit.parts:
            place = self._places[part]
            reader = formats.reader(place.name, options.format)
            assert reader is not None  # `_format` has seen it
            with place.errors():
                yield from reader(places.item(place), how)

    def close(self) -> None:
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    def _extract(self, items: Iterable[Any]) -> Iterator[tuple[Any, Page]]:
        """Pages of strangers can hang or crash a parser: they go through processes that may be killed."""
        from pipeline.collect.html.workers import Workers

        if self._workers is None:
            self._workers = Workers(os.cpu_count() or 1)
        return self._workers.extract_all(items)

    def _match(self, pattern: str) -> Sequence[places.Place]:
        found: Sequence[places.Place] = (
            places.remote(pattern)
            if places.is_remote(pattern)
            else places.local(pattern, self._folder, self._digest_of_file)
        )
        only = len(found) == 1 and Path(pattern).name == found[0].name  # a file that was named must have a format
        known = [place for place in found if only or formats.format_of(place.name, self._options.format)]
        if not known:
            raise places.nothing(pattern, self._folder, len(found), " ".join(formats.ENDINGS))
        return known

    def _format(self, place: places.Place) -> str:
        found = formats.format_of(place.name, self._options.format)
        if found is None:
            raise ConfigError(
                f"format: {place.label} has an unknown ending; allowed: {', '.join(sorted(formats.READERS))}"
            )
        return found

    def _unit(self, group: list[places.Place]) -> Unit:
        self._places |= {place.part: place for place in group}
        labels = tuple(place.label for place in group)
        digests = [place.digest() for place in group]
        slug = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in group[0].name.split(".")[0])[
            :40
        ]
        name = f"{slug}-{digest_of(labels[0])[:8]}"
        return Unit(name, digest_of(list(zip(labels, digests, strict=True))), tuple(p.part for p in group), labels)


def _groups(found: Sequence[places.Place], format_of: Callable[[places.Place], str]) -> Iterator[list[places.Place]]:
    group: list[places.Place] = []
    for place in found:
        if format_of(place) not in formats.ONE_ARTICLE_A_FILE:
            yield [place]
            continue
        group.append(place)
        boundary = int.from_bytes(sha256(place.name.encode("utf-8", "surrogateescape")).digest()[:4]) % _GROUP_MEAN == 0
        if boundary or len(group) == _GROUP_MAX:
            yield group
            group = []
    if group:
        yield group
