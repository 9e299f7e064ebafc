"""The trainings behind one student: of all of train, of parts of it for the curve, of shuffled labels for the curve's floor.

Each has a folder of its own in the student's unfinished folder, with its checkpoints, then its weights; the file `done.json` comes
last, so that a run after a kill goes on where the last one was.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pipeline.core.errors import InputError
from pipeline.core.files import read_json, sync_tree, write_json
from pipeline.core.student import Student, TrainingRun
from pipeline.core.trained import WEIGHTS
from pipeline.core.types import Article, Example
from pipeline.train.examples import validation_part

WHOLE = "whole"
_DONE = "done.json"


@dataclass(frozen=True)
class Member:
    """One training: its name in the folder, and what it learns from."""

    name: str
    examples: Sequence[Example]


def part_of(examples: Sequence[Example], share: float, seed: int, draw: int) -> list[Example]:
    """Return a random share of the examples, whole groups of near-copies; a smaller share of one draw is within a larger one."""
    if share >= 1:
        return list(examples)
    order = sorted({example.group_id for example in examples}, key=lambda group: _number(f"{seed}\0{draw}\0{group}"))
    sizes = dict.fromkeys(order, 0)
    for example in examples:
        sizes[example.group_id] += 1
    wanted, chosen, count = max(1, round(share * len(examples))), set[str](), 0
    for group in order:
        if count >= wanted:
            break
        chosen.add(group)
        count += sizes[group]
    return [example for example in examples if example.group_id in chosen]


def _number(text: str) -> int:
    return int.from_bytes(blake2b(f"curve\0{text}".encode(), digest_size=8).digest())


def shuffled(examples: Sequence[Example], seed: int, draw: int) -> list[Example]:
    """Return the examples, each with the label of another article of its language where there is one."""
    by_language: dict[str | None, list[int]] = {}
    for number, example in enumerate(examples):
        by_language.setdefault(example.article.language, []).append(number)
    labels = [example.phrases for example in examples]
    for numbers in by_language.values():
        order = numbers[:]
        random.Random(f"{seed} {draw}").shuffle(order)
        for number, other in zip(order, order[1:] + order[:1], strict=True):
            labels[number] = examples[other].phrases
    return [replace(example, phrases=label) for example, label in zip(examples, labels, strict=True)]


@dataclass(frozen=True)
class Members:
    """Trains members in `folder`, each once; `make` returns a student that has learned nothing."""

    folder: Path
    make: Callable[[], Student]
    run: TrainingRun

    def is_trained(self, name: str) -> bool:
        return (self.folder / name / _DONE).exists()

    def will_fit(self, name: str) -> bool:
        """Tell whether a member's student is still to be fitted; of one that was killed behind that, only the rest is done."""
        return not self.is_trained(name) and not self.make().is_fitted(self._checkpoints(name))

    def _checkpoints(self, name: str) -> Path:
        return self.folder / name / "checkpoints"

    def trained(self, member: Member) -> dict[str, Any]:
        """Train a member where it is not trained yet; return what its student tells of it, and how many rows it had."""
        home = self.folder / member.name
        if (done := read_json(home / _DONE)) is not None:
            return dict(done)
        student = self.make()
        train, validation = _parted(member, student.validation)
        checkpoints = self._checkpoints(member.name)
        checkpoints.mkdir(parents=True, exist_ok=True)
        try:
            learned = student.fit(train, validation, replace(self.run, checkpoints=checkpoints))
        except InputError as error:
            raise _of_part(member, error) from error
        _save(student, home / WEIGHTS)
        done = {"train": len(train), "validation": len(validation), "learned": learned}
        write_json(home / _DONE, done)
        shutil.rmtree(checkpoints)
        return done

    def fitted_along(self, member: Member) -> None:
        """Fit a member along with the process that trains it; keep nothing of it."""
        student, checkpoints = self.make(), self._checkpoints(member.name)
        student.fit(*_parted(member, student.validation), replace(self.run, checkpoints=checkpoints))

    def adopt(self, name: str, folder: Path, done: dict[str, Any]) -> None:
        """Take a finished student's folder for what a member was trained to, where that is not done yet."""
        home = self.folder / name
        if self.is_trained(name):
            return
        shutil.rmtree(home, ignore_errors=True)
        for part in (one for one in folder.iterdir() if one.is_dir()):
            shutil.copytree(part, home / part.name)
        sync_tree(home)
        write_json(home / _DONE, done)

    def predicted(self, name: str, articles: Sequence[Article]) -> list[list[str]]:
        """Return a trained member's labels of articles; they are kept, for writing them may take a model long."""
        file = self.folder / name / "predicted.json"
        if (labels := read_json(file)) is None:
            student = self.make()
            student.load(self.folder / name / WEIGHTS)
            labels = [[phrase.text for phrase in label] for label in student.predict(articles)]
            write_json(file, labels)
        return list(labels)


def _parted(member: Member, share: float) -> tuple[list[Example], list[Example]]:
    """Return what a member learns from, and its validation share.  Raises InputError where either would be empty."""
    train, validation = validation_part(list(member.examples), share)
    if not train or (share and not validation):
        error = InputError(
            f"{len(member.examples):,} rows of train cannot be parted into some to learn from and a validation share of {share:g} "
            "(train.parameters.validation), which takes groups of near-copies whole; give more rows, or another share"
        )
        raise _of_part(member, error)
    return train, validation


def _of_part(member: Member, error: InputError) -> InputError:
    """Return an error that tells where it was of a part that a curve wanted, and not of all of train."""
    if member.name == WHOLE:
        return error
    return InputError(
        f"--curve: training {member.name} ({len(member.examples):,} rows): {error}; or ask for larger shares"
    )


def _save(student: Student, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    student.save(folder)
    sync_tree(folder)
