"""Engines: the same bytes whatever runs the maps, losses that cost what was begun, nothing left behind."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from functools import partial
from multiprocessing import current_process
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.engine import Engine, Task
from pipeline.core.errors import ConfigError, InputError, LabelmillError
from pipeline.core.processes import is_alive
from pipeline.engines import machine
from pipeline.engines.kinds import local
from pipeline.job.job_file import load_job
from tests import engine_maps as maps
from tests.conftest import ROOT, JobMaker, article, run, tree, write_jsonl
from tests.program import Program, also_from

FILTERS = [{"type": "language", "keep": ["en"]}, {"type": "tokens", "min": 5}, {"type": "duplicates"}]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = local.Engine(local.Options(workers=2))
    yield made
    made.close()


def mapped(engine: Engine, build: Any, *given: Any) -> Iterator[Any]:
    return engine.map("filter", build, (Task(f"t{number}", value) for number, value in enumerate(given)), len(given))


# --- what an engine does ---


def test_every_task_is_run_once(engine: Engine) -> None:
    for count in (0, 1, 2, 25):
        assert sorted(mapped(engine, maps.doubler, *range(count))) == [2 * number for number in range(count)]


def test_workers_stay_for_the_next_map(engine: Engine) -> None:
    first, second = (set(mapped(engine, maps.naming, *range(20))) for _ in range(2))
    assert os.getpid() not in first | second and len(first | second) <= 2


def test_a_small_map_starts_no_process() -> None:
    engine = local.Engine(local.Options())
    assert set(mapped(engine, maps.naming, *range(50))) == {os.getpid()}
    assert set(mapped(local.Engine(local.Options(workers=1)), maps.naming, *range(50))) == {os.getpid()}


@pytest.mark.parametrize(
    ("kind", "text"), [("InputError", "x.parquet: damaged"), ("MissingExtra", "labelmill[sql]"), ("HubError", "no")]
)
def test_an_error_of_a_worker_is_ours(engine: Engine, kind: str, text: str) -> None:
    with pytest.raises(LabelmillError, match=re.escape(text)):
        list(mapped(engine, partial(maps.failing, kind), 1, 2, 3))
    assert sorted(mapped(engine, maps.doubler, 1, 2)) == [2, 4]


def test_a_lost_worker_costs_what_it_had_begun(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    results = list(mapped(engine, partial(maps.killing, tmp_path, 1), "bad", *map(str, range(20))))
    assert sorted(results) == sorted(["bad", *map(str, range(20))])
    assert [re.sub(r"\d+ sh", "N sh", record.getMessage()) for record in caplog.records] == [
        "filter: a worker process ended (signal 9); what it had begun is made again (N shards)"
    ]


def test_a_task_that_ends_its_worker_again_is_an_error(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(
        LabelmillError, match=r"filter: a worker process ended again \(signal 9\) while t0\b.* was made"
    ):
        list(mapped(engine, partial(maps.killing, tmp_path, 9), "bad", *map(str, range(20))))


def test_what_cannot_be_sent_runs_here(engine: Engine) -> None:
    assert set(mapped(engine, lambda: lambda _: os.getpid(), 1, 2, 3)) == {os.getpid()}
    assert set(mapped(engine, maps.naming, *([lambda: 1] * 3))) == {os.getpid()}


def test_messages_of_workers_are_heard(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    list(mapped(engine, maps.logging_one, "a", "b"))
    assert sorted(record.getMessage() for record in caplog.records) == ["about a", "about b"]


def test_what_was_logged_before_an_error_is_heard(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InputError, match=r"x\.parquet: damaged"):
        list(mapped(engine, maps.logging_and_failing, "a", "a"))
    assert "about a" in {record.getMessage() for record in caplog.records}


def test_each_map_builds_anew(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "fitted"
    for text in ("first", "second"):
        file.write_text(text)
        assert set(mapped(engine, partial(maps.reading, file), *range(8))) == {text}


def test_what_is_of_the_main_module_runs_here(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers do not run that module: pickled here it would be nothing there."""
    main = sys.modules["__main__"]
    monkeypatch.setattr(
        main, "Mine", type("Mine", (), {"__module__": "__main__", "__qualname__": "Mine"}), raising=False
    )
    given = [vars(main)["Mine"]() for _ in range(3)]
    assert set(mapped(engine, maps.naming, *given)) == {os.getpid()}


