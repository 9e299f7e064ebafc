"""Reader of WARC files from web archives: HTML responses become articles, as do the texts of WET files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pipeline.collect.reading.items import InputItem, ReadOptions, Rows
from pipeline.collect.reading.whole import Html, in_order
from pipeline.core.types import BadRow, RawRow

_HTML = ("text/html", "application/xhtml+xml")
_CHUNK = re.compile(rb"(?:\r\n)?([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")


def read(item: InputItem, options: ReadOptions) -> Rows:
    """Yield one row per response and per conversion; the line is the record's number among all records of the file."""
    from pipeline.collect.html import extract

    extract.require(f"{item.label}: reading WARC", "warc", ("fastwarc", "trafilatura"))
    yield from in_order(_records(item, options), options)


def _records(item: InputItem, options: ReadOptions) -> Iterator[Html | RawRow | BadRow]:
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    number = 0
    # fastwarc decompresses these itself, record by record
    is_raw = item.name.lower().endswith((".gz", ".zst"))
    with item.raw() if is_raw else item.open() as file:
        try:
            for number, record in enumerate(ArchiveIterator(file, parse_http=True), 1):
                if record.record_type == WarcRecordType.response:
                    yield _response(record, item.label, number, options)
                elif record.record_type == WarcRecordType.conversion:
                    yield _conversion(record, item.label, number, options)
        except (OSError, EOFError, ValueError, RuntimeError) as error:
            yield BadRow(item.label, number + 1, "damaged_file", f"the rest cannot be read ({str(error)[:150]})")
            return
    if not number:
        yield BadRow(item.label, 1, "damaged_file", "not readable as WARC")


def _response(record: Any, label: str, number: int, options: ReadOptions) -> Html | BadRow:
    headers = record.http_headers
    status = headers.status_code if headers is not None else None
    if status != 200:
        return BadRow(label, number, "http_status", f"{status}")
    kind = record.http_content_type or record.headers.get("WARC-Identified-Payload-Type") or _HTML[0]
    if kind.lower() not in _HTML:
        return BadRow(label, number, "not_html", f"{kind}"[:100])
    data = _content(record, label, number, options)
    if isinstance(data, BadRow):
        return data
    data = _without_codings(data, headers, options.max_row_bytes)
    if len(data) > options.max_row_bytes:
        return _too_large(label, number, options)
    return Html(label, number, data, record.headers.get("WARC-Target-URI"), record.http_charset)


def _conversion(record: Any, label: str, number: int, options: ReadOptions) -> RawRow | BadRow:
    data = _content(record, label, number, options)
    if isinstance(data, BadRow):
        return data
    try:
        return RawRow(label, number, {"text": data.decode(), "url": record.headers.get("WARC-Target-URI")})
    except UnicodeDecodeError as error:
        return BadRow(label, number, "wrong_encoding", f"not utf-8: byte {error.start}")


def _content(record: Any, label: str, number: int, options: ReadOptions) -> bytes | BadRow:
    size = record.content_length
    data: bytes = record.reader.read(options.max_row_bytes + 1)
    if len(data) > options.max_row_bytes:
        return _too_large(label, number, options)
    return data if len(data) >= size else BadRow(label, number, "damaged_file", "the file ends within the record")


def _too_large(label: str, number: int, options: ReadOptions) -> BadRow:
    return BadRow(label, number, "row_too_large", f"max_row_bytes is {options.max_row_bytes}")


def _without_codings(data: bytes, headers: Any, max_bytes: int) -> bytes:
    """Return a body with its codings undone.  Common Crawl stores it decoded and says so; where others did and kept the header,
    the body stays as it is."""
    from pipeline.collect.compression import Undecodable, decode

    if "chunked" in (headers.get("Transfer-Encoding") or "").lower():
        data = _in_one_piece(data)
    try:
        return decode(headers.get("Content-Encoding") or "", data, max_bytes)
    except Undecodable:
        return data


def _in_one_piece(data: bytes) -> bytes:
    """Return a chunked body without the sizes of its chunks, or as it is where it has none."""
    pieces, position = [], 0
    while (match := _CHUNK.match(data, position)) and (size := int(match[1], 16)):
        position = match.end() + size
        pieces.append(data[match.end() : position])
    return b"".join(pieces) or data
