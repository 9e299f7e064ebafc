"""The records of an XML file from anywhere: a feed's items, a sitemap's URLs.

The parser hands over tags as they come and no tree is built, so memory does not grow with the file.  Comments, processing
instructions and the document type are taken away before the parser sees them: entities, external files and bombs made of them are
nothing but text.  What is broken gives what can be read of it; nothing here raises on bytes.
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

from pipeline.collect.html import charsets
from pipeline.collect.urls import normal

MOST_BYTES = 50 * 2**20  # of a file, unpacked; what is beyond is not read
_CHUNK = 2**16
_LONGEST_TAIL = 2**20  # characters without an end of tag or line: nothing that is looked for here
_MOST_TEXT = 4_000  # characters of a field
_DEEPEST = 1_000  # tags in each other
_MOST_ALIKE = 20  # fields of one name in a record

_BOUNDS = re.compile(r"(<!--|-->|<!\[CDATA\[|\]\]>|<\?|\?>)")
_ENDS = {"<!--": "-->", "<![CDATA[": "]]>", "<?": "?>"}
_DOCTYPE = re.compile(r"<!DOCTYPE[^<>\[]*(?:\[[^\]]*\]\s*)?>", re.IGNORECASE)
_DECLARATION = re.compile(r"<!(?:DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)
_AMPERSAND = re.compile(r"&(?!#\d{1,7};|#x[0-9a-f]{1,6};)(?:([a-z]\w{1,30});)?", re.IGNORECASE)
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"


@dataclass(slots=True)
class XmlField:
    """An element of a record: its attributes, its text, and the address that its own are relative to."""

    own: bool  # of the record's namespace
    attributes: Mapping[str, str]
    base: str
    parts: list[str] = field(default_factory=list)
    size: int = 0

    @property
    def text(self) -> str:
        return "".join(self.parts).strip()


@dataclass(slots=True)
class XmlRecord:
    """One element of a wanted name and what it holds, by local name in lower case."""

    name: str
    space: str
    attributes: Mapping[str, str]
    base: str
    fields: dict[str, list[XmlField]] = field(default_factory=dict)

    def all(self, name: str) -> list[XmlField]:
        """The fields of a name, those of the record's own namespace first."""
        matches = self.fields.get(name, [])
        return sorted(matches, key=lambda each: not each.own) if len(matches) > 1 else matches

    def text(self, *names: str) -> str | None:
        """The text of the first of these fields that has any."""
        return next((each.text for name in names if name in self.fields for each in self.all(name) if each.text), None)


def records(body: bytes, url: str, wanted: Collection[str], fields: Collection[str], most: int) -> list[XmlRecord]:
    """The first `most` elements named as wanted, with these fields (local names, in lower case, whatever the namespace)."""
    from lxml import etree

    reader = _RecordCollector(url, wanted, fields, most)
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
        parser.feed(b"<_>")  # all is inside an element: a document type has no place there, and several roots have one
        for piece in _harmless(pieces(body, ">")):
            parser.feed(piece)
            if reader.is_done:
                break
        parser.close()
    return reader.close()


class _RecordCollector:
    """What lxml tells of the tags, kept as records."""

    # What has titles, dates and links of its own.
    _OTHERS = frozenset(("image", "video", "source", "author", "contributor", "group", "content", "thumbnail"))

    def __init__(self, url: str, wanted: Collection[str], fields: Collection[str], most: int) -> None:
        self._wanted, self._fields, self._most = wanted, fields, most
        self._records: list[XmlRecord] = []
        self._bases = [(0, url)]
        self._depth = 0
        self._record: XmlRecord | None = None
        self._field: XmlField | None = None
        self._record_depth = self._field_depth = self._other_depth = 0

    @property
    def is_done(self) -> bool:
        """Enough was found, or this is a tower of tags."""
        return len(self._records) >= self._most or self._depth > _DEEPEST

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if _XML_BASE in attributes:
            base = self._bases[-1][1]
            self._bases.append((self._depth, normal(attributes[_XML_BASE], base) or base))
        space, name = _names(tag)
        if name in self._wanted and (self._record is None or self._record.name == name):
            self._end_record()  # the one before was never closed
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
            if len(alike) < _MOST_ALIKE:
                alike.append(self._field)

    def data(self, text: str) -> None:
        field = self._field
        if field is not None and not self._other_depth and field.size < _MOST_TEXT:
            field.parts.append(text[: _MOST_TEXT - field.size])
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

    def close(self) -> list[XmlRecord]:
        self._end_record()
        return self._records

    def _end_record(self) -> None:
        if self._record is not None and len(self._records) < self._most:
            self._records.append(self._record)
        self._record = self._field = None
        self._record_depth = self._field_depth = self._other_depth = 0


@lru_cache(maxsize=1024)
def _names(tag: str) -> tuple[str, str]:
    """Namespace and local name in lower case; a prefix that nobody declared counts as a namespace."""
    space, _, name = tag.rpartition("}") if tag.startswith("{") else tag.rpartition(":")
    return space, name.lower()


# --- from bytes to text that is safe to parse ---


def pieces(body: bytes, mark: str) -> Iterator[str]:
    """The file as text, unpacked where it is gzip, in pieces that end behind a `mark` (the last one may not)."""
    chunks = _unpacked(body)
    head = next(chunks, b"")
    cut = head[: max(head.rfind(b">"), head.rfind(b"\n")) + 1] or head  # not in the middle of a character
    decoder = codecs.getincrementaldecoder(charsets.decode(cut, None)[1])("replace")
    rest = decoder.decode(head).removeprefix("\ufeff")
    for piece in chunks:
        end = rest.rfind(mark) + 1
        yield rest[:end]
        rest = rest[end:] + decoder.decode(piece)
        if len(rest) > _LONGEST_TAIL + _CHUNK:
            return
    yield rest + decoder.decode(b"", True)


def _unpacked(body: bytes) -> Iterator[bytes]:
    """At most MOST_BYTES, in pieces; a broken archive gives what comes before the fault."""
    if body[:2] != b"\x1f\x8b":
        yield from (body[at : at + _CHUNK] for at in range(0, min(len(body), MOST_BYTES), _CHUNK))
        return
    given_bytes = 0
    with suppress(OSError, EOFError, zlib.error), gzip.GzipFile(fileobj=BytesIO(body)) as file:
        while given_bytes < MOST_BYTES and (piece := file.read1(_CHUNK)):
            given_bytes += len(piece)
            yield piece


def _harmless(texts: Iterator[str]) -> Iterator[bytes]:
    """UTF-8 without comments, instructions and document types, with stray ampersands mended.  Ends at a DTD it cannot remove."""
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
    return _AMPERSAND.sub(_ampersand, text) if "&" in text else text


def _ampersand(match: re.Match[str]) -> str:
    """Entities of XML and HTML as characters, markup by number, any other `&` as itself.

    By number, for libxml2 drops `&amp;` and its like from a document once it met an error.
    """
    characters = html5.get(f"{match[1]};") if match[1] else None
    if characters is None:
        return f"&#38;{match[0][1:]}"
    return "".join(f"&#{ord(each)};" for each in characters) if characters[0] in "<>&\"'" else characters
