"""Presence of a phrase in the article: as it is, but for spacing, in another inflection, or nowhere.

- `exact`: the characters of the phrase, at word borders where the script has them (art is not in party; 서울시 is in
  서울시는, since Korean hangs particles on its nouns).
- `spacing`: equal when white space, width (NFKC), letter case and the shape of quotes and dashes are ignored. The
  phrase takes the article's surface, except where only the case differs: ECONOMY in a headline is no better name.
- `morphological`: word by word the same stem (Snowball, by language) or the same noun without particles (Korean).
- `absent`: none of these.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from itertools import accumulate, islice
from typing import Literal

from pipeline.clean.cleaner.normal import fold_loose, has_hangul, is_alphabetic
from pipeline.core.text import kiwi
from pipeline.core.text.content_words import Beginnings, beginnings
from pipeline.core.text.folding import fold_space
from pipeline.core.text.korean import strip_particles
from pipeline.core.text.scripts import main_script, script_share
from pipeline.core.text.stems import stem

Korean = Literal["rules", "kiwi"]
_RUN = re.compile(r"\S+")
_WORD = re.compile(r"[^\W_]+")
_OPENING, _CLOSING = tuple("\"'“‘«<《〈「『"), tuple("\"'”’»>》〉」』")
_PREDICATE = re.compile(r"\b(?:have|has|had|will|would|can|could|should|may|might|must|did|does) ([a-z]{3,})")
_PARTICLES = tuple("がのはをにもとでや")
_BY_SCRIPT = {"hangul": "ko", "kana": "ja", "han": "zh"}
_REACH = 20  # characters a word, with what stands behind it; and as many to spare

_MORE_THAN_NAMES = 0.1  # of the letters


class ArticleIndex:
    """One article with the indices that its phrases needed so far; each is built at first use, since most phrases are exact."""

    def __init__(self, text: str, language: str | None, korean: Korean = "rules") -> None:
        self._korean_root = kiwi.root if korean == "kiwi" else strip_particles
        self.text = text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)
        self._cached_windows: dict[tuple[str, int], set[tuple[str, ...]]] = {}
        self._begun = Beginnings(self.text)
        self._language = (language or "").casefold()[:2]

    def has(self, phrase: str) -> bool:
        """Tell whether the phrase stands in the article as it is or but for spacing, width and case."""
        return bool(phrase) and (self.has_exactly(phrase) or self.surface(phrase) is not None)

    def has_exactly(self, phrase: str) -> bool:
        """Tell whether the article holds exactly these characters, not cut out of a longer word."""
        return _find_words(self.text, phrase) >= 0

    def quotes(self, phrase: str) -> bool:
        """Tell whether the article has the phrase between quotes: a title, though it may read like a sentence."""
        at = self.text.find(phrase)
        before, behind = self.text[max(0, at - 2) : max(0, at)], self.text[at + len(phrase) :][:2]
        if before.strip() == "«":  # with spaces within, in French
            return behind.strip()[:1] == "»"
        return before[-1:] in _OPENING and behind[:1] in _CLOSING

    def goes_on(self, phrase: str) -> bool:
        """Tell whether a sentence goes on behind the phrase and its last mark, which is of a name then: `モーニング娘。が`."""
        at = self.text.find(phrase)
        behind = self.text[at + len(phrase) :][:2] if at >= 0 else ""
        return behind.lstrip()[:1].islower() or behind[:1] in _PARTICLES

    def classify(self, phrase: str) -> tuple[str, str]:
        """Return the tier of the phrase and its surface, which is the article's where only spacing or width differs."""
        if self.has_exactly(phrase):
            return "exact", phrase
        surface = self.surface(phrase)
        if surface is not None:
            return "spacing", phrase if surface.casefold() == phrase.casefold() else surface
        return ("morphological" if self._has_inflected(phrase) else "absent"), phrase

    def surface(self, phrase: str) -> str | None:
        """Return the phrase as the article writes it, when spacing, width, case and typography are ignored, or None."""
        span = self._loose_span(phrase)
        return fold_space(self.text[span[0] : span[1]]) if span else None

    def span(self, phrase: str) -> tuple[int, int] | None:
        """Return the first span of the phrase, exact or but for spacing, width and case: code points, the end not included."""
        at = _find_words(self.text, phrase) if phrase else -1
        return (at, at + len(phrase)) if at >= 0 else self._loose_span(phrase)

    @property
    def language(self) -> str:
        """Return the language of the article as given; else the one that its script is of, English for Latin letters."""
        return self._language or _BY_SCRIPT.get(self.script or "", "en")

    def inflects(self, word: str) -> bool:
        """Tell whether the article has a Korean word with a particle behind it."""
        return any(strip_particles(self.text[at : at + len(word) + 1]) == word for at in _occurrences(self.text, word))

    def count(self, phrase: str) -> int:
        """Return how often the article holds these characters as whole words, in capitals or not."""
        folded = phrase.casefold()
        return sum(_at_borders(self._folded, at, at + len(folded)) for at in _occurrences(self._folded, folded))

    def has_name(self, phrase: str) -> bool:
        """Tell whether the article has the phrase with these capitals within a sentence, not only at its beginning."""
        places = (at for at in _occurrences(self.text, phrase) if _at_borders(self.text, at, at + len(phrase)))
        before = (self.text[max(0, at - 2) : at] for at in places)
        return any(text[:1].isalnum() or text == ", " for text in before)

    def spans(self, phrase: str) -> list[tuple[int, int]]:
        """Return all spans of the phrase but for spacing, width and case; where there is none, those of other inflections."""
        return list(self._loose_spans(phrase)) or self._inflected_spans(phrase)

    def _loose_span(self, phrase: str) -> tuple[int, int] | None:
        return next(self._loose_spans(phrase), None)

    def _loose_spans(self, phrase: str) -> Iterator[tuple[int, int]]:
        key = fold_loose(phrase)
        for at in _occurrences(self._loose, key):
            start, end = self._article_offset(at), self._article_offset(at + len(key) - 1) + 1
            if _at_borders(self.text, start, end):
                yield start, end

    @cached_property
    def script(self) -> str | None:
        """Return the script of most letters."""
        return main_script(self.text)

    def shares(self, text: str) -> bool:
        """Tell whether a content word of the text begins like one of the article's."""
        return any(beginning in self._begun for beginning in beginnings(text))

    @cached_property
    def predicates(self) -> frozenset[str]:
        """Return the words that stand behind an auxiliary in the article."""
        return frozenset(_PREDICATE.findall(self.text))

    def is_foreign(self, phrase: str) -> bool:
        """Tell whether a phrase is in another script than the article, and no word of it; capitals make a name of anywhere."""
        script = main_script(phrase)
        if script in (None, self.script) or {script, self.script} == {"han", "kana"} or any(map(str.isupper, phrase)):
            return False
        return self.script is not None and not self.shares(phrase) and not self.writes(script)

    def writes(self, script: str | None) -> bool:
        """Tell whether more than names of the article are in a script: most letters of its beginning do not tell of the rest."""
        return script is not None and script_share(self.text, script) > _MORE_THAN_NAMES

    @cached_property
    def _loose(self) -> str:
        return fold_loose(self.text)

    def _article_offset(self, at: int) -> int:
        """Return the offset in the article of the character that one of the loose text comes from."""
        starts, runs = self._runs
        run = bisect_right(starts, at) - 1
        (begin, end), ahead = runs[run], at - starts[run]
        if end - begin == starts[run + 1] - starts[run]:
            return begin + ahead
        lengths = accumulate(len(fold_loose(character)) for character in self.text[begin:end])
        return begin + sum(length <= ahead for length in lengths)

    @cached_property
    def _runs(self) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the start of each run without white space in the loose text, and its span in the article.

        Runs, since one offset a character took longer to make than all look-ups.  Most articles fold character by character;
        `…`, `ß` and `㎡` become more than one.
        """
        runs = [match.span() for match in _RUN.finditer(self.text)]
        starts = [0, *accumulate(end - begin for begin, end in runs)]
        if starts[-1] != len(self._loose):
            starts = [0, *accumulate(len(fold_loose(self.text[begin:end])) for begin, end in runs)]
        return starts, runs

    @cached_property
    def _folded(self) -> str:
        return self.text.casefold()

    def _has_inflected(self, phrase: str) -> bool:
        """Tell whether words with the same stems stand side by side.

        Only words that begin alike are compared: a stem changes the end of a word, hardly its beginning, and stemming a whole
        article takes longer than all the rest.
        """
        words = _WORD.findall(phrase.casefold())
        if not words:
            return False
        windows = self._windows(_prefix(words[0]), len(words))
        return any(all(map(self._same_word, words, window)) for window in windows)

    def _inflected_spans(self, phrase: str) -> list[tuple[int, int]]:
        words = _WORD.findall(phrase.casefold())
        # a letter that folds to two would shift all offsets
        if not words or len(self._folded) != len(self.text):
            return []
        prefix, reach, spans = _prefix(words[0]), (len(words) + 1) * _REACH, []
        for at in _word_starts(self._folded, prefix):
            matches = list(islice(_WORD.finditer(self._folded, at, at + reach), len(words)))
            if len(matches) == len(words) and all(map(self._same_word, words, (match.group() for match in matches))):
                spans.append((at, matches[-1].end()))
        return spans

    def _windows(self, prefix: str, count: int) -> set[tuple[str, ...]]:
        """Return the different runs of `count` words that begin with the prefix."""
        key = prefix, count
        if key not in self._cached_windows:
            reach = (count + 1) * _REACH
            windows = (
                tuple(_WORD.findall(self._folded, at, at + reach)[:count]) for at in _word_starts(self._folded, prefix)
            )
            self._cached_windows[key] = {window for window in windows if len(window) == count}
        return self._cached_windows[key]

    def _same_word(self, word: str, other: str) -> bool:
        return word == other or (word[:2] == other[:2] and self._root(word) == self._root(other))

    def _root(self, word: str) -> str:
        return self._korean_root(word) if has_hangul(word) else stem(word, self._language or "en")


def _occurrences(text: str, phrase: str) -> Iterator[int]:
    """Yield the offsets at which the text holds the phrase."""
    at = text.find(phrase) if phrase else -1
    while at >= 0:
        yield at
        at = text.find(phrase, at + len(phrase))


def _prefix(word: str) -> str:
    """Return the beginning that a word shares with its other inflections."""
    return word[: 2 if has_hangul(word) else 3]


def _word_starts(text: str, prefix: str) -> Iterator[int]:
    """Return the offsets at which a word begins with the prefix."""
    return (at for at in _occurrences(text, prefix) if not at or not text[at - 1].isalnum())


def _find_words(text: str, phrase: str) -> int:
    at = text.find(phrase) if phrase else -1
    while at >= 0 and not _at_borders(text, at, at + len(phrase)):
        at = text.find(phrase, at + len(phrase))
    return at


def _at_borders(text: str, start: int, end: int) -> bool:
    """Tell whether neither edge of text[start:end] cuts a word of a script that puts spaces between words."""
    if start and is_alphabetic(text[start - 1]) and is_alphabetic(text[start]):
        return False
    return not (end < len(text) and is_alphabetic(text[end - 1]) and is_alphabetic(text[end]))
