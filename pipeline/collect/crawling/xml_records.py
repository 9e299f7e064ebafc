"""Records of an untrusted XML file: a feed's items, a sitemap's URLs.

Tags are handled as they are parsed and no tree is built, so memory does not grow with the file.  Comments, processing
instructions and the document type are removed before parsing, so that entities, external files and bombs made of them are mere
text.  A broken file gives what can be read of it; nothing here raises on bytes.
"""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from html.entities import html5
from io import BytesIO

from pipeline.collect import charsets
from pipeline.collect.urls import normal

MAX_BYTES = 50 * 2**20  # of a file, decompressed; the rest is not read
_CHUNK = 2**16
_TAIL_BYTES = 4_000  # in which the end of the outermost element is looked for
_ROOT_END = re.compile(r"(?:</[\w:.-]+\s*>|<(?:urlset|sitemapindex|rss|feed)\b[^<>]*/>)[\s\0]*\Z", re.IGNORECASE)
_COMMENT = re.compile(r"<!--.*?-->|<\?.*?\?>", re.DOTALL)
_MAX_TAIL = 2**20  # characters without an end of tag or line: no feed or sitemap
_MAX_TEXT = 4_000  # characters of a field
_MAX_DEPTH = 1_000  # levels of nested tags
_MAX_ALIKE = 20  # fields of one name in a record

