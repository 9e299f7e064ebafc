"""Split and publish: eval rows never move, versions never change, the numbers say what happened."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.errors import GateStopped, InputError
from pipeline.publishing import gates, versions
from tests.conftest import JobMaker, article, command, rows, run, stage, write_jsonl


def ids(work: Any, split: str) -> set[str]:
    return {row["id"] for row in rows(work, split)}


def version(work: Any) -> str:
    return str(stage(work, "publish")["state"].removeprefix("version "))


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
    assert manifest["run"]["provider"] == "extractive" and len(manifest["run"]["statistics"]) == 64
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    table = pq.read_table(folder / "data")
    assert set(table.column("run_id").to_pylist()) == {manifest["run"]["run_id"]}
    assert str(tmp_path) not in (folder / "manifest.json").read_text()


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


def test_a_gate_stops_with_its_own_exit_code(make_job: JobMaker, monkeypatch: Any) -> None:
    path = make_job([article(n) for n in range(5)])
    monkeypatch.setattr(gates, "failures", lambda index: iter(["unique_ids: a1"]))
    with pytest.raises(GateStopped, match="unique_ids: a1") as caught:
        run(path)
    assert caught.value.exit_code == 4
    assert not list((path.parent / "jobs" / "test").glob("versions/*"))


def test_gates_name_rows() -> None:
    import pyarrow as pa

    index = pa.table(
        {
            "id": ["a", "a", "b", "c"],
            "text_sha256": ["1", "2", "3", "3"],
            "group_id": ["1", "2", "3", "3"],
            "split": ["train", "train", "train", "eval"],
            "phrases": [1, 1, 0, 1],
        }
    )
    found = list(gates.failures(index))
    assert found[0] == "unique_ids: a"
    assert found[1:3] == [f"no_overlap: in train and eval by {name}: b" for name in ("group_id", "text_sha256")]
    assert found[3] == "no_empty_label: b"


def test_a_job_without_labels_publishes_nothing(make_job: JobMaker) -> None:
    path = make_job([article(1)], filters=[{"type": "language", "keep": ["ko"]}])
    result = command("run", path)
    assert result.returncode == 1
    assert "no labelled article to publish" in result.stderr


def test_next_version() -> None:
    assert versions.next_version(None, versions.Diff(added=1)) == "1.0.0"
    assert versions.next_version("1.9.0", versions.Diff(added=1)) == "1.10.0"
    for diff in (versions.Diff(removed=1), versions.Diff(changed=1), versions.Diff(moved=1)):
        assert versions.next_version("1.9.0", diff) == "2.0.0"
