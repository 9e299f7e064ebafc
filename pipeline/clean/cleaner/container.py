"""Containers that candidates come in: a literal, a table, numbered or bulleted lines, plain lines, or one line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from pipeline.clean.cleaner import labels, markers, sentences
from pipeline.clean.cleaner import vocabulary as words
from pipeline.clean.cleaner.json_answers import chosen_literal, literal_items
from pipeline.clean.cleaner.labels import Block
from pipeline.clean.cleaner.lines import (
    category_lines,
    split_lines,
    without_glosses,
    without_headings,
    without_marks,
    without_translations,
)
from pipeline.clean.cleaner.normal import strip_emphasis
from pipeline.clean.cleaner.paragraphs import evident_paragraphs, parts_of, without_afterword
from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.cleaner.refine import COPULA, PLAIN_WORD, has_subject
from pipeline.clean.cleaner.reject import ends_sentence_inside, is_clause, is_prose
from pipeline.clean.cleaner.split import announced_quotes, split_conjunction, split_inline, split_semicolons
from pipeline.clean.cleaner.tables import is_table, records_of, separator_of, table_items

_ADJACENT_EMPHASIS = re.compile(r"(?<![:：])(\*\*|`|__)[ \t]{1,9}\1(?=\w)")
_FOREIGN_HEAD = re.compile(r"[\s*#]*([^\W\d][^:：;；,，、.\n]{0,40}?)[\s*]*[:：][\s*]*(?=\S)")
_NUMBERED_KEY = re.compile(
    r"(?:^|(?<=[;,，；\n])|(?<=[:：] ))[\s\-*#]{0,9}[\"']?([^\W\d]{1,15}(?: [^\W\d]{1,15}){0,2})[ _-]?(\d{1,2})[\"']?"
    r"\s*[=:：]\s*(?=\S)"
)
_WRAPPED = re.compile(r"(?<![^\s;])([^\s;][^;\n]{0,60}?)[ \t]*\n[ \t]*([^\s;][^;\n]{0,60}?)(?=[ \t]*(?:[;\n]|$))")
# Phrases of letters and digits between semicolons: most replies. What in them may be more than phrases.
_PLAIN_ITEM = rf"(?!\d{{1,2}} ){PLAIN_WORD}(?: {PLAIN_WORD})*"
_PLAIN_LIST = re.compile(rf"{_PLAIN_ITEM}(?:; ?{_PLAIN_ITEM})+;?")
_TELLING = re.compile(
    "|".join((*words.KO_STRONG_HEADS, *words.JA_HEADS, "[핵중]심|입니다|[이예]에?요|です|である|째 |[위번位] "))
)
# and why, or what takes its place
_STRUCK = re.compile(r"(?<!\w)~~\w[^~\n]{0,200}~~[ \t]+(?=[^\s;,|])(?:\([^()\n]*\))?")
_PROSE_HEAD = re.compile(r"[^;；\n]{20,400}[:：]\s+(?=\S)")
_WHOLE = re.compile(r"\s*([\[({（【<\"“])(.*)([\])}）】>\"”])\s*", re.DOTALL)


@dataclass
class CandidateList:
    """Untrimmed phrases in the model's order, the containers they came in, and whether the container was cut off."""

    items: list[str]
    containers: list[str] = field(default_factory=list)
    cut: bool = False


def find_candidates(text: str, article: ArticleIndex | None) -> CandidateList:
    """Return the candidates of an answer, whichever way it is written."""
    if _PLAIN_LIST.fullmatch(text) and not _may_tell(text):
        return CandidateList(without_marks([item.strip() for item in split_semicolons(text, article)], article))
    literal, rest = chosen_literal(text)
    if literal is not None and (items := literal_items(literal, article)) is not None:
        more = [literal_items(other, article) or [] for other in rest]
        items = [item for part in without_translations([items, *more], article) for item in part]
        return CandidateList(without_glosses(items, article), ["literal"], any(part.cut for part in (literal, *rest)))
    text = left if "~~" in text and any(map(str.isalnum, left := _STRUCK.sub("", text))) else text
    text = strip_emphasis(_ADJACENT_EMPHASIS.sub(r"\1; \1", text)) if any(mark in text for mark in "*`_~\\") else text
    text = without_headings(sentences.after_question(sentences.after_correction(text)))
    if article is not None and ";" in text:
        text = _WRAPPED.sub(
            lambda seam: " ".join(seam.groups()) if article.has(" ".join(seam.groups())) else seam[0], text
        )
    headed, text = text, _behind_head(text, article)
    if numbered := _numbered_keys(text, article):
        return CandidateList(numbered, ["numbering"])
    if records := records_of([line for line in text.split("\n") if line.strip()]):
        return CandidateList(records, ["records"])
    if categories := category_lines(text, article):
        return CandidateList(categories, ["categories"])
    blocks = labels.split_blocks(sentences.strip_interjection(text), article)
    if text != headed:
        blocks[0] = replace(blocks[0], kind="answer")
    chosen = _choose_blocks(blocks, article)
    result = CandidateList([], ["label"] if len(blocks) > 1 else [])
    for block in chosen:
        container, items = _split_block(block, article)
        result.items += items
        if container and container not in result.containers:
            result.containers.append(container)
    result.items = without_marks(result.items, article)
    return result


