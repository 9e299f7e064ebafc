"""Words of Chinese, by a dictionary, by what stands beside people's names, and by single characters that no word claims.

The most probable words of a stretch are found as usual (a unigram model, by dynamic programming over the stretch).  What the
dictionary does not have falls apart into single characters, which are one unknown word together: foreign names, new terms.
"""

import re
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

from pipeline.label.extractive.chinese_names import MAY_STAND_INSIDE, institution, last_of_body, may_own, people
from pipeline.label.extractive.lexicon import HAN, sections

# What a word may do in a phrase.
BREAK, NOUN, VERBAL, MODIFIER, VERB, PERSON, UNKNOWN = range(7)

_PARTS = {"noun": NOUN, "person": NOUN, "verb noun": VERBAL, "adjective": MODIFIER, "verb": VERB, "other": BREAK}
_TOTAL = 26  # logarithm (base 2) of all words that were counted
_NAMED = 24  # logarithm of the count that a name gets where it was seen to be one
_COMMON_VERB = 12  # logarithm of the count from which a verb of one character is no part of a name
_RARE = 9  # logarithm of the count up to which a character is hardly a word by itself
_LONGEST_UNKNOWN = 6
_BEHIND_ONE_VERB = frozenset("了着过到出")
_NUMERALS = frozenset("一二三四五六七八九十")
_PREDICATE = 2  # characters
_BESIDE = 7  # words of an institution on each side of its conjunction
_FIRST_HAN = "\u3005"
_NOT_LISTED = (0, UNKNOWN)
_TOKENS = re.compile(rf"[{HAN}]+|[A-Za-z][A-Za-z0-9]*(?:[-.&+][A-Za-z0-9]+)*|\d+(?:[.,]\d+)*%?")
_NUMBERED = frozenset("线楼院厅馆桥")  # 地铁5号线
_DOTS = "·・‧"
_NUMERAL = re.compile(r"[一二三四五六七八九十]{1,3}|\d{1,2}")
_AND = frozenset("和与及暨")
_BEHIND_VERB = frozenset("了着过为于至一二两三四五六七八九十百千0123456789")


class ChineseWord(NamedTuple):
    begin: int
    end: int
    part: int


def simplified(text: str) -> str:
    """Return the text with a simplified character for each traditional one: what the dictionary is written in."""
    return text.translate(_simplified())


def read(text: str) -> list[ChineseWord]:
    """Return the words of a text in simplified characters, in order; punctuation shows in their offsets."""
    names = _by_first(people(text, _dictionary(), BREAK))
    words: list[ChineseWord] = []
    for stretch in _TOKENS.finditer(text):
        shown, begin = stretch[0], stretch.start()
        if shown[0].isdigit() or shown[0] < _FIRST_HAN:
            words.append(ChineseWord(begin, begin + len(shown), BREAK if shown[0].isdigit() else UNKNOWN))
        else:
            words += _attached(_joined(_divided(shown, begin, names), text), text)
    return _without_predicates(_institutions(_foreign(words, text), text), text)


def _institutions(words: list[ChineseWord], text: str) -> list[ChineseWord]:
    """Join the words of an institution: of many nouns, or with a conjunction in its name."""
    joined: list[ChineseWord] = []
    behind = 0
    for index, word in enumerate(words):
        if index < behind:
            continue
        joined.append(word)
        span = None
        if word.end - word.begin == 1 and text[word.begin] in _AND:
            begin, end = _beside(words, text, index, -1), _beside(words, text, index, 1)
            span = institution(
                [text[each.begin : each.end] for each in words[begin : end + 1]], index - begin, _common()
            )
            span = span and (begin + span[0], begin + span[1])
        elif word.part == NOUN and may_own(text[word.begin : word.end]):
            end = _beside(words, text, index, 1)
            last = last_of_body([text[each.begin : each.end] for each in words[index : end + 1]])
            span = (index, index + last) if last else None
        if span:
            first, behind = span[0], span[1] + 1
            while joined and joined[-1].end > words[first].begin:
                joined.pop()
            joined.append(ChineseWord(words[first].begin, words[behind - 1].end, NOUN))
    return joined


def _beside(words: list[ChineseWord], text: str, index: int, step: int) -> int:
    """Return the furthest of the nouns that stand without a gap on one side of a word."""
    furthest = index
    while 0 <= furthest + step < len(words) and abs(furthest - index) < _BESIDE:
        one, other = words[min(furthest, furthest + step)], words[max(furthest, furthest + step)]
        word = words[furthest + step]
        is_noun = word.part in (NOUN, VERBAL, UNKNOWN, MODIFIER) or text[word.begin : word.end] in MAY_STAND_INSIDE
        if one.end != other.begin or not is_noun:
            break
        furthest += step
    return furthest


