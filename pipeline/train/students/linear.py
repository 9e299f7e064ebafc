"""A linear head for topics and classes, on weighted words or on an embedder's vectors: one label an article, or several.

An article is its words (in Korean, Chinese and Japanese pairs of characters), each by how often it comes and how rare it is in
train (TF-IDF, of length one), or, with `embedder`, one vector.  Logistic regression weighs them; it is fitted by scikit-learn, and
applied without it.
"""

from __future__ import annotations

import io
import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipeline.core import contracts, plugins
from pipeline.core.errors import InputError, MissingExtra, ModelError
from pipeline.core.files import read_json, write_bytes, write_json
from pipeline.core.options import Options as Base
from pipeline.core.types import Article, Example, LabelColumn, ScoredPhrase
from pipeline.train.article_vectors import ArticleVectors, embedder_of

_HEAD, _WEIGHTS = "head.json", "weights.npz"
_WORD = re.compile(r"[^\W\d_]{2,}|\d{4}")
_CJK = re.compile("[ぁ-ヿ一-鿿가-힣]+")
_FEWEST = 2  # articles of a word that counts
_Numbers = npt.NDArray[np.float64]


class Options(Base):
    """`strength`: the inverse of the penalty on weights; `words`: the most words that count, the most frequent ones; `likely`: from
    how likely on a class is given, where an article may have several; `embedder`: vectors in place of words, as `topics.embed` has
    them (`embedded`, `{type: sentence-transformers, model: ...}`)."""

    strength: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10.0
    words: Annotated[int, Field(gt=0)] = 50_000
    likely: Annotated[float, Field(gt=0, lt=1)] = 0.5
    embedder: str | dict[str, Any] | None = None


class Student(contracts.Student):
    """Logistic regression over weighted words, or over vectors."""

    def __init__(self, options: Options, column: LabelColumn, base: Path) -> None:
        self._options, self._many = options, column.many
        self._vectors = ArticleVectors(options.embedder, base) if options.embedder is not None else None
        self._classes: list[str] = []
        self._rarity: dict[str, tuple[int, float]] = {}  # word -> (its column, how rare it is)
        self._weights: _Numbers = np.zeros((0, 0))  # [classes, words + 1], the last of which is always there

    @classmethod
    def refusal(cls, column: LabelColumn) -> str | None:
        if column.has_tiers:
            return "linear learns topics and classes; phrases of a text are for --student ranker"
        return (
            "linear learns topics and classes, no JSON; --student seq2seq writes it"
            if column.schema is not None
            else None
        )

    @classmethod
    def imports(cls, options: Options) -> tuple[str, ...]:
        name = embedder_of(options.embedder).plugin if options.embedder is not None else ""
        return () if not name or name in plugins.names("embedders") else (name,)

    def models(self) -> dict[str, Path]:
        return self._vectors.models if self._vectors else {}

    def check(self) -> None:
        try:
            import sklearn.linear_model  # noqa: F401
        except ImportError as error:
            raise MissingExtra("the student linear", "train") from error
        self.pretrained()

    def pretrained(self) -> dict[str, Any]:
        vectors = self._vectors
        return {"embedder": vectors.identity} if vectors and not vectors.learns else {}

    def fit(
        self, train: Sequence[Example], validation: Sequence[Example], run: contracts.TrainingRun
    ) -> dict[str, Any]:
        self._classes = sorted({phrase for example in train for phrase in example.phrases})
        flags = np.asarray([[name in example.phrases for name in self._classes] for example in train])
        with run.progress("train", None, "classes"):
            rows = self._rows_to_fit([example.article for example in train])
            self._weights = _fitted(rows, flags, self._many, self._options.strength)
        size = {"words": len(self._rarity)} if self._vectors is None else {"dimensions": rows.shape[1] - 1}
        return {"classes": len(self._classes), **size}

    def _rows_to_fit(self, articles: Sequence[Article]) -> Any:
        """Return the articles as rows of a matrix, once what makes rows of articles has learned from them."""
        if self._vectors is not None:
            self._vectors.fit(articles)
            return self._vectors.rows(articles)
        words = [_words(article) for article in articles]
        self._rarity = _rarity(words, self._options.words)
        if not self._rarity:
            raise InputError(f"no word is in two of the articles of train ({len(articles):,}); label more of them")
        return _matrix([self._weighed(counts) for counts in words], len(self._rarity) + 1)

    def save(self, folder: Path) -> None:
        write_json(
            folder / _HEAD,
            {"classes": self._classes, "words": {word: rare for word, (_, rare) in self._rarity.items()}},
        )
        buffer = io.BytesIO()
        np.savez(buffer, weights=self._weights)
        write_bytes(folder / _WEIGHTS, buffer.getvalue())
        if self._vectors is not None:
            self._vectors.save(folder)

    def load(self, folder: Path) -> None:
        try:
            head = read_json(folder / _HEAD)
            with np.load(folder / _WEIGHTS, allow_pickle=False) as stored:
                self._weights = stored["weights"]
            self._classes = head["classes"]
            self._rarity = {word: (number, rare) for number, (word, rare) in enumerate(head["words"].items())}
        except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise ModelError(
                f"{folder}: no linear head is in it, or a damaged one ({error}); train it again"
            ) from error
        width = len(self._rarity) + 1 if self._vectors is None else self._weights.shape[-1]
        if self._weights.shape != (len(self._classes), width):
            raise ModelError(f"{folder}: its weights are of another head; train it again")
        if self._vectors is not None:
            self._vectors.load(folder)

    def predict(self, articles: Sequence[Article]) -> list[list[ScoredPhrase]]:
        if self._vectors is not None:
            return [self._label(self._weights @ row) for row in self._vectors.rows(articles)]
        weighed = (self._weighed(_words(article)) for article in articles)
        return [self._label(self._weights[:, columns] @ np.asarray(values)) for columns, values in weighed]

    def _label(self, odds: _Numbers) -> list[ScoredPhrase]:
        if self._many:
            return self._several(1 / (1 + np.exp(-odds)))
        shifted = np.exp(odds - odds.max())
        return self._best(shifted / shifted.sum())

    def _several(self, likely: _Numbers) -> list[ScoredPhrase]:
        order = np.argsort(-likely, kind="stable")
        chosen = [number for rank, number in enumerate(order) if not rank or likely[number] >= self._options.likely]
        return [ScoredPhrase(self._classes[number], round(float(likely[number]), 4)) for number in chosen]

    def _best(self, likely: _Numbers) -> list[ScoredPhrase]:
        number = int(likely.argmax())
        return [ScoredPhrase(self._classes[number], round(float(likely[number]), 4))]

    def _weighed(self, words: Counter[str]) -> tuple[list[int], list[float]]:
        """Return the columns of an article's words, with the one that is always there, and what stands in them."""
        weighed = {
            self._rarity[w][0]: (1 + math.log(n)) * self._rarity[w][1] for w, n in words.items() if w in self._rarity
        }
        length = math.sqrt(sum(value**2 for value in weighed.values())) or 1.0
        return [*weighed, len(self._rarity)], [*(value / length for value in weighed.values()), 1.0]


