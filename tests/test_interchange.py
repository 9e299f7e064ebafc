"""Samples out to Argilla and Label Studio and back: exact records, round trips, and what their own SDKs say where they are
installed (label-studio-sdk is not in the extra `test`: it brings OpenCV and an older numpy)."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.looking import REVIEW_FORMATS
from pipeline.cli.main import main
from pipeline.core.errors import ConfigError, InputError
from pipeline.core.types import LabelColumn
from pipeline.job.workspace import Workspace
from pipeline.review.exchange import argilla, formats, label_studio
from pipeline.review.exchange.answers import (
    NONE,
    ExportedArticle,
    ImportedFile,
    LabellingTask,
    ReviewerAnswer,
    answers_by_reviewer,
    new_judgements,
)
from pipeline.review.log.judgements import Judgement, read
from tests.conftest import JobMaker, article, command, rows, run
from tests.openai_server import Server, completion

TEXT = "😀 서울시는 😀 ACME & Co가 $5를 냈다. 끝 😀"
END = TEXT.index("끝")  # code points; two emoji stand before it
DIGEST = sha256(TEXT.encode()).hexdigest()
PHRASES = ["서울시", "ACME & Co", "$5", "없는 말"]
MANY = LabellingTask(LabelColumn("keyphrases", many=True), [])
CLOSED = LabellingTask(LabelColumn("label", many=False), ["sports", "R & D"])
OPEN = LabellingTask(LabelColumn("topic", many=False), [])
TOOLS = {"argilla": argilla, "label-studio": label_studio}


def item(**said: ReviewerAnswer) -> ExportedArticle:
    return ExportedArticle(DIGEST, "a1", TEXT, PHRASES, "openai/gpt@1", said, title="T", language="ko")


def one(**said: ReviewerAnswer) -> ExportedArticle:
    return ExportedArticle(DIGEST, "a1", TEXT, ["sports"], "m", said)


def source(file: Path, task: LabellingTask = MANY, reviewers: tuple[str, ...] = ("kim", "lee@x.org")) -> ImportedFile:
    return ImportedFile(file, task, {DIGEST: "a1"}, list(reviewers), "somebody", "now")


def round_trip(
    tmp_path: Path, name: str, task: LabellingTask, given: ExportedArticle, reviewers: tuple[str, ...]
) -> list[Judgement]:
    path = tmp_path / "sample.json"
    formats.write(path, name, task, [given])
    return list(formats.read(source(path, task, reviewers)))


def said(judgement: Judgement) -> tuple[Any, ...]:
    return (
        judgement.reviewer,
        judgement.accepted,
        judgement.rejected,
        judgement.added,
        judgement.note,
        judgement.skipped,
    )


# --- exact records ---


def test_an_argilla_record_and_its_settings() -> None:
    record = argilla.record(
        MANY, item(kim=ReviewerAnswer(["서울시", "$5"], ["끝"], "hm"), lee=ReviewerAnswer([], [], skipped=True))
    )
    kim, lee = argilla.user_id("kim"), argilla.user_id("lee")
    assert record["id"] == f"text-{DIGEST}"
    assert record["fields"] == {"title": "T", "text": TEXT, "label": "1. 서울시\n2. ACME & Co\n3. $5\n4. 없는 말"}
    assert record["metadata"] == {"article_id": "a1", "language": "ko"}
    assert record["suggestions"]["accepted"] == {"value": ["1", "2", "3", "4"], "score": None, "agent": "openai/gpt_1"}
    marks = record["suggestions"]["marks"]["value"]
    assert [(mark["start"], mark["end"]) for mark in marks] == [(3, 6), (11, 20), (22, 24)]  # UTF-16 units
    assert record["responses"] == {
        "accepted": [
            {"value": ["1", "3"], "user_id": kim, "status": "submitted"},
            {"value": None, "user_id": lee, "status": "discarded"},
        ],
        "missing": [{"value": "끝", "user_id": kim, "status": "submitted"}],
        "note": [{"value": "hm", "user_id": kim, "status": "submitted"}],
    }
    assert (record["vectors"], record["status"]) == ({}, "completed")
    settings = argilla.settings(MANY, [item()])
    kinds = [
        (question["name"], question["settings"]["type"], question["required"]) for question in settings["questions"]
    ]
    assert kinds == [
        ("accepted", "multi_label_selection", True),
        ("marks", "span", False),
        ("missing", "text", False),
        ("reasons", "text", False),
        ("flag", "label_selection", False),
        ("note", "text", False),
    ]
    options = settings["questions"][0]["settings"]["options"]
    assert [option["value"] for option in options] == ["1", "2", "3", "4", "5", "6", "7", NONE]
    assert [field["name"] for field in settings["fields"]] == ["title", "text", "label"]


def test_marks_that_argilla_would_refuse_are_left_out() -> None:
    text = "😀😀 끝"  # in UTF-16 the last phrase ends behind the server's length of the text
    found = argilla.record(MANY, ExportedArticle("d", "1", text, ["끝"], "m", {}))
    assert "marks" not in found["suggestions"]


def test_a_label_studio_task_and_its_interface() -> None:
    task = label_studio.task_of(
        MANY, item(**{"lee@x.org": ReviewerAnswer([], [])}, kim=ReviewerAnswer([], [], skipped=True))
    )
    assert task["data"]["text"] == TEXT
    assert (task["data"]["id"], task["data"]["text_sha256"]) == ("a1", DIGEST)
    assert task["data"]["phrases"] == [
        {"value": "서울시", "alias": "1", "hotkey": "1"},
        {"value": "ACME & Co", "alias": "2", "hotkey": "2"},
        {"value": "$5", "alias": "3", "hotkey": "3", "html": "$5"},
        {"value": "없는 말", "alias": "4", "hotkey": "4"},
        {"value": "none of these", "alias": NONE, "hotkey": "0"},
    ]
    [prediction] = task["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("openai/gpt@1", 0.75)
    assert prediction["result"][0] == {
        "id": "marks-1",
        "from_name": "marks",
        "to_name": "text",
        "type": "labels",
        "value": {"start": 2, "end": 5, "text": "서울시", "labels": ["phrase"]},  # code points
    }
    assert prediction["result"][-1]["value"] == {"choices": ["1", "2", "3", "4"]}
    none, skipped = task["annotations"]
    assert (none["completed_by"], none["result"][-1]["value"]) == ({"email": "lee@x.org"}, {"choices": [NONE]})
    assert "completed_by" not in skipped  # kim is no address: Label Studio would refuse the file
    assert (skipped["was_cancelled"], skipped["result"]) == (True, [])
    assert skipped["id"] == label_studio.annotation_id("kim", DIGEST) < 2**53
    assert '<Choice value="R &amp; D"/>' in label_studio.interface(CLOSED)
    assert '<TextArea name="right"' in label_studio.interface(OPEN)


# --- round trips ---


@pytest.mark.parametrize("name", TOOLS)
def test_what_went_out_comes_back(tmp_path: Path, name: str) -> None:
    answers = {
        "kim": ReviewerAnswer(["서울시", "$5"], ["끝", "새 말"], "two\nlines"),
        "lee@x.org": ReviewerAnswer([], []),
        "an": ReviewerAnswer([], [], skipped=True),
    }
    found = round_trip(tmp_path, name, MANY, item(**answers), tuple(answers))
    assert [said(judgement) for judgement in found] == [
        ("kim", ["서울시", "$5"], ["ACME & Co", "없는 말"], ["끝", "새 말"], "two\nlines", False),
        ("lee@x.org", [], PHRASES, [], "", False),
        ("an", [], [], [], "", True),
    ]
    assert {(j.text_sha256, j.id, j.lane, j.model) for j in found} == {(DIGEST, "a1", "audit", None)}
    assert len({judgement.uid for judgement in found}) == 3
    assert [j.uid for j in found] == [j.uid for j in round_trip(tmp_path, name, MANY, item(**answers), tuple(answers))]


@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.parametrize("task", [CLOSED, OPEN], ids=["closed", "open"])
def test_a_label_that_is_one_string(tmp_path: Path, name: str, task: LabellingTask) -> None:
    answers = {
        "kim": ReviewerAnswer(["sports"], []),
        "lee": ReviewerAnswer([], ["R & D"]),
        "an": ReviewerAnswer([], []),
    }
    found = round_trip(tmp_path, name, task, one(**answers), tuple(answers))
    assert [said(judgement)[:4] for judgement in found] == [
        ("kim", ["sports"], [], []),
        ("lee", [], ["sports"], ["R & D"]),
        ("an", [], ["sports"], []),
    ]


def annotated(annotation: dict[str, Any], task: LabellingTask = MANY) -> list[Judgement]:
    given = label_studio.task_of(task, item() if task is MANY else one())
    return list(
        label_studio.judgements(source(Path("s.json"), task), "record 1", {**given, "annotations": [annotation]})
    )


def part(control: str, kind: str, **value: Any) -> dict[str, Any]:
    return {"id": "x", "from_name": control, "to_name": "text", "type": kind, "value": value}


@pytest.mark.parametrize("at", [END, END + 2], ids=["code points", "UTF-16 units, as before 2022"])
def test_a_phrase_marked_in_label_studio_is_missing_in_the_label(at: int) -> None:
    mark = part("marks", "labels", start=at, end=at + 1, text="끝", labels=["phrase"])
    shown = part("marks", "labels", start=2, end=5, labels=["phrase"])
    [found] = annotated({"id": 7, "completed_by": 3, "updated_at": "2026-01-02T03:04:05Z", "lead_time": 4.5,
                         "result": [shown, mark, part("accepted", "choices", choices=["2", "1"])]})  # fmt: skip
    assert said(found)[:4] == ("label-studio:3", ["서울시", "ACME & Co"], ["$5", "없는 말"], ["끝"])
    assert (found.at, found.seconds) == ("2026-01-02T03:04:05Z", 4.5)


def test_what_label_studio_1_23_exported_of_an_answer_given_in_a_browser() -> None:
    text = "😀 서울시는 😀 ACME & Co raised $100 billion. 😀 Yonhap said so."
    given = ExportedArticle(
        sha256(text.encode()).hexdigest(), "a1", text, ["서울시", "ACME & Co", "$100 billion"], "m", {}
    )

    def theirs(control: str, kind: str, origin: str, value: dict[str, Any]) -> dict[str, Any]:
        return {
            "value": value,
            "id": "_CWOD2a0T7",
            "from_name": control,
            "to_name": "text",
            "type": kind,
            "origin": origin,
        }

    marks = [(2, 5, "서울시"), (9, 18, "ACME & Co"), (26, 38, "$100 billion"), (42, 48, "Yonhap")]
    values = [{"start": start, "end": end, "text": there, "labels": ["phrase"]} for start, end, there in marks]
    annotation = {
        "id": 7, "completed_by": 1, "was_cancelled": False, "ground_truth": False, "lead_time": 5.042, "prediction": {},
        "created_at": "2026-11-21T17:18:06.309950Z", "updated_at": "2026-11-21T17:18:06.309978Z", "draft_created_at": None,
        "result_count": 5, "unique_id": "0d13359f-e686-47d6-bfdc-32bfca541800", "import_id": None, "last_action": None,
        "bulk_created": False, "task": 4, "project": 4, "updated_by": 1, "parent_prediction": 4, "parent_annotation": None,
        "result": [
            *(theirs("marks", "labels", "prediction", value) for value in values[:-1]),
            theirs("accepted", "choices", "prediction-changed", {"choices": ["1", "3"]}),
            theirs("marks", "labels", "manual", values[-1]),
        ],
    }  # fmt: skip
    task = {"id": 4, **label_studio.task_of(MANY, given), "annotations": [annotation], "drafts": [], "meta": {}}
    held = ImportedFile(Path("export.json"), MANY, {given.text_sha256: "a1"}, ["kim"], "somebody", "now")
    [found] = label_studio.judgements(held, "record 1", task)
    assert said(found)[:4] == ("label-studio:1", ["서울시", "$100 billion"], ["ACME & Co"], ["Yonhap"])
    assert (found.seconds, found.at) == (5.042, "2026-11-21T17:18:06.309978Z")


def test_who_said_it_and_what_an_answer_without_ticks_says() -> None:
    ticked = [part("accepted", "choices", choices=["1"])]
    by: Callable[..., str] = lambda **more: annotated({"result": ticked, **more})[0].reviewer  # noqa: E731
    assert by() == "somebody"
    assert by(completed_by={"id": 4, "email": "an@x.org"}) == "an@x.org"
    assert by(import_id=label_studio.annotation_id("kim", DIGEST), completed_by=1) == "kim"
    # nothing ticked says nothing of the phrases: they are not rejected by accident
    [found] = annotated({"result": [part("missing", "textarea", text="새 말")]})
    assert said(found)[1:4] == ([], [], ["새 말"])
    [found] = annotated({"result": []})
    assert found.skipped
    [found] = annotated({"result": [part("right", "choices", choices=["R & D"])]}, CLOSED)
    assert said(found)[1:4] == ([], ["sports"], ["R & D"])
    # a missing phrase that is shown already is right
    [found] = annotated({"result": [part("missing", "textarea", text=["acme &  co"]), *ticked]})
    assert said(found)[1:4] == (["서울시", "ACME & Co"], ["$5", "없는 말"], [])


def test_argilla_as_its_data_set_writes_it(tmp_path: Path) -> None:
    flat = {
        "id": f"text-{DIGEST}", "status": "completed", "_server_id": None, "text": TEXT, "title": None,
        "label": "1. 서울시\n2. ACME & Co", "article_id": "a1", "accepted.suggestion": ["1", "2"],
        "accepted.responses": [["1"], ["2"]], "accepted.responses.users": ["kim", argilla.user_id("lee")],
        "accepted.responses.status": ["submitted", "draft"],
        "marks.responses": [[{"start": 3, "end": 6, "label": "phrase"}, {"start": END + 2, "end": END + 3}]],
        "marks.responses.users": ["kim"], "marks.responses.status": ["submitted"], "note.responses": None,
    }  # fmt: skip
    assert TEXT[argilla.in_code_points(TEXT, END + 2)] == "끝"
    path = tmp_path / "flat.jsonl"
    unanswered = {name: None if ".responses" in name else value for name, value in flat.items()}
    path.write_text(f"{json.dumps(flat)}\n{json.dumps(unanswered)}\n")
    found = list(formats.read(source(path, reviewers=("lee",))))
    assert [said(judgement) for judgement in found] == [
        ("kim", ["서울시"], ["ACME & Co"], ["끝"], "", False),
        ("lee", [], [], [], "", True),
    ]


@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda record, text: text.update(text="another"), "its text is not the one that was exported"),
        (
            lambda record, text: (text.update(text="x", text_sha256="0"), record.update(id="text-0")),
            "no article of this job",
        ),
        (lambda record, text: text.pop("text"), "labelmill review --export wrote"),
    ],
)
def test_records_that_are_not_of_this_job_are_named(tmp_path: Path, name: str, change: Any, why: str) -> None:
    path = tmp_path / "sample.json"
    formats.write(path, name, MANY, [item(kim=ReviewerAnswer(PHRASES, []))])
    records = json.loads(path.read_text())
    change(records[0], records[0].get("data") or records[0]["fields"])
    path.write_text(json.dumps(records))
    with pytest.raises(InputError, match=f"sample.json: record 1.*{why}"):
        list(formats.read(source(path)))


@pytest.mark.parametrize("result", [["x"], [{"from_name": "marks", "value": {"start": None}}], 5])
def test_a_record_that_the_other_tool_did_not_write_so_is_named(tmp_path: Path, result: Any) -> None:
    task = {**label_studio.task_of(MANY, item()), "annotations": [{"result": result}]}
    (tmp_path / "a.json").write_text(json.dumps([task]))
    with pytest.raises(InputError, match=r"record 1: not as the other tool writes it"):
        list(formats.read(source(tmp_path / "a.json")))


@pytest.mark.parametrize("text", ["[]", '{"a": 1}', '[{"a": 1}]', "[{]", '["a"]'])
def test_a_file_of_something_else(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=r"a\.json"):
        list(formats.read(source(tmp_path / "a.json")))


def test_the_format_is_the_endings_where_it_can_be(tmp_path: Path) -> None:
    assert set(formats.FORMATS) == set(REVIEW_FORMATS)
    assert (formats.of_ending(Path("a.csv")), formats.of_ending(Path("a.jsonl"))) == ("csv", "jsonl")
    with pytest.raises(ConfigError, match="--format argilla or label-studio"):
        formats.of_ending(Path("a.json"))
    with pytest.raises(ConfigError, match=r"ends in \.json"):
        formats.write(tmp_path / "a.csv", "argilla", MANY, [])


# --- what was said before ---


def judged(reviewer: str, **more: Any) -> Judgement:
    return Judgement("d", "1", reviewer, "now", **more)


def test_an_answer_goes_out_where_it_says_something_of_every_phrase() -> None:
    log = [
        judged("kim", accepted=["A"], rejected=["b"], added=["C", "d"], note="n"),
        judged("lee", accepted=["a"]),
        judged("an", skipped=True),
    ]
    assert answers_by_reviewer(log, ["a", "B", "c"]) == {
        "kim": ReviewerAnswer(["a", "c"], ["d"], "n"),
        "an": ReviewerAnswer([], [], skipped=True),
    }


def test_news_are_what_the_reviewer_has_not_said() -> None:
    log = [judged("kim", accepted=["a"], rejected=["b"]), judged("an", skipped=True)]
    known = [judged("kim", accepted=["A"], rejected=["B"]), judged("an", skipped=True), judged("kim", skipped=True)]
    new = [
        judged("lee", accepted=["a"]),
        judged("kim", accepted=["b"]),
        judged("kim", note="x"),
        judged("bo", skipped=True),
    ]
    assert new_judgements([*known, *new, *new], log) == new


# --- a job ---

LABELS = {"a0": "city; harbour0x1; spring", "a1": "city; nowhere", "a2": "city; spring"}


@pytest.fixture
def job(make_job: JobMaker, server: Server) -> Path:
    def script(body: Any, times: int) -> Any:
        text = body["messages"][-1]["content"]
        return 200, completion(body, next(value for key, value in LABELS.items() if f"harbour{key[1:]}x" in text)), {}

    server.script = script
    articles = [{**article(n), "title": f"😀 Harbour {n}"} for n in range(3)]
    path = make_job(articles, label={"provider": "openai", "base_url": server.url})
    run(path)
    return path


def log_of(job: Path) -> list[Judgement]:
    return read(job.parent / "jobs" / "test" / "review" / "verdicts.sqlite")


def label_of(work: Workspace, row_id: str) -> tuple[list[str], str]:
    row = next(row for row in rows(work, "labels") if row["id"] == row_id)
    return row["keyphrases"], row["label_source"]


def answer(name: str, record: dict[str, Any], ticked: list[str], mark: str) -> None:
    """What a reviewer's answer adds to a record; `mark` is a missing phrase, marked in the text."""
    if name == "argilla":
        at = argilla.in_utf16(record["fields"]["text"], record["fields"]["text"].index(mark))
        values = {"accepted": ticked, "marks": [{"start": at, "end": at + len(mark), "label": "phrase"}]}
        for question, value in values.items():
            record["responses"].setdefault(question, []).append({"value": value, "user_id": "kim"})
        return
    at = record["data"]["text"].index(mark)
    result = [part("marks", "labels", start=at, end=at + len(mark), text=mark, labels=["phrase"])]
    result.append(part("accepted", "choices", choices=ticked))
    record["annotations"].append({"id": 1, "completed_by": {"email": "kim"}, "was_cancelled": False, "result": result})


