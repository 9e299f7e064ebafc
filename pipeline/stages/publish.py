"""publish: everything so far -> an immutable version.  Rows that did not change make no new version."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.disk import digest_of, read_json
from pipeline.errors import GateStopped, HubError, InputError
from pipeline.ledger import Ledger, open_ledger
from pipeline.metrics.intervals import NOTHING, Share
from pipeline.publishing import (
    card,
    croissant,
    diff,
    gates,
    loading,
    manifest,
    provenance,
    releasing,
    rows,
    shards,
    takedowns,
    versions,
)
from pipeline.publishing.hub import Hub, State
from pipeline.review import summary
from pipeline.splitting import assignment
from pipeline.stages import clean
from pipeline.tables import read_order
from pipeline.workspace import Workspace


@dataclass(frozen=True)
class Plan:
    """What would be published: `version` is None where the rows are those of `last`, and no version was asked for.
    `index` has a row for each row that goes out, with its `file`, `added_in` and `changed_in`."""

    last: Path | None
    version: str | None
    diff: diff.Diff
    findings: list[gates.Finding]
    manifest: dict[str, Any]
    index: pa.Table

    @property
    def card(self) -> str:
        """Without the release id and the sizes of files, which are not there yet."""
        return card.render(self.manifest)


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
    path = _next(work, versions.latest(work.versions), True, growth_only)
    return _released(work, path).name


def preview(planned: Plan) -> str:
    """What a planned version would be, in a few words: its number, its changes, the gates that would stop it."""
    stopping = [finding.gate for finding in planned.findings if finding.stops]
    return f"{planned.version} ({planned.diff.in_words})" + (f", stopped by {', '.join(stopping)}" if stopping else "")


def _to_hub(work: Workspace, hub: Hub, growth_only: bool) -> str:
    state = _finish_last(work, hub)
    if state:
        releasing.check_head(hub, state, work.versions, work.adopt)
    last = versions.latest(work.versions)
    is_out = last is None or (state is not None and last.name in state.versions)
    path = _next(work, last, is_out, growth_only, hub.text("README.md", state.head) if state else None)
    if path == last and is_out:
        return last.name
    if state is None:
        hub.create(work.config.publish.private)
        state = hub.look()
    if state is None:
        raise HubError(f"{hub.repo}: made, but it cannot be seen; may the token read it?")
    commit = releasing.put(hub, path, state)
    releasing.finish(hub, path, commit, last if is_out else None)
    return _released(work, path).name


def _finish_last(work: Workspace, hub: Hub) -> State | None:
    """Finish a version whose commit landed before its maker stopped; where the repository stands."""
    state, path = hub.look(), versions.pending(work.versions)
    if not (path and state and (commit := releasing.landed(hub, versions.read_manifest(path)))):
        return state
    releasing.finish(hub, path, commit, None)
    _released(work, path)
    return hub.look()


def _released(work: Workspace, path: Path) -> Path:
    """A version in its place, to which it moves if it is not there yet."""
    return (
        versions.release(work.versions, versions.read_manifest(path)["version"]) if versions.is_pending(path) else path
    )


def _next(work: Workspace, last: Path | None, is_out: bool, growth_only: bool, their_card: str | None = None) -> Path:
    """The version that must go out, written beside its place; the last one itself where nothing changed.  `is_out`: the last
    one is where it should be.  `their_card` is what stands in the repository."""
    inputs, pending = inputs_of(work), versions.pending(work.versions)
    asked = work
    if last and not work.version and versions.read_manifest(last)["inputs"] == inputs:
        ours = (last / "README.md").read_text("utf-8")
        if is_out or card.merged(ours, their_card) == ours:
            return last
        asked = replace(work, version=diff.next_version(last.name, diff.Diff()))  # the same rows, another card
    if pending and _fits(waiting := versions.read_manifest(pending), asked, inputs, last):
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


# --- planning: nothing is written ---


def plan(work: Workspace) -> Plan:
    """Everything that a version would be, with nothing written.  Raises ConfigError for a given version that promises too
    much, InputError where there are no labels, or those of another task."""
    clean.check_column(work.reviewed, work)
    if (last := versions.latest(work.versions)) and (wrong := versions.damaged(last)):
        raise InputError(
            f"{last}: it is not as its manifest says ({', '.join(wrong[:5])}); nothing is compared with it: restore it (from the "
            "Hub: delete the folder, then labelmill publish JOB --adopt)"
        )
    near = _near_eval(work)
    index, tallies = _index(work)
    if not index.num_rows:
        raise InputError(f"{work.path}: no labelled article to publish; see: labelmill status JOB")
    index = index.append_column("near", pa.array(near.astype(np.int64)))
    before = versions.state(last)
    compared = diff.compare(before, index)
    name = last.name if last else None
    if work.version:
        diff.check_given(work.version, name, compared.diff)
    next_one = None if last and compared.diff.empty else diff.next_version(name, compared.diff)
    version = work.version or next_one
    index = _placed(index, compared, before, version or str(name))
    reviewed = _reviewed(work)
    findings = _examined(work, index, before, reviewed)
    described = {run_id: dict(read_json(work.run_file(run_id)) or {}) for run_id in tallies}
    made = {
        "inputs": inputs_of(work),
        "runs": provenance.runs(tallies, described),
        "funnel": _funnel(work),
        "gates": {finding.gate: finding.as_dict() for finding in findings},
        "reviewed": asdict(reviewed),
        "takedowns": sorted(takedowns.load(work.takedowns).texts),
    }
    changes = manifest.changes(version or str(name), versions.read_manifest(last) if last else None, compared.diff)
    about = manifest.of_job(work.config) | changes | manifest.of_rows(index) | made
    return Plan(last, version, compared.diff, findings, about, index)


def _examined(work: Workspace, index: pa.Table, before: pa.Table, reviewed: Share) -> list[gates.Finding]:
    options, column = work.config.publish, work.config.label_column
    evals = before.column("id").filter(pc.equal(before.column("split"), "eval")).combine_chunks()
    most = getattr(work.config.task_options, "max_phrases", 0) if column.many else 1
    facts = gates.Facts(index, evals, reviewed, most, options.max_absent_rate, options.min_precision)
    return gates.examine(facts, options.gates, options.waive)


def inputs_of(work: Workspace) -> str:
    """Digest of what a version is made of."""
    made_of = [asdict(work.config.label_column), work.config.publish.text, takedowns.digest(work.takedowns)]
    folders = (work.filtered, work.reviewed, work.split)
    return digest_of([*made_of, *([folder.digest(s) for folder in folders] for s in read_order(work.articles))])


def rows_of(work: Workspace, shard: str) -> pa.Table:
    """A shard's rows, in source order: the columns of a version but `added_in` and `changed_in`, and `split`."""
    splits = work.split.read(shard, ["id", "group_id", "split"])
    labels, articles = (_of(folder.read(shard), splits) for folder in (work.reviewed, work.filtered))
    found = rows.build(articles, labels, splits, work.config.label_column)
    return found.filter(pc.invert(takedowns.load(work.takedowns).concerns(found)))


