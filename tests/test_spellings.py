"""An edit of the job file that asks nothing else asks nothing anew: nothing is paid, no row is relabelled, no version made."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline import runner
from pipeline.core.files import canonical_json
from pipeline.job.run_options import RunOptions
from pipeline.job.workspace import Workspace
from pipeline.label.openai_api import spellings
from pipeline.versions import store
from tests.conftest import JobMaker, article, command, rows, run, work_of, write_jsonl
from tests.openai_server import Server, completion
from tests.test_label import openai_job
from tests.test_old_jobs import RUN_IDS, asked, assert_only_cleaned_again, files, label_rows

OF_ZERO = [
    {"temperature": 0.0},
    {"service_tier": "flex"},
    {"prompt_cache_key": "mine"},
    {"temperature": 0.0, "service_tier": "priority", "prompt_cache_key": "mine"},
]


def given(parameters: dict[str, Any]) -> list[str]:
    return [f"label.parameters.{name}={canonical_json(value).decode()}" for name, value in parameters.items()]


def no_version(path: Path, *overrides: str) -> bool:
    planned = runner.plan_version(work_of(path, *overrides))
    return planned.version is None and planned.diff.empty


# --- jobs of another day ---


@pytest.mark.parametrize(
    ("name", "edit"), [*(("keyphrases", edit) for edit in OF_ZERO), ("topics", OF_ZERO[1]), ("classes", OF_ZERO[2])]
)
def test_an_old_job_stays_as_it_is(old_jobs: Path, server: Server, name: str, edit: dict[str, Any]) -> None:
    path, folder = old_jobs / f"{name}.yaml", old_jobs / "jobs" / name
    before, labels = files(folder), label_rows(folder)
    work = run(path, *given(edit))
    assert no_version(path, *given(edit))
    assert_only_cleaned_again(folder, before, labels)
    assert {row["run_id"] for row in rows(work, "labels")} == {RUN_IDS[name]}
    assert asked(server) == 0
    after = files(folder)
    run(path)  # and back
    assert files(folder) == after and asked(server) == 0


def test_its_ledger_alone_is_enough(old_jobs: Path, server: Server) -> None:
    path, folder = old_jobs / "keyphrases.yaml", old_jobs / "jobs" / "keyphrases"
    for part in ("requests", "runs", "labels"):
        shutil.rmtree(folder / part)
    work = run(path, "label.parameters.temperature=0.0", "label.parameters.service_tier=flex")
    assert no_version(path, "label.parameters.temperature=0.0", "label.parameters.service_tier=flex")
    assert {row["run_id"] for row in rows(work, "labels")} == {RUN_IDS["keyphrases"]}
    assert work.run_file(RUN_IDS["keyphrases"]).exists()
    assert asked(server) == 0


def test_one_more_article_of_an_edited_job(old_jobs: Path, server: Server) -> None:
    path, edit = old_jobs / "keyphrases.yaml", given(OF_ZERO[-1])
    body = "Forty boats raced without engines around the island. The wind was weak, and the race took seven hours. " * 2
    with (old_jobs / "harbour.jsonl").open("a", encoding="utf-8") as file:
        file.write(f'{{"id": "h13", "title": "Boats race without engines", "body": "{body}"}}\n')
    work = run(path, *edit)
    [sent] = server.bodies
    assert (sent["temperature"], sent["service_tier"], sent["prompt_cache_key"]) == (0.0, "priority", "mine")
    changes = store.difference(work.versions / "2.0.0", work.versions / "2.1.0")
    assert (changes.added, sum(changes.counts.values())) == (1, 1)
    run(path)
    assert no_version(path) and len(server.bodies) == 1


# --- jobs of today ---


@pytest.mark.parametrize(
    ("first", "then", "lost"),
    [
        ({"temperature": 1.0, "top_p": 1}, {"temperature": 1, "top_p": 1.0}, "requests labels"),
        ({"service_tier": "flex"}, {}, ""),
        ({"service_tier": "flex"}, {"service_tier": "priority"}, "requests runs"),
        ({"prompt_cache_key": "a", "temperature": 0}, {"temperature": 0.0}, "requests labels"),
        ({"prompt_cache_key": "a"}, {"prompt_cache_key": "b"}, ""),
        ({"logit_bias": {"7": -100}}, {"logit_bias": {"7": -100.0}}, "requests"),
    ],
)
def test_an_edit_and_back(
    make_job: JobMaker, server: Server, first: dict[str, Any], then: dict[str, Any], lost: str
) -> None:
    path = openai_job(make_job, server, 6)
    work = run(path, *given(first))
    labels = rows(work, "labels")
    for part in lost.split():
        shutil.rmtree(work.path / part)
    for edit in (then, first):
        assert rows(run(path, *given(edit)), "labels") == labels
        assert no_version(path, *given(edit))
    assert sum(server.seen.values()) == 6


def test_what_asks_something_else_is_asked(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server, 4)
    run(path, "label.parameters.temperature=0")
    for number, edit in enumerate(["temperature=0.5", "top_p=1", "reasoning_effort=none", "seed=1"], 2):
        run(path, f"label.parameters.{edit}", last="label")
        assert sum(server.seen.values()) == 4 * number


def _cut_at_first(body: dict[str, Any], count: int) -> Any:
    """The first question is answered by half a reply; the second, of the same spelling or another, by a whole one."""
    return (200, completion(body, "harbour; ci", "length"), {}) if "service_tier" not in body else None


@pytest.mark.parametrize("where", ["sqlite", "postgres"])
def test_the_second_question_stands_beside_the_first(
    make_job: JobMaker, server: Server, where: str, request: pytest.FixtureRequest, monkeypatch: Any
) -> None:
    """A first run without a second question; an edited one that asks it, of all, by the key of the first."""
    if where == "postgres":
        monkeypatch.setenv("LEDGER_URL", request.getfixturevalue("postgres_url"))
    server.script = _cut_at_first
    path = openai_job(make_job, server, 6, ledger="${LEDGER_URL}" if where == "postgres" else None)
    path.write_text(
        path.read_text("utf-8").replace("name: test", "name: second-question"), "utf-8"
    )  # a schema of its own
    work = run(path, "label.parameters.temperature=0", "label.reask=0", last="label")
    assert not any(row["reason"] for row in requested(work))
    edited = ["label.parameters.temperature=0.0", "label.parameters.service_tier=flex"]
    shutil.rmtree(work.requests.path)
    again = run(path, *edited, last="clean")
    assert sum(server.seen.values()) == 12
    assert [row["key"] for row in requested(again)] == [row["key"] for row in requested(work)]
    assert len(rows(again, "labels")) == 6
    assert command("ledger", path, "--json").stdout.count('"records": 12')
    run(path, "label.parameters.temperature=0", last="clean")
    assert sum(server.seen.values()) == 12


def requested(work: Workspace) -> list[dict[str, Any]]:
    return [row for shard in work.requests.path.glob("*.parquet") for row in work.requests.read(shard.stem).to_pylist()]


def test_a_run_that_was_broken_off_is_found_by_its_spelling(make_job: JobMaker, server: Server) -> None:
    """Nothing stands in `requests/` yet, and nobody can guess the name of a cache."""
    path = openai_job(make_job, server, 40)

    def fail_later(body: dict[str, Any], count: int) -> Any:
        return (402, {"error": {"message": "no credit"}}, {}) if len(server.answered) > 10 else None

    server.script = fail_later
    assert command("run", path, "--set", "label.parameters.prompt_cache_key=mine").returncode == 3
    answered = len(server.answered)
    assert 10 <= answered < 40
    server.script = None
    seen = sum(server.seen.values())
    run(path)
    assert sum(server.seen.values()) == seen + 40 - answered
    assert len({row["run_id"] for row in rows(work_of(path), "labels")}) == 2
    assert no_version(path, "label.parameters.prompt_cache_key=mine")


def test_quote_and_try_know_it_too(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server, 8)
    run(path, "label.parameters.temperature=0")
    output = command("quote", path, "--json", "--set", "label.parameters.temperature=0.0").stdout
    assert '"to_ask": 0' in output
    text = "The harbour of the city was opened to the public in the spring. Nobody was hurt."
    for number in (0, 0.0):
        tried = command("try", path, "--text", text, "--json", "--set", f"label.parameters.temperature={number}")
        assert tried.returncode == 0, tried.stderr
    assert sum(server.seen.values()) == 9


def test_more_articles_after_an_edit_keep_their_runs(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    """What was answered in one spelling keeps its run, whatever the job file says later."""
    path = openai_job(make_job, server, 4)
    run(path, "label.parameters.temperature=0")
    write_jsonl(tmp_path / "articles.jsonl", [article(number) for number in range(8)])
    labels = rows(run(path, "label.parameters.temperature=0.0"), "labels")
    assert len({row["run_id"] for row in labels}) == 1
    runner.run(work_of(path, "label.parameters.temperature=0"), RunOptions())
    assert rows(work_of(path), "labels") == labels
    assert sum(server.seen.values()) == 8


# --- spellings themselves ---


def test_spellings_ask_the_same_and_are_few() -> None:
    asked = {"temperature": 0, "top_p": 0.5, "stop": ["a"], "store": True, "seed": 7, "max_completion_tokens": 5}
    made = list(spellings.spellings(asked))
    assert made[0] == asked and {canonical_json(spellings.plain(one)) for one in made} == {
        canonical_json(spellings.plain(asked))
    }
    assert {canonical_json(one["temperature"]) for one in made} == {b"0", b"0.0"}
    assert {one.get("service_tier") for one in made} >= {None, "flex", "priority", "default", "auto"}
    assert len(made) < 20
    many = {f"p{number}": number for number in range(12)}
    assert len(list(spellings.spellings(many))) < 60
    assert spellings.plain({"a": True}) != spellings.plain({"a": "1"}) and spellings.plain({"a": True})["a"] is True
