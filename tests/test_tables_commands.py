"""Commands that read a job whose tables lie in an object store: each says what it says of the same job on a disk."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import labelmill
from tests.conftest import article, command, write_jsonl
from tests.object_store import BUCKET, Store
from tests.openai_server import Running, Server

pytestmark = pytest.mark.slow
_TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+")
Jobs = tuple[Path, Path]  # with its tables on a disk, and in the store


@pytest.fixture(scope="module")
def jobs(object_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    """The same job twice, run with a model until a version is out."""
    object_store.begin_anew()
    paths = []
    with Running(Server()) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in {**object_store.environment, "OPENAI_API_KEY": "sk-nobodys"}.items():
            patch.setenv(name, value)
        for tables in ({}, {"tables": f"s3://{BUCKET}/some/prefix"}):
            folder = tmp_path_factory.mktemp("job")
            write_jsonl(folder / "a.jsonl", [article(n) for n in range(8)])
            source = {"type": "files", "path": "a.jsonl", "columns": {"text": "body"}}
            sections = {"label": {"provider": "openai", "base_url": server.url}, "split": {"eval": 0.4}, **tables}
            path = folder / "job.yaml"
            path.write_text(yaml.safe_dump({"name": "test", "sources": [source], **sections}), "utf-8")
            assert (done := command("run", path)).returncode == 0, done.stderr
            paths.append(path)
        yield paths[0], paths[1]


def test_python_gives_the_same_rows_wherever_tables_lie(jobs: Jobs) -> None:
    pytest.importorskip("datasets")
    for version in (None, "1.0.0"):
        here, there = (as_lists(labelmill.dataset(str(path), version=version)) for path in jobs)
        assert here == there and sum(map(len, here.values())) == 8
    frames = [labelmill.labels(str(path)) for path in jobs]
    assert frames[0].equals(frames[1]) and len(frames[0]) == 8


def as_lists(made: Any) -> dict[str, list[Any]]:
    return {name: json.loads(json.dumps(rows.to_list(), default=str)) for name, rows in made.items()}


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "JOB", "--format", "jsonl", "--output", "FOLDER/out"),
        ("export", "JOB", "--format", "chat", "--output", "FOLDER/out"),
        ("verify", "JOB", "1.0.0"),
        ("prompt", "render", "JOB", "--id", "a1", "--json"),
        ("quote", "JOB", "--json", "--set", "label.parameters.max_output_tokens=64"),
        ("try", "JOB", "--text", "The harbour of the old city was opened to the public in the spring."),
        ("show", "JOB", "labels"),
        ("versions", "JOB"),
        ("report", "JOB", "--output", "FOLDER/report.html"),
        ("takedown", "JOB", "--id", "a3"),  # the last: then rows are missing
    ],
    ids=lambda arguments: "-".join(arguments[:2]),
)
def test_a_command_says_the_same_wherever_tables_lie(jobs: Jobs, arguments: tuple[str, ...]) -> None:
    here, there = (outcome(path, arguments) for path in jobs)
    assert here == there and here[0] == 0, there
    assert here[1] or here[2]


def outcome(path: Path, arguments: tuple[str, ...]) -> tuple[int, str, dict[str, bytes]]:
    told = [part.replace("FOLDER", str(path.parent)).replace("JOB", str(path)) for part in arguments]
    done = command(*told)
    assert "s3://" not in done.stderr and "Traceback" not in done.stderr
    out = path.parent / "out"
    files = [out] if out.is_file() else [file for file in out.rglob("*") if file.is_file()]
    written = {file.name: file.read_bytes() for file in files}
    for file in files:
        file.unlink()
    said = _TIMES.sub("", done.stdout + done.stderr).replace(str(path.parent), "FOLDER")
    return done.returncode, said, written
