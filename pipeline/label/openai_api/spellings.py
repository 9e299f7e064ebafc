"""Spellings of parameters that ask the same question: numbers written otherwise, and what only says how a request is served.

A ledger key holds parameters as the job file spells them, so answers to the same question may stand under several keys.
Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, islice, product
from typing import Any

# at what price, how fast and from whose cache an answer comes, never what it says
SERVING = ("service_tier", "prompt_cache_key", "prompt_cache_retention")
_TIERS = ("auto", "default", "flex", "priority", "scale")
_COUNTS = ("max_completion_tokens", "max_tokens", "seed")  # nobody writes these with a decimal point
_MOST_RESPELLED = 8
Path = tuple[Any, ...]  # of names and positions: where a number stands


def plain(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters in the one spelling in which those that ask the same are alike."""
    return {name: _with_floats(value) for name, value in parameters.items() if name not in SERVING}


def spellings(parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield parameters that ask the same, the likeliest spelling first, as far as they can be guessed (a cache's name cannot)."""
    asked = {name: value for name, value in parameters.items() if name not in SERVING}
    for serving, respelled in product(_servings(parameters), islice(_respelled(asked), _MOST_RESPELLED)):
        yield {**respelled, **serving}


def _servings(parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what may have said how requests are served: as now, nothing, with and without a cache, by each tier."""
    given = {name: parameters[name] for name in SERVING if name in parameters}
    tier = given.pop("service_tier", None)
    for cache in [given, {}] if given else [{}]:
        for name in dict.fromkeys([tier, None, *_TIERS]):
            yield cache if name is None else {**cache, "service_tier": name}


def _respelled(parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield parameters with whole numbers as integers or with a decimal point: first as they are, then those with one changed."""
    numbers = [path for path in _whole_numbers(parameters) if path[0] not in _COUNTS]
    for count in range(len(numbers) + 1):
        for changed in combinations(numbers, count):
            yield _changed(parameters, set(changed))


def _whole_numbers(value: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _whole_numbers(item, (*path, name))
    elif _is_number(value) and float(value).is_integer():
        yield path


def _changed(value: Any, paths: set[Path], path: Path = ()) -> Any:
    """Return a value whose whole numbers at these paths are of the other type."""
    if isinstance(value, dict):
        return {name: _changed(item, paths, (*path, name)) for name, item in value.items()}
    if isinstance(value, list):
        return [_changed(item, paths, (*path, index)) for index, item in enumerate(value)]
    if path not in paths:
        return value
    return float(value) if isinstance(value, int) else int(value)


def _with_floats(value: Any) -> Any:
    """Return a value with all of its numbers as floats."""
    if isinstance(value, dict):
        return {name: _with_floats(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_floats(item) for item in value]
    return float(value) if _is_number(value) else value


def _is_number(value: Any) -> bool:
    """Return whether a value is a number of which a float holds all digits."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53
