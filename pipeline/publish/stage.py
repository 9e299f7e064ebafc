"""The publish stage: everything so far -> an immutable version.  Rows that did not change make no new version."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from pipeline.core.errors import GateStopped, HubError, InputError
from pipeline.core.hints import with_job
from pipeline.core.objects import ObjectPath
from pipeline.job import label_table, takedowns
from pipeline.job.run_options import RunOptions
from pipeline.job.workspace import Workspace
from pipeline.publish import (
    card,
    elsewhere,
    planning,
    release,
    release_log,
    repository,
    writing,
)
from pipeline.publish.hub import Hub, State
from pipeline.publish.planning import OtherStages, Plan
from pipeline.versions import (
    diff,
    manifest,
    numbering,
    store,
)

_log = logging.getLogger("labelmill.publish")


class HeldBack(Exception):
    """Version that is not made since nobody asked for more than growth; the text says what it would be."""


def run(work: Workspace, options: RunOptions, others: OtherStages) -> str:
    """Write a version where the rows differ from the last one, or where one is asked for, and put it where the job says.

    Returns the version that now stands.

    Raises HeldBack where rows of the last version would change, leave or have other types and `options.publish` does not
    allow that, GateStopped, naming the rows, HubError, InputError where somebody changed the repository.
    """
    if work.config.publish.to == "hub":
        return _to_hub(work, Hub(str(work.config.publish.repo)), options, others)
    path = _prepare(work, store.latest(work.versions), True, options, others)
    if isinstance(work.tables, ObjectPath) and store.is_pending(path):
        elsewhere.put(path, work.tables / "versions" / store.read_manifest(path)["version"])
    return _released(work, path).name


def preview(planned: Plan) -> str:
    """Describe a planned version in a few words: its number, its changes, the gates that would stop it."""
    stopping = [finding.gate for finding in planned.findings if finding.stops]
    return f"{planned.version} ({planned.diff.in_words})" + (f", stopped by {', '.join(stopping)}" if stopping else "")


def _to_hub(work: Workspace, hub: Hub, options: RunOptions, others: OtherStages) -> str:
    state = _finish_pending(work, hub, options)
    if state:
        is_ours = release.is_on_its_way(hub, state.head, work.versions)
        repository.check_head(hub, state, work.versions, options.adopt, is_ours)
    last, their_card = store.latest(work.versions), hub.text("README.md", state.head) if state else None
    state = _recreate(work, hub, state, options)
    is_out = last is None or (state is not None and last.name in state.versions)
    path = _prepare(work, last, is_out, options, others, their_card)
    if path == last and is_out:
        release_log.note(work.versions, hub.repo, [last.name])
        return last.name
    if state is None:
        hub.create(work.config.publish.private)
        state = hub.look()
    if state is None:
        raise HubError(f"{hub.repo}: made, but it cannot be seen; may the token read it?")
    # After everything is written beside its place: whatever fails from here on, the next run finds it and looks whether it
    # landed.
    commit = release.push(hub, path, state)
    release.finish(hub, path, commit, last if is_out else None)
    return _out(work, hub, path)


def _out(work: Workspace, hub: Hub, path: Path) -> str:
    """Move a version that is out to its place, and note that it is; return its number."""
    version = _released(work, path).name
    release_log.note(work.versions, hub.repo, [version])
    return version


def _finish_pending(work: Workspace, hub: Hub, options: RunOptions) -> State | None:
    """Finish a version whose commit landed before its process stopped; return where the repository stands.

    One that the Hub holds damaged is given up where a number after its own is asked for.
    """
    state, path = hub.look(), store.pending(work.versions)
    if not (path and state and (commit := release.find_commit(hub, store.read_manifest(path)))):
        return state
    version = store.read_manifest(path)["version"]
    try:
        release.finish(hub, path, commit, None)
    except release.BrokenUpload as error:
        if not options.version or numbering.numbers(options.version) <= numbering.numbers(version):
            raise
        release_log.note(work.versions, hub.repo, [], {version: error.digests})
        store.discard(work.versions)
    else:
        _out(work, hub, path)
    return hub.look()


def _recreate(work: Workspace, hub: Hub, state: State | None, options: RunOptions) -> State | None:
    """Bring what a repository lacks of the versions that are here, where that is asked for; return where it stands then.

    Raises InputError where it is not asked for: one new version would hide the loss.
    """
    last = store.latest(work.versions)
    grows = last is not None and store.read_manifest(last)["inputs"] != planning.inputs_of(work)
    missing = repository.missing(state, work.versions, release_log.read(work.versions, hub.repo), grows)
    if not missing:
        return state
    names, taken = ", ".join(path.name for path in missing), takedowns.load(work.takedowns, work.given)
    holding = ", ".join(path.name for path in missing if store.holds(path, taken.concerns))
    warning = (
        f"{holding}: with articles that were taken down since; move such folders away where these must not be out again"
    )
    if not options.recreate:
        lack = (
            "does not hold the versions"
            if state
            else "is not there (or the token may not see it), but here are the versions"
        )
        raise InputError(
            f"{hub.repo} {lack} {names}; labelmill publish JOB --recreate brings all of them, each as its commit and tag"
            + (f" ({warning})" if holding else "")
        )
    if holding:
        _log.warning(warning)
    # Noted before the first is sent: a repository that has some of them afterwards was left in the middle.
    release_log.note_begun(work.versions, hub.repo, [path.name for path in missing])
    for version in release.recreate(hub, missing, work.config.publish.private):
        release_log.note(work.versions, hub.repo, [version])
    return hub.look()


def _released(work: Workspace, path: Path) -> Path:
    """Move a version to its place if it is not there yet; return its folder."""
    return store.release(work.versions, store.read_manifest(path)["version"]) if store.is_pending(path) else path


def _prepare(
    work: Workspace,
    last: Path | None,
    is_out: bool,
    options: RunOptions,
    others: OtherStages,
    their_card: str | None = None,
) -> Path:
    """Return the version that must go out, written beside its place; the last one itself where nothing changed.

    `is_out`: the last one is where it should be.  `their_card` is the card in the repository.
    """
    inputs, pending = planning.inputs_of(work), store.pending(work.versions)
    asked = options.version
    if last and not asked and store.read_manifest(last)["inputs"] == inputs:
        our_card = (last / "README.md").read_text("utf-8")
        if is_out or card.merged(our_card, their_card) == our_card:
            return last
        broken = release_log.read(work.versions, work.config.publish.repo).broken
        asked = numbering.next_version(last.name, diff.Diff(), broken)  # the same rows, another card
    if pending and _is_current(written := store.read_manifest(pending), work, asked, inputs, last):
        changes = diff.Diff(**written["diff"])
        if not (options.publish or changes.only_adds):
            raise HeldBack(f"{written['version']} ({changes.in_words})")
        return pending
    kept_before = work.facts.exists
    planned = plan(work, others, asked, keep=True)
    if not (options.publish or planned.diff.only_adds):
        raise HeldBack(preview(planned))
    for finding in planned.findings:
        if finding.published:
            _log.warning(with_job(finding.message(), work.config.in_commands))
    if stopping := [finding.message() for finding in planned.findings if finding.stops]:
        raise GateStopped(f"not published: {'; '.join(stopping)}; mend the rows, or waive it: publish.waive")
    if planned.version is None:
        assert last is not None
        if not kept_before:
            work.facts.remove()  # where nothing is made anew, nothing is written
        return last
    return writing.write(work, planned, their_card)


def _is_current(pending: dict[str, Any], work: Workspace, asked: str | None, inputs: str, last: Path | None) -> bool:
    """Return whether a version that was written and did not get out is the one that is wanted now."""
    wanted = manifest.of_job(work.config) | {"inputs": inputs, "previous": last.name if last else None}
    same = all(pending.get(name) == value for name, value in wanted.items())
    return same and asked in (None, pending["version"])


# --- planning ---


def plan(work: Workspace, others: OtherStages, asked: str | None = None, keep: bool = False) -> Plan:
    """Plan a version, with the number `asked` where given.  Raises InputError where the labels are those of another task.

    Nothing is written, but with `keep` what was found of rows.
    """
    label_table.check_column(work.reviewed, work)
    return planning.plan(work, others, asked, keep)
