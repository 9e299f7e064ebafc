"""A reader of JSON and Python literals that also reads what a model breaks: cut off, other quotes, missing commas."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice

_START = re.compile(r"""(?:^|(?<=[\s:：=(]))[\[{](?=\s{0,99}(?:["'“‘\[{(\]}]|\d+\s*:))""")
_CLOSERS = {'"': '"', "'": "'", "“": "”", "‘": "’", "「": "」"}
_STRING_ENDS = {
    quote: re.compile(rf"""{closer}(?=\s{{0,99}}(?:[,;:\]}})、，]|//|$))""") for quote, closer in _CLOSERS.items()
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
    """One literal, its end in the text (an offset), and whether the text was cut off inside it."""

    value: Collection
    end: int
    cut: bool


def find_literal(text: str, start: int = 0) -> ParsedLiteral | None:
    """Return the first list or object that begins a line or follows a colon or a sentence, or None."""
    for match in islice(_START.finditer(text, start), _TRIES):
        before = text[max(0, match.start() - 80) : match.start()].rstrip(" \t")
        if not before or before[-1] in ":：=.!\n,}](":
            return _read(text, match.start())
    return None


def _text(value: Value) -> str:
    return value if isinstance(value, str) else value.text if isinstance(value, Bare) else ""


def _read(text: str, start: int) -> ParsedLiteral:
    """Read with a stack of open groups. A string without an end is dropped: what it would have been is unknown."""
    root = Collection(text[start])
    stack, position = [root], start + 1
    while stack and position < len(text):
        character = text[position]
        if character in "[{(" and len(stack) < _DEPTH:
            group = Collection(character)
            stack[-1].items.append(group)
            stack.append(group)
        elif character in "]})":
            stack.pop()
        elif character == ":" and stack[-1].items:
            stack[-1].keys.add(len(stack[-1].items) - 1)
        elif character in _CLOSERS:
            string, position = _read_string(text, position)
            if string is None:
                break
            stack[-1].items.append(string)
            continue
        elif text.startswith("//", position):
            end = text.find("\n", position)
            position = end if end >= 0 else len(text)
        elif match := _BARE.match(text, position):
            stack[-1].items.append(Bare(match[0].strip()))
            position = match.end()
            continue
        position += 1
    return ParsedLiteral(root, position, bool(stack))


def _read_string(text: str, start: int) -> tuple[str | None, int]:
    """Return the string that begins at `start` and the offset behind it; None where it has no end.

    A quote ends the string only before a delimiter, so that `"the "new" deal"` and `'Children's Day'` are read whole.
    """
    ends = _STRING_ENDS[text[start]]
    position = start + 1
    while match := ends.search(text, position):
        if not _is_escaped(text, match.start()):
            return unescape(text[start + 1 : match.start()]), match.end()
        position = match.end()
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

    return _ESCAPE.sub(replace, body).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
