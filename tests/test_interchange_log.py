"""The log travels whole through Argilla and Label Studio and back: who, when, why, notes, flags and seconds of every verdict."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import InputError
from pipeline.job.workspace import Workspace
from pipeline.review.exchange import argilla
from pipeline.review.log import judgements
from pipeline.review.log.judgements import Judgement, JudgementLog
from tests.conftest import article, command, copied, rows, run, work_of, write_job

TOOLS = ("argilla", "label-studio")
Record = dict[str, Any]


@pytest.fixture(scope="module")
def job_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    review = {"blind": 0.3, "overlap": 0.5}
    path = write_job(tmp_path_factory.mktemp("log"), [article(n) for n in range(6)], review=review)
    run(path, last="review")
    return path


@pytest.fixture
def job(job_once: Path, tmp_path: Path) -> Path:
    return copied(job_once, tmp_path)


def judge(work: Workspace) -> list[Judgement]:
    """Fill the log with all that a review knows; return its records."""
    labels = sorted(rows(work, "labels"), key=lambda row: str(row["id"]))

    def said(number: int, reviewer: str, second: int, **more: Any) -> Judgement:
        row, at = labels[number], f"2026-01-02T03:04:{second:02}.000+00:00"
        return Judgement(
            row["text_sha256"], row["id"], reviewer, at, uid=f"{number}{reviewer}{second}".ljust(32, "0"), **more
        )

    one, two = (row["keyphrases"] for row in labels[:2])
    undone = said(1, "kim", 3, accepted=two, seconds=4.0)
    edits, reasons = {one[1]: "Another harbour"}, {one[0]: "generic", one[1]: "edited"}
    log = [
        said(0, "kim", 1, accepted=one[2:], rejected=one[:2], added=["Another harbour"], reasons=reasons, edits=edits,
             note="two\nlines", flagged=True, seconds=12.3, planted={"moon": True}),
        said(0, "이서연", 2, accepted=one, seconds=7.0),
        undone,
        said(1, "kim", 4, undoes=undone.uid),
        said(1, "kim", 5, accepted=two[1:], rejected=two[:1], reasons={two[0]: "wrong"}),
        said(2, "lee@x.org", 6, skipped=True, note="unreadable", flagged=True, seconds=1.5),
        said(3, "kim", 7, lane="triage", accepted=labels[3]["keyphrases"]),
        said(4, "an", 8, lane="blind", accepted=labels[4]["keyphrases"], typed=["harbour"], seconds=30.0),
        said(0, "choi", 9, lane="adjudication", accepted=one),
    ]  # fmt: skip
    with JudgementLog(work.verdicts_file) as opened:
        opened.add(log)
    return judgements.records(work.verdicts_file)


def forget(work: Workspace) -> None:
    for file in work.verdicts_file.parent.glob("verdicts.sqlite*"):
        file.unlink()


def out(job: Path, file: Path, name: str) -> list[Record]:
    assert command("review", job, "--export", file, "--format", name).returncode == 0
    records: list[Record] = json.loads(file.read_text("utf-8"))
    return records


def back(job: Path, file: Path) -> str:
    result = command("review", job, "--import", file, "--reviewer", "importer")
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("name", TOOLS)
def test_a_log_goes_out_and_is_the_same_in_a_job_that_had_none(job: Path, tmp_path: Path, name: str) -> None:
    work, file = work_of(job), tmp_path / "all.json"
    log = judge(work)
    out(job, file, name)
    assert "0 verdicts stored" in back(job, file)  # where it came from, nothing of it is new
    assert judgements.records(work.verdicts_file) == log
    forget(work)
    assert f"{len(log)} verdicts stored" in back(job, file)
    assert judgements.records(work.verdicts_file) == log
    again = tmp_path / "again.json"
    out(job, again, name)
    assert json.loads(again.read_text()) == json.loads(file.read_text())


@pytest.mark.parametrize("name", TOOLS)
def test_what_the_log_has_learnt_since_is_not_taken_back_by_a_file_of_before(
    job: Path, tmp_path: Path, name: str
) -> None:
    work, file = work_of(job), tmp_path / "all.json"
    log = judge(work)
    out(job, file, name)
    first = log[0]
    undo = Judgement(first.text_sha256, first.id, "kim", "2026-02-01", uid="f" * 32, undoes=first.uid)
    anew = Judgement(
        first.text_sha256, first.id, "kim", "2026-02-02", uid="e" * 32, accepted=[*first.accepted, *first.rejected]
    )
    with JudgementLog(work.verdicts_file) as opened:
        opened.add([undo, anew])
    assert "0 verdicts stored" in back(job, file)
    assert judgements.records(work.verdicts_file) == [*log, undo, anew]


def change_argilla(record: Record, values: dict[str, Any]) -> None:
    """What Argilla does when kim changes his answers."""
    for question, value in values.items():
        given = [one for one in record["responses"].get(question, []) if one["user_id"] != argilla.user_id("kim")]
        here = [{"value": value, "user_id": argilla.user_id("kim"), "status": "submitted"}] if value else []
        record["responses"][question] = [*given, *here]


def change_label_studio(record: Record, values: dict[str, Any]) -> None:
    """What Label Studio does when somebody changes kim's annotation: it has an id of its own then, and his as `import_id`."""
    annotation = record["annotations"][0]
    annotation["import_id"], annotation["id"], annotation["completed_by"] = annotation["id"], 7, 1
    annotation["result"] = [part for part in annotation["result"] if part["from_name"] not in values]
    for control, value in values.items():
        kind = "choices" if control in ("accepted", "flag") else "text"
        texts = value if isinstance(value, list) else [value]
        if value:
            annotation["result"].append({"from_name": control, "to_name": "text", "type": "x", "value": {kind: texts}})


