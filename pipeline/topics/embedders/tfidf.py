"""Words by their frequency (TF-IDF), reduced to some dimensions: no model, no download, any language that has words."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from pipeline.core import contracts
from pipeline.core.embedder import EmbeddedText
from pipeline.core.errors import MissingExtra
from pipeline.core.options import Options as Base
from pipeline.topics.packages import check_installed
from pipeline.topics.threads import one_thread
from pipeline.topics.words import words_of

VERSION = 1
_LEARNT_FROM = 20_000  # articles: those with the smallest digests, a sample at random
_MOST_WORDS = 50_000
_FEWEST_ARTICLES = 2  # that have a word
_MOST_ARTICLES = 0.5  # a share
_SPARE, _ROUNDS = 16, 2  # of the randomised decomposition


class Options(Base):
    dimensions: Annotated[int, Field(ge=2, le=1000)] = 128
    characters: Annotated[int, Field(ge=1)] = 1500  # of an article, behind its title


class Embedder(contracts.Embedder):
    """Latent semantic analysis: the words' weights of an article, projected to the directions in which articles differ most."""

    batch = 4096
    alone = True
    apart = True

    def __init__(self, options: Any, folder: Path) -> None:
        self._options = options
        self.characters = options.characters
        self._state = b""
        self._columns: dict[str, int] = {}
        self._projection: Any = None
        self._whole = True

    @property
    def identity(self) -> dict[str, Any]:
        state = hashlib.sha256(self._state).hexdigest()
        return {"embedder": "tfidf", "version": VERSION, **self._options.model_dump(), "state": state}

    def examine(self) -> str:
        """Tell that its packages are there.  Raises MissingExtra."""
        check_installed()
        return "ready; it learns from the job's articles"

    def fit(self, texts: Iterable[EmbeddedText]) -> bytes:
        counts = [Counter(words_of(*given, self._whole)) for given in islice(texts, _LEARNT_FROM)]
        in_articles = Counter(word for words in counts for word in words)
        most = max(_MOST_ARTICLES * len(counts), _FEWEST_ARTICLES)
        kept = [pair for pair in in_articles.items() if _FEWEST_ARTICLES <= pair[1] <= most]
        kept = sorted(kept, key=lambda pair: (-pair[1], pair[0]))[:_MOST_WORDS]
        words = sorted(word for word, _ in kept)
        weights = np.array([1 + np.log((1 + len(counts)) / (1 + in_articles[word])) for word in words])
        projection = _directions(
            _matrix(counts, {word: n for n, word in enumerate(words)}), weights, self._options.dimensions
        )
        file = io.BytesIO()
        np.savez(file, words=np.array("\n".join(words).encode()), projection=projection, whole=np.array(self._whole))
        return file.getvalue()

    def load(self, state: bytes) -> None:
        self._state = state
        with np.load(io.BytesIO(state), allow_pickle=False) as read:
            words, self._projection = read["words"].item().decode(), read["projection"]
            # by what an earlier program learnt texts are read as it read them
            self._whole = "whole" in read
        self._columns = {word: number for number, word in enumerate(words.split("\n") if words else ())}

    def embed(self, texts: Sequence[EmbeddedText]) -> np.ndarray[Any, Any]:
        matrix = _matrix((Counter(words_of(*given, self._whole)) for given in texts), self._columns)
        vectors: np.ndarray[Any, Any] = np.asarray(matrix @ self._projection, np.float32)
        return vectors


def _matrix(counts: Iterable[Counter[str]], columns: dict[str, int]) -> Any:
    """Return the articles' words as a sparse matrix of damped counts, each row of length one."""
    try:
        from scipy.sparse import csr_matrix
    except ImportError as error:
        raise MissingExtra("topics", "topics") from error
    values: list[np.ndarray[Any, Any]] = []
    numbers: list[int] = []
    ends = [0]
    for words in counts:
        own = sorted((columns[word], count) for word, count in words.items() if word in columns)
        damped = 1 + np.log(np.array([count for _, count in own], np.float64))
        values.append(damped / max(float(np.linalg.norm(damped)), 1e-12))
        numbers += [number for number, _ in own]
        ends.append(len(numbers))
    data = np.concatenate(values) if values else np.zeros(0)
    return csr_matrix((data, np.array(numbers, np.int32), ends), (len(ends) - 1, len(columns)))


def _directions(matrix: Any, weights: np.ndarray[Any, Any], dimensions: int) -> np.ndarray[Any, Any]:
    """Return the projection of words: their weights times the leading right singular vectors (Halko et al., with a fixed seed)."""
    weighted = matrix.multiply(weights[None, :]).tocsr() if len(weights) else matrix
    rank = min(dimensions, *weighted.shape)
    if rank < 1:
        return np.zeros((len(weights), 1), np.float32)
    with one_thread():
        start = np.random.default_rng(0).standard_normal((weighted.shape[1], min(rank + _SPARE, *weighted.shape)))
        basis = np.linalg.qr(weighted @ start)[0]
        for _ in range(_ROUNDS):
            basis = np.linalg.qr(weighted @ np.linalg.qr(weighted.T @ basis)[0])[0]
        _, _, right = np.linalg.svd((weighted.T @ basis).T, full_matrices=False)
    return np.asarray(weights[:, None] * right[:rank].T, np.float32)
