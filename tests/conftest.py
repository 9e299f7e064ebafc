"""Shared by all tests: jobs in temporary folders, the protocol server, and a guard that keeps tests on loopback."""

from __future__ import annotations

import importlib.util
import io
import ipaddress
import json
import logging
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import pytest
import yaml
from hypothesis import settings

from pipeline import runner
from pipeline.cli import main as cli
from pipeline.commands import show
from pipeline.job.job_file import load_job
from pipeline.job.run_options import RunOptions
from pipeline.job.workspace import Workspace
from tests import object_store as object_stores
from tests.object_store import Store
from tests.openai_server import Running, Server
from tests.program import Program

if TYPE_CHECKING:
    from tests.page_workers import WorkerShelf

if "PYTEST_XDIST_WORKER" in os.environ:
    # There are workers for all cores, so threads of OpenMP would wait for one another's.  Torch reads this when it is imported, and
    # so do processes that tests start.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Tests start many interpreters, which need not compile the same files each (a second of processor); xdist's workers are the first.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Tests talk to loopback, without certificates: each HTTP client and each interpreter would read all that the system trusts (30 ms).
os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "data" / "nobody.pem")

# HYPOTHESIS_PROFILE=default looks for new examples; a busy machine is late, which is no fault.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_xdist_auto_num_workers() -> int:
    """More workers than cores: a third of their time tests wait for servers, pauses and processes."""
    return (os.cpu_count() or 1) * 3 // 2


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow tests first, file by file in turn for each worker: one that begins them all, or one last, keeps the others waiting.

    Each worker of xdist begins with its share of the list as it stands here, and takes from others when that is done.
    """
    workers = getattr(config, "workerinput", {"workercount": 1})["workercount"]
    files = {path: number for number, path in enumerate(dict.fromkeys(item.path for item in items if _is_slow(item)))}
    quick = [item for item in items if not _is_slow(item)]
    share, ordered = -(-len(items) // workers), list[pytest.Item]()
    for worker in range(workers):
        slow = [item for item in items if _is_slow(item) and files[item.path] % workers == worker]
        room = max(0, share - len(slow))
        ordered += slow + quick[:room]
        quick = quick[room:]
    items[:] = ordered + quick


_ALL_SLOW = re.compile(r"^pytestmark = (\[\s*)?pytest\.mark\.slow\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files that have slow tests alone where none is asked for: what they import takes ten seconds in each worker."""
    is_of_no_use = config.option.markexpr == "not slow" and collection_path.suffix == ".py"
    return True if is_of_no_use and _ALL_SLOW.search(collection_path.read_text("utf-8")) else None


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


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
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def quick_disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test of this process survives a power cut: nothing is synced, but where a test is marked `durable`.

    Processes that tests start sync as ever.
    """
    if not request.node.get_closest_marker("durable"):
        monkeypatch.setattr(os, "fsync", lambda _: None)
        monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=_Unsynced))


class _Unsynced(sqlite3.Connection):
    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        return super().execute(_SYNCHRONOUS.sub("synchronous=OFF", statement), *parameters)

    def executescript(self, script: str) -> sqlite3.Cursor:
        return super().executescript(_SYNCHRONOUS.sub("synchronous=OFF", script))


_SYNCHRONOUS = re.compile(r"synchronous *= *(FULL|NORMAL)")


@pytest.fixture
def server() -> Iterator[Server]:
    with Running(Server()) as running:
        yield running


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from tests import postgres

    if not postgres.binary("initdb"):
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with postgres.running(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def worker_shelf() -> Iterator[WorkerShelf]:
    from tests.page_workers import WorkerShelf

    shelf = WorkerShelf()
    yield shelf
    shelf.close()


@pytest.fixture
def lasting_workers(worker_shelf: WorkerShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Crawls of this process begin with the extracting processes of those before, where they have the same limits."""
    worker_shelf.install(monkeypatch)


@pytest.fixture(scope="session")
def object_store() -> Iterator[Store]:
    for package in ("moto", "flask_cors", "s3fs"):
        pytest.importorskip(package)
    with object_stores.running() as running:
        yield running


