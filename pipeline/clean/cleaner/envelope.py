"""The envelope of an answer, put there by a server or chat template: reasoning, turns, tokens, fences, elements, the prompt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate, pairwise

from pipeline.clean.cleaner import labels, sentences
from pipeline.clean.cleaner import vocabulary as words
from pipeline.clean.cleaner.normal import decode, normalise
from pipeline.core.text.lenient_json import unescape

# seven phrases need no more; what goes on longer is a loop, and its phrases are at its beginning
ANSWER_CHARS = 20_000

_ECHO_CHARS = 200  # a shorter article could be repeated as a phrase
_THOUGHT = "think(?:ing)?|thoughts?|reason(?:ing)?|rationale|scratchpad|analysis|reflection|plan(?:ning)?"
_THINK_OPEN = re.compile(
    rf"\AThinking\.\.\.(?=\n)|<(?:\w{{1,20}}:)?(?:{_THOUGHT})>|<\|(?:begin_of|start)_(?:{_THOUGHT})\|>|\[THINK\]|◁think▷"
    r"|<\|channel\|>analysis<\|message\|>",
    re.IGNORECASE,
)
_THINK_CLOSE = re.compile(
    r"\n\.\.\.done thinking\.|"
    rf"</(?:\w{{1,20}}:)?(?:{_THOUGHT})>|<\|end(?:_of)?_(?:{_THOUGHT})\|>|\[/THINK\]|◁/think▷|"
    r"<\|channel\|>(?:final|commentary)(?:[^<>|]|<\|constrain\|>){0,200}<\|message\|>",
    re.IGNORECASE,
)
# The same of a model whose server dropped the tokens: `analysisWe need ..assistantfinalA; B`.
_GLUED_ANALYSIS = re.compile(r"\s*(?:assistant)?analysis(?=[A-Z]|[^\x00-\x7f])")
_GLUED_CHANNELS = ("assistantfinal", "assistantcommentary")
_HEADING = re.compile(rf"\s*[#*_ ]{{0,5}}(?:{_THOUGHT}|{'|'.join(words.THOUGHTS)})[*_: \t]{{0,5}}\n\s*", re.IGNORECASE)
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")

_TOKEN = re.compile(words.TEMPLATE_TOKENS, re.IGNORECASE | re.MULTILINE)
# A call of a tool: what stands between such tokens is its kind, its name, its arguments.
_TOOL_TOKEN = re.compile(words.TOOL_TOKENS)
_SEPARATOR = re.compile(r"(?<=\S)\s*(?:<sep>|\[SEP\]|<\|sep\|>|<peos>|<extra_id_\d{1,3}>)\s*(?=\S)", re.IGNORECASE)
_BYTE_BREAK = re.compile(r"<0x0[AD]>")
_CITES = re.compile(r"†|:contentReference|\[\^?\d")
_CITATION = re.compile(words.CITATIONS)
_ESCAPES = re.compile(r"(?:\\\\?u[0-9a-fA-F]{4}){2}")
_DOUBLE_BRACE = re.compile(r"\s*(\{)\{(?=\s*[\"'])")
_PLAIN_TOKENS = "example", "exemple", "예시", "예제", "例"
_PROMPT_TOKEN = re.compile(r"\[INST|<<SYS|user|system|instruction|human|input|\[SYS|assistant/", re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[\w+-]*[ \t]*$|```(?:json|python|text|plaintext|markdown|md|csv|yaml|xml)?",
                    re.MULTILINE)  # fmt: skip
_IN_STRING = re.compile(r'"```|```[^\n"]{0,200}"(?=\s*[,\]}])')
_TAG = re.compile(r"<(/?)([^\W\d_][\w:.-]{0,40})(?:[\s=][^<>\n]{0,200})?\s?/?>")
_GLOSS_ELEMENT = re.compile(rf"<({'|'.join(sorted(words.GLOSS_COLUMNS))})>[^<>]{{0,400}}</\1>", re.IGNORECASE)
_INLINE_TAGS = frozenset(("b", "i", "em", "strong", "u", "code", "mark", "span", "a", "font", "small", "sub", "sup"))
_LINK = re.compile(r"!?\[([^\[\]\n]{1,200})\]\((?:https?:|/|#|www\.)[^()\s]{0,500}\)")
_CELL_EDGE = re.compile(r"</t[dh]>\s*<t[dh][^<>]{0,80}>", re.IGNORECASE)
_TERM_EDGE = re.compile(r"</dt>\s*<dd[^<>]{0,80}>", re.IGNORECASE)
_LATEX_FRAME = re.compile(r"\\(?:begin|end)\{[^{}\n]{1,40}\}(?:\[[^\[\]\n]{0,40}\])?|\\\[|\\\]|\\\\(?=\s)")
_LATEX_ITEM = re.compile(r"\\item\b[ \t]*")
_LATEX_MATH = re.compile(r"(?<!\w)\$([A-Za-z][^$\n]{0,30})\$(?!\w)")
_LATEX_INNER = re.compile(r"\$?\\(?:boxed|text(?:bf|it|rm)?|emph)\{([^{}]{0,2000})\}\$?")
_RULE = re.compile(r"^[ \t]*(?:[-=*_]\s?){3,80}$", re.MULTILINE)
_MARKS = frozenset("<[{◁")
_CLOSING = {"ul", "ol", "table", "dl", "html", "body", "root"}
_DEPTH = 4  # elements within elements


@dataclass(frozen=True)
class Envelope:
    """The answer; whether the reasoning before it never ended, so that there is none; whether what surrounds it shows its end."""

    answer: str
    unfinished: bool = False
    closed: bool = False


def open_envelope(raw: str, article: str | None, repairs: list[str]) -> Envelope:
    """Return the bare answer of a reply. Append the name of each rule that acted; linear in the length of the reply."""
    text, unfinished = without_reasoning(raw)
    if text != raw:
        repairs.append("reasoning")
    text = _step("prompt_echo", text, _after_echo(text, article), repairs)
    text = _step("overlong", text.strip(), text.strip()[:ANSWER_CHARS], repairs)
    text = _step("encoding", text, decode(text), repairs)
    text = _step("characters", text, normalise(text), repairs)
    text = _step("braces", text, _single_braces(text), repairs)
    turn = _step("template_tokens", text, _first_turn(_without_tokens(text)).replace("▁", " "), repairs)
    closed = not text.endswith(turn)  # a token stands behind it
    inside = _inside_fence(turn)
    text = _step("fence", turn, _FENCE.sub("\n", turn) if inside is None else inside, repairs)
    closed = closed or inside is not None or ("</" in text and _tag_closes(text))
    text = _step("markup", text, _without_markup(text), repairs)
    return Envelope(text.strip(), unfinished, closed)


def has_envelope(phrase: str) -> bool:
    """Tell whether a phrase still holds a token or tag: it is a piece of an envelope that was written in entities."""
    return not _MARKS.isdisjoint(phrase) and open_envelope(phrase, None, []).answer != phrase


def _step(name: str, before: str, after: str, repairs: list[str]) -> str:
    if after != before:
        repairs.append(name)
    return after


def without_reasoning(raw: str) -> tuple[str, bool]:
    """Return the text outside the reasoning, and whether the reasoning has no end (its last line may be a list all the same).

    Templates often put the opening tag into the prompt, so a closing tag alone also ends a reasoning.
    """
    if _GLUED_ANALYSIS.match(raw):
        end, name = max((raw.rfind(name), name) for name in _GLUED_CHANNELS)
        return ("", True) if end < 0 else (raw[end + len(name) :], False)
    if (heading := _HEADING.match(raw)) and (paragraph := _PARAGRAPH.search(raw.rstrip(), heading.end())):
        return raw[paragraph.end() :], False
    may_think = any(mark in raw for mark in ("/", "|>", "..."))
    answer = raw[max((match.end() for match in _THINK_CLOSE.finditer(raw)), default=0) if may_think else 0 :]
    if not answer.strip():
        return _before_reasoning(raw), False
    before = _before_reasoning(answer)
    if before.strip():
        return before, False
    last_line = answer.rstrip().rpartition("\n")[2]
    return (last_line, True) if ";" in last_line and _before_reasoning(last_line) == last_line else ("", True)


def _before_reasoning(text: str) -> str:
    opening = _THINK_OPEN.search(text)
    return text[: opening.start()] if opening else text


def _after_echo(text: str, article: str | None) -> str:
    """Return the text behind the article, where the model repeats it."""
    echo = (article or "").strip()
    if len(echo) < _ECHO_CHARS or len(text) <= len(echo):
        return text
    at = text.find(echo)
    rest = text[at + len(echo) :]
    return rest if at >= 0 and any(map(str.isalnum, rest)) else text


def _single_braces(text: str) -> str:
    """Halve the braces of `{{"keyphrases": [..]}}`, which is an object as a template would have it; read one within a string."""
    if text[:1] == text[-1:] == '"' and '\\"' in text:
        text = unescape(text[1:-1])
    elif _ESCAPES.search(text) and text.lstrip()[:1] not in ("{", "["):
        text = unescape(text)
    opened = _DOUBLE_BRACE.match(text)
    if not opened or "}}" not in text:
        return text
    head, _, tail = text[opened.end() - 1 :].rpartition("}}")
    return text[: opened.start(1)] + head + "}" + tail


def _without_tokens(text: str) -> str:
    """Write tokens that separate as what they stand for, and drop marks of citation and of tool calls."""
    if "<" in text or "[" in text or "【" in text:
        text = _TOOL_TOKEN.sub("\n", _BYTE_BREAK.sub("\n", _SEPARATOR.sub("; ", text)))
        text = _CITATION.sub("", text) if _CITES.search(text) else text
    return text


def _first_turn(text: str) -> str:
    """Return the first turn that is not the prompt's: `[INST] .. [/INST] A; B </s> ..` -> `A; B`."""
    folded = text.casefold()
    has_plain = folded.startswith("assistant") or any(token in folded for token in _PLAIN_TOKENS)
    if not has_plain and not any(mark in text for mark in "<[{#"):
        return text
    start, opener, prompt = 0, "", ""
    for match in _TOKEN.finditer(text):
        turn = text[start : match.start()]
        if turn.strip(" \n:"):
            if not _opens_prompt(opener):
                return turn
            prompt = turn
        start, opener = match.end(), match[0]
    return text[start:] if any(map(str.isalnum, text[start:])) else prompt


