"""Command `topics`: the topics of a job, in a table or one by one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.errors import InputError
from pipeline.core.shards import read_order
from pipeline.job.workspace import Workspace
from pipeline.topics import by_hand, comparison, stage

_TITLE = 80  # characters


def overview(work: Workspace) -> dict[str, Any]:
    """Return all topics, the largest first, and how many articles have none, by reason."""
    table = work.topic_table.articles(["reason"])
    reasons = Counter(reason for reason in table.column("reason").to_pylist() if reason)
    return {"articles": table.num_rows, "topics": work.topic_table.topics(), "without": dict(reasons.most_common())}


def one(work: Workspace, topic: int) -> dict[str, Any]:
    """Return everything of a topic: its words side by side, its months, the articles nearest to its middle.

    Raises InputError for an id that no topic has.
    """
    row = one_row(work, topic)
    table = work.topic_table.articles(["id", "topic_id", "similarity"])
    own = table.filter(pc.equal(table.column("topic_id"), row["id"]))
    near = dict(zip(own.column("id").to_pylist(), own.column("similarity").to_pylist(), strict=True))
    months, titles = _months_and_titles(work, set(near), set(row["representatives"]))
    articles = [
        {"id": row_id, "similarity": near.get(row_id, 0.0), "title": titles.get(row_id)}
        for row_id in row["representatives"]
        if row_id in near
    ]
    return {**row, "months": months, "articles": articles}


def one_row(work: Workspace, topic: int) -> dict[str, Any]:
    """Return the row of a topic, of a merged one that which it is part of.  Raises InputError for an id that no topic has."""
    rows = work.topic_table.topics()
    now = stage.opened_log(work).now(topic)
    row = next((row for row in rows if row["id"] == now), None)
    if row is None:
        ids = ", ".join(str(row["id"]) for row in sorted(rows, key=lambda row: row["id"])[:20])
        raise InputError(f"{work.topic_table.path}: no topic {topic}; there are: {ids or 'none'}")
    return row


def changes(work: Workspace) -> dict[str, Any]:
    """Return which topics were born, died, were split or merged in the last round."""
    work.topic_table.check()
    return comparison.last_changes(work, read_order(work.articles))


def change_by_hand(work: Workspace, merged: list[int], renamed: tuple[int, str] | None) -> None:
    """Merge topics, and give one a name."""
    if merged:
        by_hand.merge(work, merged, renamed is not None and renamed[0] in merged)
    if renamed:
        by_hand.rename(work, *renamed)


def _months_and_titles(work: Workspace, ids: set[str], shown: set[str]) -> tuple[dict[str, int], dict[str, str]]:
    months: Counter[str] = Counter()
    titles: dict[str, str] = {}
    wanted = pa.array(sorted(ids), pa.string())
    for shard in read_order(work.articles):
        for batch in work.filter_output.stream(shard, ["id", "title", "text", "published_at"]):
            own = batch.filter(pc.is_in(batch.column("id"), wanted))
            columns = [own.column(name).to_pylist() for name in ("id", "title", "text", "published_at")]
            for row_id, title, text, published in zip(*columns, strict=True):
                if published:
                    months[published[:7]] += 1
                if row_id in shown:
                    titles[row_id] = (title or text)[:_TITLE]
    return dict(sorted(months.items())), titles
