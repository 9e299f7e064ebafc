"""Which labelling runs made the labels of a job, and how many each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow.compute as pc

from pipeline.core.files import read_json
from pipeline.job.workspace import Workspace


def labels_by_run(work: Workspace, shards: Sequence[str]) -> list[dict[str, Any]]:
    """Return each run with its `labels`, the run with most first, under a `name` that no other run of the job's labels has."""
    counts: Counter[str] = Counter()
    for shard in shards:
        if work.labels.file(shard).exists():  # one column of a shard is all that is in memory
            for count in pc.value_counts(work.labels.read(shard, ["run_id"]).column("run_id")).to_pylist():
                counts[count["values"]] += count["counts"]
    described = {run_id: read_json(work.run_file(run_id)) or {} for run_id in counts}
    names = {run_id: _name(run) for run_id, run in described.items()}
    shared = Counter(names.values())
    return [
        {
            "name": names[run_id] if shared[names[run_id]] == 1 else f"{names[run_id]} ({run_id})",
            "run_id": run_id,
            "labels": count,
        }
        for run_id, count in counts.most_common()
    ]


def _name(run: dict[str, Any]) -> str:
    """Return what people call a run by: `extractive 2`, or the model and its prompt."""
    provider = run.get("provider") or "an unknown run"
    version = (run.get("parameters") or {}).get("version")
    maker = run.get("model") or (f"{provider} {version}" if version else provider)
    return f"{maker}, {run['prompt']}" if run.get("prompt") else str(maker)