def _opens_prompt(token: str) -> bool:
    return token[1:2] != "/" and token[:3] not in ("<</", "[/") and _PROMPT_TOKEN.search(token) is not None


def _inside_fence(text: str) -> str | None:
    """Return the inside of the first code fence that is closed, or None; one inside a string of JSON is none."""
    if "```" not in text and "~~~" not in text:
        return None
    strings = [match.span() for match in _IN_STRING.finditer(text)]
    fences = [fence for fence in _FENCE.finditer(text) if not any(a <= fence.start() < b for a, b in strings[:9])]
    for opening, closing in pairwise(fences):
        inside = text[opening.end() : closing.start()]
        if inside.strip():
            return inside
    return None


def _is_answer(name: str) -> bool:
    """Tell whether an element of this name holds the answer, or a part of it."""
    return name in words.ANSWER_TAGS or (labels.is_label_key(name) and name.isidentifier())


def _tag_closes(text: str) -> bool:
    """Tell whether the tag of a whole answer (`<answer>`, `<ul>`) opens the text and its partner ends it."""
    first, tags = _TAG.match(text.lstrip()), [*_TAG.finditer(text)]
    if first is None or first[1] or not (first[2].lower() in _CLOSING or _is_answer(first[2].lower())):
        return False
    depths = [*accumulate((-1 if tag[1] else 1) if tag[2].lower() == first[2].lower() else 0 for tag in tags)]
    return 0 in depths and not any(map(str.isalnum, text[tags[depths.index(0)].end() :]))


