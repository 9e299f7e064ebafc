"""Types of a version's columns: classes are a ClassLabel, dates timestamps; jobs with versions from before keep theirs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from pipeline import dataset, which_version
from pipeline.core.files import read_json
from pipeline.job.job_file import load_job
from pipeline.job.workspace import Workspace
from tests.conftest import JobMaker, article, command, rows, run, write_jsonl
from tests.openai_server import Server, completion

CLASSES = ["sports", "politics", "economy"]


def class_of(number: int) -> str:
    return CLASSES[number % 2]


def script(body: dict[str, Any], times: int) -> Any:
    number = int(body["messages"][-1]["content"].split("harbour")[1].split("x")[0])
    return 200, completion(body, class_of(number)), {}


def dated(count: int, first: int = 0, date: str = "2026-05-0{n}T10:00:00+09:00") -> list[dict[str, Any]]:
    return [{**article(n), "published": date.format(n=1 + n % 9)} for n in range(first, first + count)]


@pytest.fixture
def class_job(make_job: JobMaker, server: Server) -> Any:
    server.script = script

    def make(articles: list[Any], classes: list[str] = CLASSES) -> Path:
        columns = {"text": "body", "published_at": "published"}
        sources = [{"type": "files", "path": "articles.jsonl", "columns": columns}]
        label = {"provider": "openai", "base_url": server.url, "task": "classes"}
        return make_job(articles, sources=sources, label=label, clean={"classes": classes})

    return make


def loaded(work: Workspace, version: str, cache: Path, **how: Any) -> Any:
    from datasets import load_dataset

    return load_dataset(str(work.versions / version), cache_dir=str(cache), **how)


def told(work: Workspace, version: str) -> dict[str, Any]:
    """The features in the card's head, by column."""
    card = (work.versions / version / "README.md").read_text("utf-8").split("---")[1]
    info = next(one for one in yaml.safe_load(card)["dataset_info"] if one["config_name"] == "default")
    return {feature["name"]: feature.get("dtype") for feature in info["features"]}


def test_classes_and_dates_have_types(class_job: Any, tmp_path: Path) -> None:
    from datasets import ClassLabel, Features

    work = run(class_job(dated(8)))
    made = loaded(work, "1.0.0", tmp_path / "cache")
    label = made["train"].features["label"]
    assert isinstance(label, ClassLabel) and label.names == CLASSES
    by_id = {row["id"]: row for split in made.values() for row in split}
    assert {row_id: label.int2str(row["label"]) for row_id, row in by_id.items()} == {
        f"a{n}": class_of(n) for n in range(8)
    }
    assert by_id["a1"]["published_at"] == datetime(2026, 5, 2, 1, tzinfo=UTC)
    stream = loaded(work, "1.0.0", tmp_path / "cache", streaming=True)["train"]
    assert next(iter(stream))["label"] in (0, 1)
    file = next((work.versions / "1.0.0" / "data").glob("train-*"))
    assert pq.read_table(file).column("label")[0].as_py() in CLASSES  # every other reader sees words
    stored = Features.from_dict(json.loads(pq.read_schema(file).metadata[b"huggingface"])["info"]["features"])
    assert stored == made["train"].features
    assert told(work, "1.0.0")["published_at"] == "timestamp[s, tz=UTC]"
    assert which_version(made) == "1.0.0" or "1.0.0" in str(which_version(made))
    own = dataset(load_job(work.config.file))
    assert own["train"].features["label"] == label
    assert command("verify", work.config.file, "1.0.0").returncode == 0


@pytest.mark.parametrize(
    ("dates", "kind"),
    [
        ("2026-05-0{n}", "timestamp[s]"),
        ("2026-05-0{n} 10:00", "timestamp[s]"),
        ("2026-05-0{n}T10:00:00Z", "timestamp[s, tz=UTC]"),
        ("{n} May 2026", "string"),
        ("2026-05-0{n}T10:00:00.5Z", "string"),
        ("2026050{n}", "string"),
    ],
)
def test_dates_as_they_are_written(class_job: Any, tmp_path: Path, dates: str, kind: str) -> None:
    work = run(class_job(dated(6, date=dates)))
    assert told(work, "1.0.0")["published_at"] == kind
    assert loaded(work, "1.0.0", tmp_path / "cache")["train"].features["published_at"].dtype == kind


@pytest.mark.parametrize("date", ["2026-05-0{n}T10:00:00+09:00", "2026-05-0{n}"])
@pytest.mark.parametrize("undated", [0, 3])
def test_the_card_says_how_many_bytes_classes_and_dates_take(
    class_job: Any, tmp_path: Path, date: str, undated: int
) -> None:
    work = run(class_job([*dated(9, date=date), *dated(undated, first=9, date="")]))
    card = (work.versions / "1.0.0" / "README.md").read_text("utf-8").split("---\n")[1]
    info = next(one for one in yaml.safe_load(card)["dataset_info"] if one["config_name"] == "default")
    made = loaded(work, "1.0.0", tmp_path / "cache")
    assert {split["name"]: split["num_bytes"] for split in info["splits"]} == {
        name: split.info.splits[name].num_bytes for name, split in made.items()
    }


