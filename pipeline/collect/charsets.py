"""Encoding of a page or a file.

Labels are often wrong: servers declare ISO-8859-1 for everything, templates declare EUC-KR for UTF-8. So the bytes count first:
a byte order mark, the NULs of UTF-16, valid UTF-8, the most frequent characters of Korean, Japanese and Chinese (Japanese read as
CP949 is valid Hangul, so that validity alone proves nothing). Then the labels of a page count, the HTTP header's before its own,
then the encoding that most of the page is in: an advertisement in EUC-KR or an emoji of two surrogates does not make a UTF-8
page one of another encoding, and what does not fit becomes U+FFFD. Last comes a guess by charset-normalizer, which is not believed
where it makes Latin letters of words of another script: such a page has no encoding that is known. A file has no labels, but may be
mixed of several encodings: that of most of it is its own.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

_BOMS = (  # mark, encoding behind it, encoding with it
    (codecs.BOM_UTF8, "utf-8", "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32-le", "utf-32"),  # begins like UTF-16's: before it
    (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16"),
)
_ESCAPES = ((b"\x1b$B", "iso2022_jp"), (b"\x1b$@", "iso2022_jp"), (b"\x1b$)C", "iso2022_kr"))
_REPLACED = "\ufffd"
_LABEL = re.compile(
    rb"""<meta[^>]{0,300}?charset\s*=\s*["']?\s*([\w.:-]{2,40})|<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]{2,40})""",
    re.I,
)
_LABEL_BYTES = 8192  # browsers look at 1024; some pages have their comments first
_HIGH_RUN = re.compile(rb"[\x80-\xff][^<>\s]{0,200}")
_SAMPLE_BYTES = 40_000
_FILE_BYTES, _MAX_ASCII_BYTES = 2**18, 2**26  # of a file, that are judged, and in which what is not ASCII is searched
_FEW_BAD = 0.02  # of the characters beyond ASCII: an advertisement in another encoding, a page cut in a character
_MOST_MISFITS = 0.4  # of the bytes beyond ASCII of a page that is mixed
_WORDS_BEYOND = re.compile(rb"[\x80-\xff]{3,}")  # Russian, Greek, Arabic; in French or Czech such bytes stand alone
_LATIN = re.compile("[\u0080-\u024f]")
_BYTES_AS_LETTERS = re.compile("[\x80-\xffŒœŠšŸŽžƒˆ˜–—‘’‚“”„†‡•…‰‹›€™]{2,}")
# all bytes of UTF-8 but those that begin a character beyond ASCII, and but those that begin one of `_BYTES_AS_LETTERS`
_NO_BEGINNINGS = bytes(range(0xC0))
_NO_BYTES_AS_LETTERS = bytes(byte for byte in range(0x100) if byte not in b"\xc2\xc3\xc5\xc6\xcb\xe2")
_MOJIBAKE_CHARS = 4000  # of a text, that are looked at
_LEAST_MISREAD = 0.01  # letters that come out, of all characters: English whose quotes alone are broken can be read
_LEAST_FREQUENT = 0.15  # share of frequent characters; wrong encodings of real pages stay below 0.04

# The encoding that a label means in practice: the superset that browsers use.
_MEANT = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "tis-620": "cp874", "iso8859-11": "cp874",
    "euc_kr": "cp949", "johab": "cp949", "gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs", "cp950": "big5hkscs",
    "shift_jis": "cp932", "shift_jisx0213": "cp932", "shift_jis_2004": "cp932",
}  # fmt: skip
_OWN_NAMES = {
    "windows-949": "cp949", "ms949": "cp949", "x-windows-949": "cp949", "ks_c_5601": "cp949", "ks_c_5601-1989": "cp949",
    "ksc5601": "cp949", "ksc_5601": "cp949", "x-euc-kr": "cp949", "x-sjis": "cp932", "windows-31j": "cp932",
    "x-gbk": "gb18030", "x-x-big5": "big5hkscs", "x-euc-jp": "euc_jp", "unicode": "utf-16-le", "utf8mb4": "utf-8",
}  # fmt: skip
_MULTIBYTE = frozenset(("utf-8", "cp949", "gb18030", "big5hkscs", "cp932", "euc_jp", "iso2022_jp", "iso2022_kr", "hz"))
_ACCEPTED = _MULTIBYTE | {
    "utf-16-le", "utf-16-be", "koi8-r", "koi8-u", "cp866", "mac-roman", "mac-cyrillic", "cp874",
    *(f"cp{number}" for number in range(1250, 1259)),
    *(f"iso8859-{number}" for number in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)),
}  # fmt: skip
_NEVER_GUESSED = {"hz", "mac-roman", "mac-cyrillic"}  # as likely as cp1251 by their letters, and used by nobody

