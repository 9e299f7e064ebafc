"""Topic: one short label that says what an article is about, as the prompts of topic modelling ask for it.

A reply as models really write it, and the label that it becomes::

    "Topic: \"Environmental impacts of eating meat\"\n\nThis label captures ..."  ->  "Environmental impacts of eating meat"
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from pipeline.clean.cleaner.presence import ArticleIndex
from pipeline.clean.cleaner.short import clean_topic
from pipeline.clean.prompt_constants import NO_PROMPT, Constants, asks_for_other_language
from pipeline.clean.tasks import object_of
from pipeline.core import contracts
from pipeline.core.options import Options as Base
from pipeline.core.text.tokens import Counter
from pipeline.core.types import Article, Label, LabelColumn, Reply

VERSION = 3


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

    def judge(self, reply: Reply, article: Article) -> str:
        return self.parse(reply, article).status
