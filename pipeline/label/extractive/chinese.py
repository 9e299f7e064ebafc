"""Words of Chinese, by a dictionary, by what stands beside people's names, and by single characters that no word claims.

The most probable words of a stretch are found as usual (a unigram model, by dynamic programming over the stretch).  What the
dictionary does not have falls apart into single characters, which are one unknown word together: foreign names, new terms.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from pipeline.label.extractive.lexicon import HAN, sections

# What a word may do in a phrase.
BREAK, NOUN, VERBAL, MODIFIER, VERB, PERSON, UNKNOWN = range(7)

_PARTS = {"noun": NOUN, "person": NOUN, "verb noun": VERBAL, "adjective": MODIFIER, "verb": VERB, "other": BREAK}
_TOTAL = 26  # logarithm (base 2) of all words that were counted
_NAMED = 24  # logarithm of the count that a name gets where it was seen to be one
_COMMON_VERB = 12  # logarithm of the count from which a verb of one character is no part of a name
_LONGEST_UNKNOWN = 6
_TOKENS = re.compile(rf"[{HAN}]+|[A-Za-z][A-Za-z0-9]*(?:[-.&+][A-Za-z0-9]+)*|\d+(?:[.,]\d+)*%?")
_NUMBERED = frozenset("线楼院厅馆桥")  # 地铁5号线
_DOTS = "·・‧"
_NUMERAL = re.compile(r"[一二三四五六七八九十]{1,3}|\d{1,2}")
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖"
    "贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤关习洪温莎柯施翁牛鲁葛岑齐庞樊殷倪章童颜梅盛傅卓赖蓝简"
    "游詹尤巫古康阮欧骆甘伍麦焦佟米柳单霍符申戚乔涂凌路邢靳祝耿窦尚裴项兰桂瞿翟岳荣晏舒曲单宗房安包"
)


class Word(NamedTuple):
    begin: int
    end: int
    part: int


def simplified(text: str) -> str:
    """Return the text with a simplified character for each traditional one: what the dictionary is written in."""
    return text.translate(_simplified())


def read(text: str) -> list[Word]:
    """Return the words of a text in simplified characters, in order; punctuation shows in their offsets."""
    names = _people(text)
    words: list[Word] = []
    for stretch in _TOKENS.finditer(text):
        if re.match(f"[{HAN}]", stretch[0]):
            words += _attached(_joined(_divided(stretch[0], stretch.start(), names), text), text)
        else:
            words.append(Word(stretch.start(), stretch.end(), BREAK if stretch[0][0].isdigit() else UNKNOWN))
    return _foreign(words, text)


def _foreign(words: list[Word], text: str) -> list[Word]:
    """Join the parts of a foreign name (詹姆斯·海德), and a noun with its number (嫦娥六号)."""
    joined: list[Word] = []
    for word in words:
        before = joined[-1] if joined else None
        if (
            before
            and word.begin == before.end + 1
            and text[before.end] in _DOTS
            and BREAK not in (before.part, word.part)
        ):
            joined[-1] = Word(before.begin, word.end, PERSON)
        elif before and word.begin == before.end and before.part in (NOUN, UNKNOWN) and _is_ordinal(word, text):
            behind = word.end + 1
            joined[-1] = Word(before.begin, behind + (text[behind : behind + 1] in _NUMBERED), UNKNOWN)
        elif before and word.begin < before.end:
            continue  # 号, which went with its number
        else:
            joined.append(word)
    return joined


def _is_ordinal(word: Word, text: str) -> bool:
    return text[word.end : word.end + 1] == "号" and _NUMERAL.fullmatch(text[word.begin : word.end]) is not None


@lru_cache(maxsize=1)
def _simplified() -> dict[int, str]:
    return {ord(pair[0]): pair[1] for pair in sections("zh").get("traditional", ())}


@lru_cache(maxsize=1)
def _dictionary() -> dict[str, tuple[int, int]]:
    """Return word -> logarithm (base 2) of its count, part."""
    found: dict[str, tuple[int, int]] = {}
    for name, words in sections("zh").items():
        part, _, size = name.rpartition(" ")
        if part in _PARTS:
            found.update(dict.fromkeys(words, (int(size), _PARTS[part])))
    for word in sections("zh").get("boundary", ()):
        count, listed = found.get(word, (0, BREAK))
        found[word] = max(count, 8), listed if listed in (NOUN, VERBAL) else BREAK
    found.update({word: (max(found.get(word, (0, 0))[0], 10), BREAK) for word in sections("zh").get("stop", ())})
    return found


@lru_cache(maxsize=1)
def _reach() -> dict[str, int]:
    """Return how long the longest word is that begins with a character."""
    longest: dict[str, int] = {}
    for word in _dictionary():
        longest[word[0]] = max(longest.get(word[0], 1), len(word))
    return longest


@lru_cache(maxsize=1)
def _names() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return what a person's name looks like: behind a title, and before a verb of saying."""
    lists = sections("zh")
    titles, says, may_follow = (
        "|".join(sorted(lists[name], key=lambda word: (-len(word), word))) for name in ("title", "says", "behind name")
    )
    short = f"[{_SURNAMES}][{HAN}]{{1,2}}?"
    alone = f"[{_SURNAMES}][{HAN}]{{1,3}}(?![{HAN}])"
    surely = rf"(?=(?:{says})|[，、。：；（）(),」』”\s]|$)"
    return (
        re.compile(rf"(?:{titles})[，、]?({short}{surely}|{alone}|{short}(?={may_follow}))"),
        re.compile(rf"(?<![{HAN}])({short}(?={says}|{may_follow}))"),
    )


