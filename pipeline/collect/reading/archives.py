"""Reader of ZIP and tar: each member is read as it would be outside."""

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

from pipeline.collect.reading.items import DAMAGE, InputItem, ReadOptions, Rows
from pipeline.core.types import BadRow

# the reader of a member by its name; None: the member is no data file
ReaderOf = Callable[[str], Callable[[InputItem, ReadOptions], Rows] | None]
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, RuntimeError, NotImplementedError, OSError, *DAMAGE)


def read(item: InputItem, options: ReadOptions, reader_of: ReaderOf) -> Rows:
    """Yield the rows of all members that have a reader, in the order of the archive; a row's source is `archive!member`."""
    members, count = _zip(item) if item.suffixes[-1:] == [".zip"] else _tar(item), 0
    try:
        for member in members:
            reader = reader_of(member.name)
            if reader and not _is_hidden(member.name):
                count += 1
                yield from _member(member, options, reader)
    except _BROKEN as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        yield BadRow(item.label, 1, "damaged_file", f"the rest of the archive cannot be read ({str(error)[:150]})")
        return
    if not count:
        yield BadRow(item.label, 1, "nothing_in_archive", "no file in it has a known ending")


def refuse(item: InputItem, options: ReadOptions) -> Rows:
    """Reject an archive within an archive, with the reason `archive_in_archive`."""
    yield BadRow(item.label, 1, "archive_in_archive", "unpack it first")


def _is_hidden(name: str) -> bool:
    """Return whether a member is hidden; nothing is unpacked, so that `..` in a name is harmless."""
    return any(part.startswith((".", "__MACOSX")) and part != ".." for part in PurePosixPath(name).parts)


def _member(member: InputItem, options: ReadOptions, reader: Callable[[InputItem, ReadOptions], Rows]) -> Rows:
    line = 0
    try:
        for row in reader(member, options):
            line = row.line
            yield row
    except _BROKEN as error:
        yield BadRow(member.label, line + 1, "damaged_file", f"the rest cannot be read ({str(error)[:150]})")


def _zip(item: InputItem) -> Iterator[InputItem]:
    with item.seekable() as file, zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                name = _name(info)
                yield InputItem(name, f"{item.label}!{name}", cast(Callable[[], BinaryIO], partial(archive.open, info)))


def _name(info: zipfile.ZipInfo) -> str:
    """Return a member's name; Korean Windows writes names in CP949 without a mark, which are decoded as those of MS-DOS."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("cp949")
    except UnicodeError:
        return info.filename


def _tar(item: InputItem) -> Iterator[InputItem]:
    with item.open() as file, tarfile.open(fileobj=cast(Any, tail_stream := _TailStream(file)), mode="r|") as archive:
        for info in archive:
            if info.isfile():
                name = info.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
                with closing(_MemberCopy(archive, info)) as member_copy:
                    yield InputItem(name, f"{item.label}!{name}", member_copy.open)
        if tail_stream.last.strip(b"\0"):  # tarfile itself raises nothing where a header is cut
            raise tarfile.ReadError("it ends without its end mark")


class _TailStream:
    """A stream that keeps the end of what was read `last`, by which a tar without its end mark is noticed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.last = file, b""

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self.last = data[-512:] or self.last
        return data


class _MemberCopy:
    """A temporary copy of a tar's member, made when it is first opened: the archive is a stream, read once."""

    def __init__(self, archive: tarfile.TarFile, info: tarfile.TarInfo) -> None:
        self._archive, self._info = archive, info
        self._copy: Any = None

    def open(self) -> BinaryIO:
        """Open the copy, which may be done more than once."""
        if self._copy is None:
            self._copy = tempfile.NamedTemporaryFile()  # noqa: SIM115
            shutil.copyfileobj(cast(IO[bytes], self._archive.extractfile(self._info)), self._copy, 2**20)
            self._copy.flush()
        return Path(self._copy.name).open("rb")

    def close(self) -> None:
        """Delete the copy."""
        if self._copy is not None:
            self._copy.close()
