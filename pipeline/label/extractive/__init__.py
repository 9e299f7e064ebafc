"""Key phrases of an article without a model: candidate phrases, corpus statistics, position, title and diversity.

Works alone for any language; Korean, English, French, German, Spanish, Italian, Portuguese, Dutch, Japanese and
Chinese have rules and word lists of their own. Related: YAKE (Campos et al. 2020) for position and casing-free
statistics of one article, C-value (Frantzi et al. 2000) for phrases inside phrases, MMR (Carbonell & Goldstein 1998).
"""

from collections.abc import Iterable

from pipeline.label.extractive import statistics as _statistics
from pipeline.label.extractive.candidates import Candidates, candidates
from pipeline.label.extractive.nouns import bound_common, settle_korean
from pipeline.label.extractive.profiles import CONTENT, STOP, language_of, profile
from pipeline.label.extractive.ranking import Context, best
from pipeline.label.extractive.statistics import Statistics
from pipeline.label.extractive.words import Words, clean, read, without_repeated_title

__all__ = ["Statistics", "extract", "fit"]


def fit(articles: Iterable[tuple[str, str | None]]) -> Statistics:
    """Statistics over (text, ISO 639-1 code or None) pairs, read once, in any order.

    At most 4,000 articles of each language are counted, those whose text has the lowest digest.
    """
    return _statistics.fit((text, language_of(language, text)) for text, language in articles)


def extract(
    text: str, *, title: str | None = None, language: str | None = None, statistics: Statistics, limit: int = 10
) -> list[str]:
    """At most `limit` key phrases, best first, each a substring of the NFC form of `text`.

    `title` may stand in the text or not. `language` is an ISO 639-1 code; None and unknown codes work without a stop
    word list. Reads the first 100,000 characters. Never raises on a string.
    """
    language = language_of(language, text)
    counted = statistics.of(language)
    traits = profile(language)
    words = read(without_repeated_title(clean(text)), language)
    unattested = settle_korean(words, counted.forms) if language == "ko" else frozenset()
    if not traits.stopwords:
        bound_common(words, counted)
    stems = frozenset(read(clean(title), language).keys) if title else frozenset()
    context = Context(words, counted, stems, unattested, traits.words_per_unit)
    found = candidates(words, traits.longest)
    return [_surface(words, found, row) for row in best(found, context, limit)]


def _surface(words: Words, found: Candidates, row: int) -> str:
    """The form in which the phrase stands in the text most often, the first of equals."""
    place = int(found.first[row])
    width = int(found.last[row]) + 1 - place
    keys = words.keys[place : place + width]
    forms: dict[str, int] = {}
    for _ in range(found.count[row]):
        while words.keys[place : place + width] != keys or not _is_phrase(words, place, width):
            place = words.keys.index(keys[0], place + 1)
        form = words.text[words.starts[place] : words.ends[place + width - 1]]
        forms[form] = forms.get(form, 0) + 1
        place += 1
    return max(forms, key=forms.__getitem__)


def _is_phrase(words: Words, place: int, width: int) -> bool:
    kinds = words.kinds[place : place + width]
    return kinds[0] == CONTENT and STOP not in kinds and all(words.joined[place + 1 : place + width])
