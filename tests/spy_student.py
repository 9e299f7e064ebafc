"""A student that notes what it is given to learn from, and takes the eval files of a version away for as long as it learns."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.core import contracts
from pipeline.core.options import Options as Base
from pipeline.core.types import Article, Example, LabelColumn, ScoredPhrase


class Options(Base):
    """`notes`: a file to which it appends how many rows each training has; where the one beside it, with `.end`, says as many
    trainings, it ends there; `version`: a folder of which eval is out of reach."""

    notes: str
    version: str | None = None


class Student(contracts.Student):
    """The most frequent label of train, for every article."""

    def __init__(self, options: Options, column: LabelColumn, base: Path) -> None:
        self._options, self._label = options, list[str]()

    def fit(
        self, train: Sequence[Example], validation: Sequence[Example], run: contracts.TrainingRun
    ) -> dict[str, Any]:
        notes, end = Path(self._options.notes), Path(f"{self._options.notes}.end")
        if end.exists() and notes.exists() and len(notes.read_text().split()) == int(end.read_text()):
            raise KeyboardInterrupt
        with notes.open("a") as file:
            file.write(f"{len(train)}\n")
        self._move(".parquet", ".away")
        self._label = list(Counter(one.phrases for one in train).most_common(1)[0][0])
        return {}

    def save(self, folder: Path) -> None:
        (folder / "label.json").write_text(json.dumps(self._label))
        self._move(".away", ".parquet")

    def load(self, folder: Path) -> None:
        self._label = json.loads((folder / "label.json").read_text())

    def predict(self, articles: Sequence[Article]) -> list[list[ScoredPhrase]]:
        return [[ScoredPhrase(phrase, 1.0) for phrase in self._label] for _ in articles]

    def _move(self, suffix: str, to: str) -> None:
        for file in Path(self._options.version).glob(f"data/eval-*{suffix}") if self._options.version else ():
            file.rename(file.with_suffix(to))
