"""Names: runs of capitalised words with what joins them, their short forms and their acronyms."""

import re
from collections.abc import Iterable, Sequence

from pipeline.label.extractive import lexicon as lex
from pipeline.label.extractive import parts as pos
from pipeline.label.extractive.kinds import INITIAL, MODIFIER, NAME, NOUN, NUMERAL, SUFFIX
from pipeline.label.extractive.lexicon import Lexicon
from pipeline.label.extractive.words import AND, JOINED, Words

_BODY = re.compile(  # what a name with `and` or `of` in it is the name of
    r"(?:universit|institut|cent(?:er|re)|department|minist|board|office|journal|council|committee|associa|society|federa|union|"
    r"school|college|museum|bank|court|agency|commission|administration|foundation|academy|bureau|service|church|house|secretary|"
    r"conseil|fédération|organi[sz]ation|asocia|consej|federazion|associazion|verein|verband|amt)"
)
_BODIES = {  # of other languages; a German or Dutch compound has them at its end
    "de": re.compile(
        r".*(?:akademie|institut|stiftung|gesellschaft|verband|verein|bund|ministerium|amt(?:e?s)?|zentrum|zentrale|kammer|"
        r"gewerkschaft)$"
    ),
    "nl": re.compile(r".*(?:ministerie|raad|bond|vereniging|instituut|bureau|dienst|stichting|orde|kamer)$"),
    "es": re.compile(
        r"junta|plan|oficina|tribunal|sindicato|confedera|asociación|colegio|escuela|cámara|instituto|servicio|secretar|"
        r"registro|ministerio|universidad"
    ),
    "it": re.compile(
        r"unione|ordine|istituto|confedera|federazione|camera|ufficio|sindacato|servizio|ente|agenzia|autorità|corte|"
        r"consiglio|banca"
    ),
    "pl": re.compile(
        r"instytut|ministerstw|urząd|zakład|rad[ay]|fundacj|agencj|biur|komitet|komisj|izb[ay]|związ|towarzystw|centrum"
    ),
    "cs": re.compile(r"ústav|ministerstv|úřad|rad[ay]|nadac|agentur|komor|výbor|komis|svaz|centrum|správ"),
    "ru": re.compile(r"институт|министерств|управлени|фонд|агентств|комитет|комисси|палат|союз|центр"),
    "uk": re.compile(r"інститут|міністерств|управлінн|фонд|агентств|комітет|комісі|палат|союз|центр"),
    "pt": re.compile(
        r"plano|centro|secretaria|tribunal|sindicato|confedera|ordem|instituto|câmara|serviço|departamento|conselho|"
        r"associação|polícia|junta|universidade"
    ),
}
_WITHOUT_LINKS = frozenset(("cs", "pl", "ru", "uk"))  # Instytut Meteorologii i Gospodarki Wodnej
_ARTICLES = frozenset(("the", "la", "le", "les", "l", "los", "las"))
_ENUMERATING = frozenset(("and", "y", "et", "e", "at", "und", "i", "en", "a", "и", "і", "й", "та"))
_SETTING = frozenset(("en", "à", "sur", "pour", "au", "aux", "in", "auf", "per"))  # join only the name of a body
# In German every noun has a capital: words other than these join only the name of a body.
_NOBLE = frozenset(("von", "van", "de", "&"))
_SCORE = re.compile(r"[-–:]\d")
_YEAR = 4  # digits
_INITIAL = 2  # characters


