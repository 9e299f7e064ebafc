"""Doubt about a label: what its phrases, their places in the article and the form of the reply say against its being a list.

No list of words decides here. A list that people would take has nearly all of its phrases in the article, short ones, side by
side; prose that was cut at its commas, a summary, what is left of code or markup, or the label of another article has not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from statistics import mean

from pipeline.clean.cleaner.labels import is_label_word
from pipeline.clean.cleaner.markers import strip_bullet, strip_number
from pipeline.clean.cleaner.normal import is_alphabetic
from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.cleaner.reject import ends_sentence_inside, is_clause
from pipeline.clean.cleaner.trim import trim
from pipeline.clean.cleaner.vocabulary import ABBREVIATIONS
from pipeline.core.text.content_words import beginnings

_LISTED = re.compile(r"[;；、\n|\"“”‘’「」『』《》«»•·]")  # what separates phrases and no clauses
_QUESTION = re.compile(r"\?[ \t]*$", re.MULTILINE)
_STOP = re.compile(r"[.!?。！？…][\"'”’)]?\s*$")
_STOPS = re.compile(r"[.!?。！？](?=[\s\"'”’)]|$)")
# What no name has: a letter of code or markup, the end of a sentence with more behind it.
_RESIDUE = re.compile(r"[{}\\|^\ufffd]|\s#\s|„[^“”]*$|\w_\w|=|</|/>|<!|->|\w>\s|\(\)|\)\)|\s\+\+|。\s|\"\s+\"")
_STOP_WITHIN = re.compile(r"([^\W\d_]{4,12})([.?]+)\s")
_LONE_QUOTE = re.compile(r"(?<!\d)\"")  # not the inches of a display
_SHORTENED = ABBREVIATIONS | {"sept.", "dept.", "univ.", "capt."}
_PREDICATE = re.compile(r",\s+[a-zß-ÿ]\w*\s|[A-ZÀ-Þ]\S* [a-z]{2,}ed (?!by\b)\S")
_WORD = re.compile(r"[^\W_ぁ-ヿ一-龥]+(?:['’.-][^\W_]+)*|[ぁ-ヿ一-龥]")
_HAN_WORD = 2  # characters of Han and kana that stand for a word of other scripts
_LONG, _SENTENCE = 5, 8  # words: more than most phrases have, as many as a sentence
_LONG_CHARS = 20  # of one phrase at least, where phrases have more than five words
_LIST, _EDGES = re.compile("[;；,，、]"), " .*\"'\t"
_MOST_LISTS = 9  # with more of them nobody drafts
_TERSE = 3  # words of most phrases, at most
_ENOUGH = 2  # phrases of which most are another article's
_LOOP = 10  # times that the same stands in a reply which says nothing else


def has_residue(phrase: str) -> bool:
    """Tell whether a phrase that the article does not have is none: code, markup or the end of a sentence is left in it."""
    if _RESIDUE.search(phrase) or len(_LONE_QUOTE.findall(phrase)) % 2:
        return True
    return any(f"{word}{stops}".casefold() not in _SHORTENED for word, stops in _STOP_WITHIN.findall(phrase))


def is_evidence(phrase: str, tier: str) -> bool:
    """Tell whether that a phrase is in the article says that it is this article's: any article has a letter or a small number."""
    return tier != "absent" and len(phrase) > 1 and not (len(phrase) == 2 and phrase.isdecimal())


def doubt(
    answer: str, items: Sequence[str], phrases: Sequence[str], tiers: Sequence[str], article: ArticleIndex
) -> str | None:
    """Return what makes a label doubtful, as the name of a repair; None where nothing does.

    `answer` is the reply without its envelope, `items` what it was split into. Each phrase is in the article (`tiers`), shares
    words with it, or neither.
    """
    absent = [phrase for phrase, tier in zip(phrases, tiers, strict=True) if tier == "absent"]
    if any(map(has_residue, absent)):
        return "residue"
    if are_versions(answer, phrases) or any(_loses(item, phrases, article) for item in items):
        return "several_lists"
    if answer.partition("\n")[0].rstrip().endswith("?") and len(_QUESTION.findall(answer)) > 1:
        return "questions"
    if len(phrases) == 1 and is_loop(answer, items):
        return "loop"
    nothing_is_there = len(absent) == len(phrases)
    # a phrase of short words only begins like no word of four letters, which says nothing of it
    elsewhere = [phrase for phrase in absent if beginnings(phrase) and not article.shares(phrase)]
    most = len(phrases) / 2 if nothing_is_there else len(phrases) * 2 / 3
    if len(elsewhere) >= _ENOUGH and len(elsewhere) > most:
        return "mostly_elsewhere"
    clauses = sum(map(is_clause, map(str.strip, items)))
    beside_clauses = clauses and (2 * len(absent) >= len(phrases) or clauses > len(phrases) == 1)
    if is_article(answer, article):
        return "prose"
    is_literal = answer[:1] in ("[", "{")
    is_listed = is_literal or _LISTED.search(answer)
    is_long = nothing_is_there or max(map(len, phrases)) > _LONG_CHARS  # to count words takes time
    length = mean(map(_words, phrases)) if is_long else 0
    are_clauses = nothing_is_there and len(phrases) > 1 and length > _TERSE and not is_literal
    are_clauses = are_clauses and ((length > _TERSE + 1 and not is_listed) or any(_tells(p, article) for p in phrases))
    are_copied = length > _SENTENCE or (length > _LONG and not is_literal and article.script not in ("kana", "han"))
    is_remark = nothing_is_there and len(phrases) <= _ENOUGH and _STOP.search(answer)  # Working on it.
    if beside_clauses or are_clauses or is_remark:
        return "clauses"
    is_part = clauses and not is_listed and len(items) > len(phrases) > 1 and _STOP.search(answer)  # of a sentence
    if is_part or (are_copied and not nothing_is_there):
        return "prose"
    return "prose" if not is_listed and _is_prose(answer, items, phrases, absent, article) else None