def text_of(record: dict[str, Any]) -> str:
    return str((record.get("data") or record["fields"])["text"])


@pytest.mark.parametrize("name", TOOLS)
def test_a_job_goes_out_and_its_verdicts_come_back_once(
    job: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    assert main(["review", str(job), "--export", str(out), "--format", name]) == 0
    beside = tmp_path / ("out.settings.json" if name == "argilla" else "out.xml")
    assert capsys.readouterr().out.startswith(f"3 articles written to {out} and {beside}; ")
    records = sorted(json.loads(out.read_text()), key=text_of)
    answer(name, records[0], ["1", "3"], "opened")
    answer(name, records[1], [NONE], "public")
    out.write_text(json.dumps(records))
    for stored, known in ((2, ""), (0, " (2 were known)")):
        assert main(["review", str(job), "--import", str(out)]) == 0
        assert capsys.readouterr().out.startswith(f"{stored} verdicts stored{known};")
    assert {judgement.reviewer for judgement in log_of(job)} == {"kim"}
    work = run(job)
    assert label_of(work, "a0") == (["city", "spring", "opened"], "edited")
    assert label_of(work, "a1") == (["public"], "edited")
    assert label_of(work, "a2")[1] == "llm"
    # what was said goes out again, and says nothing new when it comes back
    again = tmp_path / "again.json"
    main(["review", str(job), "--export", str(again), "--format", name])
    assert main(["review", str(job), "--import", str(again)]) == 0
    assert "0 verdicts stored (2 were known)" in capsys.readouterr().out
    # a text that was changed: nothing of the file is stored
    records = sorted(json.loads(again.read_text()), key=text_of)
    answer(name, records[2], ["1"], "city")
    (records[0].get("data") or records[0]["fields"])["text"] += "."
    again.write_text(json.dumps(records))
    assert main(["review", str(job), "--import", str(again)]) == 1
    assert "1 (" in capsys.readouterr().err
    assert len(log_of(job)) == 2


def test_a_sheet_that_is_imported_twice_says_nothing_twice(
    job: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    main(["review", str(job), "--export", str(out), "--sample", "2"])
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    for verdict in ("accept", "reject", "accept"):
        out.write_text("".join(json.dumps({**line, "verdict": verdict}) + "\n" for line in lines))
        main(["review", str(job), "--import", str(out)])
    assert [line.split(";")[0] for line in capsys.readouterr().out.splitlines() if "stored" in line] == [
        "2 verdicts stored",
        "2 verdicts stored",
        "0 verdicts stored (2 were known)",  # the same file as the first
    ]


# --- their own SDKs ---

SDK_ITEM = item(kim=ReviewerAnswer(["서울시"], ["끝"], "hm"), lee=ReviewerAnswer([], []))


@pytest.mark.parametrize("task", [MANY, CLOSED, OPEN], ids=["many", "closed", "open"])
def test_label_studios_sdk_takes_it_and_what_it_makes_comes_back(tmp_path: Path, task: LabellingTask) -> None:
    sdk = pytest.importorskip("label_studio_sdk.label_interface")
    from label_studio_sdk.label_interface.objects import AnnotationValue, PredictionValue, TaskValue

    many = task is MANY
    given = label_studio.task_of(task, SDK_ITEM if many else one(kim=ReviewerAnswer([], ["R & D"])))
    interface = sdk.LabelInterface(label_studio.interface(task))
    interface.validate()
    assert interface.validate_task({"data": given["data"]})
    for prediction in given["predictions"]:
        assert interface.validate_prediction(prediction, return_errors=True) == []
        PredictionValue.model_validate(prediction)
    assert all(interface.validate_annotation(annotation) for annotation in given["annotations"])
    regions = (
        [
            interface.get_control("marks").label(label=["phrase"], start=END, end=END + 1),
            interface.get_control("accepted").label(label=["1", "3"]),
        ]
        if many
        else [interface.get_control("right").label(**({"label": ["R & D"]} if task is CLOSED else {"text": ["R & D"]}))]
    )
    annotation = AnnotationValue(completed_by=3, result=regions)
    value = TaskValue(data=given["data"], annotations=[annotation])
    path = tmp_path / "export.json"
    path.write_text(json.dumps([value.model_dump()]))
    [found] = formats.read(source(path, task))
    expected = (["서울시", "$5"], ["ACME & Co", "없는 말"], ["끝"]) if many else ([], ["sports"], ["R & D"])
    assert said(found)[:4] == ("label-studio:3", *expected)


@pytest.fixture
def rg(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Argilla's SDK with a client whose server is made up: it makes no object without one."""
    module = pytest.importorskip("argilla")
    import httpx

    me = {"id": argilla.user_id("kim"), "username": "kim", "first_name": "kim", "role": "owner"}
    server = httpx.MockTransport(lambda request: httpx.Response(200, json=me))
    client = module.Argilla(api_url="http://127.0.0.1", api_key="x", mounts={"all://": server})
    monkeypatch.setattr(module.Argilla, "_default_client", client)
    return module


@pytest.mark.parametrize("task", [MANY, CLOSED, OPEN], ids=["many", "closed", "open"])
def test_argillas_sdk_takes_it_and_what_it_writes_comes_back(rg: Any, tmp_path: Path, task: LabellingTask) -> None:
    from argilla.records._io import GenericIO, JsonIO

    many, path = task is MANY, tmp_path / "sample.json"
    answers = {
        "kim": ReviewerAnswer(["서울시"], ["끝"], "hm") if many else ReviewerAnswer([], ["R & D"]),
        "lee": ReviewerAnswer([], []),
    }
    given = item(**answers) if many else one(**answers)
    formats.write(path, "argilla", task, [given])
    settings = rg.Settings.from_json(path.with_suffix(".settings.json"))
    settings.validate()
    dataset = rg.Dataset(name="sample", settings=settings)
    record = rg.Record.from_dict(json.loads(path.read_text())[0], dataset=dataset)
    model = record.api_model()  # as it is sent to the server
    assert [response.status.value for response in model.responses] == ["submitted", "submitted"]
    assert len(model.suggestions) == (2 if many else 1)
    if many:
        at = argilla.in_utf16(TEXT, TEXT.index("냈다"))
        mark = rg.Response("marks", [{"start": at, "end": at + 2, "label": "phrase"}], user_id=argilla.user_id("an"))
        record.responses.add(mark)
        record.responses.add(rg.Response("accepted", ["2"], user_id=argilla.user_id("an"), status="submitted"))
    JsonIO.to_json([record], tmp_path / "nested.json")
    (tmp_path / "flat.json").write_text(json.dumps(GenericIO.to_list([record], flatten=True)))
    expected: list[tuple[Any, ...]] = (
        [
            ("kim", ["서울시"], PHRASES[1:], ["끝"]),
            ("lee", [], PHRASES, []),
            ("an", [PHRASES[1]], ["서울시", *PHRASES[2:]], ["냈다"]),
        ]
        if many
        else [("kim", [], ["sports"], ["R & D"]), ("lee", [], ["sports"], [])]
    )
    for name in ("nested.json", "flat.json"):
        found = list(formats.read(source(tmp_path / name, task, ("kim", "lee", "an"))))
        assert sorted(said(judgement)[:4] for judgement in found) == sorted(expected), name


def test_a_sheet_goes_out_and_comes_back_as_a_workbook(make_job: JobMaker, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    articles = [article(n) for n in range(6)]
    articles[0] |= {"title": "=1+1 is a formula", "body": articles[0]["body"] + " \u0007" + " and more of it" * 3000}
    path = make_job(articles)
    run(path)
    sheet = tmp_path / "sample.xlsx"
    assert command("review", path, "--export", sheet).returncode == 0
    book = openpyxl.load_workbook(sheet)
    header, *cells = book.active.iter_rows()
    places = {cell.value: number for number, cell in enumerate(header)}
    assert len(cells) == 6 and not any(cell.data_type == "f" for row in cells for cell in row)
    for number, row in enumerate(cells[:3]):
        row[places["verdict"]].value = ("accept", "reject", 1)[number]
    cells[3][places["corrected"]].value = "harbour; city"
    book.save(sheet)
    done = command("review", path, "--import", sheet)
    assert done.returncode == 0 and done.stdout.startswith("4 verdicts stored"), done.stdout + done.stderr
    assert command("review", path, "--export", tmp_path / "a.xls").returncode == 2
