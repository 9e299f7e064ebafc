"""What is known of single words of a language: closed classes, parts of speech, and nouns that say nothing alone.

A file of `lexica/` has sections, a name in brackets and words below it:

    determiner, preposition, opens, be    what stands before a noun, and before a verb
    stop, month, agency                   what bounds a phrase and is never part of one
    link, name link                       what may stand inside a phrase (of, de), and inside a name (of, for, the)
    title, portfolio                      what comes before a name and is no part of it (mayor), and what ends one (Justice)
    office, forename                      what has a portfolio behind it (ministro), and forenames that end like titles (Peter)
    before noun, adjective, adverb noun   adjectives; nouns that end like adverbs
    verb, verb er, verb ir, verb re       forms of verbs; infinitives that are inflected here
    common                                nouns that say nothing alone (people, problem, report)
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pipeline.label.extractive import french
from pipeline.label.extractive.endings import ENDING, PLURAL
from pipeline.label.extractive.parts import (
    ADJECTIVE,
    BE,
    BREAK,
    DETERMINER,
    LEADING,
    LETTER,
    LINK,
    NOUN,
    NOUN_OR_VERB,
    NUMBER,
    OPENS,
    PARTICIPLE,
    PREPOSITION,
    UNKNOWN,
    VERB,
    VERB_OR_NOUN,
)

_LEXICA = Path(__file__).with_name("lexica")
LANGUAGES = frozenset(path.name.split(".")[0] for path in _LEXICA.glob("*.txt"))
_LONGEST_WORD = 40  # characters; longer ones are keys, hashes and runaway text
_CACHED = 2**15  # words of one language; about 8 MB when full

CLOSED = frozenset((BREAK, DETERMINER, PREPOSITION, OPENS, BE, LINK, LETTER))

HAN = "\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Chinese characters, within brackets of a pattern

LOWER, CAPITALISED, UPPER, MIXED = range(4)  # how a word is written: word, Word, WORD, iWord

SOLID = {  # languages that write compounds as one word, and how words end that may stand before a noun
    "de": ("er", "e", "es", "en", "em"),
    "nl": ("e", "er", "en"),
    "sv": ("a", "t", "sk", "ig", "s"),
    "da": ("e", "t", "sk", "ig", "s"),
    "no": ("e", "t", "sk", "ig", "s"),
}

_MEASURED = frozenset(("en", "fr"))  # with two editors' gold: what they get stays as it was measured
# Languages whose lists tell verbs and adjectives apart well enough for noun phrases that occur once.
_DESCRIBED = frozenset(("da", "de", "en", "es", "fr", "it", "nl", "no", "pt", "sv"))

_SECTIONS = {  # the first section that lists a word decides
    "link": LINK,
    "determiner": DETERMINER,
    "preposition": PREPOSITION,
    "opens": OPENS,
    "be": BE,
    "stop": BREAK,
    "month": BREAK,
    "agency": BREAK,
    "adverb noun": NOUN,
    "before noun": LEADING,
    "adjective": ADJECTIVE,
    "verb": VERB,
    "verb or noun": VERB_OR_NOUN,
    "participle": PARTICIPLE,
    "adverb": BREAK,
    "noun or verb": NOUN_OR_VERB,
    "noun": NOUN,
}
_LETTERS = re.compile(r"[^\W\d_]+")
_FUNCTION_SHARE = 0.15  # of a text's words
_AGED = re.compile(
    r"\d+-?(?:jährige[rnms]?|jarige[n]?|åring(?:en|ar)?|årige?|år(?:s|ig)?|latek|latka|letý|летн.*|річн.*)"
)
_GERMAN_DAY = re.compile(
    "(?:(?:mon|diens|donners|frei|sams|sonn)tag|mittwoch)(?:s|morgen|früh|vormittag|mittag|nachmittag|abend|nacht)s?|"
    ".*(?:hunderte?|tausende?|dutzende?)n?"
)
_MONEY = re.compile(r"(?:us|hk|nz|eur|gbp|rs|au?)\d[\d.,]*")  # $US108
_TIME_OF_DAY = re.compile(r"\d+(?:st|nd|rd|th|e|er|h|am|pm)?\d*")


class Entry(NamedTuple):
    """What is known of a word as it is written."""

    key: str  # the same for singular and plural
    part: int  # of speech
    case: int
    lower: str


@dataclass(frozen=True)
class Sections:
    """The lists of a language that phrases are judged by."""

    common: frozenset[str]
    name_links: frozenset[str]
    titles: frozenset[str]
    portfolios: frozenset[str]
    months: frozenset[str]
    forenames: frozenset[str]
    offices: frozenset[str]


class Lexicon(dict[str, Entry]):
    """Entries of the words of one language, made when first asked for; forgets all when full."""

    def __init__(self, language: str | None) -> None:
        super().__init__()
        self.language = language
        read = sections(language)
        self._parts = _parts(read, language)
        self._singular = PLURAL.get(language or "", ())
        self.is_measured = language in _MEASURED
        self.is_described = language in _DESCRIBED
        # so that an unknown word at the head of a sentence is a name
        self.knows_nouns = bool(read.get("noun"))
        names = ("common", "name link", "title", "portfolio", "month", "forename", "office")
        self._is_common: dict[str, bool] = {}
        self.lists = Sections(*(frozenset(read.get(name, ())) for name in names))

    def __missing__(self, word: str) -> Entry:
        if len(self) >= _CACHED:
            self.clear()
            self._is_common.clear()
        lower = word.lower().replace("’", "'")
        if len(lower) > 2 and lower[-1] == "." and lower.count(".") == 1:
            lower = lower[:-1]  # Dr., but not U.S.
        entry = self[word] = Entry(self.key(lower), self._part(word, lower), _case(word), lower)
        return entry

    def key(self, lower: str) -> str:
        """Return one form for singular and plural: a light stem, so that `organ` and `organisation` stay apart."""
        if len(lower) > 3:
            for ending, instead in self._singular:
                singular, count = ending.subn(instead, lower)
                if count:
                    return singular
        return lower

    def is_common(self, lower: str) -> bool:
        is_listed = self._is_common.get(lower)
        if is_listed is None:
            is_listed = self._is_common[lower] = bool(self.lists.common.intersection((lower, self.key(lower))))
        return is_listed

    def _part(self, word: str, lower: str) -> int:
        if len(word) > _LONGEST_WORD:
            return BREAK
        if word[0].isdigit():
            if _AGED.fullmatch(lower):
                return BREAK
            is_number = not any(map(str.isalpha, word)) or _TIME_OF_DAY.fullmatch(lower)
            return NUMBER if is_number else UNKNOWN
        if _MONEY.fullmatch(lower):
            return NUMBER
        if len(word) == 1:
            return self._parts.get(lower, LETTER)
        listed = self._parts.get(lower)
        if listed is None and self.language == "de" and word[0].isupper():
            return BREAK if _GERMAN_DAY.fullmatch(lower) else UNKNOWN
        return self._guess(lower) if listed is None else listed

    def _guess(self, lower: str) -> int:
        """Return the part of speech of a word that no list has, by its singular, its last part and its ending."""
        if self.language == "en":
            listed = self._parts.get(self.key(lower))
            if listed in (NOUN, NOUN_OR_VERB, VERB_OR_NOUN, VERB) or self.key(lower) in self.lists.months:
                return BREAK if listed is None else listed
            if "-" in lower:
                return BREAK if lower.rpartition("-")[2] in self.lists.months else self._of_compound(lower)
        for ending, part in ENDING.get(self.language or "", ()):
            if ending.search(lower):
                return part
        return UNKNOWN

    def _of_compound(self, lower: str) -> int:
        """Return what an English compound with hyphens is by its last part: fast-food, meat-free, opening-day."""
        part = self._parts.get(lower.rpartition("-")[2], UNKNOWN)
        if part in (PARTICIPLE, ADJECTIVE):
            return ADJECTIVE
        return NOUN if part in (NOUN, NOUN_OR_VERB, VERB_OR_NOUN) else UNKNOWN


@lru_cache(maxsize=16)
def lexicon(language: str | None) -> Lexicon:
    """Return the lexicon of an ISO 639-1 code; of None and of languages without lists, an empty one."""
    return Lexicon(language)


@lru_cache(maxsize=16)
def sections(language: str | None) -> dict[str, list[str]]:
    """Return the sections of all files of a language: name -> words in order."""
    by_name: dict[str, list[str]] = {}
    for path in sorted(_LEXICA.glob(f"{language}.*txt")) if language in LANGUAGES else ():
        words: list[str] = []
        for line in path.read_text("utf-8").splitlines():
            if line.startswith("["):
                words = by_name.setdefault(line.strip("[]"), [])
            elif not line.startswith("#"):
                words += line.split()
    return by_name


def by_function_words(text: str) -> str | None:
    """Return the language whose articles, prepositions and auxiliaries a text has most of, None where it has few of any."""
    words = _LETTERS.findall(text.lower())
    counts = {
        language: sum(word in function_words for word in words)
        for language, function_words in _function_words().items()
    }
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] > _FUNCTION_SHARE * len(words) else None


@lru_cache(maxsize=1)
def _function_words() -> dict[str, frozenset[str]]:
    names = ("determiner", "preposition", "be", "link", "opens")
    read = {language: sections(language) for language in sorted(LANGUAGES)}
    by_language = {
        language: frozenset(word for name in names for word in own.get(name, ())) for language, own in read.items()
    }
    return {language: words for language, words in by_language.items() if words}


def _parts(read: dict[str, list[str]], language: str | None) -> dict[str, int]:
    parts: dict[str, int] = {}
    for name, part in _SECTIONS.items():
        for word in read.get(name, ()):
            parts.setdefault(word, part)
    if language == "fr":
        for word, part in _inflected(read):
            parts.setdefault(word, part)
    return parts


def _inflected(read: dict[str, list[str]]) -> list[tuple[str, int]]:
    """Return the forms of French verbs; those of the present singular are nouns as often (la demande, la marche)."""
    forms: list[tuple[str, int]] = []
    for group, inflect in (
        ("verb er", french.first_group),
        ("verb ir", french.second_group),
        ("verb re", french.third_group),
    ):
        for verb in read[group]:
            finite, present, participles = inflect(verb)
            forms += [(form, VERB) for form in finite]
            forms += [(form, NOUN_OR_VERB) for form in present]
            forms += [(form, PARTICIPLE) for form in participles]
    return forms


def _case(word: str) -> int:
    if word[0].isupper():
        return UPPER if len(word) > 1 and word.isupper() else CAPITALISED
    return LOWER if word.islower() or not any(map(str.isupper, word)) else MIXED
