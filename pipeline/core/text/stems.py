"""One stem per word and language, so that inflected forms of a word compare equal."""

import threading
from functools import cache, lru_cache
from typing import Any, Protocol

# It uses PyStemmer, in C, where that is installed, with the same stems on every word of our articles.  This and two savings in the
# cleaner (`fold_loose`, offsets by runs) made 1,900 to 2,800 labels a second 2,700 to 3,200, where two of seven phrases are absent.
import snowballstemmer

from pipeline.core.errors import MissingExtra
from pipeline.core.text.korean import strip_particles

# ISO 639-1 -> Snowball algorithm (https://snowballstem.org). Languages without an entry are only casefolded.
_ALGORITHMS = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "es": "spanish", "et": "estonian", "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish",
    "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian",
    "ne": "nepali", "nl": "dutch", "no": "norwegian", "nb": "norwegian", "nn": "norwegian", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish",
    "yi": "yiddish", "x-porter": "porter",  # the older English one, which published figures are made with
}  # fmt: skip
_LONGEST = 64  # characters; longer "words" are noise, and Snowball takes more than linear time on some of them
_CACHED = 2**15  # words; about 8 MB when full


class _Stemmer(Protocol):
    def stemWord(self, word: str) -> str: ...


_local = threading.local()  # Snowball stemmers keep the word they work on: one set per thread


def _stemmer(algorithm: str) -> _Stemmer:
    stemmers: dict[str, _Stemmer] = _local.__dict__.setdefault("stemmers", {})
    if algorithm not in stemmers:
        stemmers[algorithm] = snowballstemmer.stemmer(algorithm)
    return stemmers[algorithm]


@cache
def _nltk_porter() -> Any:
    try:
        from nltk.stem.porter import PorterStemmer  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtra("nltk's stemmer", "metrics") from error
    return PorterStemmer()


@lru_cache(maxsize=_CACHED)
def stem(word: str, language: str | None) -> str:
    """Return the stem of one word: lower case and Snowball's for its languages, without particles for Korean.

    `language` is an ISO 639-1 code or None; an unknown code or None casefolds. Never raises on a string.
    """
    if language == "ko":
        return strip_particles(word).casefold()
    if language == "x-porter-nltk":
        return _nltk_porter().stem(word) if len(word) <= _LONGEST else word.casefold()
    algorithm = _ALGORITHMS.get(language or "")
    if algorithm is None or len(word) > _LONGEST:
        return word.casefold()
    return _stemmer(algorithm).stemWord(word.lower())
