"""Words of an article, as topics are described by them: a tokenizer for each script, without particles and function words.

Korean eojeols lose their particles and, where they are predicates, are left out.  Chinese is read by its dictionary, Japanese by
its scripts; what no rule reads falls into pairs of characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from pipeline.core.text import korean
from pipeline.label.extractive import chinese, japanese, lexicon
from pipeline.label.extractive.korean import words as korean_words

_HAN, _KANA, _HANGUL = "一-鿿㐀-䶿", "ぁ-ゖァ-ヺー", "가-힣"
_SPACELESS = "\u0e00-\u0e7f\u1000-\u109f\u1780-\u17ff"
_WORD = re.compile(
    rf"[{_HANGUL}][{_HANGUL}A-Za-z0-9]*|[{_HAN}{_KANA}々]+|[{_SPACELESS}]+"
    rf"|(?:(?![{_HANGUL}{_HAN}{_KANA}{_SPACELESS}])[^\W\d_])(?:(?![{_HANGUL}{_HAN}{_KANA}{_SPACELESS}])\w|[-'’&](?=\w))*"
)
_WITHOUT_SPACES = re.compile(rf"[{_HANGUL}{_HAN}{_KANA}{_SPACELESS}]")
_PLAIN_WORD = re.compile(r"[^\W\d_](?:\w|[-'’&](?=\w))*")  # the same words of a text in an alphabet, in half the time
_JOINERS = "\u200c\u200d"  # within words of Persian and of Indian scripts
_OWNED = re.compile(r"['’]s?$|^[ldjmtscnLDJMTSCN]['’]|^qu['’]", re.IGNORECASE)
_SHORTENED = re.compile(r"['’](?:ve|m|re|ll|d|t)$")  # I've, isn't
_FEWEST = 3  # letters of a word in an alphabet
_LONGEST = 40
_GUESSED_BY = 600  # characters
_SAYING_NOTHING = ("determiner", "preposition", "opens", "be", "link", "name link", "stop", "month", "agency")
_KOREAN = """
    하며 하고 대한 위한 통해 따라 관련 이번 지난 오는 이날 또한 한편 경우 때문 정도 이후 이전 당시 현재 최근 올해 지난해
    것 것도 것은 것이 수도 안에 속에 위에 앞에 뒤에 가운데 사이 동안 등의 등은 등을 등이 중인 명의 분의
이와 여부 위해 가지 개로 세로 하루 오전 오후 시간 스스
"""
_KOREAN_STOP = frozenset(_KOREAN.split())
# of a dozen languages
_FUNCTION_WORDS = frozenset(Path(korean.__file__).with_name("function_words.txt").read_text("utf-8").split())
_REPORTS = """
    said says say according told also year years week weeks month months day days time one two three first last new people
    percent cent per would could may might get got going like way make made take took come came back still even well much many
    mr mrs ms monday tuesday wednesday thursday friday saturday sunday
"""
_REPORTING = frozenset(_REPORTS.split())


def words_of(text: str, language: str | None, whole: bool = True) -> Iterator[str]:
    """Yield the content words of a text, in order, in a form in which they compare equal; an unknown language is guessed.

    `whole`: a word goes on over vowel signs, and no run of a script without spaces is too long; else as earlier programs read.
    """
    language = language or _guessed(text)
    if language == "zh":
        yield from _chinese(text)
        return
    if language == "ja":
        yield from _japanese(text)
        return
    stop = stop_words(language)
    pattern = _WORD if _WITHOUT_SPACES.search(text) else _PLAIN_WORD
    if whole and _mark().search(text):
        pattern = _with_marks(pattern.pattern)
    for form in pattern.findall(text):
        if word := _normal(form, whole):
            if isinstance(word, tuple):
                yield from word
            elif word not in stop:
                yield word


@lru_cache(maxsize=1)
def _mark() -> re.Pattern[str]:
    """Return what finds a vowel sign or another mark that combines with a letter, which `\\w` does not know as part of a word."""
    marks = (chr(code) for code in range(0x300, 0x10000) if unicodedata.category(chr(code)) in ("Mn", "Mc"))
    return re.compile(f"[{re.escape(''.join(marks))}{_JOINERS}]")


@lru_cache(maxsize=2)
def _with_marks(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace(r"\w|[-", rf"\w|{_mark().pattern}|[-"))


def _guessed(text: str) -> str | None:
    start = text[:_GUESSED_BY]
    if re.search("[ぁ-ゖァ-ヺ]", start):
        return "ja"
    if len(re.findall("[一-鿿]", start)) * 2 > len(start):
        return "zh"
    return lexicon.by_function_words(start)


@lru_cache(maxsize=2**17)
def _normal(form: str, whole: bool) -> str | tuple[str, ...] | None:
    """Return a word in its normal form, None for one that says nothing by itself; of a script without spaces, pairs."""
    first = form[0]
    is_spaceless = re.match(f"[{_HAN}{_KANA}{_SPACELESS}]", first)
    if len(form) > _LONGEST and not (is_spaceless and whole):
        return None
    if "가" <= first <= "힣":
        return _korean(form)
    if is_spaceless:
        return tuple(form[at : at + 2] for at in range(len(form) - 1)) or None
    word = _OWNED.sub("", form).strip("'’-&").casefold()
    if _SHORTENED.search(word):
        return None
    return word if len(word) >= _FEWEST or (form.isupper() and len(form) > 1) else None


def _korean(form: str) -> str | None:
    if form in korean.PARTICLES or korean.is_predicate(form) or korean_words.is_verbal(form):
        return None
    stem = korean.strip_particles(form)
    is_word = len(stem) > 1 and not korean.is_predicate(stem) and stem not in korean_words.lists().stop
    return stem if is_word and stem not in _KOREAN_STOP and not korean_words.is_quantity(stem) else None


@lru_cache(maxsize=64)
def stop_words(language: str | None) -> frozenset[str]:
    """Return words of a language that say nothing of a topic."""
    return _FUNCTION_WORDS | _REPORTING | _of_sections(language, _SAYING_NOTHING)


@lru_cache(maxsize=64)
def weak_words(language: str | None) -> frozenset[str]:
    """Return words of a language that tell topics apart, and yet name none: verbs, adverbs, words of every article."""
    return _of_sections(language, ("verb", "participle", "adverb", "adjective"))


def _of_sections(language: str | None, names: tuple[str, ...]) -> frozenset[str]:
    sections = lexicon.sections(language)
    return frozenset(word.casefold() for name in names for word in sections.get(name, ()))


def _chinese(text: str) -> Iterator[str]:
    simple = chinese.simplified(text)
    wanted = (chinese.NOUN, chinese.PERSON, chinese.UNKNOWN, chinese.VERBAL)
    for word in chinese.read(simple):
        shown = simple[word.begin : word.end]
        if word.part in wanted and len(shown) > 1:
            yield shown.casefold()


def _japanese(text: str) -> Iterator[str]:
    for word in japanese.read(text):
        shown = text[word.begin : word.end]
        if not word.bounds and len(shown) > 1:
            yield shown.casefold()
