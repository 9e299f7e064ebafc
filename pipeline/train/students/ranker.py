"""A learned ranker over the embedded labeller's candidates: boosted trees, minutes on a processor, nothing to download.

It learns which candidates are in a label (by form, place, frequency, and what other labels showed of their words), how likely a
phrase must be and how many there are at most.  Phrases that the article does not have it cannot give.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipeline.core import contracts
from pipeline.core.errors import InputError, ModelError
from pipeline.core.files import read_json, write_bytes, write_json
from pipeline.core.options import Options as Base
from pipeline.core.types import Article, Example, LabelColumn, ScoredPhrase
from pipeline.train.ranking import candidates as candidate_features
from pipeline.train.ranking import choice, corpus, trees, word_odds
from pipeline.train.ranking.candidates import ArticleCandidates, Matrix, candidates_of
from pipeline.train.ranking.corpus import FOLDS, Corpus
from pipeline.train.ranking.trees import Trees
from pipeline.train.ranking.word_odds import WordOdds

_TREES, _WORDS, _RULE = "trees.npz", "words.json", "rule.json"
_FEW = 10  # right candidates, below which trees are noise
_TOGETHER = 64  # articles whose candidates go through the trees at once


class Options(Base):
    """`phrases`: the most phrases of a label; null: as the labels of train have it."""

    phrases: Annotated[int, Field(gt=0, le=50)] | None = None


class Student(contracts.Student):
    """Boosted trees over candidate phrases."""

    def __init__(self, options: Options, column: LabelColumn, base: Path) -> None:
        self._options = options
        self._wide = False
        self._trees: Trees | None = None
        self._odds = WordOdds({})
        self._choice = choice.Choice(0.5, 1, False)

    @classmethod
    def refusal(cls, column: LabelColumn) -> str | None:
        if column.has_tiers:
            return None
        return f"ranker finds phrases in a text, no {column.name}; --student linear learns classes, seq2seq any label"

    def check(self) -> None:
        trees.check_installed()

    def fit(
        self, train: Sequence[Example], validation: Sequence[Example], run: contracts.TrainingRun
    ) -> dict[str, Any]:
        self._wide = corpus.is_wide(train)
        read = corpus.read(train, self._wide, run)
        _check(read, len(train))
        likely, odds = self._held_out(read, run)
        judged = [
            choice.JudgedArticle(one.words, part, right, size)
            for one, part, right, size in zip(read.candidates, likely, read.right, read.sizes, strict=True)
        ]
        self._choice = choice.fit_choice(judged)
        if self._options.phrases:
            self._choice = choice.Choice(self._choice.threshold, self._options.phrases, self._choice.nested)
        self._odds = _odds_of(read, np.ones(len(train), bool))
        self._trees = _fitted(run.checkpoints / "all.npz", read, odds, np.ones(len(train), bool), run.seed)
        right = sum(int(one.sum()) for one in read.right)
        return {
            **(
                {"warning": f"{right:,} phrases of labels among the candidates: too few to learn from"}
                if right < _FEW
                else {}
            ),
            "candidates": sum(len(one.phrases) for one in read.candidates),
            "wide": self._wide,
            "reached": round(read.reached, 4),
            **asdict(self._choice),
        }

    def _held_out(self, read: Corpus, run: contracts.TrainingRun) -> tuple[list[Any], list[Matrix]]:
        """Return what a model without its fold says of each article's candidates, and what other folds know of their words."""
        odds: list[Any] = [None] * len(read.candidates)
        likely: list[Any] = [None] * len(read.candidates)
        for fold in range(FOLDS):
            others = _odds_of(read, read.folds != fold)
            for number in np.flatnonzero(read.folds == fold):
                odds[number] = others.columns(read.candidates[number].phrases)
        with run.progress("train", FOLDS + 1, "models") as progress:
            for fold in sorted(set(read.folds.tolist())):
                model = _fitted(run.checkpoints / f"fold-{fold}.npz", read, odds, read.folds != fold, run.seed)
                for number in np.flatnonzero(read.folds == fold):
                    likely[number] = model.probability(np.hstack([read.candidates[number].matrix, odds[number]]))
                progress.update()
            progress.update()
        return likely, odds

    def save(self, folder: Path) -> None:
        assert self._trees is not None, "fit() or load() comes first"
        _write_trees(folder / _TREES, self._trees)
        write_json(folder / _WORDS, self._odds.odds)
        columns = [*candidate_features.NAMES, *word_odds.NAMES]
        write_json(folder / _RULE, {"wide": self._wide, "columns": columns, **asdict(self._choice)})

    def load(self, folder: Path) -> None:
        rule, odds = read_json(folder / _RULE), read_json(folder / _WORDS)
        if not isinstance(rule, dict) or not isinstance(odds, dict):
            raise ModelError(f"{folder}: no ranker is in it, or a damaged one; train it again")
        if rule.pop("columns", None) != [*candidate_features.NAMES, *word_odds.NAMES]:
            raise ModelError(
                f"{folder}: was trained by another release of labelmill, with other features; train it again"
            )
        self._wide, self._odds = rule.pop("wide"), WordOdds(odds)
        self._choice, self._trees = choice.Choice(**rule), _read_trees(folder / _TREES)

    def predict(self, articles: Sequence[Article]) -> list[list[ScoredPhrase]]:
        assert self._trees is not None, "fit() or load() comes first"
        labels: list[list[ScoredPhrase]] = []
        for at in range(0, len(articles), _TOGETHER):
            candidates = [candidates_of(article, self._wide) for article in articles[at : at + _TOGETHER]]
            labels += self._labels(candidates, self._trees)
        return labels

    def _labels(self, candidates: list[ArticleCandidates], model: Trees) -> list[list[ScoredPhrase]]:
        phrases = [phrase for one in candidates for phrase in one.phrases]
        rows = np.hstack([np.concatenate([one.matrix for one in candidates]), self._odds.columns(phrases)])
        ends = np.cumsum([len(one.phrases) for one in candidates])
        parts = np.split(model.probability(rows), ends[:-1])
        return [self._choice.label(one, likely) for one, likely in zip(candidates, parts, strict=True)]


