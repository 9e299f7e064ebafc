"""Progress bars: the one place that draws them, and that knows whether anybody watches."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm


def progress_bar(stage: str, total: int | None, unit: str) -> tqdm[Any]:
    """Return a bar: in a notebook under the cell, else on standard error; silent where that is no terminal."""
    kind, disabled = (_notebook_bar(), False) if in_notebook() else (_plain_bar(), None)
    return kind(desc=f"{stage:>8}", total=total, unit=f" {unit}", disable=disabled, dynamic_ncols=True, file=sys.stderr)


def _plain_bar() -> type[tqdm[Any]]:
    from tqdm import tqdm

    return tqdm


def _notebook_bar() -> type[tqdm[Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets it is a bar of text, which needs no word
        from tqdm.auto import tqdm

    return tqdm


def in_notebook() -> bool:
    """Return whether this is the process behind a notebook: IPython with a kernel, not in a terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ not in ("NoneType", "TerminalInteractiveShell")


def is_watched() -> bool:
    """Return whether somebody may look at standard error while the command runs."""
    return sys.stderr.isatty()
