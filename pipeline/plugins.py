"""Plugins: a folder's listing is its registry, and a dotted name is somebody else's module.

A plugin module holds `Options` (a `config.Options` subclass) and one class, named after its folder:
`sources` -> `Source`, `filters` -> `Filter`, `providers` -> `Provider`, `tasks` -> `Task`.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from difflib import get_close_matches
from types import ModuleType
from typing import Any, Literal

from pipeline.errors import ConfigError

Kind = Literal["sources", "filters", "providers", "tasks"]
_FOLDER: dict[Kind, str] = {  # where the plugins of a kind are
    "sources": "pipeline.sources",
    "filters": "pipeline.filters",
    "providers": "pipeline.providers",
    "tasks": "pipeline.tasks",
}
_CLASS = {"sources": "Source", "filters": "Filter", "providers": "Provider", "tasks": "Task"}


def names(kind: Kind) -> list[str]:
    """Names of the built-in plugins of a kind, sorted."""
    folder = importlib.import_module(_FOLDER[kind])
    return sorted(info.name for info in pkgutil.iter_modules(folder.__path__) if not info.name.startswith("_"))


def did_you_mean(name: str, allowed: list[str]) -> str:
    """` (did you mean 'x'?)` or nothing."""
    close = get_close_matches(str(name), allowed, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def load(kind: Kind, name: str) -> ModuleType:
    """The module of a plugin.  Raises ConfigError for an unknown name, a module that is not there or not a plugin."""
    known = names(kind)
    if name in known:
        return importlib.import_module(f"{_FOLDER[kind]}.{name}")
    if "." not in name:
        hint = did_you_mean(name, known)
        raise ConfigError(
            f"unknown {kind[:-1]} {name!r}{hint}; allowed: {', '.join(known)}, or a module 'package.name'"
        )
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{kind[:-1]} {name!r}: no module {error.name!r} is installed") from error
    missing = [part for part in ("Options", _CLASS[kind]) if not hasattr(module, part)]
    if missing:
        raise ConfigError(f"{kind[:-1]} {name!r}: the module defines no {' and no '.join(missing)}")
    return module


def create(kind: Kind, name: str, *args: Any, **kwargs: Any) -> Any:
    """An instance of the plugin's class."""
    return getattr(load(kind, name), _CLASS[kind])(*args, **kwargs)


def name_in_digests(module: str) -> str:
    """Return what stands for a plugin's module in stored digests: for one of ours the path that it had when the first of them
    were stored, wherever it is now; for somebody else's its own."""
    folder, _, name = module.rpartition(".")
    return next((f"pipeline.{kind}.{name}" for kind, ours in _FOLDER.items() if ours == folder), module)
