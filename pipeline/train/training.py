"""Training of a student on a version: `<job>/students/<name>-<version>/`, whole or not at all, and the same when asked again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from pipeline.core import plugins
from pipeline.core.errors import ConfigError, InputError
from pipeline.core.files import read_json
from pipeline.core.locks import ProcessLock
from pipeline.core.student import TrainingRun
from pipeline.core.trained import MANIFEST, check_apart
from pipeline.job.workspace import Workspace
from pipeline.train import curve, figures, ranks, teacher, workplace
from pipeline.train.examples import TrainRows, read_eval, read_train
from pipeline.train.identity import Training, difference, near_copies, options_in_key, same
from pipeline.train.members import WHOLE, Member, Members
from pipeline.versions import store

_log = logging.getLogger("labelmill.train")
_MANIFEST_FORMAT = 1


def train(training: Training) -> dict[str, Any]:
    """Train a student, judge it, and return its manifest; what is done already, by an earlier run too, is not done again.

    Raises ConfigError where the student cannot learn such labels, InputError for a version that cannot be trained on, MissingExtra,
    ModelError.
    """
    student_class = plugins.load("students", training.student).Student
    refusal = student_class.refusal(training.column)
    if refusal:
        raise ConfigError(f"--student {training.student}: {refusal}")
    _check(training)
    # the same command runs once more, for one more device
    if student_class.in_processes and ranks.is_helper():
        _fit_along(training)
        raise SystemExit(0)
    with _alone(training.work):
        ranks.forget(workplace.folder_of(training))
        workplace.put_right(training)
        manifest = _finished(training)
        if manifest is None:
            manifest = _train(training)
    return manifest


def _check(training: Training) -> None:
    """Raise what hinders the training, before anything is done: MissingExtra, ModelError, ConfigError."""
    student = training.make()
    for option, model in student.models().items():
        for folder in (training.work.config.folder, training.work.students):  # a workspace may lie elsewhere
            check_apart(model, folder, option)
    student.check()


def _lock(work: Workspace) -> ProcessLock:
    return ProcessLock(work.students / ".lock")


@contextmanager
def _alone(work: Workspace) -> Iterator[None]:
    lock = _lock(work)
    try:
        with lock.held(seconds=0.2):
            yield
    except TimeoutError as error:
        raise InputError(
            f"{work.students}: process {lock.last_holder() or 'another'} trains a student of this job; wait for it or stop it"
        ) from error


def _finished(training: Training) -> dict[str, Any] | None:
    """Return the manifest of the student that is there, where it is the one that is asked for, with the curve that is."""
    there, wanted = read_json(training.folder / MANIFEST) or {}, list(training.fractions)
    if wanted and there.get("curve", {}).get("asked") != wanted:
        return None
    return same(training)  # which reads all weights


def _train(training: Training) -> dict[str, Any]:
    rows = read_train(training.version, training.column)
    unfinished = workplace.unfinished(training, rows.digest)
    members = Members(unfinished, training.make, TrainingRun(training.seed, unfinished))
    if there := same(training):  # a curve was asked for later: what all of train gives is there
        members.adopt(WHOLE, training.folder, _done(there))
    elif (training.folder / MANIFEST).exists():
        _log.warning("%s: %s", training.folder.name, difference(training))
    plan = _plan(training, rows)
    wanted = _members(rows, plan)
    if plugins.load("students", training.student).Student.in_processes:
        ranks.announce(unfinished, [member.name for member in wanted if members.will_fit(member.name)])
    whole, *_ = [members.trained(member) for member in wanted]
    manifest = _judged(training, rows, members, whole, plan)
    if there:  # of equal weights: what it labelled under these options is labelled by the same model
        manifest["options"] = there["options"]
    return workplace.released(training, unfinished, manifest)


def _fit_along(training: Training) -> None:
    """Fit what the process that trains fits, on another device; nothing is written, judged or told here."""
    _log.setLevel(logging.ERROR)
    path = workplace.folder_of(training)
    names = ranks.awaited(path, _lock(training.work), _finish_seen(training))
    rows = read_train(training.version, training.column)
    members = Members(path, training.make, TrainingRun(training.seed, Path(), ranks.silent_bar))
    wanted = {member.name: member for member in _members(rows, _plan(training, rows))}
    for name in names:
        members.fitted_along(wanted[name])


def _finish_seen(training: Training) -> Callable[[], bool]:
    """Return a look at whether the student is finished, for one who looks often: weights are read once for each manifest."""

    @cache
    def is_finished(written: int) -> bool:
        return _finished(training) is not None

    def look() -> bool:
        try:
            return is_finished((training.folder / MANIFEST).stat().st_mtime_ns)
        except FileNotFoundError:
            return False

    return look


def _done(manifest: dict[str, Any]) -> dict[str, Any]:
    return {
        "train": manifest["data"]["train"],
        "validation": manifest["data"]["validation"],
        "learned": manifest["learned"],
    }


def _plan(training: Training, rows: TrainRows) -> curve.CurvePlan | None:
    draws = plugins.load("students", training.student).Student.draws
    return curve.plan(rows.examples, training.fractions, training.seed, draws) if training.fractions else None


def _members(rows: TrainRows, plan: curve.CurvePlan | None) -> list[Member]:
    return [Member(WHOLE, rows.examples), *(plan.members if plan else ())]


def _judged(
    training: Training, rows: TrainRows, members: Members, whole: dict[str, Any], plan: curve.CurvePlan | None
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
        "options": options_in_key(training.options),
        "seed": training.seed,
        **({"pretrained": training.pretrained} if training.pretrained else {}),
        **near_copies(),
        "label": about["label"],
        "task": about["task"],
        "data": {"job": about["name"], "version": about["version"], **counts},
        "key": training.key,
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "learned": whole["learned"],
        "figures": figures.judge(predict(WHOLE), eval_rows, rows.examples, training.column),
    }
    if of_teacher := teacher.agreement(training.work, training.version, training.column):
        manifest["figures"]["teacher"] = of_teacher
    if plan:
        manifest["curve"] = plan.judged(predict, eval_rows, training.column)
    return manifest
