"""The base of every kind of plugin: it tells what a class lacks of what its kind must define."""

from __future__ import annotations

from abc import ABC
from inspect import get_annotations

# the modules that hold the kinds
_CONTRACTS = (
    "pipeline.core.contracts",
    "pipeline.core.embedder",
    "pipeline.core.student",
    "pipeline.core.engine",
)


class Plugin(ABC):  # noqa: B024 - what is abstract differs by kind
    """Base of all kinds."""

    @classmethod
    def lacks(cls) -> list[str]:
        """Return what the class must define and does not, sorted."""
        declared = {name for part in cls.__mro__ if part.__module__ in _CONTRACTS for name in get_annotations(part)}
        valued = {name for part in cls.__mro__ for name in vars(part)}
        return sorted(cls.__abstractmethods__ | (declared - valued))
