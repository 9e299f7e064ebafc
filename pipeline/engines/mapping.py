"""Map steps: shards that are not there for their inputs are made, by whatever engine the job has."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pipeline.core.engine import Engine, Task
from pipeline.core.objects import look_again
from pipeline.core.shards import Folder, Output
from pipeline.engines.steps import Step

Transform = Callable[[str, Any], Output]  # of a shard and of what a fold or a log says of it
_Given = tuple[str, str, dict[str, str], Any]  # shard, its key, the digests of its inputs, what is said of it


def map_shards(
    engine: Engine,
    step: Step,
    shards: Sequence[str],
    build: Callable[[], Transform],
    progress: Any,
    says: Callable[[str], Any] = lambda shard: None,
) -> None:
    """Bring a step's folder up to date: make each shard that is not there for these inputs, forget what is not listed.

    `build` is called once a worker and must be picklable; `says(shard)` is what a fold or a log says of a shard, asked for when the
    shard is sent.  `progress` is a tqdm bar over shards.
    """
    step.begin()
    with progress:
        missing = list[tuple[str, str, dict[str, str]]]()
        for shard in shards:
            key, digests = step.key(shard)
            if step.folder.done(shard, key):
                progress.update()
            else:
                missing.append((shard, key, digests))
        tasks = (Task(shard, (shard, key, digests, says(shard))) for shard, key, digests in missing)
        for _ in engine.map(step.folder.path.name, partial(_writer, step.folder, build), tasks, len(missing)):
            progress.update()
    look_again()
    step.folder.keep_only(shards)
    step.finish()


def _writer(folder: Folder, build: Callable[[], Transform]) -> Callable[[_Given], None]:
    """Return what makes a shard and writes it where it is made: only its manifest is looked at elsewhere."""
    transform = build()

    def write(given: _Given) -> None:
        shard, key, digests, extra = given
        started = time.monotonic()
        output = transform(shard, extra)
        folder.write(shard, key, digests, output, time.monotonic() - started)

    return write
