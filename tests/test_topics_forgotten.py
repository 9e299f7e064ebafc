"""An article that was taken down leaves topics: tables, vectors, questions about names, pages that were drawn."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline import runner
from pipeline.job.run_options import RunOptions
from pipeline.job.workspace import Workspace
from pipeline.topics.vectors import VectorStore
from tests.conftest import JobMaker, command, tree, work_of, write_jsonl
from tests.openai_server import Server
from tests.test_embedders import Embeddings, endpoint, paid_job
from tests.test_topic_map import data_of
from tests.test_topics import SOURCES, THEMES, corpus, groups, themed, topics_of
from tests.test_topics_lasting import naming_job, topic_namer

pytest.importorskip("graspologic_native")
__all__ = ["endpoint"]

SENTENCE = "Zanzibarine quokkas moored at midnight."


def texts_in(path: Path) -> str:
    """Everything that can be read in a file, compressed or not."""
    if path.suffix == ".parquet":
        return str(pq.read_table(path).to_pylist())
    if path.suffix == ".sqlite":
        with closing(sqlite3.connect(path)) as database:
            return "\n".join(database.iterdump())
    if path.suffix == ".html":
        return str(data_of(path.read_text("utf-8")))
    return path.read_bytes().decode("utf-8", "replace")


def holding(folder: Path, *texts: str) -> set[str]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)) for file in files if any(text in texts_in(file) for text in texts)}


def vectors_of(work: Workspace) -> int:
    return sum(pq.read_metadata(file).num_rows for file in work.topic_vectors.rglob("*.parquet"))


def job_with(make_job: JobMaker, **sections: Any) -> Path:
    middle = " and the ".join(THEMES["harbour"].split() * 5)  # so that names are asked about with its text
    odd = themed("harbour", 90) | {"title": SENTENCE, "body": f"{SENTENCE} The {middle} were there."}
    return make_job([*corpus(), odd], sources=SOURCES, **sections)


@pytest.mark.slow
@pytest.mark.parametrize("has_stage", [True, False])
def test_a_takedown_leaves_nothing_to_read(make_job: JobMaker, server: Server, has_stage: bool) -> None:
    server.script = topic_namer
    path = job_with(make_job, topics={"embed": "tfidf", "min_size": 4})
    work = topics_of(path, *naming_job(path, server))
    page = path.parent / "map.html"
    assert command("topics", path, "--map", page).returncode == 0
    harbour = groups(work)["harbour-90"]
    assert {str(Path(file).parts[0]) for file in holding(work.path, SENTENCE)} >= {"articles", "filtered", "topics"}
    assert holding(page.parent, SENTENCE) >= {"map.html"} and vectors_of(work) == 61
    named = sum(server.answered.values())

    assert command("takedown", path, "--id", "harbour-90").returncode == 0
    runner.run(work_of(path, *([] if has_stage else ["topics=null"])), RunOptions(last="label"))
    assert not holding(work.path, SENTENCE) and "map.html" not in holding(page.parent, SENTENCE)
    assert "harbour-1" in texts_in(page)
    assert vectors_of(work) == 60
    assert "harbour-90" not in groups(work) and groups(work)["harbour-1"] == harbour
    sizes = {row["id"]: row["size"] for row in work.topic_table.topics()}
    assert sizes[harbour] == 12 and all("harbour-90" not in row["representatives"] for row in work.topic_table.topics())
    topics_of(path, *naming_job(path, server))
    assert not holding(work.path, SENTENCE)
    assert sum(server.answered.values()) == named, "names stay"


def test_a_page_that_somebody_changed_is_left_alone_and_told(
    make_job: JobMaker, caplog: pytest.LogCaptureFixture
) -> None:
    path = job_with(make_job, topics={"embed": "tfidf", "min_size": 4})
    page, untouched, removed = (path.parent / name for name in ("map.html", "untouched.html", "removed.html"))
    for file in (page, untouched, removed):
        command("topics", path, "--map", file)
    page.write_text("<p>mine</p>")
    removed.unlink()
    command("takedown", path, "--id", "harbour-90")
    topics_of(path)
    assert page.read_text() == "<p>mine</p>" and not removed.exists()
    [warning] = [record.getMessage() for record in caplog.records if "changed since drawn" in record.getMessage()]
    assert str(page) in warning and str(untouched) not in warning and str(removed) not in warning
    assert SENTENCE not in texts_in(untouched) and "harbour-1" in texts_in(untouched)


def test_paid_vectors_of_what_nobody_took_down_stay(make_job: JobMaker, endpoint: Embeddings) -> None:
    """Of articles that are away for now, of other models, of a head that a taken-down article shares with one that stays."""
    path = paid_job(make_job, endpoint)
    rows = corpus()
    twin = {**rows[0], "id": "twin", "body": rows[0]["body"] + " There was more of it than anybody reads."}
    write_jsonl(path.parent / "articles.jsonl", [*rows, twin])
    work = topics_of(path)
    store = VectorStore.of(work.topic_vectors, "elsewhere", {"model": "of a plugin that is no more"})
    store.add([b"k" * 16], np.ones((1, 4), np.int8))
    other_store, paid = tree(store.path), endpoint.paid.copy()

    away = {f"orchard-{number}" for number in range(4)}
    write_jsonl(path.parent / "articles.jsonl", [row for row in [*rows, twin] if row["id"] not in away])
    topics_of(path)
    for row_id in ("twin", "harbour-5"):
        assert command("takedown", path, "--id", row_id).returncode == 0
    topics_of(path)
    assert vectors_of(work) == 1 + 60 - 1, "only harbour-5 had a vector of its own"
    write_jsonl(path.parent / "articles.jsonl", [*rows, twin])
    topics_of(path)
    assert groups(work).keys() == {row["id"] for row in rows} - {"harbour-5"}
    assert endpoint.paid == paid and tree(store.path) == other_store


def test_what_a_job_of_names_holds_beside_texts_stays(make_job: JobMaker) -> None:
    path = job_with(make_job, topics={"embed": "tfidf", "min_size": 4})
    folder = topics_of(path).topic_table.path / "naming"
    stays = ("ledger.sqlite", "batches/submitted.json", "batches/b.output.jsonl", "a-file-of-tomorrow")
    goes = ("articles/a.parquet", "labels.rejected/a.parquet", "batches/b.input.jsonl", "label.candidates.sqlite-wal")
    for name in (*stays, *goes):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    assert command("takedown", path, "--id", "harbour-90").returncode == 0
    topics_of(path)
    assert {name for name in (*stays, *goes) if (folder / name).exists()} == set(stays)
