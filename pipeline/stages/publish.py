"""publish: everything so far -> an immutable version.  Rows that did not change make no new version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import GateStopped, InputError
from pipeline.labelling.labeller import Labeller
from pipeline.ledger import open_ledger
from pipeline.publishing import card, gates, versions
from pipeline.stages import clean
from pipeline.tables import Folder, digest_of, read_order
from pipeline.text.folding import fold_case
from pipeline.workspace import Workspace


@dataclass(frozen=True)
class Plan:
    """What would be published: `version` is None where the rows are those of `last`, and no version was asked for."""

    last: Path | None
    version: str | None
    diff: versions.Diff
    findings: list[gates.Finding]
    manifest: dict[str, Any]

    @property
    def card(self) -> str:
        return card.render(self.manifest)


def run(work: Workspace) -> str:
    """Write a version where the rows differ from the last one, or where one is asked for; the version that now stands.
    Raises GateStopped, naming the rows."""
    shards = read_order(work.articles)
    last = versions.latest(work.versions)
    if last and not work.version and versions.read_manifest(last)["inputs"] == _inputs(work, shards):
        return last.name
    planned = plan(work)
    if failed := [finding.told() for finding in planned.findings if finding.stops]:
        raise GateStopped(f"not published: {'; '.join(failed)}; mend the rows, or waive it: publish.waive")
    if planned.version is None:
        assert last is not None
        return last.name
    schema, rows = versions.row_schema(work.config.label_column), planned.manifest["rows"]
    texts = {"README.md": planned.card}
    versions.write(work.versions, planned.version, schema, _parts(work, shards), rows, texts, planned.manifest)
    return planned.version


def plan(work: Workspace) -> Plan:
    """Everything that a version would be, with nothing written.  Raises ConfigError for a given version that promises too
    much, InputError where there are no labels, or those of another task."""
    clean.check_column(work.reviewed, work)
    shards = read_order(work.articles)
    last = versions.latest(work.versions)
    index = _index(work, shards)
    if not index.num_rows:
        raise InputError(f"{work.path}: no labelled article to publish; see: labelmill status JOB")
    options, label = work.config.publish, work.config.label_column.name
    findings = gates.examine(index, versions.eval_ids(last), options.gates, options.waive)
    diff = versions.compare(last, _parts(work, shards), label) if last else versions.Diff(added=index.num_rows)
    if work.version:
        versions.check_given(work.version, last.name if last else None, diff)
    version = work.version or (
        None if last and diff.empty else versions.next_version(last.name if last else None, diff)
    )
    manifest = _manifest(work, version or (last.name if last else ""), last, diff, index, _inputs(work, shards))
    manifest["gates"] = {finding.gate: finding.as_dict() for finding in findings}
    return Plan(last, version, diff, findings, manifest)


def _inputs(work: Workspace, shards: list[str]) -> str:
    """Digest of what a version is made of."""
    return digest_of(
        [asdict(work.config.label_column), *([folder.digest(s) for folder in _folders(work)] for s in shards)]
    )


def _folders(work: Workspace) -> list[Folder]:
    return [work.filtered, work.reviewed, work.split]


def rows_of(work: Workspace, shard: str) -> pa.Table:
    """A shard's rows as a version holds them, in source order, with the column `split`."""
    splits = work.split.read(shard, ["id", "group_id", "split"])
    labels, articles = (_of(folder.read(shard), splits) for folder in (work.reviewed, work.filtered))
    columns = {
        name: next(t for t in (labels, splits, articles) if name in t.column_names).column(name)
        for name in [*versions.row_schema(work.config.label_column).names, "split"]
    }
    return pa.table(columns)


def _of(rows: pa.Table, chosen: pa.Table) -> pa.Table:
    """The rows with the ids of other rows, in the same order."""
    return rows.filter(pc.is_in(rows.column("id"), chosen.column("id").combine_chunks()))


def _parts(work: Workspace, shards: list[str]) -> Iterator[tuple[str, pa.Table]]:
    names = versions.row_schema(work.config.label_column).names
    with work.progress("publish", len(shards), "shards") as progress:
        for shard in shards:
            rows = rows_of(work, shard)
            for split in versions.SPLITS:
                yield split, rows.filter(pc.equal(rows.column("split"), split)).select(names)
            progress.update()


def _index(work: Workspace, shards: list[str]) -> pa.Table:
    """Small columns of all rows: what the gates and the manifest look at."""
    tables = []
    for shard in shards:
        rows = rows_of(work, shard)
        labels = _of(work.reviewed.read(shard, ["id", "model"]), rows)
        names = ("id", "text_sha256", "label_source", "run_id", "group_id", "split", "language", "licence")
        columns = {name: rows.column(name) for name in names} | {"model": labels.column("model")}
        tables.append(pa.table(columns | _looked_at(work, rows)))
    return pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({"id": []})


def _looked_at(work: Workspace, rows: pa.Table) -> dict[str, pa.Array]:
    """What the gates look at in each row, as numbers."""
    column = work.config.label_column
    most = getattr(work.config.task_options, "max_phrases", 0) if column.many else 1
    found: dict[str, list[int]] = {name: [] for name in ("phrases", "most", "repeated", "credentials", "personal")}
    for title, text, label in zip(
        *(rows.column(name).to_pylist() for name in ("title", "text", column.name)), strict=True
    ):
        phrases = [phrase for phrase in column.phrases(label) if phrase]
        whole = f"{title or ''}\n{text}\n{' '.join(phrases)}"
        found["phrases"].append(len(phrases))
        found["most"].append(most)
        found["repeated"].append(len(phrases) - len({fold_case(phrase) for phrase in phrases}))
        found["credentials"].append(gates.credentials(whole))
        found["personal"].append(gates.personal(whole))
    return {name: pa.array(values, pa.int64()) for name, values in found.items()}


def _counts(index: pa.Table, column: str) -> dict[str, int]:
    counted = Counter(value or "unknown" for value in index.column(column).to_pylist())
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def _manifest(
    work: Workspace, version: str, last: Path | None, diff: versions.Diff, index: pa.Table, inputs: str
) -> dict[str, Any]:
    config, labeller = work.config, Labeller(work)
    splits = _counts(index, "split")
    ledger = open_ledger(work.ledger_target, work.config.name)
    try:
        totals = ledger.totals()
    finally:
        ledger.close()
    run = {
        "provider": labeller.provider_name,
        **labeller.provider.identity,
        "run_id": labeller.run_id,
        "models_served": _counts(index, "model"),
        "prompt": labeller.prompt.name if labeller.prompt else None,
        "prompt_sha256": labeller.prompt.digest if labeller.prompt else None,
        "prompt_text": labeller.prompt.source.model_dump() if labeller.prompt else None,
        "ledger": totals,
    }
    return {
        "name": config.name,
        "version": version,
        "previous": last.name if last else None,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "task": config.label.task,
        "label": asdict(config.label_column),
        "rows": {split: splits.get(split, 0) for split in versions.SPLITS},
        "diff": asdict(diff),
        "languages": _counts(index, "language"),
        "label_sources": _counts(index, "label_source"),
        "licences": _counts(index, "licence"),
        "licence": config.publish.licence,
        "run": run,
        "clean": config.task_options.model_dump(mode="json"),
        "filters": [options.model_dump(mode="json") for options in config.filter_options],
        "split": config.split.model_dump(mode="json"),
        "inputs": inputs,
    }
