"""A repository before a version goes out: does it stand where we left it, what of ours is not there, taking it over.

Expected at the head is the commit of the highest version's tag; anything else is somebody's edit.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.core.errors import InputError
from pipeline.core.files import file_digest, write_bytes
from pipeline.job.workspace import Workspace
from pipeline.publish import release_log
from pipeline.publish.hub import Hub, State
from pipeline.publish.release_log import Published
from pipeline.versions import store
from pipeline.versions.numbering import next_patch, numbers

_log = logging.getLogger("labelmill.publish")
NOT_THERE = "not there, or the token (HF_TOKEN) may not see it"
# the names of a version's files, but its card, which people may have written too
OURS = re.compile(r"data/[^/]+\.parquet|provenance/[^/]+\.parquet|pictures/[^/]+\.svg|croissant\.json|manifest\.json")

_SHOWN = 8  # files named in a message
_FIRST = {".gitattributes", "README.md", "LICENSE", "LICENSE.md", ".gitignore"}  # what a new repository may hold


def state_of(work: Workspace) -> State | None:
    """Look where the job's repository stands; None where it is not there, or the job publishes to a folder."""
    publish = work.config.publish
    return Hub(str(publish.repo)).look() if publish.to == "hub" else None


# --- does it stand where we left it? ---


def check_head(hub: Hub, state: State, folder: Path, adopt: bool, is_ours: bool = False) -> None:
    """Check that nobody else changed the repository since our last version; `folder` has the versions that are here.

    `is_ours`: the commit at the head is one of them, whose tag is not there yet.  Raises InputError, naming what changed, unless
    `adopt` says to go on from there.
    """
    broken = release_log.read(folder, hub.repo).broken
    newest = max(state.versions, key=numbers, default=None)
    if sound := max((version for version in state.versions if version not in broken), key=numbers, default=None):
        # Before anything else: another job's repository would look like one that somebody changed.
        _check_is_ours(hub, sound, manifest_at(hub, sound), folder)
    if is_ours:
        return
    if adopt or newest is None:
        strange = [] if adopt else sorted(set(hub.files(state.head)) - _FIRST)
        if strange:
            raise InputError(
                f"{hub.repo} holds {first_names(strange)}, no version of this job; --adopt publishes on top of it"
            )
    elif state.head != state.versions[newest]:
        changed = first_names(list(changes(hub, state.versions[newest], state.head)))
        raise InputError(
            f"{hub.repo} was changed since version {newest}: {changed} ({_authors(hub, state.versions[newest])}); look at it, "
            "then --adopt publishes on top of it (text of the card outside our markers stays, our files are written anew)"
        )


def _check_is_ours(hub: Hub, newest: str, manifest: dict[str, Any], folder: Path) -> None:
    if not (folder / newest).exists():
        raise InputError(
            f"{hub.repo} has a tag {newest}, a version that is not here: another job or machine published it; --adopt takes it "
            "over as the last version (its eval rows stay eval)"
        )
    if manifest.get("release") != store.read_manifest(folder / newest).get("release"):
        raise InputError(
            f"{hub.repo}: its version {newest} is not this job's {newest}; give the job a publish.repo of its own"
        )


def changes(hub: Hub, before: str, after: str) -> Iterator[str]:
    """Yield how the files of one commit differ from those of another, a line each."""
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
    return first_names([f"{what} ({times} times)" if times > 1 else what for what, times in Counter(commits).items()])


def manifest_at(hub: Hub, version: str) -> dict[str, Any]:
    """Return the manifest of a version on the Hub.  Raises InputError where it has none, or that of another version."""
    return _parsed_manifest(hub, version, hub.text(store.MANIFEST, version) or "")


def _parsed_manifest(hub: Hub, version: str, text: str) -> dict[str, Any]:
    try:
        manifest = dict(json.loads(text))
    except ValueError:
        raise InputError(
            f"{hub.repo}: its tag {version} has no manifest, labelmill did not publish it: delete that tag, or publish elsewhere"
        ) from None
    if (named := manifest.get("version")) != version:
        raise InputError(
            f"{hub.repo}: its tag {version} is on files of version {named}, labelmill did not make it: delete that tag "
            f"(hf repos tag delete {hub.repo} {version} --repo-type dataset)"
        )
    return manifest