def _without_predicates(words: list[ChineseWord], text: str) -> list[ChineseWord]:
    """Tell words as verbs that stand before nothing but numbers and what stands behind verbs, or people: 睽违30年, 命名为."""
    occurrences: Counter[str] = Counter()
    predicates: Counter[str] = Counter()
    titles = sections("zh").get("title", ())
    for word, behind in zip(words, [*words[1:], None], strict=True):
        if word.end - word.begin == _PREDICATE and word.part in (NOUN, VERBAL, UNKNOWN):
            shown = text[word.begin : word.end]
            has_object = (
                behind is not None and behind.part == PERSON and behind.begin == word.end and shown not in titles
            )
            occurrences[shown] += 1
            predicates[shown] += has_object or text[word.end : word.end + 1] in _BEHIND_VERB
    verbs = {shown for shown, count in predicates.items() if count > 1 and count == occurrences[shown]}
    return [ChineseWord(each.begin, each.end, VERB) if _is_predicate(each, text, verbs) else each for each in words]


def _is_predicate(word: ChineseWord, text: str, verbs: set[str]) -> bool:
    if word.part == VERBAL and text[word.end : word.end + 1] in _BEHIND_ONE_VERB:
        return True
    return word.end - word.begin == _PREDICATE and word.part != BREAK and text[word.begin : word.end] in verbs


def _by_first(names: frozenset[str]) -> dict[str, list[str]]:
    by_first: dict[str, list[str]] = {}
    for name in names:
        by_first.setdefault(name[0], []).append(name)
    return by_first


def _foreign(words: list[ChineseWord], text: str) -> list[ChineseWord]:
    """Join the parts of a foreign name (詹姆斯·海德), and a noun with its number (嫦娥六号)."""
    joined: list[ChineseWord] = []
    for word in words:
        before = joined[-1] if joined else None
        if (
            before
            and word.begin == before.end + 1
            and text[before.end] in _DOTS
            and BREAK not in (before.part, word.part)
        ):
            joined[-1] = ChineseWord(before.begin, word.end, PERSON)
        elif before and word.begin == before.end and before.part in (NOUN, UNKNOWN) and _is_ordinal(word, text):
            behind = word.end + 1
            joined[-1] = ChineseWord(before.begin, behind + (text[behind : behind + 1] in _NUMBERED), UNKNOWN)
        elif before and word.begin < before.end:
            continue  # 号, which went with its number
        else:
            joined.append(word)
    return joined


def _is_ordinal(word: ChineseWord, text: str) -> bool:
    return text[word.end : word.end + 1] == "号" and _NUMERAL.fullmatch(text[word.begin : word.end]) is not None


@lru_cache(maxsize=1)
def _simplified() -> dict[int, str]:
    return {ord(pair[0]): pair[1] for pair in sections("zh").get("traditional", ())}


@lru_cache(maxsize=1)
def _dictionary() -> dict[str, tuple[int, int]]:
    """Return word -> logarithm (base 2) of its count, part."""
    entries: dict[str, tuple[int, int]] = {}
    for name, words in sections("zh").items():
        part, _, size = name.rpartition(" ")
        if part in _PARTS:
            entries.update(dict.fromkeys(words, (int(size), _PARTS[part])))
    for word in sections("zh").get("boundary", ()):
        count, listed = entries.get(word, (0, BREAK))
        entries[word] = max(count, 8), listed if listed in (NOUN, VERBAL) else BREAK
    entries.update({word: (max(entries.get(word, (0, 0))[0], 10), BREAK) for word in sections("zh").get("stop", ())})
    return entries


@lru_cache(maxsize=1)
def _reach() -> dict[str, int]:
    """Return how long the longest word is that begins with two characters."""
    longest: dict[str, int] = {}
    for word in _dictionary():
        if len(word) > 1:
            longest[word[:2]] = max(longest.get(word[:2], 2), len(word))
    return longest


def _divided(stretch: str, offset: int, names: dict[str, list[str]]) -> list[ChineseWord]:
    """Return the most probable words of a stretch of Chinese characters."""
    look_up, reach, size = _dictionary().get, _reach().get, len(stretch)
    worth, ends = [0.0] * (size + 1), [0] * (size + 1)
    parts = [UNKNOWN] * (size + 1)
    for begin in range(size - 1, -1, -1):
        first = stretch[begin]
        count, parts[begin] = look_up(first, _NOT_LISTED)
        best, best_end = count - _TOTAL + worth[begin + 1], begin + 1
        # begins with a word's first two characters: of most places none does, and no more is looked up
        longest = reach(stretch[begin : begin + 2])
        for end in range(begin + 2, min(size, begin + longest) + 1) if longest else ():
            entry = look_up(stretch[begin:end])
            if entry is not None and entry[0] - _TOTAL + worth[end] > best:
                best, best_end, parts[begin] = entry[0] - _TOTAL + worth[end], end, entry[1]
        for name in names.get(first, ()):
            end = begin + len(name)
            if stretch.startswith(name, begin) and _NAMED - _TOTAL + worth[end] > best:
                best, best_end, parts[begin] = _NAMED - _TOTAL + worth[end], end, PERSON
        worth[begin], ends[begin] = best, best_end
    words, begin = [], 0
    while begin < size:
        words.append(ChineseWord(offset + begin, offset + ends[begin], parts[begin]))
        begin = ends[begin]
    return words


