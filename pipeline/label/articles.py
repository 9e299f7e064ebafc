"""Articles of `filtered/`, as requests are made of them."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from pipeline.core.shards import read_order
from pipeline.core.types import Article
from pipeline.job.workspace import Workspace

# in the order of the fields of an Article
ARTICLE_COLUMNS = ["id", "title", "text", "text_sha256", "url", "published_at", "language", "source", "line", "licence"]


def articles_of(table: pa.Table) -> list[Article]:
    """Return the articles of a table with `ARTICLE_COLUMNS`, a row each."""
    columns = [table.column(name).to_pylist() for name in ARTICLE_COLUMNS]
    return [Article(*row) for row in zip(*columns, strict=True)]


def filtered_articles(work: Workspace) -> Iterator[Article]:
    """Yield all articles of a job, with a bar: a provider is fitted to them."""
    shards = read_order(work.articles)
    with work.progress("fit", len(shards), "shards") as progress:
        for shard in shards:
            yield from articles_of(work.filtered.read(shard, ARTICLE_COLUMNS))
            progress.update()
