"""What no text may tell: the key, the headers and the users of addresses are taken out of everything that an endpoint says.

Logs, ledger, events and messages are made of texts that went through here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import orjson

_SHORT = 6  # characters: a shorter secret may be a part of any word
_USER = re.compile(r"(?<=://)[^/@\s'\"]+@")


class Redaction:
    """Takes out the secrets of one connection: its key, the values of its headers, the users of its address and its proxy."""

    def __init__(self, key: str, headers: Iterable[str], users: Iterable[str]) -> None:
        self._key, self._users = key, list(users)
        parts = {part for value in headers for part in (value, value.split()[-1])}  # also what stands behind a `Bearer`
        self._headers = sorted(parts, key=lambda part: (-len(part), part))  # one may be a part of another

    def add_users(self, users: Iterable[str]) -> None:
        """Take these out, too: users and passwords of a proxy."""
        self._users += users

    def without_secrets(self, data: bytes) -> bytes:
        """Take echoed secrets out of the body of a failure, before a part that is cut out of it can hold half of one.

        Bodies of answers stay as they are: a server that needs no key is often given a word for one (`none`).
        """
        data = data.replace(self._key.encode(), b"[key]") if self._key else data
        for value in self._headers:
            if len(value) >= _SHORT:
                data = data.replace(value.encode(), b"[header]").replace(orjson.dumps(value)[1:-1], b"[header]")
        return data

    def redact(self, text: str) -> str:
        """Take key, headers, and the users of addresses, out of a text for people."""
        text = text.replace(self._key, "[key]") if self._key else text
        secrets = [*((value, "[header]") for value in self._headers), *((user, "[user]") for user in self._users)]
        for secret, word in secrets:
            text = _without(text, secret, word)
        return _USER.sub("[user]@", text)


def without_user(url: str) -> str:
    """Return an address without a user and a password."""
    return _USER.sub("", url)


def _without(text: str, secret: str, word: str) -> str:
    """Return a text with a word in place of a secret; one that is short is only taken out where it stands alone."""
    if len(secret) >= _SHORT:
        return text.replace(secret, word)
    return re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", word, text) if secret else text
