"""Task json: an object of the job's own schema, from the request to the published version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.clean.tasks import json as json_task
from pipeline.core.errors import ConfigError
from pipeline.core.json_labels import arrow_type, part_of
from pipeline.core.types import Article, Reply
from pipeline.job.job_file import load_job
from pipeline.label.requests import load_prompt
from tests.conftest import JobMaker, article, command, rows, run, stage, work_of, write_jsonl
from tests.openai_server import Server, completion
from tests.test_label import error, openai_job

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": ["integer", "null"]}},
    "required": ["name"],
    "additionalProperties": False,
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "mood": {"enum": ["good", "bad"]},
        "score": {"type": "number", "minimum": 0, "maximum": 10},
        "people": {"type": "array", "items": PERSON},
        "place": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
    "required": ["mood", "people"],
    "additionalProperties": False,
}
TEXT = "Jo and Ann met in Rome. It was a good day, Jo said."
GOOD = {"mood": "good", "people": [{"name": "Jo", "age": 30}]}


def parsed(reply: str, finish: str = "stop", **options: Any) -> Any:
    task = json_task.Task(json_task.Options(schema=SCHEMA, **options), lambda texts: [0] * len(texts))
    task.take_prompt(["Write down the names, such as Lighthouse Keeper, of the people."], None)
    return task.parse(Reply(reply, finish), Article("1", None, TEXT, "", language="en"))


CANONICAL = '{"mood": "good", "people": [{"name": "Jo", "age": 30}]}'


@pytest.mark.parametrize(
    ("reply", "repairs"),
    [
        (json.dumps(GOOD), []),
        (json.dumps(GOOD, indent=3), []),
        ('{"people": [{"age": 30, "name": "Jo"}], "mood": "good"}', []),
        (f"Sure! Here it is:\n```json\n{json.dumps(GOOD)}\n```\nHope this helps.", ["aside"]),
        (f"<think>{{'mood': 'bad'}}</think>{json.dumps(GOOD)}", []),
        ('{"mood": "good", "people": [{"name": "Jo", "age": 30,},],}', ["literal"]),
        ("{'mood': 'good', 'people': [{'name': 'Jo', 'age': 30}]}", ["literal"]),
        ('{"mood": "Good", "people": [{"name": "Jo", "age": "30"}]}', ["enum_spelling", "number_as_text"]),
        ('{"Mood": "good", "people": [{"name": "Jo", "age": 30.0}]}', ["name_spelling"]),
        (f"[{json.dumps(GOOD)}]", ["unwrapped"]),
        (json.dumps({"answer": GOOD}), ["unwrapped"]),
        (json.dumps(json.dumps(GOOD)), ["unwrapped"]),
        (f'Draft: {{"mood": "bad", "people": []}}\nFinal answer: {json.dumps(GOOD)}', ["aside"]),
        ('{"mood": "good", "people": [{"name": " Jo\\n", "age": 30}], "score": null}', None),
    ],
)
def test_what_models_put_around_it(reply: str, repairs: list[str] | None) -> None:
    label = parsed(reply)
    if repairs is None:
        assert label.status == "json_type:score"  # null is not allowed there
        return
    assert (label.phrases, label.status, label.repairs) == ([CANONICAL], "ok", repairs)


def test_quotes_that_are_not_escaped() -> None:
    label = parsed('{"mood": "good", "people": [{"name": "the "big" Jo"}]}')
    assert json.loads(label.phrases[0])["people"] == [{"name": 'the "big" Jo'}]


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ('{"mood": "so so", "people": []}', "json_enum:mood"),
        ('{"mood": "good"}', "json_required:people"),
        ('{"mood": "good", "people": [{"age": 3}]}', "json_required:people[].name"),
        ('{"mood": "good", "people": [{"name": "Jo"}, {"name": 3}]}', "json_type:people[].name"),
        ('{"mood": "good", "people": [{"name": "Jo", "x": 1}]}', "json_additionalProperties:people[]"),
        ('{"mood": "good", "people": [], "score": 11}', "json_maximum:score"),
        ('{"mood": "good", "people": [], "score": -1}', "json_minimum:score"),
        ('{"mood": "good", "people": "Jo"}', "json_type:people"),
        ('{"mood": "good", "people": [], "place": {}}', "json_required:place.city"),
        ('{"mood": "good", "people": [{"name": "Jo", "age": 99999999999999999999}]}', "json_out_of_range"),
        ('{"mood": "good", "people": [{"name": "\\ud800"}]}', "json_out_of_range"),
        ('{"mood": "good", "people": [{"name": "Jo"}', "truncated"),
        ('{"mood": "good", "people": [{"name": "J', "truncated"),
        ("<think>let me see", "truncated"),
        ("I'm sorry, but I cannot help with that.", "refusal"),
        ("", "empty"),
        ("{}", "no_answer"),
        ("The mood is good.", "unparseable"),
        ('{"error": {"message": "overloaded"}}', "no_answer"),
        ("<html><head><title>502</title></head></html>", "unparseable"),
        ('{"mood": "good", "people": [{"name": "..."}]}', "no_answer"),
        ('{"mood": "good", "people": [{"name": "Lighthouse Keeper"}]}', "prompt_echo"),
    ],
)
def test_what_does_not_fit_says_where(reply: str, status: str) -> None:
    label = parsed(reply)
    assert (label.phrases, label.status) == ([], status)


def test_a_whole_object_counts_though_the_reply_was_cut_behind_it() -> None:
    assert parsed(f"{json.dumps(GOOD)}\nI chose this bec", "length").phrases == [CANONICAL]
    assert parsed(json.dumps(GOOD), "content_filter").status == "content_filter"


def test_texts_that_must_stand_in_the_article() -> None:
    absent = '{"mood": "good", "people": [{"name": "Jo"}, {"name": "Zed"}]}'
    assert parsed(absent).status == "ok"
    label = parsed(absent, in_text=["people[].name"])
    assert (label.status, label.detail) == ("not_in_article:people[].name", "'Zed'")
    assert parsed(json.dumps(GOOD), in_text=["people[].name"]).status == "ok"
    with pytest.raises(ValueError, match=r"in_text: 'people.name' is no text of the schema; there are: mood"):
        parsed("{}", in_text=["people.name"])


def test_names_that_the_schema_does_not_have() -> None:
    open_schema = {"type": "object", "properties": {"mood": {"type": "string"}}}
    task = json_task.Task(json_task.Options(schema=open_schema), lambda texts: [0] * len(texts))
    label = task.parse(Reply('{"mood": "good", "why": "said so"}'), Article("1", None, TEXT, ""))
    assert (label.phrases, label.repairs) == (['{"mood": "good"}'], ["further_properties"])


# --- schemas ---


def test_a_column_of_the_schemas_type() -> None:
    nested = {"$defs": {"P": PERSON}, "type": "object",
              "properties": {"a": {"anyOf": [{"$ref": "#/$defs/P"}, {"type": "null"}]}, "b": {"type": "boolean"}}}  # fmt: skip
    person = pa.struct([("name", pa.string()), ("age", pa.int64())])
    assert arrow_type(part_of(nested)) == pa.struct([("a", person), ("b", pa.bool_())])
    assert arrow_type(part_of(SCHEMA)) == pa.struct(
        [
            ("mood", pa.string()),
            ("score", pa.float64()),
            ("people", pa.list_(person)),
            ("place", pa.struct([("city", pa.string())])),
        ]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "array", "items": {"type": "string"}}, "the schema's type must be 'object'"),
        ({"properties": {}}, "an object needs properties"),
        ({"properties": {"a": {"type": ["string", "integer"]}}}, "a: needs one type of"),
        ({"properties": {"a": {}}}, "a: needs one type of .*; found none"),
        ({"properties": {"a": {"type": "array"}}}, "a: an array needs items"),
        ({"properties": {"a": {"oneOf": [{"type": "string"}]}}}, "a: 'oneOf' is not supported"),
        ({"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}}, "a: anyOf can only be one type and null"),
        ({"properties": {"a": {"type": "object", "properties": {"b": {"$ref": "#/nowhere"}}}}}, r"a.b: \$ref '#/nowhere'"),
        ({"properties": {"a": {"$ref": "#"}}}, "a: # refers to itself"),
        ({"properties": {"a": {"type": "string", "minLength": "x"}}}, "properties.a.minLength: 'x' is not of type 'integer'"),
        ({"additionalProperties": {"type": "string"}}, "additionalProperties can be true or false"),
    ],
)  # fmt: skip
def test_schemas_that_no_column_can_have(make_job: JobMaker, change: dict[str, Any], message: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, **change}
    with pytest.raises(ConfigError, match=f"clean.schema: .*{message}") as raised:
        load_job(make_job([article(0)], label={"task": "json"}, clean={"schema": schema}))
    assert "\n" not in str(raised.value)


# --- a job ---


def reply_of(body: dict[str, Any]) -> dict[str, Any]:
    number = int(body["messages"][-1]["content"].split("harbour")[1].split("x")[0])
    label = {"mood": "good" if number % 2 else "bad", "people": [{"name": f"Jo {number}"}], "score": number}
    return label | ({"mood": "so so"} if number == 3 else {})


def answers(body: dict[str, Any], times: int) -> Any:
    return 200, completion(body, json.dumps(reply_of(body))), {}


def json_job(make_job: JobMaker, server: Server, tmp_path: Path, count: int = 6, **clean: Any) -> Path:
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    path = openai_job(make_job, server, count, task="json")
    server.script = server.script or answers
    text = path.read_text("utf-8").replace(
        "name: test\n", f"name: test\nclean: {json.dumps({'schema': 'schema.json', **clean})}\n"
    )
    path.write_text(text, "utf-8")
    return path


def test_from_the_request_to_a_version(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    from datasets import load_dataset

    path = json_job(make_job, server, tmp_path)
    work = run(path)
    form = server.bodies[0]["response_format"]["json_schema"]
    assert form["schema"] == SCHEMA and form["strict"] is False  # not everything in it is required
    assert '"people"' in server.bodies[0]["messages"][-1]["content"]  # endpoints without schemas are told, too
    labels = rows(work, "labels")
    assert labels[1]["label"] == {
        "mood": "good",
        "score": 1.0,
        "people": [{"name": "Jo 1", "age": None}],
        "place": None,
    }
    (rejected,) = rows(work, "labels", rejected=True)
    assert (rejected["id"], rejected["reason"]) == ("a3", "json_enum:mood")
    assert "'so so' is not one of" in rejected["detail"]
    assert stage(work, "clean")["rejected"] == {"json_enum:mood": 1}
    version = work.versions / "1.0.0"
    loaded = load_dataset(str(version), cache_dir=str(tmp_path / "cache"))
    features = loaded["train"].features["label"]
    assert features["mood"].dtype == "string" and features["people"].feature["age"].dtype == "int64"
    stored = pa.concat_tables([pq.read_table(file) for file in (version / "data").glob("*.parquet")]).to_pylist()
    assert len(stored) == 5 and "tiers" not in stored[0]
    run(path)
    assert [folder.name for folder in work.versions.glob("[0-9]*")] == ["1.0.0"]  # the same rows make no version
    assert command("verify", path, "1.0.0").returncode == 0
    assert '{"mood": "good"' in command("show", path, "labels").stdout


def test_views_and_exports_have_the_text(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    path = json_job(make_job, server, tmp_path)
    run(path)
    for form in ("chat", "seq2seq", "jsonl", "csv"):
        done = command("export", path, "--format", form, "--output", tmp_path / form)
        assert done.returncode == 0, done.stderr
    turns = json.loads((tmp_path / "chat").read_text().splitlines()[0])["messages"]
    assert json.loads(turns[1]["content"])["mood"] in ("good", "bad") and " as JSON" in turns[0]["content"]
    assert "place" not in turns[1]["content"]  # what is not said is not there
    assert '"{""mood""' in (tmp_path / "csv").read_text()


def test_a_schema_in_the_job_file_is_the_same(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    path = json_job(make_job, server, tmp_path)
    run(path, last="clean")
    path.write_text(path.read_text("utf-8").replace('"schema.json"', json.dumps(SCHEMA)), "utf-8")
    run(path, last="clean")
    assert len(server.bodies) == 6
    (tmp_path / "schema.json").unlink()
    with pytest.raises(ConfigError, match=r"clean.schema: there is no file .*gone.json"):
        load_job(path, ["clean.schema=gone.json"])


def test_an_endpoint_that_takes_no_schema(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    def script(body: dict[str, Any], times: int) -> Any:
        if "response_format" in body:
            status, answer, headers = error(400, "invalid")
            answer["error"] |= {"message": "response_format is not supported", "param": "response_format"}
            return status, answer, headers
        return answers(body, times)

    server.script = script
    work = run(json_job(make_job, server, tmp_path), last="clean")
    assert len(rows(work, "labels")) == 5


def test_people_judge_it(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    path = json_job(make_job, server, tmp_path)
    work = run(path)
    sheet = tmp_path / "sheet.jsonl"
    assert command("review", path, "--export", sheet).returncode == 0
    lines = [json.loads(line) for line in sheet.read_text().splitlines()]
    for line in lines:
        if line["id"] == "a1":
            line["corrected"] = '{"people": [{"name":"Ann"},], "mood": "bad"}'
        elif line["id"] == "a2":
            line["verdict"] = "reject"
        else:
            line["verdict"] = "accept"
    write_jsonl(sheet, lines)
    done = command("review", path, "--import", sheet)
    assert done.returncode == 0, done.stderr
    run(path)
    reviewed = {row["id"]: row for row in rows(work, "labels")}
    assert reviewed["a1"]["label"] == {
        "mood": "bad",
        "score": None,
        "people": [{"name": "Ann", "age": None}],
        "place": None,
    }
    assert reviewed["a1"]["label_source"] == "edited" and reviewed["a0"]["label_source"] == "verified"
    assert "a2" not in reviewed
    lines[0] |= {"id": "a0", "corrected": '{"mood": "so so"}'}
    write_jsonl(sheet, lines[:1])
    assert "is no label of this job" in command("review", path, "--import", sheet).stderr


def test_evaluate_by_field(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    path = json_job(make_job, server, tmp_path)
    run(path, last="clean")
    gold = [
        {"id": f"a{n}", "label": {"mood": "good", "people": [{"name": f"jo {n}"}, {"name": "Ann"}]}} for n in (0, 1, 3)
    ]
    file = write_jsonl(tmp_path / "gold.jsonl", gold)
    metrics = json.loads(command("evaluate", path, "--gold", file, "--json").stdout)["metrics"]
    assert metrics["field mood"]["mean"] == pytest.approx(1 / 3)  # one is bad, one has no label
    assert metrics["field people"]["mean"] == pytest.approx(2 / 3 * 2 / 3)  # one of two names, f1 2/3
    assert metrics["exact"]["mean"] == 0.0
    text = write_jsonl(tmp_path / "text.jsonl", [{"id": "a1", "gold": json.dumps(reply_of_number(1))}])
    assert json.loads(command("evaluate", path, "--gold", text, "--json").stdout)["metrics"]["exact"]["mean"] == 1.0


def reply_of_number(number: int) -> dict[str, Any]:
    return reply_of({"messages": [{"content": f"harbour{number}x"}]})


def test_report_and_dataset(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    from pipeline import dataset

    path = json_job(make_job, server, tmp_path)
    run(path)
    assert command("report", path, "--output", tmp_path / "report.html").returncode == 0
    made = dataset(load_job(path))
    assert made["train"].features["label"]["score"].dtype == "float64"
    assert work_of(path).config.label_column.phrases(made["train"][0]["label"])[0].startswith('{"mood"')


@pytest.mark.parametrize("task", ["keyphrases", "topic", "classes", "json"])
def test_init_writes_a_file_for_each_task(tmp_path: Path, task: str) -> None:
    path = tmp_path / "job.yaml"
    assert command("init", path, "--task", task).returncode == 0
    config = load_job(path, ["label.provider=openai"])
    assert (config.label.task, config.name) == (task, f"my-{task}")
    assert load_prompt(config)
    assert config.label_column.name in ("keyphrases", "topic", "label")


def test_init_of_a_task_that_there_is_not(tmp_path: Path) -> None:
    done = command("init", tmp_path / "job.yaml", "--task", "jsn")
    assert done.returncode == 2 and "--task jsn: there is no starter file for it (did you mean 'json'?)" in done.stderr


@pytest.mark.parametrize("reply", [
    '{"mood": "good", "people": [], "score": 1' + "0" * 400 + "}",
    '{"a":' * 600 + "1" + "}" * 600,
])  # fmt: skip
def test_no_reply_stops_the_job(reply: str) -> None:
    label = parsed(reply)
    assert label.status != "ok" and label.phrases == []