def _matrix(rows: Sequence[tuple[list[int], list[float]]], width: int) -> Any:
    """Return rows of columns and values as a sparse matrix."""
    from scipy.sparse import csr_matrix

    ends = np.cumsum([0, *(len(columns) for columns, _ in rows)])
    columns, values = ([one for row in rows for one in row[rank]] for rank in (0, 1))
    return csr_matrix((values, columns, ends), shape=(len(rows), width))


def _words(article: Article) -> Counter[str]:
    text = article.text.casefold()
    pairs = (run[at : at + 2] for run in _CJK.findall(text) for at in range(max(1, len(run) - 1)))
    return Counter([*_WORD.findall(_CJK.sub(" ", text)), *pairs])


def _rarity(words: Sequence[Counter[str]], most: int) -> dict[str, tuple[int, float]]:
    """Return for the words that count their column and how rare they are, by articles."""
    spread = Counter(word for counts in words for word in counts)
    kept = sorted(word for word, count in spread.most_common(most) if count >= _FEWEST)
    return {word: (number, 1 + math.log((1 + len(words)) / (1 + spread[word]))) for number, word in enumerate(kept)}


def _fitted(rows: Any, flags: npt.NDArray[np.bool_], many: bool, strength: float) -> _Numbers:
    """Return the weights [classes, words + 1]; of one class alone, and of one that all articles have, there is nothing to tell."""
    from sklearn.linear_model import LogisticRegression

    def fit(target: Any) -> _Numbers:
        model = LogisticRegression(C=strength, max_iter=2000, fit_intercept=False)
        weights: _Numbers = model.fit(rows, target).coef_
        return weights

    if many:
        return np.concatenate([fit(flag) if not flag.all() else _always(rows.shape[1]) for flag in flags.T])
    if flags.shape[1] == 1:
        return _always(rows.shape[1])
    weights = fit(flags.argmax(axis=1))
    return np.concatenate([-weights, weights]) / 2 if flags.shape[1] == 2 else weights  # of two classes it has one row


def _always(width: int) -> _Numbers:
    weights = np.zeros((1, width))
    weights[0, -1] = 10.0
    return weights
