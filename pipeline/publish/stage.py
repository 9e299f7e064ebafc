"""publish: everything so far -> an immutable version.  Rows that did not change make no new version."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.core.errors import GateStopped, HubError
from pipeline.core.shards import read_order
from pipeline.job import label_table
from pipeline.job.workspace import Workspace
from pipeline.publish import card, croissant, dataset_info, planning, release
from pipeline.publish.hub import Hub, State
from pipeline.publish.planning import OutgoingRows, Plan
from pipeline.versions import data_files, diff, manifest, provenance, rows, store


class HeldBack(Exception):
    """A version that nobody asked for is not made; the text tells what it would be."""


def run(work: Workspace, growth_only: bool = False) -> str:
    """Write a version where the rows differ from the last one, or where one is asked for, and put it where the job says; the
    version that now stands.

    Raises HeldBack where `growth_only` and rows of the last version would change or leave, GateStopped, naming the rows, HubError,
    InputError where somebody changed the repository.
    """
    if work.config.publish.to == "hub":
        return _to_hub(work, Hub(str(work.config.publish.repo)), growth_only)
    path = _next(work, store.latest(work.versions), True, growth_only)
    return _released(work, path).name


def preview(planned: Plan) -> str:
    """What a planned version would be, in a few words: its number, its changes, the gates that would stop it."""
    stopping = [finding.gate for finding in planned.findings if finding.stops]
    return f"{planned.version} ({planned.diff.in_words})" + (f", stopped by {', '.join(stopping)}" if stopping else "")


def _to_hub(work: Workspace, hub: Hub, growth_only: bool) -> str:
    state = _finish_last(work, hub)
    if state:
        release.check_head(hub, state, work.versions, work.adopt)
    last = store.latest(work.versions)
    is_out = last is None or (state is not None and last.name in state.versions)
    path = _next(work, last, is_out, growth_only, hub.text("README.md", state.head) if state else None)
    if path == last and is_out:
        return last.name
    if state is None:
        hub.create(work.config.publish.private)
        state = hub.look()
    if state is None:
        raise HubError(f"{hub.repo}: made, but it cannot be seen; may the token read it?")
    commit = release.put(hub, path, state)
    release.finish(hub, path, commit, last if is_out else None)
    return _released(work, path).name


def _finish_last(work: Workspace, hub: Hub) -> State | None:
    """Finish a version whose commit landed before its maker stopped; where the repository stands."""
    state, path = hub.look(), store.pending(work.versions)
    if not (path and state and (commit := release.landed(hub, store.read_manifest(path)))):
        return state
    release.finish(hub, path, commit, None)
    _released(work, path)
    return hub.look()


def _released(work: Workspace, path: Path) -> Path:
    """A version in its place, to which it moves if it is not there yet."""
    return store.release(work.versions, store.read_manifest(path)["version"]) if store.is_pending(path) else path


def _next(work: Workspace, last: Path | None, is_out: bool, growth_only: bool, their_card: str | None = None) -> Path:
    """The version that must go out, written beside its place; the last one itself where nothing changed.  `is_out`: the last
    one is where it should be.  `their_card` is what stands in the repository."""
    inputs, pending = planning.inputs_of(work), store.pending(work.versions)
    asked = work
    if last and not work.version and store.read_manifest(last)["inputs"] == inputs:
        ours = (last / "README.md").read_text("utf-8")
        if is_out or card.merged(ours, their_card) == ours:
            return last
        asked = replace(work, version=diff.next_version(last.name, diff.Diff()))  # the same rows, another card
    if pending and _fits(waiting := store.read_manifest(pending), asked, inputs, last):
        changes = diff.Diff(**waiting["diff"])
        if growth_only and not changes.only_adds:
            raise HeldBack(f"{waiting['version']} ({changes.in_words})")
        return pending
    planned = plan(asked)
    if growth_only and not planned.diff.only_adds:
        raise HeldBack(preview(planned))
    if failed := [finding.told() for finding in planned.findings if finding.stops]:
        raise GateStopped(f"not published: {'; '.join(failed)}; mend the rows, or waive it: publish.waive")
    if planned.version is None:
        assert last is not None
        return last
    return _write(work, planned, their_card)


def _fits(pending: dict[str, Any], work: Workspace, inputs: str, last: Path | None) -> bool:
    """Whether a version that was written and did not get out is the one that is wanted now."""
    wanted = manifest.of_job(work.config) | {"inputs": inputs, "previous": last.name if last else None}
    same = all(pending.get(name) == value for name, value in wanted.items())
    return same and work.version in (None, pending["version"])


# --- writing ---


def plan(work: Workspace) -> Plan:
    """See `planning.plan`.  Raises InputError where the labels are those of another task."""
    label_table.check_column(work.reviewed, work)
    return planning.plan(work)


def _write(work: Workspace, planned: Plan, their_card: str | None) -> Path:
    """Write the planned version beside its place: data, provenance, Croissant, card, manifest."""
    path = store.begin(work.versions)
    schema = rows.schema(work.config.label_column, work.config.publish.text == "full")
    data_files.write(path / "data", schema, _parts(work, planned.index, schema), planned.index)
    data_files.write_whole(path / "provenance" / "runs.parquet", provenance.table(planned.manifest["runs"]))
    digests = store.file_digests(path)
    described = json.dumps(croissant.render(planned.manifest, schema, digests), ensure_ascii=False, indent=1)
    readme = card.render(planned.manifest, dataset_info.entries(planned.manifest["rows"], path, digests))
    store.seal(path, {"croissant.json": described, "README.md": card.merged(readme, their_card)}, planned.manifest)
    return path


def _parts(work: Workspace, index: pa.Table, schema: pa.Schema) -> Iterator[tuple[pa.Table, pa.Table]]:
    """All rows as they go out, each part with its slice of the index."""
    names, outgoing, start = read_order(work.articles), OutgoingRows(work), 0
    with work.progress("publish", len(names), "shards") as progress:
        for shard in names:
            its_rows = outgoing.of(shard)
            mine = index.slice(start, its_rows.num_rows)
            start += its_rows.num_rows
            columns = {n: (mine if n in _PLACED else its_rows).column(n) for n in schema.names}
            yield pa.table(columns), mine
            progress.update()


_PLACED = ("source", "added_in", "changed_in")
