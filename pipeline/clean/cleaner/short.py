"""Short labels: the line of a reply that gives one, without what stands before, behind and around the label in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pipeline.clean.cleaner import faults, labels, sentences, statuses
from pipeline.clean.cleaner import vocabulary as words
from pipeline.clean.cleaner.closing import is_cut
from pipeline.clean.cleaner.doubt import has_residue, is_article, is_copied, is_loop
from pipeline.clean.cleaner.envelope import open_envelope
from pipeline.clean.cleaner.json_answers import answer_pairs
from pipeline.clean.cleaner.markers import strip_bullet, strip_number
from pipeline.clean.cleaner.normal import strip_emphasis
from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.cleaner.refine import COPULA, has_own_colon, has_subject, refine
from pipeline.clean.cleaner.reject import is_clause
from pipeline.clean.cleaner.split import announced_quotes
from pipeline.clean.cleaner.statuses import Status
from pipeline.clean.cleaner.trim import trim
from pipeline.clean.prompt_constants import NO_PROMPT, Constants
from pipeline.core.finish import withheld
from pipeline.core.text.lenient_json import Bare, Collection, Value, find_literal
from pipeline.core.text.scripts import main_script

_HEAD = re.compile(r"([^:：;]{1,60}?)\s*(?:[:：]|\b(?:is|are|est|sont)\b:?)\s*", re.IGNORECASE)
_CJK_HEAD = re.compile(r"^[^，。,]{0,12}?(?:主题|主題|标题|標題|类别|類別|分类|标签|標籤)(?:是|为|為)")
_REMARK = re.compile(r"\s*[(\[（]([^()\[\]（）]{1,80})[)\]）]$")
_FEW_WORDS = 2
_COMMA, _MANY = re.compile("[,，、]"), 3  # a list, which is no topic
_ASIDE = re.compile(r"[.。;,|]\s+\W{0,3}(\w{2,20})\W{0,3}[:：]")
_WORD, _DIGITS = re.compile(r"\w+"), re.compile(r"\d+")
_NUMBERED_HEAD = re.compile(r"^\W{0,9}((?=\w{0,9}[^\W\d])(?=\D{0,20}\d)[^\n:：)）]{2,24})[:：)）] ?\S", re.MULTILINE)
_PLAIN = re.compile(r"\w+,?(?: [^\WA-ZÀ-Þ]\w*,?)+\s*$")  # no name in it
_NO_SHARE = {"false", "no", "null", "none", "0", "0.0"}
_NUMBER = re.compile(r"\d{0,3}(?:\.\d+|\d) ?%?")
_CLASS_KEYS = {"category", "class", "classification"}
_VAGUE_KEYS = {"name", "title", "type", "section"}


@dataclass(frozen=True)
class ShortAnswer:
    """What a reply gives for one label: its line, all the lines, the texts of its literal; or the status of a reply without one."""

    line: str
    status: Status = "ok"
    lines: str = ""
    texts: list[str] = field(default_factory=list)


def clean_short(
    raw: str,
    *,
    max_words: int = 6,
    finish_reason: str | None = None,
    article: ArticleIndex | None = None,
    constants: Constants = NO_PROMPT,
) -> tuple[str, Status]:
    """Return (label, status); the label is empty unless the status is `ok`.  Never raises on a string.

    `{"topic": "A"}`, `Topic: A`, `Sure! Here is the label: "A".` and `A` with an explanation on further lines are all A;
    a sentence, or more words than `max_words`, is `unparseable`.
    """
    answer = read_short(raw, finish_reason, article)
    if answer.status != "ok":
        return "", answer.status
    line = strip_number(answer.line)
    is_own = line != answer.line and article is not None and article.has_exactly(" ".join(answer.line.split()[:2]))
    line = answer.line if is_own else line  # 1. FC Köln
    is_whole = article is not None and has_own_colon(line, article)
    label = trim(line) if is_whole or is_own else next(refine(_without_remark(line, article), None), "")
    supported = article is not None and article.shares(label)
    is_fault = (article is None or not article.has(label)) and (faults.is_fault(raw) or faults.is_fault(answer.lines))
    if statuses.is_no_answer(label, article) or is_fault or (not supported and statuses.is_placeholder(label)):
        return "", "no_answer"
    if not supported and constants.say(label) and article is not None:
        return "", "prompt_echo"
    is_copy = article is not None and (
        is_copied(answer.line, article) or (has_residue(label) and not article.has(label))
    )
    # of several nobody knows which is the topic
    is_list = (";" in line.strip("; ") and not (article and article.has(line))) or _has_rivals(answer.lines)
    if is_list or (article is not None and _is_elsewhere(answer.lines, article)):
        return "", "doubtful"
    is_long = len(label.split()) > max_words or len(_COMMA.findall(label)) >= _MANY
    if not _is_name(label, article) or is_long or is_clause(label) or is_copy:
        return "", "unparseable"
    return label, "ok"


def _is_elsewhere(answer: str, article: ArticleIndex) -> bool:
    """Tell whether what a reply says, as a whole, is no label: one thing over and over, or sentences of the article."""
    return is_loop(answer, answer.split(";")) or is_article(answer, article, least=2)


def _has_rivals(answer: str) -> bool:
    """Tell whether the first line and another have one name and a number, as several tries: `Option 1: A`, `Option 2: B`."""
    heads = [_DIGITS.sub("0", head.casefold()) for head in _NUMBERED_HEAD.findall(answer)]
    return _NUMBERED_HEAD.match(answer) is not None and heads[0] in heads[1:]


def _is_name(label: str, article: ArticleIndex | None) -> bool:
    """Tell whether a label has letters, as a name has; a number, a date or a sign is one only where the article has it."""
    is_blank = len(label) > 1 and len({*label}) == 1  # OOO
    return (any(map(str.isalpha, label)) and not is_blank) or (article is not None and article.has(label))


def clean_topic(
    raw: str,
    article: ArticleIndex | None,
    constants: Constants,
    finish_reason: str | None = None,
    max_words: int = 6,
) -> tuple[list[str], list[str], Status, list[str]]:
    """Return (phrases, no tiers, status, repairs): a topic may be in other words than its article, or another script, so one that
    shares none with it is flagged (`unsupported`) and stays."""
    label, status = clean_short(
        raw, max_words=max_words, finish_reason=finish_reason, article=article, constants=constants
    )
    unsupported = label and article is not None and not article.shares(label)
    return [label] if label else [], [], status, ["unsupported"] if unsupported else []


def _without_remark(line: str, article: ArticleIndex | None) -> str:
    """Drop what stands in brackets at the end; beside a word or two it says which (`Dune (film)`), unless the article has the words
    before it alone: `Tram line (transport)`."""
    remark = _REMARK.search(line)
    if remark is None or article is None or article.has(line):
        return line
    head = line[: remark.start()]
    says_which = max(len(head.split()), len(remark[1].split())) <= _FEW_WORDS and main_script(head) == main_script(
        remark[1]
    )
    is_category = article.shares(head) and not article.shares(remark[1])
    return line if says_which and not is_category and not statuses.is_placeholder(remark[1]) else head or line


def read_short(raw: str, finish_reason: str | None, article: ArticleIndex | None) -> ShortAnswer:
    """Return the line of a reply that gives its label, bare; a literal's value comes before lines, and an answer before asides."""
    if kept_back := withheld(finish_reason):
        return ShortAnswer("", kept_back)
    envelope = open_envelope(raw, None, [])
    answer = envelope.answer
    if not any(map(str.isalnum, answer)):
        return ShortAnswer("", "truncated" if envelope.unfinished else "empty")
    if opening := statuses.status_of_opening(answer, article):
        return ShortAnswer("", opening)
    answer = sentences.after_question(answer)
    literal = find_literal(answer)
    texts = literal_texts(literal.value) if literal else []
    line = texts[0] if texts else _first_line(answer, article)
    if is_cut(finish_reason, raw) and answer.endswith(line):
        return ShortAnswer("", "truncated")
    return ShortAnswer(_bare(line, article), "ok", "" if texts else answer, texts)


