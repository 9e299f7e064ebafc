"""Phrases of languages in Latin letters and how they are judged."""

from __future__ import annotations

import math
from collections import Counter
from itertools import accumulate

from pipeline.label.extractive import articles, kinds
from pipeline.label.extractive import lexicon as lex
from pipeline.label.extractive import parts as pos
from pipeline.label.extractive.candidates import HEAD_LAST, MIXED, Candidate, Phrases
from pipeline.label.extractive.kinds import MODIFIER, NAME, NOUN, NUMERAL, STOP
from pipeline.label.extractive.lexicon import LANGUAGES, Lexicon, lexicon
from pipeline.label.extractive.ranking import Judged
from pipeline.label.extractive.settings import LONGEST, Settings
from pipeline.label.extractive.words import Words, read

_SCALE = 5  # logarithms of places are divided by it, so that features are of one size
_LEAD_WORDS = 20
_LATE = 100  # words of the body; a noun that comes later, and once, is no key phrase
_FUNCTION_LETTERS, _FUNCTION_SHARE = 3, 0.01  # of words of languages without lists
_CONTENT = frozenset((NOUN, MODIFIER, NAME))

FEATURES = (
    "name of 1", "name of 2", "name of 3", "mixed", "noun", "phrase of 2", "phrase of 3", "phrase of 4",
    "frequency", "frequency of phrase", "frequency of noun", "once", "early", "early name", "headline", "headline only",
    "free left", "free right", "link behind", "nested", "theme", "lead", "known name", "common", "common head", "common rest",
    "characters", "linked", "number", "acronym", "modifier first", "modifier last",
)  # fmt: skip
_NAMES, _PHRASES = (0, 1, 2), (4, 5, 6, 7)  # places of features by size
_MIXED = 3
(
    _FREQUENCY, _OF_PHRASE, _OF_NOUN, _ONCE, _EARLY, _EARLY_NAME, _HEADLINE, _HEADLINE_ONLY,
    _LEFT, _RIGHT, _LINK, _NESTED, _THEME, _LEAD, _KNOWN, _COMMON, _COMMON_HEAD, _COMMON_REST,
    _CHARACTERS, _LINKED, _NUMBER, _ACRONYM, _FIRST, _LAST,
) = range(8, len(FEATURES))  # fmt: skip


def judge(text: str, title: str | None, language: str | None, settings: Settings) -> list[Judged]:
    """Return the candidates of an article with their features."""
    lexemes = lexicon(language)
    headline, body = articles.divide(text, title, language)
    words = read(f"{headline}\n\n{body}", lexemes)
    behind = sum(1 for start in words.starts if start < len(headline))
    kinds.mark(words, lexemes, behind)
    _bound(
        words,
        settings.stop_words if lexemes.language in LANGUAGES else settings.stop_words | _function_words(words),
    )
    phrases = Phrases(words, lexemes, behind, settings.words[1] if settings.words else LONGEST)
    phrases.complete_names()
    given = {" ".join(_keys(phrase, lexemes)) for phrase in settings.candidates}
    for key in sorted(given - phrases.by_key.keys()):
        phrases.add_given(key.split(" "))
    judged = _Judge(words, lexemes, behind, phrases.by_key).all(settings.unlikely)
    return [each for each in judged if " ".join(each.parts) in given] if given else judged


def _bound(words: Words, more_stop_words: frozenset[str]) -> None:
    for index, entry in enumerate(words.entries) if more_stop_words else ():
        if entry.lower in more_stop_words:
            words.kinds[index] = STOP


def _function_words(words: Words) -> frozenset[str]:
    """Return the words of a language without lists that are short and frequent, as function words are."""
    often = max(2, _FUNCTION_SHARE * len(words.entries))
    short = (entry for entry in words.entries if len(entry.lower) <= _FUNCTION_LETTERS)
    counts = Counter(entry.lower for entry in short if entry.case == lex.LOWER or len(entry.lower) == 1)
    return frozenset(word for word, count in counts.items() if count >= often)


def _keys(phrase: str, lexicon: Lexicon) -> list[str]:
    return [entry.key for entry in read(phrase, lexicon).entries]