def _of(table: pa.Table, chosen: pa.Table) -> pa.Table:
    """The rows with the ids of other rows, in the same order."""
    return table.filter(pc.is_in(table.column("id"), chosen.column("id").combine_chunks()))


def _index(work: Workspace) -> tuple[pa.Table, dict[str, provenance.RunTally]]:
    """Small columns of all rows, what the gates, the comparison and the manifest look at; and what each run took."""
    column, shard_names = work.config.label_column, read_order(work.articles)
    with_text = work.config.publish.text == "full"
    tables, tallies = [rows.INDEX.empty_table()], dict[str, provenance.RunTally]()
    ledger = open_ledger(work.ledger_target, work.config.name)
    try:
        with work.progress("publish", len(shard_names), "shards") as progress:
            for shard in shard_names:
                found = rows_of(work, shard)
                tables.append(rows.look(found, column, with_text))
                _tally(tallies, ledger, _of(work.reviewed.read(shard, ["id", "run_id", "key"]), found))
                progress.update()
    finally:
        ledger.close()
    return pa.concat_tables(tables).unify_dictionaries(), tallies


def _tally(tallies: dict[str, provenance.RunTally], ledger: Ledger, labels: pa.Table) -> None:
    """Add up what a shard's labels took, by run."""
    keys = [bytes.fromhex(key) for key in labels.column("key").to_pylist()]
    records = ledger.get(list(dict.fromkeys(keys)))
    for run_id, key in zip(labels.column("run_id").to_pylist(), keys, strict=True):
        tally = tallies.setdefault(run_id, provenance.RunTally())
        tally.rows += 1
        tally.add(records.pop(key, []))


