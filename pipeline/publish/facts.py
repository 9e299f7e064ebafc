"""Facts of the rows that go out, a shard at a time, kept in `publish.facts/`: texts are looked at once, not for each version.

What is kept of a shard holds as long as its rows, the options that it depends on and the code that looked at it are the same ones.
Takedowns are none of it: they are applied to what is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from pipeline.core.code import digest_of_code
from pipeline.engines.steps import Step
from pipeline.job.workspace import Workspace
from pipeline.versions import rows
from pipeline.versions.forms import Nfc

# Everything that a fact may depend on; an improved gate looks at all texts anew.
_CODE = ("pipeline.versions", "pipeline.clean.cleaner", "pipeline.core", "pipeline.publish", "pipeline.job")
ORIGINAL = "original_sha256"  # of the text as it was collected, by which it may be taken down

REDACTED = "is_redacted"  # where the job redacts: which rows are to be redacted when they are written


def code() -> str:
    """Return the digest of the code that makes facts."""
    return digest_of_code(*_CODE)


def step(work: Workspace, nfc: Nfc) -> Step:
    """Return the map step that keeps the facts of shards."""
    options = work.config.publish
    config = [*key_of(work, nfc), options.text, sorted(options.redact)]
    return Step(work.facts, [work.filtered, work.reviewed, work.split], config, "rows changed")


def made(work: Workspace, built: pa.Table, nfc: Nfc) -> pa.Table:
    """Return the index (`rows.INDEX`) of rows (`rows.build`), taken down or not, with the same columns beside it (`beside_of`)."""
    with_text, beside = work.config.publish.text == "full", beside_of(built)
    index = rows.index_rows(built.drop_columns(beside), work.config.label_column, with_text, nfc)
    for name in beside:
        index = index.append_column(name, built.column(name))
    return index


def beside_of(table: pa.Table) -> list[str]:
    """Return the columns that stand beside what is published of rows, or beside their index."""
    return [name for name in (ORIGINAL, REDACTED) if name in table.column_names]


def of_shard(work: Workspace, shard: str, build: Callable[[], pa.Table], nfc: Nfc) -> pa.Table:
    """Return the facts of a shard: those that are kept, else as they are `made` of what `build` returns."""
    return work.facts.read(shard) if _are_kept(work, shard, nfc) else made(work, build(), nfc)


def redacted_of(work: Workspace, shard: str, nfc: Nfc) -> pa.ChunkedArray | None:
    """Return REDACTED of a shard's rows, None where that is not kept."""
    return work.facts.read(shard, [REDACTED]).column(0) if _are_kept(work, shard, nfc) else None


def _are_kept(work: Workspace, shard: str, nfc: Nfc) -> bool:
    kept = step(work, nfc)
    return kept.folder.done(shard, kept.key(shard)[0])


def key_of(work: Workspace, nfc: Nfc) -> list[Any]:
    """Return what all facts depend on beside the rows, or a file: the code, the label's column, what was brought to NFC."""
    return [code(), work.config.label_column.described(), nfc.key]
