"""Articles as vectors of an embedder, for a student that weighs them; what the embedder has learned is kept with the student."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core import contracts, plugins, trained
from pipeline.core.embedder import EmbeddedText
from pipeline.core.errors import ConfigError, ModelError
from pipeline.core.files import read_json, write_bytes, write_json
from pipeline.core.types import Article
from pipeline.job.topic_options import EmbedderSpec
from pipeline.job.validation import check
from pipeline.topics.texts import head

_WHERE = "train.parameters.embedder"
_STATE, _IDENTITY, _MODEL = "embedder.bin", "embedder.json", "embedder"
Vectors = npt.NDArray[np.float64]


def embedder_of(given: str | dict[str, Any]) -> EmbedderSpec:
    """Return the embedder that an option names."""
    return EmbedderSpec(**({"type": given} if isinstance(given, str) else {"type": "embedded"} | given))


class ArticleVectors:
    """One vector an article, of length one, with a 1 behind it."""

    def __init__(self, given: str | dict[str, Any], base: Path) -> None:
        """Take an embedder's name, or `{type: name, ...}`.  Raises ConfigError."""
        spec = embedder_of(given)
        self._name, self._state = spec.plugin, b""
        try:
            module = plugins.load("embedders", self._name)
        except ConfigError as error:
            raise ConfigError(f"{_WHERE}: {error}") from error
        if module.Embedder.is_asked():
            raise ConfigError(
                f"{_WHERE}: {spec.type} asks an endpoint for each article, and a student labels by itself; take embedded, tfidf or "
                "sentence-transformers"
            )
        self._options = check(module.Options, spec.values, _WHERE)
        self._model = base / str(spec.values.get("model", ""))  # a folder, or nothing of the kind
        self._embedder = self._made(self._options, base)

    def _made(self, options: Any, base: Path) -> contracts.Embedder:
        embedder = plugins.create("embedders", self._name, options, base)
        embedder.section = _WHERE
        return embedder

    @property
    def _has_folder(self) -> bool:
        return "model" in type(self._options).model_fields and self._model.is_dir()

    @property
    def models(self) -> dict[str, Path]:
        """Return the model's folder by its option, where it is one."""
        return {f"{_WHERE}: model": self._model} if self._has_folder else {}

    @property
    def identity(self) -> dict[str, Any]:
        """Return what tells its vectors from others.  Raises ModelError, MissingExtra where it cannot embed."""
        return self._embedder.identity

    @property
    def learns(self) -> bool:
        """Return whether it is fitted to the articles of train."""
        return type(self._embedder).fits()

    def fit(self, articles: Sequence[Article]) -> None:
        if self.learns:
            self._state = self._embedder.fit(self._texts(articles))
            self._embedder.load(self._state)

    def rows(self, articles: Sequence[Article]) -> Vectors:
        """Return [articles, dimensions + 1]; an article that says nothing has zeros before its 1."""
        size = self._embedder.batch
        texts = self._texts(articles)
        parts = [self._embedder.embed(texts[at : at + size]) for at in range(0, len(texts), size)]
        vectors = np.concatenate(parts).astype(np.float64) if parts else np.zeros((0, 0))
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.hstack([vectors / np.maximum(lengths, 1e-12), np.ones((len(vectors), 1))])

    def save(self, folder: Path) -> None:
        """Write all that `load` needs, a model that is a folder of the user's too: a student may be moved."""
        write_json(folder / _IDENTITY, self.identity)
        if self._has_folder:
            trained.check_apart(self._model, folder, f"{_WHERE}: model")
            shutil.copytree(self._model, folder / _MODEL)
        if self.learns:
            write_bytes(folder / _STATE, self._state)

    def load(self, folder: Path) -> None:
        """Take what `save` wrote.  Raises ModelError where the embedder here makes other vectors."""
        if (folder / _MODEL).is_dir():
            options = self._options.model_copy(update={"model": _MODEL})
            self._embedder = self._made(options, folder)
        if self.learns:
            try:
                self._state = (folder / _STATE).read_bytes()
                self._embedder.load(self._state)
            except (OSError, ValueError, KeyError) as error:
                raise ModelError(
                    f"{folder}: what its embedder learned cannot be read ({error}); train it again"
                ) from error
        if read_json(folder / _IDENTITY) != self.identity:
            raise ModelError(f"{folder}: its embedder ({self._name}) makes other vectors here; train it again")

    def _texts(self, articles: Sequence[Article]) -> list[EmbeddedText]:
        characters = self._embedder.characters
        return [EmbeddedText(head(one.title, one.text, characters), one.language) for one in articles]
