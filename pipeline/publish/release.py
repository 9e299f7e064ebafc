"""Release of a version to the Hub: one commit, then its tag, then everything read back by the tag.

Each version carries a release id, in its manifest and in the title of its commit.  So whatever failed or was killed, looking at
the history tells whether the commit landed: there is never a second one, and a tag never moves.  Expected at the head is
the commit of the last version's tag; anything else is somebody's edit.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.core.errors import HubError, InputError
from pipeline.core.files import file_digest
from pipeline.job.workspace import Workspace
from pipeline.publish import card
from pipeline.publish.hub import Hub, State
from pipeline.versions import store
from pipeline.versions.diff import numbers

_log = logging.getLogger("labelmill.publish")
NOT_THERE = "not there, or the token (HF_TOKEN) may not see it"

_ATTEMPTS = 5
_SHOWN = 8  # files named in a message
_FIRST = {".gitattributes", "README.md", "LICENSE", "LICENSE.md", ".gitignore"}  # what a new repository may hold
_OURS = re.compile(r"data/[^/]+\.parquet|provenance/[^/]+\.parquet|pictures/[^/]+\.svg|croissant\.json|manifest\.json")


def title_of(manifest: dict[str, Any]) -> str:
    """Return the title of a version's commit, by which it is found again."""
    return f"Version {manifest['version']} (labelmill release {manifest['release']})"


def find_commit(hub: Hub, manifest: dict[str, Any]) -> str | None:
    """Return the commit of a version, None where it is not in the history."""
    return next((commit.id for commit in hub.commits() if commit.title == title_of(manifest)), None)


# --- before: does the repository stand where we left it? ---


def check_head(hub: Hub, state: State, folder: Path, adopt: bool) -> None:
    """Check that nobody else changed the repository since our last version; `folder` has the versions that are here.

    Raises InputError, naming what changed, unless `adopt` says to go on from there.
    """
    newest = max(state.versions, key=numbers, default=None)
    if newest is not None:
        _check_is_ours(hub, newest, folder)
    if adopt or newest is None:
        strange = [] if adopt else sorted(set(hub.files(state.head)) - _FIRST)
        if strange:
            raise InputError(
                f"{hub.repo} holds {_first_names(strange)}, no version of this job; --adopt publishes on top of it"
            )
    elif state.head != state.versions[newest]:
        changed = _first_names(list(_changes(hub, state.versions[newest], state.head)))
        raise InputError(
            f"{hub.repo} was changed since version {newest}: {changed} ({_authors(hub, state.versions[newest])}); look at it, "
            "then --adopt publishes on top of it (text of the card outside our markers stays, our files are written anew)"
        )


def _check_is_ours(hub: Hub, newest: str, folder: Path) -> None:
    if not (folder / newest).exists():
        raise InputError(
            f"{hub.repo} has a tag {newest}, a version that is not here: another job or machine published it; --adopt takes it "
            "over as the last version (its eval rows stay eval)"
        )
    if _manifest_at(hub, newest).get("release") != store.read_manifest(folder / newest).get("release"):
        raise InputError(
            f"{hub.repo}: its version {newest} is not this job's {newest}; give the job a publish.repo of its own"
        )


def _changes(hub: Hub, before: str, after: str) -> Iterator[str]:
    old, new = hub.files(before), hub.files(after)
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            yield f"{path} {'added' if path not in old else 'removed' if path not in new else 'changed'}"


def _authors(hub: Hub, since: str) -> str:
    commits = []
    for commit in hub.commits():
        if commit.id == since:
            break
        commits.append(f"{commit.title!r} by {commit.author or 'somebody'}")
    return _first_names([f"{what} ({times} times)" if times > 1 else what for what, times in Counter(commits).items()])


def adopt(hub: Hub, state: State, folder: Path) -> list[Path]:
    """Fetch all versions of the repository that are not here, the oldest first; return their folders."""
    missing = [version for version in sorted(state.versions, key=numbers) if not (folder / version).exists()]
    return [_fetch(hub, version, folder) for version in missing]


def _fetch(hub: Hub, version: str, folder: Path) -> Path:
    """Fetch a version from the Hub; files that an earlier one has are copied."""
    digests = _manifest_at(hub, version)["files"]
    if strange := [name for name in digests if not (_OURS.fullmatch(name) or name == "README.md")]:
        raise InputError(
            f"{hub.repo}: version {version} has files that no version has: {_first_names(strange)}; not adopted"
        )
    _log.info(f"fetching version {version} of {hub.repo}")
    path, last = store.begin(folder), store.latest(folder)
    local = store.read_manifest(last)["files"] if last else {}
    for name, digest in digests.items():
        if last and local.get(name) == digest:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(last / name, path / name)
        else:
            hub.download(name, version, path / name)
    hub.download(store.MANIFEST, version, path / store.MANIFEST)
    if wrong := store.damaged(path):
        store.discard(folder)
        raise InputError(
            f"{hub.repo}: version {version} is not as its manifest says: {_first_names(wrong)}; not adopted"
        )
    return store.release(folder, version)


