"""Training of a student on a version: `<job>/students/<name>-<version>/`, whole or not at all, and the same when asked again."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.core import plugins
from pipeline.core.errors import ConfigError, InputError
from pipeline.core.files import digest_of, file_digest, read_json, write_json
from pipeline.core.locks import ProcessLock
from pipeline.core.options import Options
from pipeline.core.student import Student, TrainingRun
from pipeline.core.trained import MANIFEST, WEIGHTS, files_of
from pipeline.core.types import LabelColumn
from pipeline.job.workspace import Workspace
from pipeline.train import curve, figures
from pipeline.train.examples import TrainRows, read_eval, read_train
from pipeline.train.members import WHOLE, Member, Members
from pipeline.versions import store

_log = logging.getLogger("labelmill.train")
_KEY, _FORMER, _MANIFEST_FORMAT = "key.json", "former", 1


@dataclass(frozen=True)
class Training:
    """What is trained: a student with its options, on a version of a job; `fractions` of train are points of a learning curve."""

    work: Workspace
    version: Path
    student: str
    options: Options
    seed: int
    fractions: tuple[float, ...] = ()

    @property
    def folder(self) -> Path:
        return self.work.students / f"{self.student}-{self.version.name}"

    @property
    def column(self) -> LabelColumn:
        return LabelColumn(**store.read_manifest(self.version)["label"])

    @property
    def key(self) -> str:
        """Return the digest of all that a student comes of."""
        return digest_of(
            {
                "student": self.student,
                "method": plugins.load("students", self.student).Student.version,
                "options": self.options.model_dump(mode="json"),
                "data": file_digest(self.version / store.MANIFEST),
                "seed": self.seed,
            }
        )

    def make(self) -> Student:
        """Return a student that has learned nothing."""
        return plugins.create("students", self.student, self.options, self.column, self.work.config.folder)


def train(training: Training) -> dict[str, Any]:
    """Train a student, judge it, and return its manifest; what is done already, by an earlier run too, is not done again.

    Raises ConfigError where the student cannot learn such labels, InputError for a version that cannot be trained on, MissingExtra,
    ModelError.
    """
    refusal = plugins.load("students", training.student).Student.refusal(training.column)
    if refusal:
        raise ConfigError(f"--student {training.student}: {refusal}")
    training.make().check()
    with _alone(training.work):
        manifest = _finished(training)
        if manifest is None:
            manifest = _train(training)
    return manifest


@contextmanager
def _alone(work: Workspace) -> Iterator[None]:
    lock = ProcessLock(work.students / ".lock")
    try:
        with lock.held(seconds=0.2):
            yield
    except TimeoutError as error:
        raise InputError(
            f"{work.students}: process {lock.last_holder() or 'another'} trains a student of this job; wait for it or stop it"
        ) from error


def _finished(training: Training) -> dict[str, Any] | None:
    """Return the manifest of the student that is there, where it is the one that is asked for."""
    manifest: dict[str, Any] | None = read_json(training.folder / MANIFEST)
    if not manifest or manifest.get("key") != training.key or files_of(training.folder) != manifest["weights"]:
        return None
    wanted = list(training.fractions)
    return manifest if not wanted or manifest.get("curve", {}).get("asked") == wanted else None


def _train(training: Training) -> dict[str, Any]:
    unfinished = _unfinished(training)
    rows = read_train(training.version, training.column)
    run = TrainingRun(training.seed, unfinished)
    members = Members(unfinished, training.make, run)
    whole = members.trained(Member(WHOLE, rows.examples))
    draws = type(training.make()).draws
    plan = curve.plan(rows.examples, training.fractions, training.seed, draws) if training.fractions else None
    for member in plan.members if plan else ():
        members.trained(member)
    manifest = _judged(training, rows, members, whole, plan)
    return _released(training, unfinished, manifest)


def _unfinished(training: Training) -> Path:
    """Return the folder in which the student is made; what an earlier run left there is kept where it is of the same student."""
    path = training.work.students / f".{training.folder.name}"
    if (former := path / _FORMER).exists() and not training.folder.exists():
        former.rename(training.folder)  # a kill between two renames left the only finished student here
    if read_json(path / _KEY) != training.key:
        shutil.rmtree(path, ignore_errors=True)
        write_json(path / _KEY, training.key)
    elif any(path.glob("*/")):
        _log.info("going on with the training of %s that an earlier run began", training.folder.name)
    return path


def _judged(
    training: Training, rows: TrainRows, members: Members, whole: dict[str, Any], plan: curve.Plan | None
) -> dict[str, Any]:
    """Read eval, which nothing has looked at before, and return the manifest."""
    eval_rows = read_eval(training.version, training.column)
    articles = [example.article for example in eval_rows]
    predict = partial(members.predicted, articles=articles)
    about = store.read_manifest(training.version)
    counts = {
        "train": whole["train"],
        "validation": whole["validation"],
        "eval": len(eval_rows),
        "left_out": rows.left_out,
        "unlabelled": rows.unlabelled,
    }
    manifest = {
        "manifest": _MANIFEST_FORMAT,
        "student": training.student,
        "method": plugins.load("students", training.student).Student.version,
        "options": training.options.model_dump(mode="json"),
        "seed": training.seed,
        "label": about["label"],
        "task": about["task"],
        "data": {"job": about["name"], "version": about["version"], **counts},
        "key": training.key,
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "learned": whole["learned"],
        "figures": figures.judge(predict(WHOLE), eval_rows, rows.examples, training.column),
    }
    if plan:
        manifest["curve"] = plan.judged(predict, eval_rows, training.column)
    return manifest


def _released(training: Training, unfinished: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Move the weights to their place, and write the manifest last."""
    made, folder, former = unfinished / "made", training.folder, unfinished / _FORMER
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(unfinished / WHOLE / WEIGHTS, made / WEIGHTS)
    if (logs := unfinished / WHOLE / "logs").exists():
        shutil.copytree(logs, made / "logs")
    manifest["weights"] = files_of(made)
    write_json(made / MANIFEST, manifest)
    shutil.rmtree(former, ignore_errors=True)
    if folder.exists():
        folder.rename(former)
    made.rename(folder)
    shutil.rmtree(unfinished)
    return manifest
