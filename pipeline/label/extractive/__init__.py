"""Key phrases of an article without a model: names in full and noun phrases, by form, frequency, place and headline.

A label is a function of the article alone.  Languages in Latin letters (`latin`), Korean (`korean`), Chinese and Japanese
(`characters`) each find candidates in their own way and judge them by features of their own; `ranking` weighs and chooses.
Related: YAKE (Campos et al. 2020) for statistics of one article, C-value (Frantzi et al. 2000) for phrases inside
phrases, MMR (Carbonell & Goldstein 1998), KeyBERT for what users may set.
"""

import re
import string
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.label.extractive import articles, characters, latin
from pipeline.label.extractive.korean import phrases as korean
from pipeline.label.extractive.lexicon import HAN, LANGUAGES, by_function_words
from pipeline.label.extractive.ranking import Judged, choose, weights
from pipeline.label.extractive.settings import Settings

__all__ = ["FEATURES", "Candidates", "Encoder", "Settings", "extract", "find_candidates"]

FEATURES = tuple(dict.fromkeys((*latin.FEATURES, *korean.FEATURES, *characters.FEATURES)))  # of all families

_SCRIPTS = {
    "ko": re.compile("[가-힣]"),
    "ja": re.compile("[\u3041-\u30ff]"),
    "zh": re.compile(f"[{HAN}]"),
}
_LOOKED_AT, _SCRIPT_SHARE = 1000, 0.2  # characters; share of them that decides
_MARKS = string.punctuation + "،؛؟।«»„“”‘’…—–·。、"
_SHORT, _LONG = 3, 30  # characters
_WORD = re.compile(r"(?!www\.)\w(?:[^;:@/\s]*[^\W_])?")  # no address
_DEFAULT = Settings()


@dataclass(frozen=True)
class Encoder:
    """What makes texts comparable: `embed` returns a vector (a row) for each of some texts, of which it reads `characters`."""

    embed: Callable[[list[str]], Any]
    characters: int


def extract(
    text: str,
    *,
    title: str | None = None,
    language: str | None = None,
    settings: Settings = _DEFAULT,
    encoder: Encoder | None = None,
) -> list[str]:
    """Return at most `settings.phrases` key phrases, best first, each a substring of the NFC form of `text`.

    `title` may stand in the text or not. `language` is an ISO 639-1 code; where it is None the text
    tells; unknown codes work without word lists. Reads the first 100,000 characters. Never raises on a string.
    With an `encoder` candidates are ranked by their likeness to the article, else by what its own statistics say.
    """
    candidates = find_candidates(text, title=title, language=language, settings=settings)
    if encoder:
        from pipeline.label.extractive.likeness import choose_alike  # numpy is not needed by the default

        chosen = choose_alike(
            candidates.judged, candidates.weights, candidates.text, encoder.characters, encoder.embed, settings
        )
    else:
        chosen = choose(candidates.judged, candidates.weights, settings)
    return chosen if chosen or settings.candidates else _frequent_words(candidates.text, settings)


@dataclass(frozen=True, slots=True)
class Candidates:
    """The phrases of an article that could be key phrases, each with its features, and what those weigh for the extractor."""

    text: str  # in NFC, as far as it is read; every candidate stands in it
    judged: list[Judged]
    names: tuple[str, ...]  # of the features
    weights: tuple[float, ...]


def find_candidates(
    text: str, *, title: str | None = None, language: str | None = None, settings: Settings = _DEFAULT
) -> Candidates:
    """Return the candidates that `extract` chooses from."""
    text = articles.normalised(text)
    title = articles.normalised(title) if title else None
    judged, family, names = _judged(text, title, _language_of(language, text), settings)
    wanted = [each for each in judged if _is_wanted(each, text, settings)]
    return Candidates(text, wanted, names, weights(family, names))


def _frequent_words(text: str, settings: Settings) -> list[str]:
    """Return the most frequent words, the earlier first: for scripts without rules, and where nothing stands between words."""
    # a person sees what the text turns on; no label at all would drop the article
    words = [word.strip(_MARKS) for word in text.split()]
    wanted = [each for each in words if _is_word(each) and each.casefold() not in settings.stop_words]
    fewest = settings.words[0] if settings.words else 1
    return [word for word, _ in Counter(wanted).most_common(settings.phrases)] if fewest == 1 else []


def _is_word(word: str) -> bool:
    letters = sum(map(str.isalpha, word))  # half of it: signs of vowels are none
    return _SHORT < len(word) <= _LONG and letters > len(word) / 2 and _WORD.fullmatch(word) is not None


def _judged(
    text: str, title: str | None, language: str | None, settings: Settings
) -> tuple[list[Judged], str, tuple[str, ...]]:
    """Return the candidates, the name of the family of languages, and the names of its features."""
    if language == "ko":
        return korean.judge(text, title, settings), "korean", korean.FEATURES
    if language in ("ja", "zh"):
        return characters.judge(text, title, language, settings), "characters", characters.FEATURES
    return latin.judge(text, title, language, settings), "latin", latin.FEATURES


def _is_wanted(candidate: Judged, text: str, settings: Settings) -> bool:
    if settings.words:
        fewest, most = settings.words
        if not fewest <= len(candidate.text.split()) <= most:
            return False
    # a phrase of a title that is no part of the text is not
    return len(candidate.text) > 1 and candidate.text in text


def _language_of(code: str | None, text: str) -> str | None:
    """Return the language whose rules to apply: of a locale (pt-BR) its language, of an unknown one what the script tells."""
    language = re.split("[-_]", code.lower())[0] if code else None
    language = "no" if language in ("nb", "nn") else language
    beginning = text[:_LOOKED_AT]
    if language in LANGUAGES and (language not in _SCRIPTS or _SCRIPTS[language].search(beginning)):
        return language
    for by_script, letters in _SCRIPTS.items():
        if len(letters.findall(beginning)) > _SCRIPT_SHARE * len(beginning):
            return by_script
    if code is None:
        return by_function_words(beginning)
    return language if language not in _SCRIPTS else None
