"""`label.until`: as many rows as were asked for, of articles drawn from the whole corpus; nothing is drawn back."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import ConfigError
from pipeline.core.shards import Folder, read_order
from pipeline.job.workspace import Workspace
from pipeline.label.requests import RequestBuilder
from pipeline.label.stage_state import selection
from tests.conftest import JobMaker, article, command, run, work_of, write_jsonl
from tests.openai_server import Server, completion, keyphrases
from tests.program import Program
from tests.test_label import openai_job


def stored(folder: Folder, rejected: bool = False) -> list[dict[str, Any]]:
    shards = sorted(folder.path.glob("*.parquet"))
    read = folder.read_rejected if rejected else folder.read
    return [row for shard in shards for row in read(shard.stem).to_pylist()]


def asked_about(work: Workspace) -> set[str]:
    return {row["id"] for row in stored(work.requests)}


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> str:
    """Many shards of few rows, in this process and in those that it starts."""
    monkeypatch.setattr("pipeline.collect.units.MAX_SHARD_ROWS", 40)
    return "import pipeline.collect.units as c; c.MAX_SHARD_ROWS = 40; "


def no_label_for_a_fifth(server: Server) -> None:
    """Script the server: of a fifth of the articles it says what stands in none of them, however often it is asked."""

    def script(body: dict[str, Any], times: int) -> Any:
        number = sum(map(ord, body["messages"][-1]["content"]))
        return 200, completion(body, "velvet umbrellas" if number % 5 == 0 else keyphrases(body)), {}

    server.script = script


def test_exactly_so_many_rows(make_job: JobMaker, server: Server, small_shards: str) -> None:
    no_label_for_a_fifth(server)
    path = openai_job(make_job, server, 300, until=100, brake=None)
    done = command("run", path)
    assert done.returncode == 0, done.stderr
    work = work_of(path)
    reviewed, asked = stored(work.reviewed), asked_about(work)
    fallen = stored(work.labels, rejected=True)
    assert 100 <= len(reviewed) <= 102 and len(fallen) >= 10
    assert len(asked) == len(reviewed) + len(fallen) == len(server.seen)
    assert f"label.until: {len(reviewed)} rows by {len(asked)} articles asked about" in done.stderr
    # a sample of the whole corpus, not its head
    assert max(int(row["id"][1:]) for row in reviewed) > 250 and asked != {f"a{n}" for n in range(len(asked))}
    # nothing waits, so the run made a version by itself, and the next one asks for nothing
    assert (work.versions / "1.0.0").exists()
    before = sum(server.seen.values())
    report = json.loads(command("status", path, "--json").stdout)
    [label] = [stage for stage in report["stages"] if stage["stage"] == "label"]
    assert label["state"] == "done"
    assert command("run", path).returncode == 0 and sum(server.seen.values()) == before


def test_a_larger_number_goes_on(make_job: JobMaker, server: Server, small_shards: str) -> None:
    path = openai_job(make_job, server, 120)
    first = asked_about(run(path, "label.until=30", last="review"))
    second = asked_about(run(path, "label.until=50", last="review"))
    assert first < second and (len(first), len(second)) == (30, 50)
    assert len(server.seen) == 50 and {*server.seen.values()} == {1}
    # a smaller one takes nothing back; another order of the rows draws the same articles
    assert asked_about(run(path, "label.until=10", last="review")) == second
    write_jsonl(path.parent / "articles.jsonl", [article(n) for n in reversed(range(120))])
    assert asked_about(run(path, "label.until=50", "name=turned", last="review")) == second
    assert asked_about(run(path, "label.until=50", "label.until_seed=1", "name=other", last="review")) != second


def test_articles_that_come_later_are_asked_about_only_where_rows_are_missing(
    make_job: JobMaker, server: Server, small_shards: str
) -> None:
    path = openai_job(make_job, server, 60, until=30)
    first = asked_about(run(path, last="review"))
    write_jsonl(path.parent / "articles.jsonl", [article(n) for n in range(200)])
    assert asked_about(run(path, last="review")) == first and len(server.seen) == 30
    more = asked_about(run(path, "label.until=60", last="review"))
    assert first < more and len(more) == 60 and any(int(row_id[1:]) >= 60 for row_id in more)


def test_so_many_of_each_source(make_job: JobMaker, server: Server, tmp_path: Path, small_shards: str) -> None:
    write_jsonl(tmp_path / "a.jsonl", [article(n) for n in range(50)])
    write_jsonl(tmp_path / "b.jsonl", [article(n) for n in range(50, 70)])
    path = make_job(
        sources=[{"type": "files", "path": name, "columns": {"text": "body"}} for name in ("a.jsonl", "b.jsonl")],
        label={
            "provider": "openai",
            "base_url": server.url,
            "until": {"a.jsonl": 20, "b.jsonl": 30},
            "until_by": "source",
        },
    )
    done = command("run", path, "--to", "review")
    assert "10 rows of source 'b.jsonl' cannot be reached, for there are no more articles" in done.stderr
    numbers = [int(row["id"][1:]) for row in stored(work_of(path).reviewed)]
    assert sum(number < 50 for number in numbers) == 20 and sum(number >= 50 for number in numbers) == 20


def test_so_many_of_each_language(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    korean = [
        {
            "id": f"k{n}",
            "title": f"{n}호 항구 개방",
            "body": f"{n}호 항구가 봄에 시민에게 개방되었다. 다친 사람은 없었다. " * 3,
        }
        for n in range(20)
    ]
    path = make_job(
        [*(article(n) for n in range(20)), *korean],
        filters=[{"type": "language", "keep": ["ko", "en"]}],
        label={"provider": "extractive", "until": {"ko": 12, "en": 5}},
    )
    kept = [row["id"][0] for row in stored(run(path, last="review").reviewed)]
    assert (kept.count("k"), kept.count("a")) == (12, 5)


def test_after_a_limit_the_first_articles_stay(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server, 60)
    run(path, last="clean", limit=7)
    work = run(path, "label.until=20", last="review")
    assert {f"a{n}" for n in range(7)} < asked_about(work) and len(stored(work.reviewed)) == 20
    drawn = asked_about(work)
    # and a limit after it fills up with the first of the others; none loses its label to another's
    work = run(path, last="review", limit=25)
    assert drawn < asked_about(work) and len(asked_about(work)) == 25
    by_id = {row["id"]: row["key"] for row in stored(work.requests)}
    assert {row["id"]: row["key"] for row in stored(work.labels)} == by_id
    assert all(any(p in article(int(row["id"][1:]))["body"] for p in row["keyphrases"]) for row in stored(work.labels))
    assert len(server.seen) == 25


def test_a_run_that_was_killed_drew_for_good(make_job: JobMaker, server: Server, small_shards: str) -> None:
    """Articles that come between the kill and the next run take no one's turn who may be paid already."""
    path = openai_job(make_job, server, 100, until=40, limits={"concurrency": 2})
    server.latency = 0.05
    process = Program("run", path, stderr=False, before=small_shards)
    while sum(server.seen.values()) < 15:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    asked_before = len(server.seen)
    server.latency = 0.0
    write_jsonl(path.parent / "articles.jsonl", [article(n) for n in range(600)])
    work = run(path, last="review")
    assert len(stored(work.reviewed)) == 40 and asked_before < 40
    assert len(server.seen) == 40  # all that was asked before is among them


