"""Articles from files: JSONL, CSV/TSV, Parquet, folders of plain text or HTML, each also as .gz or .zst.

A data file is a unit of its own; files of one article each are grouped, in path order, with the group ends chosen by
the paths themselves, so that one file more or less changes one group only.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Literal

import zstandard
from pydantic import Field

from pipeline.config import SourceOptions
from pipeline.errors import ConfigError, InputError, MissingExtra
from pipeline.plugins import did_you_mean
from pipeline.records import BadRow, RawRow, Unit
from pipeline.tables import digest_of, printable_path

MAX_ROW_BYTES = 10 * 2**20
_FORMATS = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet",
    ".txt": "text", ".md": "text", ".html": "html", ".htm": "html",
}  # fmt: skip
_COMPRESSED = (".gz", ".zst")
_ONE_ARTICLE_A_FILE = ("text", "html")
_GROUP_MEAN, _GROUP_MAX = 256, 1024
_DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError)  # what a damaged compressed file raises


class Options(SourceOptions):
    path: str | list[str]
    format: Literal["auto", "jsonl", "csv", "parquet", "text", "html"] = "auto"
    encoding: str = "utf-8-sig"
    max_row_bytes: int = Field(default=MAX_ROW_BYTES, gt=0)


class Source:
    """`folder` is what relative paths are relative to; `digest_of_file` may remember digests of unchanged files."""

    def __init__(self, options: Options, folder: Path, digest_of_file: Callable[[Path], str]) -> None:
        self._options, self._folder, self._digest_of_file = options, folder, digest_of_file
        try:
            "".encode(options.encoding)
        except LookupError as error:
            raise ConfigError(f"encoding: unknown encoding {options.encoding!r}; allowed: utf-8, cp949, ...") from error

    def units(self) -> Iterator[Unit]:
        """Units in source order: patterns as given, paths of each sorted.  Raises ConfigError where nothing matches."""
        patterns = [self._options.path] if isinstance(self._options.path, str) else self._options.path
        for pattern in patterns:
            for group in _groups(self._match(pattern), self._format):
                yield self._unit(group)

    def read(self, unit: Unit) -> Iterator[RawRow | BadRow]:
        """Rows in file order.  What cannot be read is a BadRow; raises InputError for a file that cannot be opened."""
        for part, label in zip(unit.parts, unit.labels, strict=True):
            path = Path(part)
            try:
                yield from _READERS[self._format(path)](path, label, self._options)
            except FileNotFoundError as error:
                raise InputError(f"{path}: vanished while it was read") from error
            except PermissionError as error:
                raise InputError(f"{path}: no permission to read it") from error

    def _match(self, pattern: str) -> list[Path]:
        base = self._folder / pattern
        if base.is_file():
            return [base]
        found = base.rglob("*") if base.is_dir() else _glob(self._folder, pattern)
        files = sorted(path for path in found if path.is_file() and not path.name.startswith("."))
        known = [path for path in files if self._options.format != "auto" or _format_by_name(path)]
        if not known:
            near = did_you_mean(base.name, [path.name for path in base.parent.glob("*")])
            found_none = f"none of {len(files)} files has a known ending" if files else f"no such file{near}"
            raise ConfigError(f"path: {pattern!r} in {self._folder}: {found_none}; allowed: {' '.join(_FORMATS)}")
        return known

    def _format(self, path: Path) -> str:
        found = _format_by_name(path) if self._options.format == "auto" else self._options.format
        if found is None:
            raise ConfigError(f"format: {path} has an unknown ending; allowed: {', '.join(sorted(_READERS))}")
        return found

    def _unit(self, paths: list[Path]) -> Unit:
        labels = tuple(_label(path, self._folder) for path in paths)
        digests = [self._digest_of_file(path) for path in paths]
        slug = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in paths[0].name.split(".")[0])[
            :40
        ]
        name = f"{slug}-{digest_of(labels[0])[:8]}"
        return Unit(name, digest_of(list(zip(labels, digests, strict=True))), tuple(map(str, paths)), labels)


def _glob(folder: Path, pattern: str) -> Iterator[Path]:
    path = Path(pattern)
    return Path(path.anchor).glob(str(path.relative_to(path.anchor))) if path.anchor else folder.glob(pattern)


def _label(path: Path, folder: Path) -> str:
    """How a file is named in rows and messages: relative to the job file where it lies below, else its own name."""
    return printable_path(path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name))


def _format_by_name(path: Path) -> str | None:
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in _COMPRESSED]
    return _FORMATS.get(suffixes[-1]) if suffixes else None


def _groups(paths: list[Path], format_of: Callable[[Path], str]) -> Iterator[list[Path]]:
    group: list[Path] = []
    for path in paths:
        if format_of(path) not in _ONE_ARTICLE_A_FILE:
            yield [path]
            continue
        group.append(path)
        boundary = int.from_bytes(sha256(path.name.encode("utf-8", "surrogateescape")).digest()[:4]) % _GROUP_MEAN == 0
        if boundary or len(group) == _GROUP_MAX:
            yield group
            group = []
    if group:
        yield group


# --- readers: path, its label, options -> rows ---


def _open(path: Path) -> BinaryIO:
    if path.suffix.lower() == ".gz":
        return gzip.open(path)  # type: ignore[return-value]
    if path.suffix.lower() == ".zst":
        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(path.open("rb"), read_across_frames=True))
    return path.open("rb")


def _read_jsonl(path: Path, label: str, options: Options) -> Iterator[RawRow | BadRow]:
    line = 0
    with _open(path) as file:
        try:
            while raw := file.readline(options.max_row_bytes + 1):
                line += 1
                if len(raw) > options.max_row_bytes and not raw.endswith(b"\n"):
                    size = len(raw) + _skip_line(file)
                    yield BadRow(
                        label, line, "row_too_large", f"{size} bytes; max_row_bytes is {options.max_row_bytes}"
                    )
                elif raw.strip():
                    yield _parse_json(raw, label, line, options.encoding)
        except _DAMAGE as error:
            yield BadRow(label, line + 1, "damaged_file", f"the rest cannot be read ({error})")


def _skip_line(file: BinaryIO) -> int:
    size = 0
    while piece := file.readline(2**20):
        size += len(piece)
        if piece.endswith(b"\n"):
            break
    return size


def _parse_json(raw: bytes, label: str, line: int, encoding: str) -> RawRow | BadRow:
    try:
        value = json.loads(raw.decode(encoding))
    except UnicodeDecodeError as error:
        return BadRow(label, line, "wrong_encoding", f"not {encoding.removesuffix('-sig')}: byte {error.start}")
    except (ValueError, RecursionError) as error:
        return BadRow(label, line, "torn_line", f"not JSON: {error}"[:200])
    if not isinstance(value, dict):
        return BadRow(label, line, "not_an_object", f"a JSON {type(value).__name__}")
    return RawRow(label, line, value)


def _read_csv(path: Path, label: str, options: Options) -> Iterator[RawRow | BadRow]:
    """Strict CSV: a quote left open is an error of that row, not a row that swallows its neighbours unseen."""
    csv.field_size_limit(2**31 - 1)
    delimiter = "\t" if ".tsv" in path.suffixes else ","
    with _open(path) as binary, io.TextIOWrapper(binary, options.encoding, "surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        header: list[str] = []
        while True:
            line = reader.line_num + 1
            try:
                values = next(reader, None)
            except csv.Error as error:
                yield BadRow(label, line, "torn_line", f"not CSV: {error} (lines {line}-{reader.line_num})")
                continue
            except (*_DAMAGE, UnicodeDecodeError) as error:
                yield BadRow(label, line, "damaged_file", f"the rest cannot be read ({error})")
                return
            if values is None:
                return
            if not header:
                header = [name.strip() for name in values]
            elif values:
                yield _csv_row(header, values, label, line, options)


def _csv_row(header: list[str], values: list[str], label: str, line: int, options: Options) -> RawRow | BadRow:
    if len(values) != len(header):
        return BadRow(label, line, "wrong_column_count", f"{len(values)} values for {len(header)} columns")
    if sum(map(len, values)) > options.max_row_bytes:
        return BadRow(label, line, "row_too_large", f"max_row_bytes is {options.max_row_bytes}")
    try:
        "".join(values).encode()
    except UnicodeEncodeError:
        return BadRow(label, line, "wrong_encoding", f"not {options.encoding.removesuffix('-sig')}")
    return RawRow(label, line, {name: value or None for name, value in zip(header, values, strict=True)})


def _read_parquet(path: Path, label: str, options: Options) -> Iterator[RawRow | BadRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    line = 0
    try:
        file = pq.ParquetFile(path)
        names = dict.fromkeys(file.schema_arrow.names)  # columns that are not read are null, but known by name
        wanted = [name for name in _wanted_columns(options) if name in names]
        for batch in file.iter_batches(batch_size=512, columns=wanted):
            for fields in batch.to_pylist():
                line += 1
                yield RawRow(label, line, names | fields)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        yield BadRow(label, line + 1, "damaged_file", f"not readable as Parquet ({str(error)[:150]})")


def _wanted_columns(options: Options) -> list[str]:
    return [*options.columns.values(), "id", "title", "text", "url", "published_at", "language"]


def _read_whole(path: Path, label: str, options: Options) -> bytes | BadRow:
    try:
        with _open(path) as file:
            data = file.read(options.max_row_bytes + 1)
    except _DAMAGE as error:
        return BadRow(label, 1, "damaged_file", f"cannot be read ({error})")
    if len(data) > options.max_row_bytes:
        return BadRow(label, 1, "row_too_large", f"max_row_bytes is {options.max_row_bytes}")
    return data


def _read_text(path: Path, label: str, options: Options) -> Iterator[RawRow | BadRow]:
    data = _read_whole(path, label, options)
    if isinstance(data, BadRow):
        yield data
        return
    try:
        yield RawRow(label, 1, {"text": data.decode(options.encoding)})
    except UnicodeDecodeError as error:
        detail = f"not {options.encoding.removesuffix('-sig')}: byte {error.start}"
        yield BadRow(label, 1, "wrong_encoding", detail)


def _read_html(path: Path, label: str, options: Options) -> Iterator[RawRow | BadRow]:
    """Title, body, date and canonical address by trafilatura, which finds the encoding itself."""
    try:
        import trafilatura
    except ImportError as error:
        raise MissingExtra(f"{label}: reading HTML", "html") from error
    data = _read_whole(path, label, options)
    if isinstance(data, BadRow):
        yield data
        return
    try:
        found: Any = trafilatura.bare_extraction(data, fast=True, with_metadata=True, include_comments=False)
    except Exception as error:  # a page can break any parser below it; it must cost only itself
        yield BadRow(label, 1, "not_extractable", f"{type(error).__name__}: {error}"[:200])
        return
    if found is None or not found.text:
        yield BadRow(label, 1, "not_extractable", "no article body found in the page")
        return
    fields = {"title": found.title, "text": found.text, "url": found.url, "published_at": found.date}
    yield RawRow(label, 1, {**fields, "language": found.language})


_READERS = {
    "jsonl": _read_jsonl, "csv": _read_csv, "parquet": _read_parquet, "text": _read_text, "html": _read_html,
}  # fmt: skip