def test_ctrl_c_waits_until_workers_are_started() -> None:
    reached = False
    with pytest.raises(KeyboardInterrupt), local._ctrl_c_held():
        os.kill(os.getpid(), signal.SIGINT)
        reached = True
    assert reached and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_worker_that_never_started_is_no_hindrance() -> None:
    made = local.Engine(local.Options(workers=2))
    results = mapped(made, maps.naming, *range(20))
    pid = next(results)
    made._context.Process(target=print)  # a signal came before it was started
    results.close()  # type: ignore[attr-defined]
    assert wait_until_gone([pid]) and made._pool is None


def test_workers_are_as_many_as_fit_by_now(monkeypatch: pytest.MonkeyPatch) -> None:
    made = local.Engine(local.Options(workers=4))
    try:
        for held, count in ((10, 4), (20, 2), (19, 2), (10, 4)):  # of 40 bytes, by each
            made._options = local.Options.model_construct(workers=4, memory=40)
            monkeypatch.setattr(machine, "resident", lambda process="self", held=held: held)
            list(mapped(made, maps.doubler, 1, 2, 3))
            assert made._workers == count
    finally:
        made.close()


def test_a_map_that_is_left_runs_no_more(engine: Engine, tmp_path: Path) -> None:
    results = mapped(engine, partial(maps.touching, tmp_path), *range(200))
    next(results)
    results.close()  # type: ignore[attr-defined]
    count = len(list(tmp_path.iterdir()))
    time.sleep(0.3)
    assert len(list(tmp_path.iterdir())) == count < 200


@pytest.mark.parametrize(("given", "size"), [("8GB", 8e9), ("500 MB", 5e8), ("1.5GiB", 1.5 * 2**30), (2**30, 2**30)])
def test_memory_is_written_as_people_write_it(given: Any, size: float) -> None:
    assert local.Options(memory=given).memory == size


def test_memory_bounds_the_workers() -> None:
    large = local.Engine(local.Options(workers=64, memory="1TB"))  # type: ignore[arg-type]
    small = local.Engine(local.Options(workers=64, memory="2MB"))  # type: ignore[arg-type]
    assert (large._count(), small._count()) == (64, 1)


