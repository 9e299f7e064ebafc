"""Which container the candidates come in: a literal, a table, numbered or bulleted lines, plain lines, or one line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pipeline.cleaner import labels, markers
from pipeline.cleaner import vocabulary as words
from pipeline.cleaner.labels import Block
from pipeline.cleaner.glosses import without_glosses
from pipeline.cleaner.literal import Bare, Group, Literal, Value, find_literal
from pipeline.cleaner.normal import strip_emphasis
from pipeline.cleaner.presence import Article
from pipeline.cleaner.reject import is_clause, is_prose
from pipeline.cleaner.split import split_commas, split_conjunction, split_inline, split_semicolons
from pipeline.cleaner.tables import is_comma_table, is_table, table_items
from pipeline.cleaner.vocabulary import PHRASE_KEYS

_INDENT = re.compile(r"(?:\t| {2,})\s*")
_ADJACENT_EMPHASIS = re.compile(r"(\*\*|`|__)[ \t]{1,9}\1(?=\w)")
_ASIDE = re.compile(r"\s*(?:\([^()]*\)|（[^（）]*）|\[[^\[\]]*\])[.。]?\s*")
_WHOLE = re.compile(r"\s*([\[({（【<\"“])(.*)([\])}）】>\"”])\s*", re.DOTALL)


@dataclass
class Candidates:
    """Untrimmed phrases in the model's order, the containers they came in, and whether the container was cut off."""

    items: list[str]
    found: list[str] = field(default_factory=list)
    cut: bool = False


def find_candidates(text: str, article: Article | None) -> Candidates:
    """The candidates of an answer, whichever way it is written."""
    literal = find_literal(text)
    if literal is not None and (items := _literal_items(literal, article)) is not None:
        rest = [] if literal.value.opener == "[" else _following(text, literal, article)
        return Candidates(items + rest, ["literal"], literal.cut)
    text = strip_emphasis(_ADJACENT_EMPHASIS.sub(r"\1; \1", text)) if any(mark in text for mark in "*`_~\\") else text
    blocks = labels.split_blocks(labels.strip_interjection(text), article)
    chosen = _choose(blocks, article)
    result = Candidates([], ["label"] if len(blocks) > 1 else [])
    for block in chosen:
        container, items = _split_block(block, article)
        result.items += items
        if container and container not in result.found:
            result.found.append(container)
    return result


# ---- literals ---------------------------------------------------------------------------------------------------


def _following(text: str, literal: Literal, article: Article | None) -> list[str]:
    """Items of the objects behind the first one (JSON lines)."""
    items: list[str] = []
    following = find_literal(text, literal.end)
    while following is not None and len(items) < 100:
        items += _literal_items(following, article) or []
        following = find_literal(text, following.end)
    return items


def _literal_items(literal: Literal, article: Article | None) -> list[str] | None:
    group = literal.value
    items = _object_items(group, article) if group.keys else _list_items(group, article)
    return None if not items and any(isinstance(item, Bare) for item in group.items) else items


def _list_items(group: Group, article: Article | None) -> list[str]:
    """The strings of a list; of a nested pair (phrase, score) the phrase; of an object its phrase."""
    items: list[str] = []
    for item in group.items:
        if isinstance(item, str):
            items.append(item)
        elif isinstance(item, Bare):
            items += [item.text] if _is_word(item.text) else []
        elif item.keys:
            items += _object_items(item, article)
        else:
            inner = _list_items(item, article)
            items += inner[:1] if any(isinstance(part, Bare) for part in item.items) else inner
    return items


def _is_word(text: str) -> bool:
    return any(map(str.isalpha, text)) and text.casefold() not in ("null", "none", "true", "false", "nan")


def _object_items(group: Group, article: Article | None) -> list[str]:
    """The phrases of an object: lists of any key, else the value of a phrase key, else keys with scores or glosses."""
    pairs = group.pairs()
    groups = [(key, value) for key, value in pairs if isinstance(value, Group)]
    if groups:
        answers = [(key, value) for key, value in groups if labels.is_label_key(key)] or groups
        return [item for _, value in answers for item in _group_items(value, article)]
    strings = [(key, value) for key, value in pairs if isinstance(value, str)]
    for key, value in strings:
        if key.strip().casefold() in PHRASE_KEYS:
            return split_inline(value, article) if _is_plural(value) else [value]
    named = [value for key, value in strings if labels.is_label_key(key)]
    if named:
        return [item for value in named for item in split_inline(value, article)]
    if strings and _prefer_values(strings, article):
        return [item for _, value in strings for item in split_inline(value, article)]
    return [key for key, _ in pairs if not labels.is_label_key(key)]


def _group_items(value: Value, article: Article | None) -> list[str]:
    assert isinstance(value, Group)
    return _object_items(value, article) if value.keys else _list_items(value, article)


def _is_plural(value: str) -> bool:
    return ";" in value or "\n" in value or value.count(",") > 1


def _prefer_values(strings: list[tuple[str, str]], article: Article | None) -> bool:
    """Whether `{"인물": "김철수"}` names categories, as opposed to `{"금리 인상": "설명"}` that explains phrases."""
    if article is None:
        return all(key.casefold() in words.CATEGORIES for key, _ in strings)
    known_keys = sum(article.has(key) for key, _ in strings)
    return sum(article.has(value.strip()) for _, value in strings) > known_keys


# ---- blocks -----------------------------------------------------------------------------------------------------


