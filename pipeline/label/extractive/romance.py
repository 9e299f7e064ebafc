"""Whether a word may be an adjective of the noun before it in Spanish, Italian and Portuguese, by agreement in number."""

import re

_PLURAL = re.compile(r"..[^íéiu][aoe]s$")
_PLURAL_VERB = {  # behind a noun
    "es": re.compile(r"(?<!jov)(?<!virg)[ae]n$|ieron$|aron$"),
    "it": re.compile(r"(?<!telef)(?<!bu)ono$"),
    "pt": re.compile(r"(?<!jov)(?<!g)[ae]m$"),
}


def may_agree(language: str, noun: str | None, word: str) -> bool:
    """Return False for verbs behind a noun, or behind a name (None): maquinistas suprime, médicos convocan."""
    if _PLURAL_VERB[language].search(word):
        return False
    if noun is None:
        return True
    if language == "it":
        return not noun.endswith("i") or noun.endswith("si") or word.endswith("i")
    return not _PLURAL.search(noun) or word.endswith("s")
