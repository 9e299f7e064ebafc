"""A stage's folder is a data set that pandas, pyarrow, DuckDB and polars read; manifests under former names stay manifests."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pandas as pd
import pyarrow.dataset as ds
import pytest

from pipeline import runner
from pipeline.core.errors import InputError
from pipeline.core.shards import Folder, read_order
from pipeline.job.workspace import Workspace
from tests.conftest import JobMaker, article, rows, run, write_jsonl
from tests.openai_server import Server

FOLDERS = ("articles", "filtered", "filtered.decisions", "requests", "labels", "reviewed", "split", "split.signatures")


def with_duckdb(folder: Path) -> int:
    duckdb = pytest.importorskip("duckdb")
    counts = {
        duckdb.read_parquet(str(path)).count("*").fetchall()[0][0]
        for path in (folder, folder / "*.parquet", folder / "**" / "*.parquet")
    }
    [count] = counts
    return int(count)


def with_polars(folder: Path) -> int:
    polars = pytest.importorskip("polars")
    frames = (polars.read_parquet(folder / pattern) for pattern in ("*.parquet", "**/*.parquet"))
    [count] = {len(frame) for frame in frames}
    return int(count)


READERS: dict[str, Callable[[Path], int]] = {
    "pandas": lambda folder: len(pd.read_parquet(folder)),
    "pyarrow": lambda folder: int(ds.dataset(folder).count_rows()),
    "duckdb": with_duckdb,
    "polars": with_polars,
}


def former_names(work: Workspace) -> None:
    """Give the manifests of a job the names that they had before; what publishing keeps came after that."""
    for file in [file for file in work.path.rglob("_*.manifest.json") if file.parent.name != "publish.facts"]:
        file.rename(file.with_name(file.name[1:].removesuffix(".manifest.json") + ".json"))


@pytest.mark.parametrize("reader", READERS)
def test_a_stage_is_read_by_its_folder(make_job: JobMaker, tmp_path: Path, reader: str) -> None:
    write_jsonl(tmp_path / "more.jsonl", [article(n) for n in range(20, 28)])
    sources = [
        {"type": "files", "path": name, "columns": {"text": "body"}} for name in ("articles.jsonl", "more.jsonl")
    ]
    filters = [{"type": "tokens", "min": 5}, {"type": "duplicates"}]
    work = run(make_job([article(n) for n in range(12)], sources=sources, filters=filters))
    assert {name: READERS[reader](work.path / name) for name in FOLDERS} == dict.fromkeys(FOLDERS, 20)


def test_columns_are_those_that_show_tells(make_job: JobMaker) -> None:
    work = run(make_job([article(n) for n in range(12)]))
    read = pd.read_parquet(work.path / "reviewed").set_index("id")["keyphrases"]
    assert {name: list(phrases) for name, phrases in read.items()} == {
        row["id"]: row["keyphrases"] for row in rows(work, "labels")
    }


def test_manifests_under_former_names_are_read_and_renamed_shard_by_shard(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(12)], filters=[{"type": "duplicates"}])
    work = run(path)
    former_names(work)
    before = {file: file.stat().st_mtime_ns for file in work.path.rglob("*.parquet")}
    former = sorted(work.path.rglob("*-00000.json"))
    assert len(former) == 8
    assert {row["state"] for row in runner.status(work)["stages"][:-1]} == {"done"}
    assert sorted(work.path.rglob("*-00000.json")) == former, "status writes nothing"
    run(path, first="clean", last="clean")
    assert len(list(work.path.rglob("*-00000.json"))) == 7
    assert {row["state"] for row in runner.status(work)["stages"][:-1]} == {"done"}
    run(path)
    assert not list(work.path.rglob("*-00000.json"))
    assert before == {file: file.stat().st_mtime_ns for file in work.path.rglob("*.parquet")}


def test_a_shard_that_is_made_again_leaves_no_former_manifest(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(12)])
    former_names(run(path))
    work = run(path, "clean.max_phrases=2", first="clean", last="clean")
    [shard] = read_order(work.articles)
    assert sorted(file.name for file in work.labels.path.glob("*.json")) == [work.labels.manifest_file(shard).name]
    assert {len(phrases) for phrases in work.labels.read(shard).column("keyphrases").to_pylist()} == {2}


def test_a_vanished_source_takes_its_former_manifest_along(make_job: JobMaker, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "more.jsonl", [article(n) for n in range(20, 28)])
    path = make_job(
        [article(n) for n in range(12)], sources=[{"type": "files", "path": "*.jsonl", "columns": {"text": "body"}}]
    )
    work = run(path)
    former_names(work)
    gone = next(shard for shard in read_order(work.articles) if shard.startswith("more"))
    (tmp_path / "more.jsonl").unlink()
    run(path, last="collect")
    assert work.filtered.others(read_order(work.articles)) == {gone}
    run(path)
    assert not list(work.path.rglob(f"*{gone}*")) and len(rows(work, "labels")) == 12


def test_where_both_names_are_there_that_of_now_counts(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    (tmp_path / "a-00000.parquet").touch()
    form = '{"key": "%s", "inputs": {}, "rows": 1, "kept": 1, "rejected": {}, "digest": "d"}'
    (tmp_path / "a-00000.json").write_text(form % "former")
    assert folder.done("a-00000", "former")
    folder.manifest_file("a-00000").write_text(form % "now")
    assert folder.done("a-00000", "now")
    folder.keep_only(["a-00000"])
    assert folder.done("a-00000", "now") and not (tmp_path / "a-00000.json").exists()


@pytest.mark.parametrize("former", [False, True])
def test_an_emptied_ledger_is_not_paid_for_again(make_job: JobMaker, server: Server, former: bool) -> None:
    path = make_job(
        [article(n) for n in range(8)],
        label={"provider": "openai", "model": "gpt-6-luna", "base_url": server.url, "api_key": "${KEY}"},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEY", "secret")
        work = run(path, last="label")
        if former:
            former_names(work)
        with closing(sqlite3.connect(work.path / "ledger.sqlite")) as ledger, ledger:
            ledger.execute("DELETE FROM replies")
        asked = sum(server.seen.values())
        with pytest.raises(InputError, match="holds no answers, but this job got 8"):
            run(path, last="label")
        assert sum(server.seen.values()) == asked == 8
