"""Phrases of Chinese and Japanese, which are written without spaces."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from pipeline.label.extractive import articles
from pipeline.label.extractive.lexicon import sections
from pipeline.label.extractive.ranking import Judged
from pipeline.label.extractive.settings import Settings

HAN = "\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_KATAKANA = "\u30a1-\u30fa\u30fc"
_LATIN = r"[A-Za-z][A-Za-z0-9]*(?:[-.&][A-Za-z0-9]+)*"
_NUMBER = r"\d+(?:\.\d+)?%?"
_AMOUNT = "[一二三四五六七八九十百千万億兆]+(?:円|人|年|月|日|件|回|社|台|歳|時|分|割|倍|本|個|枚|冊|頭|匹|軒)"
_JAPANESE = re.compile(
    rf"{_AMOUNT}(?![{HAN}])|[{HAN}]+(?=氏)|氏|[{HAN}]+|[{_KATAKANA}]+(?:・[{_KATAKANA}]+)*|{_LATIN}|{_NUMBER}"
)
_AMOUNT_ONLY = re.compile(_AMOUNT)
_QUOTED = re.compile(r"[「『《“‘]([^」』》”’\n]{2,16})[」』》”’]")
_LONGEST = {"zh": 8, "ja": 4}  # characters or words of a phrase
_SCALE = 5
_SHORT = 2  # characters
FEATURES = (
    "frequency",
    "once",
    "early",
    "headline",
    "characters",
    "short",
    "nested",
    "extended",
    "quoted",
    "script",
    "common",
)


@dataclass(slots=True)
class _Phrase:
    text: str
    first: int  # offset
    count: int = 0
    free_left: int = 0
    free_right: int = 0


def judge(text: str, title: str | None, language: str, settings: Settings) -> list[Judged]:
    """Return the candidates of an article with their features."""
    headline, body = articles.divide(text, title, language)
    whole = f"{headline}\n{body}"
    quoted = {match[1] for match in _QUOTED.finditer(whole)}
    phrases = _phrases(whole, language, settings.stop_words)
    if settings.candidates:
        phrases = {
            phrase: phrases.get(phrase) or _given(phrase, whole) for phrase in settings.candidates if phrase in whole
        }
    nested = _nesting(phrases)
    behind = len(headline) + 1
    common = _lists(language)["common"]
    return [
        Judged(
            phrase.text,
            (phrase.text,),
            _features(phrase, headline, behind, nested, quoted, common),
            phrase.text.casefold(),
        )
        for phrase in phrases.values()
    ]


@lru_cache(maxsize=4)
def _lists(language: str) -> dict[str, frozenset[str]]:
    read = sections(language)
    return {name: frozenset(read.get(name, ())) for name in ("stop", "common", "edge", "boundary")}


@lru_cache(maxsize=4)
def _words(language: str) -> re.Pattern[str]:
    """Return what the words of a text are: in Chinese single characters, but for frequent words that bound phrases."""
    if language == "ja":
        return _JAPANESE
    return re.compile(rf"{'|'.join(sorted(_lists(language)['boundary']))}|[{HAN}]|{_LATIN}|{_NUMBER}")


def _runs(text: str, language: str, stop: frozenset[str]) -> Iterator[list[re.Match[str]]]:
    """Yield stretches of words without a stop word or anything else between them."""
    run: list[re.Match[str]] = []
    for match in _words(language).finditer(text):
        if run and run[-1].end() != match.start():
            yield run
            run = []
        if match[0] in stop or match[0][0].isdigit() or (language == "ja" and _AMOUNT_ONLY.fullmatch(match[0])):
            if run:
                yield run
            run = []
        else:
            run.append(match)
    if run:
        yield run


def _phrases(text: str, language: str, more_stop_words: frozenset[str]) -> dict[str, _Phrase]:
    lists = _lists(language)
    phrases: dict[str, _Phrase] = {}
    for run in _runs(text, language, lists["stop"] | lists["boundary"] | more_stop_words):
        for begin in range(len(run)):
            for last in range(begin, min(len(run), begin + _LONGEST[language])):
                shown = text[run[begin].start() : run[last].end()]
                if len(shown) < _SHORT or shown[0] in lists["edge"] or shown[-1] in lists["edge"]:
                    continue
                phrase = phrases.setdefault(shown, _Phrase(shown, run[begin].start()))
                phrase.count += 1
                phrase.free_left += begin == 0
                phrase.free_right += last == len(run) - 1
    return phrases


def _given(phrase: str, whole: str) -> _Phrase:
    count = whole.count(phrase)
    return _Phrase(phrase, whole.find(phrase), count, count, count)


def _nesting(phrases: dict[str, _Phrase]) -> Counter[str]:
    """Return how often the longest phrases recur that hold a phrase (the idea of C-value, Frantzi et al. 2000)."""
    nested: Counter[str] = Counter()
    for phrase in phrases.values():
        if phrase.count > 1 and len(phrase.text) > _SHORT:
            for begin in range(len(phrase.text)):
                for end in range(begin + _SHORT, len(phrase.text) + (begin > 0)):
                    part = phrase.text[begin:end]
                    nested[part] = max(nested[part], phrase.count)
    return nested


def _features(
    phrase: _Phrase, headline: str, behind: int, nested: Counter[str], quoted: set[str], common: frozenset[str]
) -> list[float]:
    free = (phrase.free_left + phrase.free_right) / (2 * phrase.count)
    return [
        math.log(phrase.count),
        phrase.count == 1,
        -math.log1p(max(0, phrase.first - behind)) / _SCALE,
        phrase.text in headline,
        math.log(len(phrase.text)),
        len(phrase.text) <= _SHORT,
        nested[phrase.text] / phrase.count,
        1 - free,
        phrase.text in quoted,
        not re.search(f"[{HAN}]", phrase.text),
        phrase.text in common,
    ]
