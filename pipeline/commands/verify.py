"""Command `verify`: checks a version's files, here or on the Hub, against its manifest."""

from __future__ import annotations

from pipeline.job.workspace import Workspace
from pipeline.publish import release
from pipeline.publish.hub import Hub
from pipeline.publish.repository import NOT_THERE, state_of
from pipeline.versions import store


def verify(work: Workspace, version: str) -> dict[str, list[str]]:
    """Return folder or repository -> how the version's files there differ from its manifest."""
    differences, state = {}, state_of(work)
    on_hub = state is not None and version in state.versions
    if (work.versions / version).exists() or not on_hub:
        path = store.named(work.versions, version)
        differences[str(path)] = store.damaged(path)
        if on_hub:
            hub = Hub(str(work.config.publish.repo))
            differences[f"{hub.repo}, {version}"] = release.verify_upload(hub, path, {})
        elif work.config.publish.to == "hub":
            differences[f"{work.config.publish.repo}, {version}"] = [NOT_THERE]
        return differences
    hub = Hub(str(work.config.publish.repo))
    return {f"{hub.repo}, {version}": release.verify_remote(hub, version)}