_HIRAGANA = frozenset(map(chr, range(0x3041, 0x3097)))
_FREQUENT = {  # encoding -> characters of which its language's running text is made
    "cp949": frozenset(
        "이다는에의을가고를로한하은지서도인기사대해리자시정수전일어스나있상원부라과만으아안장주그보제게여성구들국관"
    ),
    "cp932": _HIRAGANA,
    "euc_jp": _HIRAGANA,
    "gb18030": frozenset(
        "的一是不了在人有我他这中大来上国个到说们为和地出道也时年得就那要下以生会自着去之过家学对可里后发"
    ),
    "big5hkscs": frozenset(
        "的一是不了在人有我他這中大來上國個到說們為和地出道也時年得就那要下以生會自著去之過家學對可裡後發"
    ),
}


def decode(body: bytes, header_charset: str | None) -> tuple[str, str]:
    """Return the text of a page and the Python name of the encoding that was used.  Bytes that do not fit become U+FFFD."""
    encoding = encoding_of(body, header_charset) or "cp1252"
    return decoded(body, encoding), encoding


def decoded(body: bytes, encoding: str) -> str:
    """Return the text of a page in an encoding, without a byte order mark, with U+FFFD for what does not fit."""
    mark = next((mark for mark, name, _ in _BOMS if name == encoding and body.startswith(mark)), b"")
    return body[len(mark) :].decode(encoding, "replace")


def encoding_of(body: bytes, header_charset: str | None) -> str | None:
    """Return the Python name of a page's encoding, without its byte order mark; None where nothing that is known fits."""
    for mark, encoding, _ in _BOMS:
        if body.startswith(mark) and _read(body[len(mark) :], encoding) is not None:
            return encoding
    labels = [name for label in (header_charset, _own_label(body)) if (name := canonical(label)) is not None]
    return _from_bytes(body) or _from_labels(body, labels) or _of_the_greater_part(body, labels) or _guessed(body)


def guess(read_more: Callable[[int], bytes]) -> str:
    """Return the encoding of a file by its first bytes that are not ASCII; a file without any is UTF-8.

    `read_more` returns at most so many further bytes, none at the end.
    """
    begin, read = read_more(_FILE_BYTES), 0
    for mark, _, encoding in _BOMS:
        if begin.startswith(mark):
            return encoding
    while begin.isascii() and b"\0" not in begin and read < _MAX_ASCII_BYTES:
        read += len(begin)
        if not (begin := read_more(_FILE_BYTES)):
            return "utf-8"
    return _from_bytes(begin) or _of_most(begin) or _guessed(begin) or "cp1252"


def _of_most(begin: bytes) -> str | None:
    """Return UTF-8 or CP949 where a file is in both, or broken, or where a few Hangul are all there is; else None."""
    if not _is_other_script(sample(begin)):
        return None
    utf8, korean = _beyond(begin, "utf-8"), _beyond(begin, "cp949")
    hangul = sum("가" <= character <= "힣" for character in korean)
    if korean.count(_REPLACED) <= _FEW_BAD * len(korean) and hangul >= 0.5 * len(korean):
        return "cp949"
    frequent = sum(map(_FREQUENT["cp949"].__contains__, korean))
    if utf8.count(_REPLACED) < 0.5 * len(utf8) or frequent >= _LEAST_FREQUENT * len(korean):
        return "utf-8" if utf8.count(_REPLACED) * len(korean) <= korean.count(_REPLACED) * len(utf8) else "cp949"
    return None


