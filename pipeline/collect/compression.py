"""Bounded decoders of compressed bytes (gzip, deflate, br, zstd), which decode never much further than asked for.

br needs the package `brotli` 1.2 or later, for older ones cannot stop half-way; without it br is not accepted.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any, Protocol

MAX_STREAMS = 100  # streams in one body; a body of many tiny ones only costs time
PIECE = 2**18  # bytes of text at a time, or a little more
ZSTD_WINDOW = 8 * 2**20  # bytes; what RFC 9659 lets a server use
ZSTD_SLICE = 64  # bytes of a body; 4 of them may be 128 KB of text, and zstandard cannot stop inside a slice
NO_CODING = ("", "identity", "none", "utf-8", "binary")  # the last three are no codings, but servers send them


class Undecodable(ValueError):
    """A body that is not in the coding it claims or is cut off, or an unknown coding."""


class ContentDecoder(Protocol):
    """A decoder of one body, fed piece by piece."""

    def feed(self, data: bytes, max_bytes: int) -> Iterator[bytes]:
        """Yield what `data` decodes to, in pieces; after more than `max_bytes` bytes it is too much, feed no more.  Raises
        Undecodable."""

    def finish(self) -> None:
        """End the body.  Raises Undecodable where its end is missing."""


class _Stream(Protocol):
    """The interface that zlib's and our zstd decompressor share."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


@cache
def codings() -> str:
    """Return the codings that can be decoded here, as Accept-Encoding lists them."""
    return "gzip, deflate, br, zstd" if _brotli() else "gzip, deflate, zstd"


def decoder(coding: str) -> ContentDecoder | None:
    """Return a decoder for a Content-Encoding; None where there is nothing to decode.  Raises Undecodable for an unknown one."""
    coding = coding.strip().lower()
    if coding in NO_CODING:
        return None
    if coding in ("gzip", "x-gzip"):
        return _Concatenated(lambda _: zlib.decompressobj(16 + zlib.MAX_WBITS))
    if coding == "deflate":
        return _Concatenated(_inflate)
    if coding == "zstd":
        return _Concatenated(lambda _: ZstdFrame(ZSTD_WINDOW, ZSTD_SLICE))
    if coding == "br" and _brotli():
        return _Brotli()
    raise Undecodable(f"content encoding {coding[:40]!r}")


def decode(coding: str, data: bytes, max_bytes: int) -> bytes:
    """Decode all of `data`, but not much more than `max_bytes` bytes: a longer result is cut.  Raises Undecodable."""
    body_decoder = decoder(coding)
    if body_decoder is None:
        return data
    text = b"".join(body_decoder.feed(data, max_bytes))
    if len(text) <= max_bytes:
        body_decoder.finish()
    return text


class _Concatenated:
    """Decoder of one stream or several, as gzip and zstd allow; rubbish behind the last is ignored, as browsers do."""

    def __init__(self, start: Callable[[bytes], _Stream]) -> None:
        self._start = start
        self._stream: _Stream | None = None
        self._members = 0
        self._wrote = False  # whether the current member gave any text
        self._over = False

    def feed(self, data: bytes, max_bytes: int) -> Iterator[bytes]:
        size, has_more = 0, bool(data)
        while has_more and not self._over and size <= max_bytes:
            limit = min(PIECE, max_bytes - size + 1)
            piece, data = self._step(data, limit)
            yield piece
            size += len(piece)
            # A full piece may have more behind it, although all of the data is taken in.
            has_more = bool(data) or (len(piece) >= limit and self._stream is not None and not self._stream.eof)

    def _step(self, data: bytes, max_bytes: int) -> tuple[bytes, bytes]:
        """Return (text, the part of `data` that is not consumed yet)."""
        if self._stream is None or self._stream.eof:
            self._stream, self._wrote = self._start(data), False
            self._members += 1
            if self._members > MAX_STREAMS:
                raise Undecodable(f"more than {MAX_STREAMS} compressed streams in one body")
        try:
            piece = self._stream.decompress(data, max_bytes)
        except (zlib.error, Undecodable) as error:
            if self._members > 1 and not self._wrote:
                self._over = True
                return b"", b""
            raise Undecodable(str(error)) from error
        self._wrote = self._wrote or bool(piece)
        return piece, self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail

    def finish(self) -> None:
        unfinished = self._stream is not None and not self._stream.eof and not self._over
        if unfinished and (self._wrote or self._members == 1):
            raise Undecodable("the compressed body is cut off")


def _inflate(data: bytes) -> _Stream:
    """Return a decompressor for "deflate", which means zlib's format; some servers send the bare stream."""
    return zlib.decompressobj(zlib.MAX_WBITS if data[0] & 15 == 8 else -zlib.MAX_WBITS)


class ZstdFrame:
    """A zstd frame with zlib's interface; `max_window` (0: any) and `slice_size`, at which it can stop, are bytes."""

    def __init__(self, max_window: int, slice_size: int) -> None:
        import zstandard

        self._frame = zstandard.ZstdDecompressor(max_window_size=max_window).decompressobj()
        self._error, self._slice = zstandard.ZstdError, slice_size
        self.eof, self.unused_data, self.unconsumed_tail = False, b"", b""

    def decompress(self, data: bytes, max_bytes: int, /) -> bytes:
        pieces, size, start = [], 0, 0
        for start in range(0, len(data), self._slice):
            try:
                pieces.append(self._frame.decompress(data[start : start + self._slice]))
            except self._error as error:
                raise Undecodable(str(error)) from error
            size += len(pieces[-1])
            if self._frame.eof or size >= max_bytes:
                break
        self.unconsumed_tail = data[start + self._slice :]
        if self._frame.eof:
            self.eof, self.unused_data = True, self._frame.unused_data + self.unconsumed_tail
        return b"".join(pieces)


class _Brotli:
    """Decoder of br, which is one stream."""

    def __init__(self) -> None:
        self._stream = _brotli().Decompressor()
        self._fed = False

    def feed(self, data: bytes, max_bytes: int) -> Iterator[bytes]:
        if self._stream.is_finished():
            return
        self._fed = True
        size = 0
        while size <= max_bytes and (data or not self._stream.can_accept_more_data()):
            try:
                piece = self._stream.process(data, output_buffer_limit=min(PIECE, max_bytes + 1 - size))
            except _brotli().error as error:
                raise Undecodable(str(error)) from error
            yield piece
            size, data = size + len(piece), b""

    def finish(self) -> None:
        if self._fed and not self._stream.is_finished():
            raise Undecodable("the compressed body is cut off")


@cache
def _brotli() -> Any:
    """Return the package `brotli`, or None where it is missing or too old."""
    try:
        module = import_module("brotli")
    except ImportError:
        return None
    return module if hasattr(getattr(module, "Decompressor", None), "can_accept_more_data") else None
