"""A reader of JSON and Python literals that also reads what a model breaks: cut off, other quotes, missing commas."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

_START = re.compile(r"""(?:^|(?<=[\s:：=(]))[\[{](?=\s{0,99}(?:["'“”„‘’「\[{(\]}]|\d+\s*:))""")
_DOUBLE, _SINGLE = '"“”„‟', "'‘’‚"  # a model opens a string by one and closes it by another
_QUOTES = dict.fromkeys(_DOUBLE, _DOUBLE) | dict.fromkeys(_SINGLE, _SINGLE) | {"「": "」"}
_COMMENT = r"/(?:/|\*[^*]{0,200}\*/)|# "
_DELIMITER = rf"(?:\s{{0,99}}(?:[,;:\]}})、，]|{_COMMENT}|$)|\s{{1,9}}[\"“'‘][^\W_])"
_NEXT_VALUE = (
    r"\s{0,99}(?:[,;、，]\s{0,99}(?:[\[{\d\]}\"“”„'‘’]|null|true|false)|[:\]}]|[,，]?\s{0,99}(?:" + _COMMENT + r")|$)"
)
_MARKS = {
    closers: re.compile(rf"[{closers}](?:(?P<ends>(?={_DELIMITER}))(?P<next>(?={_NEXT_VALUE}))?)?")
    for closers in (_DOUBLE, _SINGLE, "」")
}
_BARE = re.compile(r"[^\s,;:\[\](){}\"“”「」、，][^,;:\[\](){}\"“”「」、，\n]{0,200}")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": " ", "b": "", "f": " "}
_DEPTH = 20
_TRIES = 20


@dataclass(frozen=True)
class Bare:
    """A word without quotes: a number, `null`, or a phrase whose quotes the model forgot."""

    text: str


@dataclass
class Collection:
    """A list, tuple or object; `keys` holds the position of each item that stood before a colon."""

    opener: str
    items: list[Value] = field(default_factory=list)
    keys: set[int] = field(default_factory=set)

    def pairs(self) -> list[tuple[str, Value]]:
        """Return keys with their values; a key without a value is left out."""
        return [
            (_text(self.items[at]), self.items[at + 1])
            for at in sorted(self.keys)
            if at + 1 < len(self.items) and at + 1 not in self.keys
        ]


Value = str | Bare | Collection


@dataclass(frozen=True)
class ParsedLiteral:
    """One literal, where it begins and ends in the text (offsets), and whether the text was cut off inside it."""

    value: Collection
    begin: int
    end: int
    cut: bool


def find_literal(text: str, start: int = 0) -> ParsedLiteral | None:
    """Return the first list or object that begins a line or follows a colon or a sentence, or None."""
    for match in islice(_START.finditer(text, start), _TRIES):
        before = text[max(0, match.start() - 80) : match.start()].rstrip(" \t*_")
        if not before or before[-1] in ":：=.!\n,}](":
            return _read(text, match.start())
    return None


def _text(value: Value) -> str:
    return value if isinstance(value, str) else value.text if isinstance(value, Bare) else ""


@lru_cache(maxsize=16)  # several steps read the literal of one reply; none changes it
def _read(text: str, start: int) -> ParsedLiteral:
    """Read with a stack of open groups. A string without an end is dropped: what it would have been is unknown."""
    root = Collection(text[start])
    stack, position = [root], start + 1
    while stack and position < len(text):
        character = text[position]
        if character in " ,\n":
            pass
        elif character in "[{(" and len(stack) < _DEPTH:
            group = Collection(character)
            stack[-1].items.append(group)
            stack.append(group)
        elif character in "]})":
            stack.pop()
        elif character == ":" and stack[-1].items:
            stack[-1].keys.add(len(stack[-1].items) - 1)
        elif character in _QUOTES:
            string, position = _read_string(text, position)
            if string is None:
                break
            stack[-1].items.append(string)
            continue
        elif text.startswith(("//", "# "), position) or (
            text.startswith("/*", position) and text.rfind("*/") > position + 1
        ):
            end = text.find("*/" if text[position + 1] == "*" else "\n", position)
            position = end + text.startswith("*/", end) if end >= 0 else len(text)
        elif match := _BARE.match(text, position):
            stack[-1].items.append(Bare(match[0].strip()))
            position = match.end()
            continue
        position += 1
    return ParsedLiteral(root, start, position, bool(stack))


def _read_string(text: str, start: int) -> tuple[str | None, int]:
    """Return the string that begins at `start` and the offset behind it; None where it has no end.

    A quote ends the string only before a delimiter, so that `"the "new" deal"` and `'Children's Day'` are read whole; inside
    quotes of its own only before a delimiter and another value: `"the "big cut", debate", ..`.
    """
    inside = False
    for mark in _MARKS[_QUOTES[text[start]]].finditer(text, start + 1):
        if _is_escaped(text, mark.start()):
            continue
        if mark["next"] is not None or (mark["ends"] is not None and not inside):
            return unescape(text[start + 1 : mark.start()]), mark.end()
        before, behind = text[mark.start() - 1], text[mark.end() : mark.end() + 1]
        inside = not inside and (before.isspace() or before in "([“‘") and not behind.isspace()
    return None, len(text)


def _is_escaped(text: str, position: int) -> bool:
    backslashes = 0
    while position > backslashes and text[position - backslashes - 1] == "\\":
        backslashes += 1
    return backslashes % 2 == 1


def unescape(body: str) -> str:
    r"""Resolve backslash escapes of JSON and Python; surrogate pairs (`\ud83d\ude00`) become one character."""
    if "\\" not in body:
        return body

    def replace(match: re.Match[str]) -> str:
        code = match[1] or match[2]
        return chr(int(code, 16)) if code else _ESCAPED.get(match[3], match[3])

    body = _ESCAPE.sub(replace, body)
    body = _ESCAPE.sub(replace, body) if "\\u" in body else body  # escaped twice
    return body.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
