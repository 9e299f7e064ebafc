"""What each word may do in a phrase, told by its part of speech, its capitals and its neighbours."""

import re

from pipeline.label.extractive import german, romance
from pipeline.label.extractive import lexicon as lex
from pipeline.label.extractive import parts as pos
from pipeline.label.extractive.lexicon import Lexicon
from pipeline.label.extractive.words import AND, JOINED, Words, capitalised, capitals

# Plain integers: they are compared for every word.
STOP = 0  # bounds a phrase
NOUN = 1
MODIFIER = 2  # an adjective, or a participle that serves as one
NAME = 3
NUMERAL = 4  # stands anywhere but first
LINK = 5  # stands inside only: of, de
INITIAL = 6  # stands inside a name only
SUFFIX = 7  # ends a name: Jr., Inc.

_SUFFIXES = frozenset(("jr", "sr", "inc", "corp", "co", "ltd", "bros", "llc", "plc"))
_LINKED_ARTICLES = frozenset(("la", "le", "les", "l", "los", "las", "o", "os", "as"))  # de la, de los
_AGENT = re.compile(r"(?:[^aeiou]er|or|ist|ian|yst)s?$")  # Demographer Cassandra Dorius: what somebody is
_NO_FORENAME = re.compile(r"(?:er|or|ist|ian|ent|ant|man|men|ess|yst|s|ion|ing|ed|ment|al|ic|ive|y)$")
_NATIONALITY = re.compile(r"(?:ais|aise|ien|ienne|ain|aine|ois|oise|ande?|ole?|onn?e?|ese|ano|ana|eño|ês|esa)$")
_FRENCH_PRESENT = re.compile(r"[^éu]e(?:nt)?$")
_MODIFYING_PLURALS = frozenset(
    ("sports", "sales", "arms", "rights", "customs", "goods", "earnings", "savings", "news", "airlines", "systems")
)
_ROMANCE = frozenset(("es", "it", "pt"))
_ARTICLES_OF_NAMES = frozenset(("de", "du", "des", "d", "le", "la", "les", "van", "von", "el", "di", "da", "al", "são"))
_NOBLE = frozenset(("van", "von"))  # begin a surname also where a sentence does
_NOTHING_BEFORE = -1  # the word begins a sentence
_ACRONYM = 5  # letters
_COMPOUND = 12  # letters from which the first word of a sentence is no name
# What a word without a capital may do, by its part of speech; None: its neighbours tell.
_ALONE = (
    STOP, None, STOP, STOP, STOP, LINK,  # closed classes, in the order of `parts`
    STOP, None, None, None, MODIFIER, MODIFIER, NOUN, NUMERAL, STOP, None,
)  # fmt: skip
_ALONE_OR_NOUN = (*_ALONE[:-1], NOUN)  # of languages in which an unknown word is one


def is_nationality(lower: str) -> bool:
    return _NATIONALITY.search(lower) is not None


def mark(words: Words, lexicon: Lexicon, headline: int) -> None:
    """Fill `words.kinds`; the first `headline` words are those of the headline."""
    shown = capitalised(words, headline)
    names, others = capitals(words, max(shown, headline))
    _Marker(words, lexicon, names, others, shown).mark()


