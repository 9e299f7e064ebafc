"""labelmill by its own name: `from labelmill import run` is `from pipeline import run`, also where you have a `pipeline.py`.

`python -m labelmill` is the command line.
"""

from __future__ import annotations

import sys
from importlib import import_module, util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline import *  # noqa: F403

_FOLDER = Path(__file__).resolve().parent.parent / "pipeline"


def _is_ours(file: str | None) -> bool:
    return file is not None and Path(file).resolve().parent == _FOLDER


def _load_pipeline() -> Any:
    """Return our package `pipeline`, which a file or folder of the same name may stand before on the path.

    Raises ImportError where that was imported already: a process has one module of a name.
    """
    loaded = sys.modules.get("pipeline")
    if loaded is not None and not _is_ours(loaded.__file__):
        raise ImportError(
            f"{loaded.__file__ or 'pipeline'} has the name of a package of labelmill: import labelmill before it, or rename it"
        )
    spec = util.find_spec("pipeline")
    if loaded is None and not (spec and _is_ours(spec.origin)):
        spec = util.spec_from_file_location(
            "pipeline", _FOLDER / "__init__.py", submodule_search_locations=[str(_FOLDER)]
        )
        assert spec is not None and spec.loader is not None
        sys.modules["pipeline"] = module = util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return import_module("pipeline")


_pipeline = _load_pipeline()
__all__ = list(_pipeline.__all__)


def __getattr__(name: str) -> Any:
    """Import on first use, as `pipeline` does."""
    if name not in __all__:
        raise AttributeError(f"module 'labelmill' has no attribute {name!r}")
    return getattr(_pipeline, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
