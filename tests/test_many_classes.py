"""Several classes an article: `classes` with `many: true`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.clean.tasks import classes
from pipeline.core.types import Article, Reply
from pipeline.job.job_file import load_job
from pipeline.label.requests import load_prompt
from tests.conftest import JobMaker, command, rows, run, work_of, write_jsonl
from tests.openai_server import Server, completion
from tests.test_label import openai_job

CLASSES = {"sports": ["sport", "스포츠"], "politics": [], "economy": ["business"]}
OTHER = "none of these"


@pytest.mark.parametrize(
    ("reply", "labels", "repairs"),
    [
        ('{"labels": ["politics", "sports"]}', ["sports", "politics"], []),  # in the order of the job file
        ('["Business", "sport"]', ["sports", "economy"], []),
        ("sports, politics", ["sports", "politics"], []),
        ("- **Politics**\n- 스포츠", ["sports", "politics"], []),
        ("sports", ["sports"], []),
        ("Sports (80%), politics (20%)", ["sports", "politics"], []),
        ("The article is about sports and politics, not economy.", ["sports", "politics"], []),
        ("It is not about sports but politics.", ["politics"], []),
        ('{"sports": true, "politics": false, "economy": true}', ["sports", "economy"], []),
        ('{"labels": "sports, economy"}', ["sports", "economy"], []),
        ('["weather", "sports"]', ["sports"], ["unknown_class"]),
        ('["sports", "sports", "sport"]', ["sports"], []),
        ('["sports", "none of these"]', ["sports"], ["other_beside_classes"]),
        ('{"labels": []}', [OTHER], []),
        ("[]", [OTHER], []),
        ("none", [OTHER], []),
        ("none of these", [OTHER], []),
        ('{"sports": false, "politics": false}', [OTHER], []),
    ],
)
def test_classes_that_a_reply_names(reply: str, labels: list[str], repairs: list[str]) -> None:
    label = parsed(reply, other=OTHER)
    assert (label.phrases, label.status, label.repairs) == (labels, "ok", repairs)


def parsed(reply: str, finish: str = "stop", **options: Any) -> Any:
    task = classes.Task(classes.Options(classes=CLASSES, many=True, **options), lambda texts: [0] * len(texts))
    return task.parse(Reply(reply, finish), Article("1", None, "A match in the parliament.", "", language="en"))


@pytest.mark.parametrize(
    ("reply", "finish", "status"),
    [
        ("weather", "stop", "unparseable"),
        ('["weather", "traffic"]', "stop", "unparseable"),
        ("[]", "stop", "no_answer"),
        ("none", "stop", "no_answer"),
        ("", "stop", "empty"),
        ('["sports", "pol', "stop", "truncated"),
        ('["sports", "pol', "length", "truncated"),
        ("sports, pol", "length", "truncated"),
        ("sports", "content_filter", "content_filter"),
        ("I'm sorry, but I cannot help with that.", "stop", "refusal"),
    ],
)
def test_replies_without_classes(reply: str, finish: str, status: str) -> None:
    label = parsed(reply, finish)
    assert (label.phrases, label.status) == ([], status)


def many_job(make_job: JobMaker, server: Server, **clean: Any) -> Path:
    def script(body: dict[str, Any], times: int) -> Any:
        number = int(body["messages"][-1]["content"].split("harbour")[1].split("x")[0])
        names = ["economy", "sports"] if number % 2 else ["politics"]
        return 200, completion(body, json.dumps({"labels": names})), {}

    server.script = script
    path = openai_job(make_job, server, 6, task="classes")
    section = {"classes": CLASSES, "many": True, **clean}
    path.write_text(path.read_text("utf-8") + f"clean: {json.dumps(section)}\n", "utf-8")
    return path


def test_from_the_request_to_a_version(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    from datasets import load_dataset

    path = many_job(make_job, server, other=OTHER, descriptions={"sports": "matches"})
    work = run(path)
    assert work.config.prompt == "classes/v2-many"
    form = server.bodies[0]["response_format"]["json_schema"]["schema"]["properties"]["labels"]
    assert form == {"type": "array", "items": {"type": "string", "enum": [*CLASSES, OTHER]}}
    sent = server.bodies[0]["messages"][-1]["content"]
    assert "- sports: matches" in sent and f"- {OTHER} (alone, and only where" in sent
    assert [row["labels"] for row in rows(work, "labels")] == [["politics"], ["sports", "economy"]] * 3
    stored = pa.concat_tables([pq.read_table(file) for file in (work.versions / "1.0.0" / "data").glob("*")])
    assert stored.schema.field("labels").type == pa.list_(pa.string())
    assert not {"tiers", "offsets"} & set(stored.column_names)
    loaded = load_dataset(str(work.versions / "1.0.0"), cache_dir=str(tmp_path / "cache"))
    assert len(loaded["train"]) + len(loaded["eval"]) == 6
    run(path)
    assert [folder.name for folder in work.versions.glob("[0-9]*")] == ["1.0.0"]
    for form_of in ("chat", "csv"):
        assert command("export", path, "--format", form_of, "--output", tmp_path / form_of).returncode == 0
    assert any("sports; economy" in line for line in (tmp_path / "chat").read_text().splitlines())
    assert "token-classification" not in (work.versions / "1.0.0" / "README.md").read_text()
    assert command("report", path, "--output", tmp_path / "report.html").returncode == 0


def test_evaluate_by_class(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    path = many_job(make_job, server)
    run(path, last="clean")
    gold = [
        {"id": "a0", "labels": ["politics"]},
        {"id": "a1", "labels": ["sport"]},
        {"id": "a2", "labels": ["economy"]},
    ]
    file = write_jsonl(tmp_path / "gold.jsonl", gold)
    result = json.loads(command("evaluate", path, "--gold", file, "--json").stdout)
    assert result["metrics"]["exact"]["mean"] == pytest.approx(1 / 3)
    assert result["metrics"]["jaccard"]["mean"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert result["per_class"]["politics"] == {
        "precision": 0.5,
        "recall": 1.0,
        "f1": pytest.approx(2 / 3),
        "support": 1,
    }
    assert result["per_class"]["economy"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}
    assert result["baselines"]["micro_f1"] == pytest.approx(2 * 2 / (4 + 3))
    assert result["baselines"]["macro_f1"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    shown = command("evaluate", path, "--gold", file).stdout
    assert "politics                      0.500   1.000   0.667       1" in shown


def test_people_judge_it(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    path = many_job(make_job, server)
    work = run(path)
    sheet = tmp_path / "sheet.csv"
    assert command("review", path, "--export", sheet).returncode == 0
    text = sheet.read_text("utf-8-sig")
    lines = [line.split(",") for line in text.splitlines()]
    at, row = lines[0].index("corrected"), next(line for line in lines if "a1" in line)
    row[at] = "sport; politics"
    sheet.write_text("\n".join(",".join(line) for line in lines), "utf-8-sig")
    done = command("review", path, "--import", sheet)
    assert done.returncode == 0, done.stderr
    run(path)
    labels = {row["id"]: row for row in rows(work, "labels")}
    assert labels["a1"]["labels"] == ["sports", "politics"] and labels["a1"]["label_source"] == "edited"


def test_no_class_is_planted_as_wrong(make_job: JobMaker, server: Server) -> None:
    """That no word of it is in the article says nothing of a class."""
    from pipeline.review.sample.label_sets import JobLabels
    from pipeline.review.sample.lanes import Lanes
    from pipeline.review.sample.sampling_frame import SamplingFrame

    work = run(many_job(make_job, server), last="clean")
    options = work.config.review.model_copy(update={"planted": 1.0})
    frame = SamplingFrame(work, JobLabels(work), options)
    lanes = Lanes(frame, options, work.config.label_column.has_tiers)
    assert not any(lanes.has_planted(row["text_sha256"]) for row in rows(work, "labels"))


def test_one_class_stays_as_it_was(make_job: JobMaker, server: Server) -> None:
    config = load_job(many_job(make_job, server), ["clean.many=false"])
    assert (config.label_column.name, config.label_column.many, config.prompt) == ("label", False, "classes/v1")
    prompt = load_prompt(config)
    assert prompt and prompt.name == "classes/v1"
    assert work_of(config.file, "clean.many=false").config.task_options.names() == [*CLASSES]
