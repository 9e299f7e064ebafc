"""The folder in which a student is made, beside its place, and how what is done gets there: whole or not at all."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from pipeline.core.files import read_json, write_json
from pipeline.core.trained import MANIFEST, WEIGHTS, files_of
from pipeline.train.identity import Training
from pipeline.train.members import WHOLE

_log = logging.getLogger("labelmill.train")
_KEY, _FORMER = "key.json", "former"


def unfinished(training: Training) -> Path:
    """Return the folder in which the student is made; what an earlier run left there is kept where it is of the same student."""
    path = folder_of(training)
    if (former := path / _FORMER).exists() and not training.folder.exists():
        former.rename(training.folder)  # a kill between two renames left the only finished student here
    if read_json(path / _KEY) != training.key:
        if any(path.glob("*/")):
            _log.warning("%s: an unfinished training of other data or options is thrown away", training.folder.name)
        shutil.rmtree(path, ignore_errors=True)
        write_json(path / _KEY, training.key)
    elif any(path.glob("*/")):
        _log.info("going on with the training of %s that an earlier run began", training.folder.name)
    return path


def folder_of(training: Training) -> Path:
    return training.work.students / f".{training.folder.name}"


def released(training: Training, path: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Move the weights to their place, and write the manifest last."""
    made, folder, former = path / "made", training.folder, path / _FORMER
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(path / WHOLE / WEIGHTS, made / WEIGHTS)
    if (logs := path / WHOLE / "logs").exists():
        shutil.copytree(logs, made / "logs")
    manifest["weights"] = files_of(made)
    write_json(made / MANIFEST, manifest)
    shutil.rmtree(former, ignore_errors=True)
    if folder.exists():
        folder.rename(former)
    made.rename(folder)
    shutil.rmtree(path)
    return manifest
