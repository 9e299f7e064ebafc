"""Command `train`: trains a student on a version of a job, and tells what it reaches."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.commands.evaluate import Evaluation, Gold, Pair, read_gold, score
from pipeline.core.errors import ConfigError, InputError
from pipeline.core.shards import read_order
from pipeline.job.workspace import Workspace
from pipeline.label.articles import ARTICLE_COLUMNS, articles_of
from pipeline.label.requests import RequestBuilder
from pipeline.train import curve, predictions, training
from pipeline.train.identity import Training
from pipeline.train.seen_rows import SeenRows
from pipeline.versions import store
from pipeline.versions.export import chosen_version


def train(work: Workspace, version: str | None = None, fractions: str | None = None) -> tuple[Path, dict[str, Any]]:
    """Train the student that the job names on a version (the last one); return its folder and manifest.

    `fractions`: shares of train for a learning curve, such as `0.1,0.3,1.0`.  Raises as `train.training.train`.
    """
    config = work.config
    shares = curve.parse(fractions) if fractions else ()
    chosen = chosen_version(work.versions, version)
    plan = Training(work, chosen, config.train.student, config.student_options, config.train.seed, shares)
    return plan.folder, training.train(plan)


def check_wanted(work: Workspace, version: str | None, gold_file: Path | None) -> Gold | None:
    """Check what a student is to label, and to be held against, before anything is trained; return the gold labels.

    Raises ConfigError where the version has other labels than the job asks for now: it may be an old one.  Raises InputError for a
    file without a gold label of any article of the job.
    """
    column, chosen = work.config.label_column, chosen_version(work.versions, version)
    label = store.read_manifest(chosen)["label"]
    if (label["name"], label["many"]) != (column.name, column.many):
        raise ConfigError(
            f"version {chosen.name} has {label['name']}, the job asks for {column.name} now; name a version of such labels by "
            "--version"
        )
    if gold_file is None:
        return None
    gold = read_gold(gold_file, column, RequestBuilder(work).task.check)
    if not any(_with_gold(work, shard, gold.labels, ["id"]).num_rows for shard in read_order(work.articles)):
        raise InputError(f"{gold_file}: none of its {len(gold.labels):,} ids is an article of this job")
    return gold


def predict(work: Workspace, student: Path, version: str | None, file: Path) -> dict[str, int]:
    """Write what a trained student says of the job's other articles; see `train.predictions.write`."""
    return predictions.write(work, student, chosen_version(work.versions, version), file)


def evaluate(work: Workspace, student: Path, version: str | None, gold: Gold) -> Evaluation:
    """Hold what a trained student says against labels that people chose, as `labelmill evaluate` holds the job's own.

    Rows that it was trained on are left out, and articles like one of them: of those with a gold label, and copies of such copies
    among these alone, where `predict` looks at all articles of the job.  Raises InputError where no other article of the job has
    a gold label.
    """
    column, model = work.config.label_column, predictions.load_trained(work, student)
    shards, seen_rows = read_order(work.articles), SeenRows.of(chosen_version(work.versions, version))
    parts = list(seen_rows.parted(lambda: (_with_gold(work, shard, gold.labels) for shard in shards), work.exchange))
    judged = [one for part in parts for one in articles_of(part.others)]
    of_train, like_train = sum(part.of_train for part in parts), sum(part.like_train for part in parts)
    if not judged:
        raise InputError(
            f"--gold: none of its {len(gold.labels):,} ids is an article of this job that the student was not trained on"
        )
    pairs = [
        Pair(
            one.id,
            one.language,
            one.text,
            [phrase.text for phrase in label],
            gold.labels[one.id],
            gold.editors.get(one.id, []),
        )
        for one, label in zip(judged, model.predict(judged), strict=True)
    ]
    evaluation = score(pairs, column, work.config.max_phrases)
    near = f", and {like_train:,} that are near-copies of such" if like_train else ""
    note = f"{of_train:,} articles with a gold label are left out: the student was trained on them{near}"
    evaluation.notes.insert(0, note)
    evaluation.not_in_job = len(gold.labels) - len(judged) - of_train - like_train
    return evaluation


def _with_gold(
    work: Workspace, shard: str, labels: Collection[str], columns: Sequence[str] = ARTICLE_COLUMNS
) -> pa.Table:
    """Return the articles of a shard whose ids have a gold label."""
    table = work.filtered.read(shard, list(columns))
    return table.filter(pc.is_in(table.column("id"), pa.array(list(labels), pa.string())))
