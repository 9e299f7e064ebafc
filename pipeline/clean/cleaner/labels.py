"""Labels: the words before a colon that name the answer, a category, a remark or another try.

A label is recognised by its words, not by its wording: every word before the colon belongs to the vocabulary, and one of
them names phrases. So "Here are the top 5 key phrases:", "기사의 핵심 구문은 다음과 같습니다:" and "Mots-clés :" need no pattern
of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from pipeline.clean.cleaner import vocabulary as words
from pipeline.clean.cleaner.markers import BULLETS
from pipeline.clean.cleaner.presence import ArticleIndex

_COLON = re.compile(r"[:：](?!//)|=|\s[-–—](?=\s|$)")
_WORD = re.compile(r"[^\s:：,，、|/()\[\]（）]+")
_BREAK = re.compile(r"[;；|\n.!?。、]")
_SEGMENT_CHARS = 160
_MAX_LABELS = 60
_DIGIT = re.compile(r"\d")
_ITEM = re.compile(r"[ \t]*(?:[-*•·▪■]|\d+ ?[^\w\s*])[^*]|\s*$")  # lines that are no headings for certain
_JA_TOPIC = re.compile(rf"[^、。;；\s]{{0,20}}(?:{'|'.join(words.JA_HEADS)})は[、,]?(?=\S)")
_CJK_ABOUT = re.compile(
    r"(?:(?:이|해당|본|위) ?(?:기사|글|문서|뉴스|텍스트)[는은의] ?(?:주제[는은] ?)?)?(.{2,60}?)(?:에 (?:관한|대한)|[을를] 다루는|[을를] 다룬) ?"
    r"(?:기사|글|내용|뉴스|문서|것)?(?:입니다|이다|다|임)?[.。]?"
    r"|(?:本|这篇|這篇|该|該|此)(?:文|文章|新闻|新聞|报道|報道)(?:主要)?(?:是)?(?:关于|關於|讲述|介绍|讨论|涉及|报道)(?:了|的是)?(.{2,40}?)(?:的(?:文章|新闻|报道|内容))?[。.]?"
    r"|(?:この|本)(?:記事|文書|文章|ニュース)は、?(.{2,40}?)に(?:ついて|関する)(?:の)?(?:記事|内容|もの|述べ|書かれ)?[^。]{0,8}[。.]?"
)
_CJK_CONCLUSION = re.compile(
    rf"(?:(?<=[\w)]) 등(?:이|을|은|의|과|도)?|(?:이|가|은|는)(?! 등)) [^.;,]{{0,12}}(?:{'|'.join(words.KO_STRONG_HEADS)})(?:로|으로)?[^.;,]{{0,12}}[.]?$"
    rf"|(?:など|等)?(?:が|は|是|为|為)[^。；;、，]{{0,8}}(?:{'|'.join(words.JA_HEADS)})[^。；;、，]{{0,6}}[。.]?$"
)
_QUESTION = re.compile(r"\A\s*[^\n]{0,300}[?？][ \t]*\n+\s*\w{1,12}[ \t]*[.:：]\s*(?=\S)")
_FIRST_SENTENCE = re.compile(r"[^.!。;\n]{1,40}[.!。]\s*(?=\S)")
_STOPS = tuple(".!?。")
_HEADING_MARKS = tuple("()[]*【】<>#_:")
_HEADING = re.compile(r"[ \t]*#{1,6}[ \t]+")
_KO_FILLER_BEGINNINGS = tuple(word for word in words.KO_FILLERS if len(word) > 1)
_EDGES = BULLETS + "*_#`\"'“”‘’[](){}<>【】-–—•·.!~1234567890①②③④⑤⑥⑦⑧⑨"


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
    cuts += (cut for cut in _find_labels(text) if not (article and article.has_exactly(_item(text, cut))))
    ends = [start for start, _, _, _ in cuts[1:]] + [len(text)]
    return [Block(kind, name, text[begin:end]) for (_, begin, kind, name), end in zip(cuts, ends, strict=True)]


def _item(text: str, cut: tuple[int, int, str, str]) -> str:
    """Return the label with what follows it up to the next break."""
    start, begin, _, _ = cut
    stop = _BREAK.search(text, begin, begin + _SEGMENT_CHARS)
    return text[start : stop.start() if stop else begin + _SEGMENT_CHARS].strip() if begin > start else ""


def _find_labels(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Yield (start of label, start of the text behind it, kind, name)."""
    count, behind = 0, 0
    for end, begin, whole_line in _candidates(text):
        if end < behind or count >= _MAX_LABELS:
            continue
        floor = max(behind, end - _SEGMENT_CHARS)
        segment = text[floor:end]
        breaks = [match.end() for match in _BREAK.finditer(segment)]
        start = floor + (breaks[-1] if breaks else 0)
        at_line = not text[max(behind, text.rfind("\n", 0, start) + 1) : start].strip(" \t-*#•.0123456789)")
        at_line = at_line or (text[:start].rstrip()[-1:] in _STOPS and opens_preamble(text[start:end]))
        label = _classify(text[start:end], at_line, whole_line)
        if label:
            offset, kind, name = label
            yield start + offset, begin, kind, name
            count, behind = count + 1, begin


