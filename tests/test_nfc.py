"""Decomposed texts are read as NFC: nothing that was said, paid or published of them before is lost, asked anew or edited."""

from __future__ import annotations

import csv
import io
import json
from hashlib import sha256
from pathlib import Path
from typing import Any
from unicodedata import is_normalized, normalize

import pytest

from pipeline import runner
from pipeline.collect import to_article, units
from pipeline.job.workspace import Workspace
from pipeline.review.log import verdicts
from pipeline.versions import store
from tests.conftest import SHARED, JobMaker, command, rows, run, work_of, write_jsonl
from tests.openai_server import Server

SUBJECTS = (
    "등대 도서관이 섬마을 어린이에게 문을 열었다. 독서 모임은 매주 목요일에 열린다",
    "한국은행이 기준금리를 올리기로 결정했다. 가계부채가 빠르게 늘어난 까닭이라고 설명했다",
    "북쪽 항구의 밤배가 새해부터 다니지 않는다. 여객선 회사는 연료값을 이유로 들었다",
    "과학자들이 남극 얼음 아래에서 오래된 호수를 발견했다. 시추는 삼 년이 걸렸다고 한다",
    "대표팀이 연장 끝에 결승에 올랐다. 수문장은 승부차기에서 두 번을 막아 냈다",
    "시의회가 자전거 도로 예산을 통과시켰다. 상인들은 주차장이 줄어든다며 반대했다",
)


def nfd(text: str) -> str:
    return normalize("NFD", text)


SAID = {
    "k3": {"verdict": "accept"},
    "k4": {"corrected": f"{nfd('대표팀')}; 결승"},
    "k5": {"verdict": "reject"},
}
MORE = "겨울 축제가 얼음낚시로 시작됐다. 관광객은 첫날에만 만 명이 넘었다. "


def source_rows() -> list[dict[str, Any]]:
    """Decomposed as a whole, with a title alone that is, with no id, with nothing that is."""
    made = [{"id": f"k{n}", "title": nfd(f"기사 {n}"), "body": nfd(f"{text}. " * 2)} for n, text in enumerate(SUBJECTS)]
    made[1]["body"] = normalize("NFC", made[1]["body"])
    del made[2]["id"]
    return [
        *made,
        {"id": "plain", "title": None, "body": normalize("NFC", f"눈이 많이 내려 길이 막혔다. {SUBJECTS[0][:6]} 아님")},
    ]


