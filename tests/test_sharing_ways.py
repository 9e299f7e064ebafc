"""`label.share` by other ways than one process online: in a batch, and by several processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import runner
from pipeline.core.errors import Paused
from pipeline.job.run_options import RunOptions
from pipeline.label.batches import calls, posting
from tests.batch_server import BatchServer
from tests.conftest import ROOT, JobMaker, rows, run, work_of
from tests.openai_server import Running, Server
from tests.test_sharing import GROUP, sharing_job, story


@pytest.fixture
def batch_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchServer]:
    monkeypatch.setattr(calls.Pauses, "FIRST", 0.01)
    monkeypatch.setattr(calls, "LONGEST", 0.1)
    monkeypatch.setattr(posting, "GRACE_SECONDS", 0.3)
    with Running(BatchServer()) as running:
        yield running  # type: ignore[misc]


def test_a_group_is_one_line_of_the_one_batch(make_job: JobMaker, batch_server: BatchServer) -> None:
    path: Path = sharing_job(make_job, batch_server, GROUP, via="batch")
    pauses = 0
    for _ in range(12):
        try:
            runner.run(work_of(path), RunOptions(last="clean"))
            break
        except Paused:
            pauses += 1
    batches: Any = batch_server.batches
    assert pauses < 11 and len(batches) == 1
    labels = rows(work_of(path), "labels")
    assert [row["label_shared_from"] for row in labels] == [None, None, "s1c0", None, "s1c0", "s2c0"]
    assert len({row["key"] for row in labels}) == 3


@pytest.mark.slow  # two programs start
def test_two_processes_ask_once_a_group(make_job: JobMaker, server: Server) -> None:
    server.latency = 0.2
    path = sharing_job(make_job, server, [story(n, copy) for n in range(1, 8) for copy in range(4)])
    run(path, last="filter")
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli", "label", str(path)], env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        for _ in range(2)
    ]
    assert [process.wait(100) for process in processes] == [0, 0]
    work = run(path, last="clean")
    assert sum(server.answered.values()) == 7 == len(server.answered)
    labels = rows(work, "labels")
    assert len(labels) == 28 and sum(row["label_shared_from"] is not None for row in labels) == 21
