"""What must not get out with a text or a label: keys of services, data of persons."""

from __future__ import annotations

import re

_CREDENTIALS = re.compile(
    r"\bsk-(?:proj-|ant-)?[A-Za-z0-9_-]{20,}|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_\w{22,}"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bAIza[0-9A-Za-z_-]{35}|\bhf_[A-Za-z0-9]{30,}|\bglpat-[\w-]{20,}"
    r"|-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"
)
_PERSONAL = re.compile(
    r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{2,63}){1,4}|\b\d{6}-[1-4]\d{6}\b|\b01[016789][- .]?\d{3,4}[- .]?\d{4}\b"
    r"|\+\d{1,3}[ .-]?\(?\d{1,4}\)?(?:[ .-]?\d{2,4}){2,4}\b"
)


def credentials(text: str) -> int:
    """How many keys, tokens and private keys a text holds, by the forms that their issuers give them."""
    return len(_CREDENTIALS.findall(text))


def personal(text: str) -> int:
    """How many e-mail addresses, mobile and international phone numbers and Korean resident numbers a text holds."""
    return len(_PERSONAL.findall(text))


def without_credentials(text: str) -> str:
    """The text with a mark in the place of each key and token."""
    return _CREDENTIALS.sub("[secret]", text)
