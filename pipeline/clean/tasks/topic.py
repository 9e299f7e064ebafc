"""Topic: one short label that says what an article is about, as the prompts of topic modelling ask for it.

A reply as models really write it, and the label that it becomes::

    "Topic: \"Environmental impacts of eating meat\"\n\nThis label captures ..."  ->  "Environmental impacts of eating meat"
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.cleaner.short import clean_topic
from pipeline.clean.prompt_constants import NO_PROMPT, Constants, asks_for_other_language
from pipeline.clean.tasks import object_of
from pipeline.core import contracts
from pipeline.core.options import Options as Base
from pipeline.core.text.folding import fold_case
from pipeline.core.text.tokens import Counter
from pipeline.core.types import Article, Label, LabelColumn, Reply

VERSION = 4
_UNSUPPORTED = "unsupported"  # as the cleaner says it of a topic that shares no word with its article
_WORD = re.compile(r"\w+")


class Options(Base):
    in_every_key = "max_words"
    max_words: Annotated[int, Field(gt=0, le=50)] = 6


class Task(contracts.Task):
    column = LabelColumn("topic", many=False)
    prompt = "topics/v1"

    def __init__(self, options: Options, count: Counter) -> None:
        self._options = options
        self._constants = NO_PROMPT
        self._language: str | None = None

    @staticmethod
    def variables(options: Options) -> dict[str, Any]:
        return {"max_words": options.max_words}

    @staticmethod
    def schema(options: Options) -> dict[str, Any]:
        return object_of({"topic": {"type": "string"}})

    def take_prompt(self, texts: Sequence[str], language: str | None) -> None:
        self._constants, self._language = Constants(texts), language

    def parse(self, reply: Reply, article: Article) -> Label:
        index = ArticleIndex(article.text, article.language) if article.text.strip() else None
        phrases, tiers, status, repairs = clean_topic(
            reply.text, index, self._constants, reply.finish_reason, self._options.max_words
        )
        if asks_for_other_language(self._language, article.text):
            repairs = []  # it can share no word with the article
        return Label(phrases, tiers, status, repairs)

    def shared(self, label: Label, article: Article) -> Label:
        """Flag a topic of a near-copy that names somebody, or a number, whom this article does not."""
        text = fold_case(article.text)
        is_lacking = any(word not in text for phrase in label.phrases for word in _names_in(phrase))
        if not is_lacking or _UNSUPPORTED in label.repairs or asks_for_other_language(self._language, article.text):
            return label
        return replace(label, repairs=[*label.repairs, _UNSUPPORTED])

    def judge(self, reply: Reply, article: Article) -> str:
        return self.parse(reply, article).status


def _names_in(topic: str) -> Iterator[str]:
    """Yield the words of a topic that name somebody or count something, folded: those with a digit, or a capital behind the first
    word of a topic that is not all in capitals and title case."""
    words = _WORD.findall(topic)
    others = [word for word in words[1:] if word.islower()]
    for number, word in enumerate(words):
        is_name = word[:1].isupper() and number > 0 and bool(others)
        if is_name or any(map(str.isdigit, word)):
            yield fold_case(word)
