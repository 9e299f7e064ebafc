"""A job's labelled rows as a DataFrame, and as a data set of the library `datasets`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import runner
from pipeline.api.jobs import Job, workspace_of
from pipeline.core.errors import InputError
from pipeline.core.objects import looked_at
from pipeline.core.shards import Folder, read_order
from pipeline.engines.steps import DONE, NOT_RUN, UNKNOWN
from pipeline.job import label_table
from pipeline.job.workspace import Workspace
from pipeline.publish.outgoing import OutgoingRows
from pipeline.versions import features, store
from pipeline.versions.rows import SPLITS, schema

if TYPE_CHECKING:
    import datasets
    import pandas as pd

_ARTICLE = ("title", "text", "url", "published_at", "language", "source", "line", "licence")


@looked_at()
def labels(job: Job, *, text: bool = True, rejected: bool = False) -> pd.DataFrame:
    """Return a job's labels, one row an article, in source order: after review, where there was one.

    `text` adds title, text and what else is known of the article.  `rejected`: the rows without a label, with reasons, and
    with the raw reply where there was one.  Raises InputError where the job has no labels yet.
    """
    work = workspace_of(job)
    folder = _labelled(work)
    shards = read_order(work.articles)
    if rejected:
        folders = [work.labels, *([work.reviewed] if folder == work.reviewed else [])]
        tables = [part.read_rejected(shard) for part in folders for shard in shards]
        return frame_of(pa.concat_tables(tables, promote_options="default"))
    tables = [_with_articles(work, folder, shard) if text else folder.read(shard) for shard in shards]
    return frame_of(pa.concat_tables(tables, promote_options="default"))


def _labelled(work: Workspace) -> Folder:
    """Return the folder that holds the labels as they are now.  Raises InputError where there are none."""
    shards = read_order(work.articles)
    folder = work.reviewed if work.reviewed.exists else work.labels
    if not all(folder.manifest(shard) for shard in shards):
        folder = work.labels
    if not all(folder.manifest(shard) for shard in shards):
        raise InputError(f"{work.path}: has no labels yet; run the job first: run({str(work.config.file)!r})")
    label_table.check_column(folder, work)
    return folder


def _with_articles(work: Workspace, folder: Folder, shard: str) -> pa.Table:
    rows = folder.read(shard)
    articles = work.filtered.read(shard, ["id", *_ARTICLE])
    places = {row_id: position for position, row_id in enumerate(articles.column("id").to_pylist())}
    chosen = articles.take(pa.array([places[row_id] for row_id in rows.column("id").to_pylist()], pa.int64()))
    for position, name in enumerate(_ARTICLE, 1):
        rows = rows.add_column(position, name, chosen.column(name))
    return rows


def frame_of(table: pa.Table) -> pd.DataFrame:
    """Return a table as a DataFrame whose lists are lists, not arrays."""
    frame: pd.DataFrame = table.to_pandas()
    for field in table.schema:
        if pa.types.is_list(field.type):
            frame[field.name] = table.column(field.name).to_pylist()
    return frame


def dataset(job: Job, version: str | None = None) -> datasets.Dataset | datasets.DatasetDict:
    """Return a job's labelled rows as a DatasetDict of `train` and `eval`, as they would be published now; before the split,
    as one Dataset.

    The rows are in memory.  Classes are a ClassLabel; `published_at` is a timestamp where every value is one.  `version`
    gives a published version's rows instead.  Raises InputError where there are none, or where the job file has changed
    since they were made.
    """
    import datasets

    work = workspace_of(job)
    tables = _published(work, version) if version is not None else _outgoing(work)
    label, last = work.config.label_column.name, store.latest(work.versions)
    classes = work.config.task.classes(work.config.task_options)
    numbered = features.class_names(label, classes, store.read_manifest(last) if last else None)
    kinds = features.of_tables(tables.values(), label, numbered)
    made = {}
    for name, table in tables.items():
        split = datasets.NamedSplit(name) if name else None
        made[name] = features.as_dataset(table, kinds, split)
    return made[""] if "" in made else datasets.DatasetDict(made)


@looked_at()
def _outgoing(work: Workspace) -> dict[str, pa.Table]:
    """Return the rows of each split; of one without a name where the job is not split yet."""
    shards = read_order(work.articles)
    state = runner.states(work)["split"]
    if state == NOT_RUN:
        folder = _labelled(work)
        tables = [_with_articles(work, folder, shard) for shard in shards]
        return {"": pa.concat_tables(tables, promote_options="default")}
    if state not in (DONE, UNKNOWN):
        raise InputError(
            f"{work.path}: its rows are not up to date ({state}); run the job first: run({str(work.config.file)!r})"
        )
    outgoing = OutgoingRows(work)
    rows = pa.concat_tables([outgoing.of(shard) for shard in shards])
    columns = schema(work.config.label_column, shared=bool(outgoing.sharing)).names
    names = [name for name in columns if name in rows.column_names]
    return {name: _of_split(rows, name).select(names) for name in SPLITS}


def _of_split(rows: pa.Table, name: str) -> pa.Table:
    return rows.filter(pc.equal(rows.column("split"), name))


def _published(work: Workspace, version: str) -> dict[str, pa.Table]:
    folder = store.named(work.versions, version)
    parts: dict[str, Iterator[pa.Table]] = {name: store.rows_of(folder, name) for name in SPLITS}
    return {name: pa.concat_tables(tables) for name, rows in parts.items() if (tables := list(rows))}
