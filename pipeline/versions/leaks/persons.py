"""Data of persons: e-mail addresses, telephone numbers, and the numbers of persons, payment cards and bank accounts.

A number counts where its form is one of those that people write it in, and its check digit holds where there is one.  Telephone
numbers are mobile ones in the form of their country, and any with a country code.
"""

# The library `phonenumbers` was tried: it takes 0.5 ms an article for each country whose numbers are looked for, where all
# that is here takes 0.03, takes no number of the ranges that regulators keep for fiction, and has no context to tell an amount by.

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator
from itertools import pairwise

from pipeline.versions.leaks import check_digits
from pipeline.versions.leaks.places import Finding, Places, disjoint

Span = tuple[int, int]
KINDS = ("email", "phone", "resident_number", "national_id", "card", "iban")

# --- e-mail addresses ---

_EMAIL = re.compile(
    r"(?<![\w.+%@-])(?P<local>[A-Za-z0-9_+%](?:[\w.+%'-]{0,62}[\w+%-])?)@"
    r"(?P<domain>[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?){0,4}"
    r"\.(?P<top>[A-Za-z]{2,24}|xn--[A-Za-z0-9-]{2,59}))(?![A-Za-z0-9_@-]|\.[A-Za-z0-9])",
    re.ASCII,
)
_LOCAL, _LOCAL_LENGTH = string.ascii_letters + string.digits + "_.+%'-", 65
_DOMAIN_LENGTH = 450  # more than any: of many @ in a row each would be searched to the end of the text
# Endings of files, and of hosts that no mail reaches.
_NO_TOP = frozenset(
    """png jpg jpeg gif svg webp bmp ico avif heic tif tiff pdf js mjs ts jsx tsx css scss less html htm php py rb java cpp json
    yaml yml xml csv txt md zip gz tgz tar exe dll mp3 mp4 mov webm wav woff woff2 ttf
    local localhost localdomain internal invalid lan""".split()  # noqa: SIM905
)


def _emails(text: str, start: int, end: int) -> Iterator[Span]:
    for match in _addresses(text, start, end):
        if match["top"].lower() not in _NO_TOP and match["local"].lower() != "git" and not _is_of_a_host(text, match):
            yield match.span()


