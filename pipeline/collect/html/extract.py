"""Extraction of an article's fields from a page's bytes, by trafilatura.

`extract` never raises, but a page can take it minutes or bring the process down: pages of strangers go through `workers`.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import sha256
from importlib import import_module
from typing import Any, Literal

from pipeline.collect.charsets import decoded, encoding_of
from pipeline.collect.html import boilerplate, containers, no_article, promotions
from pipeline.collect.html.published import linked_data, published
from pipeline.collect.urls import normal
from pipeline.collect.zones import country_of, placed
from pipeline.core.errors import MissingExtra
from pipeline.core.text import language

VERSION = 3  # of what this module and `boilerplate` make of a page; a higher one means: extract again
MAX_BYTES = 10 * 2**20
MAX_TAGS = 100_000  # trafilatura takes a second for 20,000, and more than linear time
_KEPT_BY_PRECISION = 0.6

Mode = Literal["fast", "thorough"]
Reason = Literal["not_html", "no_article", "undecodable", "too_large", "too_slow", "out_of_memory", "crashed", "failed"]


@dataclass(frozen=True, slots=True)
class Page:
    """The fields of a page.  `reason` is None for an article, else why there is none, with a `detail`.

    `text`: paragraphs, one a line, without `removed` (rule, text). `published_at`: an ISO 8601 date, or a time with its date, which
    may lack a zone; `country` (code, by) tells that (`zones.placed`). `language`: ISO 639-1, of the text, else as declared.
    `encoding`: Python's name of the one that was used.
    """

    title: str | None = None
    text: str = ""
    author: str | None = None
    published_at: str | None = None
    language: str | None = None
    canonical_url: str | None = None
    encoding: str | None = None
    unread: int = 0  # characters that stand for bytes which are not of that encoding
    removed: tuple[tuple[str, str], ...] = ()
    country: dict[str, str] | None = None
    reason: Reason | None = None
    detail: str = ""

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Page:
        """Return the page of a JSON object, which has lists for tuples."""
        return cls(**{**fields, "removed": tuple((rule, text) for rule, text in fields["removed"])})

    def notes(self) -> tuple[str, ...]:
        """Return notes of a row on how it was made, for which there is no column."""
        notes = [f"removed {rule}: {what}" for rule, what in self.removed]
        notes += [f"encoding: {self.encoding}"] if self.encoding not in (None, "utf-8") else []
        notes += [f"undecodable: {self.unread} characters of the page are not {self.encoding}"] if self.unread else []
        return (*notes, f"author: {self.author}") if self.author else tuple(notes)

    def published(self, stated: str | None = None) -> tuple[str | None, tuple[str, ...]]:
        """Return when it was published, with a zone where one is known, and notes on that; `stated` elsewhere counts first."""
        at, note = placed(stated or self.published_at, self.country)
        return at, (note,) if note else ()


def extract(body: bytes, url: str, charset: str | None = None, mode: Mode = "fast") -> Page:
    """Extract the article of a page.  `charset` is the HTTP header's.  Raises MissingExtra, and nothing that a page could cause."""
    require()
    refusal = _refusal(body)
    if refusal is not None:
        return refusal
    try:
        return _extract(body, url, charset, mode)
    except MemoryError:
        return Page(reason="out_of_memory", detail=f"{len(body)} bytes")
    except Exception as error:  # a page can break any parser below; it must cost only itself
        return Page(reason="failed", detail=f"{type(error).__name__}: {error}"[:200])


def require(
    what: str = "extracting articles from pages", extra: str = "html", modules: Sequence[str] = ("trafilatura",)
) -> None:
    """Raise MissingExtra where a module is not installed; called before the first page, not at it."""
    try:
        for module in modules:
            import_module(module)
    except ImportError as error:
        raise MissingExtra(what, extra) from error


@lru_cache(maxsize=2)
def extractor_digest(mode: Mode = "fast") -> str:
    """Return a name of all that decides what `extract` makes of a page; where it differs, stored pages are extracted again."""
    from importlib.metadata import version

    return " ".join(
        (f"pages-{VERSION}-{mode}", *(f"{name}-{version(name)}" for name in ("trafilatura", "htmldate", "lxml")))
    )


