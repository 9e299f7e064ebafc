"""Leaks in the addresses of articles: passwords, tokens, mail addresses and numbers of persons.

An address is made of ids, slugs and digests that look like leaks and are none.  So what counts is what a part is for: a
password before the host, a parameter by its name (`token=`, `phone=`), `mailto:`.  Keys count by the forms of their issuers,
wherever they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.versions.leaks import keys, persons
from pipeline.versions.leaks.places import Finding, Places, disjoint

_USER = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^\s/?#]*)@")
_OF_A_PERSON = re.compile(r"(?:mailto|tel|sms|callto|whatsapp|facetime):(?://)?([^?#]+)", re.IGNORECASE)
_NAME = "[^=&#;?/]{1,64}"
_PARAMETER = re.compile(rf"(?<=[?&#;])({_NAME})=((?:[^&#;?\s]|[;?](?!{_NAME}=))+)")
_NESTED = 2  # addresses within addresses that are looked at

# --- names of parameters: their words in small letters, joined by _ (`accessToken` is `access_token`) ---

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_PASSWORD = re.compile(r"(?:password|passwd|passphrase|passcode|pwd|pswd)\Z")
_TOKEN = re.compile(
    r"""(?:token|secret|jwt|(?:^|_)pass|(?:api|app|access|auth|secret|private|service|subscription|licen[cs]e|client|consumer|shared
    |master|admin|crtfc)_?key)\Z""",
    re.VERBOSE,
)
_SIGNATURE = re.compile(r"(?:^|_)(?:auth|authorization|bearer|credentials?|signature|sig|hmac)\Z")
# What marks a place in a list, or guards a form, opens nothing.
_HARMLESS = re.compile(r"(?:page|next|prev|previous|continuation|cursor|sync|csrf|xsrf|design)_?token\Z")
_NUMBER = re.compile(
    r"""(?:^|_|user|member|customer|home|work|my)(?:phone|telephone|tel|mobile|cell|msisdn|whatsapp|sms|fax|contact|ssn|rrn|jumin
    |resident|national|passport|card|iban|account|cpf|aadhaar)(?:_?(?:no|num|number|nr|id))?\Z""",
    re.VERBOSE,
)
_NAMES = """pass pwd pswd token secret jwt key auth bearer credential sig hmac phone tel mobile cell msisdn whatsapp sms fax contact
    ssn rrn jumin resident national card iban account cpf aadhaar"""
_NO_PASSWORD = re.compile(
    r"(?i:true|false|yes|none|null|reset|forgot(?:ten)?|lost|change|new|required|optional|x+|\*+|\.+|\[.*\]|\{.*\}|<.*>)\Z"
)
_MIXED = re.compile(r"[A-Za-z][0-9]|[0-9][A-Za-z]")  # `a1b2c3d4`, not `spring-2026`
_TURNS = re.compile(r"[a-z](?=[A-Z])|[A-Z](?=[a-z])")
_MANY_TURNS = 6  # of a token without a digit
_LEAST_OF_TOKEN, _LEAST_OF_SIGNATURE = 8, 16  # characters; what is shorter is a word, or a version

# Most addresses have nothing to look at; which have is told by RE2, as of texts.
_MARKS = [mark for mark in keys.MARKS if len(mark) > 3 or mark in ("sk-", ":AA", "SG.")]
_SUSPICIOUS = "|".join(
    [
        "@|%40|(?i:^(?:mailto|tel|sms|callto|whatsapp|facetime):)",
        rf"(?i:(?:[?&#;]|%3f|%26|%23)[^=&#;?/]*(?:{'|'.join(_NAMES.split())})[^=&#;?/]*(?:=|%3d))",
        "[A-Za-z0-9_]{16}",  # of nearly all keys a part
        *map(re.escape, _MARKS),
    ]
)


def suspects(urls: pa.Array) -> set[int]:
    """Return which of some addresses may have anything to `find`; all others have nothing."""
    return set(np.flatnonzero(pc.match_substring_regex(urls, _SUSPICIOUS).fill_null(False)).tolist())


def find(url: str, nested: int = _NESTED) -> list[Finding]:
    """Return what leaks in an address, in order: `secret`, or one of the kinds of `persons`.

    Of an address in a parameter of another one, `nested` deep, all of that parameter is what leaks.
    """
    user = _USER.match(url)
    host = user.end() if user else 0  # what stands before it is looked at as a whole, not by the form of a password
    findings = [*_in_parameters(url, nested), *_of_persons(url, host)]
    if user and _opens(unquote(user[1])):
        findings.append(Finding("secret", *user.span(1)))
    for key in keys.find(Places(url[host:])):
        start, end = host + key.start, host + key.end
        if all(end <= other.start or start >= other.end for other in findings):  # else it has its parameter's name, too
            findings.append(Finding("secret", start, end))
    return disjoint(findings)


def _opens(user: str) -> bool:
    """Tell whether what stands before a host has a password, or is a token."""
    return bool(keys.find(Places(f"https://{user}@host.example")) or keys.find(Places(user)))


def _in_parameters(url: str, nested: int) -> Iterator[Finding]:
    for match in _PARAMETER.finditer(url):
        name, value = "_".join(_WORD.findall(unquote_plus(match[1]))).lower(), unquote_plus(match[2])
        if _is_secret(name, value):
            yield Finding("secret", *match.span(2))
        else:
            yield from _placed(_in_value(name, value, nested), match.span(2), value == match[2])


def _is_secret(name: str, value: str) -> bool:
    """Tell whether a parameter's name is that of a password or token, and its value is one."""
    if keys.is_placeholder(value) or "://" in value:
        return False
    if _PASSWORD.search(name):
        return len(value) > 3 and not (_NO_PASSWORD.match(value) or _PASSWORD.search(value.lower()))
    is_token = bool(_TOKEN.search(name))
    if not (is_token or _SIGNATURE.search(name)) or _HARMLESS.search(name):
        return False
    is_random = bool(_MIXED.search(value)) or len(_TURNS.findall(value)) >= _MANY_TURNS
    return is_random and len(value) >= (_LEAST_OF_TOKEN if is_token else _LEAST_OF_SIGNATURE)


def _in_value(name: str, value: str, nested: int) -> list[Finding]:
    """Return what leaks in a value that is no secret by its name.  Numbers count where the name is that of one of a person."""
    if "://" in value:
        return find(value, nested - 1) if nested else []
    findings = keys.find(Places(value)) if len(value) >= _LEAST_OF_SIGNATURE else []
    is_number = bool(_NUMBER.search(name))
    return findings + [one for one in persons.find(Places(value)) if one.kind == "email" or is_number]


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