def _bare(line: str, article: ArticleIndex | None) -> str:
    """Return the label that a line announces, quotes in a sentence, or says the text to be about."""
    if (aside := _ASIDE.search(line)) and (aside[0][0] == "|" or aside[1].casefold() in words.ASIDES):
        line = line[: aside.start()]
    line = _CJK_HEAD.sub("", _behind_head(line, article))
    if not has_subject(line, article):
        line = COPULA.sub("", line)
    if (remark := _REMARK.search(line)) and statuses.is_placeholder(remark[1]):
        line = line[: remark.start()]
    quoted = announced_quotes(line, article)
    return quoted[0] if len(quoted) == 1 else sentences.strip_about(line)


def _behind_head(line: str, article: ArticleIndex | None) -> str:
    """Return what a head announces: `I think the topic is: A`, `The topic is A`, `Title: A` -> A; so does any word alone, where
    the article does not have it: `Onderwerp: A`."""
    match = _HEAD.match(line)
    if match is None or not line[match.end() :].strip():
        return line
    words_of_head = _WORD.findall(match[1].casefold())
    is_head = any(labels.is_head(word, strong=False) or word in words.LABEL_NOUNS for word in words_of_head)
    if not is_head and article is not None and ":" in match[0].replace("：", ":"):
        is_lead = len(words_of_head) == 1 or _is_lead(match[1], line[match.end() :], article)
        is_head = is_lead and not article.shares(match[1]) and not article.has(match[1])
    return line[match.end() :] if is_head else line


