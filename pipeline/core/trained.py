"""Folder of a trained student: `manifest.json`, which tells what it is, and `weights/`.

It can be moved or copied, and read on a machine without the job.  Only plain data is read of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.core import plugins
from pipeline.core.errors import ConfigError, InputError, ModelError
from pipeline.core.files import digest_of, file_digest, read_json
from pipeline.core.student import Student
from pipeline.core.types import LabelColumn

MANIFEST, WEIGHTS = "manifest.json", "weights"
_TRUST = "where you trust that module, name it yourself: train.student of the job file, or label.parameters.student where it labels"
_NEEDED = {"student", "method", "options", "label", "task", "data", "weights"}


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return what a trained student's folder says of it.  Raises ModelError where it is none, or damaged."""
    try:
        manifest = read_json(folder / MANIFEST)
    except (InputError, OSError) as error:
        raise ModelError(f"{folder / MANIFEST}: cannot be read ({error}); train the student again") from error
    if not isinstance(manifest, dict) or not manifest.keys() >= _NEEDED:
        raise ModelError(
            f"{folder}: holds no trained student; labelmill train makes one of a labelled job, in its students/"
        )
    return manifest


def files_of(folder: Path) -> dict[str, str]:
    """Return name -> SHA-256 of the files of a student's weights."""
    files = sorted(file for file in (folder / WEIGHTS).rglob("*") if file.is_file())
    return {file.relative_to(folder / WEIGHTS).as_posix(): file_digest(file) for file in files}


def weights_digest(folder: Path) -> str:
    """Return the digest of a student's weights, as they are.  Raises ModelError where the manifest tells of others."""
    manifest = read_manifest(folder)
    if files_of(folder) != manifest["weights"]:
        raise ModelError(f"{folder / WEIGHTS}: is not what its manifest says; copy the folder again, or train again")
    return digest_of(manifest["weights"])


def check_apart(model: Path, inside: Path, option: str) -> None:
    """Raise ConfigError where the folder of a base model has another one in it that is not the model's (`.`, `..`).

    All of such a folder would be taken for the model: digested, and copied, the copy into itself.
    """
    if model.is_dir() and inside.resolve().is_relative_to(model.resolve()):
        raise ConfigError(
            f"{option}: {model.resolve()} is not the folder of a model alone, {inside.resolve()} is in it; name the model's own"
        )


def load(folder: Path, *own: str | None) -> Student:
    """Return a trained student, ready to predict; `own` are the modules that are not built in and may be run.

    Raises ModelError, MissingExtra.
    """
    manifest = read_manifest(folder)
    name = manifest["student"]
    # to import what a file names is to run it
    if name not in plugins.names("students") and name not in own:
        raise ModelError(
            f"{folder}: its student {name!r} is not built in, and nobody but the folder names it; {_TRUST}"
        )
    try:
        column = LabelColumn(**manifest["label"])
        module = plugins.load("students", name)
        options = module.Options(**manifest["options"])
        if foreign := [each for each in module.Student.imports(options) if each not in own]:
            raise ModelError(f"{folder}: its student is made with {foreign[0]!r}, which is not built in: {_TRUST}")
        student = plugins.create("students", name, options, column, folder)
    except (ConfigError, ValueError, TypeError) as error:
        raise ModelError(f"{folder}: its student {name!r} cannot be made here ({error})") from error
    if type(student).version != manifest["method"]:
        raise ModelError(
            f"{folder}: was trained by version {manifest['method']} of {name}, this is {type(student).version}; train it again"
        )
    student.load(folder / WEIGHTS)
    return student
