"""White space and Unicode forms: one place, so that all stages compare text alike."""

from __future__ import annotations

import re
import unicodedata

_ASCII = bytes(range(128))
# Characters of running text that NFKC leaves alone whatever stands beside them; tests hold them to that.
_STABLE = "!-~ À-ÖØ-ıΑ-ΡΣ-Ωα-ωА-яё·–—‘’“”ぁ-ゖァ-ヺー、。一-鿿가-힣"
_UNSTABLE = re.compile(f"[^{_STABLE}]")


def fold_space(text: str) -> str:
    """Make each run of white space (Unicode's, line ends included) one space, with none at the edges."""
    # no white space is printable but the space of ASCII; to see that there is nothing to fold takes a fifth of folding
    if text.isprintable() and "  " not in text and text[:1] != " " != text[-1:]:
        return text
    return " ".join(text.split())


def fold_case(text: str) -> str:
    """Return the form in which phrases and labels are compared: NFKC, white space folded, case folded."""
    return fold_form(text).casefold()


def fold_form(text: str) -> str:
    """Return NFKC with white space folded: equal for texts that differ in width, composition or spacing only."""
    return fold_space(unicodedata.normalize("NFKC", text))


def form_utf8(data: bytes) -> bytes:
    """Return `fold_form` of a text in UTF-8, the same object where it is in NFKC, whose white space is then left as it is.

    NFKC of a whole article takes as long as all else that a key of it needs, so only words with a character that may change are
    brought to it.  No form reaches across a space: nothing composes with one.
    """
    beyond = data.translate(None, _ASCII).decode()  # what is in form without the ASCII is in form with it, if for sure
    is_in_form = unicodedata.is_normalized("NFKC", beyond)  # sooner than `normalize` to see that it is not
    if is_in_form and unicodedata.normalize("NFKC", beyond) is beyond:
        return data
    return _words_in_form(data.decode()).encode()


def _words_in_form(text: str) -> str:
    """Return `fold_form` of a text: the words with a character that may change in NFKC, and white space folded where it must be."""
    parts, end = list[str](), 0
    is_folded = "  " not in text and text[:1] != " " != text[-1:]
    for match in _UNSTABLE.finditer(text):
        if (at := match.start()) >= end:
            begin, after = text.rfind(" ", end, at) + 1 or end, text.find(" ", at)
            after = len(text) if after < 0 else after
            word = unicodedata.normalize("NFKC", text[begin:after])
            is_folded = is_folded and word.split() == [word]
            parts += (text[end:begin], word)
            end = after
    form = "".join(parts) + text[end:]
    return form if is_folded else fold_space(form)


def begins_with(text: str, title: str) -> bool:
    """Return whether a text has a title at its head, as a whole: not only the letters that begin a longer word."""
    return bool(title) and text.startswith(title) and not text[len(title) : len(title) + 1].isalnum()
