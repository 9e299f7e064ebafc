"""Articles that were taken down leave what topics keep of them: rows, vectors, texts that names were asked about, pages.

The log of topics stays: it has words that several articles share, and ids.  So does the ledger of names, which holds replies.
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core import plugins
from pipeline.core.files import digest_of, read_json, write_json
from pipeline.core.parquet import write_parquet
from pipeline.job import takedowns
from pipeline.job.takedowns import Takedowns
from pipeline.job.topic_options import TopicOptions
from pipeline.job.topic_table import ARTICLES, TOPICS
from pipeline.job.workspace import Workspace
from pipeline.topics.assignments import Assignments
from pipeline.topics.map import corpus
from pipeline.topics.texts import Texts, key_of
from pipeline.topics.vectors import VectorStore

_log = logging.getLogger("labelmill.topics")
_WITHOUT_TEXTS = {"ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "runs", "dialect.json", "quote.json"}


@contextmanager
def taken_down(work: Workspace, shards: Sequence[str]) -> Iterator[None]:
    """Remove what is there of articles that were taken down since the last time; what runs within makes the tables anew, and the
    pages that were drawn follow.  The articles must have been filtered.
    """
    notes, digest = work.topic_table.path / "_takedowns.json", takedowns.digest(work.takedowns)
    is_there = work.topic_table.path.exists() or work.topic_vectors.exists()
    if not is_there or not work.takedowns.exists() or (read_json(notes) or {}).get("takedowns") == digest:
        yield
        return
    _forget(work, shards, takedowns.load(work.takedowns, work.given))
    yield
    for path in corpus.redraw(work) if work.topic_table.exists else ():
        _log.info(f"topics: {path} was drawn anew, without the articles that were taken down")
    write_json(notes, {"takedowns": digest})  # last: a run that is killed begins anew


def _forget(work: Workspace, shards: Sequence[str], taken: Takedowns) -> None:
    _forget_texts(work)
    _forget_vectors(work, Texts(work, shards))
    Assignments(work.topic_table.path / "assigned").forget({key_of(text) for text in taken.texts | taken.nfc})
    if work.topic_table.exists:
        _forget_rows(work, taken)


def _forget_texts(work: Workspace) -> None:
    """Remove the questions about names, which quote articles; they are written anew where a name is asked for."""
    folder = work.topic_table.path / "naming"
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name not in _WITHOUT_TEXTS and not path.name.startswith("."):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _forget_vectors(work: Workspace, texts: Texts) -> None:
    """Remove vectors of texts that are no article now: whose each was, only its text would tell."""
    for path in sorted(work.topic_vectors.glob("*/_identity.json")):
        identity = read_json(path) or {}
        reads = identity.get("characters") or _characters(work, digest_of(identity))
        if reads is None:  # of an embedder that the job names no more
            shutil.rmtree(path.parent)
            continue
        VectorStore(path.parent).keep_only({key for _, key, _ in texts.heads(int(reads))})


def _characters(work: Workspace, identity: str) -> int | None:
    """Return how much of a text the job's embedder of an identity reads; None: it has none such, or one that learnt."""
    specs = (work.config.topics or TopicOptions()).embed
    for spec, given in zip(specs, work.config.embedder_options, strict=True):
        with closing(plugins.create("embedders", spec.plugin, given, work.config.folder)) as embedder:
            if not embedder.fits() and digest_of(embedder.identity) == identity:
                return embedder.characters
    return None


def _forget_rows(work: Workspace, taken: Takedowns) -> None:
    """Take the rows out of the tables; the stage makes them anew, where the job has it."""
    table, topics = work.topic_table.articles(), work.topic_table.topics()
    is_taken = taken.concerns(table)
    out = table.filter(is_taken)
    if not out.num_rows:
        return
    write_parquet(work.topic_table.articles_file, table.filter(pc.invert(is_taken)), ARTICLES)
    sizes, ids = Counter(out.column("topic_id").to_pylist()), set(out.column("id").to_pylist())
    rows: list[dict[str, Any]] = [
        {
            **row,
            "size": row["size"] - sizes[row["id"]],
            "representatives": [row_id for row_id in row["representatives"] if row_id not in ids],
        }
        for row in topics
    ]
    write_parquet(work.topic_table.topics_file, pa.Table.from_pylist(rows, schema=TOPICS), TOPICS)
