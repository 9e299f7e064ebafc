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

_LEXICA = Path(__file__).with_name("lexica")
LANGUAGES = frozenset(path.name.split(".")[0] for path in _LEXICA.glob("*.txt"))
_LONGEST_WORD = 40  # characters; longer ones are keys, hashes and runaway text
_CACHED = 2**15  # words of one language; about 8 MB when full

# Parts of speech, as far as they tell where a phrase begins and ends.  Plain integers: they are compared for every word.
BREAK, DETERMINER, PREPOSITION, OPENS, BE, LINK = range(6)  # of closed classes
VERB, VERB_OR_NOUN, NOUN_OR_VERB, PARTICIPLE, ADJECTIVE, LEADING, NOUN, NUMBER, LETTER, UNKNOWN = range(6, 16)
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

# Languages whose lists tell verbs and adjectives apart well enough for noun phrases that occur once.
DESCRIBED = frozenset(("da", "de", "en", "es", "fr", "it", "nl", "no", "pt", "sv"))

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
_ENDINGS = {  # of words that no list has
    "en": (
        ("ly", BREAK),
        ("ed|ing", PARTICIPLE),
        ("ous|ful|ive|able|ible|less|ish", ADJECTIVE),
        ("(?:tion|ment|ness|ity|ism|ist)s?", NOUN),
    ),
    "fr": (
        ("ment", BREAK),
        ("[^t]ée?s?", PARTICIPLE),
        ("aient|ait|èrent|eront|eraient", VERB),
        ("mer|fer|hiver|cancer|leader|tier", NOUN),
        ("[^i]er", VERB),
    ),
    "es": (
        ("mente", BREAK),
        ("mujer|lugar|hogar|taller|militar|militares|titular|popular|familiar|alquiler|nuclear|escolar|solar|^mar|azúcar", NOUN),
        ("[^aiou][aei]r(?:se|lo|la|los|las|le)?|aron|ieron|aban?|ían|[aei]rán?|[aei]ría[ns]?|ando|iendo|ó", VERB),
        ("[ai]d[oa]s?", PARTICIPLE),
    ),
    "it": (
        ("mente", BREAK),
        ("[aei]vano?|[ei]ranno|[ei]rà|[ei]rebbero?|ando|endo|[aei]rono|[^aeiou][ai]re|[aei]r(?:si|lo|la|li|le)", VERB),
        ("[^aeiou](?:at|ut|it)[oaie]", PARTICIPLE),
    ),
    "pt": (
        ("mente", BREAK),
        ("mulher|lugar|militar|militares|familiar|popular|nuclear|escolar|^mar|solar|titular", NOUN),
        ("[^aeiou][aei]r(?:-se)?|aram|eram|iram|avam?|[aei]rão|[aei]rá|[aei]riam?|ando|endo|indo|[^aeiou](?:ou|eu|iu)", VERB),
        ("[ai]d[oa]s?", PARTICIPLE),
    ),
    "nl": (
        ("(?:maan|dins|woens|donder|vrij|zater|zon)dag(?:ochtend|morgen|middag|avond|nacht)", BREAK),
        ("lijk|lijks", BREAK), ("^(?:ge|ver|be|ont)[a-z]{3,}[dt]", PARTICIPLE),
    ),
    "sv": (("(?:mån|tis|ons|tors|fre|lör|sön)dags(?:morgon|kväll|natt|eftermiddag)(?:en)?", BREAK), ("ande|ades|des|te[sr]", VERB)),
    "da": (("ende|ede|edes", VERB),),
    "no": (("ende|et|te", VERB),),
    "pl": (
        ("dział|materiał|kapitał|wydział|zespół|skała|chwała|siła|szkoła|artykuł|tytuł|stół|kościół|ogół|protokół", NOUN),
        ("(?:a|ia|y|i)ł[ay]?|(?:a|ie|y|i)li|[aiuyeó]ć|uj[eą]|ując[aeyi]?|owano", VERB),
    ),
    "cs": (("škola|síla|skála|chvála|kapitál|festival|materiál|signál|titul", NOUN), ("[aeiyu]l[aoi]?|[aeiyu]t|uje|ují", VERB)),
    "ru": (
        ("канал|материал|генерал|капитал|зал|вокзал|журнал|отдел|раздел|предел|сигнал|школа|сила|дело|село|тыл", NOUN),
        ("[аеиыяу]л[аои]?|[аеиыяу]л(?:ся|[аои]сь)|ть|ться|ется|ются|ится|ятся|[ую]т|ает|яет|ует", VERB),
    ),
    "uk": (
        ("канал|матеріал|генерал|капітал|зал|вокзал|журнал|відділ|розділ|сигнал|школа|сила|діло|село", NOUN),
        ("[аеиіяув](?:в|ла|ло|ли)(?:ся)?|ти|тися|ється|ються|[ую]ть|ає|ує", VERB),
    ),
    "tr": (
        ("parti|kedi|vadi|adı|yedi|kendi|şimdi", NOUN),
        ("[^n]d[ıiuü]|[çfhkpsşt]t[ıiuü]|[ıiuü]yor(?:du)?|[ae]ca[kğ](?:[ıi]n?[ıi]?)?", VERB),
        ("m[ıiuü]ş(?:t[ıiuü])?|m[ae]k|d[ıiuü]l[ae]r", VERB),
    ),
    "fi": (("[iaouyäö]vat|ivät|nut|nyt|neet|taan|tään|ttiin|essa?an|nsa|nsä|ksi", BREAK),),
    "de": (("(?:e|en|er|es|em)", ADJECTIVE), ("", BREAK)),  # of words without a capital: nouns have one
}  # fmt: skip
_ENDING = {
    language: tuple((re.compile(f"(?:{ending})$"), part) for ending, part in endings)
    for language, endings in _ENDINGS.items()
}
_LETTERS = re.compile(r"[^\W\d_]+")
_FUNCTION_SHARE = 0.15  # of a text's words
_GERMAN_DAY = re.compile(
    "(?:(?:mon|diens|donners|frei|sams|sonn)tag|mittwoch)(?:s|morgen|früh|vormittag|mittag|nachmittag|abend|nacht)s?"
)
_MONEY = re.compile(r"(?:us|hk|nz|eur|gbp|rs|au?)\d[\d.,]*")  # $US108
_TIME_OF_DAY = re.compile(r"\d+(?:st|nd|rd|th|e|er|h|am|pm)?\d*")
_PLURAL = {
    "en": ((re.compile(r"(?<=[^aeiou])ies$"), "y"), (re.compile(r"(?<=[^su])s$"), "")),
    "fr": ((re.compile(r"aux$"), "al"), (re.compile(r"(?<=[^s])[sx]$"), "")),
    "es": ((re.compile(r"(?<=[^aeiou])es$"), ""), (re.compile(r"s$"), "")),
    "pt": ((re.compile(r"ões$"), "ão"), (re.compile(r"s$"), "")),
    "it": ((re.compile(r"[aeio]$"), ""),),
    "de": ((re.compile(r"(?<=...)(?:en|es|er|e|n|s)$"), ""),),
    "nl": ((re.compile(r"(?<=...)(?:en|s)$"), ""),),
}


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
        self._singular = _PLURAL.get(language or "", ())
        self.knows_nouns = bool(read.get("noun"))  # so that an unknown word at the head of a sentence is a name
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
        for ending, part in _ENDING.get(self.language or "", ()):
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
