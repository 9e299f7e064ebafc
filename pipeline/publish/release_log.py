"""Log of what went out to which repository: `versions/.published.json`.

A version's own files cannot tell: they never change, and may go out long after they were written.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.core.files import read_json, write_json

_NAME = ".published.json"


@dataclass(frozen=True)
class Published:
    """What went out to one repository.

    `versions` are those that were read back as they were sent; `on_their_way` those that `--recreate` began to send and that are
    not there yet, so that a run which was killed is asked for again.

    `broken` ones have their tag there, and files that the Hub's
    store damaged: the SHA-256 that these should have.  Their numbers are not given again, and those bytes are not sent again,
    for a store that has them, as it believes, takes no others.
    """

    versions: list[str] = field(default_factory=list)
    broken: dict[str, list[str]] = field(default_factory=dict)
    on_their_way: list[str] = field(default_factory=list)


def read(folder: Path, repo: str | None) -> Published:
    """Return what went out to a repository, by the log beside the versions in `folder`."""
    entry = _entries(folder).get(str(repo), {})
    versions, on_their_way = (list(entry.get(name, [])) for name in ("versions", "on_their_way"))
    return Published(versions, dict(entry.get("broken", {})), on_their_way)


def note(folder: Path, repo: str, versions: list[str], broken: dict[str, list[str]] | None = None) -> None:
    """Note, durably, that versions are out, and which are broken there; nothing is written where that is noted already."""
    before = read(folder, repo)
    now = replace(
        before,
        versions=list(dict.fromkeys([*before.versions, *versions])),
        broken=before.broken | (broken or {}),
        on_their_way=[name for name in before.on_their_way if name not in versions],
    )
    _write(folder, repo, before, now)


def note_begun(folder: Path, repo: str, versions: list[str]) -> None:
    """Note, durably, that versions are about to be sent to a repository that has none of them: what was out there is gone."""
    before = read(folder, repo)
    out = [name for name in before.versions if name not in versions]
    _write(folder, repo, before, replace(before, versions=out, on_their_way=versions))


def _write(folder: Path, repo: str, before: Published, now: Published) -> None:
    if now != before:
        entry = {name: value for name, value in asdict(now).items() if value or name != "on_their_way"}
        write_json(folder / _NAME, {**_entries(folder), repo: entry})


def _entries(folder: Path) -> dict[str, Any]:
    return dict(read_json(folder / _NAME) or {})
