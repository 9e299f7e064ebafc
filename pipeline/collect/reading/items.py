"""What a reader is given: one file, wherever it lies, and how it is to be read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import IO, Any, BinaryIO, cast

import zstandard

from pipeline.collect.reading import encodings
from pipeline.core.types import BadRow, RawRow

COMPRESSED = (".gz", ".zst", ".bz2", ".xz")
DAMAGE = (
    EOFError,
    gzip.BadGzipFile,
    zlib.error,
    zstandard.ZstdError,
    lzma.LZMAError,
)  # what a damaged compressed file raises
OURS = ("id", "title", "text", "url", "published_at", "language")
Rows = Iterator[RawRow | BadRow]
Extract = Callable[[Iterable[tuple[Any, bytes, str, str | None]]], Iterator[tuple[Any, Any]]]  # as `html.workers` does


@dataclass(frozen=True)
class How:
    """`encoding` may be `auto`: then `guessed` holds, by label, what it was found to be.  `columns` are those wanted.
    `extract` makes articles of pages: key, bytes, address, charset -> key, page."""

    encoding: str
    max_row_bytes: int
    columns: tuple[str, ...]
    guessed: dict[str, str]
    extract: Extract


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
        if opener := _OPENERS.get(ending):
            return cast(BinaryIO, _Closing(opener(file := self.raw()), file))
        if ending == ".zst":
            return io.BufferedReader(_Zstd(self.raw()))
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
                how.guessed[self.label] = encodings.guess(partial(_before_damage, file))
        return how.guessed[self.label]

    def recoded(self, encoding: str) -> tuple[BinaryIO, str]:
        """The content and its encoding, such that lines, quotes and brackets are the bytes that they are in ASCII."""
        if encodings.keeps_ascii(encoding):
            return self.open(), encoding
        return cast(BinaryIO, encodings.Recoded(self.open(), encoding)), "utf-8"


def _before_damage(file: BinaryIO, size: int) -> bytes:
    """The next bytes, less where the file ends or is damaged: who reads it to its end tells of that."""
    pieces: list[bytes] = []
    with suppress(OSError, *DAMAGE):
        while size > 0 and (piece := cast(Any, file).read1(min(size, 2**13))):
            pieces.append(piece)
            size -= len(piece)
    return b"".join(pieces)


class _Bz2(bz2.BZ2File):
    """Damage is told as elsewhere, not as an OSError."""

    def readinto(self, buffer: Any) -> int:
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise EOFError(str(error)) from error


_OPENERS: dict[str, Callable[[Any], Any]] = {
    ".gz": gzip.open, ".tgz": gzip.open, ".xz": lzma.open, ".txz": lzma.open, ".bz2": _Bz2, ".tbz2": _Bz2,
}  # fmt: skip


class _Zstd(io.RawIOBase):
    """Frames one after another.  Unlike the package's own reader it tells where the last one is cut."""

    _SLICE = 512  # bytes that are undone at once; 4 of them may be 128 KB of text

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._frame = file, cast(Any, None)
        self._data = self._text = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._text:
            self._data = self._data or self._file.read(2**14)
            if not self._data:
                if self._frame is not None:
                    raise EOFError("the compressed file is cut")
                return 0
            self._step()
        count = min(len(buffer), len(self._text))
        buffer[:count], self._text = self._text[:count], self._text[count:]
        return count

    def _step(self) -> None:
        self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
        self._text = self._frame.decompress(self._data[: self._SLICE])
        self._data = self._data[self._SLICE :]
        if self._frame.eof:
            self._data, self._frame = self._frame.unused_data + self._data, None

    def close(self) -> None:
        super().close()
        self._file.close()


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
