"""What the command line shows of a job: rows as CSV, one article whole, the end of a run as JSON, the schema of job files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.commands import schema
from pipeline.commands.init import JOB_FILE
from pipeline.job.job_file import load_job
from tests.conftest import QUICKSTART, ROOT, JobMaker, article, command, run, write_jsonl
from tests.openai_server import Server, completion


def problems(job: Any) -> list[str]:
    jsonschema = pytest.importorskip("jsonschema")
    found = jsonschema.Draft202012Validator(schema.job_schema()).iter_errors(job)
    return [".".join(map(str, error.absolute_path)) for error in found]


def test_the_schema_takes_job_files_that_are_sound() -> None:
    jobs = [QUICKSTART / "job.yaml", *sorted((ROOT / "tests" / "data" / "old_jobs").glob("*.yaml"))]
    assert len(jobs) == 6
    for path in jobs:
        assert problems(yaml.safe_load(path.read_text("utf-8"))) == [], path
    assert problems(yaml.safe_load(JOB_FILE)) == []
    assert json.loads(command("schema").stdout) == schema.job_schema()


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"sources": [{"type": "files", "path": "a", "colums": {}}]}, "sources.0"),
        ({"sources": [{"type": "fils"}]}, "sources.0"),
        ({"filters": [{"type": "tokens", "min": "many"}]}, "filters.0"),
        ({"label": {"modl": "x"}}, "label"),
        ({"label": {"provider": "extractive", "parameters": {"temperature": 1}}}, "label.parameters"),
        ({"clean": {"max_phrases": 0}}, "clean.max_phrases"),
        ({"label": {"task": "classes"}, "clean": {}}, "clean"),
        ({"split": {"eval": -1}}, "split.eval"),
        ({"file": "x"}, ""),
    ],
)
def test_the_schema_marks_what_is_wrong(change: dict[str, Any], place: str) -> None:
    sound = {"name": "x", "sources": [{"type": "files", "path": "a.jsonl"}]}
    assert problems(sound) == [] and place in problems(sound | change)


def test_the_schema_takes_what_loads_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANY", "7")
    job = {
        "name": "x",
        "sources": [{"type": "files", "path": "a.jsonl", "max_row_bytes": "${MANY}"}],
        "label": {"task": "classes", "budget_usd": "${MANY}", "reask": "${NONE:-2}"},
        "clean": {"classes": ["sports", 2026]},
        "publish": {"text": "${TEXT:-none}", "private": "${PRIVATE:-true}"},
    }
    assert problems(job) == []
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    loaded = load_job(tmp_path / "job.yaml")
    assert (loaded.label.budget_usd, loaded.label.reask, loaded.publish.text) == (7, 2, "none")
    for wrong in ({"label": {"budget_usd": "much"}}, {"publish": {"text": "some"}}, {"publish": {"private": "$X"}}):
        assert problems({"name": "x", "sources": job["sources"]} | wrong) == [
            ".".join([*wrong, *next(iter(wrong.values()))])
        ]


def test_a_plugin_of_another_package_may_have_any_options() -> None:
    assert problems({"name": "x", "sources": [{"type": "theirs.source", "anything": 1}]}) == []


def test_the_starter_file_names_its_schema(tmp_path: Path) -> None:
    command("init", tmp_path / "job.yaml")
    assert (tmp_path / "job.yaml").read_text("utf-8").startswith("# yaml-language-server: $schema=")


def test_rows_as_csv(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(12)])
    run(path)
    rows = list(csv.DictReader(io.StringIO(command("show", path, "labels", "--csv").stdout)))
    shown = [json.loads(line) for line in command("show", path, "labels", "--json").stdout.splitlines()]
    assert [row["id"] for row in rows] == [row["id"] for row in shown] and len(rows) == 12
    assert [row["keyphrases"].split("; ") for row in rows] == [row["keyphrases"] for row in shown]
    assert command("show", path, "labels", "--csv", "--json").returncode == 2


def test_csv_has_the_columns_of_all_shards_and_phrases_that_can_be_told_apart(
    make_job: JobMaker, server: Server, tmp_path: Path
) -> None:
    for name, odd in (("a", ""), ("b", 'He said "no",\nthen; nothing.')):
        write_jsonl(tmp_path / f"{name}.jsonl", [article(n) | {"id": f"{name}{n}", "title": odd} for n in range(2)])
    server.script = lambda body, times: (200, completion(body, '["harbour; city", "spring"]'), {})
    sources = [{"type": "files", "path": ["a.jsonl", "b.jsonl"], "columns": {"text": "body"}}]
    label = {"provider": "openai", "model": "gpt-6-luna", "base_url": server.url}
    path = make_job(sources=sources, label=label, clean={"absent": "keep"})
    run(path, last="clean")
    for table in (
        ["articles"],
        ["labels"],
        ["labels", "--rejected"],
        ["filtered", "--rejected"],
        ["labels", "-n", "1"],
    ):
        told = list(csv.reader(io.StringIO(command("show", path, *table, "--csv").stdout)))
        rows = [json.loads(line) for line in command("show", path, *table, "--json").stdout.splitlines()]
        assert "id" in told[0] and all(
            row.keys() <= set(told[0]) for row in rows
        )  # a header also where there is no row
        assert [dict(zip(told[0], row, strict=True))["id"] for row in told[1:]] == [row["id"] for row in rows]
    [*_, last] = csv.DictReader(io.StringIO(command("show", path, "articles", "--csv").stdout))
    assert last["title"] == 'He said "no", then; nothing.'
    [phrases, *_] = csv.DictReader(io.StringIO(command("show", path, "labels", "--csv").stdout))
    assert phrases["keyphrases"] == '["harbour; city", "spring"]'


def test_an_article_comes_before_a_row_that_was_dropped(make_job: JobMaker, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"id": "one", "body": ""}, article(1)])
    write_jsonl(tmp_path / "b.jsonl", [article(2) | {"id": "one"}])
    path = make_job(sources=[{"type": "files", "path": ["a.jsonl", "b.jsonl"], "columns": {"text": "body"}}])
    run(path, last="collect")
    told = json.loads(command("show", path, "--id", "one", "--json").stdout)
    assert told["article"]["source"] == "b.jsonl" and "reason" not in told["article"]


def test_everything_of_one_article(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(n) for n in range(12)] + [{"id": "x", "title": "", "body": ""}])
    run(path)
    sheet = tmp_path / "sheet.jsonl"
    phrases = json.loads(command("show", path, "--id", "a3", "--json").stdout)["label"]["keyphrases"]
    assert command("review", path, "--export", sheet).returncode == 0
    judged = [json.loads(line) for line in sheet.read_text("utf-8").splitlines()]
    write_jsonl(sheet, [row | {"verdict": "accept"} for row in judged if row["id"] == "a3"])
    told = command("review", path, "--import", sheet)
    assert told.returncode == 0, told.stderr
    found = json.loads(command("show", path, "--id", "a3", "--json").stdout)
    assert found["article"]["text"].startswith("Harbour number 3")
    assert json.loads(found["replies"][0]["reply"]["text"]) == phrases
    assert found["verdicts"] and found["versions"] == {"1.0.0": found["split"]["split"]}
    for_people = command("show", path, "--id", "a3").stdout
    assert "Harbour number 3" in for_people and "[replies]" in for_people and "label_source: extracted" in for_people
    rejected = json.loads(command("show", path, "--id", "x", "--json").stdout)
    assert rejected["article"]["reason"] == "empty_text" and rejected["versions"] == {}
    none = command("show", path, "--id", "zz")
    assert none.returncode == 1 and "no article 'zz'" in none.stderr
    assert command("show", path).returncode == 2 and command("show", path, "labels", "--id", "a3").returncode == 2


def test_a_run_as_json(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(12)])
    report = json.loads(command("run", path, "--limit", "3", "--json").stdout)
    assert "limited to 3 articles" in report["held_back"] and report["stages"][2]["kept"] == 3
    assert json.loads(command("run", path, "--json").stdout)["stages"][-1]["state"] == "version 1.0.0"


def test_a_run_that_ends_early_is_json_too(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server)
    server.script = lambda body, times: (429, {"error": {"message": "no", "code": "insufficient_quota"}}, {})
    done = command("run", path, "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 3 and "no credit" in report["paused"] and report["held_back"] is None
    assert report["stages"][0]["kept"] == 4 and "no credit" in done.stderr
    articles = [article(n) for n in range(12)]
    articles[3]["body"] += " The key is AKIAIOSFODNN7EXAMPLQ."
    stopped = command("run", make_job(articles, label={"provider": "extractive"}, name="gated"), "--json")
    assert stopped.returncode == 4 and json.loads(stopped.stdout)["held_back"] in stopped.stderr.replace("\n", " ")


def openai_job(make_job: JobMaker, server: Server) -> Path:
    label = {"provider": "openai", "model": "gpt-6-luna", "base_url": server.url}
    return make_job([article(n) for n in range(4)], label=label)


def test_one_text_is_tried(make_job: JobMaker, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    path, text = openai_job(make_job, server), article(7)["body"]
    first = json.loads(command("try", path, "--text", text, "--json").stdout)
    assert first["asked"] and text in first["messages"][-1]["content"] and first["status"] == "ok"
    assert first["reply"] and first["keyphrases"] and "repairs" in first
    again = command("try", path, "--text", text)
    assert "cost: nothing, the ledger had the answer" in again.stdout and first["reply"] in again.stdout
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode(encoding)), "utf-8"))
        assert json.loads(command("try", path, "--json").stdout)["keyphrases"] == first["keyphrases"]
    assert sum(server.seen.values()) == 1
    empty = command("try", path, "--text", " ")
    assert empty.returncode == 1 and "the text is no article: empty_text" in empty.stderr
    run(path, last="label")
    assert sum(server.seen.values()) == 5


def test_a_text_in_korean_s_own_encoding_is_tried(make_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_job([article(1)], label={"provider": "extractive"})
    monkeypatch.setattr(
        "sys.stdin", io.TextIOWrapper(io.BytesIO("서울시는 한강 공원에서 축제를 연다.".encode("cp949")))
    )
    assert "서울시" in json.loads(command("try", path, "--json").stdout)["keyphrases"]


def test_a_trial_does_not_hide_that_the_ledger_was_emptied(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server)
    work = run(path, last="label")
    (work.path / "ledger.sqlite").rename(work.path / "away")
    done = command("try", path, "--text", article(9)["body"])
    assert done.returncode == 1 and "holds no answers, but this job got 4" in done.stderr
    assert sum(server.seen.values()) == 4
