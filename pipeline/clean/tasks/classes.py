"""Classes: one of a closed set, given in the job file with the other words by which a model may call each.

With `clean: {classes: {sports: [sport, 스포츠], politics: [정치]}}` replies as models really write them become::

    "**Sports**"              ->  "sports"
    "Category: 스포츠입니다."  ->  "sports"
    "Weather"                 ->  no label (`unparseable`)
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import field_validator

from pipeline.clean.cleaner import clean_short
from pipeline.clean.tasks import object_of
from pipeline.core import contracts
from pipeline.core.finish import withheld
from pipeline.core.options import Options as Base
from pipeline.core.text.folding import fold_case
from pipeline.core.text.tokens import Counter
from pipeline.core.types import Article, Label, LabelColumn, Reply

VERSION = 1
_MOST_WORDS, _MOST_CHARS = 40, 400  # of what may name a class in a sentence
_WORDS = re.compile(r"[\w+#]+")
_DENIES = re.compile(
    r"\b(?:not|no|neither|nor|cannot|other than|rather than|except|without|pas|aucun|sauf|ni)\b|n['’]t\b"
    r"|아니|아닌|아님|아닙|않|없|제외|ではな|じゃな|以外|ない",
    re.IGNORECASE,
)


class Options(Base):
    """`classes`: names, or names with the other words for each."""

    in_every_key = "classes"
    classes: dict[str, list[str]]

    @field_validator("classes", mode="before")
    @classmethod
    def _names_alone(cls, value: Any) -> Any:
        return {str(name): [] for name in value} if isinstance(value, list) else value

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: dict[str, list[str]]) -> dict[str, list[str]]:
        if len(classes) < 2:
            raise ValueError("give two classes or more")
        owner: dict[str, str] = {}
        for name, others in classes.items():
            for word in {_folded(word) for word in (name, *others)}:
                if not word:
                    raise ValueError(f"a word for {name!r} has no letters")
                if owner.setdefault(word, name) != name:
                    raise ValueError(f"{word!r} stands for both {owner[word]!r} and {name!r}")
        return classes


class Task(contracts.Task):
    column = LabelColumn("label", many=False)
    prompt = "classes/v1"

    def __init__(self, options: Options, count: Counter) -> None:
        self._names = {_folded(word): name for name, others in options.classes.items() for word in (name, *others)}

    @staticmethod
    def variables(options: Options) -> dict[str, Any]:
        return {"classes": list(options.classes)}

    @staticmethod
    def classes(options: Options) -> list[str]:
        return list(options.classes)

    @staticmethod
    def schema(options: Options) -> dict[str, Any]:
        return object_of({"label": {"type": "string", "enum": list(options.classes)}})

    def parse(self, reply: Reply, article: Article) -> Label:
        if kept_back := withheld(reply.finish_reason):
            return Label([], [], kept_back)
        line, status = clean_short(reply.text, max_words=_MOST_WORDS, finish_reason=reply.finish_reason)
        folded = _folded(reply.text[:_MOST_CHARS])
        exact = self._names.get(folded)
        if exact and not (status == "truncated" and self._may_become_another(folded, exact)):
            return Label([exact], [], "ok")
        named = self._named_in(line)
        if not named and status in ("ok", "unparseable"):
            named = self._named_in(reply.text[:_MOST_CHARS])
        if len(named) == 1:
            return Label(named, [], "ok")
        return Label([], [], "unparseable" if status == "ok" else status)

    def judge(self, reply: Reply, article: Article) -> str:
        return self.parse(reply, article).status

    def check(self, label: str) -> str | None:
        """Return the class that a person's word stands for, None where it is none of the set."""
        return self._names.get(_folded(label))

    def _may_become_another(self, beginning: str, exact: str) -> bool:
        """Tell whether a reply that was cut after a class's name may have been on its way to another: Art, Art history."""
        return any(word.startswith(beginning) and name != exact for word, name in self._names.items())

    def _named_in(self, line: str) -> list[str]:
        """Return the class that the line is; else those that it names in a sentence."""
        folded = _folded(line)
        if folded in self._names:
            return [self._names[folded]]
        if _DENIES.search(line):
            return []  # it may say what the article is not
        within = {name for word, name in self._names.items() if _stands_in(word, folded)}
        return sorted(within)


def _folded(word: str) -> str:
    """Return the word without case, width, spacing and punctuation, by which no class differs from another."""
    return " ".join(_WORDS.findall(fold_case(word).replace("_", " ")))


def _stands_in(word: str, text: str) -> bool:
    """Tell whether the text holds the word as a whole one; Korean and Japanese hang particles behind it."""
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        behind = text[end : end + 1]
        if (not at or text[at - 1] == " ") and (not behind or behind == " " or not behind.isascii()):
            return True
        at = text.find(word, at + 1)
    return False