@pytest.mark.parametrize(
    ("group", "files", "free", "cores"),
    [
        ("0::/", {"memory.max": "3000\n", "memory.current": "2500\n", "memory.stat": "inactive_file 400\n"}, 900, None),
        ("0::/a/b", {"a/memory.max": "max\n", "a/b/memory.max": "700\n", "a/b/memory.current": "100\n"}, 600, None),
        ("0::/a/b", {"a/cpu.max": "100000 100000\n", "a/b/cpu.max": "max 100000\n"}, 1024 * 5000, 1),
        (
            "3:memory:/docker/x",
            {"memory/memory.limit_in_bytes": "5000\n", "memory/memory.usage_in_bytes": "4000\n"},
            1000,
            None,
        ),
        ("2:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1024 * 5000, 1),
        ("2:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1024 * 5000, None),
    ],
)
def test_a_container_bounds_memory_and_cores(
    tmp_path: Path, group: str, files: dict[str, str], free: int, cores: int | None
) -> None:
    given = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    given |= {"proc/meminfo": "MemTotal: 9000 kB\nMemAvailable:    5000 kB\n", "proc/self/cgroup": f"{group}\n"}
    for name, text in given.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert machine.free_memory(tmp_path) == free
    assert machine.cores(tmp_path) == (cores or machine.cores(tmp_path / "nothing"))


def test_a_daemonic_process_runs_all_by_itself(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a process may start none: a worker of somebody's `multiprocessing.Pool` that runs a job."""
    monkeypatch.setitem(current_process()._config, "daemon", True)  # type: ignore[attr-defined]
    assert set(mapped(local.Engine(local.Options(workers=2)), maps.naming, *range(20))) == {os.getpid()}


def test_workers_that_do_not_fit_beside_each_other_are_none() -> None:
    small = local.Engine(local.Options(workers=64, memory="2MB"))  # type: ignore[arg-type]
    assert set(mapped(small, maps.naming, *range(20))) == {os.getpid()}


def test_a_job_says_where_it_runs(make_job: JobMaker) -> None:
    path = make_job([article(0)])
    assert load_job(path).engine.type == "local"
    assert load_job(path, ["engine.workers=3"]).engine_options.workers == 3
    with pytest.raises(ConfigError, match=r"engine.type: unknown engine 'spark'"):
        load_job(path, ["engine.type=spark"])
    with pytest.raises(ConfigError, match=r"engine.memory.*: write it as 8GB"):
        load_job(path, ["engine.memory=much"])
    with pytest.raises(ConfigError, match=r"engine\.workers"):
        load_job(path, ["engine.workers=0"])


# --- jobs ---


def job(make_job: JobMaker, tmp_path: Path, **sections: Any) -> Path:
    """Six files of articles, some twice, so that folds have something to say of shards."""
    for number in range(6):
        rows = [article(n) for n in range(10 * number, 10 * number + 10)]
        rows += [{**article(max(0, 10 * number - 3)), "id": f"copy{number}"}, {"id": f"bad{number}", "title": "x"}]
        write_jsonl(tmp_path / "in" / f"{number}.jsonl", rows)
    sources = [{"type": "files", "path": "in/*.jsonl", "columns": {"text": "body"}}]
    return make_job(**{"sources": sources, "filters": FILTERS, **sections})


def shards(path: Path) -> dict[str, bytes]:
    """All files of rows, but for what has a clock in it: when a run began."""
    return {name: content for name, content in tree(path).items() if not name.endswith("provenance/runs.parquet")}


@pytest.mark.slow
def test_the_bytes_are_the_same_whatever_the_workers(make_job: JobMaker, tmp_path: Path) -> None:
    path = job(make_job, tmp_path)
    one = run(path, "engine.workers=1")
    several = run(path, "engine.workers=3", f"workspace={tmp_path / 'several'}")
    assert shards(one.path) == shards(several.path) and len(shards(one.path)) > 30
    for change in ("filters.1.min=40", "split.eval=0.5"):
        run(path, "engine.workers=1", change)
        run(path, "engine.workers=2", f"workspace={tmp_path / 'several'}", change)
        assert shards(one.path) == shards(several.path)


def test_labels_are_not_lost_where_the_ledger_is_not_seen(make_job: JobMaker) -> None:
    path = make_job([article(n) for n in range(3)])
    work = run(path, last="clean")
    assert isinstance(work.ledger_target, Path)
    elsewhere, labels = work.ledger_target.with_suffix(".elsewhere"), tree(work.labels.path)
    work.ledger_target.rename(elsewhere)
    with pytest.raises(InputError, match=r"ledger.sqlite: there is no ledger here"):
        run(path, "clean.max_phrases=1", first="clean", last="clean")
    assert not work.ledger_target.exists() and tree(work.labels.path) == labels
    elsewhere.rename(work.ledger_target)
    run(path, "clean.max_phrases=1", first="clean", last="clean")
    assert tree(work.labels.path) != labels


def test_a_workspace_travels_as_its_configuration(make_job: JobMaker) -> None:
    label = {"provider": "openai", "model": "m", "api_key": "${LABEL_KEY}", "headers": {"X-Team": "${LABEL_KEY}"}}
    openai = {"type": "openai", "model": "v", "api_key": "${LABEL_KEY}", "headers": {"X-Team": "${LABEL_KEY}"}}
    topics = {"embed": [openai, "tfidf"], "names": {**label, "ledger": "names.sqlite"}}
    path = make_job([article(0)], filters=FILTERS, label=label, topics=topics)
    os.environ["LABEL_KEY"] = "never-elsewhere"
    try:
        work = run(path, last="filter")
    finally:
        del os.environ["LABEL_KEY"]
    pickled = pickle.dumps(work)
    assert b"never-elsewhere" not in pickled and b"never-elsewhere" in pickle.dumps(work.config)
    sent = pickle.loads(pickled)
    same = sent.config.model_copy(update={"label": work.config.label, "topics": work.config.topics})
    assert sent.path == work.path and same == work.config and "engine" not in vars(sent)
    assert sent.config.label.model_dump(exclude={"api_key", "headers"}) == work.config.label.model_dump(
        exclude={"api_key", "headers"}
    )
    for asked in (sent.config.label, sent.config.topics.names, sent.config.embedder_options[0]):
        assert asked.api_key and list(asked.headers) == ["X-Team"]
    assert (
        sent.config.topics.names.ledger == work.config.topics.names.ledger and sent.ledger_target == work.ledger_target
    )


@pytest.mark.slow
def test_plugins_of_somebody_else_go_to_workers(
    make_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "engine_plugins").mkdir()
    (tmp_path / "engine_plugins" / "slow.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    path = job(make_job, tmp_path, filters=[{"type": "engine_plugins.slow"}])
    work = run(path, "engine.workers=2", last="filter")
    pids = {row for shard in work.filtered.path.glob("*.parquet") for row in _column(shard, "pid")}
    assert pids and os.getpid() not in pids


def _column(path: Path, name: str) -> list[Any]:
    import pyarrow.parquet as pq

    return list(pq.read_table(path).column(name).to_pylist())


SLOW = """
import os, time
import pyarrow as pa
from pipeline.core import contracts

class Options(contracts.FilterOptions):
    seconds: float = 0

class Filter(contracts.Filter):
    columns = pa.schema([("pid", pa.int64())])

    def __init__(self, options):
        self.seconds = options.seconds

    def decide(self, articles):
        time.sleep(self.seconds)
        return [None] * articles.num_rows, {"pid": [os.getpid()] * articles.num_rows}
"""


# --- processes ---


def started(path: Path, tmp_path: Path) -> Program:
    """A run in a process of its own whose filter takes its time."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    return Program("filter", path, env=environment, start_new_session=True, before=also_from(tmp_path))


def workers_of(pid: int) -> list[int]:
    """The worker processes of a process, once each of them works."""
    found = list[int]()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            line = (stat.parent / "cmdline").read_text()
        except OSError:
            continue
        if int(fields[1]) == pid and "spawn_main" in line:
            found.append(int(stat.parent.name))
    return found


def wait_for_workers(process: Program, path: Path, count: int = 2) -> list[int]:
    """Until they have made a shard, so that all imports are over."""
    decisions = path.parent / "jobs" / "test" / "filtered.decisions"
    while process.poll() is None:
        workers = workers_of(process.pid)
        if len(workers) == count and list(decisions.glob("*.parquet")):
            return workers
        time.sleep(0.02)
    raise AssertionError(process.communicate()[1])


def wait_until_gone(pids: list[int]) -> bool:
    end = time.monotonic() + 30
    while any(map(is_alive, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(is_alive, pids))


@pytest.fixture
def slow_job(make_job: JobMaker, tmp_path: Path) -> Path:
    (tmp_path / "engine_plugins").mkdir()
    (tmp_path / "engine_plugins" / "slow.py").write_text(SLOW)
    run(job(make_job, tmp_path), last="collect")
    return job(make_job, tmp_path, filters=[{"type": "engine_plugins.slow", "seconds": 0.7}], engine={"workers": 2})


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_runs_on_when_the_command_ends(slow_job: Path, tmp_path: Path, ending: signal.Signals) -> None:
    process = started(slow_job, tmp_path)
    workers = wait_for_workers(process, slow_job)
    if ending == signal.SIGINT:
        os.killpg(process.pid, ending)  # as a terminal sends it
    else:
        process.send_signal(ending)
    err = process.communicate(timeout=60)[1]
    assert wait_until_gone(workers)
    assert process.returncode == (-9 if ending == signal.SIGKILL else 3) and "Traceback" not in err
    again = started(slow_job, tmp_path)
    assert "Traceback" not in again.communicate(timeout=60)[1] and again.returncode == 0
    assert not list((slow_job.parent / "jobs").rglob(".*.tmp"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_killed_worker_is_told_in_one_line(slow_job: Path, tmp_path: Path) -> None:
    process = started(slow_job, tmp_path)
    os.kill(wait_for_workers(process, slow_job)[0], signal.SIGKILL)
    err = process.communicate(timeout=60)[1]
    lines = [line for line in err.splitlines() if "worker" in line]
    assert process.returncode == 0 and len(lines) == 1
    assert re.fullmatch(
        r"labelmill: filtered.decisions: a worker process ended \(signal 9\); what it had begun is made again \(\d shards\)",
        lines[0],
    )


@pytest.mark.slow
def test_a_script_without_a_guard_is_not_run_again(make_job: JobMaker, tmp_path: Path) -> None:
    path = job(make_job, tmp_path)
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
        print("begins")
        from pipeline.job.job_file import load_job
        from pipeline.job.workspace import Workspace
        from pipeline.job.run_options import RunOptions
        from pipeline import runner
        runner.run(Workspace(load_job({str(path)!r}, ["engine.workers=2"])), RunOptions(last="filter"))
        """)
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment, timeout=120)
    assert (done.returncode, done.stdout) == (0, "begins\n"), done.stderr
