"""A causal model (Llama, polyglot and kin, by name or folder) that goes on after an article with its label, fitted by Lightning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.core import contracts
from pipeline.core.types import Article, Example, LabelColumn, ScoredPhrase
from pipeline.train.generation.options import GenerationOptions
from pipeline.train.generation.student import Writer


class Options(GenerationOptions):
    """`max_input_tokens` counts all that the model reads, its label too; adapters of rank 16 in place of the whole model."""

    model: str = "Qwen/Qwen2.5-0.5B"
    lora: int = 16


class Student(contracts.Student):
    """One document of article, label and end, of which only the label is learned."""

    draws = 1

    def __init__(self, options: Options, column: LabelColumn, base: Path) -> None:
        self.validation = options.validation
        self._writer = Writer("clm", options, column, base)

    def check(self) -> None:
        self._writer.check()

    def fit(
        self, train: Sequence[Example], validation: Sequence[Example], run: contracts.TrainingRun
    ) -> dict[str, Any]:
        return self._writer.fit(train, validation, run)

    def save(self, folder: Path) -> None:
        self._writer.save(folder)

    def load(self, folder: Path) -> None:
        self._writer.load(folder)

    def predict(self, articles: Sequence[Article]) -> list[list[ScoredPhrase]]:
        return self._writer.predict(articles)
