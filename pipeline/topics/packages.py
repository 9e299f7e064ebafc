"""What every job's topics need, whatever embeds: the packages of the extra `topics`, each imported where it is used."""

from __future__ import annotations

from importlib.util import find_spec

from pipeline.core.errors import MissingExtra

_NEEDS = ("graspologic_native", "scipy", "threadpoolctl")


def check_installed() -> None:
    """Raise MissingExtra where one is not here."""
    if any(find_spec(name) is None for name in _NEEDS):
        raise MissingExtra("topics", "topics")