def _is_lead(lead: str, rest: str, article: ArticleIndex) -> bool:
    """Tell whether words on one line before a colon only lead to what is behind it: no names, none of its article."""
    return bool(_PLAIN.match(lead)) and "\n" not in lead and article.shares(rest) and not article.shares(lead)


def literal_texts(value: Value) -> list[str]:
    """Return the texts that a literal gives for its label, the best first: the value under the key that names it."""
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, Bare):
        return []
    if not value.keys:
        texts = [text for item in value.items for text in literal_texts(item)[:1]]
        return texts[:1] if all(isinstance(item, Collection) and _has_share(item) for item in value.items) else texts
    pairs = answer_pairs(value)
    with_texts = [(key, part, texts) for key, part in pairs if (texts := literal_texts(part))]
    ranked = sorted(with_texts, key=lambda entry: _rank(entry[0], entry[1]))
    if ranked:
        return ranked[0][2]
    if not all(isinstance(part, Bare) for _, part in pairs):
        return []
    numbers = [part.text for _, part in pairs if isinstance(part, Bare)]
    are_ranks = "1" in numbers[:1] and all(map(str.isdecimal, numbers)) and numbers == sorted(numbers, key=int)
    are_ranks = are_ranks or sorted(numbers) == [str(rank) for rank in range(1, len(numbers) + 1)]
    shares = [
        (1 / int(part.text) if are_ranks else _share(part.text), key) for key, part in pairs if isinstance(part, Bare)
    ]
    return [key for share, key in sorted(shares, key=lambda entry: -entry[0])[:1] if share]


def _share(text: str) -> float:
    """Return the share that a number stands for; a word is a whole one, so that the first of them stays first."""
    if text.casefold() in _NO_SHARE:
        return 0.0
    return float(text.rstrip(" %")) if _NUMBER.fullmatch(text) else 1.0


def _rank(key: str, part: Value) -> int:
    """Return how far a value is from being the label: its key names one; one does loosely; it may hold one; any; it explains."""
    if _names_label(key):
        return (key.casefold() in _CLASS_KEYS) + 2 * (key.casefold() in _VAGUE_KEYS)
    if key.casefold() in words.GLOSS_COLUMNS:
        return 5
    return 3 if isinstance(part, Collection) else 4


def _has_share(group: Collection) -> bool:
    return any(isinstance(part, Bare) and any(map(str.isdigit, part.text)) for part in group.items)


def _names_label(key: str) -> bool:
    parts = labels.folded_key(key).split("-")
    # key phrases beside a topic
    ends = [part for part in (parts[0], parts[-1]) if not labels.is_head(part, strong=True)]
    return any(part in words.LABEL_NOUNS or labels.is_head(part, strong=False) for part in ends)


def _first_line(answer: str, article: ArticleIndex | None) -> str:
    """Return the first line of the first labelled part, or of the whole, where that says more of the article."""
    preface, *blocks = labels.split_blocks(sentences.strip_interjection(strip_emphasis(answer)))
    full = [block for block in blocks if any(map(str.isalnum, block.text))]
    answers = [block.text for block in full if block.kind in ("answer", "category")]
    texts = answers or [block.text for block in full]
    announces = labels.opens_preamble(preface.text) or is_clause(preface.text.strip())
    if (
        texts
        and article is not None
        and article.shares(preface.text.partition("\n")[0])
        and not article.shares(texts[0])
    ):
        texts = [] if not announces else texts
    is_lead = bool(texts) and (announces or bool(answers and preface.text.strip().count("\n") > 1))
    is_lead = is_lead or bool(texts and article and _is_lead(preface.text, texts[0], article))
    text = preface.text if any(map(str.isalnum, preface.text)) and not is_lead else "".join(texts[:1])
    lines = (line.strip() for line in text.split("\n"))
    return sentences.strip_announcement(strip_bullet(next((line for line in lines if any(map(str.isalnum, line))), "")))