def _beyond(body: bytes, encoding: str) -> str:
    """Return the decoded characters beyond ASCII."""
    return "".join(character for character in body.decode(encoding, "replace") if character > "\x7f")


def canonical(label: str | None) -> str | None:
    """Return the codec that a charset label means; None for no label and for codecs of no page (idna, unicode_escape)."""
    plain = (label or "").strip().strip("\"';,").lower()
    try:
        name = _OWN_NAMES.get(plain) or codecs.lookup(plain).name
    except (LookupError, ValueError):
        return None
    name = _MEANT.get(name, name)
    return {"utf-16": "utf-16-le"}.get(name, name) if name in _ACCEPTED or name == "utf-16" else None


def _own_label(body: bytes) -> str | None:
    match = _LABEL.search(body[:_LABEL_BYTES])
    return (match[1] or match[2]).decode("ascii", "ignore") if match else None


def _from_bytes(body: bytes) -> str | None:
    """Return the encoding of which the bytes themselves leave no doubt, or None."""
    utf16 = _utf16(body[:_LABEL_BYTES])
    if utf16 is not None:
        return utf16
    if (escaped := next((name for mark, name in _ESCAPES if mark in body), None)) is not None:
        return escaped
    return "utf-8" if _read(body, "utf-8") is not None else _east_asian(sample(body))


def _utf16(head: bytes) -> str | None:
    """Return the kind of UTF-16 without a mark, or None: every second byte of markup, quotes and digits is NUL."""
    even, odd, pairs = head[::2].count(0), head[1::2].count(0), len(head) // 2
    if max(even, odd) < 0.05 * pairs or not pairs or min(even, odd) > 0.3 * max(even, odd):
        return None
    if head.count(0) < 0.2 * len(head) and head.decode("utf-8", "replace").count(_REPLACED) <= 1:
        return None  # a few stray NULs: letters of UTF-16 that are not ASCII are no UTF-8
    return "utf-16-le" if odd > even else "utf-16-be"


def _read(body: bytes, encoding: str) -> str | None:
    """Return the text where nearly all of it fits the encoding, else None."""
    text = body.decode(encoding, "replace")
    if _REPLACED not in text:
        return text
    beyond = sum(1 for character in text if character > "\x7f")
    return text if text.count(_REPLACED) <= max(_FEW_BAD * beyond, 1 if beyond > 3 else 0) else None


def sample(body: bytes) -> bytes:
    """Return the first 40 kB of what is beyond ASCII, word by word: no scripts, no markup."""
    runs, size = [], 0
    for match in _HIGH_RUN.finditer(body):
        runs.append(match[0])
        size += len(match[0])
        if size > _SAMPLE_BYTES:
            break
    return b" ".join(runs)


def _east_asian(sample_bytes: bytes) -> str | None:
    """Return the encoding in which a sample reads as running Korean, Japanese or Chinese, or None."""
    shares = {encoding: _share(sample_bytes, encoding) for encoding in _FREQUENT}
    best = max(shares, key=lambda encoding: shares[encoding])
    return best if shares[best] >= _LEAST_FREQUENT else None


def _share(sample_bytes: bytes, encoding: str) -> float:
    """Return the share of characters beyond ASCII that are frequent in the encoding's language; 0 for fewer than 4."""
    text = _read(sample_bytes, encoding)
    beyond = [character for character in text or "" if character > "\x7f"]
    return sum(map(_FREQUENT[encoding].__contains__, beyond)) / len(beyond) if len(beyond) >= 4 else 0.0


