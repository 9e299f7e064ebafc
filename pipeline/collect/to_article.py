"""Mapping of a source's row to an article: columns mapped, title and body joined and in NFC, an id made where there is none."""

from __future__ import annotations

from hashlib import sha256
from typing import Any
from unicodedata import normalize

from pipeline.collect.charsets import mojibake
from pipeline.core.text.folding import fold_space
from pipeline.core.types import ARTICLE_COLUMNS, Article, BadRow, GivenText, RawRow
from pipeline.job.config import SourceOptions

_NO_TEXT = {"none", "null", "nan"}
_NO_SCALAR = (bool, list, dict, bytes)


def to_article(raw: RawRow, options: SourceOptions) -> Article | BadRow:
    """Map a source's columns to an article, or return a BadRow with the reason.

    Title and body are joined with runs of white space folded, and brought to NFC (decomposed Hangul costs 8 times the tokens);
    nothing else is taken from the text.  Without an id the address makes one, without both the content does.
    """
    fields = {name: raw.fields.get(column) for name, column in _columns(options).items()}
    reason, detail = _no_body(fields["text"], raw, options)
    given_id = _scalar(fields["id"])
    if reason is None and isinstance(fields["id"], _NO_SCALAR):
        reason, detail = "bad_id", f"an id is text or a number, found {type(fields['id']).__name__}"
    if reason is None and not _encodable(fields):
        reason, detail = "wrong_encoding", "a lone surrogate: half of a character"
    if reason is None and (misread := mojibake(str(fields["text"]))) is not None:
        reason, detail = "mojibake", f"{misread} that was decoded as Latin letters before it came here"
    if reason is not None:
        return BadRow(raw.source, raw.line, reason, detail, given_id if _encodable({"id": given_id}) else None)
    title, url = _scalar(fields["title"]), _scalar(fields["url"])
    text = fold_space(f"{title or ''} {fields['text']}")
    title = fold_space(title) or None if title else None
    digest = sha256(text.encode()).hexdigest()
    made_id = f"url-{sha256(url.encode()).hexdigest()[:16]}" if url else f"text-{digest[:16]}"
    nfc = normalize("NFC", text)
    return Article(
        id=given_id or made_id,  # of the text as it was given: an article of before keeps its id
        title=normalize("NFC", title) if title else None,
        text=nfc,
        text_sha256=digest if nfc == text else sha256(nfc.encode()).hexdigest(),
        url=url,
        published_at=_scalar(fields["published_at"]),
        language=_scalar(fields["language"]),
        source=raw.source,
        line=raw.line,
        licence=options.licence,
        notes=raw.notes if nfc == text else (*raw.notes, "normalised to NFC"),
        given=None if nfc == text else GivenText(digest, title, text),
    )


def _columns(options: SourceOptions) -> dict[str, str]:
    """Return our names of columns -> the source's."""
    return {name: options.columns.get(name, name) for name in ARTICLE_COLUMNS}


def _no_body(text: Any, raw: RawRow, options: SourceOptions) -> tuple[str | None, str]:
    if text is None:
        column = options.columns.get("text", "text")
        if column in raw.fields:
            return "missing_text", f"{column!r} is null"
        return "missing_text", f"no {column!r}; the row has: {', '.join(map(str, list(raw.fields)[:12]))}"[:200]
    if not isinstance(text, str):
        return "text_not_text", f"found {type(text).__name__}"
    folded = text.strip()
    if not folded:
        return "empty_text", ""
    if folded.lower() in _NO_TEXT:
        return "none_text", f"the text is {folded!r}"
    return None, ""


def _scalar(value: Any) -> str | None:
    """Return an id, URL or date as text; None for what is empty or no scalar."""
    if value is None or isinstance(value, _NO_SCALAR):
        return None
    if isinstance(value, float) and (value != value or value.is_integer()):
        return str(int(value)) if value == value else None  # pandas makes 7.0 of an integer id beside a null
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return text.strip() or None


def _encodable(fields: dict[str, Any]) -> bool:
    try:
        for value in fields.values():
            if isinstance(value, str):
                value.encode()
    except UnicodeEncodeError:
        return False
    return True
