"""`label.share` by other ways than one process online: in a batch, and by several processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline import runner
from pipeline.core.errors import Paused
from pipeline.core.shards import read_order
from pipeline.job.run_options import RunOptions
from pipeline.job.workspace import Workspace
from pipeline.label.batches import calls, posting
from pipeline.label.requests import RequestBuilder
from pipeline.label.sharing import log
from pipeline.versions import store
from tests.batch_server import BatchServer
from tests.conftest import JobMaker, command, rows, run, work_of, write_jsonl
from tests.openai_server import Running, Server, completion
from tests.program import Program
from tests.test_sharing import GROUP, asked, says, sharing_job, story


@pytest.fixture
def batch_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchServer]:
    monkeypatch.setattr(calls.Pauses, "FIRST", 0.01)
    monkeypatch.setattr(calls, "LONGEST", 0.1)
    monkeypatch.setattr(posting, "GRACE_SECONDS", 0.3)
    with Running(BatchServer()) as running:
        yield running  # type: ignore[misc]


def test_a_group_is_one_line_of_the_one_batch(make_job: JobMaker, batch_server: BatchServer) -> None:
    path: Path = sharing_job(make_job, batch_server, GROUP, via="batch")
    pauses = 0
    for _ in range(12):
        try:
            runner.run(work_of(path), RunOptions(last="clean"))
            break
        except Paused:
            pauses += 1
    batches: Any = batch_server.batches
    assert pauses < 11 and len(batches) == 1
    labels = rows(work_of(path), "labels")
    assert [row["label_shared_from"] for row in labels] == [None, None, "s1c0", None, "s1c0", "s2c0"]
    assert len({row["key"] for row in labels}) == 3


def test_a_new_copy_waits_for_the_batch_that_asks_about_its_group(
    make_job: JobMaker, batch_server: BatchServer, tmp_path: Path
) -> None:
    path = sharing_job(make_job, batch_server, None, via="batch")
    write_jsonl(tmp_path / "m.jsonl", [story(1), story(1, 1), story(2)])
    with pytest.raises(Paused):
        runner.run(work_of(path), RunOptions(last="clean"))
    write_jsonl(tmp_path / "a.jsonl", [story(1, 5)])  # before the one that is in the batch
    for _ in range(12):
        with suppress(Paused):
            runner.run(work_of(path), RunOptions(last="clean"))
            break
    assert len(batch_server.batches) == 1 and sum(batch_server.paid.values()) == 2
    shared_from = {row["id"]: row["label_shared_from"] for row in rows(work_of(path), "labels")}
    assert shared_from == {"s1c5": "s1c0", "s1c0": None, "s1c1": "s1c0", "s2c0": None}


def test_a_rejected_prompt_before_the_label_is_asked_again_once(
    make_job: JobMaker, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "background.yaml").write_text("user: 'What should one know of <article>{{ text }}</article>?'\n")
    (tmp_path / "label.yaml").write_text("user: '<article>{{ text }}</article> Known: {{ background }}. Phrases?'\n")
    before = [{"prompt": "background.yaml", "as": "background"}]
    no = 400, {"error": {"message": "filtered", "code": "content_filter"}}, None
    server.script = lambda body, times: no if "Copy1x0" in str(body) else None
    path = sharing_job(make_job, server, [story(1), story(2)], prompt="label.yaml", before=before)
    run(path, last="label")
    write_jsonl(tmp_path / "more.jsonl", [story(3), story(3, 1)])  # so that there is a pass before the last one
    server.bodies.clear()
    runner.run(work_of(path), RunOptions(last="label", retry_rejected=True))
    assert asked(server) == ["s1c0", "s3c0", "s3c0"]


def test_the_same_text_under_another_id_has_an_answer_of_its_own(make_job: JobMaker, server: Server) -> None:
    """Its question is the same one, so it shares nothing, whether they came together or one after the other."""
    path = sharing_job(make_job, server, [story(1), {**story(1), "id": "twin"}, story(1, 1)])
    labels = rows(run(path, last="clean"), "labels")
    assert asked(server) == ["s1c0"]
    assert {row["id"]: row["label_shared_from"] for row in labels} == {"s1c0": None, "twin": None, "s1c1": "s1c0"}


def test_a_version_counts_an_answer_once_whatever_shards_share_it(
    make_job: JobMaker, server: Server, tmp_path: Path
) -> None:
    """Also where only rows that share it are left, and where the sums of some shards are kept from the version before."""
    path = sharing_job(make_job, server, None)
    write_jsonl(tmp_path / "a.jsonl", [story(1), story(2)])
    write_jsonl(tmp_path / "b.jsonl", [story(1, 1), story(2, 1), story(3)])
    assert _requests_of_version(run(path)) == 3 == len(server.bodies)
    write_jsonl(tmp_path / "c.jsonl", [story(1, 2), story(4)])
    assert _requests_of_version(run(path)) == 4 == len(server.bodies)
    assert command("takedown", path, "--id", "s1c0", "--reason", "asked").returncode == 0
    assert _requests_of_version(run(path)) == 4 == len(server.bodies)


def test_what_an_object_holds_beside_texts_is_noted_as_unchecked(make_job: JobMaker, server: Server) -> None:
    shape = {"type": "object", "properties": {"animal": {"type": "string"}, "legs": {"type": "integer"}}}
    server.script = lambda body, times: (200, completion(body, '{"animal": "Zebrafish1", "legs": 0}'), None)
    path = sharing_job(make_job, server, [story(1), story(1, 1)], task="json")
    options = json.dumps({"schema": shape, "in_text": ["animal"]})
    first, second = rows(run(path, f"clean={options}", last="clean"), "labels")
    assert second["label_shared_from"] == "s1c0" and len(server.bodies) == 1
    assert "shared_unchecked" in second["repairs"] and "shared_unchecked" not in first["repairs"]


def test_a_topic_or_class_is_checked_as_far_as_a_text_tells(make_job: JobMaker, server: Server) -> None:
    server.script = says("Life of Zebrafish1 near Copy1x0", Copy2="Life of Zebrafish2")
    path = sharing_job(make_job, server, [story(1), story(1, 1), story(2), story(2, 1)], task="topic")
    repairs = {row["id"]: row["repairs"] for row in rows(run(path, last="clean"), "labels")}
    assert repairs == {"s1c0": [], "s1c1": ["unsupported"], "s2c0": [], "s2c1": []} and len(server.bodies) == 2
    server.script = says("fish")
    path = sharing_job(make_job, server, [story(3), story(3, 1)], task="classes")
    first, second = rows(run(path, "name=classes", "clean.classes={fish: [], bird: []}", last="clean"), "labels")
    assert (first["repairs"], second["repairs"]) == ([], ["shared_unchecked"])


def test_a_similarity_that_goes_to_and_fro_forgets_no_run(make_job: JobMaker, server: Server) -> None:
    """The second one shares what the first one did, so no entry of the log has it; the third must know its shards all the same."""
    path = sharing_job(make_job, server, [story(1), story(1, 1), story(2)])
    for similarity in (0.8, 0.7, 0.75, 0.8):
        work = work_of(path, f"split.similarity={similarity}")
        builder = RequestBuilder(work)
        for shard in read_order(work.articles) if work.articles.path.exists() else ():
            manifest = work.requests.manifest(shard)
            assert manifest and log.is_of(work, manifest, builder.step)
        run(path, f"split.similarity={similarity}", last="clean")
    assert len(server.bodies) == 2


def test_a_member_says_what_its_answer_was_asked_without(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    """Also where it comes later, or its shard is made anew out of the log."""
    (tmp_path / "background.yaml").write_text("user: 'What should one know of <article>{{ text }}</article>?'\n")
    (tmp_path / "label.yaml").write_text("user: '<article>{{ text }}</article> Known: {{ background }}. Phrases?'\n")
    before = [{"prompt": "background.yaml", "as": "background", "otherwise": "nothing"}]
    no = 400, {"error": {"message": "filtered", "code": "content_filter"}}, None
    server.script = lambda body, times: no if "What should" in str(body) and "Copy1x" in str(body) else None
    articles = [story(1), story(1, 1), story(2)]
    path = sharing_job(make_job, server, articles, prompt="label.yaml", before=before)
    for grown in ([], [story(1, 2)]):
        write_jsonl(tmp_path / "articles.jsonl", [*articles, *grown])
        labels = {row["id"]: row for row in rows(run(path, last="clean"), "labels")}
        for row_id, row in labels.items():
            assert ("background_missing" in row["repairs"]) == row_id.startswith("s1")
    assert labels["s1c1"]["label_shared_from"] == labels["s1c2"]["label_shared_from"] == "s1c0"


def test_a_log_that_lacks_a_file_replaces_none(make_job: JobMaker) -> None:
    work = work_of(make_job([story(1)]))
    for number in range(3):
        log.append(work, "run", [(f"text{number}", log.AnswerSource(b"key", "a", ("note",)))])
    (work.shares / "000001.parquet").unlink()
    log.append(work, "run", [("text3", log.AnswerSource(b"key", "a"))])
    assert log.load(work, "run").keys() == {"text1", "text2", "text3"}
    assert log.load(work, "run")["text1"].notes == ("note",)


def test_a_question_that_failed_for_a_twin_is_not_asked_again_in_the_run(
    make_job: JobMaker, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Unlike texts under one title, which is all that the prompt has; for the sake of a group beside them there are two passes."""
    monkeypatch.setattr("pipeline.label.engine.retries._backoff", lambda state: 0.0)
    server.script = lambda body, times: (500, "{}", None) if "Twins" in str(body) else None
    (tmp_path / "titles.yaml").write_text("user: 'Phrases of the article {{ title }}?'\n")
    titles = ["Twins", "Twins", "Copy1x0", "Copy1x1"]
    stories = [story(5), story(6), story(1), story(1, 1)]
    articles = [{**each, "title": title} for each, title in zip(stories, titles, strict=True)]
    path = sharing_job(make_job, server, articles, prompt="titles.yaml")
    counts = []
    for overrides in (("name=alone", "label.share=null"), ()):
        server.bodies.clear()
        run(path, *overrides, last="label")
        counts.append(sum("Twins" in str(body) for body in server.bodies))
    assert counts[0] == counts[1] > 0


def _requests_of_version(work: Workspace) -> int:
    version = store.latest(work.versions)
    assert version
    [runs] = pq.read_table(version / "provenance" / "runs.parquet").to_pylist()
    assert runs["input_tokens"] == 100 * runs["requests"]
    return int(runs["requests"])


@pytest.mark.slow  # two programs start
def test_two_processes_ask_once_a_group(make_job: JobMaker, server: Server) -> None:
    server.latency = 0.2
    path = sharing_job(make_job, server, [story(n, copy) for n in range(1, 8) for copy in range(4)])
    run(path, last="filter")
    processes = [Program("label", path, stderr=False) for _ in range(2)]
    assert [process.wait(100) for process in processes] == [0, 0]
    work = run(path, last="clean")
    assert sum(server.answered.values()) == 7 == len(server.answered)
    labels = rows(work, "labels")
    assert len(labels) == 28 and sum(row["label_shared_from"] is not None for row in labels) == 21
