"""The log of shared answers: which text shares the answer to which request, in which run; append-only, one file for each run of
the stage that added something.

What an article shares stays, whatever is collected, removed or taken down later: the request's key leads to the answer in the
ledger also where the article that was asked about is no longer there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.files import next_numbered, read_json, write_json
from pipeline.core.parquet import read_parquet, write_parquet
from pipeline.core.shards import Manifest, step_key
from pipeline.job.workspace import Workspace

MODE = "near_copies"
_SIMILARITIES = "similarities.json"
_SCHEMA = pa.schema(
    [
        ("text_sha256", pa.string()),  # of the article that shares
        ("key", pa.string()),  # of the request that was asked
        ("shared_from", pa.string()),  # id of the article that it was asked about
        ("run_id", pa.string()),
        ("similarity", pa.float64()),  # of the groups that it was decided by
        ("notes", pa.list_(pa.string())),  # of what it was asked with; files of earlier programs have none
    ]
)


@dataclass(frozen=True, slots=True)
class AnswerSource:
    """Request whose answer is shared: its key, the id of the article that it was asked about, and the notes of the answers to
    the prompts before it."""

    key: bytes
    shared_from: str
    notes: tuple[str, ...] = ()


def load(work: Workspace, run_id: str) -> dict[str, AnswerSource]:
    """Return the source of each text that shares an answer of a run; the latest entry counts.

    Entries of groups that were looser than those of now do not: who raises `split.similarity` wants fewer near-copies.
    """
    sources = {}
    for file in sorted(work.shares.glob("*.parquet")):
        table = read_parquet(file)
        holds = pc.and_(
            pc.equal(table.column("run_id"), run_id),
            pc.greater_equal(table.column("similarity"), work.config.split.similarity),
        )
        for row in table.filter(holds).to_pylist():
            notes = tuple(row.get("notes") or ())
            sources[row["text_sha256"]] = AnswerSource(bytes.fromhex(row["key"]), row["shared_from"], notes)
    return sources


def append(work: Workspace, run_id: str, sources: Iterable[tuple[str, AnswerSource]]) -> None:
    """Log the source of further texts, durably, before any shard says so."""
    similarity = work.config.split.similarity
    rows = [
        {"text_sha256": text, "key": source.key.hex(), "shared_from": source.shared_from, "run_id": run_id,
         "similarity": similarity, "notes": list(source.notes)}
        for text, source in sources
    ]  # fmt: skip
    if rows:
        # another process may log the same ones: an entry twice says nothing else
        with work.writing_requests():
            table = pa.Table.from_pylist(rows, schema=_SCHEMA)
            write_parquet(next_numbered(work.shares, ".parquet"), table, _SCHEMA)


def note_similarity(work: Workspace) -> None:
    """Note by which groups shards are made from now on: where nothing new is shared, no entry above tells."""
    own = work.config.split.similarity
    if own not in similarities(work):
        with work.writing_requests():
            write_json(work.shares / _SIMILARITIES, sorted({*similarities(work), own}))


def similarities(work: Workspace) -> list[float]:
    """Return the similarities of the groups by which shards were made."""
    noted: list[float] = read_json(work.shares / _SIMILARITIES) or []
    return noted


def extra(work: Workspace, kept: int, shared: int) -> Any:
    """Return what stands in the key of a shard of `requests/` beside its articles and the run: `kept` rows, some of which share.

    A shard without shared rows is the same one with and without `label.share`; one that has some is made anew where the job
    shares no longer, or by other groups.
    """
    is_shared = shared and work.config.label.share
    return [kept, MODE, work.config.split.similarity] if is_shared else kept


def is_of(work: Workspace, manifest: Manifest, config: Any) -> bool:
    """Tell whether a shard of `requests/` was made by a run (its step's `config`), by whatever groups its rows share."""
    kept = manifest.kept
    if manifest.key == step_key(manifest.inputs, config, kept):
        return True
    files = sorted(work.shares.glob("*.parquet")) if manifest.notes.get("shared") else []
    seen = {value for file in files for value in pc.unique(read_parquet(file, ["similarity"]).column(0)).to_pylist()}
    seen |= {work.config.split.similarity, *similarities(work)}
    return any(manifest.key == step_key(manifest.inputs, config, [kept, MODE, each]) for each in sorted(seen))
