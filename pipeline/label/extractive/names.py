"""Names: runs of capitalised words with what joins them, their short forms and their acronyms."""

import re
from collections.abc import Iterable, Sequence

from pipeline.label.extractive import lexicon as lex
from pipeline.label.extractive.kinds import INITIAL, MODIFIER, NAME, NUMERAL, SUFFIX
from pipeline.label.extractive.lexicon import Lexicon
from pipeline.label.extractive.words import AND, JOINED, Words

_BODY = re.compile(  # what a name with `and` or `of` in it is the name of
    r"(?:universit|institut|cent(?:er|re)|department|minist|board|office|journal|council|committee|associa|society|federa|union|"
    r"school|college|museum|bank|court|agency|commission|administration|foundation|academy|bureau|service|church|house|secretary|"
    r"conseil|fédération|organi[sz]ation|asocia|consej|federazion|associazion|verein|verband|amt)"
)
_ARTICLES = frozenset(("the", "la", "le", "les", "l", "los", "las"))
_ENUMERATING = frozenset(("and", "y", "et", "e", "at", "und"))
_SETTING = frozenset(("en", "à", "sur", "pour", "au", "aux", "in", "auf", "per"))  # join only the name of a body
# In German every noun has a capital: words other than these join only the name of a body.
_NOBLE = frozenset(("von", "van", "de", "zu", "&"))
_YEAR = 4  # digits


class Names:
    """Finds the names among the words of one article."""

    def __init__(self, words: Words, known: Lexicon) -> None:
        self._words, self._known = words, known
        self._entries, self._kinds, self._joints = words.entries, words.kinds, words.joints
        self._acronyms = {entry.lower for entry in words.entries if entry.case == lex.UPPER and len(entry.lower) > 2}

    def begins(self, place: int) -> bool:
        """Whether a name begins with this word."""
        kind = self._kinds[place]
        return kind == NAME or (kind == INITIAL and self._continues(place + 1))

    def end(self, begin: int) -> int:
        """Return the place behind the name that begins here."""
        place, count = begin + 1, len(self._kinds)
        while place < count:
            joint, kind = self._joints[place], self._kinds[place]
            if joint not in (JOINED, AND) or self._entries[place].lower == self._entries[place - 1].lower:
                return place
            if kind == NAME:
                if self._entries[place].lower == self._entries[begin].lower:
                    return place  # Victoria Azarenka Victoria Azarenka: a headline, and the text that begins with it
                if self._entries[place - 1].lower in self._known.lists.portfolios:
                    return place
                place += 1
            elif joint == AND:
                return place
            elif kind in (SUFFIX, NUMERAL):
                return place + (kind == SUFFIX or self._is_number_of_name(place))
            elif kind == INITIAL and self._continues(place + 1):
                place += 2
            elif kind == MODIFIER and self._entries[place].case:
                place += 1
            elif joined := self._joined_by(begin, place):
                place = joined
            else:
                return place
        return place

    def _continues(self, place: int) -> bool:
        return place < len(self._kinds) and self._kinds[place] == NAME and self._joints[place] == JOINED

    def _is_number_of_name(self, place: int) -> bool:
        """Whether a number belongs to the name before it (Local 1021), which is no month."""
        form = self._words.forms[place]
        return form.isdigit() and len(form) <= _YEAR and self._entries[place - 1].lower not in self._known.lists.months

    def _joined_by(self, begin: int, place: int) -> int:
        """Return the place behind the first word of the name's next part, where this word joins the two; else 0."""
        link = self._entries[place].lower
        if link not in self._known.lists.name_links or self._entries[place].case:
            return 0
        after = place + 1
        if self._is_article(after):
            after += 1
        if not self._continues(after):
            return 0
        return after + 1 if self._may_join(link, begin, place, after) else 0

    def _is_article(self, place: int) -> bool:
        if place >= len(self._kinds) or self._joints[place] != JOINED:
            return False
        entry = self._entries[place]
        return not entry.case and entry.lower in _ARTICLES

    def _may_join(self, link: str, begin: int, place: int, after: int) -> bool:
        before = self._entries[begin:place]
        if link in _ENUMERATING:
            return (self._is_body(before) and self._has_link(before)) or self._spells_acronym(begin, place, after)
        if link in _SETTING or (self._known.language == "de" and link not in _NOBLE):
            return self._is_body(before) and (link != "in" or self._has_link(before))
        # YMCA of Greater Long Beach, but Nico Rizzo of Loma Linda University
        return (
            link != "of"
            or len(before) == 1
            or any(entry.part != lex.UNKNOWN or entry.case == lex.UPPER for entry in before)
        )

    def _is_body(self, entries: Sequence[lex.Entry]) -> bool:
        return any(_BODY.match(entry.lower) for entry in entries)

    def _has_link(self, entries: Sequence[lex.Entry]) -> bool:
        return any(not entry.case for entry in entries)

    def _spells_acronym(self, begin: int, place: int, after: int) -> bool:
        """Whether the initials of both parts stand in the article: Food and Drug Administration, FDA."""
        end = after + 1
        while self._continues(end):
            end += 1
        letters = "".join(entry.lower[0] for entry in self._entries[begin:end] if entry.case)
        return any(letters.endswith(acronym) for acronym in self._acronyms)


def abbreviates(acronym: str, forms: Iterable[str]) -> bool:
    """Whether an acronym has the initials of a name or a phrase, one letter aside."""
    initials = "".join(part[0] for form in forms for part in form.split("-") if part).upper()
    letters = acronym.upper()
    shared = sum(letter in initials for letter in letters)
    return len(letters) > 1 and letters[0] in initials and letters[-1] in initials[-2:] and shared >= len(letters) - 1
