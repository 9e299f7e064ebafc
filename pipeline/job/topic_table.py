"""The topics of a job as they lie on disk, for whoever looks at them: which article has which, and what each is called.

`topics/articles.parquet` and `topics/topics.parquet` are described in docs/topics.md; the stage writes them, all others only read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.core.errors import InputError
from pipeline.core.parquet import read_parquet

ARTICLES = pa.schema(
    [
        ("id", pa.string()),
        ("text_sha256", pa.string()),
        ("topic_id", pa.int32()),  # null: without a topic
        ("reason", pa.string()),  # why it has none; null where it has one
        ("similarity", pa.float32()),  # to the middle of its topic, else of the nearest one; null: it says nothing
        ("x", pa.float32()),
        ("y", pa.float32()),
    ]
)
TOPICS = pa.schema(
    [
        ("id", pa.int32()),
        ("name", pa.string()),
        ("named_by", pa.string()),  # words, hand, or the model's name
        ("size", pa.int64()),
        ("words", pa.list_(pa.string())),  # by c-TF-IDF
        ("words_mmr", pa.list_(pa.string())),
        ("words_central", pa.list_(pa.string())),
        ("broad_id", pa.int32()),
        ("broad_name", pa.string()),
        ("x", pa.float32()),
        ("y", pa.float32()),
        ("representatives", pa.list_(pa.string())),  # ids of the articles nearest to its middle
        ("dropped", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class TopicTable:
    """The two tables of a job's folder of topics."""

    path: Path
    in_commands: str

    @property
    def articles_file(self) -> Path:
        return self.path / "articles.parquet"

    @property
    def topics_file(self) -> Path:
        return self.path / "topics.parquet"

    @property
    def manifest_file(self) -> Path:
        return self.path / "_topics.json"

    @property
    def exists(self) -> bool:
        """Return whether the stage has run."""
        return self.manifest_file.exists()

    def check(self) -> None:
        """Raise InputError where the stage has not run yet."""
        if not self.exists:
            raise InputError(f"{self.path}: no topics yet; run: labelmill topics {self.in_commands}")

    def articles(self, columns: list[str] | None = None) -> pa.Table:
        """Return a row for each article, in source order.  Raises InputError where there are none yet."""
        self.check()
        return read_parquet(self.articles_file, columns)

    def topics(self) -> list[dict[str, Any]]:
        """Return a row for each topic, the largest first.  Raises InputError where there are none yet."""
        self.check()
        rows: list[dict[str, Any]] = read_parquet(self.topics_file).to_pylist()
        return rows

    def topic_of_text(self) -> dict[str, int]:
        """Return text digest -> topic id, of the articles that have a topic."""
        table = self.articles(["text_sha256", "topic_id"])
        pairs = zip(table.column("text_sha256").to_pylist(), table.column("topic_id").to_pylist(), strict=True)
        return {digest: topic for digest, topic in pairs if topic is not None}

    def names(self) -> dict[int, str]:
        """Return the name of each topic."""
        return {row["id"]: row["name"] for row in self.topics()}
