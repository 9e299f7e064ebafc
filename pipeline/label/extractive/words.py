"""A text as parallel lists over its words, which is what the extractor reads fastest."""

import re
import unicodedata
from dataclasses import dataclass

from pipeline.label.extractive.profiles import lexicon, profile

_READ = 100_000  # characters of an article that are read; key phrases stand early, and time stays bounded
_TITLE = 20  # characters that must come again before more is compared
_ADDRESS = re.compile(
    r"(?:https?://|www\.)[^\s가-힣]+|(?<![\w.+-])[\w.+-]{1,64}@[\w.-]+|(?<![\w.-])[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}/\S*",
    re.ASCII | re.IGNORECASE,
)


@dataclass(slots=True)
class Words:
    """The words of `text`. All lists have one entry per word, in order."""

    text: str
    keys: list[str]  # stems
    kinds: list[int]  # STOP, CONTENT, LINK or NUMBER
    starts: list[int]  # offsets of the surface form without particles
    ends: list[int]
    joined: list[bool]  # whether it may share a phrase with the word before


def clean(text: str) -> str:
    """The text as it is read: NFC, at most `_READ` characters, addresses blanked by as many line breaks."""
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    text = text[:_READ]
    if "@" in text or "/" in text or "www." in text:
        text = _ADDRESS.sub(lambda address: "\n" * len(address[0]), text)
    return text


def without_repeated_title(text: str) -> str:
    """The text from where its beginning starts again: many articles repeat their title, which would count twice."""
    again = text.find(text[:_TITLE], 1)
    title = text[:again].strip()
    return text[again:] if again > 0 and text.startswith(title, again) else text


def read(text: str, language: str | None) -> Words:
    """The words of a cleaned text."""
    lists, known = profile(language), lexicon(language)
    matches = list(lists.words.finditer(text))
    described = [known[match[0]] for match in matches]
    starts = [match.start() for match in matches]
    ends = [start + word[1] for start, word in zip(starts, described, strict=True)]
    gaps = lists.gaps
    joined = [text[end:start] in gaps for end, start in zip([0, *ends], starts, strict=False)]
    return Words(text, [word[0] for word in described], [word[2] for word in described], starts, ends, joined)
