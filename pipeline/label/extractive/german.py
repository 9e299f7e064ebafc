"""What a capital tells in German, where every noun has one: nouns and names told apart by their neighbours and their form."""

import re

from pipeline.label.extractive import lexicon as lex
from pipeline.label.extractive import parts as pos
from pipeline.label.extractive.lexicon import Lexicon
from pipeline.label.extractive.words import JOINED, Words

_COMPOUND = 12  # letters from which a word is a compound noun as a rule
_OF_PLACE = re.compile(
    r"(?:straße|strasse|platz|allee|gasse|weg|brücke|dorf|hausen|heim|burg|ingen|kirchen|stadt|feld|bach|tal|berg)$"
)
_ABSTRACT = re.compile(r"...(?:ung|heit|keit|schaft|tion|tät|ismus|ment|nis|tum|erei|ling)(?:en|e|s|es|er|n|nisse)?$")
_FEMININE = re.compile(r"..(?:er|or|ent|ant|ist|log)in(?:nen)?$")
_AGENT = re.compile(
    r"..(?:er|or|ist|ent|ant|eur|oge|ät|rat|chef|mann|könig|arzt|anwalt|meister|graf|fürst|papst)(?:in|s|en)?$|(?:frau|herr|prinz)$|"
    r"(?:vorsitzende|abgeordnete|beauftragte)[rn]?$"
)


def nouns(words: Words, lexicon: Lexicon) -> frozenset[str]:
    """Return the lower-case forms of capitalised words that are nouns and no names, as far as the text shows."""
    shown: set[str] = set()
    for index, entry in enumerate(words.entries):
        if entry.case != lex.CAPITALISED or entry.lower in shown:
            continue
        before = words.entries[index - 1] if index and words.joints[index] == JOINED else None
        is_surname = before is not None and before.case != lex.LOWER and before.lower not in shown
        if _is_noun(words, lexicon, index, is_surname=is_surname):
            shown.update((entry.lower, entry.key))
    return frozenset(shown)


def _is_noun(words: Words, lexicon: Lexicon, index: int, *, is_surname: bool) -> bool:
    lower = words.entries[index].lower
    last = lower.rpartition("-")[2]
    if lexicon.is_common(last) or (_ABSTRACT.search(last) and not is_surname):
        return True
    if "-" not in lower and len(lower) >= _COMPOUND and not is_surname and not _OF_PLACE.search(lower):
        return True
    return not is_capital(words, index + 1) and _is_determined(words, index)


def _is_determined(words: Words, index: int) -> bool:
    """Whether an article, a number or an adjective without a capital stands before the word."""
    if not index or words.joints[index] != JOINED:
        return False
    before = words.entries[index - 1]
    if before.part == pos.ADJECTIVE and before.lower.endswith(("te", "ten")):
        return _is_determined(words, index - 1)  # eine bunte Fahne; but würdigte Sandig
    return before.case == lex.LOWER and before.part in (pos.DETERMINER, pos.ADJECTIVE, pos.NUMBER)


def is_capital(words: Words, index: int) -> bool:
    """Whether a word with a capital stands here that belongs to the word before it."""
    return index < len(words.entries) and words.joints[index] == JOINED and words.entries[index].case != lex.LOWER


def introduces_person(words: Words, lexicon: Lexicon, nouns_shown: frozenset[str], index: int) -> bool:
    """Whether the word says what the person is whose name follows: Landrat Harald Sievers, Bremens Torhüter Michael Zetterer."""
    lower = words.entries[index].lower.rpartition("-")[2]
    if not is_capital(words, index + 1) or words.entries[index + 1].lower in nouns_shown:
        return False
    if lower in lexicon.lists.titles:
        return True
    if _FEMININE.search(lower):
        return True
    if (
        index
        and words.entries[index - 1].part == pos.DETERMINER
        and lower.endswith(("en", "er"))
        and _is_person(words, index + 1, nouns_shown)
    ):
        return True  # dem Slowenen Domen Prevc: persons have no article
    if lower in lexicon.lists.forenames or not _AGENT.search(lower):
        return False
    return _is_person(words, index + 1, nouns_shown)


def _is_person(words: Words, index: int, nouns_shown: frozenset[str]) -> bool:
    """Whether two names stand here, the first of which is known not to be a noun."""
    return is_capital(words, index + 1) and words.entries[index + 1].lower not in nouns_shown
