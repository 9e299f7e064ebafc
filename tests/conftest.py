"""Shared by all tests: jobs in temporary folders, the protocol server, and a guard that keeps tests on loopback."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import settings

from pipeline import runner
from pipeline.commands import show
from pipeline.job.config import load_job
from pipeline.job.workspace import Workspace
from tests.openai_server import Running, Server

settings.register_profile("repeatable", derandomize=True)  # HYPOTHESIS_PROFILE=default looks for new examples
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"
QUICKSTART = ROOT / "data" / "quickstart"


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may send a packet beyond this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not ipaddress.ip_address(address[0]).is_loopback:
            raise OSError(f"a test tried to reach {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with Running(Server()) as running:
        yield running


def article(number: int, words: int = 40) -> dict[str, Any]:
    """An English article that is like no other: enough function words for a detector, and words of its own."""
    own = " ".join(
        f"The harbour{number}x{i} of the city was opened to the public in the spring." for i in range(words // 8)
    )
    return {"id": f"a{number}", "title": f"Harbour number {number} opens", "body": f"{own} Nobody was hurt."}


def write_jsonl(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


# For code in a process of its own: megabytes that it held at most; `ru_maxrss` begins with what its parent held.
PEAK = r"""
import pathlib, re, sys
peak = lambda: int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path("/proc/self/status").read_text())[1]) // 1024
"""
JobMaker = Callable[..., Path]


@pytest.fixture
def make_job(tmp_path: Path) -> JobMaker:
    """Write a job file (and `articles.jsonl`, where `articles` is given); keyword arguments replace its sections."""

    def make(articles: list[Any] | None = None, **sections: Any) -> Path:
        if articles is not None:
            write_jsonl(tmp_path / "articles.jsonl", articles)
        config: dict[str, Any] = {
            "name": "test",
            "sources": [{"type": "files", "path": "articles.jsonl", "columns": {"text": "body"}}],
            "label": {"provider": "extractive"},
            **sections,
        }
        path = tmp_path / "job.yaml"
        path.write_text(yaml.safe_dump(config, allow_unicode=True), "utf-8")
        return path

    return make


@pytest.fixture
def old_jobs(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `tests/data/old_jobs`; `server` is the proxy in front of their endpoint, an address where nobody is."""
    monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
    monkeypatch.setenv("no_proxy", "")
    server.models = ("gpt-6-luna", "small-model")
    return Path(shutil.copytree(ROOT / "tests" / "data" / "old_jobs", tmp_path / "old"))


def work_of(path: Path, *overrides: str, limit: int | None = None) -> Workspace:
    return Workspace(load_job(path, overrides), limit=limit)


def run(
    path: Path, *overrides: str, first: str = "collect", last: str = "publish", limit: int | None = None
) -> Workspace:
    """Run stages in this process; a version is made of whatever came out."""
    work = work_of(path, *overrides, limit=limit)
    runner.run(work, first, last, always_publish=True)
    return work


def rows(work: Workspace, table: str, rejected: bool = False) -> list[dict[str, Any]]:
    return list(show.show(work, table, rejected))


def stage(work: Workspace, name: str) -> dict[str, Any]:
    return next(row for row in runner.status(work)["stages"] if row["stage"] == name)


def command(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd or ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        timeout=120,
    )


def tree(folder: Path) -> dict[str, bytes]:
    """Every Parquet file below a folder, by relative path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}
