"""Command `versions`: lists the versions of a job, here and on the Hub, or drops the last one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.core.errors import HubError, InputError
from pipeline.job.workspace import Workspace
from pipeline.publish.hub import Hub
from pipeline.publish.repository import NOT_THERE, state_of
from pipeline.versions import store
from pipeline.versions.numbering import numbers


def listing(work: Workspace) -> tuple[list[dict[str, Any]], str]:
    """Return a dict for each version, the oldest first, and what is wrong with the Hub (empty: nothing).

    A dict has what the manifest says, whether the version is `here`, and its commit on the `hub` (None: not there).
    """
    by_name = {
        path.name: {**store.read_manifest(path), "here": True, "hub": None}
        for path in store.all_versions(work.versions)
    }
    trouble = ""
    try:
        state = state_of(work)
        if state is None and work.config.publish.to == "hub":
            trouble = f"{work.config.publish.repo}: {NOT_THERE}"
    except HubError as error:
        state, trouble = None, str(error)
    for version, commit in (state.versions if state else {}).items():
        by_name.setdefault(version, {"version": version, "here": False})["hub"] = commit
    return [by_name[version] for version in sorted(by_name, key=numbers)], trouble


def drop(work: Workspace, version: str) -> Path:
    """Remove a version that nobody else can have, the last one, and not on the Hub; return the folder that it had.

    Raises InputError for any other, HubError where the Hub cannot tell.
    """
    with work.locked():
        path = store.named(work.versions, version)
        last = store.latest(work.versions)
        if last is None or last.name != version:
            raise InputError(
                f"{path}: later versions count on it; only the last one can be dropped ({last and last.name})"
            )
        for repo in {store.read_manifest(path).get("repo"), work.config.publish.repo} - {None}:
            state = Hub(str(repo)).look()
            if state is None and work.config.publish.to == "hub":
                raise InputError(f"{path}: {repo} is {NOT_THERE}: whether it has this version cannot be told")
            if state is not None and version in state.versions:
                raise InputError(
                    f"{path}: it is on the Hub ({repo}), where others may use it; a version that is out stays"
                )
        store.drop(work.versions, version)
    return path
