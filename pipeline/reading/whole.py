"""Files of one article each: plain text, HTML."""

from __future__ import annotations

from typing import Any

from pipeline.errors import MissingExtra
from pipeline.reading.items import DAMAGE, How, Item, Rows, wrong_encoding
from pipeline.records import BadRow, RawRow


def read_text(item: Item, how: How) -> Rows:
    """The file is the text."""
    data = _content(item, how)
    if isinstance(data, BadRow):
        yield data
        return
    encoding = item.encoding(how)
    try:
        yield RawRow(item.label, 1, {"text": data.decode(encoding)})
    except UnicodeDecodeError as error:
        yield BadRow(item.label, 1, "wrong_encoding", wrong_encoding(encoding, error.start))


def read_html(item: Item, how: How) -> Rows:
    """Title, body, date and canonical address by trafilatura, which finds the encoding itself."""
    need_trafilatura(item.label, "html")
    data = _content(item, how)
    yield data if isinstance(data, BadRow) else page(data, item.label, 1)


def need_trafilatura(label: str, extra: str) -> None:
    """Raises MissingExtra before the first page, not at it."""
    try:
        import trafilatura  # noqa: F401
    except ImportError as error:
        raise MissingExtra(f"{label}: reading HTML", extra) from error


def page(data: bytes, label: str, line: int, url: str | None = None) -> RawRow | BadRow:
    """An HTML page as an article; `url` is where it was fetched."""
    import trafilatura

    try:
        found: Any = trafilatura.bare_extraction(data, url=url, fast=True, with_metadata=True, include_comments=False)
    except Exception as error:  # a page can break any parser below it; it must cost only itself
        return BadRow(label, line, "not_extractable", f"{type(error).__name__}: {error}"[:200])
    if found is None or not found.text:
        return BadRow(label, line, "not_extractable", "no article body found in the page")
    fields = {"title": found.title, "text": found.text, "url": url or found.url, "published_at": found.date}
    return RawRow(label, line, {**fields, "language": found.language})


def _content(item: Item, how: How) -> bytes | BadRow:
    try:
        with item.open() as file:
            data = file.read(how.max_row_bytes + 1)
    except DAMAGE as error:
        return BadRow(item.label, 1, "damaged_file", f"cannot be read ({error})")
    if len(data) > how.max_row_bytes:
        return BadRow(item.label, 1, "row_too_large", f"max_row_bytes is {how.max_row_bytes}")
    return data
