"""Labelling against `transformers serve`: a server that we did not write, with a tiny random Llama.

Real HTTP, real prompts, real counts of tokens; the answers are gibberish.  Greedy decoding that stops at the first blank
makes some of it pass for labels.  Skipped where torch or what the server needs is not installed.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import Paused
from pipeline.job.workspace import Workspace
from tests import tiny_llama
from tests.conftest import JobMaker, article, command, reserve_port, rows, run, stage
from tests.program import Program

pytestmark = pytest.mark.slow
# of these, and of that major version at least
NEEDED = {"torch": 2, "transformers": 5, "accelerate": 1, "fastapi": 0, "uvicorn": 0}
START_SECONDS = 120


def missing() -> list[str]:
    """What the server needs and is not installed.  Nothing of it is imported."""
    found = []
    for name, least in NEEDED.items():
        try:
            if int(version(name).partition(".")[0]) < least:
                found.append(f"{name}>={least}")
        except PackageNotFoundError:
            found.append(name)
    return found


if lacking := missing():
    pytest.skip(f"`transformers serve` needs {', '.join(lacking)}", allow_module_level=True)


class Served:
    """The server in a process of its own, on one port for as long as it is started anew.  `log`: all that it said."""

    def __init__(self, folder: Path) -> None:
        self.model, self.log = folder / "tiny", folder / "serve.log"
        self.cache = folder / "cache"  # of models; its list of models is what lies there
        self.cache.mkdir()
        self.port = reserve_port()
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_CACHE": str(self.cache),
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "OMP_NUM_THREADS": "1",
        }
        arguments = [str(self.model), "--host", "127.0.0.1", "--port", str(self.port), "--device", "cpu"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "transformers.cli.transformers", "serve", *arguments],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the server did not start:\n{self.said()[-3000:]}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
            try:
                connection.request("GET", "/health")
                return connection.getresponse().status == 200
            except OSError:
                return False

    def kill(self) -> None:
        """kill -9"""
        if self._process:
            self._process.kill()
            self._process.wait()
            reserve_port(self.port)  # until it starts anew

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    @property
    def answered(self) -> int:
        """Completions that were given, by the server's own log."""
        return self.said().count('"POST /v1/chat/completions HTTP/1.1" 200')

    def wait_for(self, answered: int) -> None:
        deadline = time.monotonic() + 30
        while self.answered < answered:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = Served(tmp_path_factory.mktemp("served"))
    tiny_llama.make(server.model)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def korean(number: int) -> dict[str, Any]:
    own = " ".join(f"도시의 {number}번째 항구 {i}번 부두가 봄에 시민에게 문을 열었다." for i in range(5))
    return {"id": f"k{number}", "title": f"{number}번째 항구가 문을 연다", "body": f"{own} 다친 사람은 없었다."}


def served_job(make_job: JobMaker, served: Served, count: int, **label: Any) -> Path:
    articles = [korean(n) if n % 2 else article(n) for n in range(count)]
    parameters = {"max_output_tokens": 16, "temperature": 0, "stop": [" ", "a"]}
    sections = {"provider": "openai", "base_url": served.url, "model": str(served.model), "parameters": parameters}
    return make_job(
        articles, label={**sections, **label}, clean={"absent": "keep"}
    )  # a tiny model says what no article has


def replies(work: Workspace) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(work.ledger_target)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT * FROM replies")]


def events(work: Workspace, name: str) -> list[dict[str, Any]]:
    found = map(json.loads, work.events_file.read_text("utf-8").splitlines())
    return [event for event in found if event["event"] == name]


def start(path: Path) -> Program:
    return Program("run", path, "--to", "clean")


def test_a_whole_job_is_labelled_and_nothing_is_asked_twice(make_job: JobMaker, served: Served) -> None:
    before = served.answered
    path = served_job(make_job, served, 24, prices={"*": {"input": 0, "output": 0}})
    work = run(path)
    kept, rejected = rows(work, "labels"), rows(work, "labels", rejected=True)
    assert sorted(row["id"] for row in kept + rejected) == sorted(f"{'k' if n % 2 else 'a'}{n}" for n in range(24))
    assert stage(work, "label")["notes"] == {"answered": 24}
    assert all(row["keyphrases"] for row in kept) and all(row["reason"] for row in rejected)
    assert stage(work, "publish")["kept"] == len(kept) > 0
    asked = replies(work)
    assert served.answered - before == len(asked) >= 24
    assert {row["status"] for row in asked} == {"answered"}
    for row in asked:
        assert row["input_tokens"] > 100 and 0 < row["output_tokens"] <= 16 and row["cost_usd"] == 0.0
        assert row["finish_reason"] in ("stop", "length") and row["request_id"]
        assert row["model"].removesuffix("@main") == str(served.model)  # the server's own name for it, by its version
    assert len({row["input_tokens"] for row in asked}) > 1
    [finished] = events(work, "finished")
    assert (finished["retries"], finished["refused_by_limit"]) == (0, 0)  # the number in flight was found, not told
    run(path)
    assert served.answered - before == len(asked)