_BOUNDS = re.compile(r"(<!--|-->|<!\[CDATA\[|\]\]>|<\?|\?>)")
_ENDS = {"<!--": "-->", "<![CDATA[": "]]>", "<?": "?>"}
_DOCTYPE = re.compile(r"<!DOCTYPE[^<>\[]*(?:\[[^\]]*\]\s*)?>", re.IGNORECASE)
_DECLARATION = re.compile(r"<!(?:DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)
_AMPERSAND = re.compile(r"&(?!#\d{1,7};|#x[0-9a-f]{1,6};)(?:([a-z]\w{1,30});)?", re.IGNORECASE)
_REFERENCE = re.compile(r"&#(?:x([0-9a-f]{1,6})|(\d{1,7}));", re.IGNORECASE)
_REFERENCES = re.compile(r"(?:&#(?:x[0-9a-f]{1,6}|\d{1,7});)+", re.IGNORECASE)
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"


@dataclass(slots=True)
class XmlField:
    """An element of a record: its attributes, its text, and the base of its relative URLs."""

    own: bool  # in the record's namespace
    attributes: Mapping[str, str]
    base: str
    parts: list[str] = field(default_factory=list)
    size: int = 0

    @property
    def text(self) -> str:
        return "".join(self.parts).strip()


@dataclass(slots=True)
class XmlRecord:
    """An element with a wanted name and its fields, by local name in lower case."""

    name: str
    space: str
    attributes: Mapping[str, str]
    base: str
    fields: dict[str, list[XmlField]] = field(default_factory=dict)

    def all(self, name: str) -> list[XmlField]:
        """Return the fields of a name, those in the record's own namespace first."""
        matches = self.fields.get(name, [])
        return sorted(matches, key=lambda each: not each.own) if len(matches) > 1 else matches

    def text(self, *names: str) -> str | None:
        """Return the text of the first of these fields that has any, or None."""
        return next((each.text for name in names if name in self.fields for each in self.all(name) if each.text), None)


def records(
    body: bytes, url: str, wanted: Collection[str], fields: Collection[str], max_records: int
) -> list[XmlRecord]:
    """Return the first `max_records` elements with a wanted name, and these fields of them (local names in lower case)."""
    from lxml import etree

    reader = _RecordCollector(url, wanted, fields, max_records)
    parser = etree.XMLParser(
        target=reader,
        encoding="utf-8",
        recover=True,
        resolve_entities="internal",  # False would leave &amp; in attributes; there are no others
        no_network=True,
        load_dtd=False,
        huge_tree=False,
    )
    with suppress(etree.LxmlError, ValueError):
        parser.feed(b"<_>")  # inside an element a document type is an error, and several roots are allowed
        for piece in _harmless(pieces(body, ">")):
            parser.feed(piece)
            if reader.is_done:
                break
        else:
            reader.drop_unfinished_field()
        parser.close()
    return reader.close()


class _RecordCollector:
    """Target of lxml's parser that collects records from tags."""

    # Elements with titles, dates and links of their own, which are not the record's.
    _OTHERS = frozenset(("image", "video", "source", "author", "contributor", "group", "content", "thumbnail"))

    def __init__(self, url: str, wanted: Collection[str], fields: Collection[str], max_records: int) -> None:
        self._wanted, self._fields, self._max_records = wanted, fields, max_records
        self._records: list[XmlRecord] = []
        self._bases = [(0, url)]
        self._depth = 0
        self._record: XmlRecord | None = None
        self._field: XmlField | None = None
        self._record_depth = self._field_depth = self._other_depth = 0

    @property
    def is_done(self) -> bool:
        """Return whether there are enough records, or the tags are nested too deep."""
        return len(self._records) >= self._max_records or self._depth > _MAX_DEPTH

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if _XML_BASE in attributes:
            base = self._bases[-1][1]
            self._bases.append((self._depth, normal(attributes[_XML_BASE], base) or base))
        space, name = _names(tag)
        if name in self._wanted and (self._record is None or self._record.name == name):
            self._end_record()  # the previous record was never closed
            self._record = XmlRecord(name, space, dict(attributes), self._bases[-1][1])
            self._record_depth = self._depth
        elif self._record is None or self._other_depth:
            return
        elif name in self._OTHERS and name not in self._fields:
            self._other_depth = self._depth
        elif name in self._fields:
            self._field = XmlField(
                space == self._record.space, dict(attributes) if attributes else {}, self._bases[-1][1]
            )
            self._field_depth = self._depth
            alike = self._record.fields.setdefault(name, [])
            if len(alike) < _MAX_ALIKE:
                alike.append(self._field)

    def data(self, text: str) -> None:
        field = self._field
        if field is not None and not self._other_depth and field.size < _MAX_TEXT:
            field.parts.append(text[: _MAX_TEXT - field.size])
            field.size += len(text)

    def end(self, tag: str) -> None:
        if self._depth == self._other_depth:
            self._other_depth = 0
        if self._depth == self._field_depth:
            self._field, self._field_depth = None, 0
        if self._depth == self._record_depth:
            self._end_record()
        if self._bases[-1][0] == self._depth > 0:
            self._bases.pop()
        self._depth -= 1

    def drop_unfinished_field(self) -> None:
        """Drop the field within which the file ended: half of an address is another one."""
        if self._field is not None and self._record is not None:
            for fields in self._record.fields.values():
                if self._field in fields:
                    fields.remove(self._field)
            self._field = None

    def close(self) -> list[XmlRecord]:
        self._end_record()
        return self._records

    def _end_record(self) -> None:
        if self._record is not None and len(self._records) < self._max_records:
            self._records.append(self._record)
        self._record = self._field = None
        self._record_depth = self._field_depth = self._other_depth = 0


@lru_cache(maxsize=1024)
def _names(tag: str) -> tuple[str, str]:
    """Return namespace and local name in lower case; an undeclared prefix counts as a namespace."""
    space, _, name = tag.rpartition("}") if tag.startswith("{") else tag.rpartition(":")
    return space, name.lower()


# --- from bytes to text that is safe to parse ---


def pieces(body: bytes, mark: str) -> Iterator[str]:
    """Yield a file as text, decompressed where it is gzip, in pieces that end behind a `mark` (but the last one)."""
    chunks = _unpacked(body)
    head = next(chunks, b"")
    cut = head[: max(head.rfind(b">"), head.rfind(b"\n")) + 1] or head  # not in the middle of a character
    decoder = codecs.getincrementaldecoder(charsets.decode(cut, None)[1])("replace")
    rest = decoder.decode(head).removeprefix("\ufeff")
    for piece in chunks:
        end = rest.rfind(mark) + 1
        yield rest[:end]
        rest = rest[end:] + decoder.decode(piece)
        if len(rest) > _MAX_TAIL + _CHUNK:
            return
    yield rest + decoder.decode(b"", True)


def is_cut(body: bytes) -> bool:
    """Return whether a file ends before its outermost element does, is a broken gzip file, or is longer than what is read."""
    end, size = b"", 0
    for piece in _unpacked(body):
        end, size = (end + piece)[-_TAIL_BYTES:], size + len(piece)
    text = end.decode(charsets.decode(body[:_TAIL_BYTES], None)[1] if body[:2] != b"\x1f\x8b" else "utf-8", "replace")
    return size >= MAX_BYTES or not _ROOT_END.search(_COMMENT.sub("", text))


def _unpacked(body: bytes) -> Iterator[bytes]:
    """Yield at most MAX_BYTES, in pieces; a broken gzip file gives what comes before the fault."""
    if body[:2] != b"\x1f\x8b":
        yield from (body[at : at + _CHUNK] for at in range(0, min(len(body), MAX_BYTES), _CHUNK))
        return
    given_bytes = 0
    with suppress(OSError, EOFError, zlib.error), gzip.GzipFile(fileobj=BytesIO(body)) as file:
        while given_bytes < MAX_BYTES and (piece := file.read1(_CHUNK)):
            given_bytes += len(piece)
            yield piece


def _harmless(texts: Iterator[str]) -> Iterator[bytes]:
    """Yield UTF-8 without comments, instructions and document types, stray ampersands mended; ends at a DTD it cannot remove."""
    inside, begun = "", False
    for text in texts:
        kept: list[str] = []
        for part in _BOUNDS.split(text):
            if inside:
                if part == _ENDS[inside]:
                    kept += [part] if inside == "<![CDATA[" else []
                    inside = ""
                elif inside == "<![CDATA[":
                    kept.append(part)
            elif part in _ENDS:
                inside = part
                kept += [part] if part == "<![CDATA[" else []
            elif (mended := _mended(part)) is None:
                return
            else:
                kept.append(mended)
        whole = _NOT_XML.sub(" ", "".join(kept))
        if not begun:
            whole = whole[whole.find("<") :] if "<" in whole else ""
            begun = bool(whole)
        if whole:
            yield whole.encode("utf-8", "replace")


def _mended(text: str) -> str | None:
    if "<!" in text:
        text = _DOCTYPE.sub("", text)
        if _DECLARATION.search(text):
            return None
    if "&#" in text:
        text = _REFERENCES.sub(_references, text)
    return _AMPERSAND.sub(_ampersand, text) if "&" in text else text


def _references(match: re.Match[str]) -> str:
    """Replace references to halves of a character by the character, and those to none by U+FFFD: libxml2 stops at them."""
    numbers = [
        int(hexadecimal, 16) if hexadecimal else int(decimal) for hexadecimal, decimal in _REFERENCE.findall(match[0])
    ]
    if all(number in (9, 10, 13) or 32 <= number < 0xD800 or 0xDFFF < number < 0xFFFE for number in numbers):
        return match[0]
    text = "".join(chr(number) if number <= 0x10FFFF else "\ufffd" for number in numbers)
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(f"&#{ord(each)};" for each in _NOT_XML.sub("\ufffd", whole))


def _ampersand(match: re.Match[str]) -> str:
    """Replace an entity by its character, and markup and any other `&` by a character reference.

    By number, for libxml2 drops `&amp;` and its like from a document once it met an error.
    """
    characters = html5.get(f"{match[1]};") if match[1] else None
    if characters is None:
        return f"&#38;{match[0][1:]}"
    return "".join(f"&#{ord(each)};" for each in characters) if characters[0] in "<>&\"'" else characters
