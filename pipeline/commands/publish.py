"""Command `publish --adopt`: takes over the versions of a repository that are not here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.job import takedowns
from pipeline.job.takedowns import now
from pipeline.job.workspace import Workspace
from pipeline.publish import repository
from pipeline.publish.hub import Hub
from pipeline.split import assignment
from pipeline.split.split_log import SplitLog
from pipeline.versions import store


def adopt(work: Workspace, asked: str | None = None) -> bool:
    """Take over the versions of the repository that are not here; return whether there were any.

    `asked` is the number that the next one is to have, where that is given.  The last one becomes the last one here; the log of
    the split and the takedowns are made anew from all versions.
    """
    state = repository.state_of(work)
    if state is None:
        return False
    with work.locked():
        fetched = repository.adopt(Hub(str(work.config.publish.repo)), state, work.versions, asked)
        if fetched:
            _rebuild(work)
    return bool(fetched)


def _rebuild(work: Workspace) -> None:
    """Make the log of the split anew from the published versions, and add their takedowns."""
    # what was drawn here and never published promised nothing to anyone
    for file in work.assignments.glob("*.parquet"):
        file.unlink()
    taken_down = set[str]()
    for version in store.all_versions(work.versions):
        _log_splits(work, version)
        taken_down |= set(store.read_manifest(version).get("takedowns", []))
    if missing := sorted(taken_down - takedowns.load(work.takedowns).texts):
        takedowns.append(work.takedowns, "", missing, "of an adopted version", now())


def _log_splits(work: Workspace, version: Path) -> None:
    """Log the splits of a version; texts that were not published are logged by their rows' ids alone."""
    with_text = store.read_manifest(version).get("text") != "none"
    tables, groups, codes = [assignment.TEXTS.empty_table()], list[str](), list[int]()
    for split, code in (("train", assignment.TRAIN), ("eval", assignment.EVAL)):
        for table in store.rows_of(version, split):
            ids = table.column("id").to_pylist()
            tables.append(assignment.texts_of(ids, table.column("text").to_pylist() if with_text else ids))
            groups += table.column("group_id").to_pylist()
            codes += [code] * len(ids)
    texts = pa.concat_tables(tables)
    assigned = assignment.Assignment(
        pa.array(groups, pa.string()), np.array(codes, np.int8), pa.nulls(len(groups), pa.string())
    )
    assignment.log_fresh(SplitLog(work.assignments), texts, assigned)
