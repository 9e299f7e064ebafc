"""Map steps in this process, one shard after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.tables import Folder, Output, input_digests, step_key


def map_shards(
    folder: Folder,
    shards: Sequence[str],
    *,
    inputs: Sequence[Folder],
    config: Any,
    transform: Callable[[str], Output],
    progress: Any,
    extra: Callable[[str], Any] = lambda shard: None,
) -> None:
    """Bring a stage's folder up to date: make each shard that is not there for these inputs, forget what is not listed.

    A shard's key is made of the digests of its `inputs`, of the step's `config` and of `extra(shard)` (what a fold says
    of this shard), all JSON-able.  `progress` is a tqdm bar over shards.
    """
    with progress:
        for shard in shards:
            digests = input_digests(inputs, shard)
            key = step_key(digests, config, extra(shard))
            if not folder.done(shard, key):
                started = time.monotonic()
                output = transform(shard)
                folder.write(shard, key, digests, output, time.monotonic() - started)
            progress.update()
    folder.keep_only(shards)
