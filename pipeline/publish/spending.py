"""What the labels of a version took, by run, from label's ledger; what a shard's labels took is kept for the next version.

The ledger only grows, so a sum holds until it has a further record of one of the shard's keys.  A question whose answer rows of
several shards share counts in the first of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.code import digest_of_code
from pipeline.core.errors import InputError
from pipeline.core.files import digest_of, read_json, write_json
from pipeline.core.objects import AnyPath
from pipeline.job import takedowns
from pipeline.job.label_table import SHARED_FROM
from pipeline.job.workspace import Workspace
from pipeline.versions.provenance import RunTally
from pipeline.versions.rows import with_ids_of

_NAME = "_spending.json"  # beside the facts of shards


class SpendingReader(Protocol):
    """What is asked of label's ledger."""

    def taken(self, keys: Sequence[bytes]) -> list[tuple[Any, ...]]:
        """Return `(key, *Spent)` of each request of some keys, in the order of the keys."""

    def newest(self) -> list[Any] | None:
        """Return what tells the newest record; None where records are in no order."""

    def keys_since(self, newest: Sequence[Any]) -> set[bytes] | None:
        """Return the keys of later records; None where that record is not in the ledger."""


class RunTallies:
    """Sums over the shards of a version, by run."""

    def __init__(self, work: Workspace, ledger: SpendingReader, sharing: Collection[str] = ()) -> None:
        """Begin; `sharing` names the shards some of whose rows share answers."""
        self._work, self._ledger, self.sums = work, ledger, dict[str, RunTally]()
        self._newest, kept = ledger.newest(), self._read()
        self._new_keys = ledger.keys_since(kept["newest"]) if kept else None
        self._new_hex_keys = pa.array([key.hex() for key in self._new_keys or ()], pa.string())
        self._kept = kept["shards"] if self._new_keys is not None else {}
        self._now = dict[str, Any]()
        self._shared, self._counted = _shared_keys(work, sharing), set[str]()
        self._of_all = [digest_of_code("pipeline.publish", "pipeline.versions"), takedowns.digest(work.takedowns)]

    @property
    def _file(self) -> AnyPath:
        return self._work.facts.path / _NAME

    def _read(self) -> dict[str, Any]:
        """Return what was kept, nothing where that is damaged: it is made anew."""
        try:
            return read_json(self._file) or {}
        except InputError:
            return {}

    def add(self, shard: str, index: pa.Table) -> None:
        """Add what the labels of a shard's rows that go out (`index`) took."""
        folders = (self._work.reviewed, self._work.requests, self._work.split)
        manifests = [folder.manifest(shard) for folder in folders]
        counted = self._counted_before(shard, index)
        of_others = [sorted(counted)] if counted else []
        key = digest_of([*self._of_all, *(manifest and manifest.digest for manifest in manifests), *of_others])
        kept = self._kept.get(shard, {})
        if kept.get("key") != key or self._has_new(shard):
            sums = _sums(self._ledger, with_ids_of(index, _asked(self._work, shard)), counted)
            kept = {"key": key, "runs": {run_id: vars(tally) for run_id, tally in sums.items()}}
        self._now[shard] = kept
        for run_id, values in kept["runs"].items():
            self.sums.setdefault(run_id, RunTally()).merge(_tally_of(values))

    def _counted_before(self, shard: str, index: pa.Table) -> set[str]:
        """Return which keys of a shard's rows that go out count in a shard before it; those that it shares count from now on."""
        if not self._shared:
            return set()
        rows = with_ids_of(index, self._work.reviewed.read(shard, ["id", "key"])).column("key").to_pylist()
        shared = self._shared.intersection(rows)
        counted = shared & self._counted
        self._counted |= shared
        return counted

    def keep(self) -> None:
        """Keep the sums for the next version."""
        if self._newest:
            write_json(self._file, {"newest": self._newest, "shards": self._now})

    def _has_new(self, shard: str) -> bool:
        """Tell whether the ledger has further records of a shard's keys."""
        if not self._new_keys:
            return False
        keys = pc.list_flatten(_asked(self._work, shard).column("keys"))
        return bool(pc.any(pc.is_in(keys, self._new_hex_keys)).as_py())


def _tally_of(values: Mapping[str, Any]) -> RunTally:
    return RunTally(**{**values, "models": Counter(values["models"])})


def _shared_keys(work: Workspace, shards: Collection[str]) -> set[str]:
    """Return the keys of the questions whose answers rows of some shards share."""
    keys = set[str]()
    for shard in shards:
        labels = work.reviewed.read(shard, ["key", SHARED_FROM])
        keys.update(labels.column("key").filter(labels.column(SHARED_FROM).is_valid()).to_pylist())
    return keys


def _asked(work: Workspace, shard: str) -> pa.Table:
    """Return `id, run_id, keys` of a shard's labels: the keys of the questions that each took, the label's own last."""
    labels = work.reviewed.read(shard, ["id", "run_id", "key"])
    keys = labels.column("key").combine_chunks()
    of_rows = pa.ListArray.from_arrays(pa.array(np.arange(len(keys) + 1, dtype=np.int32)), keys)
    requests = work.requests.read(shard) if work.config.label.before else None
    if requests is not None and "before" in requests.column_names:
        before = dict(zip(*(requests.column(name).to_pylist() for name in ("id", "before")), strict=True))
        pairs = zip(labels.column("id").to_pylist(), keys.to_pylist(), strict=True)
        of_rows = pa.array([[*(before.get(row_id) or []), key] for row_id, key in pairs], pa.list_(pa.string()))
    return labels.select(["id", "run_id"]).append_column("keys", of_rows)


def _sums(ledger: SpendingReader, labels: pa.Table, counted: Collection[str]) -> dict[str, RunTally]:
    """Return what labels (`_asked`) took, by run; a question counts once, and not at all where it is `counted` elsewhere."""
    run_ids, keys = labels.column("run_id").combine_chunks(), labels.column("keys").combine_chunks()
    sums = {run_id: RunTally(rows) for run_id, rows in Counter(run_ids.to_pylist()).items()}
    run_of, of_runs = dict[bytes, str](), defaultdict[str, list[tuple[Any, ...]]](list)
    of_keys = run_ids.take(pc.list_parent_indices(keys)).to_pylist()
    for key, run_id in zip(keys.flatten().to_pylist(), of_keys, strict=True):
        if key not in counted:
            run_of.setdefault(bytes.fromhex(key), run_id)
    for request in ledger.taken(list(run_of)):
        of_runs[run_of[bytes(request[0])]].append(request[1:])
    for run_id, taken in of_runs.items():
        sums[run_id].add(taken)
    return sums
