"""A model that reads an article and writes its label (T5, BART and kin, by name or folder), fitted by PyTorch Lightning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.core import contracts
from pipeline.core.types import Article, Example, LabelColumn, ScoredPhrase
from pipeline.train.generation.options import GenerationOptions
from pipeline.train.generation.student import Writer


class Options(GenerationOptions):
    """Limits as the project's origin had them: 1,024 tokens of article, 64 of label."""

    model: str = "google-t5/t5-small"


class Student(contracts.Student):
    """An encoder reads, a decoder writes."""

    draws = 1

    def __init__(self, options: Options, column: LabelColumn, base: Path) -> None:
        self.validation = options.validation
        self._writer = Writer("seq2seq", options, column, base)

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
