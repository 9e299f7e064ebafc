"""Leaks: what must not get out with a text or a label, keys of services (`keys`) and data of persons (`persons`), nor with the
address of an article (`urls`).

Both look at the few places of a text that may hold any (`places`), so that hundreds of forms cost less than a dozen did when
each was searched for in the whole text.

Keys and numbers end where their ASCII characters end.  To Python's own word boundary a Hangul syllable, Han or kana is one
more letter of the word, so that a key with a particle behind it (`hf_...를`) would have no end.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.versions.leaks import keys, persons, places, urls
from pipeline.versions.leaks.places import Finding, Places, disjoint

KINDS = ("credentials", *persons.KINDS)  # what can be redacted


def credentials(text: str) -> int:
    """Count the keys, tokens, passwords in addresses and private keys in a text, by the forms that their issuers give them."""
    return len(keys.find(Places(text)))


def personal(text: str) -> int:
    """Count the e-mail addresses, telephone numbers and numbers of persons, cards and accounts in a text."""
    return len(persons.find(Places(text)))


def count(text: str) -> tuple[int, int]:
    """Return `credentials` and `personal` of a text, which is looked at once."""
    at = Places(text)
    return len(keys.find(at)), len(persons.find(at))


def leaking(text: str) -> set[str]:
    """Return what `count` counts in a text, each once, in plain characters."""
    at = Places(text)
    return {at.text[one.start : one.end] for one in (*keys.find(at), *persons.find(at))}


def count_in_url(url: str) -> tuple[int, int]:
    """Return `credentials` and `personal` of the address of an article."""
    kinds = [finding.kind for finding in urls.find(url)]
    return kinds.count("secret"), len(kinds) - kinds.count("secret")


def count_in_ids(ids: pa.Array) -> dict[int, tuple[int, int]]:
    """Return `credentials` and `personal` of ids by their numbers, of those alone that are addresses in which anything leaks."""
    addresses = pc.if_else(pc.match_substring(ids, "//"), ids, pa.scalar(None, pa.string()))
    counts = {number: count_in_url(ids[number].as_py()) for number in sorted(urls.suspects(addresses))}
    return {number: count for number, count in counts.items() if any(count)}


def shown_id(row_id: str) -> str:
    """Return an id as a message may have it: one that leaks is redacted; the end of its SHA-256 tells which it is."""
    if not count_in_ids(pa.array([row_id], pa.string())):
        return row_id
    return f"{redacted_url(row_id, KINDS)} (sha256 of the id: ...{sha256(row_id.encode()).hexdigest()[-8:]})"


def suspects(texts: pa.Array) -> set[int]:
    """Return which of some texts may have anything to `count`; all others have nothing."""
    return places.suspects(texts, keys.BLOCK_MARKS)


def suspect_urls(addresses: pa.Array) -> set[int]:
    """Return which of some addresses of articles may have anything to count; all others have nothing."""
    return urls.suspects(addresses)


def without_credentials(text: str) -> str:
    """Return the text with `[secret]` in place of each key and token."""
    return _replaced(text, keys.find(Places(text)))


def redacted(text: str, kinds: Collection[str]) -> str:
    """Return the text with its kind in brackets, such as `[email]`, in place of each finding of these KINDS."""
    at = Places(text)
    findings = keys.find(at) if "credentials" in kinds else []
    findings += [finding for finding in persons.find(at) if finding.kind in kinds]
    return _replaced(text, findings)


def redacted_url(url: str, kinds: Collection[str]) -> str:
    """Return the address of an article as `redacted` returns a text; up to the end of its host the kind has no brackets.

    In brackets stands an IPv6 address there, and what is none makes the whole address one that nobody can read.
    """
    wanted = {"secret" if kind == "credentials" else kind for kind in kinds}
    return _replaced(url, [finding for finding in urls.find(url) if finding.kind in wanted], urls.end_of_host(url))


def _replaced(text: str, findings: list[Finding], without_brackets: int = 0) -> str:
    """Return the text with its kind in place of each finding, in brackets where it does not begin before a position."""
    parts, end = list[str](), 0
    for finding in disjoint(findings):
        kind = finding.kind if finding.start < without_brackets else f"[{finding.kind}]"
        parts += [text[end : finding.start], kind]
        end = finding.end
    return "".join([*parts, text[end:]])
