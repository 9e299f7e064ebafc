"""Release of a version to the Hub: one commit, then its tag, then everything read back by the tag.

Each version carries a release id, in its manifest and in the title of its commit.  So whatever failed or was killed, looking at
the history tells whether the commit landed: there is never a second one, and a tag never moves.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.core.errors import HubError, InputError
from pipeline.core.files import file_digest
from pipeline.publish import card, release_log
from pipeline.publish.hub import Hub, State
from pipeline.publish.repository import OURS, changes, first_names, manifest_at
from pipeline.versions import store
from pipeline.versions.numbering import next_patch

_log = logging.getLogger("labelmill.publish")
_ATTEMPTS = 5


class BrokenUpload(HubError):
    """A version reads back other than it was sent; `digests` are what the SHA-256 of the wrong files should be."""

    def __init__(self, message: str, digests: list[str]) -> None:
        super().__init__(message)
        self.digests = digests


def title_of(manifest: dict[str, Any]) -> str:
    """Return the title of a version's commit, by which it is found again."""
    return f"Version {manifest['version']} (labelmill release {manifest['release']})"


def find_commit(hub: Hub, manifest: dict[str, Any]) -> str | None:
    """Return the commit of a version, None where it is not in the history."""
    return next((commit.id for commit in hub.commits() if commit.title == title_of(manifest)), None)


def is_on_its_way(hub: Hub, head: str, folder: Path) -> bool:
    """Tell whether the head is a version in `folder` that `--recreate` sent before it was stopped, without its tag."""
    names = release_log.read(folder, hub.repo).on_their_way
    sent = [store.read_manifest(folder / name) for name in names if (folder / name / store.MANIFEST).exists()]
    return any(find_commit(hub, manifest) == head for manifest in sent)


# --- the way out ---


def push(hub: Hub, path: Path, state: State, as_it_is: bool = False) -> str:
    """Commit a version (a folder with its manifest) on top of `state`, unless it landed already; return the commit.

    A commit that somebody else made meanwhile is kept, where it left our files alone.  The card is merged with the one there,
    unless the version goes out `as_it_is`.
    """
    head, error = state.head, HubError("")
    for attempt in range(1, _ATTEMPTS + 1):
        if attempt > 1:
            _wait(hub, error, attempt)
            if commit := find_commit(hub, store.read_manifest(path)):
                return commit
            # Somebody else's commit may be what stood in the way; on top of it, where it left our files alone.
            head = _current_head(hub, head)
        try:
            commit = _commit(hub, path, head, as_it_is)
        except HubError as failure:
            error = failure
            if not (failure.transient or failure.conflict):
                raise
        else:
            if head != state.head:
                changed = first_names(list(changes(hub, state.head, head)))
                _log.warning(f"{hub.repo} was changed meanwhile ({changed}); published on top of it")
            return commit
    if error.conflict:
        raise HubError(
            f"{hub.repo}: others keep writing there; when they are done, --adopt goes on from what they wrote"
        )
    raise error


def _commit(hub: Hub, path: Path, head: str, as_it_is: bool) -> str:
    """Commit our files in the place of those at `head`; what is there already is not sent again."""
    remote = hub.files(head)
    if "README.md" in remote and not as_it_is:
        _merge_card(path, hub.text("README.md", head))
    manifest = store.read_manifest(path)
    names = [*manifest["files"], store.MANIFEST]
    add = {name: path / name for name in names if remote.get(name) != f"sha256:{manifest['files'].get(name)}"}
    # Files of people (a README, a LICENSE) are never removed: only names that a version gives.
    stale = sorted(name for name in remote if OURS.fullmatch(name) and name not in names)
    return hub.commit(title_of(manifest), add, stale, head)


def _current_head(hub: Hub, head: str) -> str:
    """Return the present head.  Raises InputError where what came since touches our files."""
    state = hub.look()
    if state is None:
        raise HubError(f"{hub.repo} is gone; check publish.repo")
    since = list(changes(hub, head, state.head)) if state.head != head else []
    if touched := [change for change in since if OURS.fullmatch(change.rpartition(" ")[0])]:
        raise InputError(
            f"{hub.repo} was changed meanwhile: {first_names(touched)}; look at it, then run again with --adopt"
        )
    return state.head


def _wait(hub: Hub, error: HubError, attempt: int) -> None:
    """Wait before the next attempt, as long as the Hub asks."""
    seconds, reason = hub.wait_of(error, attempt), str(error).partition(";")[0]
    _log.debug(f"{reason}; looking again in {seconds:.0f} s ({attempt} of {_ATTEMPTS})")  # for who waits, not for a log
    time.sleep(seconds)