def _from_labels(body: bytes, labels: list[str]) -> str | None:
    """Return the first label that fits; multibyte encodings go first, since they seldom fit by accident."""
    sample_bytes = sample(body)
    for name in sorted(labels, key=lambda name: name not in _MULTIBYTE):
        # cp1252 fits anything and is what many servers declare unseen: not believed of another script
        if not (name == "cp1252" and _is_other_script(sample_bytes)) and _read(sample_bytes, name) is not None:
            return name
    return None


def _is_other_script(sample_bytes: bytes) -> bool:
    """Return whether most letters of a sample are beyond ASCII and stand together."""
    return sum(map(len, _WORDS_BEYOND.findall(sample_bytes))) > 0.5 * sum(1 for byte in sample_bytes if byte > 0x7F)


def _of_the_greater_part(body: bytes, labels: list[str]) -> str | None:
    """Return the multibyte encoding of which most of the bytes beyond ASCII are, of those that the page names, and UTF-8."""
    sample_bytes = sample(body)
    for name in dict.fromkeys([*labels, "utf-8"]):
        beyond = _beyond(sample_bytes, name) if name in _MULTIBYTE else ""
        misfits = beyond.count(_REPLACED)  # one for each byte, or nearly
        if misfits < _MOST_MISFITS * (len(beyond.replace(_REPLACED, "").encode(name, "ignore")) + misfits):
            return name
    return None


def _guessed(body: bytes) -> str | None:
    """Return cp1252 for Latin letters, for other scripts what charset-normalizer guesses; None where it is absent or knows none."""
    sample_bytes = sample(body)
    if not _is_other_script(sample_bytes):
        return "cp1252"  # as browsers do; guessing among code pages of one script is worse
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        return None
    best = from_bytes(sample_bytes[:10_000], cp_isolation=sorted(_ACCEPTED - _NEVER_GUESSED)).best()
    name = canonical(best.encoding) if best is not None else None
    return name if name and not _is_latin(_beyond(sample_bytes, name)) else None


def _is_latin(beyond: str) -> bool:
    """Return whether most of these letters are Latin ones, which do not make whole words of characters beyond ASCII."""
    return 2 * len(_LATIN.findall(beyond)) > len(beyond)


# --- text that was decoded wrongly before it came here ---


def mojibake(text: str) -> str | None:
    """Return the encoding whose bytes were taken for Latin letters, where a text is full of them (`ì„œìš¸`, `¼­¿ï`), else None."""
    if text.isascii():
        return None
    head = text[:_MOJIBAKE_CHARS]
    beyond, most = _beyond_and_bytes(head)
    if most <= 3 or most < _LEAST_MISREAD * len(head) or 2 * most < beyond:
        return None  # as below, and told sooner
    runs = _BYTES_AS_LETTERS.findall(head)
    if 2 * sum(map(len, runs)) < beyond:
        return None  # Hangul, Cyrillic, ...: what cannot be a byte
    misread = b" ".join(filter(None, map(_as_bytes, runs)))
    for name in ("utf-8", *_FREQUENT):
        letters = [each for each in misread.decode(name, "replace") if each > "\x7f" and each.isalpha()]
        is_running = name == "utf-8" or sum(map(_FREQUENT[name].__contains__, letters)) >= _LEAST_FREQUENT * len(
            letters
        )
        misfits = misread.decode(name, "replace").count(_REPLACED)
        if len(letters) >= _LEAST_MISREAD * len(head) and len(letters) > max(3, misfits) and is_running:
            return name
    return None


def _beyond_and_bytes(text: str) -> tuple[int, int]:
    """Return how many characters are beyond ASCII, and how many of them, at most, may be bytes that were taken for letters."""
    data = text.encode("utf-8", "surrogatepass")
    return len(data.translate(None, _NO_BEGINNINGS)), len(data.translate(None, _NO_BYTES_AS_LETTERS))


def _as_bytes(run: str) -> bytes:
    """Return the bytes that were taken for these characters, by Latin-1 or by Windows' form of it."""
    return b"".join(each.encode("cp1252" if ord(each) > 0xFF else "latin-1") for each in run)