def _addresses(text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    """Yield what `_EMAIL` finds, looked for from where the letters before an @ begin: elsewhere none can."""
    at = text.find("@", start, end)
    while at >= 0:
        before = text[max(start, at - _LOCAL_LENGTH) : at]
        first = at - len(before) + len(before.rstrip(_LOCAL))
        match = _EMAIL.search(text, first, min(end, at + _DOMAIN_LENGTH)) if first < at else None
        if match and match.start() < at:
            yield match
        at = text.find("@", match.end() if match and match.start() < at else at + 1, end)


def _is_of_a_host(text: str, match: re.Match[str]) -> bool:
    """Tell whether it is a user of a host: `user@host:path`, or within an address that is not `?mail=...`."""
    if re.match(r":[A-Za-z0-9~_./-]*[/.]", text[match.end() : match.end() + 80], re.ASCII):
        return True
    before = text[max(0, match.start() - 200) : match.start()]
    return before[-1:] not in _QUOTES and "://" in _word_before(before)


_QUOTES = ("=", ">", '"', "'", "(", ",", ";")


def _word_before(text: str) -> str:
    """Return the end of a text as far as there is no white space."""
    return text.split()[-1] if text[-1:].strip() else ""


# --- numbers ---

# Not a part of a longer number or of a Latin word, nor of a row of groups that are joined by - or a point.
_FIRST = r"(?<![A-Za-z0-9_])(?<![0-9][-.,:/])(?<![A-Za-z]-)"
_LAST = r"(?![A-Za-z0-9_])(?![-.,:/][0-9])"
_S = r"[ .-]?"  # a separator, or none


def _number(pattern: str) -> re.Pattern[str]:
    return re.compile(_FIRST + "(?:" + re.sub(r"\s*\n\s*", "", pattern) + ")" + _LAST, re.ASCII)


# Countries by code, with how many digits follow it (least, most); ITU-T E.164 lists the codes.
_TWO = [str(code) for code in (20, 27, *range(30, 35), 36, *range(39, 42), *range(43, 50), *range(51, 59), *range(60, 67), 84, 90,
                               *range(92, 96), 98)]  # fmt: skip
_LENGTHS = {"1": (10, 10), "7": (10, 10), "82": (8, 11), "81": (9, 11), "86": (9, 11), "44": (9, 11), "33": (9, 10), "49": (7, 12),
            "91": (10, 10), **dict.fromkeys(_TWO, (7, 11))}  # fmt: skip
_THREE = re.compile(r"2[1-69]\d|3[578]\d|42[01]|423|50\d|59\d|6[789]\d|80[08]|85\d|87\d|88\d|96\d|97\d|99\d")
_COUNTRY_FIRST = r"(?<![A-Za-z0-9_+.])(?<![0-9][-.,:/])"
_INTERNATIONAL = re.compile(
    rf"{_COUNTRY_FIRST}(?P<prefix>\(?\+|00)(?P<rest>[1-9][0-9]{{0,2}}\)?(?:[ .-]?(?:\(0\)|0)?[ .-]?"
    rf"(?:\([0-9]{{1,5}}\)|[0-9]{{1,12}}))(?:[ .\-/]?[0-9]{{1,8}}){{0,6}}){_LAST}",
    re.ASCII,
)
# mobile numbers behind the code: only they count where a number begins with 00 and has no groups
_AFTER_CODE = {
    "82": "0?1[016-9]",
    "81": "0?[6-9]0",
    "86": "1[3-9]",
    "44": "0?7",
    "33": "0?[67]",
    "49": "0?1[567]",
    "91": "[6-9]",
}


def _international(text: str, start: int, end: int) -> Iterator[Span]:
    for match in _INTERNATIONAL.finditer(text, start, end):
        if _is_international(match["prefix"], match["rest"]) and _stands_alone(text, match):
            yield match.span()


def _is_international(prefix: str, rest: str) -> bool:
    first, digits = re.split(r"[^0-9]", rest, maxsplit=1)[0], re.sub("[^0-9]", "", re.sub(r"\(0\)", "", rest))
    code = next(
        (digits[:n] for n in (1, 2, 3) if digits[:n] in _LENGTHS or (n == 3 and _THREE.fullmatch(digits[:n]))), None
    )
    if code is None or len(first) < len(code) or len({*re.findall(r"(?<=[0-9])[ .](?=[0-9])", rest)}) > 1:
        return False
    number = digits[len(code) :]
    least, most = _LENGTHS.get(code, (7, 10))
    if not least <= len(number) <= most or ("." in rest and not _is_dotted(rest)):
        return False
    if prefix == "00" and rest.isdigit():  # a serial number may begin with zeros
        return code in _AFTER_CODE and bool(re.match(_AFTER_CODE[code], number))
    return len(set(number)) > 2


def _is_dotted(rest: str) -> bool:
    """Tell whether points stand between all groups, as in +33.6.12.34.56.78: one alone is that of a decimal fraction."""
    return rest.count(".") >= 2 and not re.search(r"[ /-]", rest)


_MOBILES = _number(
    rf"""\(?01[016789][) ]{{0,2}}{_S}[0-9]{{3,4}}{_S}[0-9]{{4}}
    |05[0-9]{{1,2}}-[0-9]{{3,4}}-[0-9]{{4}}
    |\(?0[6-9]0[) ]{{0,2}}{_S}[0-9]{{4}}{_S}[0-9]{{4}}
    |\(?07[0-9]{{3}}\)?(?:[ -]?[0-9]{{6}}|[ -][0-9]{{3}}[ -][0-9]{{3}})
    |\(?07[0-9]{{2}}\)?[ -][0-9]{{4}}[ -][0-9]{{3}}
    |0[67](?:[ .-][0-9]{{2}}){{4}}|0[67][0-9]{{8}}
    |0(?:15[0-9]{{1,2}}|16[023]|17[0-9])(?:[ /-]{{1,3}}[0-9]{{3,8}}(?:[ -][0-9]{{2,5}}){{0,3}}|[0-9]{{7,8}})
    |1[3-9][0-9](?:[0-9]{{8}}|([ -])[0-9]{{4}}\1[0-9]{{4}})
    |0?[6-9][0-9]{{4}}[ -][0-9]{{5}}|0[6-9][0-9]{{9}}
    |\([2-9][0-8][0-9]\) ?[2-9][0-9]{{2}}[ .-][0-9]{{4}}
    |(?:1[ -])?(?!8(?:00|88|77|66|55|44|33))[2-9][0-8][0-9]([.-])[2-9][0-9]{{2}}\2[0-9]{{4}}
    |04[0-9]{{2}} [0-9]{{3}} [0-9]{{3}}
    |09[0-9]{{2}}[ -][0-9]{{3}}[ -][0-9]{{3,4}}
    |8 ?\(9[0-9]{{2}}\) ?[0-9]{{3}}-[0-9]{{2}}-[0-9]{{2}}
    |0(?:5[0-9]{{2}}|7[5-9]) [0-9]{{3}} [0-9]{{2}} [0-9]{{2}}
    |04[5-9][0-9](?: [0-9]{{2}}){{3}}
    |08[0-9]{{2}}-[0-9]{{4}}-[0-9]{{3,4}}
    |06-[0-9]{{8}}
    |07[0-9]-[0-9]{{3}} [0-9]{{2}} [0-9]{{2}}
    |\([1-9]{{2}}\) ?9[0-9]{{4}}-[0-9]{{4}}"""
)
_PLAIN_INDIAN = _number(r"[6-9][0-9]{9}")
_OF_PHONES = re.compile(
    r"(?i:phone|mobile|mob\b|\btel|\bcell|call|whatsapp|contact|\bsms|reach)|전화|연락|휴대|핸드폰|手机|电话|携帯|電話"
)
_COUNTED = re.compile(
    r"\s?(?:won|원|円|元|엔|달러|위안|%|km|m\b|kg|개|명|건|회|번째|USD|KRW|EUR|dollars|people|views|rows)"
)
_MONEY = ("$", "€", "£", "¥", "₩", "₹", "#", "№")


def _phones(text: str, start: int, end: int) -> Iterator[Span]:
    yield from _international(text, start, end)
    for match in _MOBILES.finditer(text, start, end):
        if not _is_an_amount(text, match) and _stands_alone(text, match):
            yield match.span()
    for match in _PLAIN_INDIAN.finditer(text, start, end):
        if _OF_PHONES.search(text[max(0, match.start() - 40) : match.start()]):
            yield match.span()


def _is_an_amount(text: str, match: re.Match[str]) -> bool:
    groups = [int(group) for group in re.findall("[0-9]+", match[0])]
    if len(groups) > 3 and {after - before for before, after in pairwise(groups)} == {1}:
        return True  # 07 08 09 10 11
    return text[match.start() - 1 : match.start()] in _MONEY or bool(_COUNTED.match(text, match.end()))


_BOOK = re.compile(r"(?i:isbn|issn|doi|ean|isni|orcid|barcode|바코드)[^\n]{0,24}\Z")


_ACCOUNT = re.compile(r"[A-Z]{2}[0-9]{2}(?: [A-Z0-9]{4})* ?\Z", re.ASCII)


def _stands_alone(text: str, match: re.Match[str]) -> bool:
    """Tell whether it is no part of a book's number, of an account's, or of an address on the web."""
    before = text[max(0, match.start() - 200) : match.start()]
    return not (_BOOK.search(before[-40:]) or _ACCOUNT.search(before[-40:]) or "://" in _word_before(before))


_OF_A_COMPANY = re.compile(r"법인(?:\s?등록)?\s?번호[^\n0-9]{0,8}\Z")  # of the same form, and without a day
_KOREAN = _number(r"(?P<day>[0-9]{6})(?P<sign>\ ?-\ ?| ?)(?P<rest>[0-9]{7})")


def _residents(text: str, start: int, end: int) -> Iterator[Span]:
    for match in _KOREAN.finditer(text, start, end):
        digits = match["day"] + match["rest"]
        if _OF_A_COMPANY.search(text[max(0, match.start() - 24) : match.start()]):
            continue
        # without its hyphen, it may be any number of thirteen digits: then the check digit tells
        if check_digits.korean_birthday(digits) and ("-" in match["sign"] or check_digits.korean_resident(digits)):
            yield match.span()


# (form, what its digits must pass)
_IDS: list[tuple[re.Pattern[str], Callable[[str], bool]]] = [
    (_number(r"(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}"), lambda _: True),  # USA
    (_number(r"[1-9][0-9]{5}[ -]?[0-9]{8}[ -]?[0-9]{3}[0-9Xx]"), check_digits.chinese_resident),
    (
        _number(r"[12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]|[2-9][0-9]) ?[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}"),
        check_digits.french_insured,
    ),
    (
        _number(r"(?<![0-9]\ )(?!20[0-9]{2}-20[0-9]{2}-20)[2-9][0-9]{3}([ -])[0-9]{4}\1[0-9]{4}(?!\ [0-9])"),
        check_digits.verhoeff,
    ),  # India
    (_number(r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}"), check_digits.brazilian_taxpayer),
]
# Those without a group of their own are one expression, which is gone through once.
_FURTHER_IDS: dict[str, tuple[str, Callable[[str], bool]]] = {
    "us_taxpayer": (r"9[0-9]{2}-(?:5[0-9]|6[0-5]|7[0-9]|8[0-8]|9[0-24-9])-[0-9]{4}", lambda _: True),
    "korean_driver": (r"(?:1[1-9]|2[0-8])-[0-9]{2}-[0-9]{6}-[0-9]{2}", lambda _: True),
    "thai": (r"[1-8]-[0-9]{4}-[0-9]{5}-[0-9]{2}-[0-9]", check_digits.thai_resident),
    "chilean": (r"[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9Kk]", check_digits.chilean),
    "argentine": (r"2[03-7]-[0-9]{8}-[0-9]", check_digits.argentine),
    "belgian": (r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}", check_digits.belgian),
    "norwegian": (r"[0-9]{6} ?[0-9]{5}", check_digits.norwegian),
    "swiss": (r"756\.[0-9]{4}\.[0-9]{4}\.[0-9]{2}", check_digits.swiss),
    "czech": (r"[0-9]{6}/[0-9]{4}", check_digits.czech),
    "northern": (r"[0-9]{6}-[0-9]{3}[0-9A-FHJ-NPR-Y]", check_digits.finnish_or_swedish),
}
_FURTHER = _number("|".join(f"(?P<{name}>{form})" for name, (form, _) in _FURTHER_IDS.items()))
# Forms that any number may have: beside their names, and by their check digits.
_NAMED: list[tuple[re.Pattern[str], re.Pattern[str], Callable[[str], bool]]] = [
    (re.compile("PESEL"), _number(r"[0-9]{11}"), check_digits.polish),
    (re.compile(r"(?i:kimlik)|TCKN|T\.?C\.? "), _number(r"[1-9][0-9]{10}"), check_digits.turkish),
    (re.compile("マイナンバー|個人番号"), _number(r"[0-9]{4}([ -]?)[0-9]{4}\1[0-9]{4}"), check_digits.japanese),
    (re.compile(r"\b(?:SIN|NAS)\b|(?i:social insurance|assurance sociale)"),
     _number(r"[0-9]{3}([ -]?)[0-9]{3}\1[0-9]{3}"), check_digits.luhn),
    (re.compile(r"\bNHS\b"), _number(r"[0-9]{3}([ -]?)[0-9]{3}\1[0-9]{4}"), check_digits.british_patient),
    (re.compile(r"\bBSN\b|(?i:burgerservicenummer)"), _number(r"[0-9]{9}|[0-9]{4}\.[0-9]{2}\.[0-9]{3}"), check_digits.dutch),
    (re.compile(r"(?i:\bsteuer[- ]?id|identifikationsnummer|\bIdNr)"),
     _number(r"[1-9][0-9] ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}"), check_digits.german),
    (re.compile(r"\bCPR\b"), _number(r"[0-9]{6}-?[0-9]{4}"), check_digits.danish),
    (re.compile(r"\bNIF\b|(?i:contribuinte)"), _number(r"[0-9]{3}( ?)[0-9]{3}\1[0-9]{3}"), check_digits.portuguese),
    (re.compile(r"\bCNP\b"), _number(r"[1-8][0-9]{12}"), check_digits.romanian),
    (re.compile(r"\b(?:ID|Identity)\b"), _number(r"[0-9]{13}"), check_digits.south_african),
]  # fmt: skip
_CARD = _number(
    r"""(?<![0-9]\ )(?:4[0-9]{3}|5[1-5][0-9]{2}|2[2-7][0-9]{2}|35[2-8][0-9]|6011|6[245][0-9]{2}|9[0-9]{3})
    ([ -]?)[0-9]{4}\1[0-9]{4}\1[0-9]{4}
    |3[47][0-9]{2}([ -]?)[0-9]{6}\2[0-9]{5}(?!\ [0-9])"""
)
_IBAN = re.compile(
    r"(?<![A-Za-z0-9_-])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?![A-Za-z0-9_])", re.ASCII
)


_ANY_NUMBER = _number(r"[0-9](?:[ .-]?[0-9]){8,12}")
# Of any of them, in small letters: as one expression of all names it took ten times as long.
_ANY_NAME = re.compile(
    "pesel|kimlik|tckn|tc |t\\.c|マイナンバー|個人番号|sin|nas|social|assurance|nhs|bsn|burger|steuer|ident|id|cpr|nif|contrib|cnp"
)
_NAME_BEFORE = 32  # characters between a number's name and itself, with the name


def _ids(text: str, start: int, end: int) -> Iterator[Span]:
    for form, holds in _IDS:
        for match in form.finditer(text, start, end):
            if holds(re.sub(r"[^0-9A-Za-z]", "", match[0])):
                yield match.span()
    for match in _FURTHER.finditer(text, start, end):
        if _FURTHER_IDS[str(match.lastgroup)][1](re.sub(r"[^0-9A-Za-z]", "", match[0])):
            yield match.span()
    for match in _ANY_NUMBER.finditer(text, start, end):
        if _ANY_NAME.search(text[max(0, match.start() - _NAME_BEFORE) : match.start()].lower()):
            yield from _named(text, start, end)
            break


def _named(text: str, start: int, end: int) -> Iterator[Span]:
    for name, form, holds in _NAMED:
        for match in form.finditer(text, start, end):
            is_named = name.search(text, max(0, match.start() - _NAME_BEFORE), match.start())
            if is_named and holds(re.sub("[^0-9]", "", match[0])):
                yield match.span()


def _cards(text: str, start: int, end: int) -> Iterator[Span]:
    for match in _CARD.finditer(text, start, end):
        digits = re.sub("[^0-9]", "", match[0])
        if check_digits.luhn(digits) and len(set(digits)) > 1 and _stands_alone(text, match):
            yield match.span()


def _ibans(text: str, start: int, end: int) -> Iterator[Span]:
    for match in _IBAN.finditer(text, start, end):
        for last in range(match.end(), match.start() + 14, -1):  # a word in capitals may follow
            compact = text[match.start() : last].replace(" ", "")
            if text[last - 1] != " " and 15 <= len(compact) <= 34 and check_digits.iban(compact):
                yield match.start(), last
                break


_OF_NUMBERS: list[tuple[str, Callable[[str, int, int], Iterator[Span]]]] = [
    ("resident_number", _residents),
    ("national_id", _ids),
    ("card", _cards),
    ("iban", _ibans),
    ("phone", _phones),
]


def find(places: Places) -> list[Finding]:
    """Return the data of persons in a text, in order; of two kinds in one place the longer one counts."""
    text, findings = places.text, list[Finding]()
    for start, end in places.of_addresses():
        findings += [Finding("email", *span) for span in _emails(text, start, end)]
    for start, end in places.of_numbers():
        for kind, find_kind in _OF_NUMBERS:
            findings += [Finding(kind, *span) for span in find_kind(text, start, end)]
    return disjoint(findings) if len(findings) > 1 else findings
