"""Topic: one short label that says what an article is about, as the prompts of topic modelling ask for it.

A reply as models really write it, and the label that it becomes::

    "Topic: \"Environmental impacts of eating meat\"\n\nThis label captures ..."  ->  "Environmental impacts of eating meat"
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from pipeline.clean.cleaner import clean_short
from pipeline.clean.tasks import object_of
from pipeline.core import contracts
from pipeline.core.options import Options as Base
from pipeline.core.text.tokens import Counter
from pipeline.core.types import Article, Label, LabelColumn, Reply

VERSION = 1


class Options(Base):
    in_every_key = "max_words"
    max_words: Annotated[int, Field(gt=0, le=50)] = 6


class Task(contracts.Task):
    column = LabelColumn("topic", many=False)
    prompt = "topics/v1"

    def __init__(self, options: Options, count: Counter) -> None:
        self._options = options

    @staticmethod
    def variables(options: Options) -> dict[str, Any]:
        return {"max_words": options.max_words}

    @staticmethod
    def schema(options: Options) -> dict[str, Any]:
        return object_of({"topic": {"type": "string"}})

    def parse(self, reply: Reply, article: Article) -> Label:
        label, status = clean_short(reply.text, max_words=self._options.max_words, finish_reason=reply.finish_reason)
        return Label([label] if status == "ok" else [], [], status)

    def judge(self, reply: Reply, article: Article) -> str:
        return self.parse(reply, article).status
