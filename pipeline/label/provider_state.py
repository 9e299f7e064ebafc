"""What a job keeps of its provider beside it: fitted statistics, and what the endpoint was found to take."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from typing import Any

from pipeline.core import plugins
from pipeline.core.contracts import Provider
from pipeline.core.files import digest_of, read_json, write_bytes, write_json
from pipeline.core.types import Article
from pipeline.job.workspace import Workspace

_log = logging.getLogger("labelmill.label")


def statistics(work: Workspace, provider: Provider, refit: bool, articles: Iterable[Article]) -> bytes:
    """Return the provider's fitted state: fitted once over all filtered `articles`, then kept until it is asked for again."""
    name = work.config.label.provider.rpartition(".")[2]
    current = work.models / f"{name}.json"
    if not refit and (stored := fitted(work)) is not None:
        return stored
    state = provider.fit(articles)
    digest = hashlib.sha256(state).hexdigest()
    file = f"{name}-{digest[:16]}.bin"
    write_bytes(work.models / file, state)
    write_json(current, {"file": file, "sha256": digest})
    return state


def fitted(work: Workspace) -> bytes | None:
    """Return the provider's fitted state, where it was fitted before."""
    current = read_json(work.models / f"{work.config.label.provider.rpartition('.')[2]}.json")
    file = work.models / current["file"] if current else None
    return file.read_bytes() if file and file.exists() else None


def forget_earlier(work: Workspace) -> None:
    """Take away what tells of an earlier version of the provider: from now on its answers do not count."""
    current = work.models / f"{work.config.label.provider.rpartition('.')[2]}.json"
    stored = read_json(current)
    if stored and not plugins.load("providers", work.config.label.provider).Provider.fits():
        current.unlink()
        (work.models / stored["file"]).unlink(missing_ok=True)


def remember(work: Workspace, provider: Provider, asked: list[dict[str, Any]]) -> None:
    """Give the provider what its endpoint was found to take; keep beside the job, and show to people, what is new of that.

    `asked`: the provider's identity in all spellings.
    """
    identity, stored = digest_of(provider.identity), read_json(work.compatibility_file) or {}
    is_of_it = stored.get("provider") in [digest_of(spelled) for spelled in asked]

    def on_change(message: str, changes: dict[str, Any]) -> None:
        _log.warning(message)
        write_json(work.compatibility_file, {"provider": identity, "changes": changes})

    provider.remember(stored["changes"] if is_of_it else {}, on_change)