def _without_markup(text: str) -> str:
    if "\\" in text:
        text = _LATEX_ITEM.sub("\n- ", _LATEX_FRAME.sub("\n", text))
        for _ in range(_DEPTH):
            text = _LATEX_INNER.sub(r"\1", text)
    if text.count("$") > 1:
        text = _LATEX_MATH.sub(r"\1", text)
    if "</" in text:
        for _ in range(_DEPTH):
            before, text = text, _answer_element(text)
            if text == before:
                break
    if "<" in text:
        text = _without_tags(
            _CELL_EDGE.sub("|", _TERM_EDGE.sub(": ", _GLOSS_ELEMENT.sub("", text))) if "</" in text else text
        )
    if "](" in text:
        text = _LINK.sub(r"\1", text)
    if "---" in text or "===" in text or "***" in text or "* *" in text:
        text = _RULE.sub("", text)
    return text


def _answer_element(text: str) -> str:
    """Return what the elements of the answer hold, where there are any; else the text without elements that are asides.

    `<rationale>..</rationale><keyphrases>A; B</keyphrases>` -> `A; B`; `<plan>..</plan> A; B` -> `A; B`.
    """
    elements = _elements(text)
    answers = [(name, inside) for name, _, inside, _ in elements if _is_answer(name)]
    if answers:
        same = [inside for name, inside in answers if name == answers[-1][0]]
        return "\n".join(same) if all(len(inside) < 100 and ";" not in inside for inside in same) else same[-1]
    asides = [(start, end) for name, start, _, end in elements if _is_aside(text, start, end)]
    edges = [0, *(edge for span in asides for edge in span), len(text)]
    rest = "\n".join(text[begin:end] for begin, end in zip(edges[::2], edges[1::2], strict=True)).strip()
    return rest if asides and any(map(str.isalnum, rest)) and not sentences.announces(rest) else text


