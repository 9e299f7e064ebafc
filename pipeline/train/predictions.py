"""A student's labels of a job's articles, as a file that the same reviewers may judge (`labelmill review --predictions`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core import contracts, plugins, trained
from pipeline.core.errors import InputError
from pipeline.core.files import write_bytes
from pipeline.core.shards import read_order
from pipeline.core.types import Article, LabelColumn, ScoredPhrase
from pipeline.job import takedowns
from pipeline.job.workspace import Workspace
from pipeline.label.articles import ARTICLE_COLUMNS, articles_of
from pipeline.train.seen_rows import SeenRows


def load_trained(work: Workspace, student: Path) -> contracts.Student:
    """Return a trained student; of modules that are not built in, those that the job's `train` names may be run."""
    chosen = work.config.train.student
    named = plugins.load("students", chosen).Student.imports(work.config.student_options)
    return trained.load(student, chosen, *named)


def write(work: Workspace, student: Path, version: Path, file: Path) -> dict[str, int]:
    """Write a line for each article that the student labels: `id`, the label, `scores`; return how many, and those left out.

    The rows that it was trained on are left out, and articles like one of them, for it has seen their labels and would look better
    than it is; so are articles that were taken down, and those in which it finds nothing.
    """
    column = LabelColumn(**trained.read_manifest(student)["label"])
    trained.weights_digest(student)
    model = load_trained(work, student)
    counts = {"written": 0, "of_train": 0, "like_train": 0, "without_a_label": 0}
    lines, shards = [], read_order(work.articles)
    with work.progress("predict", len(shards), "shards") as progress:
        for articles, of_train, like_train in _articles(work, version, shards):
            counts["of_train"] += of_train
            counts["like_train"] += like_train
            for article, label in zip(articles, model.predict(articles), strict=True):
                counts["written" if label else "without_a_label"] += 1
                if label:
                    lines.append(json.dumps(_line(article, label, column), ensure_ascii=False))
            progress.update()
    if not lines:
        raise InputError(
            f"--predict {file}: there is no article with a label of its beside the {counts['of_train']:,} that it was trained on "
            f"and {counts['like_train']:,} like one of them"
        )
    write_bytes(file, ("\n".join(lines) + "\n").encode())
    return counts


def _articles(work: Workspace, version: Path, shards: list[str]) -> Iterator[tuple[list[Article], int, int]]:
    """Yield the articles of each shard that a student may be judged by, and how many are not: it learned from them, or from one
    like them."""
    taken_down = takedowns.load(work.takedowns, work.given)

    def tables() -> Iterator[pa.Table]:
        for shard in shards:
            table = work.filtered.read(shard, ARTICLE_COLUMNS)
            yield table.filter(pc.invert(taken_down.concerns(table)))

    for others, of_train, like_train in SeenRows.of(version).parted(tables, work.exchange):
        yield articles_of(others), of_train, like_train


def _line(article: Article, label: list[ScoredPhrase], column: LabelColumn) -> Mapping[str, Any]:
    return {
        "id": article.id,
        column.name: column.value([phrase.text for phrase in label]),
        "scores": [phrase.score for phrase in label],
    }
