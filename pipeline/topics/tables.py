"""The tables of topics, made of the log and the assignments, for everybody who looks at topics (docs/topics.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.core.parquet import write_parquet
from pipeline.job.topic_table import ARTICLES, TOPICS
from pipeline.job.workspace import Workspace
from pipeline.topics.assignments import NONE, Assigned
from pipeline.topics.grouping import similarity
from pipeline.topics.log import Topics
from pipeline.topics.rounds import middles_of
from pipeline.topics.space import Space
from pipeline.topics.texts import Key, Texts, key_of


def write(
    work: Workspace,
    texts: Texts,
    numbers: dict[Key, int],
    assigned: Assigned,
    topics: Topics,
    space: Space,
    dropped: Collection[int],
) -> None:
    """Write both tables; the articles' in source order."""
    nearness = similarity(space, assigned.topic, middles_of(topics))
    sizes: Counter[int] = Counter()
    near = {row_id: number for number, topic in topics.live.items() for row_id in topic.representatives}
    there: set[str] = set()  # those of the representatives that are articles still, of their topic
    parts = _articles(texts, numbers, assigned, nearness, sizes, near, there)
    write_parquet(work.topic_table.articles_file, parts, ARTICLES)
    rows = [_topic(topics, number, sizes[number], assigned, dropped, there) for number in topics.live]
    rows.sort(key=lambda row: (-row["size"], row["id"]))
    write_parquet(work.topic_table.topics_file, pa.Table.from_pylist(rows, schema=TOPICS), TOPICS)


def _articles(
    texts: Texts,
    numbers: dict[Key, int],
    assigned: Assigned,
    nearness: Any,
    sizes: Counter[int],
    near: dict[str, int],
    there: set[str],
) -> Iterator[pa.Table]:
    for batch in texts.batches(["id", "text_sha256"]):
        rows = np.array([numbers[key_of(digest)] for digest in batch.column("text_sha256").to_pylist()], np.int64)
        own = assigned.topic[rows]
        sizes.update(own.tolist())
        pairs = zip(batch.column("id").to_pylist(), own.tolist(), strict=True)
        there.update(row_id for row_id, number in pairs if near.get(row_id) == number)
        similar = nearness[rows]
        yield pa.Table.from_arrays(
            [
                batch.column("id"),
                batch.column("text_sha256"),
                pa.array(own, pa.int32(), mask=own == NONE),
                pa.array([assigned.reason[row] for row in rows.tolist()], pa.string()),
                pa.array(similar, pa.float32(), mask=np.isnan(similar)),
                *(pa.array(assigned.position[rows, axis], pa.float32()) for axis in (0, 1)),
            ],
            schema=ARTICLES,
        )


def _topic(
    topics: Topics, number: int, size: int, assigned: Assigned, dropped: Collection[int], there: Collection[str]
) -> dict[str, Any]:
    topic = topics.live[number]
    own = assigned.position[assigned.topic == number]
    x, y = np.median(own, axis=0).tolist() if len(own) else (0.0, 0.0)
    return {
        "id": number,
        "name": topic.name,
        "named_by": topic.named_by,
        "size": size,
        "words": topic.words.get("ctfidf", []),
        "words_mmr": topic.words.get("mmr", []),
        "words_central": topic.words.get("central", []),
        "broad_id": topic.broad,
        "broad_name": topics.broad_name(topic.broad),
        "x": x,
        "y": y,
        "representatives": [row_id for row_id in topic.representatives if row_id in there],
        "dropped": number in dropped,
    }