def _is_aside(text: str, start: int, end: int) -> bool:
    """Tell whether an element stands for itself, not within a line or a list: `<loc>Oslo</loc>; snow` is none."""
    before, behind = text[:start].rstrip(" \t")[-1:], text[end:].lstrip(" \t")[:1]
    return before in ("", "\n", ">") and behind not in tuple(";,；，、|")


def _elements(text: str) -> list[tuple[str, int, str, int]]:
    """Return the outermost elements as (name, start, inside, end), markup left out. Linear."""
    elements: list[tuple[str, int, str, int]] = []
    opened: re.Match[str] | None = None
    depth = 0
    tags = [tag for tag in _TAG.finditer(text) if tag[2].lower() not in _INLINE_TAGS | words.BLOCK_TAGS]
    # an element that is never closed is none
    last = {tag[2].lower(): tag.start() for tag in tags if tag[1]}
    for tag in tags:
        name = tag[2].lower()
        if opened is None:
            if not tag[1] and last.get(name, -1) > tag.start():
                opened, depth = tag, 1
        elif name == opened[2].lower():
            depth += -1 if tag[1] else 1
            if depth == 0:
                elements.append((name, opened.start(), text[opened.end() : tag.start()], tag.end()))
                opened = None
    return elements


def _without_tags(text: str) -> str:
    """Remove HTML and XML tags; `<Parasite>`, a title in the Korean manner, has no closing tag and stays."""
    closed = {match[2].lower() for match in _TAG.finditer(text) if match[1]}

    def replace(match: re.Match[str]) -> str:
        name = match[2].lower()
        if name in _INLINE_TAGS:
            return ""
        is_markup = name in words.BLOCK_TAGS or name in closed or _is_answer(name)
        return "\n" if is_markup else match[0]

    return _TAG.sub(replace, text)
