"""Key phrases: up to seven short phrases that say what an article is about.

A reply as models really write it, and the label that it becomes::

    "1. 반도체 수출\\n2. 산업통상자원부\\n3. 수출 증가율"  ->  ["반도체 수출", "산업통상자원부", "수출 증가율"]
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.clean.cleaner import clean_reply
from pipeline.clean.cleaner.closing import is_cut
from pipeline.clean.prompt_constants import NO_PROMPT, Constants, asks_for_other_language
from pipeline.clean.tasks import object_of
from pipeline.core import contracts
from pipeline.core.options import Options as Base
from pipeline.core.text import kiwi
from pipeline.core.text.tokens import Counter
from pipeline.core.types import Article, Label, LabelColumn, Reply

_BETWEEN = re.compile(r"[;,\n]")
_STOPS = tuple(".!?。")
_AROUND = " \t\r-*•·.\"'0123456789)("
VERSION = 5  # of the cleaner: a higher number cleans every reply again, for free


class Options(Base):
    in_every_key = "max_phrases max_label_tokens too_long korean absent"
    max_phrases: Annotated[int, Field(gt=0, le=50)] = 7
    max_label_tokens: Annotated[int, Field(gt=0)] | None = 64
    too_long: Literal["cut", "reject"] = "cut"  # a longer label loses last phrases, or is none
    korean: Literal["rules", "kiwi"] = "rules"  # how inflected Korean words are analysed
    absent: Literal["flag", "drop", "keep"] = "flag"  # keep: also a label that shares no word with its article


class Task(contracts.Task):
    """`count` counts tokens, for `max_label_tokens` of the phrases joined by "; "."""

    column = LabelColumn("keyphrases", many=True)
    prompt = "keyphrases/v1"

    def __init__(self, options: Options, count: Counter) -> None:
        self._options, self._count = options, count
        self._constants = NO_PROMPT
        self._language: str | None = None
        if options.korean == "kiwi":
            kiwi.analyser()

    @staticmethod
    def variables(options: Options) -> dict[str, Any]:
        return {"max_phrases": options.max_phrases}

    @staticmethod
    def max_phrases(options: Options) -> int:
        return options.max_phrases

    @staticmethod
    def schema(options: Options) -> dict[str, Any]:
        phrases = {"type": "array", "items": {"type": "string"}, "maxItems": options.max_phrases}
        return object_of({"keyphrases": phrases})

    def take_prompt(self, texts: Sequence[str], language: str | None) -> None:
        self._constants, self._language = Constants(texts), language

    def parse(self, reply: Reply, article: Article) -> Label:
        absent = self._absent(article)
        cleaned = clean_reply(
            reply.text,
            article.text,
            max_phrases=self._options.max_phrases,
            absent=absent,
            language=article.language,
            finish_reason=reply.finish_reason,
            korean=self._options.korean,
            prompt=self._constants,
        )
        status: str = cleaned.status
        phrases = self._within_tokens(cleaned.phrases) if status == "ok" else []
        if len(phrases) < len(cleaned.phrases) and self._options.too_long == "reject":
            phrases = []
        if status == "ok" and not phrases:
            status = "label_too_long"
        cut = ["max_label_tokens"] if len(phrases) < len(cleaned.phrases) and status == "ok" else []
        return Label(phrases, cleaned.tiers[: len(phrases)], status, [*cleaned.repairs, *cut])

    def judge(self, reply: Reply, article: Article) -> str:
        """Return what a reply is worth, quickly: `ok`, `truncated`, `empty`, ..., or `absent` where the article lacks most phrases.

        A plain list of phrases that the article holds needs no parsing; anything else gets it, so that what cleaning will
        reject is asked about again, and so does a sentence, which may be the article's own.
        """
        if is_cut(reply.finish_reason, reply.text):
            return "truncated"
        parts = [part.strip(_AROUND) for part in _BETWEEN.split(reply.text)]
        is_plain = reply.text.rstrip()[-1:] not in _STOPS and any(parts) and reply.text.strip() not in article.text
        if is_plain and all(1 < len(part) < 60 and part in article.text for part in parts if part):
            return "ok"
        label = self.parse(reply, article)
        if label.status != "ok":
            return label.status
        mostly_absent = 2 * label.tiers.count("absent") > len(label.tiers)
        return "absent" if mostly_absent and self._absent(article) != "keep" else "ok"

    def shared(self, label: Label, article: Article) -> Label:
        """Drop the phrases that the article lacks; where no article need have its phrases (`absent: keep`), none can be checked."""
        if self._absent(article) == "keep" or "absent" not in label.tiers:
            return label
        kept = [number for number, tier in enumerate(label.tiers) if tier != "absent"]
        if not kept:
            return Label([], [], "shared_absent", label.repairs, "the text has no phrase of the label that it shares;")
        phrases, tiers = [label.phrases[number] for number in kept], [label.tiers[number] for number in kept]
        return Label(phrases, tiers, label.status, [*label.repairs, "shared_dropped"])

    def _absent(self, article: Article) -> Literal["flag", "drop", "keep"]:
        """Return what becomes of absent phrases; a label in another language than its article's can share no word with it."""
        other = self._options.absent == "flag" and asks_for_other_language(self._language, article.text)
        return "keep" if other else self._options.absent

    def _within_tokens(self, phrases: list[str]) -> list[str]:
        """Drop as many last phrases as it takes for the label to fit into `max_label_tokens`."""
        limit = self._options.max_label_tokens
        if limit is None or sum(len(phrase.encode()) + 2 for phrase in phrases) <= limit:
            return phrases  # a token is a byte at least
        while phrases and self._count(["; ".join(phrases)])[0] > limit:
            phrases = phrases[:-1]
        return phrases
