"""ZIP and tar: each file in them is read as it would be outside."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, cast

from pipeline.collect.reading.items import DAMAGE, How, Item, Rows
from pipeline.core.types import BadRow

ReaderOf = Callable[[str], Callable[[Item, How], Rows] | None]  # by a member's name; None: no data file
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, RuntimeError, NotImplementedError, OSError, *DAMAGE)


def read(item: Item, how: How, reader_of: ReaderOf) -> Rows:
    """The rows of all members that `reader_of` knows, in the order of the archive; a row's source is `archive!member`."""
    members, found = _zip(item) if item.suffixes[-1:] == [".zip"] else _tar(item), 0
    try:
        for member in members:
            reader = reader_of(member.name)
            if reader and not _is_hidden(member.name):
                found += 1
                yield from _member(member, how, reader)
    except _BROKEN as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        yield BadRow(item.label, 1, "damaged_file", f"the rest of the archive cannot be read ({str(error)[:150]})")
        return
    if not found:
        yield BadRow(item.label, 1, "nothing_in_archive", "no file in it has a known ending")


def refuse(item: Item, how: How) -> Rows:
    """An archive in an archive."""
    yield BadRow(item.label, 1, "archive_in_archive", "unpack it first")


def _is_hidden(name: str) -> bool:
    """Nothing is unpacked, so that `..` in a name is harmless."""
    return any(part.startswith((".", "__MACOSX")) and part != ".." for part in PurePosixPath(name).parts)


def _member(member: Item, how: How, reader: Callable[[Item, How], Rows]) -> Rows:
    line = 0
    try:
        for row in reader(member, how):
            line = row.line
            yield row
    except _BROKEN as error:
        yield BadRow(member.label, line + 1, "damaged_file", f"the rest cannot be read ({str(error)[:150]})")


def _zip(item: Item) -> Iterator[Item]:
    with item.seekable() as file, zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                name = _name(info)
                yield Item(name, f"{item.label}!{name}", cast(Callable[[], BinaryIO], partial(archive.open, info)))


def _name(info: zipfile.ZipInfo) -> str:
    """Korean Windows writes names in CP949 without saying so, which read as those of MS-DOS."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("cp949")
    except UnicodeError:
        return info.filename


def _tar(item: Item) -> Iterator[Item]:
    with item.open() as file, tarfile.open(fileobj=cast(Any, ending := _Ending(file)), mode="r|") as archive:
        for info in archive:
            if info.isfile():
                name = info.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
                with closing(_Copy(archive, info)) as copy:
                    yield Item(name, f"{item.label}!{name}", copy.open)
        if ending.last.strip(b"\0"):  # tarfile itself says nothing where a header is cut
            raise tarfile.ReadError("it ends without its end mark")


class _Ending:
    """What a tar is read through, as a stream; `last` is the end of what was read last."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.last = file, b""

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self.last = data[-512:] or self.last
        return data


class _Copy:
    """A member of a tar as a file of its own, made when it is first opened: the archive is a stream, read once."""

    def __init__(self, archive: tarfile.TarFile, info: tarfile.TarInfo) -> None:
        self._archive, self._info = archive, info
        self._copy: Any = None

    def open(self) -> BinaryIO:
        if self._copy is None:
            self._copy = tempfile.NamedTemporaryFile()  # noqa: SIM115
            shutil.copyfileobj(cast(IO[bytes], self._archive.extractfile(self._info)), self._copy, 2**20)
            self._copy.flush()
        return Path(self._copy.name).open("rb")

    def close(self) -> None:
        if self._copy is not None:
            self._copy.close()
