"""The words of a text in Latin letters as parallel lists, with what each may do in a phrase."""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from pipeline.label.extractive import lexicon as lex
from pipeline.label.extractive import parts as pos
from pipeline.label.extractive.lexicon import Entry, Lexicon

# What may stand between two words.
APART, JOINED, OWNING, AND = range(4)  # nothing shared; a space; 's; an ampersand

# l'Italie is two words of one phrase, O'Brien in English is one word
_ELIDING = frozenset(("ca", "fr", "it"))
_WITH_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0e3a\u0e40-\u0e4e"
_LETTER = rf"(?:[^\W_]|[{_WITH_MARKS}])"
_ABBREVIATIONS = r"(?:Dr|Mr|Mrs|Ms|Prof|Sen|Rep|Gov|Gen|Lt|Col|Sgt|Rev|Hon|St|Jr|Sr|Inc|Corp|Co|Ltd|Bros)\.(?![^\W_])"
_INITIALS = r"(?:[^\W\d_]\.){2,}|[A-Z]\.(?=\s?[A-Z][a-z])"
_NUMBER = r"\d+(?:[.,:]\d+)+[^\W\d_]*"
_HEADLINE_CAPITALS = 0.6  # share of capitalised words from which a headline's capitals tell nothing
_FEWEST_CAPITALS, _FEWEST_RUN_ON = 3, 4  # words with content
_BEGINS_SENTENCE = re.compile(r"[.!?\n:;•*|]|,\s*[“\"«„]")


@dataclass(slots=True)
class Words:
    """The words of `text`. All lists have one entry per word, in order."""

    text: str
    forms: list[str]
    entries: list[Entry]
    starts: list[int]
    ends: list[int]
    joints: list[int]  # to the word before
    leads: list[bool]  # whether it begins a sentence, where capitals tell nothing
    kinds: list[int] = field(default_factory=list)  # what it may do in a phrase; see `kinds.py`


@lru_cache(maxsize=64)
def _pattern(language: str | None) -> re.Pattern[str]:
    # Hyphens and ampersands join words; a dot does in Amazon.com, not between sentences; a slash does in and/or.
    joint = r"[-&‑]|\.(?=[a-z])|/(?=[a-z]{3})" + ("" if language in _ELIDING else r"|['’](?!s\b)")
    special = r"[Aa]ujourd['’]hui|[A-Z][^\W_]+['’]s(?![^\W_])|" if language == "fr" else ""  # Moody's
    return re.compile(rf"{_INITIALS}|{_ABBREVIATIONS}|{_NUMBER}|{special}[^\W_]{_LETTER}*(?:(?:{joint}){_LETTER}+)*")


class _Gaps(dict[str, tuple[int, bool]]):
    """What stands between two words: how it joins them, and whether a sentence begins behind it."""

    def __init__(self, language: str | None) -> None:
        super().__init__()
        self._joining = frozenset((" ", "'", "’")) if language in _ELIDING else frozenset((" ",))
        self._owning = frozenset(("'s ", "’s ", "' ", "’ ")) if language == "en" else frozenset()

    def __missing__(self, gap: str) -> tuple[int, bool]:
        joint = APART
        if gap in self._joining:
            joint = JOINED
        elif gap in self._owning:
            joint = OWNING
        elif gap == " & ":
            joint = AND
        joint_and_start = joint, bool(_BEGINS_SENTENCE.search(gap))
        if len(gap) < 8:
            self[gap] = joint_and_start
        return joint_and_start


@lru_cache(maxsize=64)
def _gaps(language: str | None) -> _Gaps:
    return _Gaps(language)


def read(text: str, lexicon: Lexicon) -> Words:
    """Return the words of a cleaned text."""
    spans = [match.span() for match in _pattern(lexicon.language).finditer(text)]
    starts, ends = ([start for start, _ in spans], [end for _, end in spans])
    forms = [text[start:end] for start, end in spans]
    gaps = _gaps(lexicon.language)
    between = [gaps[text[end:start]] for end, start in zip(ends, starts[1:], strict=False)]
    joints = [APART, *(joint for joint, _ in between)] if forms else []
    leads = [True, *(begins for _, begins in between)] if forms else []
    return Words(text, forms, [lexicon[form] for form in forms], starts, ends, joints, leads)


def capitals(words: Words, headline: int) -> tuple[set[str], set[str]]:
    """Return the lower-case forms of words that are capitalised within a sentence of the body, and of those that are not there,
    with their keys.  The first `headline` words do not count: capitals of headlines tell nothing."""
    capitalised: set[str] = set()
    lower: set[str] = set()
    joints, leads = words.joints, words.leads
    for index, (key, _, case, form) in enumerate(words.entries[headline:], headline):
        if case == lex.LOWER:
            lower.add(form)
            lower.add(key)
        elif (joints[index] and not leads[index]) or case == lex.MIXED:
            capitalised.add(form)
    return capitalised, lower


def capitalised(words: Words, headline: int) -> int:
    """Return how many words at the beginning are capitalised for show: a headline's, also where it runs on into the text."""
    end = headline or _run_on(words)
    content = [entry for entry in words.entries[:end] if entry.part not in lex.CLOSED and entry.part != pos.NUMBER]
    fewest = _FEWEST_CAPITALS if headline else _FEWEST_RUN_ON
    if len(content) < fewest:
        return 0
    return end if sum(entry.case > lex.LOWER for entry in content) >= _HEADLINE_CAPITALS * len(content) else 0


def _run_on(words: Words) -> int:
    """Return the place of the first word without a capital that might have one in a headline."""
    for index, entry in enumerate(words.entries):
        if not entry.case and entry.part not in lex.CLOSED and entry.part != pos.NUMBER:
            return index
    return 0
