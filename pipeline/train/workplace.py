"""The folder in which a student is made, beside its place, and how what is done gets there: whole or not at all."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from pipeline.core.files import read_json, recall_json, sync, sync_tree, write_json
from pipeline.core.trained import MANIFEST, WEIGHTS, files_of
from pipeline.train import curve
from pipeline.train.identity import Training
from pipeline.train.members import WHOLE

_log = logging.getLogger("labelmill.train")
_KEY, _FORMER, _MADE = "key.json", "former", "made"


def folder_of(training: Training) -> Path:
    return training.work.students / f".{training.folder.name}"


def put_right(training: Training) -> None:
    """Put right what a kill amid the last renames left: the finished student is in its place, and no half of a folder is used.

    A folder with its key is whole, so it stays: what is in it may be of a curve that goes on, or of a student that was damaged.
    """
    path, folder = folder_of(training), training.folder
    if (former := path / _FORMER).exists() and not folder.exists():
        former.rename(folder)  # between two renames it is the only finished one
    key = recall_json(path / _KEY)
    # A release that wrote a key alone deleted it in any order: what it left beside a finished student may be half of that one.
    if key is None or (isinstance(key, str) and (folder / MANIFEST).exists()):
        _remove(path)


def unfinished(training: Training, rows: str) -> Path:
    """Return the folder in which the student is made; what an earlier run left there is kept where it is of the same student.

    `rows`: the digest of the rows that are learned from.  The student's key has the version that they are of, but what is kept
    here is by their numbers.
    """
    path, key = folder_of(training), {"key": training.key, "rows": rows}
    stored = read_json(path / _KEY)
    has_parts = any(path.glob("*/"))
    keys = training.keys()
    if stored not in [*keys, *({**key, "key": each} for each in keys)]:  # a key alone was written before
        if has_parts:
            _log.warning("%s: an unfinished training of other data or options is thrown away", training.folder.name)
        _remove(path)
    elif has_parts:
        _log.info("going on with the training of %s that an earlier run began", training.folder.name)
    write_json(path / _KEY, key)
    return path


def released(training: Training, path: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Move the weights to their place, and write the manifest last; parts of a curve that was not asked for now are kept."""
    made, folder, former = path / _MADE, training.folder, path / _FORMER
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(path / WHOLE / WEIGHTS, made / WEIGHTS)
    if (logs := path / WHOLE / "logs").exists():
        shutil.copytree(logs, made / "logs")
    manifest["weights"] = files_of(made)
    sync_tree(made)
    write_json(made / MANIFEST, manifest)
    shutil.rmtree(former, ignore_errors=True)
    if folder.exists():
        folder.rename(former)
    made.rename(folder)
    for renamed in (folder, folder.parent):  # the names in them, before the only other copy goes
        sync(renamed)
    if _others(path, manifest):
        shutil.rmtree(former, ignore_errors=True)
        # at once: half of it, with its `done.json`, would be taken for a trained student
        (path / WHOLE).rename(made)
        shutil.rmtree(made, ignore_errors=True)
    else:
        _remove(path)
    return manifest


def _remove(path: Path) -> None:
    """Delete the folder of an unfinished student, its key first: after a kill amid this, nothing that is left is gone on with."""
    (path / _KEY).unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


def _others(path: Path, manifest: dict[str, Any]) -> set[str]:
    """Return the trainings in a folder that are in no figure of a manifest: parts of another curve, which is not finished."""
    judged = {WHOLE, _MADE, _FORMER, *curve.names_of(manifest.get("curve"))}
    return {part.name for part in path.glob("*/")} - judged
