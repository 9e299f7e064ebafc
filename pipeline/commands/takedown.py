"""Command `takedown`: logs that an article must not be published any more, whatever version it is in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.errors import HubError, InputError
from pipeline.core.files import read_json
from pipeline.core.objects import looked_at
from pipeline.core.shards import read_order
from pipeline.core.text.folding import fold_case
from pipeline.job import takedowns
from pipeline.job.takedowns import now
from pipeline.job.workspace import Workspace
from pipeline.publish.repository import state_of
from pipeline.split import assignment
from pipeline.split.minhash import NUMBERS, signature
from pipeline.versions import rows, store


@dataclass(frozen=True)
class Takedown:
    """Article that was taken down: digests of the texts that it is known to have had, and the versions that hold it.

    `near_copies` are the ids of articles that are like it, and stay.
    """

    id: str
    texts: list[str]
    held_by: dict[str, bool]  # version -> whether it is on the Hub too
    near_copies: tuple[str, ...] = ()


@looked_at()
def takedown(work: Workspace, row_id: str, reason: str) -> Takedown:
    """Log that an article must not be published any more.  Raises InputError for an unknown one."""
    with work.locked():
        holding = {path.name: held for path in store.all_versions(work.versions) if (held := _texts_in(path, row_id))}
        texts = sorted(_collected(work, row_id).union(*holding.values()))
        if not texts:
            raise InputError(
                f"no article {row_id!r}, neither in {work.articles.path} nor in a version; see: labelmill show "
                f"{work.config.in_commands} articles"
            )
        takedowns.append(work.takedowns, row_id, texts, reason, now())
        near_copies = _near_copies(work, row_id, holding)
    try:
        state = state_of(work)
    except HubError:
        state = None
    held_by = {version: bool(state and version in state.versions) for version in holding}
    return Takedown(row_id, texts, held_by, near_copies)


def _near_copies(work: Workspace, row_id: str, versions: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of articles that are like one, and are not taken down."""
    shards = [shard for shard in _shards(work) if work.signatures.manifest(shard)]
    signed = [work.signatures.read(shard, ["id", "signature"]) for shard in shards]
    own = [_of(table, row_id).column("signature").to_pylist() for table in signed]
    own.append([signature(fold_case(text)) for text in _known_texts(work, row_id, versions)])
    least, near = work.config.split.similarity * NUMBERS, set[str]()
    for one in {each for part in own for each in part}:
        numbers = np.frombuffer(one, np.uint16)
        for table in signed:
            alike = (assignment.signatures_of([table], table.num_rows) == numbers).sum(axis=1) >= least
            near |= set(table.column("id").filter(pa.array(alike)).to_pylist())
    return tuple(sorted(near - takedowns.load(work.takedowns).ids))


def _known_texts(work: Workspace, row_id: str, versions: Iterable[str]) -> set[str]:
    """Return the texts of an article, as it was collected, and as versions have it."""
    tables = [work.articles.read(shard, ["id", "text"]) for shard in _shards(work)]
    for version in versions:
        path = store.named(work.versions, version)
        if store.read_manifest(path).get("text") != "none":
            tables += [table for split in rows.SPLITS for table in store.rows_of(path, split, ["id", "text"])]
    return {text for table in tables for text in _of(table, row_id).column("text").to_pylist() if text}


def _of(table: pa.Table, row_id: str) -> pa.Table:
    return table.filter(pc.equal(table.column("id"), row_id))


def _shards(work: Workspace) -> list[str]:
    return [] if read_json(work.articles.path / "_order.json") is None else list(read_order(work.articles))


def _texts_in(version: Path, row_id: str) -> set[str]:
    tables = (t for split in rows.SPLITS for t in store.rows_of(version, split, ["id", "text_sha256"]))
    return _texts(tables, row_id)


def _collected(work: Workspace, row_id: str) -> set[str]:
    texts = _texts((work.articles.read(shard, ["id", "text_sha256"]) for shard in _shards(work)), row_id)
    return texts | {given for given, nfc in work.given.nfc.items() if nfc in texts}


def _texts(tables: Any, row_id: str) -> set[str]:
    digests: set[str] = set()
    for table in tables:
        digests |= set(_of(table, row_id).column("text_sha256").to_pylist())
    return digests
