"""What must not get out with a text or a label: keys of services, data of persons.

Each form is looked for only in texts that hold a mark of it: searching all texts for all forms took two thirds of publishing.
"""

from __future__ import annotations

import re

_Forms = list[tuple[tuple[str, ...], re.Pattern[str]]]  # (marks, one of which such a text holds; the form)
_CREDENTIALS: _Forms = [
    (("sk-",), re.compile(r"\bsk-(?:proj-|ant-)?[A-Za-z0-9_-]{20,}")),
    (("AKIA", "ASIA"), re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}")),
    (("github_pat_",), re.compile(r"\bgithub_pat_\w{22,}")),
    (("xox",), re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}")),
    (("AIza",), re.compile(r"\bAIza[0-9A-Za-z_-]{35}")),
    (("hf_",), re.compile(r"\bhf_[A-Za-z0-9]{30,}")),
    (("glpat-",), re.compile(r"\bglpat-[\w-]{20,}")),
    (("PRIVATE KEY",), re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")),
    (("eyJ",), re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}")),
]
_PERSONAL: _Forms = [
    (("@",), re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{2,63}){1,4}")),
    (("-1", "-2", "-3", "-4"), re.compile(r"\b\d{6}-[1-4]\d{6}\b")),
    (("01",), re.compile(r"\b01[016789][- .]?\d{3,4}[- .]?\d{4}\b")),
    (("+",), re.compile(r"\+\d{1,3}[ .-]?\(?\d{1,4}\)?(?:[ .-]?\d{2,4}){2,4}\b")),
]


def credentials(text: str) -> int:
    """How many keys, tokens and private keys a text holds, by the forms that their issuers give them."""
    return _count(_CREDENTIALS, text)


def personal(text: str) -> int:
    """How many e-mail addresses, mobile and international phone numbers and Korean resident numbers a text holds."""
    return _count(_PERSONAL, text)


def _count(forms: _Forms, text: str) -> int:
    return sum(len(form.findall(text)) for marks, form in forms if any(mark in text for mark in marks))


def without_credentials(text: str) -> str:
    """The text with a mark in the place of each key and token."""
    for _, form in _CREDENTIALS:
        text = form.sub("[secret]", text)
    return text
