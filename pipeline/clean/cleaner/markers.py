"""Numbering and bullets: which signs begin the items of a list, and the text between them.

A number is a marker by its place in a sequence (1, 2, 3 in one style), so that `3.1 Movement` and `2. Bundesliga` stay.
"""

from __future__ import annotations

import re

_ROMAN = ["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii"]
_HANGUL = "가나다라마바사아자차카타파하"
_KANA = "アイウエオカキクケコ"
_ENGLISH = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh"]
_JAMO = "ㄱㄴㄷㄹㅁㅂㅅ"
_COUNTED = ["첫 번째", "두 번째", "세 번째", "네 번째", "다섯 번째", "여섯 번째", "일곱 번째"]
_ORDINALS = ["첫째", "둘째", "셋째", "넷째", "다섯째", "여섯째", "일곱째", "여덟째", "아홉째", "열째"]


_RUNS = ("①⑳", "⑴⒇", "⒈⒛", "⓵⓾", "❶❿", "➀➉", "➊➓", "Ⅰ\u216b", "ⅰⅻ", "㉠㉭", "㉮㉻")  # first and last sign
_CIRCLED = {chr(code): at for ends in _RUNS for at, code in enumerate(range(ord(ends[0]), ord(ends[1]) + 1), 1)}
_FAMILIES: tuple[dict[str, int], ...] = (
    {str(number): number for number in range(100)} | {f"0{number}": number for number in range(1, 10)},
    _CIRCLED,
    {sign: at for at, sign in enumerate(_HANGUL, 1)},
    {roman: at for at, roman in enumerate(_ROMAN, 1)},
    {roman.upper(): at for at, roman in enumerate(_ROMAN, 1)},
    {chr(ord("a") + at): at + 1 for at in range(26)},
    {chr(ord("A") + at): at + 1 for at in range(26)},
    {sign: at for at, sign in enumerate(_ORDINALS, 1)},
    {sign: at for at, sign in enumerate("一二三四五六七八九十", 1)},
    {sign: at for at, sign in enumerate(_KANA, 1)},
    {sign: at for at, sign in enumerate(_JAMO, 1)},
    {sign: at for at, sign in enumerate(_COUNTED, 1)},
    {word + end: at for at, small in enumerate(_ENGLISH, 1) for word in (small, small.title()) for end in ("", "ly")},
)
_VALUES: dict[str, list[tuple[int, int]]] = {}  # of each sign: its families, and its place in them
for _family, _signs in enumerate(_FAMILIES):
    for _name, _value in _signs.items():
        _VALUES.setdefault(_name, []).append((_family, _value))
_LETTERED = rf"[ivxIVX]{{1,4}}|[a-zA-Z]|[{_HANGUL}{_KANA}{_JAMO}]"
_TOKEN = re.compile(
    r"(?<![^\s;,；，、。|.\-*•])(?:"
    r"(?:[#＃]|[Nn](?:o\.?|°)[ ]?|제|第|その)?(?P<open>[(\[（【<]?)[ ]?(?:"
    r"(?P<sign>[0-9０-９٠-٩۰-۹]{1,2}|[一二三四五六七八九十])[ ]?"
    r"(?P<close>\.[)ºª]|[.)\]）】>:：．、°ºª]|/(?=\s)|위[ .:]|位[ ：:]|번[ .:]|[-–](?=\s|[^\W\d]))(?!\d)"
    rf"|(?P<letter>{_LETTERED})(?P<end>\.(?=\s)|[)\]）]))"
    rf"|(?P<word>{'|'.join(_ORDINALS)}|(?:{'|'.join(_COUNTED)})(?=[:：,]))[,.:： ]"
    rf"|(?P<ordinal>(?:{'|'.join(_ENGLISH + [word.title() for word in _ENGLISH])})(?:ly)?)[,:]"
    rf"|(?P<circled>[{''.join(_CIRCLED)}])[.)]?"
    r")(?:[ \t]*[.)\-–:](?=\s))?[ \t]*|(?P<glued>[①-⑳❶-❿⑴-⒇㉠-㉻])[ \t]*"
    r"|[（(【](?P<boxed>[0-9]{1,2})[)）】][ \t]*"
)
_LINE_NUMBER = re.compile(r"(?:^|(?<=[;；]))[ \t]*(#)?([0-9]{1,2})[ \t]+(?(1)|(?=\D))", re.MULTILINE)
_DIGITS = str.maketrans("０１２３４５６７８９٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹", "0123456789" * 3)