@pytest.fixture
def store(object_store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A real S3 server with an empty bucket, where this process and those that it starts find it."""
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    object_store.begin_anew()
    return object_store


def skip_without(package: str, reason: str) -> None:
    """Skip a module's tests where a package is not installed.

    `pytest.importorskip` would import it, which takes some seconds in each worker, whether it runs these tests or not.
    """
    if importlib.util.find_spec(package) is None:
        pytest.skip(reason, allow_module_level=True)


def article(number: int, words: int = 40) -> dict[str, Any]:
    """An English article that is like no other: enough function words for a detector, and words of its own."""
    own = " ".join(
        f"The harbour{number}x{i} of the city was opened to the public in the spring." for i in range(words // 8)
    )
    return {"id": f"a{number}", "title": f"Harbour number {number} opens", "body": f"{own} Nobody was hurt."}


def named_article(number: int) -> dict[str, Any]:
    """An article as `article` makes them, in which a person of its own is named."""
    person = f"{'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[number % 26]}lena {'BCDFGHJKLMNPQRSTVWZ'[number % 19]}uillon"
    made = article(number)
    return {**made, "body": f"{person} opened it. {made['body']} {person} said that she was glad."}


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


def write_job(folder: Path, articles: list[Any] | None = None, **sections: Any) -> Path:
    """Write a job file (and `articles.jsonl`, where `articles` is given); keyword arguments replace its sections."""
    if articles is not None:
        write_jsonl(folder / "articles.jsonl", articles)
    config: dict[str, Any] = {
        "name": "test",
        "sources": [{"type": "files", "path": "articles.jsonl", "columns": {"text": "body"}}],
        "label": {"provider": "extractive"},
        **sections,
    }
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(config, allow_unicode=True), "utf-8")
    return path


def copied(path: Path, folder: Path) -> Path:
    """Copy a job, as it stands with all that was made of it, for a test alone."""
    return Path(shutil.copytree(path.parent, folder, dirs_exist_ok=True)) / path.name


@pytest.fixture
def make_job(tmp_path: Path) -> JobMaker:
    """Write a job into the test's folder, as `write_job` does."""
    return partial(write_job, tmp_path)


@pytest.fixture
def old_jobs(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `tests/data/old_jobs`; `server` is the proxy in front of their endpoint, an address where nobody is."""
    monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
    monkeypatch.setenv("no_proxy", "")
    server.models = ("gpt-6-luna", "small-model")
    return Path(shutil.copytree(ROOT / "tests" / "data" / "old_jobs", tmp_path / "old"))


def work_of(path: Path, *overrides: str) -> Workspace:
    return Workspace(load_job(path, overrides))


def run(
    path: Path, *overrides: str, first: str = "collect", last: str = "publish", limit: int | None = None
) -> Workspace:
    """Run stages in this process; a version is made of whatever came out."""
    work = work_of(path, *overrides)
    runner.run(work, RunOptions(first, last, limit=limit, publish=True))
    return work


def rows(work: Workspace, table: str, rejected: bool = False) -> list[dict[str, Any]]:
    return list(show.show(work, table, rejected))


def stage(work: Workspace, name: str) -> dict[str, Any]:
    return next(row for row in runner.status(work)["stages"] if row["stage"] == name)


Done = subprocess.CompletedProcess[str]


def command(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> Done:
    """The command line in this process: what a process would take with it is undone."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with as_in_a_process(cwd or ROOT, environment), redirect_stdout(out), redirect_stderr(err), noted_warnings(err):
        try:
            code = cli.main(list(map(str, arguments)))
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    return Done(arguments, code, *(stream.buffer.getvalue().decode() for stream in (out, err)))


@contextmanager
def noted_warnings(err: TextIO) -> Iterator[None]:
    """Those that Python prints unasked are noise on a person's screen: pytest would keep them for itself."""
    with warnings.catch_warnings(record=True) as noise:
        warnings.simplefilter("default")
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)
        yield
    err.writelines(f"{warning}\n" for warning in noise)


@contextmanager
def as_in_a_process(cwd: Path, environment: dict[str, str]) -> Iterator[None]:
    """Its own environment (into which a `.env` goes), folder, signal handlers and log handlers."""
    before = dict(os.environ)
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers, level = logging.root.handlers[:], logging.root.level
    try:
        os.environ.update(environment)
        with chdir(cwd), hub_of(environment):
            yield
    finally:
        logging.root.handlers[:], logging.root.level = handlers, level
        for number, handler in signals.items():
            signal.signal(number, handler)
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def hub_of(environment: dict[str, str]) -> Iterator[None]:
    """What `huggingface_hub` reads of an environment when it is imported, where that names an endpoint."""
    if "HF_ENDPOINT" not in environment:
        yield
        return
    from huggingface_hub import close_session, constants

    endpoint, home = environment["HF_ENDPOINT"], environment["HF_HOME"]
    read = {
        "ENDPOINT": endpoint,
        "HUGGINGFACE_CO_URL_TEMPLATE": endpoint + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HOME": home,
        "HF_HUB_CACHE": f"{home}/hub",
        "HF_TOKEN_PATH": f"{home}/token",
        "HF_STORED_TOKENS_PATH": f"{home}/stored_tokens",
        "HF_HUB_DISABLE_XET": "HF_HUB_DISABLE_XET" in environment,
        "HF_HUB_DISABLE_TELEMETRY": "HF_HUB_DISABLE_TELEMETRY" in environment,
        "HF_HUB_ETAG_TIMEOUT": int(environment.get("HF_HUB_ETAG_TIMEOUT", 10)),
    }
    close_session()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in read.items():
            patch.setattr(constants, name, value)
        yield
    close_session()


def reserve_port(port: int = 0) -> int:
    """A port for a server that must be told one: for a minute the system gives it to nobody who does not ask for it by its number.

    That is what a connection does that was closed on this side (TIME_WAIT); servers listen there all the same.
    """
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(1)
        with socket.create_connection(listening.getsockname()):
            listening.accept()[0].close()
        return int(listening.getsockname()[1])


def wait_for_handler(process: Program, number: signal.Signals = signal.SIGTERM) -> None:
    """Until our program runs in a process: before, while Python itself starts, a signal just ends it."""
    status = Path(f"/proc/{process.pid}/status")
    while status.parent.exists() and process.poll() is None:
        caught = re.search(r"SigCgt:\s+(\w+)", status.read_text())
        if caught and int(caught[1], 16) >> (number - 1) & 1:
            return
        time.sleep(0.002)


def tree(folder: Path) -> dict[str, bytes]:
    """Every Parquet file below a folder, by relative path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}
