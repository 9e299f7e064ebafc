"""Places of a text that may hold a leak, found without looking at the rest of it.

The text's bytes are translated so that what may be part of a key (or of a number) is one letter, and all else another; a run of
that letter is then found by a search for bytes, which is much faster than a regular expression that goes through the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_KEY_RUN, _NUMBER_RUN = 20, 9  # characters; no form is shorter
_AROUND_KEY = (80, 16)  # characters before and behind a run that a form takes in: `aws_secret_access_key = "..."`
_AROUND_NUMBER = (12, 20)  # those of the letters of an IBAN: FR14...013M02606, MT84MALT...345MTLCAST001S
_FEW_DIGITS = 8  # around a sign: years have no more
_LONGEST = 160  # characters of an address around its @


def _table(members: str) -> bytes:
    return bytes(ord("x") if chr(code) in members else ord(" ") for code in range(256))


_DIGITS = "0123456789"
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_OF_KEYS = _LETTERS + _DIGITS + "_-+/=.~:%@$"
_SEPARATORS = " .-()/+"
# Every form has one of these among the characters of its run, or twenty letters in a row, or is longer than hyphenated words
# are (a test makes keys of each form with letters alone); `tskey-` is the one that may be as short as they.
_STRONG = _DIGITS + "_=%$~+"
_WORDS, _LONGER_THAN_WORDS, _SHORT_WORDS = _LETTERS + "-./", 27, "tskey-"
_IN_KEYS = _table(_OF_KEYS)
_IN_NUMBERS = _table(_DIGITS + _SEPARATORS)
# Full-width forms and what people write for hyphens, spaces and digits, each for one ASCII character: positions stay.
_SIGNS = (
    dict.fromkeys("‐‑‒–—−﹣ー", "-") | dict.fromkeys("\u00a0\u2007\u2009\u202f\u3000", " ") | {"﹫": "@", "。": "."}
)
_OTHER_DIGITS = {chr(start + digit): str(digit) for start in (0x660, 0x6F0, 0x966) for digit in range(10)}
_WIDE = {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_PLAIN = _WIDE | _SIGNS | _OTHER_DIGITS
_ANY_ODD = re.compile("[" + "".join(_PLAIN) + "]")
# Most texts have none of them.  They are looked for by a byte that all of a kind have in UTF-8, then one by one.
_ODD_DIGITS = ((0xEF, "０１２３４５６７８９＠"), (0xD9, "٠١٢٣٤٥٦٧٨٩"), (0xDB, "۰۱۲۳۴۵۶۷۸۹"), (0xE0, "०१२३४५६७८९"))  # fmt: skip
_ODD_SIGNS = ((0xE2, "‐‑‒–—−\u2007\u2009\u202f"), (0xC2, "\u00a0"), (0xE3, "\u3000ー。"), (0xEF, "﹣－﹫．"))


def suspects(texts: pa.Array, marks: Iterable[str]) -> set[int]:
    """Return which of some texts may have places, or hold one of the `marks`; no other text has any."""
    return set(np.flatnonzero(pc.match_substring_regex(texts, _suspicious(tuple(marks))).fill_null(False)).tolist())


@cache
def _suspicious(marks: tuple[str, ...]) -> str:
    """Return the expression (RE2's) for a place: a long run of characters of keys that may be one, or of numbers, or a part of an
    address.

    Characters are meant in all their forms, whether a text is read with them in their plain one or not.
    """
    # One automaton goes through all texts of a shard, 2.4 ns a byte whatever it looks for; a search for each of them, in bytes
    # that were translated, took three times as long.
    digit, separator, key = (_class_of(members) for members in (_DIGITS, _SEPARATORS, _OF_KEYS))
    before, at, behind = (_class_of(members) for members in (_LETTERS + _DIGITS + "_%+-", "@", _LETTERS + _DIGITS))
    slash, strong = _class_of("/"), _class_of(_STRONG)
    # a run with a strong character at its beginning, end or middle; as twenty places for it, it takes fifty times as long
    third = _KEY_RUN // 3
    of_keys = [
        f"{strong}{key}{{{_KEY_RUN - third - 1}}}",
        f"{key}{{{_KEY_RUN - third - 1}}}{strong}",
        f"{key}{{{third + 1}}}{strong}{key}{{{third + 1}}}",
        f"{_class_of(_LETTERS)}{{{_KEY_RUN}}}",
        f"{_class_of(_WORDS)}{{{_LONGER_THAN_WORDS}}}",
    ]
    of_numbers = f"(?:{digit}{separator}*){{{_NUMBER_RUN}}}"
    password = rf"{_class_of(':')}{slash}{slash}[^\s@]*{at}"
    forms = [*of_keys, of_numbers, before + at + behind, password]
    return "|".join([*forms, *("".join(map(_class_of, mark)) for mark in (_SHORT_WORDS, *marks))])


def _class_of(members: str) -> str:
    """Return the class of some characters in all their forms."""
    forms = [*members, *(sign for sign, plain in _PLAIN.items() if plain in members)]
    return "[" + "".join(rf"\x{{{ord(sign):x}}}" for sign in forms) + "]"


@dataclass(frozen=True)
class Finding:
    """One finding: its `kind`, and the characters that it takes up in the text."""

    kind: str
    start: int
    end: int


class Places:
    """Places in one text.  `text` is the text with full-width characters as ASCII ones, where it has such digits."""

    def __init__(self, text: str) -> None:
        self._bytes = text.encode("utf-8", "replace")
        self.text = text
        if len(self._bytes) > len(text) and _has_odd_numbers(text, self._bytes):
            self.text = _in_plain(text)
            self._bytes = self.text.encode("utf-8", "replace")

    def of_keys(self) -> list[tuple[int, int]]:
        """Return start and end of what may hold keys: long runs of their characters, and what stands around an @."""
        around = [span for span in self._around_ats() if self.text.find("://", *span) >= 0] if "@" in self.text else []
        return _joined(around + self._around_runs(_IN_KEYS, _KEY_RUN, _AROUND_KEY))

    def of_numbers(self) -> list[tuple[int, int]]:
        """Return start and end of what may hold numbers of persons."""
        return _joined(self._around_runs(_IN_NUMBERS, _NUMBER_RUN, _AROUND_NUMBER))

    def of_addresses(self) -> list[tuple[int, int]]:
        """Return start and end of what stands around each @."""
        return _joined([*self._around_ats()]) if "@" in self.text else []

    def _around_ats(self) -> Iterator[tuple[int, int]]:
        at = self.text.find("@")
        while at >= 0:
            yield max(0, at - _LONGEST), at + _LONGEST
            at = self.text.find("@", at + 1)

    def _around_runs(self, table: bytes, least: int, around: tuple[int, int]) -> list[tuple[int, int]]:
        """Return start and end of each run of at least so many characters of a table, with those `around` it.

        Of characters of numbers, so many must be digits.
        """
        run, places, image = b"x" * least, list[tuple[int, int]](), self._bytes.translate(table)
        start, is_ascii = image.find(run), len(image) == len(self.text)
        seen_bytes = seen = 0  # how many bytes are how many characters: counted on from run to run
        while start >= 0:
            end = image.find(b" ", start)
            end = len(image) if end < 0 else end
            if table is _IN_KEYS or _digits_in(self._bytes[start:end]) >= least:
                seen += start - seen_bytes if is_ascii else len(self._bytes[seen_bytes:start].decode())
                seen_bytes, first = start, seen
                # a run has ASCII characters alone
                places.append((max(0, first - around[0]), first + end - start + around[1]))
            start = image.find(run, end)
        return places


def _digits_in(run: bytes) -> int:
    return len(run.translate(None, _SEPARATORS.encode()))


def _in_plain(text: str) -> str:
    """Return a text with the ASCII character for each that stands for one."""
    for sign in set(_ANY_ODD.findall(text)):  # few: `str.translate` would look up every character
        text = text.replace(sign, _PLAIN[sign])
    return text


def _has_odd_numbers(text: str, whole: bytes) -> bool:
    """Tell whether a text (`whole`: in UTF-8) has digits that are not ASCII's, or other signs than ASCII's between digits.

    Around such a sign there are more than a few of them.
    """
    for byte, digits in _ODD_DIGITS:
        if byte in whole:
            for digit in digits:
                if digit in text:
                    return True
    for byte, signs in _ODD_SIGNS:
        if byte in whole:
            for sign in signs:
                if sign in text and _is_between_digits(text, sign):
                    return True
    return False


def _is_between_digits(text: str, sign: str) -> bool:
    """Tell whether a sign stands between digits, of which there are more than a few around it."""
    at = text.find(sign)
    while at >= 0:
        around = text[max(0, at - 8) : at + 9]
        if (
            text[at - 1 : at].isdigit()
            and text[at + 1 : at + 2].isdigit()
            and sum(map(str.isdigit, around)) > _FEW_DIGITS
        ):
            return True
        at = text.find(sign, at + 1)
    return False


def _joined(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return places in order, those that overlap as one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(places) if len(places) > 1 else places:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def disjoint(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings in order, without those that begin within another."""
    kept: list[Finding] = []
    for finding in sorted(findings, key=lambda one: (one.start, -one.end)):
        if not kept or finding.start >= kept[-1].end:
            kept.append(finding)
    return kept
