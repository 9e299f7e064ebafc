"""Facts of the rows that go out, a shard at a time, kept in `publish.facts/`: texts are looked at once, not for each version.

What is kept of a shard holds as long as its rows, the options that it depends on and the code that looked at it are the same ones.
Takedowns are none of it: they are applied to what is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from pipeline.core.code import digest_of_code
from pipeline.core.shards import Output
from pipeline.engines.steps import Step
from pipeline.job.workspace import Workspace
from pipeline.versions import rows
from pipeline.versions.forms import Nfc

# Everything that a fact may depend on; an improved gate looks at all texts anew.
_CODE = ("pipeline.versions", "pipeline.clean.cleaner", "pipeline.core", "pipeline.publish", "pipeline.job")
ORIGINAL = "original_sha256"  # of the text as it was collected, by which it may be taken down


def code() -> str:
    """Return the digest of the code that makes facts."""
    return digest_of_code(*_CODE)


def of_shard(work: Workspace, shard: str, build: Callable[[], pa.Table], nfc: Nfc, keep: bool) -> pa.Table:
    """Return the index (`rows.INDEX`) of a shard's rows with ORIGINAL, taken down or not.

    `build` makes the rows (`rows.build`, with ORIGINAL), where their facts are not there yet; those are kept if `keep` says so.
    """
    step = _step(work, nfc)
    key, digests = step.key(shard)
    if step.folder.done(shard, key):
        return step.folder.read(shard)
    started, options = time.monotonic(), work.config.publish
    built = build()
    index = rows.index_rows(built.drop_columns([ORIGINAL]), work.config.label_column, options.text == "full", nfc)
    index = index.append_column(ORIGINAL, built.column(ORIGINAL))
    if keep:
        step.folder.write(shard, key, digests, Output(index), time.monotonic() - started)
    return index


def keep_only(work: Workspace, shards: list[str]) -> None:
    """Forget the facts of other shards."""
    work.facts.keep_only(shards)


def key_of(work: Workspace, nfc: Nfc) -> list[Any]:
    """Return what all facts depend on beside the rows, or a file: the code, the label's column, what was brought to NFC."""
    return [code(), work.config.label_column.described(), nfc.key]


def _step(work: Workspace, nfc: Nfc) -> Step:
    options = work.config.publish
    config = [*key_of(work, nfc), options.text, sorted(options.redact)]
    return Step(work.facts, [work.filtered, work.reviewed, work.split], config, "rows changed")
