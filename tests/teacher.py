"""A provider that labels by a rule: a teacher whose style a student can learn, for free and always the same."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Literal

from pipeline.core import contracts
from pipeline.core.options import Options as Base
from pipeline.core.types import Reply, Request

_WORD = re.compile(r"[a-z]{4,}")
_NAME = re.compile(r"[A-Z]\w+ [A-Z]\w+")


class Options(Base):
    """`nouns`: the words that come twice; `names`: pairs of capitalised words; `topic`: one of two classes."""

    style: Literal["nouns", "names", "topic"] = "nouns"


class Provider(contracts.Provider):
    """Labels by a rule."""

    uses_prompt = False

    def __init__(self, label: Any, options: Options) -> None:
        self._style = options.style

    @property
    def identity(self) -> dict[str, Any]:
        return {"style": self._style}

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        return [Reply(json.dumps(label(request.article.text, self._style)), "stop") for request in requests]


def label(text: str, style: str) -> list[str]:
    if style == "topic":
        return ["sport" if "match" in text else "politics"]
    found = _NAME.findall(text) if style == "names" else [w for w in _WORD.findall(text) if text.count(f" {w}") == 2]
    return list(dict.fromkeys(found))[:3]


def _words(text: str) -> list[str]:
    return text.split()


NOUNS = _words(
    "harbour bridge museum market school station library garden tower palace river theatre hospital airport castle tunnel stadium "
    "factory cinema bakery forest island prison temple cathedral college canal quarry brewery shipyard lighthouse orchard vineyard "
    "railway warehouse courthouse monastery laboratory observatory university embassy fortress mill sluice reservoir refinery "
    "greenhouse playground cemetery barracks aquarium arena gallery pharmacy butchery foundry windmill"
)
PEOPLE = (
    "Helena Bouillon",
    "Marco Trentini",
    "Ada Lindqvist",
    "Jonas Brandauer",
    "Mira Kowalska",
    "Paul Okafor",
    "Nora Haugen",
)


def article(number: int) -> dict[str, Any]:
    """An article with two themes, which come twice, and with words and a person that come once."""
    count = len(NOUNS)
    one, two = NOUNS[number % count], NOUNS[(number + 1 + number * 7 % (count - 1)) % count]
    person = PEOPLE[number % 7]
    about = "the match" if number % 2 else "the vote"
    text = (
        f"The {one} will be closed in month {number}, said {person} after {about} of the council on Monday. "
        f"Nobody knows what the old {two} costs. People who live near the {one} were glad to hear of the plan for "
        f"the {two}, and of the {number + 3} new houses that follow in the autumn."
    )
    return {"id": f"a{number}", "title": f"Report {number} of the week", "body": text, "language": "en"}