def _may_tell(text: str) -> bool:
    """Tell whether words of a plain list may announce, conclude, count or weigh it, so that all rules must see it."""
    tokens = text.casefold().replace(";", " ").split()
    is_told = any(labels.is_label_word(word) or word in words.COPULAS for word in (tokens[0], tokens[-1]))
    return is_told or text.rstrip(" ;")[-1].isdigit() or _TELLING.search(text) is not None


def _choose_blocks(blocks: list[Block], article: ArticleIndex | None) -> list[Block]:
    """Return the blocks that make up one answer: the first, unless a later one is called final."""
    preface, *labelled = blocks
    for at, block in enumerate(labelled):
        if block.kind == "alternative":
            labelled = labelled[:at]
            break
    answers = [block for block in labelled if block.kind != "aside" and any(map(str.isalnum, block.text))]
    answers = [block for block in answers if block.kind != "draft"] or answers
    finals = [block for block in answers if block.name.startswith("final")]
    if finals:
        return finals[-1:]
    if not answers or _is_list(preface.text):
        return [preface]
    if (
        article
        and any(map(str.isalnum, preface.text))
        and _has_any(preface, article)
        and not any(_has_any(block, article) for block in answers)
    ):
        return [preface]
    strong = [block for block in answers if any(labels.is_head(word, strong=True) for word in block.name.split())]
    answers = strong or answers  # Topic: A. Keywords: B, C
    if article is not None and len(answers) > 1:
        answers = _present_answers(answers, article)
    return _without_second_try(answers)


def _is_list(text: str) -> bool:
    """Tell whether text before any label is itself an answer, and no sentence that leads to one."""
    parts = [part for part in re.split(r"[;；\n|]", text) if part.strip()]
    if len(parts) == 1:
        parts = [part for part in re.split("[,，、]", text) if part.strip()]
        return len(parts) > 2 and not is_clause(text.strip()) and not labels.opens_preamble(text)
    if len(parts) < 2:
        return False
    bulleted = sum(map(markers.has_bullet, parts)) > 1 or markers.split_numbered(text) is not None
    return bulleted or not any(is_clause(part.strip()) or labels.opens_preamble(part) for part in parts)


def _present_answers(answers: list[Block], article: ArticleIndex) -> list[Block]:
    """Drop the answers of which the article has nothing, a draft or a translation, where it has some of another."""
    present = [
        block for block in answers if block.kind == "category" or _has_any(block, article) or "absent" in block.name
    ]
    return present if any(block.kind == "answer" for block in present) else answers


def _has_any(block: Block, article: ArticleIndex) -> bool:
    return any(article.has(item.strip(" .\"'*-")) for item in _split_block(block, article)[1][:20])


def _without_second_try(answers: list[Block]) -> list[Block]:
    first = answers[0]
    single = all(len(parts_of(block.text)) < 2 for block in answers if block.name == first.name)
    return [block for block in answers if block is first or single or block.name != first.name]


def _split_block(block: Block, article: ArticleIndex | None) -> tuple[str, list[str]]:
    """Return (name of the container, candidates)."""
    text = evident_paragraphs(_unwrapped(block.text), article)
    lines = [line for line in text.split("\n") if any(map(str.isalnum, line))]
    if separator := separator_of(lines):
        return "table", table_items(text.replace(separator, "|"), article)
    if is_table(lines):
        return "table", table_items(text, article)
    numbered = markers.split_numbered(text)
    if numbered is not None and _is_lead(numbered[0]) and not _has_numbered_names(text, article):
        items = [item for part in numbered[1] for item in _item_of_list(part, article)]
        return "numbering", without_glosses(items, article)
    if len(lines) > 1:
        return split_lines(lines, article)
    is_elsewhere = article is not None and not article.has(" ".join(text.split()[:3]))
    line = sentences.strip_conclusion(sentences.strip_announcement(text.strip(), is_elsewhere))
    if len(spans := announced_quotes(line, article)) > 1:
        return "label", spans
    if is_prose(line):
        return "", []
    items = without_glosses(split_inline(without_afterword(line, article), article), article)
    concludes = len(items) > 1 and COPULA.search(items[-1]) is not None and not has_subject(line, article)
    announced = concludes or line != text.strip()
    last = split_conjunction(items[-1], article) if len(items) > 1 else []
    is_series = len(last) > 1 and article is not None and all(map(article.shares, last))  # A, B and C
    is_sentence = line.endswith(".") and (block.kind == "answer" or len(items) > 1)
    if not (announced or is_sentence or is_series):
        return "", items
    is_one = (
        ";" in line or ends_sentence_inside(items[-1]) or (article is not None and article.has(items[-1].strip(" .")))
    )
    container = "label" if announced or block.kind == "answer" else ""
    return container, items if is_one else items[:-1] + split_conjunction(COPULA.sub("", items[-1]), article)


