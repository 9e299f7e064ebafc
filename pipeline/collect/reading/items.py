"""Input of a reader: one file, wherever it lies, and the options to read it with."""

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

from pipeline.collect import charsets
from pipeline.collect.compression import Undecodable, ZstdFrame
from pipeline.collect.reading import recoding
from pipeline.core.types import BadRow, RawRow

COMPRESSED = (".gz", ".zst", ".bz2", ".xz")
# exceptions of a damaged compressed file
DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error, Undecodable, lzma.LZMAError)
Rows = Iterator[RawRow | BadRow]
Extract = Callable[[Iterable[tuple[Any, bytes, str, str | None]]], Iterator[tuple[Any, Any]]]  # as `html.workers` does


@dataclass(frozen=True)
class ReadOptions:
    """Options of a reader.

    `encoding` may be `auto`: then `guessed` receives the encoding by label.  `columns` are the ones to read, None for all.
    `extract` makes articles of HTML: key, bytes, URL, charset -> key, page.
    """

    encoding: str
    max_row_bytes: int
    columns: tuple[str, ...] | None
    guessed: dict[str, str]
    extract: Extract
    delimiter: str | None = None  # of CSV; None: as the header shows it


@dataclass(frozen=True)
class InputItem:
    """One file to read: `name` has the endings, `label` is for people, `raw` opens the bytes as they are stored."""

    name: str
    label: str
    raw: Callable[[], BinaryIO]

    @property
    def suffixes(self) -> list[str]:
        """Return the endings in lower case, without those of compression."""
        return [s for s in (s.lower() for s in PurePosixPath(self.name).suffixes) if s not in COMPRESSED]

    def open(self) -> BinaryIO:
        """Open the content, decompressed."""
        ending = PurePosixPath(self.name).suffix.lower()
        if opener := _OPENERS.get(ending):
            return cast(BinaryIO, _Closing(opener(file := self.raw()), file))
        if ending == ".zst":
            return io.BufferedReader(_Zstd(self.raw()))
        return self.raw()

    def seekable(self) -> BinaryIO:
        """Open the content for formats with their index at the end: a mere stream is copied to a temporary file."""
        file = self.open()
        if file.seekable() and PurePosixPath(self.name).suffix.lower() not in COMPRESSED:
            return file
        copy = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115
        with file:
            shutil.copyfileobj(file, copy, 2**20)
        copy.seek(0)
        return copy

    def encoding(self, options: ReadOptions) -> str:
        """Return the encoding as chosen, or for `auto` guessed from the first bytes that are not ASCII."""
        if options.encoding != "auto":
            return options.encoding
        if self.label not in options.guessed:
            with self.open() as file:
                options.guessed[self.label] = charsets.guess(partial(_before_damage, file))
        return options.guessed[self.label]

    def recoded(self, encoding: str) -> tuple[BinaryIO, str]:
        """Open the content in an encoding (returned too) in which lines, quotes and brackets are the bytes of ASCII."""
        if recoding.keeps_ascii(encoding):
            return self.open(), encoding
        return cast(BinaryIO, recoding.Recoded(self.open(), encoding)), "utf-8"


def _before_damage(file: BinaryIO, size: int) -> bytes:
    """Return the next bytes, fewer where the file ends or is damaged: the reader that comes to the damage rejects it."""
    pieces: list[bytes] = []
    with suppress(OSError, *DAMAGE):
        while size > 0 and (piece := cast(Any, file).read1(min(size, 2**13))):
            pieces.append(piece)
            size -= len(piece)
    return b"".join(pieces)


class _Bz2(bz2.BZ2File):
    """A bz2 file that raises EOFError for damage, as other formats do, not OSError."""

    def readinto(self, buffer: Any) -> int:
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise EOFError(str(error)) from error


_OPENERS: dict[str, Callable[[Any], Any]] = {
    ".gz": gzip.open, ".tgz": gzip.open, ".xz": lzma.open, ".txz": lzma.open, ".bz2": _Bz2, ".tbz2": _Bz2,
}  # fmt: skip


class _Zstd(io.RawIOBase):
    """Reader of zstd frames; unlike the package's own it raises EOFError where the last one is cut."""

    _SLICE, _PIECE = 512, 2**17  # bytes that are decompressed, and of text, at once

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._frame: ZstdFrame | None = None
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
        frame = self._frame = self._frame or ZstdFrame(0, self._SLICE)
        self._text = frame.decompress(self._data, self._PIECE)
        self._data = frame.unused_data if frame.eof else frame.unconsumed_tail
        if frame.eof:
            self._frame = None

    def close(self) -> None:
        super().close()
        self._file.close()


class _Closing(io.BufferedReader):
    """A decompressor that closes the file that it reads."""

    def __init__(self, file: Any, inner: IO[bytes]) -> None:
        super().__init__(file)
        self._inner = inner

    def close(self) -> None:
        super().close()
        self._inner.close()


def wrong_encoding(encoding: str, offset: int | None = None) -> str:
    """Return the detail of a row whose bytes are no text; `offset` counts bytes."""
    return f"not {encoding.removesuffix('-sig')}" + (f": byte {offset}" if offset is not None else "")
