"""Files in encodings whose bytes below 128 are not always ASCII, recoded: readers search bytes for quotes and line ends."""

from __future__ import annotations

import codecs
import io
from typing import Any, BinaryIO

_NO_ASCII = (
    "utf-16",
    "utf-32",
    "utf-7",
    "shift",
    "cp932",
    "gbk",
    "cp936",
    "gb18030",
    "big5",
    "cp950",
    "iso2022",
    "johab",
)


def keeps_ascii(encoding: str) -> bool:
    """Return whether a byte below 128 is always its ASCII character, so that quotes and line ends can be searched in bytes."""
    name = codecs.lookup(encoding).name.replace("_", "-")
    return not name.startswith(_NO_ASCII)


codecs.register_error("labelmill.broken", lambda error: ("\udcff", getattr(error, "end", 0)))


class Recoded(io.BufferedReader):
    """A stream in another encoding, recoded as UTF-8; what cannot be decoded becomes a byte that is no UTF-8."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        super().__init__(_Recoder(file, encoding))


class _Recoder(io.RawIOBase):
    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file, self._rest = file, b""
        self._decoder = codecs.getincrementaldecoder(encoding)("labelmill.broken")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            data = self._file.read(2**16)
            self._rest = self._decoder.decode(data, final=not data).encode("utf-8", "surrogateescape")
            if not data:
                break
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count

    def close(self) -> None:
        super().close()
        self._file.close()