class Names:
    """Finds the names among the words of one article."""

    def __init__(self, words: Words, lexicon: Lexicon) -> None:
        self._words, self._lexicon = words, lexicon
        self._entries, self._kinds, self._joints = words.entries, words.kinds, words.joints
        self._acronyms = {entry.lower for entry in words.entries if entry.case == lex.UPPER and len(entry.lower) > 2}

    def begins(self, index: int) -> bool:
        """Whether a name begins with this word."""
        kind = self._kinds[index]
        return kind == NAME or (kind == INITIAL and self._continues(index + 1))

    def end(self, begin: int) -> int:
        """Return the place behind the name that begins here."""
        index, count = begin + 1, len(self._kinds)
        while index < count:
            joint, kind = self._joints[index], self._kinds[index]
            if joint not in (JOINED, AND) or self._entries[index].lower == self._entries[index - 1].lower:
                return index
            if kind == NUMERAL and not self._lexicon.is_measured and self._continues(index + 1):
                index += 2  # Movimento 5 Stelle
                continue
            if self._ends_sentence(index):
                return index + 1
            if kind == NAME:
                if index == begin + 1 and self._is_portfolio(begin):
                    return index
                if self._entries[index].lower == self._entries[begin].lower:
                    # Victoria Azarenka Victoria Azarenka: a headline, and the text that begins with it
                    return index
                if self._entries[index - 1].lower in self._lexicon.lists.portfolios or self._is_party(begin, index):
                    return index
                index += 1
            elif joint == AND:
                return index
            elif kind in (SUFFIX, NUMERAL):
                return index + (kind == SUFFIX or self._is_number_of_name(index))
            elif kind == INITIAL and self._continues(index + 1):
                index += 2
            elif kind == MODIFIER and self._entries[index].case:
                index += 1
            elif joined := self._joined_by(begin, index):
                index = joined
            else:
                return index
        return index

    def _is_party(self, begin: int, index: int) -> bool:
        """Whether a body's acronym stands before a person's name: hnutí ANO Alena Schillerová."""
        if self._lexicon.is_described or index != begin + 1 or not self._continues(index + 1):
            return False
        first = self._entries[begin]
        return first.case == lex.UPPER and len(first.lower) > 2 and self._entries[index].case == lex.CAPITALISED

    def _ends_sentence(self, index: int) -> bool:
        """Whether a letter behind a common noun ends its name and a sentence: ... della Serie A. Decide ..."""
        form = self._words.forms[index]
        is_letter = len(form) == _INITIAL and form[1] == "."
        return is_letter and not self._lexicon.is_measured and self._lexicon.is_common(self._entries[index - 1].lower)

    def _is_portfolio(self, begin: int) -> bool:
        """Whether a minister's portfolio stands before the name: il ministro dell'Interno Matteo Piantedosi."""
        if self._lexicon.is_measured or begin < 2 or not self._continues(begin + 2):
            return False
        if self._lexicon.language in _WITHOUT_LINKS and self._joints[begin] == JOINED:  # мэр Казани Ильсур Метшин
            return self._entries[begin - 1].lower in self._lexicon.lists.titles
        is_linked = (
            self._joints[begin] == JOINED == self._joints[begin - 1] and self._entries[begin - 1].part == pos.LINK
        )
        return is_linked and self._entries[begin - 2].lower in self._lexicon.lists.offices

    def _continues(self, index: int) -> bool:
        return index < len(self._kinds) and self._kinds[index] == NAME and self._joints[index] == JOINED

    def _is_number_of_name(self, index: int) -> bool:
        """Whether a number belongs to the name before it (Local 1021), which is no month."""
        form = self._words.forms[index]
        if not self._lexicon.is_measured and (
            self._counts(index + 1) or _SCORE.match(self._words.text, self._words.ends[index])
        ):
            return False
        return (
            form.isdigit() and len(form) <= _YEAR and self._entries[index - 1].lower not in self._lexicon.lists.months
        )

    def _counts(self, index: int) -> bool:
        """Whether what a number counts stands here: (in) Nieuwegein 400 kilo."""
        if index >= len(self._kinds) or self._joints[index] != JOINED:
            return False
        entry = self._entries[index]
        return not entry.case and entry.part in (pos.UNKNOWN, pos.NOUN, pos.BREAK)

    def _joined_by(self, begin: int, index: int) -> int:
        """Return the place behind the first word of the name's next part, where this word joins the two; else 0."""
        link = self._entries[index].lower
        if link not in self._lexicon.lists.name_links or self._entries[index].case:
            return 0
        after = index + 1
        if self._is_article(after) or (link in _ENUMERATING and self._is_second_link(after)):
            after += 1
        if not self._continues(after) and not self._is_german_noun(after):
            return 0
        return after + 1 if self._may_join(link, begin, index, after) else 0

    def _is_german_noun(self, index: int) -> bool:
        """Whether a noun stands here that only belongs to the name of a body: Akademie für Sprache und Dichtung."""
        is_noun = self._lexicon.language == "de" and index < len(self._kinds) and self._kinds[index] == NOUN
        return is_noun and self._joints[index] == JOINED and bool(self._entries[index].case)

    def _is_second_link(self, index: int) -> bool:
        """Whether a name goes on behind an `and` with a link: Instituto dos Vinhos do Douro e do Porto."""
        if self._lexicon.is_measured or index >= len(self._kinds) or self._joints[index] != JOINED:
            return False
        entry = self._entries[index]
        return not entry.case and entry.part == pos.LINK

    def _is_article(self, index: int) -> bool:
        if index >= len(self._kinds) or self._joints[index] != JOINED:
            return False
        entry = self._entries[index]
        return not entry.case and entry.lower in _ARTICLES

    def _may_join(self, link: str, begin: int, index: int, after: int) -> bool:
        before = self._entries[begin:index]
        is_titled = begin > 0 and self._entries[begin - 1].lower in self._lexicon.lists.titles
        if self._lexicon.language == "nl" and link == "van" and len(before) > 1 and is_titled:
            return False  # Bioloog Guido Keijl van Naturalis
        if not self._lexicon.is_measured and self._entries[after].lower in self._lexicon.lists.portfolios:
            return False  # Minister Eelco Heinen van Financiën
        if self._kinds[after] == NOUN and not self._is_body(before):
            return False
        if link == "i" and self._lexicon.language == "es":
            return True  # Rovira i Virgili
        if link in _ENUMERATING:
            has_link = self._lexicon.language in _WITHOUT_LINKS or self._has_link(before)
            return (self._is_body(before) and has_link) or self._spells_acronym(begin, index, after)
        if link in _SETTING or (self._lexicon.language == "de" and link not in _NOBLE):
            return self._is_body(before) and (link != "in" or self._has_link(before))
        # YMCA of Greater Long Beach, but Nico Rizzo of Loma Linda University
        return (
            link != "of"
            or len(before) == 1
            or any(entry.part != pos.UNKNOWN or entry.case == lex.UPPER for entry in before)
        )

    def _is_body(self, entries: Sequence[lex.Entry]) -> bool:
        bodies = _BODIES.get(self._lexicon.language or "")
        if bodies and any(bodies.match(entry.lower) for entry in entries):
            return True
        return any(_BODY.match(entry.lower) for entry in entries)

    def _has_link(self, entries: Sequence[lex.Entry]) -> bool:
        return any(not entry.case for entry in entries)

    def _spells_acronym(self, begin: int, index: int, after: int) -> bool:
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
