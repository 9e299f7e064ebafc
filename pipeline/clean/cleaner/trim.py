"""Trimming of the edges of one phrase: marks, bullets, stray quotes and brackets. `trim(trim(text)) == trim(text)` always."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from pipeline.clean.cleaner.normal import normalise, strip_emphasis
from pipeline.clean.cleaner.vocabulary import ABBREVIATIONS
from pipeline.core.text.folding import fold_space

PHRASE_CHARS = 200  # more is a paragraph, whatever it says

_BRACKETS = {"(": ")", "[": "]", "{": "}", "（": "）", "［": "］", "「": "」", "『": "』", "《": "》", "〈": "〉", "【": "】",
             "〔": "〕", "｢": "｣", "«": "»", "‹": "›", "⟨": "⟩", "〖": "〗"}  # fmt: skip
_CLOSING = {closer: opener for opener, closer in _BRACKETS.items()}
_ANY_BRACKET = re.compile("[" + re.escape("".join((*_BRACKETS, *_CLOSING))) + "]")
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "„": "“", "‚": "‘", "`": "`", "<": ">", "＂": "＂", "＇": "＇",
           "〝": "〟", "*": "*", "_": "_", "~": "~", "＜": "＞"}  # fmt: skip
_KEPT_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "<": ">", "＜": "＞"}
_KEPT_OPENERS = {closer: opener for opener, closer in _KEPT_QUOTES.items()}
_EMPTY_BRACKETS = re.compile(r"[(（\[［{]\s{0,9}[)）\]］}]")

_LEADING_OK = "@"
_TRAILING_OK = "%‰!?！？+°％"
_MARK_CATEGORIES = frozenset(("Pc", "Pd", "Po", "Pi", "Pf", "Ps", "Pe", "Sm", "Sk", "So", "Zs", "Zl", "Zp", "Cc"))
_LETTERS_IN_USE_AS_MARKS = frozenset("ㆍᆞ·・")
_ACRONYM = re.compile(r"(?:^|[\s(/-])(?:[^\W\d_]{1,2}\.){2,20}$")


def trim(text: str) -> str:
    """Return the phrase in its normal form without marks around it; empty where nothing but marks is there."""
    if len(text) > PHRASE_CHARS * 5:
        return ""
    while True:
        before = text
        text = fold_space(strip_emphasis(normalise(text)))
        text = _unwrap(_balance(_strip_marks(text)))
        if text == before:
            return text


@lru_cache(maxsize=4096)
def _is_mark(character: str) -> bool:
    """Tell whether this is punctuation, a symbol or an enclosed number (①); not a unit or name like ㎡, ℃, ㈜."""
    if "\u2460" <= character <= "\u24ff" or "\u2776" <= character <= "\u2793" or "\u3260" <= character <= "\u327b":
        return True
    if "\u2100" <= character <= "\u214f" or "\u3200" <= character <= "\u33ff" or character in "©®°":
        return False
    return unicodedata.category(character) in _MARK_CATEGORIES or character in _LETTERS_IN_USE_AS_MARKS


def _strip_marks(text: str) -> str:
    start, end = 0, len(text)
    while start < end and _is_mark(text[start]) and not _begins_name(text, start):
        start += 1
    while end > start and _is_mark(text[end - 1]) and not _ends_name(text[start:end]):
        end -= 1
    return text[start:end]


def _begins_name(text: str, at: int) -> bool:
    """Tell whether the mark belongs to a name: .NET, @handle, (주)한화, 'Squid Game' season 2."""
    mark = text[at]
    if mark == ".":
        return text[at + 1 : at + 2].isalpha() and text[at + 1].isascii() and not text[:at].endswith(".")
    if mark in _KEPT_QUOTES:
        end = text.find(_KEPT_QUOTES[mark], at + 2)
        return end > 0 and not text[at + 1].isspace() and text[end + 1 : end + 2] == " " and text[end + 2].isalnum()
    return mark in _BRACKETS or (mark in _LEADING_OK and text[at + 1 : at + 2].isalnum())


def _ends_name(text: str) -> bool:
    """Tell whether the last mark belongs to a name: U.S., C++, C#, 원더클럽(club.com), 드라마 '가시나무 꽃'."""
    mark = text[-1]
    if mark == ".":
        return _ACRONYM.search(text[-50:]) is not None or text.rpartition(" ")[2].casefold() in ABBREVIATIONS
    if mark in _KEPT_OPENERS:
        start = text.rfind(_KEPT_OPENERS[mark], 0, len(text) - 2)
        before = text[: max(start, 0)]
        apart = before.endswith(" ") or text[start] != mark  # 영화<기생충>, but not 5'11'
        apart = apart and before.rstrip(" ")[-1:].isalnum()
        return apart and not text[start + 1].isspace() and not text[-2].isspace()
    if mark == "#":
        return text[-2:-1] in tuple("CFJQX") and not text[-3:-2].isalnum()
    if mark in "%％‰" and text[-3:-2].isdigit() and text[-2].isspace():
        return True
    return mark in _CLOSING or (mark in _TRAILING_OK and (text[-2:-1].isalnum() or text[-2:-1] in tuple(_TRAILING_OK)))


def _balance(text: str) -> str:
    """Remove brackets without a partner; what follows one that was never closed is an unfinished remark and goes, too."""
    if not _ANY_BRACKET.search(text):
        return text
    text = _EMPTY_BRACKETS.sub(" ", text)
    opened: list[int] = []
    stray: set[int] = set()
    for match in _ANY_BRACKET.finditer(text):
        if match[0] in _BRACKETS:
            opened.append(match.start())
        elif opened and text[opened[-1]] == _CLOSING[match[0]]:
            opened.pop()
        else:
            stray.add(match.start())
    if opened and opened[0] > 0 and not stray:
        return text[: opened[0]]
    stray.update(opened)
    return "".join(" " if at in stray else character for at, character in enumerate(text)) if stray else text


def _unwrap(text: str) -> str:
    """Remove the quotes or brackets that enclose the whole phrase."""
    while len(text) > 1:
        first, last = text[0], text[-1]
        quoted = _QUOTES.get(first) == last and last not in text[1:-1] and first not in text[1:-1]
        if not quoted and not (_BRACKETS.get(first) == last and _partner(text) == len(text) - 1):
            return text
        text = text[1:-1].strip()
    return text


def _partner(text: str) -> int:
    """Return the offset at which the bracket at the beginning of the text is closed, or -1."""
    depth = 0
    for match in _ANY_BRACKET.finditer(text):
        depth += 1 if match[0] in _BRACKETS else -1
        if depth == 0:
            return match.start()
    return -1