class _Judge:
    def __init__(self, words: Words, lexicon: Lexicon, headline: int, by_key: dict[str, Candidate]) -> None:
        self._words, self._lexicon, self._headline, self._by_key = words, lexicon, headline, by_key
        self._is_head_last = lexicon.language in HEAD_LAST
        self._sum_words()
        self._nested = self._nesting()

    def _sum_words(self) -> None:
        """Sum over the words before each place how many have content, how long they are, and how often they come."""
        content = [kind in _CONTENT for kind in self._words.kinds]
        entries = self._words.entries
        self._lead = {entry.key for entry, counts in zip(entries[:_LEAD_WORDS], content, strict=False) if counts}
        often = Counter([entry.key for entry, counts in zip(entries, content, strict=True) if counts])
        logarithm = {count: math.log(count) for count in set(often.values())}
        shares = [
            logarithm[often[entry.key]] if counts else 0.0 for entry, counts in zip(entries, content, strict=True)
        ]
        letters = [len(entry.lower) if counts else 0 for entry, counts in zip(entries, content, strict=True)]
        self._content, self._letters, self._shares = (
            list(accumulate(values, initial=0)) for values in (content, letters, shares)
        )

    def all(self, unlikely: bool) -> list[Judged]:
        candidates = self._by_key.values()
        return [self._judged(candidate) for candidate in candidates if unlikely or self._has_a_chance(candidate)]

    def _has_a_chance(self, candidate: Candidate) -> bool:
        """Whether it is worth judging: a phrase that occurs once and only within a longer one is not, nor is a late single noun."""
        if candidate.count > 1 or candidate.kind == NAME or candidate.is_given:
            return True
        if not self._lexicon.is_described and candidate.width > 1:
            return False  # where verbs are not told, words that stand side by side once are no phrase
        if candidate.in_headline:
            return True
        if not (candidate.free_left and candidate.free_right):
            return False
        return candidate.size > 1 or candidate.first - self._headline < _LATE

    def _judged(self, candidate: Candidate) -> Judged:
        form = self._form(candidate)
        return Judged(form.rstrip("."), tuple(candidate.key.split(" ")), self._features(candidate))

    def _form(self, candidate: Candidate) -> str:
        """Return the form in which the phrase stands most often; those of the body count twice."""
        text, starts, ends, behind = self._words.text, self._words.starts, self._words.ends, candidate.width - 1
        if candidate.count == 1:
            return text[starts[candidate.first] : ends[candidate.first + behind]]
        forms: dict[str, int] = {}
        for index in candidate.places:
            form = text[starts[index] : ends[index + behind]]
            forms[form] = forms.get(form, 0) + (2 if index >= self._headline else 1)
        return max(forms, key=forms.__getitem__)

    def _nesting(self) -> dict[str, int]:
        """Return how often the longest phrases recur that hold a phrase (the idea of C-value, Frantzi et al. 2000)."""
        nested: dict[str, int] = {}
        for candidate in self._by_key.values():
            if candidate.count > 1 and candidate.width > 1:
                parts = candidate.key.split(" ")
                for begin in range(len(parts)):
                    for end in range(begin + 1, len(parts) + 1):
                        part = " ".join(parts[begin:end])
                        if part in self._by_key and end - begin < len(parts):
                            nested[part] = max(nested.get(part, 0), candidate.count)
        return nested

    def _features(self, candidate: Candidate) -> list[float]:
        row = [0.0] * len(FEATURES)
        count = candidate.count + candidate.short
        frequency = math.log(count)
        early = -math.log1p(self._place(candidate)) / _SCALE
        row[_FREQUENCY], row[_ONCE], row[_EARLY] = frequency, count == 1, early
        row[_LEFT], row[_RIGHT] = candidate.free_left / candidate.count, candidate.free_right / candidate.count
        row[_LINK] = candidate.linked_right / candidate.count
        if candidate.key in self._nested:
            row[_NESTED] = min(1.0, self._nested[candidate.key] / count)
        row[_HEADLINE], row[_HEADLINE_ONLY] = candidate.in_headline, candidate.body is None
        if candidate.kind == NAME:
            row[_NAMES[min(candidate.size, 3) - 1]] = 1
            row[_EARLY_NAME] = early
        else:
            row[_MIXED if candidate.kind == MIXED else _PHRASES[min(candidate.size, 4) - 1]] = 1
            row[_OF_PHRASE] = frequency
            if candidate.size == 1:
                row[_OF_NOUN] = frequency
        self._add_words(candidate, row)
        return row

    def _place(self, candidate: Candidate) -> int:
        """Return how many words of the body stand before it: news says first what matters (as in YAKE)."""
        if candidate.in_headline or candidate.body is None:
            return 0
        return candidate.body - self._headline

    def _add_words(self, candidate: Candidate, row: list[float]) -> None:
        """Add what the words of a phrase tell."""
        first, behind = candidate.first, candidate.first + candidate.width
        size = max(1, self._content[behind] - self._content[first])
        own = [index for index in range(first, behind) if self._words.kinds[index] in _CONTENT]
        if own:
            row[_LEAD] = sum([self._words.entries[index].key in self._lead for index in own]) / len(own)
        row[_THEME] = (self._shares[behind] - self._shares[first]) / size
        row[_CHARACTERS] = math.log(max(1, self._letters[behind] - self._letters[first]) / size)
        head, rest = self._words.entries[behind - 1], self._words.entries[first]
        if candidate.kind == NAME:
            if candidate.width == 1:
                row[_ACRONYM] = head.case == lex.UPPER
                row[_COMMON] = self._lexicon.is_common(head.lower)
            row[_KNOWN] = any(self._words.entries[index].part != pos.UNKNOWN for index in own)
            return
        own = self._words.kinds[first:behind]
        row[_LINKED], row[_NUMBER] = candidate.is_linked, NUMERAL in own
        row[_FIRST], row[_LAST] = own[0] == MODIFIER, own[-1] == MODIFIER
        if not self._is_head_last:
            head, rest = rest, head
        if self._lexicon.is_common(head.lower):
            row[_COMMON if candidate.size == 1 else _COMMON_HEAD] = 1
        elif candidate.size == 1 and not self._lexicon.is_measured and head.lower in self._lexicon.lists.titles:
            row[_COMMON] = 1
        row[_COMMON_REST] = candidate.size > 1 and self._lexicon.is_common(rest.lower)
