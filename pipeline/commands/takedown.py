"""Command `takedown`: logs that an article must not be published any more, whatever version it is in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.errors import HubError, InputError
from pipeline.core.files import read_json
from pipeline.core.shards import read_order
from pipeline.job import takedowns
from pipeline.job.takedowns import now
from pipeline.job.workspace import Workspace
from pipeline.publish.release import repository_state
from pipeline.versions import rows, store


@dataclass(frozen=True)
class Takedown:
    """Article that was taken down: digests of the texts that it is known to have had, and the versions that hold it."""

    id: str
    texts: list[str]
    held_by: dict[str, bool]  # version -> whether it is on the Hub too


def takedown(work: Workspace, row_id: str, reason: str) -> Takedown:
    """Log that an article must not be published any more.  Raises InputError for an unknown one."""
    with work.locked():
        holding = {path.name: held for path in store.all_versions(work.versions) if (held := _texts_in(path, row_id))}
        texts = sorted(_collected(work, row_id).union(*holding.values()))
        if not texts:
            raise InputError(
                f"no article {row_id!r}, neither in {work.articles.path} nor in a version; see: labelmill show JOB articles"
            )
        takedowns.append(work.takedowns, row_id, texts, reason, now())
    try:
        state = repository_state(work)
    except HubError:
        state = None
    return Takedown(row_id, texts, {version: bool(state and version in state.versions) for version in holding})


def _texts_in(version: Path, row_id: str) -> set[str]:
    tables = (t for split in rows.SPLITS for t in store.rows_of(version, split, ["id", "text_sha256"]))
    return _texts(tables, row_id)


def _collected(work: Workspace, row_id: str) -> set[str]:
    if read_json(work.articles.path / "_order.json") is None:
        return set()
    shards = read_order(work.articles)
    return _texts((work.articles.read(shard, ["id", "text_sha256"]) for shard in shards), row_id)


def _texts(tables: Any, row_id: str) -> set[str]:
    digests: set[str] = set()
    for table in tables:
        of_article: pa.Table = table.filter(pc.equal(table.column("id"), row_id))
        digests |= set(of_article.column("text_sha256").to_pylist())
    return digests
