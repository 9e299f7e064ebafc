"""Candidate phrases of a Korean article and what they are judged by."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from pipeline.label.extractive import articles
from pipeline.label.extractive.korean import analyser, people
from pipeline.label.extractive.korean.words import (
    LATIN,
    NOUN,
    QUANTIFIED,
    STOP,
    VERBAL,
    Evidence,
    KoreanWord,
    analyse,
    is_quantity,
    is_verbal,
    lists,
    tokens,
)
from pipeline.label.extractive.lexicon import sections
from pipeline.label.extractive.ranking import Judged
from pipeline.label.extractive.settings import LONGEST, Settings

_SCALE = 5
_QUOTATION = re.compile(r"['‘「『《〈<]([가-힣A-Za-z0-9(][^'’‘」』》〉>\n\"“”]{1,24}?)['’」』》〉>]")
_UNQUOTABLE = re.compile(r"(?:다|요|까|자|고|며|면|지|는|은|을|를|이|가|에|로|[?!.…].*)$")
_LONGEST_QUOTED = 5  # words
_ENDS_BODY = re.compile(
    r"(?:청|부|원|회|당|사|단|센터|공사|공단|은행|병원|대|대학교|위원회|협회|연구원|연구소|법원|경찰서|재단|기구|연합|연맹|노조|그룹|전자|증권|본부|"
    r"조합|학회|처|국|소|공원|박물관|미술관|도서관|극장|시청|군청|구청|교육청|검찰|대사관|학교|고|신문|통신|방송)$"
)
FEATURES = (
    "word", "phrase of 2", "phrase of 3", "phrase of 4", "frequency", "frequency of phrase", "once", "early", "headline",
    "headline words", "headline only", "free left", "free right", "middle", "alone", "nested", "theme", "common", "common head",
    "common rest", "country", "characters", "characters of head", "characters of first", "short", "person", "person with title",
    "title", "quoted", "latin", "number", "body", "parentheses", "particles", "made verb", "only verb",
)  # fmt: skip
_SIZES = range(4)  # places of the features by size
(
    _FREQUENCY, _OF_PHRASE, _ONCE, _EARLY, _HEADLINE, _HEADLINE_WORDS, _HEADLINE_ONLY, _LEFT, _RIGHT, _MIDDLE, _ALONE, _NESTED,
    _THEME, _COMMON, _COMMON_HEAD, _COMMON_REST, _COUNTRY, _CHARACTERS, _OF_HEAD, _OF_FIRST, _SHORT, _PERSON, _PERSON_TITLE, _TITLE,
    _QUOTED, _LATIN, _NUMBER, _BODY, _PARENTHESES, _PARTICLES, _MADE_VERB, _ONLY_VERB,
) = range(len(_SIZES), len(FEATURES))  # fmt: skip


@dataclass(slots=True)
class _Lists:
    common: frozenset[str]
    countries: frozenset[str]


@lru_cache(maxsize=1)
def _lists() -> _Lists:
    read = sections("ko")
    return _Lists(frozenset(read["common"]), frozenset(read["country"]))


@dataclass(slots=True)
class _Candidate:
    text: str
    stems: tuple[str, ...]
    first: int  # place of its first word where it first stands
    kinds: tuple[int, ...] = ()
    count: int = 0
    free_left: int = 0
    free_right: int = 0
    alone: int = 0  # occurrences as a run of its own
    in_headline: bool = False
    body: int | None = None  # where it first stands behind the headline
    is_quoted: bool = False
    is_given: bool = False  # by the user
    in_parentheses: bool = False  # whether something in parentheses follows
    particles: set[str] = field(default_factory=set)


def judge(text: str, title: str | None, settings: Settings) -> list[Judged]:
    """Return the candidates of an article with their features."""
    headline, body = articles.divide(text, title, "ko")
    parts = [(part, tokens(part)) for part in (headline, body)]
    evidence = Evidence([word for _, words in parts for word in words])
    phrases = _Phrases(settings.words[1] if settings.words else LONGEST)
    for part, words in parts:
        analyse(words, evidence)
        if settings.korean == "kiwi":
            analyser.correct(part, words)
        for word in words:
            if word.stem in settings.stop_words:
                word.kind = STOP
        phrases.add(part, words)
    given = {_solid(phrase) for phrase in settings.candidates}
    for phrase in settings.candidates:
        phrases.add_given(phrase, f"{headline}\n{body}")
    judged = _Judge(phrases, headline, body).all(settings.unlikely)
    return [each for each in judged if each.solid in given] if given else judged


def _solid(phrase: str) -> str:
    return phrase.replace(" ", "").casefold()


class _Phrases:
    """The candidates of an article, by the text they show."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self.words: list[KoreanWord] = []
        self.by_form: dict[str, _Candidate] = {}
        self.headline = -1  # words of it; below 0 before it was added

    def add(self, text: str, words: list[KoreanWord]) -> None:
        """Note the phrases of the headline, then of the body."""
        before = len(self.words)
        for run in _runs(words):
            self._add_run(text, words, run, before)
        self.words += words
        self._add_quoted(text, words, before)
        if self.headline < 0:
            self.headline = len(words)

    def _add_run(self, text: str, words: list[KoreanWord], run: range, before: int) -> None:
        for begin in run:
            for last in range(begin, min(run.stop, begin + self._longest)):
                behind = words[last].end
                shown = text[words[begin].start : behind]
                candidate = self.by_form.get(shown)
                if candidate is None:
                    candidate = self.by_form[shown] = self._candidate(shown, words[begin : last + 1], before + begin)
                candidate.count += 1
                candidate.free_left += begin == run.start
                candidate.free_right += last == run.stop - 1
                candidate.alone += begin == run.start and last == run.stop - 1
                candidate.in_parentheses = candidate.in_parentheses or text[behind : behind + 1] == "("
                self._note_place(candidate, before + begin)
                if last == run.stop - 1:
                    candidate.particles.add(words[last].particles)

    def _candidate(self, shown: str, words: list[KoreanWord], first: int) -> _Candidate:
        return _Candidate(shown, tuple(word.stem for word in words), first, tuple(word.kind for word in words))

    def _note_place(self, candidate: _Candidate, index: int) -> None:
        if self.headline < 0:
            candidate.in_headline = True
        elif candidate.body is None:
            candidate.body = index - self.headline

    def _add_quoted(self, text: str, words: list[KoreanWord], before: int) -> None:
        """Note names in single quotation marks, with what no phrase has within: 쇠와 물결."""
        for match in _QUOTATION.finditer(text):
            shown = match[1].partition("(")[0].strip(" .,…")
            stems = tuple(shown.split())
            candidate = self.by_form.get(shown)
            if candidate is None and _may_be_name(stems):
                first = next((index for index, word in enumerate(words) if word.start >= match.start()), 0)
                candidate = self.by_form[shown] = _Candidate(shown, stems, before + first, (NOUN,) * len(stems))
                candidate.count = candidate.free_left = candidate.free_right = 1
                self._note_place(candidate, before + first)
            if candidate is not None:
                candidate.is_quoted = True

    def add_given(self, phrase: str, whole: str) -> None:
        """Note a phrase that the user gave, where the article has it."""
        if phrase in self.by_form:
            self.by_form[phrase].is_given = True
        elif phrase in whole:
            stems = tuple(phrase.split()) or (phrase,)
            first = next((index for index, word in enumerate(self.words) if word.form.startswith(stems[0])), 0)
            candidate = self.by_form[phrase] = _Candidate(phrase, stems, first, (NOUN,) * len(stems), 1, 1, 1)
            candidate.body, candidate.is_given = max(0, first - self.headline), True


