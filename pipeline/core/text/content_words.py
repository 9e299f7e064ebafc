"""Content words, by how they begin: an inflection changes the end of a word, hardly its beginning."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

_SCRIPTS = "가-힣", "一-鿿㐀-䶿", "ァ-ヺー", "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff", "\u0590-\u08ff"
_HANGUL, _HAN, _KATAKANA, _SPACELESS, _SEMITIC = _SCRIPTS
_WORD = re.compile(
    rf"[{_HANGUL}]+|[{_HAN}]+|[{_KATAKANA}]+|[{_SPACELESS}]+|[{_SEMITIC}]+|(?:(?![{''.join(_SCRIPTS)}ぁ-ゖ])[^\W\d_])+"
)
# Words of four letters or more, of two Hangul, in a dozen languages, that say nothing of an article: sharing one is no evidence.
_FUNCTION_WORDS = frozenset(Path(__file__).with_name("function_words.txt").read_text("utf-8").split())
_MARKS = re.compile("[\u0300-\u036f]")


def beginnings(text: str) -> set[str]:
    """Return how the content words of a text begin: four letters, two of Hangul, each two of Han; short words in capitals whole.

    Words that say nothing of an article (with, dans, 그리고) and shorter ones are left out.
    """
    begun: set[str] = set()
    for match in _WORD.finditer(text):
        word = match[0]
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


def is_searchable(beginning: str, text: str) -> bool:
    """Tell whether `has_beginning` can look for it: of Hangul or Han, or of Latin in a text of ASCII, which no folding changes."""
    return (
        "\u3400" <= beginning[0] <= "\u9fff" or "가" <= beginning[0] <= "힣" or (text.isascii() and beginning.isascii())
    )


def has_beginning(text: str, folded: str, beginning: str) -> bool:
    """Tell whether `beginnings(text)` has this; `folded` is the text's casefold. A search takes less time than to make all."""
    if "\u3400" <= beginning[0] <= "\u9fff":
        return beginning in text
    is_hangul = "가" <= beginning[0] <= "힣"
    within = text if is_hangul or beginning.isupper() else folded
    at = within.find(beginning)
    while at >= 0:
        before = within[at - 1 : at] if at else ""
        goes_on = "가" <= before <= "힣" if is_hangul else before.isalpha()
        if not goes_on and (match := _WORD.match(within, at)) and beginning in beginnings(match[0]):
            return True
        at = within.find(beginning, at + 1)
    return False


def _folded(word: str) -> str:
    word = word.casefold()
    return word if word.isascii() else _MARKS.sub("", unicodedata.normalize("NFKD", word)).removeprefix("ال")
