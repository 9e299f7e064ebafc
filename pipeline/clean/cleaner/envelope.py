"""The envelope of an answer, put there by a server or chat template: reasoning, turns, tokens, fences, tags, the prompt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from pipeline.clean.cleaner.normal import normalise

ANSWER_CHARS = 20_000  # seven phrases need no more; what goes on longer is a loop, and its phrases are at its beginning

_ECHO_CHARS = 200  # a shorter article could be repeated as a phrase
_THINK_OPEN = ("<think>", "<thinking>", "<reasoning>", "<thought>", "<scratchpad>", "[THINK]", "◁think▷", "<analysis>",
               "<|channel|>analysis<|message|>", "<reflection>")  # fmt: skip
_THINK_CLOSE = ("</think>", "</thinking>", "</reasoning>", "</thought>", "</scratchpad>", "[/THINK]", "◁/think▷",
                "</analysis>", "<|channel|>final<|message|>", "</reflection>")  # fmt: skip

_TOKEN = re.compile(
    r"\[[|｜][^\[\]\s]{1,40}[|｜]\]|<[|｜][^<>\s]{1,40}[|｜]>(?:(?:user|assistant|system|model)\b:?)?|<</?SYS>>|\[/?(?:INST|SYS|EOS|BOS|SEP|CLS|PAD)\]"
    r"|</?(?:s|eos|bos|pad|unk|start_of_turn|end_of_turn|start_of_text|end_of_text|endoftext|im_start|im_end)>"
    r"(?:(?:user|assistant|system|model)\b:?)?|\{\{[^{}\n]{0,80}\}\}|\{%[^{}%\n]{0,80}%\}"
    r"|^[ \t]*(?:Example|예시|예제|例題?|Exemple)[ \t]*\d{1,2}[ \t]*[:.]?[ \t]*$|\Aassistant(?:final)?(?=\n|[^\x00-\x7f]|[A-Z])"
    r"|###[ \t]*(?:Instruction|Response|Input|Output|Human|User|Assistant|System)s?\b:?",
    re.IGNORECASE | re.MULTILINE,
)
_DOUBLE_BRACE = re.compile(r"\s*(\{)\{(?=\s*[\"'])")
_PLAIN_TOKEN = re.compile(r"\Aassistant|example|exemple|예시|예제|例", re.IGNORECASE)
_PROMPT_TOKEN = re.compile(r"\[INST|<<SYS|user|system|instruction|human|input|\[SYS", re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[\w+-]*[ \t]*$|```(?:json|python|text|plaintext|markdown|md|csv|yaml|xml)?",
                    re.MULTILINE)  # fmt: skip
_TAG = re.compile(r"<(/?)([^\W\d_][\w:.-]{0,40})(?:\s[^<>\n]{0,200})?\s?/?>")
_INLINE_TAGS = {"b", "i", "em", "strong", "u", "code", "mark", "span", "a", "font", "small", "sub", "sup"}
_BLOCK_TAGS = {"li", "ul", "ol", "br", "p", "div", "table", "tr", "td", "th", "tbody", "thead", "h1", "h2", "h3", "h4",
               "hr", "pre", "dl", "dt", "dd", "html", "body", "root", "item",
               "answer", "keyphrases", "keywords", "phrases", "key_phrases", "output", "response", "result", "final"}  # fmt: skip
_LINK = re.compile(r"!?\[([^\[\]\n]{1,200})\]\((?:https?:|/|#|www\.)[^()\s]{0,500}\)")
_CELL_EDGE = re.compile(r"</t[dh]>\s*<t[dh][^<>]{0,80}>", re.IGNORECASE)
_TERM_EDGE = re.compile(r"</dt>\s*<dd[^<>]{0,80}>", re.IGNORECASE)
_LATEX_FRAME = re.compile(r"\\(?:begin|end)\{[^{}\n]{1,40}\}(?:\[[^\[\]\n]{0,40}\])?|\\\[|\\\]")
_LATEX_ITEM = re.compile(r"\\item\b[ \t]*")
_LATEX_INNER = re.compile(r"\\(?:boxed|text(?:bf|it|rm)?|emph)\{([^{}]{0,2000})\}")
_RULE = re.compile(r"^[ \t]*(?:[-=*_]\s?){3,80}$", re.MULTILINE)


_CLOSING = {"ul", "ol", "table", "dl", "html", "body", "root", "answer", "keyphrases", "keywords", "phrases",
            "key_phrases", "output", "response", "result", "final"}  # fmt: skip


@dataclass(frozen=True)
class Envelope:
    """The answer; whether the reasoning before it never ended, so that there is none; whether what surrounds it shows its end."""

    answer: str
    unfinished: bool = False
    closed: bool = False


def open_envelope(raw: str, article: str | None, repairs: list[str]) -> Envelope:
    """Return the bare answer of a reply. Append the name of each rule that acted; linear in the length of the reply."""
    text, unfinished = _without_reasoning(raw)
    if text != raw:
        repairs.append("reasoning")
    text = _step("prompt_echo", text, _after_echo(text, article), repairs)
    text = _step("overlong", text.strip(), _head(text.strip()), repairs)
    text = _step("characters", text, normalise(text), repairs)
    text = _step("braces", text, _single_braces(text), repairs)
    turn = _step("template_tokens", text, _first_turn(text), repairs)
    closed = not text.endswith(turn)  # a token stands behind it
    inside = _inside_fence(turn)
    text = _step("fence", turn, _without_fences(turn) if inside is None else inside, repairs)
    closed = closed or inside is not None or ("</" in text and _tag_closes(text))
    text = _step("markup", text, _without_markup(text), repairs)
    return Envelope(text.strip(), unfinished, closed)


def has_envelope(phrase: str) -> bool:
    """Tell whether a phrase still holds a token or tag: it is a piece of an envelope that was written in entities."""
    return any(mark in phrase for mark in "<[{◁") and open_envelope(phrase, None, []).answer != phrase


def _step(name: str, before: str, after: str, repairs: list[str]) -> str:
    if after != before:
        repairs.append(name)
    return after


def _without_reasoning(raw: str) -> tuple[str, bool]:
    """Return the text outside the reasoning, and whether the reasoning has no end.

    Templates often put the opening tag into the prompt, so a closing tag alone also ends a reasoning.
    """
    end, close = max((raw.rfind(close), close) for close in _THINK_CLOSE)
    answer = raw[end + len(close) :] if end >= 0 else raw
    if not answer.strip():
        return _before_reasoning(raw), False
    before = _before_reasoning(answer)
    if before.strip():
        return before, False
    last_line = answer.rstrip().rpartition("\n")[2]
    return (last_line, False) if ";" in last_line and _before_reasoning(last_line) == last_line else ("", True)


def _before_reasoning(text: str) -> str:
    start = min((at for at in map(text.find, _THINK_OPEN) if at >= 0), default=len(text))
    return text[:start]


def _after_echo(text: str, article: str | None) -> str:
    """Return the text behind the article, where the model repeats it."""
    echo = (article or "").strip()
    if len(echo) < _ECHO_CHARS or len(text) <= len(echo):
        return text
    at = text.find(echo)
    rest = text[at + len(echo) :]
    return rest if at >= 0 and any(map(str.isalnum, rest)) else text


def _head(text: str) -> str:
    return text if len(text) <= ANSWER_CHARS else text[:ANSWER_CHARS]


def _single_braces(text: str) -> str:
    """Halve the braces of `{{"keyphrases": [..]}}`, which is an object as a template would have it."""
    opened = _DOUBLE_BRACE.match(text)
    if not opened or "}}" not in text:
        return text
    head, _, tail = text[opened.end() - 1 :].rpartition("}}")
    return text[: opened.start(1)] + head + "}" + tail


def _first_turn(text: str) -> str:
    """Return the first turn that is not the prompt's: `[INST] .. [/INST] A; B </s> ..` -> `A; B`."""
    if not any(mark in text for mark in "<[{#") and not _PLAIN_TOKEN.search(text):
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
    return "/" not in token and _PROMPT_TOKEN.search(token) is not None