def _may_be_name(stems: tuple[str, ...]) -> bool:
    if not 0 < len(stems) <= _LONGEST_QUOTED or _UNQUOTABLE.search(stems[-1]):
        return False
    return not is_verbal(stems[-1]) and stems[-1] not in lists().stop and not is_quantity(stems[0])


def _runs(words: list[KoreanWord]) -> Iterator[range]:
    """Yield stretches of nouns: all but the last carry no particles."""
    begin = None
    for index, word in enumerate(words):
        joins = begin is not None and word.gap == " " and not words[index - 1].particles
        if begin is not None and (word.kind == STOP or not joins):
            yield range(begin, index)
            begin = None
        if word.kind != STOP and begin is None:
            begin = index
    if begin is not None:
        yield range(begin, len(words))


class _Judge:
    def __init__(self, phrases: _Phrases, headline: str, body: str) -> None:
        self._phrases, self._lists = phrases, _lists()
        self._headline, self._whole = headline, f"{headline}\n{body}"
        self._often: dict[str, int] = {}
        self._nested = self._nesting()

    def all(self, unlikely: bool) -> list[Judged]:
        candidates = self._phrases.by_form.values()
        return [self._judged(candidate) for candidate in candidates if unlikely or self._has_a_chance(candidate)]

    def _has_a_chance(self, candidate: _Candidate) -> bool:
        """Whether it is worth judging: what occurs once is no short or common noun, and no part within a run."""
        if candidate.count > 1 or candidate.is_given or candidate.is_quoted or candidate.in_headline:
            return True
        if len(candidate.stems) == 1:
            return len(candidate.text) > 2 and candidate.text not in self._lists.common
        return bool(candidate.free_left or candidate.free_right) or self._count(candidate.text) > 1

    def _judged(self, candidate: _Candidate) -> Judged:
        return Judged(candidate.text, candidate.stems, self._features(candidate), _solid(candidate.text))

    def _count(self, text: str) -> int:
        """Return how often a text stands in the article, in longer words too: 변압기 in 변압기공장."""
        count = self._often.get(text)
        if count is None:
            count = self._often[text] = self._whole.count(text)
        return count

    def _nesting(self) -> dict[str, int]:
        """Return how often the longest phrases recur that hold a phrase (the idea of C-value, Frantzi et al. 2000)."""
        nested: dict[str, int] = {}
        for candidate in self._phrases.by_form.values():
            stems = candidate.stems
            if len(stems) > 1 and (count := max(candidate.count, self._count(candidate.text))) > 1:
                for begin in range(len(stems)):
                    for end in range(begin + 1, len(stems) + (begin > 0)):
                        part = " ".join(stems[begin:end])
                        nested[part] = max(nested.get(part, 0), count)
        return nested

    def _features(self, candidate: _Candidate) -> list[float]:
        row = [0.0] * len(FEATURES)
        stems, size = candidate.stems, len(candidate.stems)
        count = max(candidate.count, self._count(candidate.text), 1)
        row[_SIZES[min(size, len(_SIZES)) - 1]] = 1
        row[_FREQUENCY], row[_ONCE] = math.log(count), count == 1
        row[_EARLY] = -math.log1p(candidate.body or 0) / _SCALE
        row[_HEADLINE] = candidate.in_headline or candidate.text in self._headline
        row[_HEADLINE_ONLY] = candidate.body is None
        left, right = candidate.free_left / candidate.count, candidate.free_right / candidate.count
        row[_LEFT], row[_RIGHT] = left, right
        row[_ALONE] = candidate.alone / candidate.count
        row[_NESTED] = min(1.0, self._nested.get(candidate.text, 0) / count)
        row[_QUOTED], row[_PARENTHESES] = candidate.is_quoted, candidate.in_parentheses
        row[_LATIN], row[_NUMBER] = LATIN in candidate.kinds, QUANTIFIED in candidate.kinds
        row[_PARTICLES] = math.log1p(len(candidate.particles))
        row[_MADE_VERB] = VERBAL in candidate.particles
        row[_ONLY_VERB] = row[_MADE_VERB] and len(candidate.particles) == 1
        if size == 1:
            row[_THEME], row[_HEADLINE_WORDS] = row[_FREQUENCY], row[_HEADLINE]
            row[_MIDDLE] = left < 1 and right < 1
            self._add_word(candidate, row)
        else:
            row[_OF_PHRASE] = row[_FREQUENCY]
            row[_THEME] = sum([math.log(max(1, self._count(stem))) for stem in stems]) / size
            row[_HEADLINE_WORDS] = sum([stem in self._headline for stem in stems]) / size
            self._add_words(candidate, row)
        return row

    def _add_word(self, candidate: _Candidate, row: list[float]) -> None:
        """Add what a phrase of one word tells."""
        word = candidate.stems[0]
        row[_CHARACTERS] = row[_OF_HEAD] = row[_OF_FIRST] = math.log(len(word))
        row[_SHORT], row[_COUNTRY], row[_COMMON] = (
            len(word) == 2,
            word in self._lists.countries,
            word in self._lists.common,
        )
        row[_BODY] = len(word) > 2 and _is_body(word)
        row[_PERSON] = self._is_person(candidate.first)

    def _add_words(self, candidate: _Candidate, row: list[float]) -> None:
        """Add what the words of a longer phrase tell."""
        stems, lists = candidate.stems, self._lists
        head = stems[-1]
        row[_CHARACTERS] = math.log(sum(map(len, stems)))
        row[_OF_HEAD], row[_OF_FIRST] = math.log(len(head)), math.log(len(stems[0]))
        row[_COMMON_HEAD], row[_COMMON_REST] = head in lists.common, stems[0] in lists.common
        row[_BODY] = len(head) > 2 and _is_body(head)
        if people.is_title(head):
            is_of_person = self._is_person(candidate.first + len(stems) - 2)
            row[_PERSON_TITLE if is_of_person else _TITLE] = 1

    def _is_person(self, index: int) -> bool:
        """Whether the word is a person's name by what follows."""
        words = self._phrases.words
        if not people.may_be_name(words[index].stem):
            return False
        return people.is_followed_as_name([(word.gap, word.stem) for word in words[index + 1 : index + 3]])


@lru_cache(maxsize=2**13)
def _is_body(stem: str) -> bool:
    return bool(_ENDS_BODY.search(stem))
