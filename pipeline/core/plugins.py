"""Plugins: a folder's listing is its registry, and a dotted name is somebody else's module.

A plugin module holds `Options` (a `config.Options` subclass) and one class, named after its folder:
`sources` -> `Source`, `filters` -> `Filter`, `providers` -> `Provider`, `tasks` -> `Task`.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from types import ModuleType
from typing import Any, Literal

from pipeline.core.errors import ConfigError
from pipeline.core.hints import did_you_mean

Kind = Literal["sources", "filters", "providers", "tasks"]
FOLDERS: dict[Kind, str] = {  # where the plugins of a kind are
    "sources": "pipeline.collect.sources",
    "filters": "pipeline.filter.filters",
    "providers": "pipeline.label.providers",
    "tasks": "pipeline.clean.tasks",
}
_CLASS = {"sources": "Source", "filters": "Filter", "providers": "Provider", "tasks": "Task"}


def names(kind: Kind) -> list[str]:
    """Names of the built-in plugins of a kind, sorted."""
    folder = importlib.import_module(FOLDERS[kind])
    return sorted(info.name for info in pkgutil.iter_modules(folder.__path__) if not info.name.startswith("_"))


def load(kind: Kind, name: str) -> ModuleType:
    """The module of a plugin.  Raises ConfigError for an unknown name, a module that is not there or not a plugin."""
    known = names(kind)
    if name in known:
        return importlib.import_module(f"{FOLDERS[kind]}.{name}")
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
    return next((f"pipeline.{kind}.{name}" for kind, ours in FOLDERS.items() if ours == folder), module)