def _joined(words: list[ChineseWord], text: str) -> list[ChineseWord]:
    """Join single characters that no word claims to unknown words, and characters that end nouns to the noun before."""
    dictionary, suffixes = _dictionary(), _suffixes()
    joined: list[ChineseWord] = []
    for word in words:
        before = joined[-1] if joined else None
        if word.end - word.begin > 1:
            joined.append(word)
            continue
        count, part = dictionary.get(text[word.begin], _NOT_LISTED)
        may_join = part in (NOUN, UNKNOWN, MODIFIER) or (part == VERB and count < _COMMON_VERB)
        if before and before.end == word.begin and may_join:
            if count == 0 and _ends(before, word, text):
                joined[-1] = ChineseWord(before.begin, word.end, NOUN)
                continue
            is_suffix = text[word.begin] in suffixes and before.part in (NOUN, UNKNOWN, VERBAL)
            is_whole = before.end - before.begin > 1 and text[before.end - 1] in suffixes
            is_piece = before.part == UNKNOWN and not is_whole and before.end - before.begin < _LONGEST_UNKNOWN
            if is_suffix or is_piece:
                joined[-1] = ChineseWord(
                    before.begin, word.end, NOUN if is_suffix and before.part != UNKNOWN else UNKNOWN
                )
                continue
        joined.append(ChineseWord(word.begin, word.end, UNKNOWN) if may_join else word)
    return [
        ChineseWord(each.begin, each.end, VERB) if each.part == UNKNOWN and _is_clause(each, text) else each
        for each in joined
    ]


def _ends(before: ChineseWord, word: ChineseWord, text: str) -> bool:
    """Whether a character that is in no dictionary always ends the noun before it: 深水埗."""
    together = text.count(text[before.begin : word.end])
    return before.part == NOUN and together > 1 and text.count(text[word.begin]) == together


def _is_clause(word: ChineseWord, text: str) -> bool:
    """Whether single characters that were joined are no word, as the last one is a verb and no other is unknown: 停运, 票涨."""
    if word.end - word.begin != 2:
        return False
    dictionary = _dictionary()
    first, last = (dictionary.get(each, (0, UNKNOWN))[1] for each in text[word.begin : word.end])
    return last == VERB and first != UNKNOWN


def _attached(words: list[ChineseWord], text: str) -> list[ChineseWord]:
    """Join two words, one of them an unknown piece, of which one never stands without the other."""
    attached: list[ChineseWord] = []
    for word in words:
        before = attached[-1] if attached else None
        one_is_piece = before is not None and UNKNOWN in (before.part, word.part)
        if before and one_is_piece and before.end == word.begin and _belong(before, word, text):
            attached[-1] = ChineseWord(before.begin, word.end, UNKNOWN)
        else:
            attached.append(word)
    return attached


def _belong(one: ChineseWord, other: ChineseWord, text: str) -> bool:
    first, second = text[one.begin : one.end], text[other.begin : other.end]
    parts = {one.part, other.part}
    together = text.count(first + second)
    if (
        first in _NUMERALS and other.part == UNKNOWN and len(second) > 1
    ):  # 三圣桥: counted nouns have a measure word before
        return together > 1 and text.count(second) == together
    if PERSON in parts or VERB in parts or len(first) + len(second) > _LONGEST_UNKNOWN or _stops() & {first, second}:
        return False
    piece, word = (first, second) if len(first) == 1 or one.part == UNKNOWN else (second, first)
    is_telling = len(piece) > 1 or _dictionary().get(piece, _NOT_LISTED)[0] <= _RARE  # 粟 of 粟特
    return together > 1 and (text.count(word) == together or (is_telling and text.count(piece) == together))


@lru_cache(maxsize=1)
def _stops() -> frozenset[str]:
    return frozenset(sections("zh").get("stop", ()))


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    return frozenset(sections("zh").get("common", ()))


@lru_cache(maxsize=1)
def _suffixes() -> frozenset[str]:
    return frozenset(sections("zh").get("suffix", ()))