def _merge_card(path: Path, their_card: str | None) -> None:
    """Put our card into the one in the repository.  Raises InputError for a version that is out: it never changes."""
    our_card = (path / "README.md").read_text("utf-8")
    if (card_now := card.merged(our_card, their_card)) == our_card:
        return
    if not store.is_pending(path):
        raise InputError(f"{path.name} is out already, and the card of the repository has text of its own; run again")
    manifest = store.read_manifest(path)
    store.seal(path, {"README.md": card_now}, manifest, manifest["files"])


def recreate(hub: Hub, versions: list[Path], private: bool) -> Iterator[str]:
    """Bring versions that are here to a repository that lacks them, in order, each its commit and its tag, as they are; yield each
    once it is out.

    Raises InputError, before anything is sent, where one is not as its manifest says, or somebody wrote a card there.
    """
    for path in versions:
        # All of them, before the first is sent.
        if wrong := store.damaged(path):
            raise InputError(f"{path}: it is not as its manifest says ({first_names(wrong)}); nothing was sent")
    if (state := hub.look()) is None:
        hub.create(private)
    elif not (
        state.versions or "README.md" not in hub.files(state.head) or find_commit(hub, store.read_manifest(versions[0]))
    ):
        raise InputError(f"{hub.repo} has a README.md of its own, which these versions would replace: delete it first")
    for path, previous in zip(versions, [None, *versions], strict=False):
        _log.info(f"sending version {path.name} to {hub.repo}")
        if (state := hub.look()) is None:
            raise HubError(f"{hub.repo}: made, but it cannot be seen; may the token read it?")
        commit = find_commit(hub, store.read_manifest(path)) or push(hub, path, state, as_it_is=True)
        finish(hub, path, commit, previous)
        yield path.name


def finish(hub: Hub, path: Path, commit: str, previous: Path | None) -> None:
    """Tag a commit and read everything back by the tag.  Raises BrokenUpload where that is not what was sent."""
    manifest = store.read_manifest(path)
    version = manifest["version"]
    # The tag first, then reading back by it: what is checked is what people get who load that version.
    _tag(hub, version, commit)
    trusted = store.read_manifest(previous)["files"] if previous else {}
    if wrong := verify_upload(hub, path, trusted):
        names = {line.rpartition(": ")[0] for line in wrong}
        remedy = (
            f"labelmill publish JOB --version {next_patch(version)} publishes the same rows anew"
            if store.is_pending(path)
            else "delete the repository, and --recreate it"
        )
        raise BrokenUpload(
            f"{hub.repo}: version {version} reads back other than it was sent: {first_names(wrong)}; do not use it, although "
            f"its tag is there; run the same command to read it again; where it stays so, {remedy}",
            [digest for name, digest in manifest["files"].items() if name in names],
        )


def _tag(hub: Hub, version: str, commit: str) -> None:
    """Make the tag unless it is there.  A tag on another commit stays where it is, and is an error."""
    error = HubError("")
    for attempt in range(1, _ATTEMPTS + 1):
        state = hub.look()
        tagged = state.versions.get(version) if state else None
        if tagged == commit:
            return
        if tagged is not None:
            raise InputError(
                f"{hub.repo}: the tag {version} is on another commit ({tagged[:10]}); a tag is never moved"
            )
        if attempt > 1:
            _wait(hub, error, attempt)
        try:
            hub.tag(version, commit)
        except HubError as failure:
            error = failure
            if not (failure.transient or failure.conflict):
                raise
    if (state := hub.look()) is None or state.versions.get(version) != commit:
        raise error


def verify_upload(hub: Hub, path: Path, trusted: dict[str, str]) -> list[str]:
    """Return how what the Hub holds by the version's tag differs from its manifest.

    All bytes are read and hashed, but those of `trusted` files (name -> SHA-256): they were read back in an earlier version, and
    the Hub says that they are the same.
    """
    manifest = store.read_manifest(path)
    expected = {**manifest["files"], store.MANIFEST: file_digest(path / store.MANIFEST)}
    remote = hub.files(manifest["version"])
    actual: dict[str, str] = {}
    for name in sorted(expected.keys() & remote.keys()):
        same = trusted.get(name) == expected[name] and remote[name] == f"sha256:{expected[name]}"
        digest = expected[name] if same else hub.digest(name, manifest["version"])
        actual |= {name: digest} if digest else {}
    actual |= {name: "" for name in remote if OURS.fullmatch(name) and name not in expected}
    return store.differences(expected, actual)


def verify_remote(hub: Hub, version: str) -> list[str]:
    """Return how a version that is only on the Hub differs from its manifest there."""
    expected = dict(manifest_at(hub, version)["files"])
    return store.differences(expected, {name: digest for name in expected if (digest := hub.digest(name, version))})
