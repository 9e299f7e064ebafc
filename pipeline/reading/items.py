"""What a reader is given: one file, wherever it lies, and how it is to be read."""

from __future__ import annotations

import gzip
import io
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO, Any, BinaryIO, cast

import zstandard

from pipeline.reading import encodings
from pipeline.records import BadRow, RawRow

COMPRESSED = (".gz", ".zst")
DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError)  # what a damaged compressed file raises
OURS = ("id", "title", "text", "url", "published_at", "language")
Rows = Iterator[RawRow | BadRow]


@dataclass(frozen=True)
class How:
    """`encoding` may be `auto`: then `guessed` holds, by label, what it was found to be.  `columns` are those wanted."""

    encoding: str
    max_row_bytes: int
    columns: tuple[str, ...] = OURS
    guessed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Item:
    """`name` has the endings, `label` is for people, `raw` opens the bytes as they are stored."""

    name: str
    label: str
    raw: Callable[[], BinaryIO]

    @property
    def suffixes(self) -> list[str]:
        """Endings in lower case, without those of compression."""
        return [s for s in (s.lower() for s in PurePosixPath(self.name).suffixes) if s not in COMPRESSED]

    def open(self) -> BinaryIO:
        """The content, decompressed."""
        ending = PurePosixPath(self.name).suffix.lower()
        if ending in (".gz", ".tgz"):
            return cast(BinaryIO, _Closing(gzip.open(file := self.raw()), file))
        if ending == ".zst":
            stream = zstandard.ZstdDecompressor().stream_reader(self.raw(), read_across_frames=True)
            return io.BufferedReader(cast(Any, stream))
        return self.raw()

    def seekable(self) -> BinaryIO:
        """The content, for formats with their index at the end: copied to a temporary file where it is a mere stream."""
        file = self.open()
        if file.seekable() and PurePosixPath(self.name).suffix.lower() not in COMPRESSED:
            return file
        copy = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115
        with file:
            shutil.copyfileobj(file, copy, 2**20)
        copy.seek(0)
        return copy

    def encoding(self, how: How) -> str:
        """As it was told, else guessed from the first bytes that are not ASCII."""
        if how.encoding != "auto":
            return how.encoding
        if self.label not in how.guessed:
            with self.open() as file:
                how.guessed[self.label] = encodings.guess(file)
        return how.guessed[self.label]

    def recoded(self, encoding: str) -> tuple[BinaryIO, str]:
        """The content and its encoding, such that lines, quotes and brackets are the bytes that they are in ASCII."""
        if encodings.keeps_ascii(encoding):
            return self.open(), encoding
        return cast(BinaryIO, encodings.Recoded(self.open(), encoding)), "utf-8"


class _Closing(io.BufferedReader):
    """A decompressor that closes what it reads."""

    def __init__(self, file: Any, below: IO[bytes]) -> None:
        super().__init__(file)
        self._below = below

    def close(self) -> None:
        super().close()
        self._below.close()


def wrong_encoding(encoding: str, place: int | None = None) -> str:
    """What a rejected row says of bytes that are no text; `place` counts bytes."""
    return f"not {encoding.removesuffix('-sig')}" + (f": byte {place}" if place is not None else "")
