"""Phrases of Chinese and Japanese, which are written without spaces, and how they are judged."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from pipeline.label.extractive import articles, chinese, japanese
from pipeline.label.extractive.lexicon import HAN, sections
from pipeline.label.extractive.ranking import Judged
from pipeline.label.extractive.settings import Settings

_QUOTED = re.compile(r"[「『《“‘]([^」』》”’\n]{2,16})[」』》”’]")
_BODY = re.compile("(?:委员会|委員會|协会|協會|联盟|中心|公司|基金会|联合会|集团|学院|大学|研究院|研究所|局)$")
_BARE_BODY = re.compile(  # in both scripts
    "(?:人民)?法院|检察院|檢察院|大学|大學|医院|醫院|银行|銀行|公司|集团|集團|学校|學校|[中小][学學]|学院|學院|研究院|研究所|(?:研究)?中心|"
    "委员会|委員會|协会|協會|基金会|基金會|博物馆|博物館|图书馆|圖書館"
)
_SHORT_TERM = 4  # characters in quotation marks that are a term as a rule
_TERM = re.compile(rf"[{HAN}A-Za-z0-9\u30a1-\u30fa\u30fc・·\u3041-\u3096]{{2,12}}")
_RANKS = "副总前"  # before a title: 副教授
_OF_WORKS = "《『"
_LONGEST = 4  # words of a phrase
_LONGEST_PHRASE = 16  # characters
_LONGEST_WORD = 20  # an institution's name may be one
_SCALE = 5
_SHORT = 2  # characters
_PLAIN = 0.6  # how little a phrase says whose words say nothing alone
_NAME = 5  # characters of a person's name at most
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
    "name",
    "verbal",
)


class _Unit(NamedTuple):
    """A word of a run."""

    begin: int
    end: int
    may_begin: bool = True
    may_end: bool = True
    is_name: bool = False  # stands alone
    is_verbal: bool = False
    is_verb: bool = False  # stands only in a phrase that recurs, or in quotes


@dataclass(slots=True)
class _Phrase:
    text: str
    first: int  # offset
    count: int = 0
    free_left: int = 0
    free_right: int = 0
    names: int = 0  # occurrences as a person's name
    verbal: int = 0  # occurrences as what a verb is made of
    has_verb: bool = False
    alone: int = 0  # occurrences with no word before
    units: Sequence[_Unit] = ()  # where the words of Chinese phrases first stand
    plain: float = 0  # how little it says
    needs_head: bool = False  # of several words, in a language whose last one is the head


def judge(text: str, title: str | None, language: str, settings: Settings) -> list[Judged]:
    """Return the candidates of an article with their features."""
    headline, body = articles.divide(text, title, language)
    whole = f"{headline}\n{body}"
    quoted = {match[1] for match in _QUOTED.finditer(whole)}
    phrases = _phrases(whole, len(headline) + 1, language, settings.stop_words)
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
    return {name: frozenset(read.get(name, ())) for name in ("common", "edge", "title")}


def _units(text: str, language: str) -> Iterator[_Unit | None]:
    """Yield the words that phrases are made of, None where one cannot go on."""
    if language == "ja":
        for word in japanese.read(text):
            yield None if word.bounds else _Unit(word.begin, word.end, True, True, word.is_name, word.is_verbal)
        return
    titles = _lists(language)["title"]
    for each in chinese.read(text):
        if each.part == chinese.BREAK:
            yield None
            continue
        is_verb = each.part == chinese.VERB
        ends = (
            not is_verb and each.part != chinese.MODIFIER and text[each.begin : each.end].lstrip(_RANKS) not in titles
        )
        is_piece = each.end - each.begin == 1 or text[each.begin - 1 : each.begin].isdigit()  # 5号线
        begins = not is_verb and not is_piece
        is_name = each.part == chinese.PERSON
        yield _Unit(each.begin, each.end, begins, ends, is_name, each.part == chinese.VERBAL, is_verb)


def _runs(text: str, language: str, stop: frozenset[str]) -> Iterator[list[_Unit]]:
    """Yield stretches of words without a stop word or anything else between them; a person's name is one for itself."""
    run: list[_Unit] = []
    for unit in _units(text, language):
        if unit is None or text[unit.begin : unit.end] in stop:
            if run:
                yield run
            run = []
            continue
        if run and (run[-1].end != unit.begin or unit.is_name or run[-1].is_name):
            yield run
            run = []
        run.append(unit)
    if run:
        yield run


