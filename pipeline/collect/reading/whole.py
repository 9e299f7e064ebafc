"""Readers of files with one article each: plain text, HTML."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.collect.reading.items import DAMAGE, InputItem, ReadOptions, Rows, wrong_encoding
from pipeline.core.types import BadRow, RawRow

if TYPE_CHECKING:
    from pipeline.collect.html.extract import Page


def read_text(item: InputItem, options: ReadOptions) -> Rows:
    """Yield the row of a plain text file."""
    data = _content(item, options)
    if isinstance(data, BadRow):
        yield data
        return
    encoding = item.encoding(options)
    try:
        yield RawRow(item.label, 1, {"text": data.decode(encoding)})
    except UnicodeDecodeError as error:
        yield BadRow(item.label, 1, "wrong_encoding", wrong_encoding(encoding, error.start))


def read_html(item: InputItem, options: ReadOptions) -> Rows:
    """Yield the row of an HTML file, in whatever encoding it is: title, body, date, canonical URL."""
    from pipeline.collect.html import extract

    extract.require(f"{item.label}: reading HTML", "html")
    data = _content(item, options)
    yield from in_order(iter([data if isinstance(data, BadRow) else Html(item.label, 1, data)]), options)


@dataclass(frozen=True)
class Html:
    """A page to extract; `url` is the one that it was fetched from."""

    label: str
    line: int
    body: bytes
    url: str | None = None
    charset: str | None = None


def in_order(rows: Iterator[Html | RawRow | BadRow], options: ReadOptions) -> Rows:
    """Yield rows in their order; pages become rows by `options.extract`, which may have several under way."""
    waiting: deque[RawRow | BadRow | None] = deque()  # None: a page

    def pages() -> Iterator[tuple[tuple[str, int, str | None], bytes, str, str | None]]:
        for row in rows:
            waiting.append(None if isinstance(row, Html) else row)
            if isinstance(row, Html):
                yield (row.label, row.line, row.url), row.body, row.url or "", row.charset

    for (label, line, url), page in options.extract(pages()):
        while (row := waiting.popleft()) is not None:
            yield row
        yield _article(page, label, line, url)
    yield from (row for row in waiting if row is not None)


def _article(page: Page, label: str, line: int, url: str | None) -> RawRow | BadRow:
    if page.reason is not None:
        return BadRow(label, line, page.reason, page.detail)
    published, zone = page.published()
    fields = {
        "title": page.title, "text": page.text, "url": url or page.canonical_url, "published_at": published,
        "language": page.language,
    }  # fmt: skip
    return RawRow(label, line, fields, (*zone, *page.notes()))


def _content(item: InputItem, options: ReadOptions) -> bytes | BadRow:
    try:
        with item.open() as file:
            data = file.read(options.max_row_bytes + 1)
    except DAMAGE as error:
        return BadRow(item.label, 1, "damaged_file", f"cannot be read ({error})")
    if len(data) > options.max_row_bytes:
        return BadRow(item.label, 1, "row_too_large", f"max_row_bytes is {options.max_row_bytes}")
    return data
