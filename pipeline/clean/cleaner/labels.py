"""Labels: the words before a colon that name the answer, a category, a remark or another try.

A label is recognised by its words, not by its wording: every word before the colon belongs to the vocabulary, and one of
them names phrases. So "Here are the top 5 key phrases:", "기사의 핵심 구문은 다음과 같습니다:" and "Mots-clés :" need no pattern
of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pipeline.clean.cleaner import vocabulary as words
from pipeline.clean.cleaner.markers import BULLETS
from pipeline.clean.cleaner.presence import ArticleIndex

_COLON = re.compile(r"[:：】](?!//)|=|\s[-–—](?=\s|$)")
WORD = re.compile(r"[^\s:：,，、|/()\[\]（）]+")
_BREAK = re.compile(r"[;；|\n.!?。、]")
SEGMENT_CHARS = 160
_MAX_LABELS = 60
_DIGIT = re.compile(r"\d")
ITEM = re.compile(r"[ \t]*(?:[-*•·▪■]|\d+ ?[^\w\s*])[^*]|\s*$")  # lines that are no headings for certain
_SCORE = re.compile(r"[ \t]*\d[\d.,]*%?[ \t]*(?:\n|$)")
_STOPS = tuple(".!?。")
_HEADING_MARKS = tuple("()[]*【】<>#_:")
_HEADING = re.compile(r"[ \t]*#{1,6}[ \t]+")
_JA_HEAD = re.compile("|".join(words.JA_HEADS))
_KO_FILLER_BEGINNINGS = tuple(word for word in words.KO_FILLERS if len(word) > 1)
_EDGES = BULLETS + "*_#`\"'“”‘’[](){}<>【】-–—•·.!~1234567890①②③④⑤⑥⑦⑧⑨"


_NAMES_OF_LABELS = words.ASIDES | words.REJECTED | words.DRAFTS | words.ALTERNATIVES | words.CATEGORIES | words.MEASURES


@dataclass(frozen=True)
class Block:
    """A label and the text behind it; `kind` is `answer`, `category`, `aside`, `alternative` or `preface` (no label)."""

    kind: str
    name: str
    text: str


def split_blocks(text: str, article: ArticleIndex | None = None) -> list[Block]:
    """Cut the text into blocks, each from its label to the next; the first, without a label, may be empty.

    What the article has with its colon ("Title: subtitle" of a book) is no label.
    """
    cuts = [(0, 0, "preface", "")]
    cuts += (cut for cut in _labels_of(text) if not _is_phrase(text, cut, article))
    ends = [start for start, _, _, _ in cuts[1:]] + [len(text)]
    return [Block(kind, name, text[begin:end]) for (_, begin, kind, name), end in zip(cuts, ends, strict=True)]


def has_label(text: str) -> bool:
    """Tell whether any words of the text are a label."""
    return bool(_labels_of(text))


def _is_phrase(text: str, cut: tuple[int, int, str, str], article: ArticleIndex | None) -> bool:
    """Tell whether a label is a phrase: the article has it with what follows, or it has several words of which one names no label.

    `stock options - ..` is no option, `title race: ..` no title: the article has that word, or the line is an item of a list.
    A category has phrases of the article behind it.
    """
    start, begin, kind, _ = cut
    if article and article.has_exactly(_item(text, cut)):
        return True
    head = _COLON.sub("", text[start:begin]).strip()
    named = [word for match in WORD.finditer(head) if (word := bare(match[0]))]
    others = [word for word in named if len(word) > 1 and not is_label_word(word) and word not in _NAMES_OF_LABELS]
    if kind == "answer" or len(named) < 2:
        return False
    if article is None:
        is_item = ITEM.match(text, text.rfind("\n", 0, start) + 1) or _SCORE.match(text, begin)
        return bool(others) and kind != "category" and is_item is not None
    behind = _BREAK.split(text[begin : begin + SEGMENT_CHARS] + "\n")[0].strip()
    return article.has(" ".join(named)) or (
        not (kind == "category" and article.has(behind)) and any(map(article.count, others))
    )


def _item(text: str, cut: tuple[int, int, str, str]) -> str:
    """Return the label with what follows it up to the next break."""
    start, begin, _, _ = cut
    stop = _BREAK.search(text, begin, begin + SEGMENT_CHARS)
    return text[start : stop.start() if stop else begin + SEGMENT_CHARS].strip() if begin > start else ""


@lru_cache(maxsize=16)  # several steps look for the labels of one text
def _labels_of(text: str) -> tuple[tuple[int, int, str, str], ...]:
    return tuple(_find_labels(text))


def _find_labels(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Yield (start of label, start of the text behind it, kind, name)."""
    count, behind = 0, 0
    for end, begin, whole_line in _candidates(text):
        if end < behind or count >= _MAX_LABELS:
            continue
        floor = max(behind, end - SEGMENT_CHARS)
        segment = text[floor:end]
        breaks = [match.end() for match in _BREAK.finditer(segment)]
        start = floor + (breaks[-1] if breaks else 0)
        at_line = not text[max(behind, text.rfind("\n", 0, start) + 1) : start].strip(" \t-*#•.0123456789)")
        at_line = at_line or (text[:start].rstrip()[-1:] in _STOPS and _leads(text[start:end]))
        label = _classify(text[start:end], at_line, whole_line)
        if label:
            offset, kind, name = label
            yield start + offset, begin, kind, name
            count, behind = count + 1, begin


