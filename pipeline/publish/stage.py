"""The publish stage: everything so far -> an immutable version.  Rows that did not change make no new version."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.core.errors import GateStopped, HubError, InputError
from pipeline.core.files import file_digest
from pipeline.core.hints import with_job
from pipeline.core.shards import read_order
from pipeline.job import label_table, takedowns
from pipeline.job.run_options import RunOptions
from pipeline.job.workspace import Workspace
from pipeline.publish import (
    card,
    croissant,
    dataset_info,
    pictures,
    planning,
    release,
    release_log,
    repository,
    sample_row,
)
from pipeline.publish.hub import Hub, State
from pipeline.publish.planning import OtherStages, OutgoingRows, Plan
from pipeline.versions import (
    checksums,
    data_files,
    diff,
    features,
    file_facts,
    manifest,
    numbering,
    provenance,
    rows,
    store,
)
from pipeline.versions.forms import Nfc

_log = logging.getLogger("labelmill.publish")


class HeldBack(Exception):
    """Version that is not made since nobody asked for more than growth; the text says what it would be."""


def run(work: Workspace, options: RunOptions, others: OtherStages) -> str:
    """Write a version where the rows differ from the last one, or where one is asked for, and put it where the job says.

    Returns the version that now stands.

    Raises HeldBack where rows of the last version would change or leave and `options.publish` does not allow that, GateStopped,
    naming the rows, HubError, InputError where somebody changed the repository.
    """
    if work.config.publish.to == "hub":
        return _to_hub(work, Hub(str(work.config.publish.repo)), options, others)
    path = _prepare(work, store.latest(work.versions), True, options, others)
    return _released(work, path).name


def preview(planned: Plan) -> str:
    """Describe a planned version in a few words: its number, its changes, the gates that would stop it."""
    stopping = [finding.gate for finding in planned.findings if finding.stops]
    return f"{planned.version} ({planned.diff.in_words})" + (f", stopped by {', '.join(stopping)}" if stopping else "")


def _to_hub(work: Workspace, hub: Hub, options: RunOptions, others: OtherStages) -> str:
    state = _finish_pending(work, hub, options)
    if state:
        repository.check_head(hub, state, work.versions, options.adopt)
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
    release_log.note(
        work.versions, hub.repo, [path.name for path in missing]
    )  # a run that is killed is asked for again
    release.recreate(hub, missing, work.config.publish.private)
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
    kept_before = work.facts.path.exists()
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
            shutil.rmtree(work.facts.path)  # where nothing is made anew, nothing is written
        return last
    return _write(work, planned, their_card)


def _is_current(pending: dict[str, Any], work: Workspace, asked: str | None, inputs: str, last: Path | None) -> bool:
    """Return whether a version that was written and did not get out is the one that is wanted now."""
    wanted = manifest.of_job(work.config) | {"inputs": inputs, "previous": last.name if last else None}
    same = all(pending.get(name) == value for name, value in wanted.items())
    return same and asked in (None, pending["version"])


# --- writing ---


def plan(work: Workspace, others: OtherStages, asked: str | None = None, keep: bool = False) -> Plan:
    """Plan a version, with the number `asked` where given.  Raises InputError where the labels are those of another task.

    Nothing is written, but with `keep` what was found of rows.
    """
    label_table.check_column(work.reviewed, work)
    return planning.plan(work, others, asked, keep)


def _write(work: Workspace, planned: Plan, their_card: str | None) -> Path:
    """Write the planned version beside its place: data, provenance, Croissant, card, manifest."""
    path = store.begin(work.versions)
    schema, kinds = (
        rows.schema(work.config.label_column, work.config.publish.text == "full"),
        planned.manifest.get(features.TYPES),
    )
    if kinds is not None:  # a version of before has no such metadata, and its files stay byte for byte
        schema = schema.with_metadata(features.metadata_of(dataset_info.card_features(schema, kinds)))
    known = _take_over(planned, path, schema)
    data_files.write(path / "data", schema, _parts(work, planned.index, schema, known), _written(planned.index, known))
    data_files.write_whole(path / "provenance" / "runs.parquet", provenance.table(planned.manifest["runs"]))
    damaged = {digest for digests in planned.manifest.get("broken", {}).values() for digest in digests}
    digests = store.file_digests(path, known)
    for name in (name for name, digest in digests.items() if digest in damaged):
        data_files.remake(path / name, planned.manifest["version"])
        digests[name] = file_digest(path / name)
    described = croissant.render(planned.manifest, schema, digests, _address(planned.manifest))
    description = json.dumps(described, ensure_ascii=False, indent=1)
    drawn = pictures.draw(planned.manifest)
    of_files = _facts_of_files(work, path, planned, digests, kinds or {})
    sums = checksums.of_files(planned.manifest["version"], work.config.label_column.name, of_files)
    sizes = {name: one.num_bytes for name, one in of_files.items()}
    entries = dataset_info.entries(planned.manifest["rows"], path, digests, sums.told(), kinds or {}, sizes)
    shown = {name: title for name, (title, _) in drawn.items()}
    readme = card.render(planned.manifest, entries, sample_row.of_version(path, planned.index), shown)
    texts = {"croissant.json": description, "README.md": card.merged(readme, their_card)}
    store.seal(path, texts | {name: drawing for name, (_, drawing) in drawn.items()}, planned.manifest, digests)
    return path


def _take_over(planned: Plan, path: Path, schema: pa.Schema) -> dict[str, str]:
    """Put files of the last version that would be written as they are into the next one; return the SHA-256 of each."""
    if planned.last is None:
        return {}
    last, digests = planned.last, store.read_manifest(planned.last)["files"]
    same = [name for name in sorted(planned.kept) if _is_as_written(last / name, schema, planned.index, name)]
    for name in same:
        store.take_over(last, name, path)
    return {name: digests[name] for name in same}


def _is_as_written(file: Path, schema: pa.Schema, index: pa.Table, name: str) -> bool:
    """Tell whether a file has the columns and types, and the words for who labelled, that unchanged rows are written with."""
    stored = pq.read_schema(file)
    if not stored.equals(schema, check_metadata=False) or (stored.metadata or {}) != (schema.metadata or {}):
        return False
    then = pq.read_table(file, columns=["label_source"]).column(0)  # what it was called once is no change
    return bool(
        pc.all(pc.equal(then, data_files.rows_in(index, name).column("label_source").cast(pa.string()))).as_py()
    )


def _written(index: pa.Table, known: Collection[str]) -> pa.Table:
    """Return the rows of the index that are in files to be written."""
    if not known:
        return index
    names = pc.binary_join_element_wise(
        index.column("split").cast(pa.string()), index.column("file").cast(pa.string()), "/"
    )
    places = [f"{split}/{int(number)}" for split, number in (Path(name).stem.split("-") for name in known)]
    return index.filter(pc.invert(pc.is_in(names, pa.array(places, pa.string()))))


def _facts_of_files(
    work: Workspace, path: Path, planned: Plan, digests: dict[str, str], kinds: features.Kinds
) -> dict[str, file_facts.FileFacts]:
    """Return the facts of all data files of a version, and keep them for the next one."""
    folder, found = planning.files_folder(work, Nfc(work.given)), dict[str, file_facts.FileFacts]()
    for name in (name for name in digests if name.startswith("data/")):
        facts = folder.read(digests[name])
        if facts is None:
            state = data_files.rows_in(planned.index, name)
            checksum = checksums.of_file(path / name, work.config.label_column.name)
            facts = file_facts.FileFacts(state, checksum, file_facts.num_bytes(path / name, kinds))
            folder.write(digests[name], facts)
        found[name] = facts
    of_last = store.read_manifest(planned.last)["files"] if planned.last else {}
    folder.keep_only({*digests.values(), *of_last.values()})
    return found


def _address(version: dict[str, Any]) -> str:
    """Return the address below which a version's files are by its tag, empty where it has no repository."""
    return Hub(version["repo"]).address("", version["version"]) if version["repo"] else ""


def _parts(
    work: Workspace, index: pa.Table, schema: pa.Schema, known: Collection[str]
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield all rows that are in files to be written as they go out, each part with its slice of the index.

    Shards whose rows are all in `known` files are not read.
    """
    names, outgoing, start = read_order(work.articles), OutgoingRows(work), 0
    with work.progress("publish", len(names), "shards") as progress:
        for shard, count in zip(names, outgoing.counts(names), strict=True):
            index_slice = index.slice(start, count)
            start += count
            written = _written(index_slice, known)
            if written.num_rows:
                outgoing_rows = outgoing.of(shard)
                if written.num_rows < count:
                    is_written = pc.is_in(outgoing_rows.column("id"), written.column("id").combine_chunks())
                    outgoing_rows = outgoing_rows.filter(is_written)
                yield (
                    pa.table({n: (written if n in _INDEX_COLUMNS else outgoing_rows).column(n) for n in schema.names}),
                    written,
                )
            progress.update()


_INDEX_COLUMNS = ("source", "added_in", "changed_in")