def content_digest(text: str) -> str:
    """Return the hex SHA-256 of a text's letters and digits, equal for copies that differ in spaces, punctuation, case or width."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return sha256("".join(filter(str.isalnum, folded)).encode("utf-8", "surrogatepass")).hexdigest()


# --- what is refused unread ---

_BINARY = (
    b"%PDF-",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"PK\x03\x04",
    b"RIFF",
    b"\x1f\x8b",
    b"OggS",
    b"ID3",
    b"\x00\x00\x00\x18ftyp",
)
_TAG = re.compile(r"<\s?(?:!doctype|html|head|body|div|p|article|section|main|table|span|h1)\b", re.I)
_FEED = re.compile(
    r"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,2000}?-->\s*)?<(rss|feed|urlset|sitemapindex|rdf:RDF|svg)\b", re.S
)
_UNREADABLE = re.compile("[\ufffd\x01-\x08\x0e-\x1f\x80-\x9f]")


def _refusal(body: bytes) -> Page | None:
    if len(body) > MAX_BYTES:
        return Page(reason="too_large", detail=f"{len(body)} bytes; at most {MAX_BYTES}")
    if body.startswith(_BINARY):
        return Page(reason="not_html", detail=f"begins with {body[:8]!r}")
    if (tags := body.count(b"<")) > MAX_TAGS:
        return Page(reason="too_large", detail=f"{tags} tags; at most {MAX_TAGS}")
    return None


def _not_text(text: str, encoding: str) -> Page | None:
    if not text.strip("\0 \t\r\n"):
        return Page(encoding=encoding, reason="not_html", detail="empty")
    if len(_UNREADABLE.findall(text)) > 0.05 * len(text):
        return Page(encoding=encoding, reason="undecodable", detail=f"not {encoding}, nor any encoding that was tried")
    if (feed := _FEED.match(text[:4096])) is not None:
        return Page(encoding=encoding, reason="not_html", detail=f"a document of <{feed[1]}>")
    if not _TAG.search(text):
        return Page(encoding=encoding, reason="not_html", detail="no tags of HTML")
    return None


# --- extraction ---


def _extract(body: bytes, url: str, charset: str | None, mode: Mode) -> Page:
    from trafilatura import load_html

    encoding = encoding_of(body, charset)
    if encoding is None:
        return Page(reason="undecodable", detail="in no encoding that is known, nor in the one that it names")
    text = decoded(body, encoding)
    refusal = _not_text(text, encoding)
    if refusal is not None:
        return refusal
    tree = load_html(text.replace("\0", ""))
    if tree is None:
        return Page(encoding=encoding, reason="not_html", detail="no tree of HTML elements")
    canonical = _canonical(tree, url)
    promoted = promotions.take_out(tree)
    containers.join(tree)
    document = _article(tree, url, mode)
    if document is None or not (document.text or "").strip():
        return Page(encoding=encoding, reason="no_article", detail="no article body found in the page")
    lines, menus = no_article.without_menus(tree, _clean(document.text).split("\n"))
    paragraphs, removed = boilerplate.strip(lines, document.title)
    if (no_article_because := no_article.why_not(tree, document.title, paragraphs)) is not None:
        return Page(encoding=encoding, reason="no_article", detail=no_article_because)
    article_text = "\n".join(paragraphs)
    return Page(
        title=_clean(document.title) or None,
        text=article_text,
        author=_clean(document.author or _stated_author(tree, document.sitename)) or None,
        published_at=published(tree, url, document.date),
        country=asdict(country) if (country := country_of(tree, url)) else None,
        language=_detector()(article_text) or _declared_language(tree),
        canonical_url=canonical or _clean(document.url) or None,
        encoding=encoding,
        unread=max(0, text.count("\ufffd") - body.count(b"\xef\xbf\xbd")),
        removed=(*promoted, *menus, *removed),
    )


def _article(tree: Any, url: str, mode: Mode) -> Any:
    """Return trafilatura's document, or None.

    Thorough: readability and jusText are tried too, and the text that favours precision is taken unless it lost much.
    """
    from trafilatura import bare_extraction

    options: dict[str, Any] = {"url": url, "with_metadata": True, "include_comments": False}
    document: Any = bare_extraction(tree, fast=mode == "fast", **options)
    if document is None:
        return document
    if mode == "fast":
        if no_article.is_list(
            tree, (document.text or "").split("\n")
        ):  # its menu was taken for the body, or it has none
            slow: Any = bare_extraction(tree, **options)
            return (
                slow if slow is not None and not no_article.is_list(tree, (slow.text or "").split("\n")) else document
            )
        return document
    options["with_metadata"] = False
    precise: Any = bare_extraction(tree, favor_precision=True, **options)
    if precise is not None and len(precise.text or "") >= _KEPT_BY_PRECISION * len(document.text or ""):
        document.text = precise.text
    return document


def _clean(text: str | None) -> str:
    """Return a text without lone surrogates, which no file can hold."""
    return (text or "").encode("utf-8", "replace").decode().strip()


@lru_cache(maxsize=1)
def _detector() -> language.Detector:
    return language.detector("auto")


def _canonical(tree: Any, url: str) -> str | None:
    """Return the URL of `<link rel="canonical">`, or None; trafilatura does not take relative ones."""
    base = next((normal(each.get("href") or "", url) for each in tree.iter("base")), None)
    links = (link.get("href") for link in tree.iter("link") if "canonical" in (link.get("rel") or "").lower().split())
    return next((address for href in links if href and (address := normal(href, base or url))), None)


def _declared_language(tree: Any) -> str | None:
    code = str(tree.get("lang") or tree.get("xml:lang") or "").split("-")[0].split("_")[0].lower()
    return code if code in language.LANGUAGES else None


# --- the author ---

_JSON_AUTHOR = re.compile(r'"author"\s*:\s*\[?\s*\{[^{}]{0,300}?"name"\s*:\s*("[^"]{2,100}")')
_META_AUTHORS = ("author", "article:author", "dable:author", "byl", "parsely-author")
_NO_NAME = re.compile(r"[@/]|://|^\d+$")


def _stated_author(tree: Any, site: str | None) -> str | None:
    """Return the author whom the page states, or None; trafilatura rejects names of one word, as Korean ones are."""
    metas = (
        meta.get("content") for meta in tree.iter("meta") if (meta.get("name") or meta.get("property")) in _META_AUTHORS
    )
    for name in (*metas, *_json_authors(tree)):
        name = " ".join((name or "").split())
        if 2 <= len(name) <= 60 and not _NO_NAME.search(name) and name != site:
            return name
    return None


def _json_authors(tree: Any) -> Iterator[str]:
    for text in linked_data(tree):
        for quoted in _JSON_AUTHOR.findall(text):
            with suppress(ValueError):
                yield str(json.loads(quoted))
