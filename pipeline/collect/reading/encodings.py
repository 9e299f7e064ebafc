"""Encoding of a file, guessed from its bytes: UTF-8, UTF-16, CP949 (Korean Windows) or Latin-1 (as Windows has it)."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable
from typing import Any, BinaryIO

SAMPLE_BYTES, MAX_ASCII_BYTES = (
    2**18,
    2**26,
)  # that are judged, and in which the first one that is not ASCII is searched
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_FEW_BROKEN = 0.02  # of the characters that are not ASCII
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


def guess(read_more: Callable[[int], bytes]) -> str:
    """Return the encoding of a stream by its first bytes that are not ASCII; a stream without any is UTF-8."""
    sample, read = read_more(SAMPLE_BYTES), 0
    if marked := _by_marks(sample):
        return marked
    while sample.isascii() and read < MAX_ASCII_BYTES:
        read += len(sample)
        if not (sample := read_more(SAMPLE_BYTES)):
            return "utf-8"
    return _by_letters(sample)


def _by_marks(sample: bytes) -> str | None:
    """Return the encoding that a byte order mark or the zeros of ASCII letters in UTF-16 show, or None."""
    for mark, encoding in _BOMS:
        if sample.startswith(mark):
            return encoding
    even, odd = sample[:4096:2].count(0), sample[1:4096:2].count(0)
    half = max(len(sample[:4096]) // 2, 1)
    if max(even, odd) > 0.05 * half and min(even, odd) < 0.2 * max(even, odd):
        return "utf-16-le" if odd > even else "utf-16-be"
    return None


def _by_letters(sample: bytes) -> str:
    """Return the encoding in which the letters beyond ASCII make sense.

    A few broken characters do not make another encoding of a file: they cost their own rows only.
    """
    first = next((n for n, byte in enumerate(sample) if byte > 127), 0)
    sample = sample[max(first - 1, 0) :]
    utf8, korean = _letters(sample, "utf-8"), _letters(sample, "cp949")
    if _broken(utf8) <= _FEW_BROKEN:
        return "utf-8"
    hangul = sum("가" <= c <= "힣" for c in korean)
    if _broken(korean) <= _FEW_BROKEN and hangul >= 0.5 * len(korean):
        return "cp949"
    if _in_words(sample):  # not Latin letters, so several encodings in one file: that of most of it
        return "utf-8" if _broken(utf8) <= _broken(korean) else "cp949"
    return "cp1252"


def _letters(sample: bytes, encoding: str) -> str:
    """Return the decoded characters that are not ASCII, without one that is cut at the end."""
    text = codecs.getincrementaldecoder(encoding)("replace").decode(sample)
    return "".join(c for c in text if c > "\x7f")


def _broken(letters: str) -> float:
    return letters.count("\ufffd") / max(len(letters), 1)


def _in_words(sample: bytes) -> bool:
    """Return whether most bytes beyond ASCII stand together, as they do not in words of Latin letters."""
    runs = re.findall(rb"[\x80-\xff]{4,}", sample)
    return sum(map(len, runs)) > 0.5 * sum(byte > 127 for byte in sample)


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
