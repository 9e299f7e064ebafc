"""Content words, by how they begin: an inflection changes the end of a word, hardly its beginning."""

from __future__ import annotations

import re
import unicodedata
from functools import cached_property
from pathlib import Path

_SCRIPTS = "가-힣", "一-鿿㐀-䶿", "ァ-ヺー", "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff", "\u0590-\u08ff"
_HANGUL, _HAN, _KATAKANA, _SPACELESS, _SEMITIC = _SCRIPTS
_WORD = re.compile(
    rf"[{_HANGUL}]+|[{_HAN}]+|[{_KATAKANA}]+|[{_SPACELESS}]+|[{_SEMITIC}]+|(?:(?![{''.join(_SCRIPTS)}ぁ-ゖ])[^\W\d_])+"
)
# Words of four letters or more, of two Hangul, in a dozen languages, that say nothing of an article: sharing one is no evidence.
_FUNCTION_WORDS = frozenset(Path(__file__).with_name("function_words.txt").read_text("utf-8").split())
_MARKS = re.compile("[\u0300-\u036f]")
_LETTER = re.compile(rf"(?![{''.join(_SCRIPTS)}ぁ-ゖ])[^\W\d_]")  # of a script with spaces
# What folding may make a letter of ASCII: neither that nor Hangul, kana, Han and the marks of their texts.
_FOLDED = re.compile("[^\x00-\x7f가-힣ぁ-ヿ一-鿿、-】‐-‧«»·]")


def beginnings(text: str) -> set[str]:
    """Return how the content words of a text begin: four letters, two of Hangul, each two of Han; short words in capitals whole.

    Words that say nothing of an article (with, dans, 그리고) and shorter ones are left out.
    """
    begun: set[str] = set()
    for word in {*_WORD.findall(text)}:
        if "\u4e00" <= word[0] <= "\u9fff" or "\u3400" <= word[0] <= "\u4dbf":
            begun.update(word[at : at + 2] for at in range(len(word) - 1))
        elif "가" <= word[0] <= "힣":
            begun.update([word[:2]] if len(word) > 1 and word not in _FUNCTION_WORDS else [])
        elif len(word) > 3 or "ァ" <= word[0] <= "ー":
            folded = _folded(word)
            begun.update([folded[:4]] if folded not in _FUNCTION_WORDS and len(folded) > 1 else [])
        elif word.isupper() and len(word) > 1:
            begun.add(word)
    return begun


class Beginnings:
    """Whether a text is begun so by one of its words, as `beginnings` has it: a search takes less time than to make all of them."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __contains__(self, beginning: str) -> bool:
        if "\u3400" <= beginning[0] <= "\u9fff":
            return beginning in self._text
        if "가" <= beginning[0] <= "힣":
            return _has_beginning(self._text, beginning)
        if not beginning.isascii():
            return beginning in self._all
        if len(self._folded) != len(self._text):  # a letter became two
            return beginning in self._all
        return beginning in self._odd or _has_beginning(self._text if beginning.isupper() else self._folded, beginning)

    @cached_property
    def _all(self) -> set[str]:
        return beginnings(self._text)

    @cached_property
    def _folded(self) -> str:
        return self._text.casefold()

    @cached_property
    def _odd(self) -> set[str]:
        """Return the beginnings of the words with letters that folding may change, which no search finds."""
        words, end = list[str](), 0
        for match in () if self._text.isascii() else _FOLDED.finditer(self._text):
            if match.start() >= end:
                begin = max(self._text.rfind(" ", end, match.start()) + 1, end)
                end = self._text.find(" ", match.start()) % (len(self._text) + 1)
                words.append(self._text[begin:end])
        return beginnings(" ".join(words))


def _has_beginning(text: str, beginning: str) -> bool:
    is_hangul = "가" <= beginning[0] <= "힣"
    at = text.find(beginning)
    while at >= 0:
        before = text[at - 1 : at] if at else ""
        goes_on = "가" <= before <= "힣" if is_hangul else _LETTER.match(before)
        if not goes_on and (match := _WORD.match(text, at)) and beginning in beginnings(match[0]):
            return True
        at = text.find(beginning, at + 1)
    return False


def _folded(word: str) -> str:
    word = word.casefold()
    return word if word.isascii() else _MARKS.sub("", unicodedata.normalize("NFKD", word)).removeprefix("ال")
