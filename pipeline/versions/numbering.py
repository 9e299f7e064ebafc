"""Numbers of versions: what the next one is by what changed, and which may be given by hand."""

from __future__ import annotations

import re
from collections.abc import Collection

from pipeline.core.errors import ConfigError
from pipeline.versions.diff import Diff

_VERSION = re.compile(r"(?:0|[1-9]\d{0,8})(?:\.(?:0|[1-9]\d{0,8})){2}", re.ASCII)


def next_version(last: str | None, diff: Diff, taken: Collection[str] = ()) -> str:
    """Return the next version by Croissant's rule.

    The first is 1.0.0; anything edited, removed, relabelled, moved or of another type: major; rows only added: minor; the same rows
    (another card or serialisation): patch.  Of a number that is `taken`, by a version that must not be used, it is the next patch.
    """
    version = _next(last, diff)
    while version in taken:
        version = next_patch(version)
    return version


def next_patch(version: str) -> str:
    major, minor, patch = numbers(version)
    return f"{major}.{minor}.{patch + 1}"


def _next(last: str | None, diff: Diff) -> str:
    if last is None:
        return "1.0.0"
    major, minor, _ = numbers(last)
    if not diff.only_adds:
        return f"{major + 1}.0.0"
    return f"{major}.{minor + 1}.0" if diff.added else next_patch(last)


def check_given(given: str, last: str | None, diff: Diff, taken: Collection[str] = ()) -> None:
    """Raise ConfigError for a version given by hand that is none, is not new, or promises more than the rows keep.

    `taken` are numbers of versions that must not be used.
    """
    if not is_version(given):
        raise ConfigError(f"--version {given}: a version is MAJOR.MINOR.PATCH, e.g. 1.2.0")
    if given in taken:
        raise ConfigError(
            f"--version {given}: is out, and broken; the next is {next_version(last, diff, taken)} at least"
        )
    least = next_version(last, diff, taken)
    if last is not None and diff.empty and given != least:
        raise ConfigError(f"--version {given}: no row differs from {last}; only its card can, and that is {least}")
    if last is not None and numbers(given) <= numbers(last):
        raise ConfigError(f"--version {given}: the last one is {last}; the next is {least} at least")
    if last is not None and numbers(given) < numbers(least):
        changes = ", ".join(f"{count:,} {kind}" for kind, count in diff.counts.items() if count)
        types = "".join(f", {name} of another type" for name in diff.retyped)
        raise ConfigError(
            f"--version {given}: promises too much ({changes} rows since {last}{types}); the least is {least}"
        )


def is_version(text: str) -> bool:
    return bool(_VERSION.fullmatch(text))


def numbers(version: str) -> tuple[int, int, int]:
    """Return (major, minor, patch), by which versions are in order; -1 for a part that is no number."""
    major, minor, patch = (int(part) if part.isdecimal() else -1 for part in version.split(".", 2))
    return major, minor, patch
