"""kill -9 in any stage, run again: the same bytes as a run that nobody disturbed."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from pipeline.core.files import write_json
from tests.conftest import JobMaker, article, run, tree, write_jsonl
from tests.program import Program

FILTERS = [{"type": "language", "keep": ["en"]}, {"type": "tokens", "min": 10}, {"type": "duplicates"}]


def articles() -> list[dict[str, object]]:
    found: list[dict[str, object]] = [article(n, words=80) for n in range(600)]
    for n in range(0, 600, 50):
        found.append({**article(n), "id": f"copy{n}"})  # for duplicates
        found.append({**article(n), "body": "Another text under an id that is taken."})  # for id_conflict
    return found


def written(folder: Path) -> int:
    """How many files a run has written: how far it is, however busy the machine."""
    return sum(len(names) for _, _, names in os.walk(folder))


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> str:
    """Many shards of few rows, in this process and in those that it starts."""
    monkeypatch.setattr("pipeline.collect.units.MAX_SHARD_ROWS", 40)
    return "import pipeline.collect.units as c; c.MAX_SHARD_ROWS = 40; "


@pytest.mark.slow
def test_kill_9_anywhere(make_job: JobMaker, tmp_path: Path, small_shards: str) -> None:
    source = {"type": "files", "path": "in/*.jsonl", "columns": {"text": "body"}}
    everything = articles()
    for number in range(6):
        write_jsonl(tmp_path / "in" / f"{number}.jsonl", everything[number::6])
    path = make_job(name="undisturbed", sources=[source], filters=FILTERS)
    undisturbed = tree(run(path).path)
    assert len(undisturbed) > 80

    in_the_end = written(tmp_path / "jobs" / "undisturbed")
    draw = random.Random(7)
    kills = 0
    for moment in sorted(draw.randrange(in_the_end) for _ in range(12)):
        process = Program("run", path, "--set", "name=killed", stderr=False, before=small_shards)
        while process.poll() is None and written(tmp_path / "jobs" / "killed") < moment:
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.05))  # also in the middle of a file
        kills += process.poll() is None
        process.kill()
        process.wait()
    assert kills >= 10  # the last ones may find it done
    killed = tree(run(path, "name=killed").path)
    assert sorted(killed) == sorted(undisturbed)
    for files in (killed, undisturbed):
        del files["versions/1.0.0/provenance/runs.parquet"]  # says when the labels were given
    assert killed == undisturbed


@pytest.mark.durable
def test_a_file_is_synced_before_it_takes_its_name(
    make_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is there after a power cut stands for a whole file."""
    synced: set[int] = set()
    fsync, replace = os.fsync, Path.replace

    def noted(number: int) -> None:
        fsync(number)
        synced.add(os.fstat(number).st_ino)

    def checked(path: Path, target: Path) -> Path:
        told_only = target.name == "_under_way.json"  # how far labelling is, for `status`; nothing depends on it
        assert path.is_dir() or told_only or path.stat().st_ino in synced, path
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(Path, "replace", checked)
    work = run(make_job(articles()[:50]))
    shards = [
        path for path in work.path.rglob("*.parquet") if "versions" not in path.parts
    ]  # those are renamed as a folder
    assert len(shards) >= 8 and [path for path in shards if path.stat().st_ino not in synced] == []


def test_a_write_that_fails_names_the_file(tmp_path: Path) -> None:
    """Of a full disk the system says no name; a limit on a file's size fails in the same call."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match="too large") as raised:
            write_json(tmp_path / "figures.json", "x" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert raised.value.filename == str(tmp_path / "figures.json") and not list(tmp_path.iterdir())