def are_versions(answer: str, phrases: Sequence[str]) -> bool:
    """Tell whether a list in a reply is a draft of the next, so that nobody knows which is meant: its phrases are shorter ones of
    that, and a remark stands between them, or their heads share a word: `try 1: coal; price`, `try 2: coal in Wales; price cap`.
    """
    kept, lists = {phrase.casefold() for phrase in phrases}, []
    for at, line in enumerate(line for line in answer.casefold().split("\n") if any(map(str.isalnum, line))):
        head, _, rest = line.replace("：", ":").rpartition(":")
        if len(items := _LIST.split(rest)) > 1:
            lists.append((at, head, kept.intersection(item.strip(_EDGES) for item in items)))
    for (start, head, one), (end, other_head, other) in pairwise(lists[:_MOST_LISTS]):
        short, long = one - other, other - one
        nested = sum(any(f" {p} " in f" {q} " or (p in q and not is_alphabetic(p[0])) for q in long) for p in short)
        shared = (word for word in head.split() if word in other_head.split() and not is_label_word(word))
        if nested >= _ENOUGH and 2 * nested >= len(short) and (end > start + 1 or any(shared)):
            return True
    return False


def _loses(item: str, phrases: Sequence[str], article: ArticleIndex) -> bool:
    """Tell whether an item holds a remark, or the key of an object, and what stands behind its colon is the article's and no
    phrase."""
    tail = trim(item.rpartition(":")[2]) if ":" in item and ("[" in item or ends_sentence_inside(item)) else ""
    return article.has(tail) and not any(tail.casefold() in phrase.casefold() for phrase in phrases)


def is_loop(answer: str, items: Sequence[str]) -> bool:
    """Tell whether a reply says one thing over and over, as a model does that has lost its way: `after after after after`."""
    words = _WORD.findall(answer[: _LOOP * 100].casefold())
    repeats_items = len(items) >= _LOOP and len({*items}) == 1
    return repeats_items or (len(words) >= _LOOP and len(words) >= _LOOP * len({*words}))


def _is_prose(
    answer: str, items: Sequence[str], phrases: Sequence[str], absent: Sequence[str], article: ArticleIndex
) -> bool:
    """Tell whether the phrases of a reply without any sign of a list are pieces of a sentence, the article's or the model's."""
    is_long = mean(map(_words, phrases)) > _LONG / 2 or len(items) > len(phrases)
    if is_long and is_copied(answer, article):
        return True
    if absent and len(phrases) == 1 and _words(phrases[0]) >= _LONG - 1:
        return True
    if not absent or not _STOP.search(answer):
        return False
    longest, enough = max(map(_words, absent)), len(phrases) >= _TERSE and "," in answer
    return longest >= _LONG or (len(absent) == len(phrases) and _words(answer) >= _SENTENCE and not enough)


def is_article(answer: str, article: ArticleIndex, least: int = 1) -> bool:
    """Tell whether a reply is mostly sentences of the article, so many at `least`: a headline and what follows it; not a list with
    its evidence, which has signs of a list or several phrases of the article."""
    lines = [line.strip() for line in answer.split("\n") if line.strip()]
    copied = [line for line in lines if _STOP.search(line) and is_copied(line, article)]
    others = [line for line in lines if line not in copied]
    if any(_LISTED.search(line) or strip_bullet(strip_number(line)) != line for line in others):
        return False
    if sum(len(_STOPS.findall(line)) for line in copied) < least:
        return False
    if len(others) > 1 and all(article.has(line) and not is_clause(line) for line in others):
        return False
    return sum(map(_words, copied)) > sum(map(_words, others))


def _tells(phrase: str, article: ArticleIndex) -> bool:
    """Tell whether a phrase has a predicate: `A, who did`, `A opened B`, or a word that is one in the article (`have released`)."""
    verbs = article.predicates
    return bool(_PREDICATE.search(phrase)) or any(word in verbs for word in phrase.split()[1:])


def is_copied(text: str, article: ArticleIndex) -> bool:
    """Tell whether a text is a sentence of the article, or several."""
    return _words(text) >= _SENTENCE and article.has(trim(text))


def _words(text: str) -> float:
    """Return the number of words, those of scripts without spaces by their characters."""
    return sum(1 / _HAN_WORD if word >= "ぁ" and word <= "龥" else 1 for word in _WORD.findall(text))
