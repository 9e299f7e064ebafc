"""Articles that were taken down leave what topics keep of them: rows, vectors, texts that names were asked about, pages.

The log of topics stays: it has words that several articles share, and ids.  So does the ledger of names, which holds replies.  And
so does a vector of which nobody can tell whose it is: it may be paid, and it is no text that anybody could read.
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
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
from pipeline.topics.texts import Key, Texts, heads_of, key_of
from pipeline.topics.vectors import VectorStore

_log = logging.getLogger("labelmill.topics")
# What holds texts of the job that asks for names; all else stays: records of what is paid, and files that it will have one day.
_WITH_TEXTS = (
    *(name for folder in ("articles", "filtered", "requests", "labels") for name in (folder, f"{folder}.rejected")),
    "label.candidates.sqlite*",
    "batches/*.input.jsonl",
)


@contextmanager
def taken_down(work: Workspace) -> Iterator[None]:
    """Remove what is there of articles that were taken down since the last time; what runs within makes the tables anew, and the
    pages that were drawn follow.  The articles must have been filtered.
    """
    notes, digest = work.topic_table.path / "_takedowns.json", takedowns.digest(work.takedowns)
    is_there = work.topic_table.path.exists() and work.takedowns.exists()
    if not is_there or (read_json(notes) or {}).get("takedowns") == digest:
        yield
        return
    _forget(work, takedowns.load(work.takedowns, work.given))
    yield
    for path in corpus.redraw(work) if work.topic_table.exists else ():
        _log.info(f"topics: {path} was drawn anew, without the articles that were taken down")
    if others := corpus.changed(work):
        _log.warning(
            f"topics: {', '.join(others)}: changed since drawn, left as is, and may show what was taken down; to draw one anew: "
            f"labelmill topics {work.config.in_commands} --map FILE"
        )
    write_json(notes, {"takedowns": digest})  # last: a run that is killed begins anew


def _forget(work: Workspace, taken: Takedowns) -> None:
    _forget_texts(work)
    Assignments(work.topic_table.path / "assigned").forget({key_of(text) for text in taken.texts | taken.nfc})
    if work.topic_table.exists:
        _forget_rows(work, taken)


def _forget_texts(work: Workspace) -> None:
    """Remove the questions about names, which quote articles; they are written anew where a name is asked for."""
    folder = work.topic_table.path / "naming"
    for path in [path for pattern in _WITH_TEXTS for path in sorted(folder.glob(pattern))]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


# --- vectors ---


def forget_vectors(work: Workspace) -> None:
    """Remove the vectors of articles that were taken down, while their rows are still among the filtered ones.

    A vector is kept by what was embedded, so that only the article itself tells which are its own: later nobody can.
    """
    if not work.takedowns.exists() or not work.topic_vectors.exists():
        return
    taken, texts = takedowns.load(work.takedowns, work.given), _filtered(work)
    if not any(_concerned(taken, batch).any() for batch in texts.batches(["id", "text_sha256"])):
        return
    keys: dict[int, set[Key]] = {}
    for path in sorted(work.topic_vectors.glob("*/_identity.json")):
        identity = read_json(path) or {}
        reads = identity.get("characters") or _characters(work, digest_of(identity))
        if reads is not None:
            own = keys.get(reads) or keys.setdefault(reads, _own_heads(texts, taken, reads))
            VectorStore(path.parent).forget(own)


def _filtered(work: Workspace) -> Texts:
    order = read_json(work.articles.path / "_order.json") or []
    return Texts(work, [shard for shard in order if work.filter_output.manifest(shard)])


def _concerned(taken: Takedowns, batch: pa.RecordBatch) -> np.ndarray[Any, Any]:
    return np.asarray(taken.concerns(pa.Table.from_batches([batch])))


def _own_heads(texts: Texts, taken: Takedowns, characters: int) -> set[Key]:
    """Return the keys of heads of articles that were taken down, which no article that stays has, too."""
    own = {key for batch in texts.batches() for key in _heads(batch, _concerned(taken, batch), characters)}
    for batch in texts.batches():
        own.difference_update(_heads(batch, ~_concerned(taken, batch), characters))
    return own


def _heads(batch: pa.RecordBatch, rows: np.ndarray[Any, Any], characters: int) -> Iterator[Key]:
    if rows.any():
        yield from (key for _, key, _ in heads_of(batch.filter(pa.array(rows)), characters))


def _characters(work: Workspace, identity: str) -> int | None:
    """Return how much of a text the job's embedder of an identity reads; None: it has none such, or one that learnt."""
    specs = (work.config.topics or TopicOptions()).embed
    for spec, given in zip(specs, work.config.embedder_options, strict=True):
        with closing(plugins.create("embedders", spec.plugin, given, work.config.folder)) as embedder:
            if not embedder.fits() and digest_of(embedder.identity) == identity:
                return embedder.characters
    return None


# --- rows ---


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
