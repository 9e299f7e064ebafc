"""White space and Unicode forms: one place, so that all stages compare text alike."""

from __future__ import annotations

import unicodedata


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


def begins_with(text: str, title: str) -> bool:
    """Return whether a text has a title at its head, as a whole: not only the letters that begin a longer word."""
    return bool(title) and text.startswith(title) and not text[len(title) : len(title) + 1].isalnum()
