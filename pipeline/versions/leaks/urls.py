"""Leaks in the addresses of articles: passwords, tokens, mail addresses and numbers of persons.

An address is made of ids, slugs and digests that look like leaks and are none.  So what counts is what a part is for: a
password before the host, a parameter by its name and value (`access_token=`, `phone=`), `mailto:`.  Keys count by the forms of
their issuers, wherever they are.  A false alarm stops a job, so a name that may be public (`share_token=`, `sig=`) tells nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, unquote_plus

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.versions.leaks import keys, persons
from pipeline.versions.leaks.places import Finding, Places, disjoint

_AUTHORITY = re.compile(r"\s*(?:[A-Za-z][A-Za-z0-9+.-]*:)?//(?:([^\s/?#]*)@)?[^\s/?#]*")
_OF_A_PERSON = re.compile(r"\s*(?:mailto|tel|sms|callto|whatsapp|facetime):(?://)?([^?#]+)", re.IGNORECASE)
_NAME = "[^=&#;?/]{1,64}"
_PARAMETER = re.compile(rf"(?<=[?&#;])({_NAME})=((?:[^&#;?\s]|[;?](?!{_NAME}=))+)")
_NAME_OF = re.compile(rf"(?<=[?&#;]){_NAME}=")
_NESTED = 2  # addresses within addresses that are looked at

# --- names of parameters: their words in small letters, joined by _ (`accessToken` is `access_token`) ---

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_PASSWORDS = "password|passwd|passphrase|passcode|pwd|pswd"
_WITH_USER = "pass"  # a password beside the name of a user, else a ticket
_TOKENS = "token|secret|jwt|bearer|authorization|key|signature|sig"
_NUMBERS = (
    "phone|telephone|tel|mobile|cell|msisdn|whatsapp|sms|fax|contact|ssn|rrn|jumin|resident|national|passport|card|iban|account"
    "|cpf|aadhaar"
)
_PASSWORD = re.compile(rf"(?:(?:^|_|user|login|my)(?:{_PASSWORDS})|^(?:{_WITH_USER}))(?:_[0-9])?\Z")
# Names of which each opens something.  Tokens of other names open nothing that is not public: they mark a place in a list, guard
# a form, share or give away an article; of a plain `token` only the value can tell.
_OPENING = re.compile(
    r"""(?:^|_)(?:(?:client|app|api)?_?secret|jwt|bearer|authorization
    |(?:access|auth|api|id|refresh|session|oauth|bearer|security|login|user|reset|bot|admin|private|personal|secret)_?token
    |(?:api|access|auth|secret|private|service|subscription|licen[cs]e|master|admin|account|crtfc)_?key)\Z""",
    re.VERBOSE,
)
# A signature opens something beside the key that signed, or an expiry (Azure); others check the size of an image.
_SIGNATURE = re.compile(r"(?:^|_)(?:signature|sig)\Z")
_SIGNED = re.compile(
    r"(?i:[?&](?:x-(?:amz|goog|oss)-credential|(?:aws|oss)accesskeyid|googleaccessid|key-pair-id)=|[?&]se=[0-9]{4}-)"
)
_USER_NAME = re.compile(
    r"(?i:[?&#;](?:(?:user|usr|user_?name|user_?id|uid|email)=|login=(?!(?:true|false|yes|no|[01])?(?:[&#;]|\Z))))"
)
# Beside it what is called a token gives an article away; keys and secrets count by their names, and keys by their forms.
_SHARED = re.compile(r"(?i:[?&#;](?:share|gift)[_-]?(?:type|id|token|code|key|article)?=)")
_NUMBER = re.compile(rf"(?:^|_|user|member|customer|home|work|my)(?:{_NUMBERS})(?:_?(?:no|num|number|nr|id))?\Z")

# --- their values ---

_NO_PASSWORD = re.compile(
    r"(?i:true|false|yes|none|null|secret|reset|forgot(?:ten)?|lost|change|new|required|optional|x+|\*+|\.+|\[.*\]|\{.*\}|<.*>)\Z"
)
# What stands for a password before a host: its name, a variable, a sign to be replaced.
_NO_PASSWORD_OF_HOST = re.compile(
    r"(?:\$?(?i:(?:my|your)?[_-]?(?:password|passwd|pass|pwd)|change_?me|x+)|\*+|\.+|\$[A-Z_]+|%s|[$%]?(?:\{.*\}|<.*>|\[.*\]|\(.*\)s?))\Z"
)
_PLAIN_WORDS = re.compile(r"(?:[^\W\d]?[^\W\dA-Z]+|[A-Z]+)(?:[-_ ][^\W\d]+)*\Z")
_MIXED = re.compile(r"[A-Za-z][0-9]|[0-9][A-Za-z]")  # `a1b2c3d4`, not `spring-2026`
_HEX = re.compile(r"[0-9a-f]{12,}\Z")
_PUBLIC = re.compile(r"0x[0-9a-fA-F]{40,64}\Z")  # the address of a contract, which is called a token
_LEAST_OF_TOKEN, _LEAST_OF_SIGNATURE = 8, 16  # characters; what is shorter is a word, or a version
_SHORT = (
    3  # letters of a piece between digits or capital letters; of words and years (`season2026pass`) they are longer
)

# Most addresses have nothing to look at; which have is told by RE2, as of texts.
_MARKS = [mark for mark in keys.MARKS if len(mark) > 3 or mark in ("sk-", ":AA", "SG.")]
_NAMES = "|".join([_PASSWORDS, _WITH_USER, _TOKENS, _NUMBERS])
_SUSPICIOUS = "|".join(
    [
        r"@|%(?:25)*40|(?i:^\s*(?:mailto|tel|sms|callto|whatsapp|facetime):)",
        rf"(?i:(?:{_NAMES})[^=&#;?/]*(?:=|%(?:25)*3d))",
        "[A-Za-z0-9_]{16}",  # of nearly all keys a part
        *map(re.escape, _MARKS),
        *(re.escape(mark).replace(r"\ ", r"(?: |\+|%(?:25)*20)") for mark in keys.BLOCK_MARKS),
    ]
)


def suspects(urls: pa.Array) -> set[int]:
    """Return which of some addresses may have anything to `find`; all others have nothing."""
    return set(np.flatnonzero(pc.match_substring_regex(urls, _SUSPICIOUS).fill_null(False)).tolist())


def find(url: str, nested: int = _NESTED) -> list[Finding]:
    """Return what leaks in an address, in order: `secret`, or one of the kinds of `persons`.

    Of an address in a parameter of another one, `nested` deep, all of that parameter is what leaks where it is encoded: then
    several findings may have the same place, a `secret` the first of them.
    """
    authority = _AUTHORITY.match(url)
    user = authority[1] if authority else None
    host = authority.end(1) + 1 if authority and user else 0  # what is before it has no form of its own
    findings = [*_in_parameters(url, nested), *_of_persons(url, host)]
    if authority and user and _opens(user):
        findings.append(Finding("secret", *authority.span(1)))
    findings = _added(findings, (Finding("secret", host + key.start, host + key.end) for key in _keys(url[host:])))
    return sorted(findings, key=lambda one: (one.start, one.kind != "secret"))


def end_of_host(url: str) -> int:
    """Return where the host of an address ends, 0 where it has none."""
    authority = _AUTHORITY.match(url)
    return authority.end() if authority else 0


def _added(findings: list[Finding], others: Iterable[Finding]) -> list[Finding]:
    """Return findings, each once, and those of others that are not within a secret: that one was found by its name."""
    taken = disjoint(one for one in findings if one.kind == "secret")
    starts = [one.start for one in taken]
    before = [(other, bisect_left(starts, other.end) - 1) for other in others]
    return list(dict.fromkeys(findings + [one for one, at in before if at < 0 or taken[at].end <= one.start]))


def _keys(url: str) -> list[Finding]:
    """Find keys by the forms of their issuers alone: what a name tells of a value is told otherwise in an address."""
    return keys.find(Places(_NAME_OF.sub(lambda match: " " * len(match[0]), url)))


def _opens(user: str) -> bool:
    """Tell whether what stands before a host, as it is written there, has a password, or is a token."""
    password = unquote((user if ":" in user else unquote(user)).partition(":")[2])
    if password and not (_NO_PASSWORD_OF_HOST.match(password) or keys.is_placeholder(password)):
        return True
    return bool(keys.find(Places(unquote(user))))


def _in_parameters(url: str, nested: int) -> Iterator[Finding]:
    has_user, is_signed, is_shared = (bool(form.search(url)) for form in (_USER_NAME, _SIGNED, _SHARED))
    for match in _PARAMETER.finditer(url):
        name, value = "_".join(_WORD.findall(unquote_plus(match[1]))).lower(), _decoded(match[2])
        if (
            "://" not in value
            and not keys.is_placeholder(value)
            and (
                _is_password(name, value, has_user)
                or (not (is_shared and name.endswith("token")) and _is_token(name, value, match[1].lower() == "token"))
                or (is_signed and _is_signature(name, value))
            )
        ):
            yield Finding("secret", *match.span(2))
        else:
            yield from _placed(_in_value(name, value, nested), match.span(2), value == match[2])


def _decoded(value: str) -> str:
    """Return a value as it was before it was put into an address; a + before all else is that of a telephone number."""
    return "+" + unquote_plus(value[1:]) if value.startswith("+") else unquote_plus(value)


def _is_password(name: str, value: str, has_user: bool) -> bool:
    if not _PASSWORD.search(name) or len(value) <= 3 or _NO_PASSWORD.match(value):
        return False
    return has_user or not (name == _WITH_USER or _PLAIN_WORDS.match(value))


def _is_token(name: str, value: str, is_plain: bool) -> bool:
    """Tell whether a parameter is a token by its name and value; `is_plain`: it is called `token` and no more."""
    is_opening = bool(_OPENING.search(name))
    if not (is_opening or is_plain) or len(value) < _LEAST_OF_TOKEN or _PUBLIC.match(value):
        return False
    short: int = sum(len(piece) <= _SHORT and piece.isalpha() for piece in _WORD.findall(value))
    if not _MIXED.search(value):
        return short > _SHORT
    return is_opening or short > 1 or bool(_HEX.match(value))


def _is_signature(name: str, value: str) -> bool:
    return bool(_SIGNATURE.search(name) and len(value) >= _LEAST_OF_SIGNATURE and _MIXED.search(value))


def _in_value(name: str, value: str, nested: int) -> list[Finding]:
    """Return what leaks in a value that is no secret by its name.  Numbers count where the name is that of one of a person."""
    inner = find(value, nested - 1) if nested and ("://" in value or _PARAMETER.search(value)) else []
    if "://" in value:
        return inner
    is_number = bool(_NUMBER.search(name))
    findings = _added(inner, _keys(value) if len(value) >= _LEAST_OF_SIGNATURE else [])
    of_persons = persons.find(Places(value))
    return _added(findings, (one for one in of_persons if one.kind == "email" or is_number))


def _of_persons(url: str, host: int) -> Iterator[Finding]:
    """Find the addresses and numbers of `mailto:` and `tel:`, and mail addresses that are a part of the path."""
    if match := _OF_A_PERSON.match(url):
        value = unquote(match[1])
        yield from _placed(persons.find(Places(value)), match.span(1), value == match[1])
    elif "@" in url[host:] or "%40" in url:
        for match in re.finditer(r"[^/]+", url[: re.search(r"[?#]|\Z", url).start()]):  # type: ignore[union-attr]
            value = unquote(match[0])
            emails = [one for one in persons.find(Places(value)) if one.kind == "email"]
            if match.start() >= host:
                yield from _placed(emails, match.span(), value == match[0])


def _placed(findings: list[Finding], span: tuple[int, int], is_plain: bool) -> Iterator[Finding]:
    """Yield findings in a part of an address where they are in it: all of the part, where it is written otherwise."""
    for finding in findings:
        yield (
            Finding(finding.kind, span[0] + finding.start, span[0] + finding.end)
            if is_plain
            else Finding(finding.kind, *span)
        )
