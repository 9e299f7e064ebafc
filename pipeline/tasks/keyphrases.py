"""Key phrases: up to seven short phrases that say what an article is about.

A reply as models really write it, and the label that it becomes::

    "1. 반도체 수출\\n2. 산업통상자원부\\n3. 수출 증가율"  ->  ["반도체 수출", "산업통상자원부", "수출 증가율"]
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.cleaner import clean_reply
from pipeline.config import Options as Base
from pipeline.records import Article, Label, Reply
from pipeline.text.tokens import Counter

VERSION = 1  # of the cleaner: a higher number cleans every reply again, for free


class Options(Base):
    max_phrases: Annotated[int, Field(gt=0, le=50)] = 7
    max_label_tokens: Annotated[int, Field(gt=0)] | None = 64
    absent: Literal["flag", "drop"] = "flag"


class Task:
    """`count` counts tokens, for `max_label_tokens` of the phrases joined by "; "."""

    def __init__(self, options: Options, count: Counter) -> None:
        self._options, self._count = options, count

    @staticmethod
    def variables(options: Options) -> dict[str, Any]:
        return {"max_phrases": options.max_phrases}

    def parse(self, reply: Reply, article: Article) -> Label:
        cleaned = clean_reply(
            reply.text,
            article.text,
            max_phrases=self._options.max_phrases,
            absent=self._options.absent,
            language=article.language,
            finish_reason=reply.finish_reason,
        )
        status: str = "refusal" if reply.finish_reason == "refusal" else cleaned.status
        phrases = self._within_tokens(cleaned.phrases) if status == "ok" else []
        if status == "ok" and not phrases:
            status = "label_too_long"
        cut = ["max_label_tokens"] if len(phrases) < len(cleaned.phrases) and status == "ok" else []
        return Label(phrases, cleaned.tiers[: len(phrases)], status, [*cleaned.repairs, *cut])

    def _within_tokens(self, phrases: list[str]) -> list[str]:
        """Without as many last phrases as it takes for the label to fit."""
        limit = self._options.max_label_tokens
        if limit is None or sum(len(phrase.encode()) + 2 for phrase in phrases) <= limit:
            return phrases  # a token is a byte at least
        while phrases and self._count(["; ".join(phrases)])[0] > limit:
            phrases = phrases[:-1]
        return phrases