def _behind_head(text: str, article: ArticleIndex | None) -> str:
    """Return the list behind a heading in any language: words that are none of the article's before a colon, its words behind."""
    prose = _PROSE_HEAD.match(text)
    rest = text[prose.end() :] if prose else ""
    if (
        article
        and prose
        and not markers.has_bullet(rest)
        and _leads_to_answer(prose[0])
        and article.has(_first_item(rest))
    ):
        return rest  # Let me think .. So the final answer is: A; B
    match = _FOREIGN_HEAD.match(text)
    if article is None or match is None or labels.has_label(text) or markers.split_numbered(text):
        return text
    rest = text[match.end() :]
    is_line = "\n" in match[0].lstrip()
    foreign = len(match[1]) == 1 or not ((article.shares(match[1]) and not is_line) or article.has(match[1].strip()))
    is_heading = foreign and article.shares(_first_item(rest))
    return rest if is_heading else text


def _leads_to_answer(lead: str) -> bool:
    if not is_clause(lead.strip(" :：")):
        return False
    return labels.kind_of_lead(lead) == "answer" and labels.kind_of_lead(lead[-60:]) != "aside"


def _first_item(text: str) -> str:
    return re.split(r"[;；,，、\n]", text, maxsplit=1)[0].strip(" .")


def _numbered_keys(text: str, article: ArticleIndex | None) -> list[str]:
    """Return the values of numbered keys: `KP1=A; KP2=B`, `phrase_1: A` on a line each; none where the text has no such.

    Where values are lists themselves they are answers one after the other, or steps: the first that has something of the article.
    """
    keys = list(_NUMBERED_KEY.finditer(text))
    if len(keys) < 2 or not (_is_lead(lead := text[: keys[0].start()]) and (keys[0][2] == "1" or not lead.strip())):
        return []
    if len({key[1].casefold() for key in keys}) > 1 or any(
        int(key[2]) != at for at, key in enumerate(keys, int(keys[0][2]))
    ):
        return []
    ends = [key.start() for key in keys[1:]] + [len(text)]
    values = [text[key.end() : end].strip(" \t\n,;，；") for key, end in zip(keys, ends, strict=True)]
    values[-1] = values[-1].partition("\n\n")[0]
    if any("\n" in value for value in values):
        return []
    if lists := [value for value in values if ";" in value]:
        chosen = next((value for value in lists if article is None or article.shares(value)), lists[0])
        return split_semicolons(chosen, article)
    return [] if any(map(is_clause, values)) else values


def _unwrapped(text: str) -> str:
    inside = enclosed_list(text)
    return text if inside is None else inside


def enclosed_list(text: str) -> str | None:
    """Return the list inside brackets or quotes that enclose the whole answer (`[A, B]`, `"A; B"`), or None."""
    match = _WHOLE.fullmatch(text.strip(" \n.;,"))
    if match is None or any(sign in match[2] for sign in (match[1], match[3])):
        return None
    return match[2] if re.search("[;,；，、\n]", match[2]) else None


def _is_lead(text: str) -> bool:
    """Tell whether text before the first number leads to the list; else the numbers are footnotes: `A [1]; B [2]`."""
    bare = text.rstrip(" \t-*•#")
    return not bare or bare[-1] in ":：.!?\n" or labels.is_label_word(bare.split()[-1].casefold())


def _has_numbered_names(text: str, article: ArticleIndex | None) -> bool:
    """Tell whether only some items of a list have numbers, and one has its own in the article: `1. FC Köln; Geldstrafe`."""
    parts = list(map(str.strip, parts_of(text)))
    numbered = [part for part in parts if markers.strip_number(part) != part]
    return article is not None and len(numbered) < len(parts) and any(map(article.has_exactly, numbered))


def _item_of_list(part: str, article: ArticleIndex | None) -> list[str]:
    """Return the first line of a numbered item, split where it holds a list of its own; the others explain it."""
    line = next((line for line in part.split("\n") if any(map(str.isalnum, line))), "")
    return split_semicolons(line, article)
