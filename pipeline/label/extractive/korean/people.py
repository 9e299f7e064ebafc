"""Korean people: a surname's syllable, and what somebody is, or an age, behind the name."""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from pipeline.label.extractive.lexicon import sections

_AGE = re.compile(r"\d\d(?:\D|$)")
_FULL_NAME = 3  # syllables of most names


@lru_cache(maxsize=1)
def _titles() -> tuple[frozenset[str], tuple[str, ...]]:
    titles = sections("ko")["title"]
    return frozenset(titles), tuple(title for title in titles if len(title) > 1)


@lru_cache(maxsize=1)
def _surnames() -> frozenset[str]:
    return frozenset(sections("ko")["surname"] + sections("ko")["compound surname"])


@lru_cache(maxsize=2**13)
def is_title(stem: str) -> bool:
    """Tell whether a word says what somebody is: 교수, 통영시장."""
    titles, long_titles = _titles()
    return stem in titles or stem.endswith(long_titles)


def may_be_name(stem: str) -> bool:
    return (len(stem) in (2, _FULL_NAME) and stem[0] in _surnames()) or stem[:2] in _surnames()


def is_followed_as_name(after: Sequence[tuple[str, str]]) -> bool:
    """Tell whether what follows shows that a word is a person's name; `after` has (gap, form) of the next two words."""
    if after and after[0][0] == "(" and _AGE.match(after[0][1]):
        return True
    return any(gap == " " and is_title(form) for gap, form in after)


def full_names(words: Sequence[tuple[str, str]]) -> frozenset[str]:
    """Return the names of three syllables among words, given as (gap, form), that a title or an age follows directly."""
    full_names, surnames = set(), _surnames()
    for (_, form), (gap, after) in pairwise(words):
        if len(form) == _FULL_NAME and form[0] in surnames and _shows_name(gap, after):
            full_names.add(form)
    return frozenset(full_names)


def _shows_name(gap: str, after: str) -> bool:
    return bool(_AGE.match(after)) if gap == "(" else gap == " " and is_title(_without_particle(after))


def _without_particle(form: str) -> str:
    return re.sub(r"(?:은|는|이|가|을|를|의|도|에게|과|와|께서)$", "", form) if not is_title(form) else form
