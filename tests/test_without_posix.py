"""Where Python has no `fcntl` and no `resource`, and `uvloop` is not installed, as on Windows, a job goes its whole way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import QUICKSTART, ROOT, Done, JobMaker, article, rows, work_of
from tests.crawl_server import CrawlServer, Running, page
from tests.openai_server import Server

Command = Callable[..., Done]
HIDE = """
import sys

class Hider:
    def find_spec(self, name, path=None, target=None):
        if name in ("fcntl", "resource", "uvloop"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Hider())
"""


@pytest.fixture
def without_posix(tmp_path: Path) -> Command:
    """The command line in a process that has no such modules, nor have those that it starts."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(HIDE)
    environment = {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(ROOT)])}
    missing = "import fcntl, resource, uvloop"
    done = subprocess.run([sys.executable, "-c", missing], env={**os.environ, **environment}, capture_output=True)
    assert b"ModuleNotFoundError: fcntl" in done.stderr

    def run(*arguments: str | Path) -> Done:
        program = [sys.executable, "-m", "pipeline.cli", *map(str, arguments)]
        return subprocess.run(
            program, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
        )

    return run


@pytest.mark.slow
def test_the_quickstart_becomes_a_version(without_posix: Command, tmp_path: Path) -> None:
    shutil.copytree(QUICKSTART, tmp_path / "quickstart")
    path = tmp_path / "quickstart" / "job.yaml"
    result = without_posix("run", path)
    assert (result.returncode, result.stderr) == (0, "")
    [version] = json.loads(without_posix("versions", path, "--json").stdout)
    assert version["version"] == "1.0.0" and version["rows"] == {"train": 53, "eval": 17}
    assert without_posix("run", path).stdout == result.stdout


@pytest.mark.slow
def test_an_endpoint_is_asked(without_posix: Command, make_job: JobMaker, server: Server) -> None:
    path = make_job([article(n) for n in range(5)], label={"provider": "openai", "base_url": server.url})
    result = without_posix("run", path)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(rows(work_of(path), "labels")) == 5


@pytest.mark.slow
def test_pages_are_crawled_without_a_limit_on_memory_and_one_line_says_so(
    without_posix: Command, make_job: JobMaker
) -> None:
    pytest.importorskip("trafilatura")
    text = "The harbour of the city was opened to the public in the spring. " * 20
    body = f"<html><head><title>Harbour</title></head><body><article><p>{text}</p></article></body></html>"
    with Running(CrawlServer({"/a": page(body.encode())})) as server:
        source = {"type": "web", "urls": [f"{server.url}/a"], "allow": ["127.0.0.0/8"], "delay": 0}
        path = make_job(sources=[source])
        result = without_posix("collect", path)
    assert (result.returncode, result.stderr.count("\n")) == (0, 1), result.stderr
    assert "limit on memory" in result.stderr
    assert len(rows(work_of(path), "articles")) == 1
