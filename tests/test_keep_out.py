"""What eval and train are spared: one story in many copies, the texts of public benchmarks; copies of what is taken down."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.shards import read_order
from pipeline.job.workspace import Workspace
from tests.conftest import JobMaker, article, command, copied, run, stage, write_job, write_jsonl
from tests.test_splitting import prose


def story(seed: int, copy: int = 0) -> str:
    """A text of its own kind; a copy differs in one word."""
    words = f"Harbour of {prose(seed)}".split()
    words[random.Random(copy).randrange(3, len(words))] = f"swapped{copy}"
    return " ".join(words)


def splits(work: Workspace) -> dict[str, str]:
    tables = [work.split.read(shard).to_pylist() for shard in read_order(work.articles)]
    return {row["id"]: row["split"] for table in tables for row in table}


def left_out(work: Workspace) -> list[dict[str, Any]]:
    return [row for shard in read_order(work.articles) for row in work.split.read_rejected(shard).to_pylist()]


@pytest.fixture(scope="module")
def many_copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job up to its split: 40 copies of a story, 60 others."""
    copies = [{"id": f"copy{n}", "body": story(1, n)} for n in range(40)]
    others = [{"id": f"other{n}", "body": story(100 + n)} for n in range(60)]
    path = write_job(tmp_path_factory.mktemp("copies"), [*copies, *others], split={"eval": 0.3})
    run(path, last="review")
    return path


@pytest.mark.parametrize("salt", ["v1", "v2", "v3", "v4", "v5"])
def test_a_large_group_of_copies_is_never_eval(many_copies: Path, tmp_path: Path, salt: str) -> None:
    work = run(copied(many_copies, tmp_path), f"split.salt={salt}")
    assigned = splits(work)
    assert {assigned[f"copy{n}"] for n in range(40)} == {"train"}
    assert 8 <= sum(split == "eval" for split in assigned.values()) <= 30
    card = (work.versions / "1.0.0" / "README.md").read_text()
    assert "1 with 40 rows" in card


def test_few_copies_may_be_eval(make_job: JobMaker) -> None:
    articles = [{"id": f"{n}-{copy}", "body": story(n, copy)} for n in range(100) for copy in range(2)]
    assigned = splits(run(make_job(articles, split={"eval": 0.3})))
    both = [{assigned[f"{n}-0"], assigned[f"{n}-1"]} for n in range(100)]
    assert all(len(pair) == 1 for pair in both) and both.count({"eval"}) > 10


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_what_is_like_a_benchmark_is_in_no_version(make_job: JobMaker, tmp_path: Path, form: str) -> None:
    articles = [{"id": f"a{n}", "body": story(n)} for n in range(30)]
    texts = [story(n, copy=9) for n in (3, 7)]
    if form == "jsonl":
        write_jsonl(tmp_path / "bench.jsonl", [{"question": "who?", "context": text} for text in texts])
    else:
        (tmp_path / "bench.csv").write_text("id;context\n" + "".join(f"{n};{text}\n" for n, text in enumerate(texts)))
    path = make_job(articles, split={"keep_out": [f"bench.{form}"]})
    work = run(path)
    assert set(splits(work)) == {f"a{n}" for n in range(30) if n not in (3, 7)}
    rejected = left_out(work)
    assert {(row["id"], row["reason"]) for row in rejected} == {(f"a{n}", "near_copy_of_benchmark") for n in (3, 7)}
    assert all(f"bench.{form}, row" in row["detail"] for row in rejected)
    assert stage(work, "split")["rejected"] == {"near_copy_of_benchmark": 2}
    assert f"`bench.{form}` are kept out of train (2 of them)" in (work.versions / "1.0.0" / "README.md").read_text()


def test_a_benchmark_that_comes_later_takes_rows_out_of_train_but_not_of_eval(
    make_job: JobMaker, tmp_path: Path
) -> None:
    articles = [{"id": f"a{n}", "body": story(n)} for n in range(30)]
    path = make_job(articles, split={"eval": 0.4})
    before = splits(run(path))
    write_jsonl(tmp_path / "bench.jsonl", [{"text": story(n, copy=9)} for n in range(10)])
    after = splits(run(path, 'split.keep_out=["bench.jsonl"]', last="split"))
    for n in range(30):
        wanted = None if n < 10 and before[f"a{n}"] == "train" else before[f"a{n}"]
        assert after.get(f"a{n}") == wanted
    assert len(set(before.values())) == 2


def test_a_benchmark_that_is_nowhere_is_one_line(make_job: JobMaker) -> None:
    result = command("run", make_job([article(n) for n in range(4)], split={"keep_out": ["nowhere.jsonl"]}))
    assert result.returncode == 2 and "split.keep_out: nowhere.jsonl: no such file" in result.stderr


def test_a_takedown_names_what_is_like_it(make_job: JobMaker) -> None:
    copies = [{"id": f"copy{n}", "body": story(1, n)} for n in range(3)]
    path = make_job([*copies, *({"id": f"other{n}", "body": story(100 + n)} for n in range(20))])
    run(path)
    told = command("takedown", path, "--id", "copy1").stdout
    assert "--id copy0 --id copy2" in told and "other" not in told
    assert "--id copy2" in command("takedown", path, "--id", "copy0").stdout
    assert "like it" not in command("takedown", path, "--id", "copy2").stdout
    assert json.loads((path.parent / "jobs" / "test" / "takedowns.jsonl").read_text().splitlines()[0])["id"] == "copy1"
