"""What the extractor knows of each language: how to find words, which ones bound a phrase, what may join two."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pipeline.core.text.korean import PARTICLES, is_predicate, split_particles
from pipeline.core.text.stems import stem

_STOPWORDS = Path(__file__).with_name("stopwords")
_LISTED = frozenset(path.stem for path in _STOPWORDS.glob("*.txt"))
_LONGEST_WORD = 40  # characters; longer ones are keys, hashes and runaway text
_CACHED = 2**15  # words of one language; about 8 MB when full

# Languages that elide with an apostrophe: l'Italie is two words of one phrase, O'Brien in English is one word.
_ELIDING = frozenset(("ca", "fr", "it"))
_QUOTING = frozenset(("ko",))  # the apostrophe is a quotation mark, with particles right behind it
_WITH_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0e3a\u0e40-\u0e4e"
_HAN = "\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_KATAKANA = "\u30a1-\u30fa\u30fc"
_NUMBER = r"\d+(?:[.,:]\d+)+[^\W\d_]*"
_INITIALS = r"[^\W\d_](?:\.[^\W\d_])+(?![^\W_])"  # U.S, without its last dot
_NOMINALISED = ("하기", "되기", "시키기", "려주기")  # Korean verbs made nouns by 기

_SCRIPTS = {"ko": re.compile("[가-힣]"), "ja": re.compile("[\u3041-\u30ff]"), "zh": re.compile(f"[{_HAN}]")}
_LOOKED_AT, _SCRIPT_SHARE = 1000, 0.2  # characters; share of them that decides

# What a word may do in a phrase. Plain integers: the extractor compares them for every word.
STOP = 0  # bounds it
CONTENT = 1  # stands anywhere
LINK = 2  # stands inside only: of, de
NUMBER = 3  # stands anywhere but first

Description = tuple[str, int, int]  # stem, length without particles, what the word may do


@dataclass(frozen=True, slots=True)
class Profile:
    """How one language writes its words and phrases."""

    words: re.Pattern[str]
    stopwords: frozenset[str]
    links: frozenset[str]
    gaps: frozenset[str]  # what may stand between two words of one phrase
    longest: int = 4  # content words in a phrase
    words_per_unit: int = 1  # tokens that make up what other languages write as one word


@lru_cache(maxsize=64)
def profile(language: str | None) -> Profile:
    """The profile of an ISO 639-1 code; a language without a stop word list gets a neutral one."""
    stopwords, links = _lists(language)
    if language == "zh":  # no spaces: characters are the words
        return Profile(re.compile(rf"[{_HAN}]|[A-Za-z0-9]+"), stopwords, links, frozenset(("",)), 6, 2)
    if language == "ja":  # runs of Kanji and Katakana are the words, Hiragana bounds them
        words = re.compile(rf"[{_HAN}]+|[{_KATAKANA}]+|[^\W_\u3040-\u30ff{_HAN}]+")
        return Profile(words, stopwords, links, frozenset(("",)))
    letter = r"[^\W_]" if stopwords else rf"(?:[^\W_]|[{_WITH_MARKS}])"
    # Hyphens and ampersands join words; a dot does in Amazon.com, not between sentences.
    joint = r"[-&‑]|\.(?=[a-z])" + ("" if language in _ELIDING | _QUOTING else r"|['’](?!s\b)")
    special = f"{_NUMBER}|{_INITIALS}" + ("|[Aa]ujourd['’]hui" if language == "fr" else "")
    words = re.compile(rf"{special}|[^\W_]{letter}*(?:(?:{joint}){letter}+)*")
    gaps = frozenset((" ", "'", "’")) if language in _ELIDING else frozenset((" ",))
    return Profile(words, stopwords, links, gaps)


def _lists(language: str | None) -> tuple[frozenset[str], frozenset[str]]:
    """The stop words and the linking words of a language; both empty where there is no list."""
    if language not in _LISTED:
        return frozenset(), frozenset()
    lines = (_STOPWORDS / f"{language}.txt").read_text("utf-8").splitlines()
    words = [word for line in lines if not line.startswith("#") for word in line.split()]
    links = frozenset(word[1:] for word in words if word.startswith("+"))
    return frozenset(words) - {"+" + link for link in links} | links, links


def language_of(code: str | None, text: str) -> str | None:
    """The language whose rules to apply: of a locale (pt-BR) its language, of an unknown one what the script tells."""
    language = re.split("[-_]", code.lower())[0] if code else None
    beginning = text[:_LOOKED_AT]
    if profile(language).stopwords and (language not in _SCRIPTS or _SCRIPTS[language].search(beginning)):
        return language
    for by_script, letters in _SCRIPTS.items():
        if len(letters.findall(beginning)) > _SCRIPT_SHARE * len(beginning):
            return by_script
    return language if language not in _SCRIPTS else None


class Lexicon(dict[str, Description]):
    """Descriptions of the words of one language, made when first asked for; forgets all when full."""

    def __init__(self, language: str | None) -> None:
        super().__init__()
        self._language = language

    def __missing__(self, word: str) -> Description:
        if len(self) >= _CACHED:
            self.clear()
        description = self[word] = _describe(word, self._language)
        return description


@lru_cache(maxsize=16)
def lexicon(language: str | None) -> Lexicon:
    """The lexicon of an ISO 639-1 code or None."""
    return Lexicon(language)


def _describe(word: str, language: str | None) -> Description:
    lists = profile(language)
    lower = word.lower().replace("’", "'")
    if lower in lists.links:
        return lower, len(word), LINK
    if lower in lists.stopwords or len(word) > _LONGEST_WORD:
        return lower, len(word), STOP
    if language == "ko":
        return _describe_korean(word, lists.stopwords)
    if not any(map(str.isalpha, word)):
        return lower, len(word), NUMBER
    return stem(word, language), len(word), STOP if len(word) == 1 and word.isascii() else CONTENT


def _describe_korean(word: str, stopwords: frozenset[str]) -> Description:
    base, particle = split_particles(word)
    base = base.rstrip("-&.‑")
    if base.endswith("들") and len(base) > 2 and not base.endswith(("아들", "버들")):
        base = base[:-1]  # 선수들 is 선수
    key = stem(base, "ko")
    amount = base[:1].isdigit() and not (base[-1].isascii() and base[-1].isupper())  # 3명, 2-0, 50mm, but 5G
    verbal = is_predicate(word) or base.endswith(_NOMINALISED) or (particle == "도" and is_predicate(base))  # 높아도
    if amount or verbal or base in stopwords or word in PARTICLES:
        return key, len(base), STOP
    return key, len(base), CONTENT