def _leads(segment: str) -> bool:
    return opens_preamble(segment) or segment.strip().casefold().startswith(words.FINAL)


def _candidates(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield (end of a possible label, start of what follows, whether it is a line of its own)."""
    position = 0
    for line in text.split("\n"):
        colons = [match.span() for match in _COLON.finditer(line)][:_MAX_LABELS]
        for start, end in colons:
            yield position + start, position + end, False
        if not colons and (len(line) < 60 or _HEADING.match(line)) and not ITEM.match(line):
            yield position + len(line), position + len(line), True
        position += len(line) + 1


def _classify(segment: str, at_line: bool, whole_line: bool) -> tuple[int, str, str] | None:
    """Return (where the label begins in the segment, kind, name), or None where the segment is no label."""
    spans = [(match.start(), bare(match[0])) for match in WORD.finditer(segment)]
    named = [(start, word) for start, word in spans if word]
    if not named:
        return None
    run = _run_of_labels(named)
    heads = [word for _, word in run if is_head(word, strong=not at_line)]
    complete = len(run) == len(named)
    if whole_line:
        if _is_marked(segment, named, words.LANGUAGES):
            return 0, "answer", "language"
        heading = segment.lstrip().startswith("#") or any(is_head(word, strong=True) for word in heads)
        heading = heading or any(word.startswith(words.FINAL) for _, word in named)
        if heading and heads and complete and not _DIGIT.search(segment.strip()[2:]):
            return 0, "answer", _name(segment, heads)
        return (0, "aside", named[0][1]) if _is_marked(segment, named, words.ASIDES) else None
    name = _name(segment, heads)
    kind = _kind_of_words([word for _, word in named])
    if at_line and len(named) < (6 if heads else 3) and kind != "answer":
        return 0, kind, name
    if heads and (complete or any(is_head(word, strong=True) for word in heads)):
        return run[0][0] if not (at_line and complete) else 0, "answer", name
    if not at_line:
        return None
    return _classify_line([word for _, word in named], segment, name)


def _classify_line(named: list[str], segment: str, name: str) -> tuple[int, str, str] | None:
    """Classify a label that begins a line: a category, a remark, another try, or a sentence that announces the list."""
    last = named[-1]
    if len(named) <= 3 and (last in words.ASIDES or named[0] in words.ASIDES):
        return 0, "aside", last
    if len(named) == 1 and last in words.MEASURES:
        return 0, "aside", last
    if len(named) <= 3 and (last in words.ALTERNATIVES or named[0] in words.ALTERNATIVES):
        return 0, "alternative", last
    if len(named) == 1 and last.startswith(words.FINAL):
        return 0, "answer", "final"
    if len(named) == 1 and last in words.LANGUAGES:
        return 0, "answer", "language"
    if len(named) <= 2 and last in words.CATEGORIES:
        return 0, "category", last
    if opens_preamble(segment) and any(is_head(word, strong=False) for word in named):
        return 0, "answer", name
    return None


def _is_marked(segment: str, named: list[tuple[int, str]], vocabulary: frozenset[str]) -> bool:
    """Tell whether the segment is one word of the vocabulary with the marks of a heading: `(English)`, `【思考過程】`."""
    bare = segment.strip()
    marked = bare[:1] in _HEADING_MARKS and bare[-1:] in _HEADING_MARKS
    return marked and len(named) == 1 and named[0][1] in vocabulary


def _run_of_labels(named: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return the longest end of the segment that consists of label words."""
    run: list[tuple[int, str]] = []
    for start, word in reversed(named):
        if not is_label_word(word):
            break
        run.insert(0, (start, word))
    return run


def _name(segment: str, heads: list[str]) -> str:
    digits = "".join(filter(str.isdigit, segment))
    folded = segment.casefold()
    final = "final" if any(word in folded for word in words.FINAL) else "absent" if "absent" in folded else ""
    return " ".join((final, *heads[-1:], digits)).strip()


def bare(word: str) -> str:
    return word.casefold().strip(_EDGES)


def is_head(word: str, *, strong: bool) -> bool:
    """Tell whether a word names key phrases; a weak one (topic, result) does so only at the beginning of a line."""
    is_japanese = not word.isascii() and _JA_HEAD.search(word)
    if is_japanese or word in words.STRONG_HEADS or word.startswith(words.KO_STRONG_HEADS):
        return True
    return not strong and (word in words.WEAK_HEADS or word.startswith(words.KO_WEAK_HEADS))


def is_label_word(word: str) -> bool:
    """Tell whether a word may stand in a label."""
    return (
        word in words.FILLERS
        or word.startswith(words.FINAL)
        or is_head(word, strong=False)
        or (word[:1] >= "가" and (word in words.KO_FILLERS or word.startswith(_KO_FILLER_BEGINNINGS)))
        or (word[:1] > "\u3000" and word.startswith(words.JA_FILLERS))
    )


def opens_preamble(segment: str) -> bool:
    """Tell whether the segment begins like a sentence that announces a list (Here are .., 다음은 .., Voici .., 以下 ..)."""
    return segment.strip(" \t*_#>-\"'").casefold().startswith(words.OPENERS)


def folded_key(key: str) -> str:
    """Return the key of an object as a word of a label: `Key_Phrases` -> `key-phrases`."""
    return key.strip().replace("_", "-").casefold()


def kind_of_key(key: str) -> str:
    """Return `aside`, `draft`, `final` or `answer` for the key of an object."""
    parts = folded_key(key).split("-")
    if key.strip().casefold() in words.ASIDES - {"title", "text"}:
        return "aside"
    kind = _kind_of_words(parts)
    return "final" if kind == "answer" and parts[0].startswith(words.FINAL) else kind


def kind_of_lead(lead: str) -> str:
    """Return the kind of a literal by the words that lead to it, on its line or the one before."""
    named = [
        word for match in WORD.finditer(lead.strip()[-SEGMENT_CHARS:].rpartition("\n")[2]) if (word := bare(match[0]))
    ]
    if not named or len(named) > 8:
        return "answer"
    kind = _kind_of_words(named)
    if kind == "answer" and len(named) <= 3 and (named[0] in words.ASIDES or named[-1] in words.ASIDES):
        return "aside"
    return "final" if kind == "answer" and any(word.startswith(words.FINAL) for word in named) else kind


def best_kind(kinds: Sequence[str]) -> str | None:
    """Return the kind that counts of those that stand side by side: a final answer before any, what was rejected last."""
    return next((kind for kind in ("final", "answer", "draft", "aside") if kind in kinds), None)


def _kind_of_words(named: list[str]) -> str:
    """Return `aside` for a label of what the model does not give, `draft` for what it only thought of, else `answer`."""
    if named[0] in words.REJECTED or named[-1] in words.REJECTED:
        return "aside"
    return "draft" if named[0] in words.DRAFTS or named[-1] in words.DRAFTS else "answer"


def is_label_key(key: str) -> bool:
    """Tell whether the key of an object, or the head of a column, names phrases and is none itself (`key_phrases`, `2`)."""
    word = key.replace("_", "-").casefold().strip(" 0123456789-")
    spaced = key.replace("_", " ").replace("-", " ").casefold().strip(" 0123456789").split()
    return not word or is_head(word, strong=False) or any(is_head(part, strong=False) for part in spaced[-1:])
