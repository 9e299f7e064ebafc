"""Review sheets: out, through a spreadsheet's habits, back in as verdicts that outlive a run."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import InputError
from pipeline.core.types import LabelColumn
from pipeline.review.exchange import sheet
from pipeline.review.log import verdicts
from pipeline.review.log.judgements import Judgement, JudgementLog, read
from tests.conftest import JobMaker, article, command, rows, run
from tests.openai_server import Server, completion

PHRASES = {"a0": "city; harbour0x1; spring", "a1": "city; =harbour1x1; spring", "a2": "city; spring", "a3": "public"}


@pytest.fixture
def job(make_job: JobMaker, server: Server) -> Path:
    def script(body: Any, times: int) -> Any:
        text = body["messages"][-1]["content"]
        phrases = next(value for key, value in PHRASES.items() if f"harbour{key[1:]}x" in text)
        return 200, completion(body, phrases), {}

    server.script = script
    path = make_job([article(n) for n in range(4)], label={"provider": "openai", "base_url": server.url})
    run(path)
    return path


def read_sheet(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))


def save(path: Path, lines: list[dict[str, str]], encoding: str = "utf-8-sig", delimiter: str = ",") -> None:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(lines[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(lines)
    path.write_bytes(out.getvalue().encode(encoding))


def label_of(work: Any, row_id: str) -> tuple[list[str], str]:
    row = next(row for row in rows(work, "labels") if row["id"] == row_id)
    return row["keyphrases"], row["label_source"]


@pytest.mark.parametrize(
    ("encoding", "delimiter"), [("utf-8-sig", ","), ("utf-8", ";"), ("utf-16", "\t"), ("cp949", ",")]
)
def test_verdicts_come_back_and_outlive_a_run(job: Path, tmp_path: Path, encoding: str, delimiter: str) -> None:
    out = tmp_path / "sample.csv"
    assert command("review", job, "--export", out).returncode == 0
    lines = read_sheet(out)
    lines.sort(key=lambda line: line["id"])
    assert [line["id"] for line in lines] == ["a0", "a1", "a2", "a3"]
    assert out.read_bytes().startswith(b"\xef\xbb\xbf")
    lines[0]["verdict"] = "accept"
    lines[1]["corrected"] = "City; 항구 개방"
    lines[2]["verdict"] = "REJECT"
    save(out, lines, encoding, delimiter)
    result = command("review", job, "--import", out, "--reviewer", "kim")
    assert (result.returncode, result.stdout.split()[0]) == (0, "3")
    work = run(job)
    assert label_of(work, "a0") == (["city", "harbour0x1", "spring"], "verified")
    assert label_of(work, "a1") == (["city", "항구 개방"], "edited")
    assert label_of(work, "a3")[1] == "llm"
    assert [(row["id"], row["reason"]) for row in rows(work, "labels", rejected=True)] == [("a2", "rejected_in_review")]
    # a re-label inherits the verdicts of phrases that return
    work = run(job, "label.parameters.seed=2")
    assert label_of(work, "a0")[1] == "verified"
    assert label_of(work, "a1") == (["city", "항구 개방"], "edited")


def test_cells_are_no_formulas(job: Path, tmp_path: Path) -> None:
    line = {"text_sha256": "0" * 64, "id": "1", "text": "=HYPERLINK(1)", "keyphrases": ["@sum", "b"]}
    sheet.write(tmp_path / "a.csv", "keyphrases", [line])
    [row] = read_sheet(tmp_path / "a.csv")
    assert (row["text"], row["keyphrases"]) == ("'=HYPERLINK(1)", "'@sum; b")
    row["verdict"] = "accept"
    save(tmp_path / "a.csv", [row])
    [judgement] = sheet.read(tmp_path / "a.csv", LabelColumn("keyphrases", many=True), "kim", "now")
    assert judgement.accepted == ["@sum", "b"]


def test_jsonl_works_the_same(job: Path, tmp_path: Path) -> None:
    out = tmp_path / "sample.jsonl"
    assert command("review", job, "--export", out, "--sample", "2").returncode == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(lines) == 2
    lines[0]["verdict"] = "accept"
    out.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert command("review", job, "--import", out).returncode == 0
    assert label_of(run(job), lines[0]["id"])[1] == "verified"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"verdict": "perhaps"}, "row 2: verdict 'perhaps'"),
        ({"verdict": "accept", "row_key": "1E+10"}, "row 2: row_key"),
        ({"verdict": "accept", "row_key": f"text-{'0' * 64}"}, "is no article of this job"),
    ],
)
def test_what_cannot_be_read_names_the_row_and_stores_nothing(
    job: Path, tmp_path: Path, change: dict[str, str], said: str
) -> None:
    out = tmp_path / "sample.csv"
    command("review", job, "--export", out)
    lines = read_sheet(out)
    lines[0].update(change)
    lines[1]["verdict"] = "accept"
    save(out, lines)
    result = command("review", job, "--import", out)
    assert result.returncode == 1
    assert said in result.stderr
    assert not (job.parent / "jobs" / "test" / "review").exists()


def said(uid: str, **more: Any) -> Judgement:
    return Judgement("d", "1", "kim", "now", uid=uid, **more)


def test_a_judgement_that_is_sent_twice_is_stored_once_and_can_be_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "review" / "verdicts.sqlite"
    assert read(path) == []
    assert not path.parent.exists()
    with JudgementLog(path) as log, JudgementLog(path) as other:
        assert log.add([said("1", accepted=["A"]), said("2", rejected=["A"], reasons={"A": "generic"})]) == 2
        assert other.add([said("2", rejected=["B"]), said("3", accepted=["C"])]) == 1
    assert [judgement.uid for judgement in read(path)] == ["1", "2", "3"]
    assert verdicts.load(path)["d"].apply(["a", "c"]) == (["c"], "edited")
    with JudgementLog(path) as log:
        log.add([said("4", undoes="2"), replace(said("5", undoes="3"), reviewer="lee")])
        assert log.last() == 5
    assert [judgement.uid for judgement in read(path)] == ["1", "3"]
    assert verdicts.load(path)["d"].apply(["a", "c"]) == (["a", "c"], "verified")


def test_a_log_of_json_lines_is_an_error_that_names_it(job: Path, tmp_path: Path) -> None:
    """Passed over, it would let the phrases that its reviewers rejected come back without a word."""
    work = run(job)
    before = {row["id"]: row["keyphrases"] for row in rows(work, "labels")}
    old = work.verdicts_file.with_suffix(".jsonl")
    old.parent.mkdir(exist_ok=True)
    old.write_text(
        json.dumps({"text_sha256": "d", "id": "1", "reviewer": "kim", "at": "now", "rejected": ["A"]}) + "\n"
    )
    for arguments in (("run", job), ("review", job, "--import", tmp_path / "none.csv"), ("report", job)):
        result = command(*arguments)
        assert result.returncode == 1 and "verdicts.jsonl: a log of verdicts" in result.stderr, arguments
    with pytest.raises(InputError, match=r"verdicts.jsonl"):
        JudgementLog(work.verdicts_file)
    assert old.exists() and {row["id"]: row["keyphrases"] for row in rows(work, "labels")} == before


def test_a_damaged_log_is_named(tmp_path: Path) -> None:
    (tmp_path / "verdicts.sqlite").write_bytes(b"no database, but long enough to be taken for one" * 100)
    with pytest.raises(InputError, match=r"verdicts.sqlite: the log of verdicts cannot be used"):
        read(tmp_path / "verdicts.sqlite")


def test_the_latest_verdict_wins() -> None:
    steps = [said("1", accepted=["A"]), said("2", rejected=["Ａ"]), said("3", accepted=["a "])]
    found = verdicts.in_force(steps)["d"]
    assert found.apply(["A", "B"]) == (["A", "B"], "llm")
    assert found.apply(["A"]) == (["A"], "verified")
    assert (found.of("a"), found.of("B")) == (True, None)


def test_an_edit_may_change_the_letter_case_alone() -> None:
    found = verdicts.in_force([said("1", rejected=["yonhap"], added=["Yonhap"], accepted=["B"])])["d"]
    assert found.apply(["yonhap", "B"]) == (["Yonhap", "B"], "edited")
    assert found.apply(["Yonhap", "B"]) == (["Yonhap", "B"], "verified")


def test_what_nobody_has_judged_makes_room() -> None:
    found = verdicts.in_force([said("1", accepted=["C"], added=["D"])])["d"]
    assert found.apply(["A", "B", "C"], most=3) == (["A", "C", "D"], "edited")
    assert found.apply(["A", "C"], most=1) == (["C", "D"], "edited")


def test_what_is_missing_beside_other_predictions_is_not_missing_in_the_label() -> None:
    found = verdicts.in_force([said("1", rejected=["A"], added=["B"], model="student")])["d"]
    assert found.apply(["A", "C"]) == (["C"], "edited")


def test_a_sheet_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    line = {"text_sha256": "0" * 64, "id": "1", "title": "one\u2028line", "keyphrases": ["a"]}
    sheet.write(tmp_path / "a.jsonl", "keyphrases", [line])
    [row] = [json.loads(text) for text in (tmp_path / "a.jsonl").read_text("utf-8").split("\n") if text]
    (tmp_path / "back.txt").write_text(json.dumps({**row, "verdict": "accept"}, ensure_ascii=False), "utf-8")
    [judgement] = sheet.read(tmp_path / "back.txt", LabelColumn("keyphrases", many=True), "kim", "now")
    assert judgement.accepted == ["a"]


def test_what_was_said_of_the_riskiest_is_said_anew_in_a_sheet(job: Path, tmp_path: Path) -> None:
    out, work = tmp_path / "sample.jsonl", run(job, last="review")
    digests = {row["id"]: row["text_sha256"] for row in rows(work, "labels")}
    with JudgementLog(work.verdicts_file) as log:
        log.add([Judgement(digests["a0"], "a0", "kim", "now", ["city", "harbour0x1", "spring"], lane="triage")])
    command("review", job, "--export", out)
    lines = [json.loads(line) | {"verdict": "accept"} for line in out.read_text("utf-8").splitlines()]
    out.write_text("".join(json.dumps(line) + "\n" for line in lines if line["id"] == "a0"))
    assert command("review", job, "--import", out, "--reviewer", "kim").stdout.startswith("1 verdicts stored")
    assert [judgement.lane for judgement in read(work.verdicts_file)] == ["triage", "audit"]
