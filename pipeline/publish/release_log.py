"""Log of what went out to which repository: `versions/.published.json`.

A version's own files cannot tell: they never change, and may go out long after they were written.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.core.files import read_json, write_json

_NAME = ".published.json"


@dataclass(frozen=True)
class Published:
    """What went out to one repository.

    `versions` are those that were read back as they were sent, or are about to be sent anew (`--recreate`).

    `broken` ones have their tag there, and files that the Hub's
    store damaged: the SHA-256 that these should have.  Their numbers are not given again, and those bytes are not sent again,
    for a store that has them, as it believes, takes no others.
    """

    versions: list[str] = field(default_factory=list)
    broken: dict[str, list[str]] = field(default_factory=dict)


def read(folder: Path, repo: str | None) -> Published:
    """Return what went out to a repository, by the log beside the versions in `folder`."""
    entry = _entries(folder).get(str(repo), {})
    return Published(list(entry.get("versions", [])), dict(entry.get("broken", {})))


def note(folder: Path, repo: str, versions: list[str], broken: dict[str, list[str]] | None = None) -> None:
    """Note, durably, that versions are out, and which are broken there; nothing is written where that is noted already."""
    before = read(folder, repo)
    now = Published(list(dict.fromkeys([*before.versions, *versions])), before.broken | (broken or {}))
    if now != before:
        write_json(folder / _NAME, {**_entries(folder), repo: asdict(now)})


def _entries(folder: Path) -> dict[str, Any]:
    return dict(read_json(folder / _NAME) or {})
