"""Topics in published rows: columns beside the row's own, which no digest holds, so another topic is no change of a row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.job.workspace import Workspace

COLUMNS = {"map_topic_id": pa.int32(), "map_topic": pa.string()}
Topics = Mapping[str, tuple[int, str]]  # id of an article -> id and name of its topic
_SHOWN = 20  # topics that the card names


def of_job(work: Workspace) -> Topics | None:
    """Return the topics of a job's articles, None where the job does not publish them."""
    if work.config.topics is None or not work.config.topics.publish or not work.topic_table.exists:
        return None
    names, table = work.topic_table.names(), work.topic_table.articles(["id", "topic_id"])
    pairs = zip(table.column("id").to_pylist(), table.column("topic_id").to_pylist(), strict=True)
    return {row_id: (topic, names.get(topic, "")) for row_id, topic in pairs if topic is not None}


def added_to(rows: pa.Table, topics: Topics) -> pa.Table:
    """Return rows with their topics; null for those without one."""
    own = [topics.get(row_id, (None, None)) for row_id in rows.column("id").to_pylist()]
    for at, (name, kind) in enumerate(COLUMNS.items()):
        rows = rows.append_column(name, pa.array([each[at] for each in own], kind))
    return rows


def told(work: Workspace, ids: pa.ChunkedArray, last: Path | None) -> dict[str, Any]:
    """Return what a version's manifest tells of topics, nothing where the job does not publish them."""
    topics = of_job(work)
    return {} if topics is None else {"map_topics": facts(ids, topics, last)}


def facts(ids: pa.ChunkedArray, topics: Topics, last: Path | None) -> dict[str, Any]:
    """Return what a version tells of topics: sizes, rows without one, how many rows had another one in the last version."""
    own = {row_id: topics[row_id] for row_id in ids.to_pylist() if row_id in topics}
    sizes = Counter(own.values())
    before = _of_version(last) if last else {}
    return {
        "sizes": [{"id": topic, "name": name, "rows": count} for (topic, name), count in sizes.most_common()],
        "without": len(ids) - len(own),
        "moved": sum(1 for row_id, topic in before.items() if row_id in own and own[row_id][0] != topic),
    }


def _of_version(version: Path) -> dict[str, int]:
    """Return the topic of each row of a version that tells it."""
    topic_of: dict[str, int] = {}
    for file in sorted((version / "data").glob("*.parquet")):
        if "map_topic_id" in pq.read_schema(file).names:
            table = pq.read_table(file, columns=["id", "map_topic_id"])
            pairs = zip(table.column("id").to_pylist(), table.column("map_topic_id").to_pylist(), strict=True)
            topic_of.update((row_id, topic) for row_id, topic in pairs if topic is not None)
    return topic_of


def in_words(told: Mapping[str, Any]) -> str:
    """Return the topics of a version and their sizes as a sentence or two."""
    sizes = told["sizes"]
    shown = "; ".join(f"{_plain(row['name'])} ({row['rows']:,})" for row in sizes[:_SHOWN])
    more = f"; and {len(sizes) - _SHOWN:,} more" if len(sizes) > _SHOWN else ""
    without = f" {told['without']:,} rows have none." if told["without"] else ""
    return f"{len(sizes):,} topics: {shown}{more}.{without}"


def _plain(name: str) -> str:
    """Return a name as Markdown that shows it as it is: a model gave it, or an article's words."""
    return re.sub(r"([\\`*_~\[\]<>|&$])", r"\\\1", " ".join(name.split()))