def _candidates(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield (end of a possible label, start of what follows, whether it is a line of its own)."""
    position = 0
    for line in text.split("\n"):
        colons = [match.span() for match in _COLON.finditer(line)][:_MAX_LABELS]
        for start, end in colons:
            yield position + start, position + end, False
        if not colons and (len(line) < 60 or _HEADING.match(line)) and not _ITEM.match(line):
            yield position + len(line), position + len(line), True
        position += len(line) + 1


def _classify(segment: str, at_line: bool, whole_line: bool) -> tuple[int, str, str] | None:
    """Return (where the label begins in the segment, kind, name), or None where the segment is no label."""
    spans = [(match.start(), _bare(match[0])) for match in _WORD.finditer(segment)]
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
    if (
        at_line
        and len(named) < (6 if heads else 3)
        and (kind := _kind_of_words([word for _, word in named])) != "answer"
    ):
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


def _bare(word: str) -> str:
    return word.casefold().strip(_EDGES)


def is_head(word: str, *, strong: bool) -> bool:
    """Tell whether a word names key phrases; a weak one (topic, result) does so only at the beginning of a line."""
    if (
        word in words.STRONG_HEADS
        or word.startswith(words.KO_STRONG_HEADS)
        or any(head in word for head in words.JA_HEADS)
    ):
        return True
    return not strong and (word in words.WEAK_HEADS or word.startswith(words.KO_WEAK_HEADS))


def is_label_word(word: str) -> bool:
    """Tell whether a word may stand in a label."""
    return (
        word in words.FILLERS
        or word.startswith(words.FINAL)
        or is_head(word, strong=False)
        or (word[0] >= "가" and (word in words.KO_FILLERS or word.startswith(_KO_FILLER_BEGINNINGS)))
        or (word[0] > "\u3000" and word.startswith(words.JA_FILLERS))
    )


def opens_preamble(segment: str) -> bool:
    """Tell whether the segment begins like a sentence that announces a list (Here are .., 다음은 .., Voici .., 以下 ..)."""
    return segment.strip(" \t*_#>-\"'").casefold().startswith(words.OPENERS)


def strip_about(line: str) -> str:
    """Return what a sentence says the text to be about: `The article deals with A.`, `이 기사는 A에 관한 내용입니다.` -> A."""
    if match := _CJK_ABOUT.fullmatch(line.strip()):
        return next(filter(None, match.groups()))
    nouns = 0
    for match in islice(_WORD.finditer(line), 12):
        word = match[0].casefold().strip("*_\"'.").replace("’", "'").rpartition("'")[2]
        nouns += word in words.TEXT_NOUNS
        if nouns and word in words.ABOUT:
            rest = line[match.end() :].strip()
            return rest.rstrip(".") if rest.strip(" .:,") else line
        if not (
            nouns
            and (word in words.ABOUT_VERBS or word.endswith("ly"))
            or is_label_word(word)
            or word in words.TEXT_NOUNS
        ):
            break
    return line


def after_question(text: str) -> str:
    """Return the answer to a question that the model puts to itself: `Q: Which?`, `A: A; B` on the next line -> `A; B`."""
    return _QUESTION.sub("", text, count=1)


def announces(text: str) -> bool:
    """Tell whether the text only leads to what is not there: `Here is the list:`, `Sure!`."""
    bare = strip_interjection(text + " .").strip(" .!\n")
    return (
        not bare or text.rstrip()[-1:] in (":", "：") or (opens_preamble(bare) and ";" not in bare and "\n" not in bare)
    )


def after_correction(text: str) -> str:
    """Return what stands behind a remark that takes back the list before it (`Wait, .. Here is the corrected list:`)."""
    if not any(word in text.casefold() for word in words.CORRECTIONS):
        return text
    position = 0
    for line in text.split("\n"):
        behind = position + len(line) + 1
        remark = len(line) > 12 and not _ITEM.match(line) and any(word in line.casefold() for word in words.CORRECTIONS)
        if remark and _is_several(text[:position]) and _is_several(text[behind:]):
            return text[behind:]
        position = behind
    return text


def _is_several(text: str) -> bool:
    return len([part for part in re.split("[\n;；]", text) if any(map(str.isalnum, part))]) > 1


def strip_interjection(text: str) -> str:
    """Remove a first sentence that only agrees: `Sure thing! A; B` -> `A; B`."""
    match = _FIRST_SENTENCE.match(text)
    return text[match.end() :] if match and text.casefold().startswith(words.INTERJECTIONS) else text


def strip_announcement(line: str) -> str:
    """Remove an announcement: `The key phrases are A, B and C` -> `A, B and C`; other lines stay as they are."""
    spans = [
        (match.start(), match.end(), match[0].casefold().strip("*_\"'"))
        for match in _WORD.finditer(line[:_SEGMENT_CHARS])
    ]
    japanese = _JA_TOPIC.match(line)
    if japanese:
        return line[japanese.end() :]
    heads = 0
    for start, end, word in spans[:20]:
        if not word or (not is_label_word(word) and word not in words.COPULAS):
            break
        heads += is_head(word, strong=not opens_preamble(line))
        topic = word.endswith(("은", "는")) and is_head(word, strong=True) and start < 40
        if heads and (word in words.COPULAS or topic) and line[end:].strip(" .:,"):
            return line[end:].strip()
    return line


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
        word
        for match in _WORD.finditer(lead.strip()[-_SEGMENT_CHARS:].rpartition("\n")[2])
        if (word := _bare(match[0]))
    ]
    if not named or len(named) > 8:
        return "answer"
    kind = _kind_of_words(named)
    if kind == "answer" and len(named) <= 3 and (named[0] in words.ASIDES or named[-1] in words.ASIDES):
        return "aside"
    return "final" if kind == "answer" and any(word.startswith(words.FINAL) for word in named) else kind


def _kind_of_words(named: list[str]) -> str:
    """Return `aside` for a label of what the model does not give, `draft` for what it only thought of, else `answer`."""
    if named[0] in words.REJECTED or named[-1] in words.REJECTED:
        return "aside"
    return "draft" if named[0] in words.DRAFTS or named[-1] in words.DRAFTS else "answer"


def strip_conclusion(line: str) -> str:
    """Remove the end of a sentence that says what the list before is: `A, B and C are the key phrases.` -> `A, B and C`."""
    if match := _CJK_CONCLUSION.search(line):
        return line[: match.start()]
    spans = [
        (match.start(), _bare(match[0]).rstrip("."))
        for match in _WORD.finditer(line, max(0, len(line) - _SEGMENT_CHARS))
    ]
    heads = 0
    for start, word in reversed(spans):
        if heads and word in words.COPULAS:
            return line[:start].rstrip(" ,")
        if word and not is_label_word(word):
            break
        heads += is_head(word, strong=True) if word else 0
    return line


def is_label_key(key: str) -> bool:
    """Tell whether the key of an object, or the head of a column, names phrases and is none itself (`key_phrases`, `2`)."""
    word = key.replace("_", "-").casefold().strip(" 0123456789-")
    spaced = key.replace("_", " ").replace("-", " ").casefold().strip(" 0123456789").split()
    return not word or is_head(word, strong=False) or any(is_head(part, strong=False) for part in spaced[-1:])
