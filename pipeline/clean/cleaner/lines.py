"""Candidates from lines: bulleted, plain, or each with the name of a category before it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise, takewhile

from pipeline.clean.cleaner import labels, markers
from pipeline.clean.cleaner import vocabulary as words
from pipeline.clean.cleaner.normal import has_hangul
from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.cleaner.reject import is_clause
from pipeline.clean.cleaner.split import split_commas, split_inline, split_semicolons
from pipeline.clean.cleaner.trim import trim
from pipeline.core.text.korean import strip_particles
from pipeline.core.text.language import detector
from pipeline.core.text.scripts import main_script

# the letter that each half has is the first one, so that there is one way to match up to it
_HEAD, _TAIL = r"(?P<head>[\W\d_]{0,99}[^\W\d_].{0,99}?)", r"(?P<tail>[\W\d_]{0,99}[^\W\d_].{0,200})"
_GLOSSES = tuple(
    re.compile(rf"\s*{form}\s*")
    for form in (
        rf"{_HEAD}\s[-–—]{{1,2}}\s{_TAIL}",
        rf"{_HEAD}\s?[(（\[［](?P<tail>[^()（）\[\]]{{1,80}})[)）\]］]",
        rf"{_HEAD}(?:\s/\s|\s?[／=＝]\s?){_TAIL}",
        rf"{_HEAD}(?:\s?[,:：|\t]|\sx|\s?\.{{2,9}})\s?(?P<tail>\d{{1,4}}(?:\.\d+)?)",
    )
)
_BRACKET, _SLASH = _GLOSSES[1:3]
_EXPLAINS = 3  # words in brackets at least, where no article tells what belongs to a name
_SAMPLE = 2000  # characters of an article that show its language
_CASE = re.compile("[가-힣][은는이가을를]$|[ァ-ヿ一-龥][はがを]$")  # a topic, subject or object
_DIGITS, _FEW, _MOST = re.compile(r"\d+"), 3, 20  # items that tell what a list is
_SIGN = re.compile(r"\s[-–—]|[)）\]］／/=＝]|\d\s*$")
_DENIED = re.compile(words.NO_MARKS)
_HEADING = re.compile(r"[ \t]*#{1,6}[ \t]+\S")
_INDENT = re.compile(r"(?:\t| {2,})\s*")
_ASIDE = re.compile(r"\s*(?:\([^()]*\)|（[^（）]*）|\[[^\[\]]*\])[.。]?\s*")
_LINKS = re.compile(rf"\s(?:{words.CONJUNCTIONS}|&)\s|[/·]")
_CATEGORY_LINE = re.compile(r"[\s\-*•]*[\[【]?([^\W\d][\w &/]{0,40}?)\**(?:[\]】]|\s*[:：])\s*\**(.*\S)\s*")


def split_lines(lines: list[str], article: ArticleIndex | None) -> tuple[str, list[str]]:
    """Return (name of the container, candidates) of lines.

    Lines with bullets are the items and the others talk about them; without bullets every line is one.
    """
    headings = [line for line in lines if _HEADING.match(line)]
    if 1 < len(headings) < len(lines) and not any(map(markers.has_bullet, lines)):  # with a paragraph under each
        return "headings", [line.strip(" \t#") for line in headings]
    marked = [line for line in lines if markers.has_bullet(line)]
    if len(marked) > 1 and article is not None and article.has_exactly(lines[0].strip()):
        marked = [lines[0], *(line for line in marked if line is not lines[0])]  # its bullet was lost
    if len(marked) < 2:
        lines = without_glosses(_without_asides(lines, article), article)
        return "lines", _items_of(lines, article)
    items = _level(marked, article)
    items = without_glosses([markers.strip_bullet(line) for line in items], article)
    return "bullets", _items_of(items, article)


def without_headings(text: str) -> str:
    """Return the bulleted lines alone of sections with a heading each, none of which tells of another answer."""
    lines = [line for line in text.split("\n") if any(map(str.isalnum, line))]
    heads = [line for line, below in pairwise(lines) if _HEADING.match(line) and markers.has_bullet(below)]
    if len(heads) < 2 or any(labels.kind_of_lead(line) != "answer" for line in heads):
        return text
    return "\n".join(filter(is_bulleted, lines))


def is_bulleted(paragraph: str) -> bool:
    """Tell whether a paragraph is a bulleted line, or lines with bullets; `*in italics*` is none."""
    return markers.has_bullet(paragraph) and not (paragraph[0] == paragraph.rstrip()[-1] == "*")


def _level(marked: list[str], article: ArticleIndex | None) -> list[str]:
    """Choose a level of nested bullets: the outer ones, which the inner ones explain.

    The inner ones are chosen where the outer name categories, both where the article has phrases of both.
    """
    outer = [line for line in marked if not _INDENT.match(line)]
    inner = [line for line in marked if _INDENT.match(line)]
    if len(outer) < 2 or not inner:
        return marked
    heads = [markers.strip_bullet(line).strip(" *:：.") for line in outer]
    categories = all(head.casefold() in words.CATEGORIES for head in heads)
    if article is not None and any(article.has(markers.strip_bullet(line.strip()).strip()) for line in inner):
        return marked if not categories and any(map(article.has, heads)) else inner
    return inner if categories else outer


def category_lines(text: str, article: ArticleIndex | None) -> list[str]:
    """Return the items of lines that each name a category (`People: A, B` -> A, B), one of them by a word of the vocabulary, or
    none by a word of the article.

    The list is empty where the lines are something else.
    """
    lines = [line for line in text.split("\n") if any(map(str.isalnum, line))]
    lines = lines[1:] if lines and is_clause(lines[0].strip()) else lines
    matches = [match for line in lines if (match := _CATEGORY_LINE.fullmatch(line))]
    if len(matches) < 2 or len(matches) < len(lines):
        return []
    heads = [match[1].strip(" *").casefold() for match in matches]
    is_other = any(labels.is_head(head, strong=True) or head in words.ASIDES for head in heads)
    if is_other or (article and any(article.has(m[0].strip()) for m in matches)):
        return []
    lists = [split_inline(match[2], article) for match in matches]
    evident = article and all(article.has(trim(items[0])) for items in lists) and not any(map(article.shares, heads))
    if not any(map(_is_category, heads)) and not (evident and all(labels.kind_of_lead(h) == "answer" for h in heads)):
        return []
    return [item for items in lists for item in items]


def _is_category(head: str) -> bool:
    """Tell whether a head names a category, or several: `people and organisations`."""
    return all(part in words.CATEGORIES for part in _LINKS.split(head))


def _without_asides(lines: list[str], article: ArticleIndex | None) -> list[str]:
    """Drop lines in brackets among lines that are in none: `(3 key phrases in total)`."""
    plain = [line for line in lines if not _ASIDE.fullmatch(line)]
    if len(plain) < 2 or len(plain) == len(lines):
        return lines
    return [line for line in lines if line in plain or (article is not None and article.has(line.strip(" ()[]（）")))]


def _items_of(lines: list[str], article: ArticleIndex | None) -> list[str]:
    lists = without_translations([_split_line(line, article) for line in lines], article)
    return [item for items in lists for item in items]


def _split_line(line: str, article: ArticleIndex | None) -> list[str]:
    """Split one of several lines: it is one phrase, unless semicolons or two commas make it a list."""
    if is_clause(line.strip()):
        return [line]
    parts = split_semicolons(line, article)
    if len(parts) > 1:
        return parts
    if "」「" in line:
        return split_inline(line, article)
    if line.lstrip().startswith("#"):
        return split_inline(line, article)
    commas = split_commas(line, article)
    return commas if len(commas) > 2 else [line]


def without_glosses(items: Sequence[str], article: ArticleIndex | None) -> list[str]:
    """Return the named halves of items that all explain themselves in one form (`A - what it is`, `A (what it is)`, `A, 9`); the
    items as they are else.

    A dash or a bracket may belong to a name; where every item has one it does not, whatever the article says of the single item.
    """
    written = [item for item in items if item.strip()]
    if not written or not (_SIGN.search(written[0]) and _SIGN.search(written[-1])):
        return list(items)
    for form in _GLOSSES if article is not None else _GLOSSES[:2]:
        # the first item that has no such form is the last looked at
        matches = takewhile(bool, map(form.fullmatch, written))
        halves = list(filter(None, matches))
        if 1 < len(halves) == len(written) and (
            article is not None or form is not _BRACKET or all(map(_explains, halves))
        ):
            if form is _SLASH and article is not None and any(_are_both(half, article) for half in halves):
                return list(items)  # two phrases each, and none explains another
            taken = [half for half in halves if not _DENIED.match(half["tail"])] or halves
            return [_named(half[0], half["head"], half["tail"], article) for half in taken]
    return list(items)


def _explains(half: re.Match[str]) -> bool:
    return half["tail"].count(" ") >= _EXPLAINS - 1


def _are_both(half: re.Match[str], article: ArticleIndex) -> bool:
    return article.has(trim(half["head"])) and article.has(trim(half["tail"]))


def without_marks(items: list[str], article: ArticleIndex | None) -> list[str]:
    """Return items without what each has first or last: a number or sign of one form (`A ×1`, `B ×2`; `1st A`, `2nd B`), or the
    particle of its sentence (`국무회의는`, `건설 비용이`).

    The article tells: it has each of them without that mark, and no mark; it hangs no particle on a noun that has one already.
    """
    if article is None or not _FEW <= len(items) <= _MOST:
        return items
    if any(map(_CASE.search, items)):
        items = _without_case(items, article)
    for split in (lambda item: item.partition(" ")[::2], lambda item: item.rpartition(" ")[::-2]):
        marks, bare = zip(*map(split, map(str.strip, items)), strict=True)
        is_mark = len({_DIGITS.sub("0", mark) for mark in marks}) == 1 and not marks[0][:1].isalpha()
        if is_mark and len({*bare}) == len(bare) and all(map(article.has, map(trim, bare))):
            return items if any(map(article.has, (*map(trim, items), *marks))) else list(bare)
    return items


def _without_case(items: list[str], article: ArticleIndex) -> list[str]:
    """Return items without the particles of their sentence, where two or more have one; a noun that ends so may have its own."""
    nouns = [
        (strip_particles(item) if has_hangul(item) else item[:-1]) if _CASE.search(item) else item for item in items
    ]
    inflected = [item for item, noun in zip(items, nouns, strict=True) if len(item) == len(noun) + 1]
    # -이 and -가 alone may be of nouns: 감자옹심이
    is_certain = any(item[-1] in "은는을를はを" for item in inflected) and len(inflected) > 1
    return nouns if is_certain and not any(map(article.inflects, inflected)) else items


def without_translations(lists: Sequence[list[str]], article: ArticleIndex | None) -> Sequence[list[str]]:
    """Return the lists without those that say another again, item by item, in a language that is not the article's.

    A list in the article's own language is no translation, whatever of it the article has: it may name what the text only implies.
    """
    if article is None or len(lists) < 2 or len({*map(len, lists)}) > 1 or len(lists[0]) < 2:
        return lists
    is_present = [any(article.has(trim(item)) for item in items[:_MOST]) for items in lists]
    if all(is_present) or not any(is_present):
        return lists
    return [
        items for items, present in zip(lists, is_present, strict=True) if present or not _is_foreign(items, article)
    ]


def _is_foreign(items: Sequence[str], article: ArticleIndex) -> bool:
    """Tell whether a list is in another script than the article, or in another language that can be seen."""
    text = "; ".join(items[:_MOST])
    script = main_script(text)
    if script not in (None, article.script):
        return not article.writes(script)
    detect = detector("cld2")
    languages = [detect(text), detect(article.text[:_SAMPLE])]
    return None not in languages and languages[0] != languages[1]


def _named(item: str, head: str, tail: str, article: ArticleIndex | None) -> str:
    """Return the half that is the phrase: `A - gloss` -> A; `Person - A` -> A, where the article has only that.

    A name with a dash stays whole.
    """
    if article is None:
        return head
    if article.has(trim(item)):
        return item
    return tail if article.has(trim(tail)) and not article.has(trim(head)) else head
