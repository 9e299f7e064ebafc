"""The source `hub`: folders that `datasets` can load, and a small Hub on loopback."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.errors import ConfigError, LabelmillError
from pipeline.core.shards import read_order
from tests.conftest import PEAK, ROOT, JobMaker, command, rows, run, stage, tree, write_jsonl
from tests.hub import Hub
from tests.program import run as run_program

KOREAN = "서울시가 한강 변에 새로운 도서관을 열었다고 밝혔다."


def table(numbers: Any, text: str = KOREAN) -> pa.Table:
    data = [
        {"uid": n, "headline": f"제목 {n}", "body": f"{text} {n}" if n % 10 else None, "more": [1]} for n in numbers
    ]
    return pa.Table.from_pylist(data)


def parquet(numbers: Any) -> bytes:
    pq.write_table(table(numbers), buffer := io.BytesIO())
    return buffer.getvalue()


def source(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "hub", "name": name, "columns": {"id": "uid", "title": "headline", "text": "body"}, **more}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "news"
    path.mkdir()
    for part in range(3):
        (path / f"train-{part:05d}-of-00003.parquet").write_bytes(parquet(range(part * 20, part * 20 + 20)))
    return path


def test_a_folder(make_job: JobMaker, folder: Path) -> None:
    path = make_job(sources=[source("news")])
    work = run(path, last="collect")
    found = rows(work, "articles")
    assert [row["id"] for row in found] == [str(n) for n in range(60) if n % 10]
    assert found[0]["text"] == f"제목 1 {KOREAN} 1"
    assert len({row["source"] for row in found}) == 3 and found[0]["source"].startswith("hub:news@")
    assert stage(work, "collect")["rejected"] == {"missing_text": 6}
    before = tree(work.path)
    assert tree(run(path, last="collect").path) == before
    (folder / "train-00001-of-00003.parquet").write_bytes(parquet(range(100, 105)))
    assert len(rows(run(path, last="collect"), "articles")) == 36 + 4


def test_shards_of_a_folder_of_another_script_can_be_read(make_job: JobMaker, folder: Path) -> None:
    folder.rename(folder.with_name("한글 기사"))
    work = run(make_job(sources=[source("한글 기사")]), last="collect")
    assert all(shard.startswith("hub-한글-기사-train-") for shard in read_order(work.articles))


def test_other_files_and_what_was_saved(make_job: JobMaker, tmp_path: Path) -> None:
    import datasets

    write_jsonl(tmp_path / "a" / "test.jsonl", table(range(1, 5)).to_pylist())
    datasets.DatasetDict({"test": datasets.Dataset(table(range(1, 5)))}).save_to_disk(str(tmp_path / "b"))
    for name in "ab":
        work = run(make_job(name=name, sources=[source(name, split="test")]), last="collect")
        assert [row["id"] for row in rows(work, "articles")] == ["1", "2", "3", "4"]
        with pytest.raises(ConfigError, match=r"sources.0.split: .*test"):
            run(make_job(name=name, sources=[source(name)]), last="collect")


def test_mistakes_are_one_line(make_job: JobMaker, folder: Path) -> None:
    for more, wanted in (
        ({"name": "./nws"}, "sources.0.name: no such folder: ./nws"),
        ({"columns": {"text": "bdy"}}, "sources.0.columns.text: no column 'bdy' .did you mean 'body'.*allowed: uid"),
        ({"revision": "main"}, "sources.0.revision: news is a folder"),
        ({"config": "ko"}, "sources.0.config: .*default"),
    ):
        with pytest.raises(LabelmillError, match=wanted) as caught:
            run(make_job(sources=[source("news") | more]), last="collect")
        assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_hub(make_job: JobMaker, tmp_path: Path) -> None:
    """In a process of its own: the client reads HF_ENDPOINT when it is imported."""
    with Hub() as hub:
        hub.create("me/news")
        first = hub.edit("me/news", "data/train-00000-of-00002.parquet", parquet(range(1, 8)))
        first = hub.edit("me/news", "data/train-00001-of-00002.parquet", parquet(range(11, 15)))
        env = {**hub.env, "HF_HOME": str(tmp_path / "hf")}
        path = make_job(sources=[source("me/news")])

        def collect(*options: str) -> tuple[int, str]:
            done = run_program("collect", path, *options, **env)
            return done.returncode, done.stderr.strip()

        def sources() -> list[str]:
            shown = command("show", path, "articles", "--json", "-n", "100").stdout
            return [json.loads(line)["source"] for line in shown.splitlines()]

        assert collect()[0] == 0
        assert sources() == [f"hub:me/news@{first[:12]}/train#0"] * 7 + [f"hub:me/news@{first[:12]}/train#1"] * 4
        second = hub.edit("me/news", "data/train-00001-of-00002.parquet", parquet(range(21, 24)))
        assert collect("--set", f"sources.0.revision={first}")[0] == 0 and len(sources()) == 11
        assert collect()[0] == 0
        assert sources()[-1] == f"hub:me/news@{second[:12]}/train#1" and len(sources()) == 10
        code, message = collect("--set", "sources.0.revision=v9")
        assert code == 2 and message.endswith("sources.0.revision: me/news has no 'v9'")
        code, message = collect("--set", "sources.0.name=me/nws")
        assert code == 2 and "sources.0.name: no data set 'me/nws' on the Hub" in message and "\n" not in message
        hub.fault("info", status=503, times=99)
        code, message = collect()
        assert code == 1 and "hub:me/news" in message and "Traceback" not in message


MEMORY = (
    PEAK
    + """
from pathlib import Path
from pipeline.collect.sources import hub
source = hub.Source(hub.Options(type="hub", name="big", columns={"text": "body"}), Path(sys.argv[1]), lambda path: "x")
[unit] = source.units()
rows = source.read(unit)
for _ in range(50_000):  # by then the library has read ahead as far as it ever does
    next(rows)
before = peak()
print(50_000 + sum(1 for _ in rows), peak() - before)
"""
)


@pytest.mark.slow
def test_many_rows_in_flat_memory(tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    with pq.ParquetWriter(tmp_path / "big" / "train.parquet", table([1]).schema) as writer:
        for n in range(0, 100_000, 5000):
            writer.write_table(table(range(n, n + 5000), KOREAN * 10))
    result = subprocess.run(
        [sys.executable, "-c", MEMORY, tmp_path], capture_output=True, text=True, cwd=ROOT, check=True
    )
    count, grown = map(int, result.stdout.split())
    assert count == 100_000 and grown < 60
