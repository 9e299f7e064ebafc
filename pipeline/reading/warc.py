"""WARC files as web archives ship them: HTML responses become articles, as do the texts of WET files."""

from __future__ import annotations

from typing import Any

from pipeline.errors import MissingExtra
from pipeline.reading.items import How, Item, Rows
from pipeline.reading.whole import need_trafilatura, page
from pipeline.records import BadRow, RawRow

_HTML = ("text/html", "application/xhtml+xml")


def read(item: Item, how: How) -> Rows:
    """A row for each response and each conversion; the line is the record's number in the file, of whatever type."""
    try:
        from fastwarc.warc import ArchiveIterator, WarcRecordType
    except ImportError as error:
        raise MissingExtra(f"{item.label}: reading WARC", "warc") from error
    need_trafilatura(item.label, "warc")
    number, row = 0, None
    with item.raw() as file:  # it decompresses by itself
        try:
            for record in ArchiveIterator(file, parse_http=True):
                number += 1
                if record.record_type == WarcRecordType.response:
                    row = _response(record, item.label, number, how)
                elif record.record_type == WarcRecordType.conversion:
                    row = _conversion(record, item.label, number, how)
                else:
                    continue
                yield row
        except (OSError, EOFError, ValueError, RuntimeError) as error:
            yield BadRow(item.label, number + 1, "damaged_file", f"the rest cannot be read ({str(error)[:150]})")
            return
    if not number:
        yield BadRow(item.label, 1, "damaged_file", "not readable as WARC")


def _response(record: Any, label: str, number: int, how: How) -> RawRow | BadRow:
    headers = record.http_headers
    status = headers.status_code if headers is not None else None
    if status != 200:
        return BadRow(label, number, "http_status", f"{status}")
    if (kind := record.http_content_type) not in _HTML:
        return BadRow(label, number, "not_html", f"{kind}"[:100])
    data = record.reader.read(how.max_row_bytes + 1)
    if len(data) > how.max_row_bytes:
        return BadRow(label, number, "row_too_large", f"max_row_bytes is {how.max_row_bytes}")
    return page(data, label, number, record.headers.get("WARC-Target-URI"))


def _conversion(record: Any, label: str, number: int, how: How) -> RawRow | BadRow:
    data = record.reader.read(how.max_row_bytes + 1)
    if len(data) > how.max_row_bytes:
        return BadRow(label, number, "row_too_large", f"max_row_bytes is {how.max_row_bytes}")
    try:
        return RawRow(label, number, {"text": data.decode(), "url": record.headers.get("WARC-Target-URI")})
    except UnicodeDecodeError as error:
        return BadRow(label, number, "wrong_encoding", f"not utf-8: byte {error.start}")
