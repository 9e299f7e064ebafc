"""A student labels: a model that `labelmill train` made, in this process and for nothing.

`label.model` is its folder (`<job>/students/<name>-<version>`, or a copy of it).  Labels say `label_source: student`; the reply in
the ledger has the score of each phrase.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.core import contracts, trained
from pipeline.core.errors import ConfigError
from pipeline.core.files import digest_of
from pipeline.core.options import Options as Base
from pipeline.core.types import LabelColumn, Reply, Request, ScoredPhrase
from pipeline.job.label_options import LabelOptions

VERSION = 1  # of the form of replies


class Options(Base):
    """`student`: the module of a student of your own (`my.module`), for what a folder names is not imported on its word.

    Nothing else is set of a student here: it labels as it was trained.
    """

    student: str | None = None


class Provider(contracts.Provider):
    """A trained student."""

    uses_prompt = False
    repeats = True
    label_source = "student"

    def __init__(self, label: LabelOptions, options: Options) -> None:
        if not label.model:
            raise ConfigError(
                "label.model: give the folder of a student, as labelmill train makes it: jobs/NAME/students/ranker-1.0.0"
            )
        self._asked_for, self._task, self._own = label.model, label.task, options.student
        self.model: str = label.model  # once it is identified, with a digest: for people
        self._folder = Path()
        self._manifest: dict[str, Any] = {}
        self._student: contracts.Student | None = None

    def identify(self, base: Path, memory: Path, refresh: bool) -> None:
        """Read which student it is.  Raises ModelError for a folder that holds none, ConfigError for one of another task."""
        self._folder = base / self._asked_for
        self._manifest = trained.read_manifest(self._folder)
        if self._manifest["task"] != self._task:
            raise ConfigError(
                f"label.model: {self._asked_for} has learned {self._manifest['task']}, label.task is {self._task}"
            )
        self.model = f"{self._folder.name}@{digest_of(self.identity)[:12]}"

    @property
    def identity(self) -> dict[str, Any]:
        """The digest of the weights, and what turns them into labels; where they lie changes no label."""
        method = {name: self._manifest[name] for name in ("student", "method", "options", "label")}
        return {"version": VERSION, "weights": digest_of(self._manifest["weights"]), **method}

    def examine(self, base: Path) -> str:
        """Return what the student learned from.  Raises ModelError."""
        self.identify(base, base, False)
        data = self._manifest["data"]
        return f"{self.model}, trained on {data['train']:,} rows of {data['job']} {data['version']}"

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        """Label a batch.  Raises ModelError where the weights are not those of the manifest, MissingExtra."""
        if self._student is None:
            trained.weights_digest(self._folder)  # whose labels these are stands in a version
            self._student = trained.load(self._folder, self._own)
        labels = self._student.predict([request.article for request in requests])
        column = LabelColumn(**self._manifest["label"])
        return [Reply(_written(label, column), "stop", self.model) for label in labels]


def _written(label: Sequence[ScoredPhrase], column: LabelColumn) -> str:
    """Return a label as a reply: phrases with their scores, a JSON label as it is."""
    if column.schema is not None:
        return label[0].text if label else ""
    if column.many and not column.has_tiers:
        written = {column.name: [phrase.text for phrase in label], "scores": [phrase.score for phrase in label]}
        return json.dumps(written, ensure_ascii=False)
    return json.dumps([{"phrase": phrase.text, "score": phrase.score} for phrase in label], ensure_ascii=False)
