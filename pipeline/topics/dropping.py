"""Articles of topics that the job drops: they go no further, and stand in `topics.kept.rejected/` with the reason."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.core.errors import InputError
from pipeline.core.progress import progress_bar
from pipeline.core.shards import REJECTED, Output
from pipeline.engines.mapping import Transform, map_shards
from pipeline.engines.steps import DONE, Step
from pipeline.job.topic_options import TopicOptions
from pipeline.job.workspace import Workspace
from pipeline.topics.log import Topics

_log = logging.getLogger("labelmill.topics")
_REASON = "topic_dropped"


def check(work: Workspace, options: TopicOptions, topics: Topics) -> None:
    """Raise InputError where a dropped topic is part of another one, whose articles would be paid; tell which ids no topic has."""
    for number in sorted(set(options.drop) - topics.live.keys()):
        now = topics.now(number)
        if now in topics.live and now in options.drop:
            continue
        if now in topics.live:
            raise InputError(
                f"{work.config.file}: topics.drop: topic {number} was merged into {now}, which is not dropped; write {now}, "
                f"or leave {number} out"
            )
        _log.warning(f"topics.drop: there is no topic {number}, so nothing is dropped for it")
    for number in _strata(work):
        if number not in topics.live:
            now = topics.now(number)
            why = f"topic {number} was merged into {now}" if now in topics.live else f"there is no topic {number}"
            _log.warning(f"label.until: {why}, so nothing is asked for it")


def _strata(work: Workspace) -> Iterator[int]:
    label = work.config.label
    if label.until_by == "topic" and isinstance(label.until, dict):
        yield from (int(stratum) for stratum in label.until if stratum.isdecimal())


def run(work: Workspace, options: TopicOptions, shards: Sequence[str]) -> None:
    """Bring `topics.kept/` up to date, where the job drops topics."""
    if not options.drop:
        return
    dropped = _dropped(work, options)
    step, progress = _step(work, options, dropped), progress_bar("topics", len(shards), "shards")
    map_shards(
        work.engine,
        step,
        shards,
        partial(_parter, work),
        progress,
        says=lambda shard: {digest: dropped[digest] for digest in step.extra(shard)},
    )


def _parter(work: Workspace) -> Transform:
    return lambda shard, dropped: _parted(work.filter_output.read(shard), dropped)


def state(work: Workspace, options: TopicOptions, shards: Sequence[str]) -> str:
    """Return the state of `topics.kept/`; done where nothing is dropped."""
    return _step(work, options, _dropped(work, options)).state(shards) if options.drop else DONE


def _dropped(work: Workspace, options: TopicOptions) -> dict[str, int]:
    """Return the digests of the texts that go no further, with their topics."""
    return {digest: topic for digest, topic in work.topic_table.topic_of_text().items() if topic in options.drop}


def _step(work: Workspace, options: TopicOptions, dropped: dict[str, int]) -> Step:
    def of_shard(shard: str) -> Any:
        digests = work.filter_output.read(shard, ["text_sha256"]).column("text_sha256").to_pylist()
        return [digest for digest in digests if digest in dropped]

    return Step(work.topics_kept, [work.filter_output], "topics.kept", "topics changed", extra=of_shard)


def _parted(articles: pa.Table, dropped: dict[str, int]) -> Output:
    topics = [dropped.get(digest) for digest in articles.column("text_sha256").to_pylist()]
    out = np.array([topic is not None for topic in topics], bool)
    rejected = articles.filter(pa.array(out)).select([name for name in REJECTED.names if name in articles.column_names])
    details = [f"topic={topic}" for topic in topics if topic is not None]
    rejected = rejected.append_column("reason", pa.array([_REASON] * len(details), pa.string()))
    rejected = rejected.append_column("detail", pa.array(details, pa.string()))
    return Output(articles.filter(pa.array(~out)), rejected.select(REJECTED.names))
