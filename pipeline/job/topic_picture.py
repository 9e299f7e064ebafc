"""The drawing of a job's topics, for its report and its cards."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.map_picture import hues_of, map_svg
from pipeline.job.topic_table import TopicTable

TITLE = "Map of the articles, by topic"


def drawing(table: TopicTable) -> str:
    """Return the map of a job as SVG; the names of the largest topics first.  Raises InputError where there are no topics yet."""
    topics, articles = table.topics(), table.articles(["topic_id", "x", "y"])
    broad = list(dict.fromkeys(row["broad_id"] for row in topics))
    hues = hues_of([broad.index(row["broad_id"]) for row in topics], len(broad))
    names = [(row["name"], row["x"], row["y"], hue) for row, hue in zip(topics, hues, strict=True)]
    numbers = pc.index_in(articles.column("topic_id"), pa.array([row["id"] for row in topics], pa.int32())).fill_null(
        -1
    )
    places = np.stack([np.asarray(articles.column(axis), np.float64) for axis in ("x", "y")], axis=1)
    return map_svg(TITLE, places, np.asarray(numbers), names)