def _people(text: str) -> frozenset[str]:
    known = _dictionary()
    found = {match[1] for pattern in _names() for match in pattern.finditer(text)}
    return frozenset(name for name in found if known.get(name, (0, NOUN))[1] != BREAK)


def _divided(stretch: str, offset: int, names: frozenset[str]) -> list[Word]:
    """Return the most probable words of a stretch of Chinese characters."""
    known, reach, size = _dictionary(), _reach(), len(stretch)
    longest_name = max(map(len, names), default=1)
    worth, ends = [0.0] * (size + 1), [0] * (size + 1)
    parts = [UNKNOWN] * (size + 1)
    for begin in range(size - 1, -1, -1):
        best = -_TOTAL + worth[begin + 1]
        ends[begin] = begin + 1
        longest = max(reach.get(stretch[begin], 1), longest_name)
        for end in range(begin + 1, min(size, begin + longest) + 1):
            word = stretch[begin:end]
            entry = known.get(word)
            if names and word in names:
                count, part = _NAMED, PERSON
            elif entry is not None:
                count, part = entry
            else:
                continue
            value = count - _TOTAL + worth[end]
            if value > best:
                best, ends[begin], parts[begin] = value, end, part
        worth[begin] = best
    words, begin = [], 0
    while begin < size:
        words.append(Word(offset + begin, offset + ends[begin], parts[begin]))
        begin = ends[begin]
    return words


def _joined(words: list[Word], text: str) -> list[Word]:
    """Join single characters that no word claims to unknown words, and characters that end nouns to the noun before."""
    known, suffixes = _dictionary(), _suffixes()
    joined: list[Word] = []
    for word in words:
        before = joined[-1] if joined else None
        is_single = word.end - word.begin == 1
        count, part = known.get(text[word.begin : word.end], (0, UNKNOWN))
        may_join = is_single and (part in (NOUN, UNKNOWN, MODIFIER) or (part == VERB and count < _COMMON_VERB))
        if before and before.end == word.begin and may_join:
            is_suffix = text[word.begin] in suffixes and before.part in (NOUN, UNKNOWN, VERBAL)
            is_piece = before.part == UNKNOWN and before.end - before.begin < _LONGEST_UNKNOWN
            if is_suffix or is_piece:
                joined[-1] = Word(before.begin, word.end, NOUN if is_suffix else UNKNOWN)
                continue
        joined.append(Word(word.begin, word.end, UNKNOWN) if may_join else word)
    return [Word(each.begin, each.end, VERB) if _is_clause(each, text) else each for each in joined]


def _is_clause(word: Word, text: str) -> bool:
    """Whether single characters that were joined are no word, as the last one is a verb and no other is unknown: 停运, 票涨."""
    if word.part != UNKNOWN or word.end - word.begin != 2:
        return False
    known = _dictionary()
    first, last = (known.get(each, (0, UNKNOWN))[1] for each in text[word.begin : word.end])
    return last == VERB and first != UNKNOWN


def _attached(words: list[Word], text: str) -> list[Word]:
    """Join two words, one of them an unknown piece, of which one never stands without the other."""
    attached: list[Word] = []
    for word in words:
        before = attached[-1] if attached else None
        if before and before.end == word.begin and _belong(before, word, text):
            attached[-1] = Word(before.begin, word.end, UNKNOWN)
        else:
            attached.append(word)
    return attached


def _belong(one: Word, other: Word, text: str) -> bool:
    first, second = text[one.begin : one.end], text[other.begin : other.end]
    parts = {one.part, other.part}
    pieces = UNKNOWN in parts and not parts & {PERSON, VERB}
    if not pieces or len(first) + len(second) > _LONGEST_UNKNOWN or _stops() & {first, second}:
        return False
    together = text.count(first + second)
    piece, word = (first, second) if len(first) == 1 or one.part == UNKNOWN else (second, first)
    return together > 1 and (text.count(word) == together or (len(piece) > 1 and text.count(piece) == together))


@lru_cache(maxsize=1)
def _stops() -> frozenset[str]:
    return frozenset(sections("zh").get("stop", ()))


@lru_cache(maxsize=1)
def _suffixes() -> frozenset[str]:
    return frozenset(sections("zh").get("suffix", ()))
