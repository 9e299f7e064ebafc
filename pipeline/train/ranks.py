"""The processes of one training on several devices: the same command runs for each, and the first one decides and writes.

Lightning starts the others while the first one fits; torchrun and SLURM start all at once.  So the others read no state that the
first one may be putting right: they wait until it says what it fits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.core.errors import InputError
from pipeline.core.files import recall_json, write_json
from pipeline.core.locks import ProcessLock
from pipeline.core.processes import began, this_host

# as torchrun, SLURM and Lightning hand it on (lightning.fabric.utilities.rank_zero)
_NUMBERS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")
_FITS = "fits.json"
_EVERY, _PATIENCE = 0.1, 600.0  # seconds: between two looks, and without a first process


def is_helper() -> bool:
    """Return whether this process fits along with another one, which writes what comes of it."""
    return any(os.environ.get(name, "0") not in ("", "0") for name in _NUMBERS)


def forget(folder: Path) -> None:
    """Take back what a process said that was killed."""
    (folder / _FITS).unlink(missing_ok=True)


def announce(folder: Path, names: list[str]) -> None:
    """Say which trainings this process, which holds the lock, will fit, in their order."""
    write_json(folder / _FITS, {**_speaker(os.getpid()), "fits": names})


def awaited(folder: Path, lock: ProcessLock, is_finished: Callable[[], bool]) -> list[str]:
    """Return which trainings the first process fits; none where all is finished.  Raises InputError where there is none."""
    last_seen, before = time.monotonic(), None
    while time.monotonic() - last_seen < _PATIENCE:
        holder = lock.holder(alone=True)  # several wait here at once
        if holder is None and is_finished():
            return []
        announced = None
        if holder is not None:
            last_seen = time.monotonic()
            announced = _announced(folder, holder)
            # At one look it may be a killed process's, of another host: who takes the lock next forgets it only a moment later.
            if announced is not None and announced == before:
                return list(announced["fits"])
        before = announced
        time.sleep(_EVERY)
    raise InputError(f"{folder}: no first process trains here, and this one only fits along; start it with RANK unset")


def _announced(folder: Path, holder: int) -> dict[str, Any] | None:
    announced = recall_json(folder / _FITS)
    return announced if isinstance(announced, dict) and _is_of(announced, holder) else None


def _is_of(said: dict[str, Any], holder: int) -> bool:
    """Tell whether the process that holds the lock said it, and not one that was killed."""
    speaker = _speaker(holder)
    if said["host"] != speaker["host"]:  # of a process elsewhere no more can be known
        return bool(said["pid"] == holder)
    return said.items() >= speaker.items()


def _speaker(pid: int) -> dict[str, Any]:
    return {"host": this_host(), "pid": pid, "began": began(pid)}


class _Silent:
    """A progress bar that shows nothing."""

    def update(self, count: int = 1) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> _Silent:
        return self

    def __exit__(self, *_: object) -> None: ...


def silent_bar(name: str, total: int | None, unit: str) -> Any:
    """Return a progress bar that shows nothing, as `TrainingRun.progress` wants it."""
    return _Silent()