@pytest.mark.parametrize("seed", [0, 1])
def test_what_a_killed_run_drew_outlives_limits_and_seeds(
    make_job: JobMaker, server: Server, small_shards: str, seed: int
) -> None:
    path = openai_job(make_job, server, 100, until=40)
    work = run(path, last="filter")
    drawn = selection(work, RequestBuilder(work), read_order(work.articles)).rows(None)  # and then it is killed
    ids = {row["id"] for shard, rows in drawn.items() for row in work.filtered.read(shard).take(list(rows)).to_pylist()}
    assert len(ids) == 40
    run(path, f"label.until_seed={seed}", last="label", limit=5)
    write_jsonl(path.parent / "articles.jsonl", [article(n) for n in range(600)])
    work = run(path, f"label.until_seed={seed}", last="review")
    assert asked_about(work) == ids and len(server.seen) == 40


def test_a_shard_that_changed_keeps_what_was_asked(make_job: JobMaker, server: Server, small_shards: str) -> None:
    """Rows behind it in the same file, and rounds before: nobody who was paid for is given up for somebody new."""
    no_label_for_a_fifth(server)
    path = openai_job(make_job, server, 60, until=30, brake=None)
    run(path, last="review")
    before, paid = asked_about(work_of(path)), sum(server.seen.values())
    write_jsonl(path.parent / "articles.jsonl", [article(n) for n in range(300)])
    work = run(path, last="review")
    assert asked_about(work) == before and sum(server.seen.values()) == paid
    more = asked_about(run(path, "label.until=60", last="review"))
    assert before < more and len(stored(work.reviewed)) in (60, 61)