def test_a_price_that_is_not_known_is_none(make_job: JobMaker, served: Served) -> None:
    work = run(served_job(make_job, served, 2), last="label")
    assert [row["cost_usd"] for row in replies(work)] == [None] * len(replies(work))
    result = command("run", work.config.file, "--set", "label.budget_usd=1")
    assert result.returncode == 2 and "give it in label.prices" in result.stderr


def test_a_list_without_the_model_of_the_folder_holds_nothing_up(make_job: JobMaker, served: Served) -> None:
    path = served_job(make_job, served, 1)
    work = run(path, last="label")
    [models] = [event["models"] for event in events(work, "preflight")]
    result = command("doctor", path)
    if models:  # a newer transformers lists what it serves
        assert f"{served.url} answers" in result.stdout and str(served.model) in result.stdout
    else:  # before, its cache, which is empty
        assert f"{served.url} answers; it lists no models" in result.stdout


def test_what_the_server_ignores_costs_nothing(make_job: JobMaker, served: Served) -> None:
    parameters = {"max_output_tokens": 8, "temperature": 0, "seed": 1, "reasoning_effort": "none", "verbosity": "low"}
    work = run(served_job(make_job, served, 2, parameters=parameters, prompt="keyphrases/v2", reask=0), last="label")
    assert [row["status"] for row in replies(work)] == ["answered"] * 2  # no schema holds it to JSON
    assert not (work.path / "dialect.json").exists()


def test_a_parameter_that_it_does_not_know_pauses_the_job(make_job: JobMaker, served: Served) -> None:
    before = served.answered
    path = served_job(make_job, served, 3, parameters={"max_output_tokens": 8, "top_k": 3})
    with pytest.raises(Paused, match=r"see label\.parameters .*top_k"):
        run(path)
    assert served.answered == before


@pytest.mark.parametrize("count", [3, 40])
def test_a_model_that_is_not_served_pauses_the_job(make_job: JobMaker, served: Served, count: int) -> None:
    before = served.answered
    result = command("run", served_job(make_job, served, count, model="nonesuch"))
    assert result.returncode == 3
    assert "requested 'nonesuch'" in result.stderr and result.stderr.count("\n") == 1
    assert served.answered == before


def test_a_model_of_gibberish_is_paused(make_job: JobMaker, served: Served) -> None:
    path = served_job(make_job, served, 60, parameters={"max_output_tokens": 4}, brake={"window": 40, "share": 0.5})
    with pytest.raises(Paused, match=r"21 of the last \d\d replies are no good \(truncated"):
        run(path)


def test_a_server_that_is_killed_and_started_anew(make_job: JobMaker, served: Served) -> None:
    """Once while labelmill waits for it, and once more with labelmill stopped meanwhile."""
    before = served.answered
    parameters = {"max_output_tokens": 32, "temperature": 0}
    path = served_job(make_job, served, 60, parameters=parameters, reask=0, limits={"concurrency": 4})
    process = start(path)
    served.wait_for(before + 15)
    served.kill()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) and process.returncode == 3
    result = command("run", path)
    assert result.returncode == 3 and "cannot be reached" in result.stderr and result.stderr.count("\n") == 1
    served.start()
    process = start(path)
    served.wait_for(before + 35)
    served.kill()
    served.start()
    _, stderr = process.communicate(timeout=90)
    assert process.returncode == 0, stderr
    work = run(path, last="clean")
    assert stage(work, "label")["notes"] == {"answered": 60}
    assert sorted(row["ask"] for row in replies(work)) == [1] * 60
    assert 60 <= served.answered - before <= 60 + 2 * 4  # at most what was on its way to us at the two kills