def _phrases(text: str, behind: int, language: str, stop: frozenset[str]) -> dict[str, _Phrase]:
    edges, common = _lists(language)["edge"], _lists(language)["common"]
    phrases: dict[str, _Phrase] = {}
    read = chinese.simplified(text) if language == "zh" else text  # what the lists are written in
    for run in _runs(read, language, stop):
        final = len(run) - 1
        for begin, end, has_verb in _spans(run):
            shown = text[run[begin].begin : run[end].end]
            if (
                not _SHORT <= len(shown) <= (_LONGEST_PHRASE if end > begin else _LONGEST_WORD)
                or shown[0] in edges
                or shown[-1] in edges
            ):
                continue
            phrase = phrases.get(shown)
            if phrase is None:
                phrase = phrases[shown] = _Phrase(shown, run[begin].begin)
                phrase.has_verb = has_verb and not _BODY.search(shown)
                if language == "zh":
                    phrase.needs_head = end > begin
                    phrase.units = run[begin : end + 1]
            phrase.count += 1
            phrase.alone += begin == 0
            phrase.free_left += begin == 0 or run[begin - 1].is_verb
            phrase.free_right += end == final or not run[end + 1].may_end  # before a title, too
            phrase.names += run[begin].is_name
            phrase.verbal += begin == end and run[begin].is_verbal
    _add_quoted(phrases, text)
    if language == "zh":
        _complete_bodies(phrases, text[behind:], behind)
    chosen = _completed(phrases)
    for phrase in chosen.values():
        phrase.plain = _plainness([read[each.begin : each.end] for each in phrase.units], common)
    return chosen


def _plainness(words: list[str], common: frozenset[str]) -> float:
    """Return how little a phrase says: all of what a word of the list says, less where each of its words is listed."""
    return 1 if "".join(words) in common else _PLAIN * (bool(words) and common.issuperset(words))


def _spans(run: list[_Unit]) -> Iterator[tuple[int, int, bool]]:
    """Yield the first and last unit of each phrase of a run, and whether a verb stands within."""
    for begin, first in enumerate(run):
        if not first.may_begin:
            continue
        has_verb = False
        for end in range(begin, min(len(run), begin + _LONGEST)):
            has_verb = has_verb or run[end].is_verb
            if run[end].may_end:
                yield begin, end, has_verb


def _add_quoted(phrases: dict[str, _Phrase], text: str) -> None:
    """Add what stands in quotation marks: a title of a work, or a term that comes again; a clause does neither."""
    for match in _QUOTED.finditer(text):
        shown = match[1]
        count = text.count(shown)
        if (
            shown in phrases
            or not _TERM.fullmatch(shown)
            or not (count > 1 or match[0][0] in _OF_WORKS or len(shown) <= _SHORT_TERM)
        ):
            continue
        phrases[shown] = _Phrase(shown, match.start(1), count, count, count)


def _complete_bodies(phrases: dict[str, _Phrase], body: str, offset: int) -> None:
    """Count the bare noun of an institution to what named it in full before: 法院 to 姑苏区人民法院."""
    for short in [each for each in phrases.values() if each.alone and _BARE_BODY.fullmatch(each.text)]:
        bare = body.find(short.text) + offset  # headlines are short before anything was named
        named = [
            each
            for each in phrases.values()
            if each is not short
            and each.text.endswith(short.text)
            and each.first < bare <= each.first + len(each.text)
            and not each.has_verb
        ]
        if named:
            full = min(named, key=lambda each: each.first)
            full.count += short.alone
            full.free_left += short.alone
            full.free_right += short.alone
            short.count = 0


def _completed(phrases: dict[str, _Phrase]) -> dict[str, _Phrase]:
    """Count a family name to the name in full."""
    names = sorted((each for each in phrases.values() if each.names), key=lambda each: len(each.text))
    for full in phrases.values():
        if not full.names or len(full.text) > _NAME:
            continue
        for short in names:
            if short.text != full.text and full.text.startswith(short.text) and short.text in phrases:
                full.count += short.count
                full.free_left += short.count
                full.free_right += short.count
                phrases[short.text].count = 0
    return {key: each for key, each in phrases.items() if _has_a_chance(each)}


def _has_a_chance(phrase: _Phrase) -> bool:
    """Whether it is worth judging: what occurs once and only within a longer phrase is not, nor is a clause that occurs once."""
    is_whole = phrase.free_left > 0 and phrase.free_right > 0
    if phrase.count > 1:
        # 世界桌球 before nothing but 锦标赛 and 联盟 has no head
        return phrase.free_right > 0 or not phrase.needs_head
    return phrase.count == 1 and is_whole and not phrase.has_verb


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
        1 - min(1.0, free),
        phrase.text in quoted,
        not re.search(f"[{HAN}]", phrase.text),
        max(phrase.plain, phrase.text in common),
        phrase.names > 0,
        phrase.verbal / phrase.count,
    ]