@pytest.mark.slow
def test_rows_that_were_cleaned_and_not_reviewed_yet_are_no_error(
    make_job: JobMaker, server: Server, small_shards: str
) -> None:
    """Between clean and review a kill leaves shards of which only half is known."""
    server.script = lambda body, times: (
        200,
        completion(body, "velvet umbrellas" if sum(map(ord, str(body))) % 10 < 7 else keyphrases(body)),
        {},
    )
    path = openai_job(make_job, server, 300, until=20, brake=None)
    work = run(path, last="review")
    for shard in read_order(work.articles)[1:]:
        work.reviewed.manifest_file(shard).unlink()
    assert command("status", path).returncode == 0
    assert 40 <= len(stored(run(path, "label.until=40", last="review").reviewed)) <= 42


def test_a_sample_that_was_paid_is_drawn_first(make_job: JobMaker, server: Server, small_shards: str) -> None:
    path = openai_job(make_job, server, 100, until=40)
    run(path, last="filter")
    assert command("quote", path, "--sample", "20").returncode == 0
    assert len(server.seen) == 20
    write_jsonl(path.parent / "articles.jsonl", [article(n) for n in range(600)])
    assert len(stored(run(path, last="review").reviewed)) == 40 and len(server.seen) == 40


def test_who_got_no_answer_is_asked_again_instead_of_another(
    make_job: JobMaker, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.label.engine.retries._backoff", lambda state: 0.0)
    fails = (500, {"error": {"message": "oops"}}, {})
    server.script = lambda body, times: fails if sum(map(ord, str(body))) % 7 == 0 else None
    path = openai_job(make_job, server, 60, until=30)
    work = run(path, last="review")
    failed = {row["id"] for row in stored(work.requests) if row["status"] == "failed"}
    assert failed and len(asked_about(work)) == 30
    before, server.script = asked_about(work), None
    work = run(path, last="review")
    assert len(stored(work.reviewed)) == 30 and asked_about(work) == before


def test_a_quote_is_of_what_will_be_asked(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server, 90, until=30)
    run(path, last="filter")
    quoted = json.loads(command("quote", path, "--json").stdout)
    assert quoted["to_ask"] == 30
    run(path, last="review")
    assert json.loads(command("quote", path, "--json").stdout)["to_ask"] == 0


@pytest.mark.parametrize("until", [0, {}, {"ko": 0}, "many"])
def test_a_number_that_is_none(make_job: JobMaker, until: Any) -> None:
    with pytest.raises(ConfigError, match=r"label\.until"):
        work_of(make_job([article(1)], label={"provider": "extractive", "until": until}))


def test_a_quote_tells_what_all_rounds_take(make_job: JobMaker, server: Server) -> None:
    """The figures are the first round's; how many articles there will be in all shows in the share that became rows so far."""
    no_label_for_a_fifth(server)
    path = openai_job(make_job, server, 400, until=60, brake=None)
    assert "a quote tells once some" in " ".join(json.loads(command("quote", path, "--json").stdout)["notes"])
    before = len(asked_about(run(path, last="review")))
    larger = ["--set", "label.until=200"]
    quoted = json.loads(command("quote", path, "--json", *larger).stdout)
    [note] = [note for note in quoted["notes"] if note.startswith("label.until: this is the first round")]
    in_all = int(note.partition("about ")[2].split()[0])
    further = len(asked_about(run(path, "label.until=200", last="review"))) - before
    assert quoted["to_ask"] < further and in_all == pytest.approx(further, rel=0.15)
    assert "label.until" not in " ".join(json.loads(command("quote", path, "--json", *larger).stdout)["notes"])