def _manifest_at(hub: Hub, version: str) -> dict[str, Any]:
    """Return the manifest of a version on the Hub.  Raises InputError where it has none."""
    try:
        return dict(json.loads(hub.text(store.MANIFEST, version) or ""))
    except ValueError:
        raise InputError(
            f"{hub.repo}: its tag {version} has no manifest, labelmill did not publish it: delete that tag, or publish elsewhere"
        ) from None


# --- the way out ---


def push(hub: Hub, path: Path, state: State) -> str:
    """Commit a version (a folder with its manifest) on top of `state`, unless it landed already; return the commit.

    A commit that somebody else made meanwhile is kept, where it left our files alone.
    """
    head, error = state.head, HubError("")
    for attempt in range(1, _ATTEMPTS + 1):
        if attempt > 1:
            _wait(hub, error, attempt)
            if commit := find_commit(hub, store.read_manifest(path)):
                return commit
            head = _current_head(hub, head)
        try:
            commit = _commit(hub, path, head)
        except HubError as failure:
            error = failure
            if not (failure.transient or failure.conflict):
                raise
        else:
            if head != state.head:
                changed = _first_names(list(_changes(hub, state.head, head)))
                _log.warning(f"{hub.repo} was changed meanwhile ({changed}); published on top of it")
            return commit
    if error.conflict:
        raise HubError(
            f"{hub.repo}: others keep writing there; when they are done, --adopt goes on from what they wrote"
        )
    raise error


def _commit(hub: Hub, path: Path, head: str) -> str:
    """Commit our files in the place of those at `head`; what is there already is not sent again."""
    remote = hub.files(head)
    merge_card(path, hub.text("README.md", head) if "README.md" in remote else None)
    manifest = store.read_manifest(path)
    names = [*manifest["files"], store.MANIFEST]
    add = {name: path / name for name in names if remote.get(name) != f"sha256:{manifest['files'].get(name)}"}
    stale = sorted(name for name in remote if _OURS.fullmatch(name) and name not in names)
    return hub.commit(title_of(manifest), add, stale, head)


def _current_head(hub: Hub, head: str) -> str:
    """Return the present head.  Raises InputError where what came since touches our files."""
    state = hub.look()
    if state is None:
        raise HubError(f"{hub.repo} is gone; check publish.repo")
    changes = list(_changes(hub, head, state.head)) if state.head != head else []
    if touched := [change for change in changes if _OURS.fullmatch(change.rpartition(" ")[0])]:
        raise InputError(
            f"{hub.repo} was changed meanwhile: {_first_names(touched)}; look at it, then run again with --adopt"
        )
    return state.head


def _wait(hub: Hub, error: HubError, attempt: int) -> None:
    """Wait before the next attempt, as long as the Hub asks."""
    seconds, reason = hub.wait_of(error, attempt), str(error).partition(";")[0]
    _log.debug(f"{reason}; looking again in {seconds:.0f} s ({attempt} of {_ATTEMPTS})")  # for who waits, not for a log
    time.sleep(seconds)


def merge_card(path: Path, their_card: str | None) -> None:
    """Put our card into the one in the repository.  Raises InputError for a version that is out: it never changes."""
    our_card = (path / "README.md").read_text("utf-8")
    if (card_now := card.merged(our_card, their_card)) == our_card:
        return
    if not store.is_pending(path):
        raise InputError(f"{path.name} is out already, and the card of the repository has text of its own; run again")
    store.seal(path, {"README.md": card_now}, store.read_manifest(path))


def finish(hub: Hub, path: Path, commit: str, previous: Path | None) -> None:
    """Tag a commit and read everything back by the tag."""
    manifest = store.read_manifest(path)
    _tag(hub, manifest["version"], commit)
    trusted = store.read_manifest(previous)["files"] if previous else {}
    if wrong := verify_upload(hub, path, trusted):
        raise HubError(
            f"{hub.repo}: version {manifest['version']} reads back other than it was sent: {_first_names(wrong)}; do not use "
            "it, although its tag is there; run the same command to read it again; where it stays so, publish elsewhere"
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
    actual |= {name: "" for name in remote if _OURS.fullmatch(name) and name not in expected}
    return store.differences(expected, actual)


def verify_remote(hub: Hub, version: str) -> list[str]:
    """Return how a version that is only on the Hub differs from its manifest there."""
    expected = dict(_manifest_at(hub, version)["files"])
    return store.differences(expected, {name: digest for name in expected if (digest := hub.digest(name, version))})


def _first_names(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def repository_state(work: Workspace) -> State | None:
    """Look where the job's repository stands; None where it is not there, or the job publishes to a folder."""
    publish = work.config.publish
    return Hub(str(publish.repo)).look() if publish.to == "hub" else None