def test_one_that_is_no_date_makes_them_text(class_job: Any, tmp_path: Path) -> None:
    articles = dated(6)
    articles[3]["published"] = "yesterday"
    work = run(class_job(articles))
    assert told(work, "1.0.0")["published_at"] == "string"
    run(class_job([*(one for one in articles if one["id"] != "a3"), *dated(2, 6)]))
    assert told(work, work_latest(work))["published_at"] == "string"  # a job goes on with its types
    loaded(work, work_latest(work), tmp_path / "cache")


def work_latest(work: Workspace) -> str:
    from pipeline.versions import store

    latest = store.latest(work.versions)
    assert latest
    return latest.name


@pytest.mark.slow
def test_dates_that_stop_being_dates(class_job: Any, tmp_path: Path) -> None:
    """Who computes with dates cannot use such a version as the last one: it is no growth."""
    work = run(class_job(dated(6)))
    path = class_job([*dated(6), {**article(6), "published": "yesterday"}])
    said = command("run", path)
    assert "2.0.0 (1 rows added, published_at of another type)" in said.stdout + said.stderr
    assert work_latest(work) == "1.0.0"
    refused = command("publish", path, "--version", "1.1.0")
    assert "promises too much (1 added rows since 1.0.0, published_at of another type)" in refused.stderr
    assert command("publish", path).returncode == 0
    assert told(work, "2.0.0")["published_at"] == "string"
    assert len(loaded(work, "2.0.0", tmp_path / "cache")["train"]) > 0
    assert "published_at of another type" not in command("publish", path, "--dry-run").stdout
    run(class_job([*dated(6), {**article(6), "published": "yesterday"}, *dated(1, 7)]))
    assert work_latest(work) == "2.1.0"  # text goes on as text


def test_a_class_more_renumbers_none(class_job: Any, tmp_path: Path) -> None:
    work = run(class_job(dated(6)))
    path = class_job(dated(8), ["weather", "economy", "sports", "politics"])
    run(path)
    names = [*CLASSES, "weather"]  # behind the others, wherever the job file has it
    assert loaded(work, "1.1.0", tmp_path / "cache")["train"].features["label"].names == names
    assert dataset(load_job(path))["train"].features["label"].names == names
    run(class_job(dated(9), ["sports", "politics"]))
    assert (
        loaded(work, "1.2.0", tmp_path / "cache2")["train"].features["label"].names == names
    )  # those that left keep theirs


def test_the_same_rows_make_no_version(class_job: Any) -> None:
    work = run(class_job(dated(6)))
    run(class_job(dated(6), [*CLASSES, "weather"]))
    assert [folder.name for folder in work.versions.glob("[0-9]*")] == ["1.0.0"]


def test_other_tasks_have_text(make_job: JobMaker, tmp_path: Path) -> None:
    work = run(make_job([article(n) for n in range(6)]))
    manifest = read_json(work.versions / "1.0.0" / "manifest.json")
    assert manifest and manifest["types"] == {}
    assert loaded(work, "1.0.0", tmp_path / "cache")["train"].features["keyphrases"].feature.dtype == "string"


def test_a_job_with_versions_from_before_keeps_its_types(old_jobs: Path, server: Server, tmp_path: Path) -> None:
    """What it published goes on as text, and files that do not change are the same bytes."""
    body = "Forty boats raced without engines around the island. The wind was weak, and the race took seven hours. " * 2
    with (old_jobs / "harbour.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"id": "h13", "title": "Boats race without engines", "body": body}) + "\n")
    work = run(old_jobs / "keyphrases.yaml")
    assert work_latest(work) == "2.1.0"
    assert "types" not in (read_json(work.versions / "2.1.0" / "manifest.json") or {})
    assert told(work, "2.1.0")["published_at"] == "string"
    files = list((work.versions / "2.1.0" / "data").glob("*.parquet"))
    assert not any(b"huggingface" in (pq.read_schema(file).metadata or {}) for file in files)
    assert (work.versions / "2.0.0" / "data" / "eval-00000.parquet").read_bytes() in [
        file.read_bytes() for file in files
    ]


def test_the_index_of_rows(class_job: Any, tmp_path: Path) -> None:
    """Reviewed labels and exports are words, whatever the types."""
    path = class_job(dated(6))
    work = run(path)
    assert {row["label"] for row in rows(work, "labels")} == {"sports", "politics"}
    assert command("export", path, "--format", "jsonl", "--output", tmp_path / "out").returncode == 0
    assert json.loads((tmp_path / "out").read_text().splitlines()[0])["label"] in CLASSES
    write_jsonl(tmp_path / "gold.jsonl", [{"id": "a1", "label": "politics"}])
    assert command("evaluate", path, "--gold", tmp_path / "gold.jsonl").returncode == 0