BULLETS = "•●○◦‣⁃∙▪▫■□◆◇▶▷►▸▹▲△▼▽★☆※✓✔✅☑➤➢➔➜→⇒❖✦✧✨◎◉♦♣♠♥☞👉🔹🔸🔷🔶📌⭐🔑📰💡🏷❏❑❍⦿✳➡❯❱⬤⚫⚪🔵🔴🟢🟠🟡⁍"
_ASCII_BULLETS = "-*+·–—>~ㆍ・−o"
_LINE_BULLET = re.compile(rf"[ \t]*(?:[{BULLETS}]+[ \t]*|(?:[-*+·–—>~ㆍ・−]|[oOㅇ](?=[ \t]))(?:[ \t]+|(?=[^\s\d])))")
_CHECK_BOX = re.compile(r"\[[ xXvV✓✔]?\][ \t]*")
_SYMBOL_BULLET = re.compile(rf"[{BULLETS}]+")
_LEADING_NUMBER = re.compile(
    r"^[(\[（]?(?:[0-9]{1,2}[.)\]）](?:[ \t]+|(?=[^\W\d_]))|[a-zA-Z가나다라마바사][)）][ \t]+)"
)


def split_numbered(text: str) -> tuple[str, list[str]] | None:
    """Return (what stands before the first number, the items), or None where no sequence begins at 1 ."""
    tokens: dict[int, list[tuple[re.Match[str], int]]] = {}  # of each family
    for match in _TOKEN.finditer(text):
        for family, value in _VALUES.get(_sign(match).translate(_DIGITS), ()):
            tokens.setdefault(family, []).append((match, value))
    best: list[re.Match[str]] = []
    for family in sorted(tokens):
        run = _sequence(text, tokens[family])
        best = run if len(run) > len(best) else best
    if len(best) < 2:
        best = _bare_line_numbers(text)
    if len(best) < 2:
        return None
    ends = [match.start() for match in best[1:]] + [len(text)]
    items = [text[match.end() : end] for match, end in zip(best, ends, strict=True)]
    return (text[: best[0].start()], items) if all(any(map(str.isalnum, item)) for item in items[:-1]) else None


def _sign(match: re.Match[str]) -> str:
    return str(next(filter(None, match.group("sign", "letter", "word", "ordinal", "circled", "glued", "boxed"))))


def _style(match: re.Match[str]) -> tuple[str | None, ...]:
    if match["boxed"]:
        return match[0][0], match[0].rstrip()[-1], None
    return match["open"] or None, match["close"], match["end"]


def _sequence(text: str, tokens: list[tuple[re.Match[str], int]]) -> list[re.Match[str]]:
    """Return the matches that count up in one style, from 1; where they begin lines, from any number or all from 1."""
    run: list[re.Match[str]] = []
    expected = 1
    for match, value in tokens:
        begins_line = _begins_line(text, match.start())
        if not run:
            fits, expected = value == 1 or begins_line, value
        else:
            fits = _style(match) == _style(run[0]) and match.start() > run[-1].end()
        if fits and (value == expected or (begins_line and value == 1)):
            run.append(match)
            expected = value + 1
    return run


def _begins_line(text: str, at: int) -> bool:
    before = text[max(0, at - 12) : at].rstrip(" \t-*•#>")
    return before.endswith("\n") or (not before and at <= 12)


def _bare_line_numbers(text: str) -> list[re.Match[str]]:
    """Return numbers without a point (`1 A` on a line, `2 B` on the next), from 1 on three lines or more (`#1`: two)."""
    run = [match for at, match in enumerate(_LINE_NUMBER.finditer(text), 1) if int(match[2]) == at]
    return run if len(run) >= (2 if text.lstrip().startswith("#") else 3) else []


def split_bulleted(text: str) -> list[str] | None:
    """Return the items of a text that begins with a bullet and repeats it: `- A - B`, `▲A ▲B`."""
    lead = text[:1]
    if not lead or (lead not in BULLETS and (lead not in _ASCII_BULLETS or lead == "o")):
        return None
    pattern = rf"{re.escape(lead)}+" if lead in BULLETS else rf"(?:^|(?<=\s)){re.escape(lead)}(?=\s|\w)(?!\d)"
    items = re.split(pattern, text)
    return items if len(items) > 2 else None


def strip_bullet(line: str) -> str:
    """Return the line without its bullet."""
    match = _LINE_BULLET.match(line)
    rest = line[match.end() :] if match else line
    return _CHECK_BOX.sub("", rest, count=1) if rest.startswith("[") else rest


def has_bullet(line: str) -> bool:
    """Tell whether the line begins with a bullet."""
    return _LINE_BULLET.match(line) is not None


def split_symbols(text: str) -> list[str]:
    """Return the parts between symbols that are nothing but bullets."""
    return _SYMBOL_BULLET.split(text)


def strip_number(text: str) -> str:
    """Return the phrase without a number before it (`1. A`, `b) A`)."""
    return _LEADING_NUMBER.sub("", text, count=1)
