"""Map steps in this process, one shard after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.core.shards import Output
from pipeline.engines.steps import Step


def map_shards(step: Step, shards: Sequence[str], transform: Callable[[str], Output], progress: Any) -> None:
    """Bring a step's folder up to date: make each shard that is not there for these inputs, forget what is not listed.

    `progress` is a tqdm bar over shards.
    """
    step.begin()
    with progress:
        for shard in shards:
            key, digests = step.key(shard)
            if not step.folder.done(shard, key):
                started = time.monotonic()
                output = transform(shard)
                step.folder.write(shard, key, digests, output, time.monotonic() - started)
            progress.update()
    step.folder.keep_only(shards)
    step.finish()
