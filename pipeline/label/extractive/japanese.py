"""Words of Japanese, by runs of one script, by what follows them, and by the titles of people.

No dictionary: a run of Chinese characters or of katakana is a word as a rule.  Hiragana behind it tells whether it is one:
particles bound it, endings of verbs and adjectives (通り, 生まれる) take its last character with them, し and さ make a verb of it.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from pipeline.label.extractive.lexicon import HAN, sections

_KATAKANA = "\u30a1-\u30fa\u30fc"
_LATIN = r"[A-Za-z][A-Za-z0-9]*(?:[-.&][A-Za-z0-9]+)*"
_AMOUNT = "[一二三四五六七八九十百千万億兆]+(?:円|人|年|月|日|件|回|社|台|歳|時|分|割|倍|本|個|枚|冊|頭|匹|軒)"
_WORDS = re.compile(
    rf"{_AMOUNT}(?![{HAN}])|[{HAN}]+(?=氏)|氏|[{HAN}]+|[{_KATAKANA}]+(?:・[{_KATAKANA}]+)*|{_LATIN}|\d+(?:[.,]\d+)*%?"
)
_AMOUNT_ONLY = re.compile(_AMOUNT)
_HONORIFIC = re.compile("さん|氏|くん|君|ちゃん")
_PARTICLE = re.compile(  # and what else may stand behind a whole noun
    "[はがをにのでともへやかだなさしすぶ]|まで|から|より|だけ|など|ら(?=[はがをにのでと、。])|くらい|ぐらい|ずつ|いわく|ごと|たち|じゃ|って|"
    "っぽ|らし|みた|こそ|ばかり|ほど|ながら"
)
_HIRAGANA = re.compile("[ぁ-ん]")
_MADE_VERB = re.compile("し(?:た|て|、|な|ま|よ)|さ[せれ]|する|すれ|でき")
_FEWEST, _MOST = 2, 6  # characters of a person's name


class JapaneseWord(NamedTuple):
    begin: int
    end: int
    bounds: bool = False  # no part of a phrase
    is_name: bool = False
    is_verbal: bool = False  # a verb is made of it here


def read(text: str) -> Iterator[JapaneseWord]:
    """Yield the words of a text in order."""
    stop = frozenset(sections("ja").get("stop", ()))
    before = ""
    for match in _WORDS.finditer(text):
        shown, begin, end = match[0], match.start(), match.end()
        is_counted = before[-1:].isdigit() or before.endswith("%")
        is_amount = shown[0].isdigit() or _AMOUNT_ONLY.fullmatch(shown) is not None
        before = shown if text[end : end + 1] and not text[end].isspace() else ""
        if _WORDS.match(text, end) is None:
            before = ""  # something stands between
        if is_counted or is_amount or shown in stop:
            yield JapaneseWord(begin, end, bounds=True)
        elif re.match(f"[{HAN}]", shown):
            yield from _characters(text, begin, end)
        else:
            yield JapaneseWord(
                begin, end, False, _HONORIFIC.match(text, end) is not None, _MADE_VERB.match(text, end) is not None
            )


def _characters(text: str, begin: int, end: int) -> Iterator[JapaneseWord]:
    """Yield the words of a run of Chinese characters: what an ending takes with it, and titles, come off."""
    if _HIRAGANA.match(text, end) and not _PARTICLE.match(text, end):
        if end - begin > 1:
            yield JapaneseWord(begin, end - 1)
        yield JapaneseWord(end - 1, end, bounds=True)
        return
    is_name = _HONORIFIC.match(text, end) is not None
    title = None if is_name else _titles().search(text, begin, end)
    if title and _FEWEST <= title.start() - begin <= _MOST:
        yield JapaneseWord(begin, title.start(), is_name=True)
        yield JapaneseWord(title.start(), end, bounds=True)
        return
    is_predicate = text[begin - 1 : begin] in ("を", "が") and not text[end : end + 1].strip("、。 \n")  # 大会が閉幕、
    yield JapaneseWord(begin, end, False, is_name, (is_predicate and end - begin == 2) or _makes_verb(text, end))


def _makes_verb(text: str, end: int) -> bool:
    return _MADE_VERB.match(text, end) is not None


@lru_cache(maxsize=1)
def _titles() -> re.Pattern[str]:
    return re.compile(
        rf"(?:{'|'.join(sorted(sections('ja')['title'], key=lambda word: (-len(word), word)))})(?![{HAN}])"
    )