def _choose(blocks: list[Block], article: Article | None) -> list[Block]:
    """The blocks that make up one answer: the first, unless a later one is called final."""
    preface, *labelled = blocks
    for at, block in enumerate(labelled):
        if block.kind == "alternative":
            labelled = labelled[:at]
            break
    answers = [block for block in labelled if block.kind != "aside" and any(map(str.isalnum, block.text))]
    finals = [block for block in answers if block.name.startswith("final")]
    if finals:
        return finals[-1:]
    if not answers or _is_list(preface.text):
        return [preface]
    if article is not None and len(answers) > 1:
        answers = _known(answers, article)
    return _without_second_try(answers)


def _is_list(text: str) -> bool:
    """Whether text before any label is itself an answer, and no sentence that leads to one."""
    parts = [part for part in re.split(r"[;；\n|]", text) if part.strip()]
    if len(parts) < 2:
        return False
    bulleted = sum(map(markers.has_bullet, parts)) > 1 or markers.split_numbered(text) is not None
    return bulleted or not any(is_clause(part.strip()) or labels.opens_preamble(part) for part in parts)


def _known(answers: list[Block], article: Article) -> list[Block]:
    """Drops the answers of which the article has nothing, a draft or a translation, where it has some of another."""
    known = [block for block in answers if block.kind == "category" or _has_any(block, article)]
    return known if any(block.kind == "answer" for block in known) else answers


def _has_any(block: Block, article: Article) -> bool:
    return any(article.has(item.strip(" .\"'*-")) for item in _split_block(block, article)[1][:20])


def _without_second_try(answers: list[Block]) -> list[Block]:
    first = answers[0]
    single = all(len(_parts(block.text)) < 2 for block in answers if block.name == first.name)
    return [block for block in answers if block is first or single or block.name != first.name]


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[;；\n,，、]", text) if part.strip()]


def _split_block(block: Block, article: Article | None) -> tuple[str, list[str]]:
    """(name of the container, candidates)."""
    text = _open(block.text)
    lines = [line for line in text.split("\n") if any(map(str.isalnum, line))]
    if is_comma_table(lines):
        return "table", table_items(text.replace(",", "|"))
    if is_table(lines):
        return "table", table_items(text)
    numbered = markers.split_numbered(text)
    if numbered is not None and _is_lead(numbered[0]):
        items = [item for part in numbered[1] for item in _item_of_list(part)]
        return "numbering", without_glosses(items, article)
    if len(lines) > 1:
        return _split_lines(lines, article)
    line = labels.strip_announcement(text.strip())
    if is_prose(line):
        return "", []
    items = split_inline(line, article)
    announced = line != text.strip()
    if not announced and not (block.kind == "answer" and line.endswith(".")):
        return "", items
    return "label", items[:-1] + split_conjunction(items[-1])


def _open(text: str) -> str:
    """The inside of brackets or quotes that enclose the whole answer: `[A, B]`, `"A; B"`."""
    match = _WHOLE.fullmatch(text.strip(" \n.;,"))
    if match is None or any(sign in match[2] for sign in (match[1], match[3])):
        return text
    return match[2] if re.search("[;,；，、\n]", match[2]) else text


def _is_lead(text: str) -> bool:
    """Whether text before the first number leads to the list; else the numbers are footnotes: `A [1]; B [2]`."""
    bare = text.rstrip(" \t-*•#")
    return not bare or bare[-1] in ":：.!?\n" or labels.is_label_word(bare.split()[-1].casefold())


def _item_of_list(part: str) -> list[str]:
    """The first line of a numbered item, split where it holds a list of its own; the others explain it."""
    line = next((line for line in part.split("\n") if any(map(str.isalnum, line))), "")
    return split_semicolons(line)


def _split_lines(lines: list[str], article: Article | None) -> tuple[str, list[str]]:
    """Lines with bullets are the items and the others talk about them; without bullets every line is one."""
    marked = [line for line in lines if markers.has_bullet(line)]
    if len(marked) > 1 and article is not None and article.has_exactly(lines[0].strip()):
        marked = [lines[0], *(line for line in marked if line is not lines[0])]  # its bullet was lost
    if len(marked) < 2:
        lines = without_glosses(_without_asides(lines, article), article)
        return "lines", [item for line in lines for item in _split_line(line, article)]
    top = [line for line in marked if not _INDENT.match(line)]
    items = top if len(top) > 1 and len(top) < len(marked) else marked
    items = without_glosses([markers.strip_bullet(line) for line in items], article)
    return "bullets", [item for line in items for item in _split_line(line, article)]


def _without_asides(lines: list[str], article: Article | None) -> list[str]:
    """Without lines in brackets among lines that are in none: `(3 key phrases in total)`."""
    plain = [line for line in lines if not _ASIDE.fullmatch(line)]
    if len(plain) < 2 or len(plain) == len(lines):
        return lines
    return [line for line in lines if line in plain or (article is not None and article.has(line.strip(" ()[]（）")))]


def _split_line(line: str, article: Article | None) -> list[str]:
    """One of several lines. A line is one phrase, unless semicolons or two commas make it a list."""
    if is_clause(line.strip()):
        return [line]
    parts = split_semicolons(line)
    if len(parts) > 1:
        return parts
    if line.lstrip().startswith("#"):
        return split_inline(line, article)
    commas = split_commas(line, article)
    return commas if len(commas) > 2 else [line]
