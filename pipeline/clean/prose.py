"""Prose: a free text as a reply, such as background knowledge that a later prompt reads (`label.before`).

It is no task of a job's: there is nothing to publish.  The labelling stage makes it as it makes tasks, to judge such replies
and to take them out of what models put around an answer.
"""

from __future__ import annotations

import re
from typing import Any

from pipeline.clean.cleaner.envelope import without_reasoning
from pipeline.clean.cleaner.statuses import status_of_opening
from pipeline.core import contracts
from pipeline.core.options import Options as Base
from pipeline.core.text.tokens import Counter
from pipeline.core.types import Article, Label, LabelColumn, Reply

_END = re.compile(r"<[|｜][^<>\s]{1,40}[|｜]>|</?s>|<(?:start|end)_of_turn>")  # tokens of chat templates
_FENCED = re.compile(r"```\w*\n(.*?)\n?```", re.DOTALL)


class Options(Base):
    """Nothing can be chosen."""


class Task(contracts.Task):
    column = LabelColumn("text", many=False)
    prompt = "background/v1"

    def __init__(self, options: Options, count: Counter) -> None:
        """Take nothing: a text is bounded by what the endpoint may generate."""

    @staticmethod
    def variables(options: Options) -> dict[str, Any]:
        return {}

    def parse(self, reply: Reply, article: Article) -> Label:
        """Return the text without reasoning, template tokens and a fence around it; one that begins by refusing is none."""
        text, unfinished = prose_of(reply.text)
        if not any(map(str.isalnum, text)):
            return Label([], [], "truncated" if unfinished else "empty")
        if status := status_of_opening(text, None):
            return Label([], [], status)
        return Label([text], [], "ok")


def prose_of(raw: str) -> tuple[str, bool]:
    """Return the text of a reply, and whether its reasoning has no end; within the text nothing changes."""
    text, unfinished = without_reasoning(raw)
    turns = (part.strip() for part in _END.split(text))
    text = next((part for part in turns if part), "")
    fenced = _FENCED.fullmatch(text)
    return (fenced[1].strip() if fenced else text), unfinished