def _check(read: Corpus, count: int) -> None:
    """Raise InputError where there is no candidate at all."""
    if not any(one.phrases for one in read.candidates):
        raise InputError(f"{count:,} articles of train have no phrase that could be a label; are their texts empty?")


def _odds_of(read: Corpus, chosen: npt.NDArray[np.bool_]) -> WordOdds:
    numbers = np.flatnonzero(chosen)
    phrases = [phrase for number in numbers for phrase in read.candidates[number].phrases]
    return WordOdds.of(phrases, [bool(flag) for number in numbers for flag in read.right[number]])


def _fitted(file: Path, read: Corpus, odds: list[Matrix], chosen: npt.NDArray[np.bool_], seed: int) -> Trees:
    """Return trees fitted on the chosen articles; those that an earlier process fitted are read back."""
    if file.exists():
        return _read_trees(file)
    numbers = np.flatnonzero(chosen)
    if not len(numbers):  # all articles are near-copies, in one fold
        return trees.level(0.5)
    rows = np.concatenate([np.hstack([read.candidates[number].matrix, odds[number]]) for number in numbers])
    model = trees.fit(rows, np.concatenate([read.right[number] for number in numbers]), seed)
    _write_trees(file, model)
    return model


def _write_trees(file: Path, model: Trees) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **model.arrays())
    write_bytes(file, buffer.getvalue())


def _read_trees(file: Path) -> Trees:
    try:
        with np.load(file, allow_pickle=False) as stored:
            return Trees.of_arrays(dict(stored))
    except (OSError, ValueError, BadZipFile) as error:
        raise ModelError(f"{file}: the student's trees cannot be read ({error}); train it again") from error
