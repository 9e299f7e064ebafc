"""Names of units as their shards begin: words that people can read, of any script, and safe as the name of a file."""

from __future__ import annotations

import re
import unicodedata


def readable(text: str, max_bytes: int = 120) -> str:
    """Return a text as a part of a file's name: letters, marks and digits of any script; a hyphen for each run of others.

    It is cut at `max_bytes` of UTF-8: file systems count bytes, of which a Hangul syllable has three.
    """
    return re.sub("-+", "-", hyphenated(text)).encode("utf-8", "ignore")[:max_bytes].decode("utf-8", "ignore")


def hyphenated(text: str) -> str:
    """Return a text in NFC with a hyphen for each character that is no letter, mark, digit or underscore."""
    return "".join(c if c == "_" or _is_of_a_word(c) else "-" for c in unicodedata.normalize("NFC", text))


def _is_of_a_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"
