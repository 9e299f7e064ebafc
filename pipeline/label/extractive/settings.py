"""What a user may ask of the extractor."""

from dataclasses import dataclass
from typing import Literal

Korean = Literal["rules", "kiwi"]
LONGEST = 4  # words of a phrase, links aside, where nothing else is asked for; names stand in full


@dataclass(frozen=True, slots=True)
class Settings:
    """How many phrases a label has, of what kind, and how different from each other (KeyBERT's knobs)."""

    phrases: int = 7
    words: tuple[int, int] | None = None  # fewest and most words of a phrase, as spaces count them
    diversity: float = 0.5  # 0: the best, whatever they share; 1: as different as can be
    candidates: tuple[str, ...] = ()  # the only phrases to choose from; empty: any of the article
    stop_words: frozenset[str] = frozenset()  # lower-case words that bound a phrase, beside the language's own
    korean: Korean = "rules"
    unlikely: bool = (
        False  # also phrases that occur once within another one, and late single nouns: for who learns what is wanted
    )
