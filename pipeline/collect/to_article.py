"""Mapping of a source's row to an article: columns mapped, title and body joined and in NFC, an id made where there is none."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any
from unicodedata import normalize

from pipeline.collect.charsets import mojibake
from pipeline.collect.fields import ABSENT, value_of
from pipeline.core.text.folding import begins_with, fold_space
from pipeline.core.types import ARTICLE_COLUMNS, Article, BadRow, GivenText, RawRow
from pipeline.job.config import SourceOptions

_NO_TEXT = {"none", "null", "nan"}
_LONGEST_NO_TEXT = max(map(len, _NO_TEXT))
# What Excel shows of a formula without a result, in its own files and in CSV that it wrote.
_EXCEL_ERRORS = {
    "#N/A",
    "#VALUE!",
    "#REF!",
    "#DIV/0!",
    "#NUM!",
    "#NAME?",
    "#NULL!",
    "#SPILL!",
    "#CALC!",
    "#GETTING_DATA",
}
_SHEET_KEY = re.compile(r"text-[0-9a-f]{64}")
_MOST_NULLS = 0.2  # of the characters
_NO_SCALAR = (bool, list, dict, bytes)


def to_article(raw: RawRow, options: SourceOptions) -> Article | BadRow:
    """Map a source's columns to an article, or return a BadRow with the reason.

    Title and body are joined with runs of white space folded, and brought to NFC (decomposed Hangul costs 8 times the tokens).
    Nothing is taken from the text but NULs and a title that stands at its head already.  Without an id the address makes one,
    without both the content does.
    """
    values = {name: value_of(raw.fields, column) for name, column in _columns(options).items()}
    fields = {name: None if value is ABSENT else value for name, value in values.items()}
    reason, detail = _of_a_sheet(raw) or _no_body(values["text"], raw, options)
    given_id = _scalar(fields["id"])
    if reason is None and isinstance(fields["id"], _NO_SCALAR):
        reason, detail = "bad_id", f"an id is text or a number, found {type(fields['id']).__name__}"
    if reason is None and not _encodable(fields):
        reason, detail = "wrong_encoding", "a lone surrogate: half of a character"
    if reason is None and (misread := _misread(str(fields["text"]))):
        reason, detail = misread
    if reason is not None:
        return BadRow(raw.source, raw.line, reason, detail, given_id if _encodable({"id": given_id}) else None)
    url, given_title = _scalar(fields["url"]), fold_space(_scalar(fields["title"]) or "") or None
    given = fold_space(f"{given_title or ''} {fields['text']}")
    digest = sha256(given.encode()).hexdigest()
    made_id = f"url-{sha256(url.encode()).hexdigest()[:16]}" if url else f"text-{digest[:16]}"
    title, text, notes = _mended(given_title, given)
    return Article(
        id=given_id or made_id,  # of the text as it was given: an article of before keeps its id
        title=title,
        text=text,
        text_sha256=digest if text == given else sha256(text.encode()).hexdigest(),
        url=url,
        published_at=_scalar(fields["published_at"]),
        language=_scalar(fields["language"]),
        source=raw.source,
        line=raw.line,
        licence=options.licence,
        notes=(*raw.notes, *notes),
        given=None if text == given else GivenText(digest, given_title, given),
    )


def _mended(title: str | None, text: str) -> tuple[str | None, str, list[str]]:
    """Return title and text (with the title) in NFC, without NULs, the title once at its head; and what was done, as notes."""
    notes = []
    if nulls := text.count("\0"):
        title, text = title and fold_space(title.replace("\0", "")), fold_space(text.replace("\0", ""))
        notes.append(f"removed {nulls} NUL characters")
    if (nfc := normalize("NFC", text)) != text:
        title, text = title and normalize("NFC", title), nfc
        notes.append("normalised to NFC")
    if title and begins_with(body := text.removeprefix(title).lstrip(), title):
        text = body
        notes.append(f"removed title: {title}")
    return title or None, text, notes


def _misread(text: str) -> tuple[str, str] | None:
    """Return the reason and the detail of a text that was decoded wrongly before it came here, else None."""
    if text.count("\0") > _MOST_NULLS * len(text):
        return "wrong_encoding", "NUL characters between the letters: it is UTF-16 that was read as something else"
    name = mojibake(text)
    return ("mojibake", f"{name} that was decoded as Latin letters before it came here") if name else None


def _columns(options: SourceOptions) -> dict[str, str]:
    """Return our names of columns -> the source's."""
    return {name: options.columns.get(name, name) for name in ARTICLE_COLUMNS}


def _of_a_sheet(raw: RawRow) -> tuple[str, str] | None:
    """Return the reason and the detail of a row of a review sheet that lies among the articles: it is one of them once more."""
    key = raw.fields.get("row_key")
    if isinstance(key, str) and _SHEET_KEY.fullmatch(key.strip()) and "verdict" in raw.fields:
        return "review_sheet", "a row of a sheet that labelmill review --export wrote; keep sheets out of the source"
    return None


def _no_body(text: Any, raw: RawRow, options: SourceOptions) -> tuple[str | None, str]:
    column = options.columns.get("text", "text")
    if text is None:
        return "missing_text", f"{column!r} is null"
    if text is ABSENT:
        return "missing_text", f"no {column!r}; the row has: {', '.join(map(str, list(raw.fields)[:12]))}"[:200]
    if not isinstance(text, str):
        return "text_not_text", f"found {type(text).__name__}"
    folded = text.strip()
    if not folded:
        return "empty_text", ""
    if (len(folded) <= _LONGEST_NO_TEXT and folded.lower() in _NO_TEXT) or folded in _EXCEL_ERRORS:
        return "none_text", f"the text is {folded!r}"
    return None, ""


def _scalar(value: Any) -> str | None:
    """Return an id, URL or date as text; None for what is empty or no scalar."""
    if value is None or isinstance(value, _NO_SCALAR):
        return None
    if isinstance(value, float) and (value != value or value.is_integer()):
        # pandas makes 7.0 of an integer id beside a null
        return str(int(value)) if value == value else None
    text = (value.isoformat() if hasattr(value, "isoformat") else str(value)).strip()
    return None if text in _EXCEL_ERRORS else text or None


def _encodable(fields: dict[str, Any]) -> bool:
    try:
        for value in fields.values():
            if isinstance(value, str):
                value.encode()
    except UnicodeEncodeError:
        return False
    return True
