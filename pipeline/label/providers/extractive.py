"""The embedded labeller: key phrases out of the article itself, without a model, a key or a network.

Candidates, corpus statistics, position and diversity (see `pipeline.label.extractive`).  Useful as it is, as a baseline for a
model's labels and as a generator of candidates.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import Field

from pipeline.core import contracts
from pipeline.core.errors import ConfigError
from pipeline.core.options import Options as Base
from pipeline.core.options import in_key
from pipeline.core.types import Article, Reply, Request
from pipeline.job.config import LabelOptions
from pipeline.label.extractive import Statistics, extract, fit

VERSION = 1  # of the method: a higher number gives other phrases


class Options(Base):
    """The most phrases of an article."""

    in_every_key = "phrases"
    phrases: Annotated[int, Field(gt=0, le=50)] = 10


class Provider(contracts.Provider):
    """Key phrases that the article itself holds."""

    uses_prompt = False

    def __init__(self, label: LabelOptions, options: Options) -> None:
        if label.task in ("topic", "classes"):
            raise ConfigError(
                f"label.provider: extractive finds key phrases, no {label.task}; set label.provider: openai"
            )
        self._options = options
        self._statistics: Statistics | None = None

    def fit(self, articles: Iterable[Article]) -> bytes:
        """Return corpus statistics over the job's articles, as bytes to keep."""
        return fit((article.text, article.language) for article in articles).to_bytes()

    def load(self, state: bytes) -> None:
        """Take the statistics that `fit` returned."""
        self._statistics = Statistics.from_bytes(state)

    @property
    def identity(self) -> dict[str, Any]:
        """The method's version, the statistics, and the options."""
        assert self._statistics is not None, "load() comes first"
        return {"version": VERSION, "statistics": self._statistics.digest, **in_key(self._options)}

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        """Return a JSON list of phrases for each article."""
        return [Reply(json.dumps(self._extract(request.article), ensure_ascii=False), "stop") for request in requests]

    def _extract(self, article: Article) -> list[str]:
        assert self._statistics is not None, "load() comes first"
        return extract(
            article.text,
            title=article.title,
            language=article.language,
            statistics=self._statistics,
            limit=self._options.phrases,
        )