def judge(job: Path, folder: Path, verdict_of: dict[str, dict[str, str]]) -> None:
    sheet = folder / "sheet.csv"
    assert command("review", job, "--export", sheet).returncode == 0
    lines = list(csv.DictReader(io.StringIO(sheet.read_text("utf-8-sig"), newline="")))
    out = io.StringIO()
    writer = csv.DictWriter(out, list(lines[0]))
    writer.writeheader()
    writer.writerows(line | verdict_of.get(line["id"], {}) for line in lines)
    sheet.write_text(out.getvalue(), "utf-8-sig")
    done = command("review", job, "--import", sheet, "--reviewer", "kim")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def job(make_job: JobMaker, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job of before: read as it was given, labelled, judged, with a takedown, versions 1.0.0 and 2.0.0."""
    write_jsonl(tmp_path / "articles.jsonl", source_rows())
    label = {"provider": "openai", "base_url": server.url}
    path = make_job(
        label=label,
        filters=[{"type": "duplicates"}],
        publish={"min_precision": 0},
        split={"eval": 0.4},
    )
    with monkeypatch.context() as patch:
        patch.setattr(units, "READING", 1)
        patch.setattr(to_article, "normalize", lambda form, text: text)
        run(path)
        judge(path, tmp_path, SAID)
        assert command("takedown", path, "--id", "k0").returncode == 0
        work = run(path)
    assert [version.name for version in store.all_versions(work.versions)] == ["1.0.0", "2.0.0"]
    assert not is_normalized("NFC", rows(work, "articles")[0]["text"])
    return path


def labels(work: Workspace) -> dict[str, tuple[list[str], str]]:
    in_nfc = ((row, [normalize("NFC", each) for each in row["keyphrases"]]) for row in rows(work, "labels"))
    return {row["id"]: (phrases, row["label_source"]) for row, phrases in in_nfc}


def splits(work: Workspace) -> dict[str, set[str]]:
    return {name: {row["id"] for row in rows(work, name)} for name in ("train", "eval")}


def test_a_job_of_before_that_is_read_again(job: Path, server: Server) -> None:
    work = work_of(job)
    before, parts, paid = labels(work), splits(work), sum(server.seen.values())
    done = command("collect", job, "--reread")
    assert done.returncode == 0, done.stderr
    articles = {row["id"]: row for row in rows(work, "articles")}
    assert articles.keys() == {"k1", "k3", "k4", "k5", "plain", *(name for name in before if name.startswith("text-"))}
    for row in articles.values():
        assert is_normalized("NFC", row["text"] + (row["title"] or ""))
        assert row["text_sha256"] == sha256(row["text"].encode()).hexdigest()
        assert ("normalised to NFC" in row["notes"]) == (row["id"] != "plain")
    work = run(job)
    assert sum(server.seen.values()) == paid
    assert labels(work) == before
    assert (before["k3"][1], before["k4"]) == ("verified", (["대표팀", "결승"], "edited"))
    assert [(row["id"], row["reason"]) for row in rows(work, "labels", rejected=True)] == [("k5", "rejected_in_review")]
    assert [(row["id"], row["reason"]) for row in rows(work, "articles", rejected=True)] == [("k0", "taken_down")]
    assert splits(work) == parts
    planned = runner.plan_version(work)
    assert planned.version is None and planned.diff.empty, planned.diff
    assert len(verdicts.load(work.verdicts_file)) == 3
    command("report", job)
    # what is new makes a version of its own, in which nothing else is counted as changed
    with (job.parent / "articles.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"id": "more", "body": nfd(MORE) * 2}) + "\n")
    work = run(job)
    assert sum(server.seen.values()) == paid + 1
    last = work.versions / "2.1.0"
    counts = store.difference(work.versions / "2.0.0", last).counts
    assert counts == {"added": 1, "removed": 0, "edited": 0, "relabelled": 0, "moved": 0}
    assert command("verify", job, "2.1.0").returncode == 0
    told = command("diff", job, "2.0.0", "2.1.0", "--json").stdout
    assert json.loads(told)["edited"] == 0, told


def test_the_job_goes_on_as_it_is_until_then(job: Path, server: Server) -> None:
    paid = sum(server.seen.values())
    work = run(job)
    assert sum(server.seen.values()) == paid and runner.plan_version(work).diff.empty
    assert not is_normalized("NFC", rows(work, "articles")[0]["text"])
    assert not work.given.path.exists()


def test_a_lost_ledger_entry_is_asked_in_nfc(job: Path, server: Server) -> None:
    """Only what has no answer in either form is asked, and then as it is now."""
    (job.parent / "jobs" / "test" / "ledger.sqlite").unlink()
    for part in ("requests", "labels"):
        for file in (job.parent / "jobs" / "test" / part).glob("*"):
            file.unlink()
    server.bodies.clear()
    assert command("collect", job, "--reread").returncode == 0
    run(job)
    assert len(server.bodies) == 6
    assert all(is_normalized("NFC", message["content"]) for body in server.bodies for message in body["messages"])


def test_a_takedown_after_it_holds_for_both_forms(job: Path, tmp_path: Path) -> None:
    assert command("collect", job, "--reread").returncode == 0
    run(job)
    assert command("takedown", job, "--id", "k3").returncode == 0
    copies = [{**row, "id": f"{form}-copy", "title": normalize(form, row["title"]), "body": normalize(form, row["body"])}
              for form in ("NFC", "NFD") for row in source_rows() if row.get("id") == "k3"]  # fmt: skip
    write_jsonl(tmp_path / "articles.jsonl", [*source_rows(), *copies])
    work = run(job)
    gone = {row["id"] for row in rows(work, "articles", rejected=True) if row["reason"] == "taken_down"}
    assert gone == {"k0", "k3", "NFC-copy", "NFD-copy"}
    texts = list(work.given.all())  # digests stay, by which what comes again is known
    emptied = [text for text in texts if not text.text]
    assert len(emptied) == 2 and {text.title for text in emptied} == {None}
    for word in ("등대", "남극"):  # of k0 and k3
        assert not any(nfd(word) in text.text for text in texts)


def test_a_file_of_a_decomposed_name_is_matched(make_job: JobMaker, tmp_path: Path) -> None:
    folder = tmp_path / nfd("기사 모음")
    write_jsonl(folder / nfd("목록.jsonl"), [{"id": "a", "text": "하나"}])
    (folder / nfd("속")).mkdir()
    write_jsonl(folder / nfd("속") / nfd("가을.jsonl"), [{"id": "b", "text": "둘"}])
    for pattern, ids in {
        "기사 모음/목록.jsonl": ["a"],
        "기사 모음/*.jsonl": ["a"],
        "기사 모음": ["a", "b"],
        "기사*/**/가?.jsonl": ["b"],
        "**/목*.jsonl": ["a"],
        nfd("기사 모음/목록.jsonl"): ["a"],
    }.items():
        work = run(make_job(sources=[{"type": "files", "path": pattern}]), last="collect")
        assert sorted(row["id"] for row in rows(work, "articles")) == ids, pattern


def test_the_shared_files(make_job: JobMaker) -> None:
    if not SHARED.exists():
        pytest.skip(f"the shared data are not at {SHARED}")
    source = {"type": "files", "path": str(SHARED / "odd-files" / "fs-nfd-text" / "a.jsonl")}
    found = rows(run(make_job(sources=[source]), last="collect"), "articles")
    assert [row["notes"] for row in found] == [[], ["normalised to NFC"]]
    assert found[0]["text"].partition(" ")[2] == found[1]["text"].partition(" ")[2]