class _Marker:
    def __init__(self, words: Words, lexicon: Lexicon, names: set[str], others: set[str], shown: int) -> None:
        self._words, self._lexicon = words, lexicon
        self._names, self._others = names, others  # lower-case forms: with a capital within a sentence, without
        self._shown = shown  # words at the beginning whose capitals tell nothing
        self._entries, self._joints = words.entries, words.joints
        self._is_english = lexicon.language == "en"
        self._nouns = german.nouns(words, lexicon) if lexicon.language == "de" else frozenset()
        is_told = lexicon.language == "fr" or lexicon.language in _ROMANCE or lexicon.language in lex.SOLID
        self._alone = _ALONE if is_told else _ALONE_OR_NOUN  # see `_is_unknown_verb` and `_is_adjective`
        self._before, self._part_before = STOP, _NOTHING_BEFORE

    def mark(self) -> None:
        kinds, leads, joints, alone = self._words.kinds, self._words.leads, self._joints, self._alone
        for index, (_, part, case, _) in enumerate(self._entries):
            if not joints[index]:
                self._before = STOP
                self._part_before = _NOTHING_BEFORE if leads[index] else pos.BREAK
            sure = None if case else alone[part]
            if case and self._is_name(index):
                kind, part = NAME, pos.NOUN
            else:
                kind = self._kind(index) if sure is None else sure
            kinds.append(kind)
            self._before, self._part_before = kind, part

    # --- names ---

    def _is_name(self, index: int) -> bool:
        entry = self._entries[index]
        if entry.case == lex.MIXED:
            return True
        if entry.part in lex.CLOSED or entry.lower in _SUFFIXES:
            return self._begins_surname(index)
        if entry.case == lex.CAPITALISED and (self._introduces_name(index) or self._is_german_noun(index)):
            return False
        if index < self._shown:
            return entry.lower in self._names or (entry.part == pos.UNKNOWN and entry.lower not in self._others)
        if (
            self._lexicon.is_measured
            and entry.part == pos.VERB
            and entry.case == lex.CAPITALISED
            and self._before == NAME
        ):
            return False  # FDA Proposes Calorie Counts; but Carlos Fernando Galán
        if entry.case == lex.UPPER:
            return entry.lower in self._names or entry.part == pos.UNKNOWN or len(entry.lower) <= _ACRONYM
        return self._is_name_at_head(index) if self._words.leads[index] else True

    def _begins_surname(self, index: int) -> bool:
        """Whether a capitalised article within a sentence belongs to a name: Nick De Santis, Le Figaro."""
        entry = self._entries[index]
        return (
            entry.case == lex.CAPITALISED
            and entry.lower in _ARTICLES_OF_NAMES
            and (not self._words.leads[index] or (entry.lower in _NOBLE and entry.lower in self._names))
            and self._next_is_capitalised(index)
        )

    def _introduces_name(self, index: int) -> bool:
        """Whether the word says what somebody is: Mayor Ed Lee, la Polonaise Agnieszka Radwanska."""
        if not self._next_is_capitalised(index):
            return False
        entry = self._entries[index]
        if entry.lower in self._lexicon.lists.titles:
            return True
        is_nationality = not self._lexicon.knows_nouns and _NATIONALITY.search(entry.lower)
        return bool(is_nationality) and self._part_before == pos.DETERMINER

    def _is_german_noun(self, index: int) -> bool:
        """Whether the capital only shows a noun, which is no part of a name as in Werk Zwickau or Wiener Sängerknaben."""
        if self._lexicon.language != "de":
            return False
        if german.introduces_person(self._words, self._lexicon, self._nouns, index):
            return True
        if self._entries[index].lower not in self._nouns:
            return False
        follows_name = german.is_capital(self._words, index + 1) and self._entries[index + 1].lower not in self._nouns
        after_adjective = self._before == NAME and self._entries[index - 1].lower.endswith(
            ("er", "e", "es", "en", "em")
        )
        return not (follows_name or (self._joints[index] == JOINED and after_adjective))

    def _is_name_at_head(self, index: int) -> bool:
        """Whether the first word of a sentence is a name."""
        entry = self._entries[index]
        if entry.lower in self._names:
            return True
        if entry.lower in self._others or entry.key in self._others:
            return False
        follows = self._next_is_capitalised(index)
        if follows and self._joints[index + 1] == AND:
            return True  # Rag & Bone
        if not self._lexicon.is_measured and entry.lower in self._lexicon.lists.titles:
            return False  # Minister van Mobiliteit Elke Van den Brandt
        if not self._lexicon.is_measured and len(entry.lower) >= _COMPOUND and "-" not in entry.lower:
            return False  # Batteritillverkaren Northvolt, Reizigersvereniging Rover
        if entry.part == pos.UNKNOWN:
            if not self._lexicon.knows_nouns:
                return follows or self._next_is_article_of_name(index)
            return not (follows and _AGENT.search(entry.lower))
        return (
            self._lexicon.knows_nouns and follows and not _NO_FORENAME.search(entry.lower) and self._next_is_name(index)
        )

    def _next_is_capitalised(self, index: int) -> bool:
        """Whether a capitalised word that may be a name stands right behind."""
        after = index + 1
        if after == len(self._entries) or self._joints[after] not in (JOINED, AND):
            return False
        entry = self._entries[after]
        return entry.case != lex.LOWER and (entry.part not in lex.CLOSED or entry.lower in _ARTICLES_OF_NAMES)

    def _next_is_name(self, index: int) -> bool:
        entry = self._entries[index + 1]
        return entry.part == pos.UNKNOWN or entry.lower in self._names

    def _next_is_article_of_name(self, index: int) -> bool:
        after = index + 1
        return (
            after + 1 < len(self._entries)
            and self._joints[after] == JOINED == self._joints[after + 1]
            and self._entries[after].lower in _ARTICLES_OF_NAMES
            and self._entries[after + 1].case != lex.LOWER
        )

    # --- other words ---

    def _kind(self, index: int) -> int:
        entry = self._entries[index]
        part = entry.part
        if part in (pos.NOUN, pos.UNKNOWN):
            if part == pos.UNKNOWN and self._is_unknown_verb(index):
                return STOP
            if part == pos.UNKNOWN and self._is_adjective(index):
                return MODIFIER
            return SUFFIX if entry.case and entry.lower in _SUFFIXES else NOUN
        if part in (pos.ADJECTIVE, pos.LEADING):
            return MODIFIER
        if part == pos.LINK or (self._before == LINK and part == pos.DETERMINER and entry.lower in _LINKED_ARTICLES):
            return LINK
        if part == pos.NOUN_OR_VERB:
            return STOP if self._is_finite(index) else NOUN
        if part == pos.VERB_OR_NOUN:
            return NOUN if self._is_noun_after_all(index) else STOP
        if part == pos.PARTICIPLE:
            return self._participle(index)
        if part == pos.NUMBER:
            return NUMERAL
        if entry.case and (part == pos.LETTER or (len(entry.lower) == 2 and entry.lower[1] == ".")):
            return INITIAL
        return SUFFIX if entry.case and entry.lower in _SUFFIXES else STOP

    def _part_after(self, index: int) -> int:
        after = index + 1
        return self._entries[after].part if after < len(self._entries) and self._joints[after] == JOINED else pos.BREAK

    def _is_finite(self, index: int) -> bool:
        """Whether a word that is a noun as a rule is a verb here: he hopes, the attack hits a million."""
        if not self._is_english:
            return self._part_before in (pos.OPENS, pos.BE) or self._before in (NOUN, NAME, MODIFIER)
        after = self._part_after(index)
        if self._part_before == pos.OPENS:
            after_to = self._entries[index - 1].lower == "to" and after in (pos.NOUN, pos.NOUN_OR_VERB, pos.UNKNOWN)
            return not after_to  # (pleaded guilty) to tax evasion
        if self._before not in (NOUN, NAME):
            return False
        if self._agrees_with_plural(index, after):
            return True
        is_after_name = self._before == NAME and self._entries[index].lower.endswith("s")
        return after == pos.DETERMINER or (is_after_name and after in (pos.PREPOSITION, pos.OPENS))

    def _agrees_with_plural(self, index: int, after: int) -> bool:
        """Whether the word before is its subject: pupils step off, but sports page."""
        subject = self._entries[index - 1]
        is_plural = subject.lower.endswith("s") and subject.key != subject.lower and self._before == NOUN
        is_last = after not in (pos.NOUN, pos.UNKNOWN, pos.NOUN_OR_VERB)
        return (
            is_plural
            and is_last
            and not self._entries[index].lower.endswith("s")
            and subject.lower not in _MODIFYING_PLURALS
        )

    def _is_unknown_verb(self, index: int) -> bool:
        """Whether an unknown word of a Romance language is a verb of the present: le satellite positionne un ..."""
        after = self._part_after(index)
        if self._lexicon.language == "fr":
            word = self._entries[index].lower
            if word.endswith("ent") and self._before == NOUN and self._entries[index - 1].lower.endswith("s"):
                return True  # les vignerons misent
            is_present = bool(_FRENCH_PRESENT.search(word))
            return is_present and self._before in (NOUN, NAME) and after == pos.DETERMINER
        if self._lexicon.language in lex.SOLID:
            return self._follows_noun(index)
        if self._lexicon.language not in _ROMANCE or self._entries[index].case:
            return False
        if self._part_before == pos.OPENS:
            return True  # no encuentran camareros
        if self._before not in (NOUN, NAME):
            return False
        if after in (pos.DETERMINER, pos.OPENS) or (self._before == NAME and after == pos.PREPOSITION):
            return True  # Zero elogia a medida
        return self._takes_infinitive(index) or not self._may_agree(index)

    def _takes_infinitive(self, index: int) -> bool:
        """Whether an infinitive follows: la sequía obliga a racionar."""
        behind = index + 2
        return (
            self._part_after(index) == pos.PREPOSITION
            and behind < len(self._entries)
            and self._entries[behind].part == pos.VERB
        )

    def _is_adjective(self, index: int) -> bool:
        """Whether an unknown word of a language of solid compounds is an adjective: it ends like one, and a noun follows."""
        entry = self._entries[index]
        if (
            self._lexicon.language not in lex.SOLID
            or entry.case
            or not entry.lower.endswith(lex.SOLID[self._lexicon.language])
        ):
            return False
        after = index + 1
        return self._part_after(index) in (pos.UNKNOWN, pos.NOUN) and not self._entries[after].case

    def _may_agree(self, index: int) -> bool:
        noun, word = self._entries[index - 1].lower, self._entries[index].lower
        return romance.may_agree(self._lexicon.language or "", None if self._before == NAME else noun, word)

    def _follows_noun(self, index: int) -> bool:
        """Whether a noun stands before a word without a capital, in languages that write compounds as one word: it is none."""
        if self._entries[index].case or self._before not in (NOUN, NAME):
            return False
        before = self._entries[index - 1].lower
        # an adjective, or a genitive: Stockholms tingsrätt
        return not before.endswith(lex.SOLID[self._lexicon.language or ""])

    def _is_noun_after_all(self, index: int) -> bool:
        """Whether a word that is a verb as a rule is a noun here: the launch, a book launch."""
        if self._part_before in (pos.DETERMINER, pos.PREPOSITION) or self._before == MODIFIER:
            return True
        is_last = self._part_after(index) in (pos.BREAK, pos.LINK, pos.PREPOSITION)
        return self._before in (NOUN, NAME) and is_last and not self._entries[index].lower.endswith("s")

    def _participle(self, index: int) -> int:
        """A participle before a noun is a modifier; behind one it is a verb in English, and may be either in French."""
        after = self._part_after(index)
        leads_noun = after in (pos.NOUN, pos.NOUN_OR_VERB, pos.ADJECTIVE, pos.UNKNOWN, pos.VERB_OR_NOUN, pos.PARTICIPLE)
        after_article = self._part_before == pos.DETERMINER
        if not self._is_english:
            if after_article and not leads_noun:
                return NOUN  # les blessés
            is_agent = after in (pos.PREPOSITION, pos.LINK)  # une enquête menée par
            return MODIFIER if self._before == NOUN and self._part_before != pos.BE and not is_agent else STOP
        if self._entries[index].lower.endswith("ing"):
            if after_article or self._before == MODIFIER:
                return MODIFIER if leads_noun else NOUN
            return STOP
        is_led = after_article or self._part_before in (pos.PREPOSITION, pos.LINK) or self._before == MODIFIER
        return MODIFIER if leads_noun and is_led else STOP
