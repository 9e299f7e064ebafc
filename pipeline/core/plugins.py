"""Plugins: a folder's listing is its registry, and a dotted name is somebody else's module.

A plugin module holds `Options` and one class, named after its folder (`sources` -> `Source`, `filters` -> `Filter`, `providers` ->
`Provider`, `tasks` -> `Task`, `embedders` -> `Embedder`, `students` -> `Student`); both inherit from the bases in
`pipeline.core.contracts`; `engines` -> `Engine`, whose base is in `pipeline.core.engine`.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Protocol, overload

from pipeline.core import contracts, engine, options
from pipeline.core.errors import ConfigError
from pipeline.core.hints import did_you_mean

if TYPE_CHECKING:
    from pipeline.core.text.tokens import Counter
    from pipeline.core.types import LabelColumn

Kind = Literal["sources", "filters", "providers", "tasks", "embedders", "students", "engines"]
FOLDERS: dict[Kind, str] = {  # where the plugins of a kind are
    "sources": "pipeline.collect.sources",
    "filters": "pipeline.filter.filters",
    "providers": "pipeline.label.providers",
    "tasks": "pipeline.clean.tasks",
    "embedders": "pipeline.topics.embedders",
    "students": "pipeline.train.students",
    "engines": "pipeline.engines.kinds",
}
_BASES: dict[Kind, tuple[type[contracts.Plugin], type[options.Options]]] = {
    "sources": (contracts.Source, contracts.SourceOptions),
    "filters": (contracts.Filter, contracts.FilterOptions),
    "providers": (contracts.Provider, options.Options),
    "tasks": (contracts.Task, options.Options),
    "embedders": (contracts.Embedder, options.Options),
    "students": (contracts.Student, options.Options),
    "engines": (engine.Engine, engine.EngineOptions),
}


class Module(Protocol):
    """A module of any kind of plugin."""

    __name__: str
    Options: type[options.Options]


class SourceModule(Module, Protocol):
    """A module of a source."""

    Source: type[contracts.Source]


class FilterModule(Module, Protocol):
    """A module of a filter."""

    Filter: type[contracts.Filter]


class ProviderModule(Module, Protocol):
    """A module of a provider."""

    Provider: type[contracts.Provider]


class TaskModule(Module, Protocol):
    """A module of a task."""

    Task: type[contracts.Task]


class EmbedderModule(Module, Protocol):
    """A module of an embedder."""

    Embedder: type[contracts.Embedder]


class StudentModule(Module, Protocol):
    """A module of a student."""

    Student: type[contracts.Student]


class EngineModule(Module, Protocol):
    """A module of an engine."""

    Engine: type[engine.Engine]


def names(kind: Kind) -> list[str]:
    """Names of the built-in plugins of a kind, sorted."""
    return list(_modules_of(FOLDERS[kind]))


@cache  # a run asks for them sixty times, each time that it looks at a task or filter, and an installed package does not change
def _modules_of(package: str) -> tuple[str, ...]:
    folder = importlib.import_module(package)
    return tuple(sorted(info.name for info in pkgutil.iter_modules(folder.__path__) if not info.name.startswith("_")))


@overload
def load(kind: Literal["sources"], name: str) -> SourceModule: ...
@overload
def load(kind: Literal["filters"], name: str) -> FilterModule: ...
@overload
def load(kind: Literal["providers"], name: str) -> ProviderModule: ...
@overload
def load(kind: Literal["tasks"], name: str) -> TaskModule: ...
@overload
def load(kind: Literal["embedders"], name: str) -> EmbedderModule: ...
@overload
def load(kind: Literal["students"], name: str) -> StudentModule: ...
@overload
def load(kind: Literal["engines"], name: str) -> EngineModule: ...
@overload
def load(kind: Kind, name: str) -> Module: ...
def load(kind: Kind, name: str) -> Any:
    """Return the module of a plugin.

    Raises ConfigError for an unknown name, a module that is not there or cannot be imported, and for one whose `Options` or class
    is missing, does not inherit from its base or lacks a hook that has no default.
    """
    module = _module(kind, name)
    for base in _BASES[kind]:
        if fault := _fault(module, base):
            raise ConfigError(f"{kind[:-1]} {name!r}: {fault}")
    return module


def _module(kind: Kind, name: str) -> ModuleType:
    built_in = names(kind)
    if name in built_in:
        return importlib.import_module(f"{FOLDERS[kind]}.{name}")
    if "." not in name:
        hint = did_you_mean(name, built_in)
        raise ConfigError(
            f"unknown {kind[:-1]} {name!r}{hint}; allowed: {', '.join(built_in)}, or a module 'package.name'"
        )
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{kind[:-1]} {name!r}: no module {error.name!r} is installed") from error
    except ImportError as error:
        raise ConfigError(f"{kind[:-1]} {name!r}: cannot be imported ({error})") from error


def _fault(module: ModuleType, base: type[contracts.Plugin] | type[options.Options]) -> str | None:
    """Return what is wrong with a module's class, which is named as its base is, or its `Options`; None where nothing is."""
    name = "Options" if issubclass(base, options.Options) else base.__name__
    own = vars(module).get(name)
    if own is None:
        return f"the module defines no {name}"
    if not (isinstance(own, type) and issubclass(own, base)):
        return f"class {module.__name__}.{name} does not inherit from {base.__module__}.{base.__name__}"
    if issubclass(own, contracts.Plugin) and (lacking := own.lacks()):
        return f"class {module.__name__}.{name} does not define {', '.join(lacking)}; see {base.__module__}.{base.__name__}"
    return None


@overload
def create(
    kind: Literal["sources"],
    name: str,
    options: options.Options,
    folder: Path,
    digest_of_file: Callable[[Path], str],
    /,
) -> contracts.Source: ...
@overload
def create(kind: Literal["filters"], name: str, options: options.Options, /) -> contracts.Filter: ...
@overload
def create(
    kind: Literal["providers"], name: str, label: contracts.LabelSection, options: options.Options, /
) -> contracts.Provider: ...
@overload
def create(kind: Literal["tasks"], name: str, options: options.Options, count: Counter, /) -> contracts.Task: ...
@overload
def create(kind: Literal["embedders"], name: str, options: options.Options, folder: Path, /) -> contracts.Embedder: ...
@overload
def create(
    kind: Literal["students"], name: str, options: options.Options, column: LabelColumn, base: Path, /
) -> contracts.Student: ...
@overload
def create(kind: Literal["engines"], name: str, options: options.Options, /) -> engine.Engine: ...
def create(kind: Kind, name: str, /, *args: Any) -> Any:
    """Return an instance of a plugin's class; the arguments are those of its base's `__init__`.  Raises ConfigError."""
    return vars(load(kind, name))[_BASES[kind][0].__name__](*args)


def version_of(module: Module) -> int:
    """Return a plugin module's `VERSION`, which stands in keys; 1 where it has none."""
    version: int = vars(module).get("VERSION", 1)
    return version


def name_in_digests(module: str) -> str:
    """Return what stands for a plugin's module in stored digests: for one of ours the path that it had when the first of them
    were stored, wherever it is now; for somebody else's its own."""
    folder, _, name = module.rpartition(".")
    return next((f"pipeline.{kind}.{name}" for kind, ours in FOLDERS.items() if ours == folder), module)
