"""Progress bars: the one place that draws them, and that knows whether anybody watches."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm


def progress_bar(stage: str, total: int | None, unit: str) -> tqdm[Any]:
    """Return a bar on standard error; it is silent where that is no terminal."""
    from tqdm import tqdm

    return tqdm(desc=f"{stage:>8}", total=total, unit=f" {unit}", disable=None, dynamic_ncols=True, file=sys.stderr)


def is_watched() -> bool:
    """Return whether somebody may look at standard error while the command runs."""
    return sys.stderr.isatty()