def _near_eval(work: Workspace) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """For each row that goes out whether it is train and like an eval row: looked at anew, whatever the split says."""
    chosen = [_split_of(work, shard) for shard in read_order(work.articles)]
    is_eval = np.concatenate([np.asarray(pc.equal(rows.column("split"), "eval"), dtype=bool) for rows in chosen])
    columns = ["id", "signature"]
    tables = (
        _of(work.signatures.read(s, columns), rows) for s, rows in zip(read_order(work.articles), chosen, strict=True)
    )
    return assignment.near_eval(assignment.signatures_of(tables, len(is_eval)), is_eval, work.config.split.similarity)


def _split_of(work: Workspace, shard: str) -> pa.Table:
    """`id, split` of a shard's rows that go out."""
    split = work.split.read(shard, ["id", "split"])
    digests = _of(work.reviewed.read(shard, ["id", "text_sha256"]), split).column("text_sha256")
    taken = takedowns.load(work.takedowns).concerns(split.append_column("text_sha256", digests))
    return split.filter(pc.invert(taken))


def _placed(index: pa.Table, compared: diff.Comparison, before: pa.Table, version: str) -> pa.Table:
    """The index with `file`, `added_in`, `changed_in`, and the `source` that a row was published with."""
    known = pa.array(compared.before, mask=compared.before < 0)
    old = {name: before.column(name).take(known).cast(pa.string()) for name in ("source", "added_in", "changed_in")}
    now = pa.scalar(version)
    changed_in = pc.if_else(pa.array(compared.changed), now, old["changed_in"])
    index = index.append_column("added_in", old["added_in"].fill_null(now))
    index = index.append_column("changed_in", changed_in.fill_null(now))
    files = shards.files_of_rows(index.column("split"), compared, before)
    index = index.append_column("file", pa.array(files, pa.int32()))
    source = pc.if_else(pa.array(compared.changed), index.column("source").cast(pa.string()), old["source"])
    return index.set_column(index.schema.get_field_index("source"), "source", source)


def _funnel(work: Workspace) -> list[dict[str, Any]]:
    """What each stage took in, kept and rejected by reason."""
    order, found = read_order(work.articles), []
    folders = (work.articles, work.filtered, work.labels, work.reviewed, work.split)
    for stage, folder in zip(("collect", "filter", "label", "review", "split"), folders, strict=True):
        tally = folder.tally(order)
        found.append({"stage": stage, "rows": tally.rows, "kept": tally.kept, "rejected": dict(tally.rejected)})
    return found


def _reviewed(work: Workspace) -> Share:
    """The share of phrases that reviewers accepted in the audit."""
    found = summary.precision(work)
    if not found:
        return NOTHING
    names = ("mean", "low", "high", "phrases", "articles", "design_effect", "icc", "covers")
    return Share(*(found[name] for name in names))


# --- writing ---


def _write(work: Workspace, planned: Plan, their_card: str | None) -> Path:
    """Write the planned version beside its place: data, provenance, Croissant, card, manifest."""
    path = versions.begin(work.versions)
    schema = rows.schema(work.config.label_column, work.config.publish.text == "full")
    shards.write(path / "data", schema, _parts(work, planned.index, schema), planned.index)
    shards.write_whole(path / "provenance" / "runs.parquet", provenance.table(planned.manifest["runs"]))
    digests = versions.file_digests(path)
    described = json.dumps(croissant.render(planned.manifest, schema, digests), ensure_ascii=False, indent=1)
    readme = card.render(planned.manifest, loading.entries(planned.manifest["rows"], path, digests))
    versions.seal(path, {"croissant.json": described, "README.md": card.merged(readme, their_card)}, planned.manifest)
    return path


def _parts(work: Workspace, index: pa.Table, schema: pa.Schema) -> Iterator[tuple[pa.Table, pa.Table]]:
    """All rows as they go out, each part with its slice of the index."""
    names, start = read_order(work.articles), 0
    with work.progress("publish", len(names), "shards") as progress:
        for shard in names:
            found = rows_of(work, shard)
            mine = index.slice(start, found.num_rows)
            start += found.num_rows
            columns = {n: (mine if n in _PLACED else found).column(n) for n in schema.names}
            yield pa.table(columns), mine
            progress.update()


_PLACED = ("source", "added_in", "changed_in")
