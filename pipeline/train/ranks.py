"""The processes of one training on several devices: Lightning starts the same command for each, and the first one writes."""

from __future__ import annotations

import os
from typing import Any

# as torchrun, SLURM and Lightning hand it on (lightning.fabric.utilities.rank_zero)
_NUMBERS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")


def is_helper() -> bool:
    """Return whether this process fits along with another one, which writes what comes of it."""
    return any(os.environ.get(name, "0") not in ("", "0") for name in _NUMBERS)


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
