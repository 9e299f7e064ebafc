"""Leaks: what must not get out with a text or a label, keys of services and data of persons.

Each form is looked for only in texts that hold a mark of it (`@`, `sk-`, `+`): searching all texts for all forms took two thirds
of publishing a million rows; marks first made it 2.7 times as fast.

Keys and numbers end where their ASCII characters end.  To Python's own word boundary a Hangul syllable, Han or kana is one
more letter of the word, so that a key with a particle behind it (`hf_...를`) would have no end.
"""

from __future__ import annotations

import re

_Forms = list[tuple[tuple[str, ...], re.Pattern[str]]]  # (marks, one of which such a text holds; the form)

# `sk-` begins the keys of many makers, and addresses that are about SK hynix or SK On.  What tells them apart is that keys are
# random and addresses made of words (0 of 75,000 titles and sentences taken for keys; 1 in 1,000 random keys missed, 1 in 20 of
# LiteLLM's, which are short and may hold hyphens):
_RUN = r"(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{20}"  # twenty letters and digits in a row, both kinds among them
# Letters and digits, small and capital letters that take turns four times, close to each other.
_MIXED = r"(?=[A-Za-z_-]{0,80}\d)(?:[\w-]{0,15}?(?:[A-Za-z](?=\d)|\d(?=[A-Za-z])|[a-z](?=[A-Z]))){4}"
# A word or number between hyphens at the beginning, as in sk-on-2q26-hbm4e: what follows is an address, also where it ends with
# a digest of the article.
_WORDS = r"(?:[A-Za-z][a-z]+|[A-Z]{2,}|\d{2,})[_-]|[\w-]{0,20}[_-](?:[A-Za-z]?[a-z]{3,}|[A-Z]{4,}|\d{4,})[_-]"
_SK = rf"""\bsk-(?:
    (?:proj|svcacct|admin|None|ant(?:-[a-z]{{2,12}}\d\d)?|or(?:-v\d)?)-(?=[A-Za-z0-9]{{20}}|{_MIXED})[\w-]{{20,}}
    |lf-[0-9a-f]{{8}}-[0-9a-f-]{{27}}
    |(?:[a-z]{{2,8}}-){{1,2}}(?=[A-Za-z0-9]*[A-Z])(?=[A-Za-z0-9]*[a-z]){_RUN}[\w-]*  # a maker that is not known here
    |(?={_RUN}|[A-Za-z0-9]{{40}}|(?!{_WORDS}){_MIXED})[\w-]{{20,}}
)"""


def _key(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


_CREDENTIALS: _Forms = [
    (("sk-",), re.compile(_SK, re.ASCII | re.VERBOSE)),
    (("AKIA", "ASIA"), _key(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), _key(r"\bgh[pousr]_[A-Za-z0-9]{36,}")),
    (("github_pat_",), _key(r"\bgithub_pat_\w{22,}")),
    (("xox",), _key(r"\bxox[abprs]-[A-Za-z0-9-]{10,}")),
    (("AIza",), _key(r"\bAIza[0-9A-Za-z_-]{35}")),
    (("hf_",), _key(r"\bhf_[A-Za-z0-9]{30,}")),
    (("glpat-",), _key(r"\bglpat-[\w-]{20,}")),
    (("PRIVATE KEY",), _key(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")),
    (("eyJ",), _key(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}")),
]
# Digits of any width, so no ASCII flag; nor is a number a part of a longer one or of a Latin word.
_FIRST, _LAST = r"(?<![A-Za-z_\d])", r"(?![A-Za-z_\d])"
_PERSONAL: _Forms = [
    (("@",), re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{2,63}){1,4}")),
    (("-1", "-2", "-3", "-4"), re.compile(rf"{_FIRST}\d{{6}}-[1-4]\d{{6}}{_LAST}")),
    (("01",), re.compile(rf"{_FIRST}01[016789][- .]?\d{{3,4}}[- .]?\d{{4}}{_LAST}")),
    (("+",), re.compile(rf"\+\d{{1,3}}[ .-]?\(?\d{{1,4}}\)?(?:[ .-]?\d{{2,4}}){{2,4}}{_LAST}")),
]


def credentials(text: str) -> int:
    """Count the keys, tokens and private keys in a text, by the forms that their issuers give them."""
    return _count(_CREDENTIALS, text)


def personal(text: str) -> int:
    """Count the e-mail addresses, mobile and international phone numbers and Korean resident numbers in a text."""
    return _count(_PERSONAL, text)


def _count(forms: _Forms, text: str) -> int:
    return sum(len(form.findall(text)) for marks, form in forms if any(mark in text for mark in marks))


def without_credentials(text: str) -> str:
    """Return the text with `[secret]` in place of each key and token."""
    for _, form in _CREDENTIALS:
        text = form.sub("[secret]", text)
    return text