# --- what of ours is not there? ---


def missing(state: State | None, folder: Path, published: Published, grows: bool) -> list[Path]:
    """Return the versions here that a repository lacks, the oldest first, where a next one alone would not do.

    So it is where the repository is gone or empty, and where those that were out end before the newest of them.  `grows`: a
    further version is about to be made.
    """
    versions, there = store.all_versions(folder), state.versions if state else {}
    sent = {*published.versions, *published.on_their_way}
    if not there:
        # One version that nobody had yet, written to a folder first, goes out as ever.
        return versions if sent or len(versions) + grows > 1 else []
    newest = max(map(numbers, there))
    return [
        path
        for path in versions
        if path.name in {*published.versions, *published.on_their_way} and numbers(path.name) > newest
    ]


# --- taking over ---


def adopt(hub: Hub, state: State, folder: Path, asked: str | None = None) -> list[Path]:
    """Fetch all versions of the repository that are not here, the oldest first; return their folders.

    A newest version that the Hub holds damaged is left out where a number after it is `asked` for.  Raises InputError, before
    anything is fetched, for a tag that no version of this job has.
    """
    texts = {version: hub.text(store.MANIFEST, version) or "" for version in sorted(state.versions, key=numbers)}
    manifests = {version: _parsed_manifest(hub, version, text) for version, text in texts.items()}
    for version in manifests:
        if (folder / version).exists():
            _check_is_ours(hub, version, manifests[version], folder)
    broken = release_log.read(folder, hub.repo).broken
    for manifest in manifests.values():
        broken |= manifest.get("broken", {})
    fetched = []
    for version in (name for name in manifests if name not in broken and not (folder / name).exists()):
        try:
            fetched.append(_fetch(hub, version, manifests[version]["files"], texts[version], folder))
        except _Damaged as damaged:
            if not asked or version != list(manifests)[-1] or numbers(asked) <= numbers(version):
                raise
            broken[version] = damaged.digests
    release_log.note(folder, hub.repo, [name for name in manifests if name not in broken], broken)
    return fetched


class _Damaged(InputError):
    """A version on the Hub is not as its manifest says; `digests` are what the SHA-256 of the wrong files should be."""

    def __init__(self, message: str, digests: list[str]) -> None:
        super().__init__(message)
        self.digests = digests


def _fetch(hub: Hub, version: str, digests: dict[str, str], manifest: str, folder: Path) -> Path:
    """Fetch a version of this `manifest` from the Hub; files that an earlier one has are copied."""
    # Names come from the Hub: none may lead out of the version's folder.
    if strange := [name for name in digests if not (OURS.fullmatch(name) or name == "README.md")]:
        raise InputError(
            f"{hub.repo}: version {version} has files that no version has: {first_names(strange)}; not adopted"
        )
    _log.info(f"fetching version {version} of {hub.repo}")
    path, last = store.begin(folder), store.latest(folder)
    local = store.read_manifest(last)["files"] if last else {}
    for name, digest in digests.items():
        # looked at: what is damaged there is fetched
        if last and local.get(name) == digest and (last / name).exists() and file_digest(last / name) == digest:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(last / name, path / name)
        else:
            hub.download(name, version, path / name)
    write_bytes(path / store.MANIFEST, manifest.encode())
    if wrong := store.damaged(path):
        store.discard(folder)
        raise _Damaged(
            f"{hub.repo}: version {version} is not as its manifest says: {first_names(wrong)}; not adopted (the newest one is "
            f"left out by: labelmill publish JOB --adopt --version {next_patch(version)})",
            [digest for name, digest in digests.items() if any(line.startswith(f"{name}: ") for line in wrong)],
        )
    return store.release(folder, version)


def first_names(names: list[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
