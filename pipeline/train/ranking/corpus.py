"""The candidates of a train set with which are right, made part by part and kept, so that a killed training goes on."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core.files import write_bytes
from pipeline.core.student import TrainingRun
from pipeline.core.types import Example
from pipeline.metrics.keyphrases import normal, unique
from pipeline.train.ranking.candidates import NAMES, ArticleCandidates, candidates_of

_PART = 200  # articles that are kept together
_LOOKED_AT, _WORTH = 200, 0.02  # articles; how many more phrases unlikely candidates must bring
FOLDS = 4


@dataclass(frozen=True)
class Corpus:
    """Candidates of each example; `right` flags those in its label, `sizes` counts phrases of labels, `folds` keep groups whole."""

    candidates: list[ArticleCandidates]
    right: list[npt.NDArray[np.bool_]]
    sizes: list[int]
    folds: npt.NDArray[np.int64]

    @property
    def reached(self) -> float:
        """Return the share of all phrases of labels that are among the candidates: no ranker finds more."""
        return sum(int(one.sum()) for one in self.right) / max(1, sum(self.sizes))


def read(examples: Sequence[Example], wide: bool, run: TrainingRun) -> Corpus:
    """Return the candidates of examples; parts that an earlier process made are read back."""
    candidates: list[ArticleCandidates] = []
    right: list[npt.NDArray[np.bool_]] = []
    with run.progress("read", len(examples), "articles") as progress:
        for at in range(0, len(examples), _PART):
            part = examples[at : at + _PART]
            made = _part(part, wide, run.checkpoints / f"candidates-{at // _PART:05}.npz")
            candidates += made
            right += [_right(one, of_article) for one, of_article in zip(part, made, strict=True)]
            progress.update(len(part))
    sizes = [len(unique(example.phrases, example.article.language)) for example in examples]
    return Corpus(candidates, right, sizes, np.asarray([_fold(example.group_id) for example in examples]))


def is_wide(examples: Sequence[Example]) -> bool:
    """Return whether labels use phrases that only the wide net catches, by the first of the examples."""
    sample, reached = examples[:_LOOKED_AT], dict[bool, int]()
    for wide in (False, True):
        reached[wide] = sum(int(_right(one, candidates_of(one.article, wide)).sum()) for one in sample)
    return reached[True] - reached[False] > _WORTH * sum(len(one.phrases) for one in sample)


def _fold(group: str) -> int:
    return int.from_bytes(blake2b(f"ranker\0{group}".encode(), digest_size=8).digest()) % FOLDS


def _right(example: Example, candidates: ArticleCandidates) -> npt.NDArray[np.bool_]:
    """Flag the candidates that are phrases of the label, each phrase once."""
    language = example.article.language
    wanted = set(unique(example.phrases, language))
    flags = np.zeros(len(candidates.phrases), bool)
    for number, phrase in enumerate(candidates.phrases):
        form = normal(phrase, language)
        if form in wanted:
            wanted.discard(form)
            flags[number] = True
    return flags


def _part(examples: Sequence[Example], wide: bool, file: Path) -> list[ArticleCandidates]:
    if file.exists():
        return _read_part(file)
    made = [candidates_of(example.article, wide) for example in examples]
    about = json.dumps([[one.phrases, [sorted(words) for words in one.words]] for one in made], ensure_ascii=False)
    matrix = np.concatenate([one.matrix for one in made])
    buffer = io.BytesIO()
    np.savez(buffer, matrix=matrix, about=np.frombuffer(about.encode(), np.uint8))
    write_bytes(file, buffer.getvalue())
    return made


def _read_part(file: Path) -> list[ArticleCandidates]:
    with np.load(file, allow_pickle=False) as stored:
        matrix, about = stored["matrix"], json.loads(stored["about"].tobytes())
    ends = np.cumsum([len(phrases) for phrases, _ in about])
    parts = np.split(matrix.reshape(-1, len(NAMES)), ends[:-1])
    return [
        ArticleCandidates(phrases, [frozenset(one) for one in words], part)
        for (phrases, words), part in zip(about, parts, strict=True)
    ]
