"""Candidate phrases of a text in Latin letters: names, and noun phrases between words that bound them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.label.extractive import lexicon as lex
from pipeline.label.extractive import parts as pos
from pipeline.label.extractive.kinds import INITIAL, LINK, MODIFIER, NAME, NOUN, NUMERAL, SUFFIX, is_nationality
from pipeline.label.extractive.lexicon import Lexicon
from pipeline.label.extractive.names import Names, abbreviates
from pipeline.label.extractive.words import JOINED, Words

MIXED = 8  # a phrase with a name and other words in it
_LINKS_OF_HEAD_FIRST = (
    2  # in languages whose nouns come before what tells of them: accident d'un camion d'hydrocarbures
)
# languages whose phrases end in their noun
HEAD_LAST = frozenset(("en", "de", "nl", "sv", "da", "no", "fi", "tr"))

_OF_NAMES = (NAME, INITIAL)  # what a name may begin with
_YEAR = 4  # digits
_COMPOUND = 12  # letters from which a noun is a compound

_Unit = tuple[int, int, int]  # first word, the one behind the last, kind: a name is one unit
_Run = list[_Unit]


@dataclass(slots=True)
class Candidate:
    """A phrase and how it occurs."""

    key: str  # keys of its words
    first: int  # where it first begins
    width: int  # words
    kind: int  # NAME, NOUN or MIXED
    size: int  # words without links; of a name, those with capitals
    is_linked: bool = False
    count: int = 0
    short: int = 0  # occurrences of its short form: the surname, the acronym
    free_left: int = 0  # occurrences that nothing could extend to the left
    free_right: int = 0
    linked_right: int = 0  # occurrences that a link follows: `fin` of `fin de la traque`
    is_given: bool = False  # by the user
    in_headline: bool = False
    body: int | None = None  # where it first begins behind the headline
    places: list[int] = field(default_factory=list)  # where it begins


class Phrases:
    """The candidates of one article, by key."""

    def __init__(self, words: Words, lexicon: Lexicon, headline: int, longest: int) -> None:
        self._words, self._lexicon, self._headline = words, lexicon, headline
        self._is_head_last = lexicon.language in HEAD_LAST
        self._is_solid = lexicon.language in lex.SOLID
        self._longest = longest
        self._names = Names(words, lexicon)
        self._keys = [entry.key for entry in words.entries]
        self.by_key: dict[str, Candidate] = {}
        for run in self._runs():
            self._add_run(run)

    def _runs(self) -> Iterator[_Run]:
        """Yield the longest stretches of words without a boundary."""
        kinds, joints, headline = self._words.kinds, self._words.joints, self._headline
        run: _Run = []
        index = 0
        while index < len(kinds):
            kind = kinds[index]
            if run and (joints[index] != JOINED or index == headline):
                yield run
                run = []
            if kind in _OF_NAMES and self._names.begins(index):
                end = self._names.end(index)
                if index < headline < end:
                    end = headline
                run.append((index, end, NAME))
                index = end
                continue
            if run and kind == NOUN and self._are_apart(run[-1][2]):
                yield run
                run = []
            if NOUN <= kind <= LINK:
                run.append((index, index + 1, kind))
            elif run:
                yield run
                run = []
            index += 1
        if run:
            yield run

    def _are_apart(self, before: int) -> bool:
        """Whether a noun begins a phrase of its own behind such a unit: das Gesundheitsamt Kontaktpersonen, Sejm uchwalił."""
        return (self._is_solid and before == NOUN) or (not self._lexicon.is_described and before == NAME)

    def _add_run(self, run: _Run) -> None:
        """Note every phrase of a run."""
        if len(run) == 1:  # most are
            if run[0][2] in (NOUN, NAME):
                self._note(run, 0, 0)
            return
        for begin, unit in enumerate(run):
            if unit[2] in (NOUN, NAME) or (unit[2] == MODIFIER and self._may_lead(unit[0])):
                for end in self._ends(run, begin):
                    self._note(run, begin, end)

    def _may_lead(self, index: int) -> bool:
        return self._is_head_last or self._words.entries[index].part == pos.LEADING

    def _ends(self, run: _Run, begin: int) -> Iterator[int]:
        """Yield the last units of phrases that begin here."""
        size, links = 0, 0
        most_links = 1 if self._is_head_last else _LINKS_OF_HEAD_FIRST
        for end in range(begin, len(run)):
            kind, before = run[end][2], run[end - 1][2]
            if kind == NUMERAL and before == LINK and not self._lexicon.is_measured:
                return  # máximo de 35 pacientes
            if kind == LINK:
                links += before != LINK
                if links > most_links:
                    return
                continue
            size += 1
            if size > self._longest:
                return
            if self._may_end(run, begin, end):
                yield end

    def _may_end(self, run: _Run, begin: int, end: int) -> bool:
        kind, before = run[end][2], run[end - 1][2] if end > begin else LINK
        if kind == NUMERAL:
            return not self._is_head_last and before != LINK and self._may_number(run[end][0])
        if kind == MODIFIER:
            return not self._is_head_last and before != LINK
        if kind == NAME and end > begin and before != LINK:
            # A noun before a name tells what it is (hotel heiress Paris Hilton); pont Mathilde is a name itself.
            return run[begin][2] == NAME or (not self._is_head_last and end == begin + 1 and self._may_bear(run, begin))
        return True

    def _may_number(self, index: int) -> bool:
        """Whether a number may end a phrase: salle 12; not desbloquear 10.000, finale 7-6."""
        return self._lexicon.is_measured or (
            self._words.forms[index].isdigit() and len(self._words.forms[index]) < _YEAR
        )

    def _may_bear(self, run: _Run, begin: int) -> bool:
        """Whether a noun bears the name behind it (fiume Lamone) and does not tell who it is (peruano Alfredo Bryce)."""
        if self._lexicon.is_measured:
            return True
        name, noun = run[begin + 1], self._words.entries[run[begin][0]].lower
        return name[1] == name[0] + 1 and not is_nationality(noun) and noun not in self._lexicon.lists.titles

    def _note(self, run: _Run, begin: int, end: int) -> None:
        first, behind = run[begin][0], run[end][1]
        key = self._keys[first] if behind == first + 1 else " ".join(self._keys[first:behind])
        candidate = self.by_key.get(key)
        if candidate is None:
            candidate = self.by_key[key] = self._candidate(key, run[begin : end + 1])
        candidate.count += 1
        if first < self._headline:
            candidate.in_headline = True
        elif candidate.body is None:
            candidate.body = first
        before = run[begin - 1][2] if begin else LINK
        after = run[end + 1][2] if end + 1 < len(run) else None
        candidate.free_left += before == LINK or (self._is_head_last and run[begin][2] == NAME)
        candidate.free_right += after is None
        candidate.linked_right += after == LINK
        candidate.places.append(first)

    def _candidate(self, key: str, units: _Run) -> Candidate:
        first, behind = units[0][0], units[-1][1]
        kinds = [unit[2] for unit in units]
        if kinds == [NAME]:
            size = sum(bool(entry.case) or entry.part == pos.NUMBER for entry in self._words.entries[first:behind])
            return Candidate(key, first, behind - first, NAME, max(1, size))
        size = sum(kind != LINK for kind in kinds)
        if kinds == [NOUN] and self._is_compound(self._words.entries[first].lower):
            size = 2
        return Candidate(key, first, behind - first, MIXED if NAME in kinds else NOUN, size, LINK in kinds)

    def _is_compound(self, lower: str) -> bool:
        """Whether one word says what two or three say in other languages: Nachwuchssorgen, koperdiefstal."""
        return self._is_solid and len(lower) >= _COMPOUND and not self._lexicon.is_common(lower)

    def add_given(self, parts: list[str]) -> None:
        """Note every place where a phrase stands that the user gave, whatever its words are."""
        keys = self._keys
        wanted = " ".join(parts)
        for index in range(len(keys) - len(parts) + 1):
            if keys[index] == parts[0] and keys[index : index + len(parts)] == parts:
                behind = index + len(parts)
                is_name = all(kind == NAME for kind in self._words.kinds[index:behind])
                self._note([(index, behind, NAME if is_name else NOUN)], 0, 0)
                self.by_key[wanted].is_given = True

    # --- short forms ---

    def complete_names(self) -> None:
        """Count surnames and acronyms to the name in full, the one that is found more often and earlier first."""
        singles = {key: each for key, each in self.by_key.items() if each.kind == NAME and each.width == 1}
        full = [each for each in self.by_key.values() if each.kind == NAME and each.width > 1]
        for candidate in sorted(full, key=lambda each: (-each.count, each.first)):
            self._take_over(candidate, singles, self._surname(candidate), is_acronym=False)
        for candidate in list(self.by_key.values()):
            if candidate.size > 1 and (acronym := self._acronym(candidate)):
                self._take_over(candidate, singles, acronym, is_acronym=True)

    def _take_over(self, name: Candidate, singles: dict[str, Candidate], short: str, *, is_acronym: bool) -> None:
        single = singles.get(short)
        if single is None or (self._words.entries[single.first].case == lex.UPPER) != is_acronym:
            return
        name.short += single.count
        del singles[short], self.by_key[short]

    def _surname(self, name: Candidate) -> str:
        last = name.first + name.width - 1
        return self._words.entries[last - (self._words.kinds[last] == SUFFIX)].key

    def _acronym(self, candidate: Candidate) -> str | None:
        """Return the key of the acronym in parentheses behind the phrase, where it spells its initials."""
        words, after = self._words, candidate.first + candidate.width
        if after >= len(words.forms) or words.entries[after].case != lex.UPPER:
            return None
        gap = words.text[words.ends[after - 1] : words.starts[after]]
        is_behind = gap.strip(" \"'“”") == "("
        forms = words.forms[candidate.first : after]
        return words.entries[after].key if is_behind and abbreviates(words.forms[after], forms) else None
