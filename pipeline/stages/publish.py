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
from pipeline.workspace import Workspace


@dataclass(frozen=True)
class Published:
    """The version that now stands for the job's rows; `new` says whether this call wrote it."""

    path: Path
    version: str
    new: bool
    diff: versions.Diff


def run(work: Workspace) -> Published:
    """Write a version where the rows differ from the last one.  Raises GateStopped, naming the rows."""
    shards = read_order(work.articles)
    clean.check_column(work.reviewed, work)
    inputs = digest_of([[folder.digest(s) for folder in _folders(work)] for s in shards])
    last = versions.latest(work.versions)
    if last and versions.read_manifest(last)["inputs"] == inputs:
        return Published(last, last.name, False, versions.Diff())
    index = _index(work, shards)
    if not index.num_rows:
        raise InputError(f"{work.path}: no labelled article to publish; see: labelmill status JOB")
    if failed := list(gates.failures(index)):
        raise GateStopped("not published: " + "; ".join(failed))
    diff = versions.compare(last, _parts(work, shards)) if last else versions.Diff(added=index.num_rows)
    if last and diff.empty:
        return Published(last, last.name, False, diff)
    version = versions.next_version(last.name if last else None, diff)
    manifest = _manifest(work, version, last, diff, index, inputs)
    texts = {"README.md": card.render(manifest)}
    schema = versions.row_schema(work.config.label_column)
    path = versions.write(work.versions, version, schema, _parts(work, shards), manifest["rows"], texts, manifest)
    return Published(path, version, True, diff)


def _folders(work: Workspace) -> list[Folder]:
    return [work.filtered, work.reviewed, work.split]


def rows_of(work: Workspace, shard: str) -> pa.Table:
    """A shard's rows as a version holds them, in source order, with the column `split`."""
    labels, splits = work.reviewed.read(shard), work.split.read(shard, ["group_id", "split"])
    articles = work.filtered.read(shard)
    articles = articles.filter(pc.is_in(articles.column("id"), labels.column("id").combine_chunks()))
    columns = {
        name: next(t for t in (labels, splits, articles) if name in t.column_names).column(name)
        for name in [*versions.row_schema(work.config.label_column).names, "split"]
    }
    return pa.table(columns)


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
        labels, splits = work.reviewed.read(shard), work.split.read(shard)
        articles = work.filtered.read(shard, ["id", "language", "licence"])
        articles = articles.filter(pc.is_in(articles.column("id"), labels.column("id").combine_chunks()))
        columns = {name: labels.column(name) for name in ("id", "text_sha256", "label_source", "run_id", "model")}
        column = work.config.label_column
        label = labels.column(column.name)
        columns |= {"phrases": pc.list_value_length(label) if column.many else pc.utf8_length(label)}
        columns |= {name: splits.column(name) for name in ("group_id", "split")}
        columns |= {name: articles.column(name) for name in ("language", "licence")}
        tables.append(pa.table(columns))
    return pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({"id": []})


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
