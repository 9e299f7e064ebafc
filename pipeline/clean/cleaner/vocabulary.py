"""The words that models put around labels, by language: what `vocabulary.txt` holds, by the names of its sections."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

_SECTION = re.compile(r"^\[(\w+)\]$", re.MULTILINE)


def _read() -> dict[str, list[str]]:
    """Return the lines of each section, without comments."""
    text = Path(__file__).with_suffix(".txt").read_text("utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    heads = [*_SECTION.finditer(text), None]
    return {
        head[1]: text[head.end() : following.start() if following else len(text)].strip().split("\n")
        for head, following in pairwise(heads)
        if head
    }


_LINES = _read()


def _entries(name: str) -> tuple[str, ...]:
    """Return the entries of a section: between bars, where it has any, else words; spaces at an edge stand in quotes."""
    joined = " | ".join(_LINES[name])
    if not any(" | " in line for line in _LINES[name]):
        return tuple(" ".join(_LINES[name]).split())
    return tuple(entry.strip().strip('"') for entry in joined.split(" | "))


def _words(name: str) -> frozenset[str]:
    return frozenset(_entries(name))


def _pattern(name: str) -> str:
    """Return the alternatives of a section of patterns."""
    return "|".join(_LINES[name])


def _pairs(name: str) -> list[tuple[list[str], list[str]]]:
    """Return the two sides of each line."""
    sides = (line.split(" => ") for line in _LINES[name])
    return [(left.split(" | "), right.split(" | ")) for left, right in sides]


STRONG_HEADS = _words("STRONG_HEADS")
WEAK_HEADS = _words("WEAK_HEADS")
FILLERS = _words("FILLERS")
COPULAS = _words("COPULAS")
TEXT_NOUNS = _words("TEXT_NOUNS")
ABOUT = _words("ABOUT")
ABOUT_VERBS = _words("ABOUT_VERBS")
LABEL_NOUNS = _words("LABEL_NOUNS")
OPENERS = _entries("OPENERS")
INTERJECTIONS = _entries("INTERJECTIONS")
KO_STRONG_HEADS = _entries("KO_STRONG_HEADS")
KO_WEAK_HEADS = _entries("KO_WEAK_HEADS")
KO_FILLERS = _entries("KO_FILLERS")
JA_HEADS = _entries("JA_HEADS")
JA_FILLERS = _entries("JA_FILLERS")
FINAL = _entries("FINAL")
CORRECTIONS = _entries("CORRECTIONS")
LANGUAGES = _words("LANGUAGES")
CATEGORIES = _words("CATEGORIES")
ASIDES = _words("ASIDES")
MEASURES = _words("MEASURES")
THOUGHTS = _entries("THOUGHTS")
REJECTED = _words("REJECTED")
DRAFTS = _words("DRAFTS")
ALTERNATIVES = _words("ALTERNATIVES")
PHRASE_KEYS = _words("PHRASE_KEYS")
GLOSS_COLUMNS = _words("GLOSS_COLUMNS")
REFUSALS = _entries("REFUSALS")
REFUSALS_WITHIN = _entries("REFUSALS_WITHIN")
NONE_WORDS = _words("NONE_WORDS")
ASKED_NOUNS = _words("ASKED_NOUNS")
PLACEHOLDERS = _words("PLACEHOLDERS") - ASKED_NOUNS - LABEL_NOUNS
STILL_TO_DO = _pattern("STILL_TO_DO")
NO_ANSWERS = _words("NO_ANSWERS")
NO_ANSWER_BEGINNINGS = _entries("NO_ANSWER_BEGINNINGS")
DENIALS = _entries("DENIALS")
DENIALS_WITHIN = _entries("DENIALS_WITHIN")
COMMA_TAILS = _words("COMMA_TAILS")
ET_CETERA = _words("ET_CETERA")
CHATTER = _entries("CHATTER")
EN_FINITE = _words("EN_FINITE")
EN_SUBJECTS = _words("EN_SUBJECTS")
FR_FINITE = _words("FR_FINITE")
FR_SUBJECTS = _words("FR_SUBJECTS")
ABBREVIATIONS = _words("ABBREVIATIONS")
KO_SURNAMES = _words("KO_SURNAMES")
REPORTERS = _entries("REPORTERS")
CJK_ABOUT = _pattern("CJK_ABOUT")
DENIED_AHEAD = _pattern("DENIED_AHEAD")
DENIED_BEHIND = _pattern("DENIED_BEHIND")
TURNS = _pattern("TURNS")
REQUESTS = _pairs("REQUESTS")
BLOCK_TAGS = _words("BLOCK_TAGS")
ANSWER_TAGS = _words("ANSWER_TAGS")
CARRIERS = _words("CARRIERS")
ERROR_KEYS = _words("ERROR_KEYS")
BESIDE_ERRORS = _words("BESIDE_ERRORS")
