"""Split and publish: eval rows never move, versions never change, the numbers say what happened."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.errors import InputError
from pipeline.core.shards import read_order
from pipeline.metrics.intervals import Share
from pipeline.publish import gates
from pipeline.versions import diff, leaks, numbering
from tests.conftest import JobMaker, article, command, rows, run, stage, work_of, write_jsonl


def ids(work: Any, split: str) -> set[str]:
    return {row["id"] for row in rows(work, split)}


def version(work: Any) -> str:
    return str(stage(work, "publish")["state"].removeprefix("version ").partition(",")[0])


def test_growing_never_moves_an_eval_row(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(n) for n in range(60)], split={"eval": 0.3, "salt": "s"})
    work = run(path)
    train, evals = ids(work, "train"), ids(work, "eval")
    assert len(train) + len(evals) == 60 and train and evals
    everything = [article(n) for n in range(90)]
    random.Random(1).shuffle(everything)
    write_jsonl(tmp_path / "articles.jsonl", everything)
    work = run(path)
    assert evals <= ids(work, "eval") and train <= ids(work, "train")
    work = run(path, "split.salt=other", "split.eval=0.9")
    assert evals <= ids(work, "eval") and train <= ids(work, "train")


def test_an_eval_row_that_was_edited_or_came_back_stays_eval(make_job: JobMaker, tmp_path: Path) -> None:
    articles = [article(n) for n in range(30)]
    path = make_job(articles, split={"eval": 0.3, "salt": "s"})
    evals = ids(run(path), "eval")
    edited = [{**row, "body": row["body"] + " More followed."} for row in articles if row["id"] in evals]
    write_jsonl(tmp_path / "articles.jsonl", [row for row in articles if row["id"] not in evals])
    assert not ids(run(path), "eval")
    write_jsonl(tmp_path / "articles.jsonl", edited)
    assert ids(run(path), "eval") == evals
    renamed = [{**row, "id": f"new-{row['id']}"} for row in edited]
    write_jsonl(tmp_path / "articles.jsonl", renamed)
    assert ids(run(path), "eval") == {f"new-{row_id}" for row_id in evals}  # known by their text


def test_copies_of_a_text_go_the_same_way(make_job: JobMaker) -> None:
    articles = [{**article(n), "id": f"{n}-{copy}"} for n in range(20) for copy in range(3)]
    work = run(make_job(articles, split={"eval": 0.5}))
    assert {row_id.split("-")[0] for row_id in ids(work, "eval")}.isdisjoint(
        row_id.split("-")[0] for row_id in ids(work, "train")
    )


def test_eval_as_a_number_of_rows_is_drawn_once(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(n) for n in range(30)], split={"eval": 10})
    evals = ids(run(path), "eval")
    assert len(evals) == 10
    write_jsonl(tmp_path / "articles.jsonl", [article(n) for n in range(50)])
    assert ids(run(path), "eval") == evals
    write_jsonl(tmp_path / "articles.jsonl", [article(n) for n in range(70)])
    more = ids(run(path, "split.eval=15"), "eval")
    assert len(more) == 15 and evals < more
    assert more - evals <= {f"a{n}" for n in range(50, 70)}  # a row that was train stays train
    with pytest.raises(InputError, match=r"split.eval wants 3000 rows: 15 are drawn already"):
        run(path, "split.eval=3000")


def test_versions_are_numbered_by_what_changed(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(n) for n in range(20)])
    work = run(path)
    assert version(work) == "1.0.0"
    first = {file: file.read_bytes() for file in (work.versions / "1.0.0").rglob("*") if file.is_file()}
    assert version(run(path)) == "1.0.0"  # unchanged rows make no new version
    write_jsonl(tmp_path / "articles.jsonl", [article(n) for n in range(25)])
    assert version(run(path)) == "1.1.0"
    assert version(run(path, "clean.max_phrases=2")) == "2.0.0"
    write_jsonl(tmp_path / "articles.jsonl", [article(n) for n in range(1, 25)])
    work = run(path, "clean.max_phrases=2")
    assert version(work) == "3.0.0"
    assert json.loads((work.versions / "3.0.0" / "manifest.json").read_text())["diff"]["removed"] == 1
    assert {file: file.read_bytes() for file in first} == first


def test_a_version_says_where_it_comes_from(make_job: JobMaker, tmp_path: Path) -> None:
    work = run(make_job([article(n) for n in range(20)], publish={"licence": "cc0-1.0"}))
    folder = work.versions / "1.0.0"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert sum(manifest["rows"].values()) == 20
    [labelling] = manifest["runs"]
    assert (labelling["provider"], labelling["parameters"]) == ("extractive", {"version": 2, "phrases": 7})
    assert labelling["rows"] == labelling["requests"] == 20 and labelling["first_at"]
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    table = pq.read_table(folder / "data")
    assert set(table.column("run_id").to_pylist()) == {labelling["run_id"]}
    assert str(tmp_path) not in (folder / "manifest.json").read_text()


def test_the_same_rows_are_the_same_bytes(make_job: JobMaker) -> None:
    """So that a version can be made again; with the page index that lets a reader skip."""
    files = []
    for name in ("one", "two"):
        work = run(make_job([article(n) for n in range(40)], name=name))
        files.append({path.name: path.read_bytes() for path in (work.versions / "1.0.0" / "data").iterdir()})
        metadata = pq.read_metadata(next((work.versions / "1.0.0" / "data").glob("train-*")))
        assert metadata.row_group(0).column(0).has_offset_index
    assert files[0] == files[1]


def test_datasets_opens_a_version(make_job: JobMaker, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    datasets = pytest.importorskip("datasets")
    for share in (0.5, 0.0):
        work = run(make_job([article(n) for n in range(20)], name=f"share-{share}", split={"eval": share}))
        data = datasets.load_dataset(str(work.versions / "1.0.0"), cache_dir=str(tmp_path / "cache" / str(share)))
        assert sorted(data) == (["eval", "train"] if share else ["train"])
        for split in data:
            assert {row["id"] for row in data[split]} == ids(work, split)
        assert data["train"][0]["keyphrases"]


KEY = "sk-proj-" + "a1B2c3D4" * 4


def leaking(count: int = 12) -> list[dict[str, Any]]:
    rows = [article(n) for n in range(count)]
    rows[3]["body"] += f" The key was {KEY} in the log."
    rows[5]["body"] += " Write to jane.doe@example.org or call 010-1234-5678."
    return rows


def test_a_gate_stops_with_its_own_exit_code(make_job: JobMaker) -> None:
    path = make_job(leaking())
    result = command("run", path)
    assert result.returncode == 4
    assert "not published: no_credentials: 1 rows (a3); mend the rows, or waive it: publish.waive" in result.stderr
    assert KEY not in result.stderr and "Traceback" not in result.stderr
    assert not list((path.parent / "jobs" / "test" / "versions").glob("*"))


def test_a_waived_gate_is_in_the_manifest_and_a_warning_on_the_card(make_job: JobMaker) -> None:
    path = make_job(leaking(), publish={"waive": {"no_credentials": "revoked, of a court record"}})
    work = run(path)
    folder = work.versions / "1.0.0"
    found = json.loads((folder / "manifest.json").read_text())["gates"]
    assert found["no_credentials"] == {
        "state": "waived",
        "figure": "1 rows",
        "rows": 1,
        "reason": "revoked, of a court record",
    }
    assert found["no_personal_data"] == {"state": "warns", "figure": "1 rows", "rows": 1}
    assert found["unique_ids"] == {"state": "holds", "figure": "0 rows", "rows": 0}
    card = (folder / "README.md").read_text()
    assert "| `no_personal_data` | warns | 1 rows |" in card and "1 rows; waived: revoked" in card


@pytest.mark.parametrize(
    ("publish", "code", "said"),
    [
        ({"gates": {"no_personal_data": "stop"}, "waive": {"no_credentials": "x"}}, 4, "no_personal_data: 1 rows (a5)"),
        ({"gates": {"nonsense": "stop"}}, 2, "publish.gates.nonsense: no such gate; allowed: schema"),
        ({"gates": {"no_credentials": "warn"}}, 2, "publish.gates.no_credentials: always stops"),
        ({"waive": {"no_credentials": " "}}, 2, "publish.waive.no_credentials: needs a reason"),
        ({"gates": {"licence": "perhaps"}}, 2, "publish.gates.licence: found 'perhaps'; allowed: stop, warn"),
    ],
)
def test_gates_by_the_job_file(make_job: JobMaker, publish: dict[str, Any], code: int, said: str) -> None:
    result = command("run", make_job(leaking(), publish=publish))
    assert result.returncode == code and said in result.stderr


def test_gates_name_rows() -> None:
    rows = {
        "id": ["a", "a", "b", "c", "d", "e"],
        "text": ["1", "2", "3", "3", "5", "6"],
        "group": ["g", "h", "i", "j", "g", "k"],
        "split": ["train", "train", "train", "eval", "eval", "train"],
        "licence": ["x", None, "x", "x", "x", "x"],
        "phrases": [1, 0, 9, 2, 3, 1],
        "repeated": [0, 0, 0, 1, 0, 0],
        "credentials": [0, 0, 0, 0, 2, 0],
        "personal": [0, 0, 0, 0, 0, 1],
        "absent": [0, 0, 4, 0, 0, 0],
        "missing": [0, 0, 0, 1, 0, 0],
        "unresolved": [0, 0, 2, 0, 0, 0],
        "near": [0, 0, 0, 0, 0, 1],
    }
    facts = gates.GateInputs(pa.table(rows), pa.array(["e", "d"]), Share(0.9, 0.7, 0.95, 40, 9), 7, 0.2, 0.8)
    examined = gates.run_gates(facts, {}, {})
    found = {finding.gate: finding.rows for finding in examined if finding.rows}
    assert found == {
        "unique_ids": ["a"], "no_empty_label": ["a"], "max_phrases": ["b"], "no_repeated_phrase": ["c"],
        "no_overlap_by_group": ["a"], "no_overlap_by_text": ["b"], "eval_unchanged": ["e"], "no_credentials": ["d"],
        "licence": ["a"], "no_personal_data": ["e"], "schema": ["c"], "offsets_resolve": ["b"], "no_near_overlap": ["e"],
    }  # fmt: skip
    figures = {finding.gate: (finding.state, finding.figure) for finding in examined if not finding.rows}
    assert figures == {
        "absent_rate": ("warns", "25.0% of phrases are not in the text (limit 20%)"),
        "reviewed_precision": (
            "warns", "90.0% of 40 reviewed phrases accepted, at least 70.0% with 95% confidence (limit 80%)"
        ),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "keys", "people"),
    [
        (KEY, 1, 0), ("AKIA2JQ7XVLW4RPN6TYB", 1, 0), ("ghp_" + "a" * 36, 1, 0), ("-----BEGIN RSA PRIVATE KEY-----", 1, 0),
        ("hf_" + "a" * 34, 1, 0), ("sk-8 road, task-force, desk-based", 0, 0), ("a@b.co", 0, 1), ("900101-1234567", 0, 1),
        ("+44 20 7946 0958", 0, 1), ("010 1234 5678", 0, 1), ("2,010 of 12345678 rows in 2026-11-21", 0, 0),
    ],
)  # fmt: skip
def test_what_leaks(text: str, keys: int, people: int) -> None:
    assert (leaks.credentials(f"so {text} it"), leaks.personal(f"so {text} it")) == (keys, people)


def test_a_dry_run_tells_all_and_writes_nothing(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(n) for n in range(12)])
    command("run", path, "--to", "split")
    shown = command("publish", path, "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert "last: no version yet; this would be: 1.0.0" in shown.stdout and "# test 1.0.0" in shown.stdout
    assert not list((tmp_path / "jobs" / "test").glob("versions/*"))
    assert version(run(path)) == "1.0.0"
    assert "this would be: 1.0.0 still" in command("publish", path, "--dry-run").stdout
    rows = [article(n) for n in range(1, 14)]
    rows[4]["body"] += " An edit."
    write_jsonl(tmp_path / "articles.jsonl", rows)
    run(path, last="split")
    shown = command("publish", path, "--dry-run").stdout
    assert "this would be: 2.0.0" in shown
    lines = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line.startswith("  ")}
    assert sorted(word.strip(",") for word in lines["added"]) == ["2", "a12", "a13"]
    assert lines["removed"] == ["1", "a0"] and "a5" in lines["edited"]
    assert version(work_of(path)) == "1.0.0"


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ("1.0.1", 2, "promises too much (2 added rows since 1.0.0); the least is 1.1.0"),
        ("1.0.0", 2, "the last one is 1.0.0; the next is 1.1.0 at least"),
        ("two", 2, "a version is MAJOR.MINOR.PATCH"),
        ("1.1.0", 0, ""),
        ("7.0.0", 0, ""),
    ],
)
def test_a_version_given_by_hand(make_job: JobMaker, tmp_path: Path, given: str, code: int, said: str) -> None:
    path = make_job([article(n) for n in range(12)], label={"provider": "extractive"})
    run(path)
    write_jsonl(tmp_path / "articles.jsonl", [article(n) for n in range(14)])
    run(path, last="split")
    result = command("publish", path, "--version", given)
    assert result.returncode == code and said in result.stderr
    assert version(work_of(path)) == (given if code == 0 else "1.0.0")


def test_versions_diff_and_verify(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(n) for n in range(12)])
    assert command("versions", path).stdout.startswith("no version yet")
    run(path)
    write_jsonl(tmp_path / "articles.jsonl", [article(n) for n in range(14)])
    run(path)
    listed = command("versions", path).stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["1.0.0", "1.1.0"] and "(added 2)" in listed[1]
    there, back = (
        json.loads(command("diff", path, *pair, "--json").stdout) for pair in (("1.0.0", "1.1.0"), ("1.1.0", "1.0.0"))
    )
    assert (there["added"], there["removed"], back["added"], back["removed"]) == (2, 0, 0, 2)
    assert sorted(there["samples"]["added"]) == ["a12", "a13"]
    folder = work_of(path).versions / "1.0.0"
    assert command("verify", path, "1.0.0").returncode == 0
    card = folder / "README.md"
    card.chmod(0o644)
    card.write_text("mine")
    (folder / "extra.txt").write_text("x")
    result = command("verify", path, "1.0.0")
    assert result.returncode == 1
    assert result.stdout.splitlines() == [f"{folder}: extra.txt: not in the manifest", f"{folder}: README.md: changed"]
    assert "no version '9.9.9'; there are: 1.0.0, 1.1.0" in command("verify", path, "9.9.9").stderr


def test_the_same_rows_under_a_patch(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(12)])
    run(path)
    assert command("publish", path, "--version", "1.0.1", "--set", "publish.licence=mit").returncode == 0
    assert version(work_of(path)) == "1.0.1"


def test_a_job_without_labels_publishes_nothing(make_job: JobMaker) -> None:
    path = make_job([article(1)], filters=[{"type": "language", "keep": ["ko"]}])
    result = command("run", path)
    assert result.returncode == 1
    assert "no labelled article to publish" in result.stderr


@pytest.mark.parametrize("given", ["1.0.٣", "１.0.0", "1.0.²", "1.0.0\n"])
def test_a_version_is_written_in_ascii(given: str) -> None:
    assert not numbering.is_version(given)
    assert numbering.numbers("1.0.²") == (1, 0, -1)  # a folder that somebody named so is no reason to stop


def test_next_version() -> None:
    assert numbering.next_version(None, diff.Diff(added=1)) == "1.0.0"
    assert numbering.next_version("1.9.0", diff.Diff(added=1)) == "1.10.0"
    assert numbering.next_version("1.9.0", diff.Diff()) == "1.9.1"
    for kind in ("removed", "edited", "relabelled", "moved"):
        assert numbering.next_version("1.9.0", diff.Diff(**{kind: 1})) == "2.0.0"


def test_what_differs_is_told_by_kind() -> None:
    """A row that changed sides, too, although the split lets none: a lost ledger might."""
    coded = pa.dictionary(pa.int32(), pa.string())
    sides = [pa.array(names).cast(coded) for names in (["train", "train", "eval", "eval"], ["eval", "train", "eval"])]
    old = pa.table({"id": list("abcx"), "split": sides[0], "article": [1] * 4, "label": [1] * 4})
    new = pa.table({"id": list("abc"), "split": sides[1], "article": [1, 2, 1], "label": [1, 1, 3]})
    found = diff.compare(old, new)
    assert found.diff.samples == {"removed": ["x"], "edited": ["b"], "relabelled": ["c"], "moved": ["a"]}
    assert found.changed.all() and found.stayed.tolist() == [False, True, True]


def test_another_share_or_salt_moves_nothing_and_says_so_once(make_job: JobMaker, tmp_path: Path) -> None:
    path = make_job([article(n) for n in range(20)])
    assert command("run", path).stderr == ""
    splits = split_of(path)
    for override, words in (
        ("split.eval=0.5", "split.eval is 0.5, was 0.2"),
        ("split.salt=v2", "split.eval is 0.2, was 0.5, split.salt is v2"),
    ):
        told = command("run", path, "--to", "split", "--set", override).stderr
        assert words in told and "the 20 articles that are assigned stay train and eval as they are" in told
        assert command("run", path, "--to", "split", "--set", override).stderr == ""
        assert split_of(path) == splits
    write_jsonl(tmp_path / "articles.jsonl", [article(n) for n in range(60)])
    assert command("run", path, "--to", "split", "--set", "split.eval=0.9", "--set", "split.salt=v2").stderr != ""
    now = split_of(path)
    assert {name: now[name] for name in splits} == splits
    assert sum(now[name] == "eval" for name in now.keys() - splits.keys()) >= 25  # of 40


def split_of(path: Path) -> dict[str, str]:
    work = work_of(path)
    return {
        row["id"]: row["split"] for shard in read_order(work.articles) for row in work.split.read(shard).to_pylist()
    }
