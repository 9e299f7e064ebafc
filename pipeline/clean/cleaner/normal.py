"""Characters: the normal form that all other modules work on, and the foldings by which they compare loosely."""

from __future__ import annotations

import re
import unicodedata
from html import unescape

# Control, format, private-use and surrogate characters, variation selectors and the blank Hangul fillers.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160"
    "\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ud800-\uf8ff\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffc\ufffe\uffff\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U0010ffff]"
)
# a source that the model cites, between marks of private use
_CITED = re.compile("\ue200[^\ue200\ue201\n]{0,300}\ue201")
_KEYCAP = re.compile("(\\d)\ufe0f?\u20e3")  # 1️⃣ is a number with a box drawn around it
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,31}\d{0,2});")
_NESTED_AMPERSAND = re.compile(r"&(?:amp;)+")
_WIDTH = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uff9f]+")  # letters and digits, no punctuation
_HANGUL = re.compile("[가-힣]")
_EMPHASIS = re.compile(r"\*\*|__|``|~~|\\(?=[*_#\-\[\]`&.%$])")
_ESCAPED_BREAK = re.compile(r"\\[nrt]|\\(?=[\"'])")
_LIKE = {"'": "’‘ʼ´", '"': "“”„", "-": "–—‐‑−", "·": "ᆞ‧∙・"}
_TYPOGRAPHY = tuple((mark, plain) for plain, marks in _LIKE.items() for mark in marks)
_ODD = re.compile("[" + "".join(_LIKE.values()) + "]")
# Bytes as characters: Windows' Latin-1, its five gaps as Latin-1 has them; and those of byte-level vocabularies (GPT-2's), where
# what cannot be printed stands in order from U+0100 on, a space as `Ġ`.
_LATIN = {chr(byte): byte for byte in range(256)} | {
    bytes([byte]).decode("cp1252", "ignore"): byte for byte in range(0x80, 0xA0)
}
_PRINTED = frozenset((*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)))
_HIDDEN = [byte for byte in range(256) if byte not in _PRINTED]
_BYTE_LEVEL = (
    {chr(byte): byte for byte in _PRINTED} | {chr(0x100 + at): byte for at, byte in enumerate(_HIDDEN)} | {"\n": 10}
)
_ROUNDS = 4  # an entity may hide an entity; deeper nesting is nobody's reply


def normalise(text: str) -> str:
    """Return the text in NFC with entities decoded and invisible characters removed. White space stays as it is."""
    for _ in range(_ROUNDS):
        before = text
        if "&" in text:
            text = _ENTITY.sub(lambda match: unescape(match[0]), _NESTED_AMPERSAND.sub("&", text))
        if not text.isascii() or not text.isprintable():
            text = _INVISIBLE.sub("", _KEYCAP.sub(r"\1. ", _CITED.sub("", text)))
            text = text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)
        if text == before:
            break
    return text


def decode(text: str) -> str:
    """Return a text whose bytes were read as characters: `huÃ®tre` (UTF-8 as Latin-1) -> `huître`, `lightĠrail` -> `light rail`.

    Whatever is not such a text as a whole stays as it is: UTF-8 is strict, so hardly anything else can be read so.
    """
    if text.isascii():
        return text
    try:
        return bytes(map((_BYTE_LEVEL if "Ġ" in text else _LATIN).__getitem__, text)).decode()
    except (KeyError, UnicodeDecodeError):  # another character, or no UTF-8
        return text


def strip_emphasis(text: str) -> str:
    r"""Remove Markdown's bold, code and strike-through marks and escapes; `\n` written with a backslash is a line end."""
    if "\\" in text:
        text = _ESCAPED_BREAK.sub(lambda match: "\n" if len(match[0]) > 1 else "", text)
    return _EMPHASIS.sub("", text) if any(mark in text for mark in "*_`~\\") else text


def fold_width(text: str) -> str:
    """Write full-width letters and digits and half-width kana in their usual width: ＡＩ -> AI, ｻｯｶｰ -> サッカー."""
    return text if text.isascii() else _WIDTH.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)


def fold_loose(text: str) -> str:
    """Return what is left when white space, width, case and the shape of quotes and dashes are ignored."""
    if not text.isascii():
        if not unicodedata.is_normalized("NFKC", text):
            text = unicodedata.normalize("NFKC", text)
        text = fold_typography(text)
    return "".join(text.casefold().split())


def fold_typography(text: str) -> str:
    """Return the text with quotes, dashes and dots of one shape each."""
    if not text.isascii() and _ODD.search(text):
        # A dozen searches in C take a quarter of the time of one regular expression with a callback.
        for mark, plain in _TYPOGRAPHY:
            text = text.replace(mark, plain)
    return text


def has_hangul(text: str) -> bool:
    """Tell whether any character is a Hangul syllable."""
    return not text.isascii() and _HANGUL.search(text) is not None


def is_alphabetic(character: str) -> bool:
    """Tell whether this is a letter or digit of a script that puts spaces between its words (no Han, kana, Thai, Hangul)."""
    return character.isalnum() and (character < "\u0e00" or "\u1e00" <= character < "\u2000")