def _inside_fence(text: str) -> str | None:
    """Return the inside of the first code fence that is closed, or None."""
    if "```" not in text and "~~~" not in text:
        return None
    for opening, closing in pairwise(_FENCE.finditer(text)):
        inside = text[opening.end() : closing.start()]
        if inside.strip():
            return inside
    return None


def _without_fences(text: str) -> str:
    return _FENCE.sub("\n", text) if "```" in text or "~~~" in text else text


def _tag_closes(text: str) -> bool:
    """Tell whether the tag of a whole answer (`<answer>`, `<ul>`) opens the text and its partner ends it."""
    first = _TAG.match(text.lstrip())
    if first is None or first[1] or first[2].lower() not in _CLOSING:
        return False
    depth = 0
    for tag in _TAG.finditer(text):
        if tag[2].lower() == first[2].lower():
            depth += -1 if tag[1] else 1
            if depth == 0:
                return not any(map(str.isalnum, text[tag.end() :]))
    return False


def _without_markup(text: str) -> str:
    if "\\" in text:
        text = _LATEX_INNER.sub(r"\1", _LATEX_ITEM.sub("\n- ", _LATEX_FRAME.sub("\n", text)))
    if "<" in text:
        text = _without_tags(_CELL_EDGE.sub("|", _TERM_EDGE.sub(": ", text)) if "</" in text else text)
    if "](" in text:
        text = _LINK.sub(r"\1", text)
    if "---" in text or "===" in text or "***" in text or "* *" in text:
        text = _RULE.sub("", text)
    return text


def _without_tags(text: str) -> str:
    """Remove HTML and XML tags; `<Parasite>`, a title in the Korean manner, has no closing tag and stays."""
    closed = {match[2].lower() for match in _TAG.finditer(text) if match[1]}

    def replace(match: re.Match[str]) -> str:
        name = match[2].lower()
        if name in _INLINE_TAGS:
            return ""
        return "\n" if name in _BLOCK_TAGS or name in closed else match[0]

    return _TAG.sub(replace, text)