CHANGE: dict[str, Callable[[Record, dict[str, Any]], None]] = {
    "argilla": change_argilla,
    "label-studio": change_label_studio,
}


@pytest.mark.parametrize("name", TOOLS)
def test_what_is_changed_there_is_a_new_judgement_with_all_that_it_says(job: Path, tmp_path: Path, name: str) -> None:
    work, file = work_of(job), tmp_path / "all.json"
    log = judge(work)
    records = out(job, file, name)
    record = next(
        each for each in records if "a0" in (each.get("data", {}).get("id"), each.get("metadata", {}).get("article_id"))
    )
    why = "1: Fragment\n2 duplicate\n9 generic\nhard to say"
    CHANGE[name](record, {"accepted": ["3"], "missing": "", "reasons": why if name == "argilla" else why.split("\n"),
                          "flag": "", "note": "second thoughts"})  # fmt: skip
    file.write_text(json.dumps(records))
    assert "1 verdicts stored" in back(job, file)
    new = judgements.records(work.verdicts_file)[len(log) :]
    label = next(row["keyphrases"] for row in rows(work, "labels") if row["id"] == "a0")
    [judgement] = new
    assert (judgement.reviewer, judgement.accepted, judgement.flagged) == ("kim", label[2:3], False)
    assert judgement.reasons == {label[0]: "fragment", label[1]: "duplicate"}
    assert judgement.note == "second thoughts\n9 generic\nhard to say"  # what is no reason of a phrase is not lost
    assert "0 verdicts stored" in back(job, file)  # the same file once more


@pytest.mark.parametrize("name", TOOLS)
def test_entries_of_another_article_or_in_no_form_are_named(job: Path, tmp_path: Path, name: str) -> None:
    work, file = work_of(job), tmp_path / "all.json"
    judge(work)
    records = out(job, file, name)
    held = [record.get("data") or record["metadata"] for record in records]
    first, other = [each for each in held if each.get("judgements")][:2]
    for wrong, why in ((other["judgements"], "of another article"), ([{"lane": "x"}], "not those that were exported"),
                       ("[3]", "not those that were exported")):  # fmt: skip
        first["judgements"] = wrong
        file.write_text(json.dumps(records))
        result = command("review", job, "--import", file)
        assert result.returncode == 1 and why in result.stderr


def test_predictions_that_came_back_as_numbers_are_no_verdicts(
    job: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    work, file = work_of(job), tmp_path / "all.json"
    records = out(job, file, "label-studio")
    for number, record in enumerate(records):
        record["id"], record["predictions"] = number, [286 + number]
    file.write_text(json.dumps(records))
    with caplog.at_level(logging.WARNING, logger="labelmill"):
        assert "0 verdicts stored" in back(job, file)
    assert f"predictions of {len(records)} record(s) came back as numbers" in caplog.text
    assert judgements.records(work.verdicts_file) == []
    records[0]["annotations"] = [12]
    file.write_text(json.dumps(records))
    result = command("review", job, "--import", file)
    assert result.returncode == 1 and "annotations are numbers" in result.stderr
    assert InputError.__name__ not in result.stderr
