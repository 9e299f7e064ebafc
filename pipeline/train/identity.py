"""What a student comes of, and whether the one that is there comes of the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.core import plugins
from pipeline.core.files import digest_of, file_digest, read_json
from pipeline.core.options import Options
from pipeline.core.student import Student
from pipeline.core.trained import MANIFEST, files_of
from pipeline.core.types import LabelColumn
from pipeline.job.workspace import Workspace
from pipeline.split import groups
from pipeline.versions import store

# options that students did not have from the first day: they stand in a key only where they are used
_ADDED = {"embedder"}


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

    @cached_property
    def pretrained(self) -> dict[str, Any]:
        """Return what identifies the weights that the student begins with, which a name does not; of most, nothing."""
        return self.make().pretrained()

    @cached_property
    def key(self) -> str:
        """Return the digest of all that a student comes of."""
        return digest_of({**self._origin(options_in_key(self.options)), **self._base})

    def keys(self, with_base: bool = True) -> set[str]:
        """Return the key and those that earlier releases gave to a student that comes of the same.

        Without `with_base` also those of before the content of its base model stood there.
        """
        origins = [self._origin(options) for options in forms_of(self.options)]
        bases = [self._base] if with_base else [self._base, {}]
        return {digest_of({**origin, **base}) for origin in origins for base in bases}

    @property
    def _base(self) -> dict[str, Any]:
        return {"pretrained": self.pretrained} if self.pretrained else {}

    def _origin(self, options: dict[str, Any]) -> dict[str, Any]:
        return {
            "student": self.student,
            "method": plugins.load("students", self.student).Student.version,
            "options": options,
            "data": file_digest(self.version / store.MANIFEST),
            "seed": self.seed,
            **near_copies(),
        }

    def make(self) -> Student:
        """Return a student that has learned nothing."""
        return plugins.create("students", self.student, self.options, self.column, self.work.config.folder)


def near_copies() -> dict[str, int]:
    """Return the rule by which rows of train are like one of eval, as keys and manifests have it: where it is not the first."""
    return {"near_copies": groups.RULE} if groups.RULE > 1 else {}


def options_in_key(options: Options) -> dict[str, Any]:
    """Return options as keys and manifests have them: those that students always had, and others where they are used."""
    values = options.model_dump(mode="json")
    defaults = type(options).model_fields
    return {name: value for name, value in values.items() if name not in _ADDED or value != defaults[name].default}


def forms_of(options: Options) -> list[dict[str, Any]]:
    """Return options as keys and manifests have them, now and as some earlier releases had them: whole."""
    return [options_in_key(options), options.model_dump(mode="json")]


def same(training: Training) -> dict[str, Any] | None:
    """Return the manifest of the student that is there, where it comes of the same and is whole."""
    manifest: dict[str, Any] | None = read_json(training.folder / MANIFEST)
    if not manifest or not _comes_of_same(training, manifest) or files_of(training.folder) != manifest["weights"]:
        return None
    return manifest


def _comes_of_same(training: Training, manifest: dict[str, Any]) -> bool:
    return manifest.get("key") in training.keys(with_base="pretrained" in manifest)


def difference(training: Training) -> str:
    """Say in what the student that is there differs from the one that takes its place."""
    manifest = read_json(training.folder / MANIFEST) or {}
    if _comes_of_same(training, manifest):
        return "its weights are damaged; it is trained again"
    options = manifest.get("options")
    now = {
        "method": plugins.load("students", training.student).Student.version,
        "options": options if options in forms_of(training.options) else options_in_key(training.options),
        "seed": training.seed,
        "pretrained": training.pretrained,
        "near_copies": near_copies().get("near_copies"),
    }
    others = [name for name, value in now.items() if (manifest.get(name) or None) != (value or None)]
    return f"a student of {_other(others)} is there; this one takes its place once it is trained"


def _other(names: Sequence[str]) -> str:
    words = {
        "method": "another release",
        "pretrained": "another base model",
        "options": "other options",
        "seed": "another seed",
        "near_copies": "another rule of near-copies",
    }
    return " and ".join(words[name] for name in names) or "other data under the same version number"
