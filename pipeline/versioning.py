"""The versions of a job, here and on the Hub: listed, held against their manifests, taken over, and what must not be in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.disk import read_json
from pipeline.errors import HubError, InputError
from pipeline.publishing import releasing, rows, takedowns, versions
from pipeline.publishing.diff import numbers
from pipeline.publishing.hub import Hub, State
from pipeline.splitting import assignment
from pipeline.tables import read_order
from pipeline.workspace import Workspace

_NOT_THERE = "not there, or the token (HF_TOKEN) may not see it"


def listing(work: Workspace) -> tuple[list[dict[str, Any]], str]:
    """Each version, the oldest first: what its manifest says, whether it is `here`, its commit on the `hub` (None: not
    there); and what is wrong with the Hub, if anything is."""
    found = {
        path.name: {**versions.read_manifest(path), "here": True, "hub": None}
        for path in versions.everyone(work.versions)
    }
    trouble = ""
    try:
        state = _look(work)
        if state is None and work.config.publish.to == "hub":
            trouble = f"{work.config.publish.repo}: {_NOT_THERE}"
    except HubError as error:
        state, trouble = None, str(error)
    for version, commit in (state.versions if state else {}).items():
        found.setdefault(version, {"version": version, "here": False})["hub"] = commit
    return [found[version] for version in sorted(found, key=numbers)], trouble


def _look(work: Workspace) -> State | None:
    publish = work.config.publish
    return Hub(str(publish.repo)).look() if publish.to == "hub" else None


def verify(work: Workspace, version: str) -> dict[str, list[str]]:
    """Place -> how the version's files there differ from its manifest."""
    found, state = {}, _look(work)
    on_hub = state is not None and version in state.versions
    if (work.versions / version).exists() or not on_hub:
        path = versions.named(work.versions, version)
        found[str(path)] = versions.damaged(path)
        if on_hub:
            hub = Hub(str(work.config.publish.repo))
            found[f"{hub.repo}, {version}"] = releasing.read_back(hub, path, {})
        elif work.config.publish.to == "hub":
            found[f"{work.config.publish.repo}, {version}"] = [_NOT_THERE]
        return found
    hub = Hub(str(work.config.publish.repo))
    return {f"{hub.repo}, {version}": releasing.self_check(hub, version)}


def drop(work: Workspace, version: str) -> Path:
    """Remove a version that nobody else can have: the last one, and not on the Hub; the folder that it had.

    Raises InputError for any other, HubError where the Hub cannot tell.
    """
    with work.locked():
        path = versions.named(work.versions, version)
        last = versions.latest(work.versions)
        if last is None or last.name != version:
            raise InputError(
                f"{path}: later versions count on it; only the last one can be dropped ({last and last.name})"
            )
        for repo in {versions.read_manifest(path).get("repo"), work.config.publish.repo} - {None}:
            state = Hub(str(repo)).look()
            if state is None and work.config.publish.to == "hub":
                raise InputError(f"{path}: {repo} is {_NOT_THERE}: whether it has this version cannot be told")
            if state is not None and version in state.versions:
                raise InputError(
                    f"{path}: it is on the Hub ({repo}), where others may use it; a version that is out stays"
                )
        versions.drop(work.versions, version)
    return path


def adopt(work: Workspace) -> bool:
    """Take over the versions of the repository that are not here: the last one becomes the last one here, the ledger of the
    split and the takedowns are what all versions tell of them.  Whether there was anything to take over."""
    state = _look(work) if work.adopt else None
    if state is None:
        return False
    with work.locked():
        fetched = releasing.adopt(Hub(str(work.config.publish.repo)), state, work.versions)
        if fetched:
            _rebuild(work)
    return bool(fetched)


def _rebuild(work: Workspace) -> None:
    """What was drawn here and never published promised nothing to anyone: the published versions alone are logged again."""
    for file in work.assignments.glob("*.parquet"):
        file.unlink()
    gone = set[str]()
    for version in versions.everyone(work.versions):
        _log_splits(work, version)
        gone |= set(versions.read_manifest(version).get("takedowns", []))
    if missing := sorted(gone - takedowns.load(work.takedowns).texts):
        takedowns.append(work.takedowns, "", missing, "of an adopted version", _now())


def _log_splits(work: Workspace, version: Path) -> None:
    """Texts that were not published are logged by their rows' ids alone."""
    with_text = versions.read_manifest(version).get("text") != "none"
    tables, groups, codes = [assignment.TEXTS.empty_table()], list[str](), list[int]()
    for split, code in (("train", assignment.TRAIN), ("eval", assignment.EVAL)):
        for table in versions.rows_of(version, split):
            ids = table.column("id").to_pylist()
            tables.append(assignment.texts_of(ids, table.column("text").to_pylist() if with_text else ids))
            groups += table.column("group_id").to_pylist()
            codes += [code] * len(ids)
    rows_now = pa.concat_tables(tables)
    found = assignment.Assignment(
        pa.array(groups, pa.string()), np.array(codes, np.int8), pa.nulls(len(groups), pa.string())
    )
    signatures = assignment.signatures_of([rows_now], len(groups))
    assignment.append_log(
        work.assignments, rows_now, signatures, found, assignment.read_log(work.assignments, rows_now)
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


# --- takedowns ---


@dataclass(frozen=True)
class Takedown:
    """What was taken down: the texts that the article is known to have had, and the versions that hold it."""

    id: str
    texts: list[str]
    held_by: dict[str, bool]  # version -> whether it is on the Hub too


def takedown(work: Workspace, row_id: str, reason: str) -> Takedown:
    """Log that an article must not be published any more.  Raises InputError where nobody has heard of it."""
    with work.locked():
        holding = {path.name: held for path in versions.everyone(work.versions) if (held := _texts_in(path, row_id))}
        texts = sorted(_collected(work, row_id).union(*holding.values()))
        if not texts:
            raise InputError(
                f"no article {row_id!r}, neither in {work.articles.path} nor in a version; see: labelmill show JOB articles"
            )
        takedowns.append(work.takedowns, row_id, texts, reason, _now())
    try:
        state = _look(work)
    except HubError:
        state = None
    return Takedown(row_id, texts, {version: bool(state and version in state.versions) for version in holding})


def _texts_in(version: Path, row_id: str) -> set[str]:
    tables = (t for split in rows.SPLITS for t in versions.rows_of(version, split, ["id", "text_sha256"]))
    return _texts(tables, row_id)


def _collected(work: Workspace, row_id: str) -> set[str]:
    if read_json(work.articles.path / "_order.json") is None:
        return set()
    shards = read_order(work.articles)
    return _texts((work.articles.read(shard, ["id", "text_sha256"]) for shard in shards), row_id)


def _texts(tables: Any, row_id: str) -> set[str]:
    found: set[str] = set()
    for table in tables:
        mine: pa.Table = table.filter(pc.equal(table.column("id"), row_id))
        found |= set(mine.column("text_sha256").to_pylist())
    return found
