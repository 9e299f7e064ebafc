"""Engine `ray`: the bytes of every other engine, also where a node is lost."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import LabelmillError
from tests import engine_maps as maps
from tests.conftest import ROOT, JobMaker, run
from tests.program import Program, also_from
from tests.test_engines import SLOW, job, mapped, shards, wait_until_gone

pytest.importorskip("ray")
from pipeline.engines.kinds import ray as ray_engine

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes of one core each on this machine; what runs there imports this project, too."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    import ray

    ray.shutdown()
    made.shutdown()


def started(*arguments: str | Path, folder: Path) -> Program:
    """A command in a process of its own, which and whose workers have the plugins of a folder."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"}
    return Program(*arguments, env=environment, before=also_from(folder), imported=("ray",))


def test_two_nodes_of_which_one_is_killed(
    cluster: Any, make_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ray_plugins").mkdir()
    (tmp_path / "ray_plugins" / "slow.py").write_text(SLOW.replace("[os.getpid()]", "[7]"))
    monkeypatch.syspath_prepend(tmp_path)
    filters = [{"type": "ray_plugins.slow", "seconds": 1.0}, {"type": "tokens", "min": 5}, {"type": "duplicates"}]
    path = job(make_job, tmp_path, filters=filters)
    one = run(path, "engine.workers=1", "filters.0.seconds=1.0")
    second, on_ray = cluster.add_node(num_cpus=1), tmp_path / "on_ray"
    decisions = on_ray / "test" / "filtered.decisions"

    def kill_it() -> None:
        while not list(decisions.glob("*.parquet")):
            time.sleep(0.05)
        cluster.remove_node(second, allow_graceful=False)

    killer = threading.Thread(target=kill_it)
    killer.start()
    sets = ("engine.type=ray", f"engine.address={cluster.address}", f"workspace={on_ray}")
    # in a process: Ray talks by the machine's own address, where tests may not
    done = started("run", path, *(part for value in sets for part in ("--set", value)), folder=tmp_path)
    err = done.communicate(timeout=100)[1]
    assert done.returncode == 0 and "Traceback" not in err, err
    killer.join()
    assert shards(one.path) == shards(on_ray / "test") and not list(on_ray.rglob(".*.tmp"))


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_runs_on_when_the_command_ends(make_job: JobMaker, tmp_path: Path, ending: signal.Signals) -> None:
    (tmp_path / "ray_plugins").mkdir()
    (tmp_path / "ray_plugins" / "slow.py").write_text(SLOW)
    filters = [{"type": "ray_plugins.slow", "seconds": 0.7}]
    path = job(make_job, tmp_path, filters=filters, engine={"type": "ray", "address": None})
    running = started("run", path, "--to", "filter", folder=tmp_path)
    folder = path.parent / "jobs" / "test"
    while not list((folder / "filtered.decisions").glob("*.parquet")):
        assert running.poll() is None, running.communicate()[1]
        time.sleep(0.05)
    pids = {pid for file in (folder / "filtered.decisions").glob("*.parquet") for pid in _pids(file)}
    running.send_signal(ending)
    err = running.communicate(timeout=90)[1]
    assert wait_until_gone(sorted(pids)) and "Traceback" not in err
    assert running.returncode == (-9 if ending == signal.SIGKILL else 3), err


def _pids(path: Path) -> list[int]:
    import pyarrow.parquet as pq

    return list(pq.read_table(path).column("pid").to_pylist())


def test_a_cluster_that_is_not_there_is_one_line() -> None:
    with pytest.raises(LabelmillError, match=r"engine.address: 127.0.0.1:1: no Ray cluster to be reached"):
        list(mapped(ray_engine.Engine(ray_engine.Options(address="127.0.0.1:1")), maps.doubler, 1))


@pytest.fixture(scope="module")
def engine() -> Iterator[ray_engine.Engine]:
    """One on a cluster of its own, for all tests below."""
    made = ray_engine.Engine(ray_engine.Options(address=None))
    yield made
    made.close()


def test_a_cluster_that_others_have_is_waited_for_in_so_many_words(
    engine: ray_engine.Engine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "_LOOK_SECONDS", 2)
    ray = engine._connected()
    cores = ray.cluster_resources()["CPU"]
    other = ray.remote(Other).options(num_cpus=cores).remote()
    ray.get(other.ready.remote())

    def leave_when_told() -> None:
        while not caplog.records:
            time.sleep(0.05)
        ray.kill(other)

    threading.Thread(target=leave_when_told, daemon=True).start()
    assert sorted(mapped(engine, maps.doubler, *range(4))) == [0, 2, 4, 6]
    assert [record.getMessage() for record in caplog.records] == [
        f"filter: nothing has ended for 2 s, and others had the {cores:g} cores of the cluster; it begins when they "
        "leave some; to run on this machine instead: Ctrl-C, then the same command with --set engine.type=local"
    ]


class Other:
    """What has all cores of a cluster."""

    def ready(self) -> bool:
        return True


def test_what_a_task_raises_and_says_is_ours(engine: ray_engine.Engine, caplog: pytest.LogCaptureFixture) -> None:
    list(mapped(engine, maps.logging_one, "a", "b"))
    assert sorted(record.getMessage() for record in caplog.records) == ["about a", "about b"]
    assert sorted(mapped(engine, maps.doubler, *range(9))) == [2 * number for number in range(9)]
    large = ray_engine.Engine(ray_engine.Options(address=None, cpus=4096))  # of the cluster that is there
    with pytest.raises(
        LabelmillError, match=r"filter: engine.cpus: 4096, and the largest node of the cluster has \d+;"
    ):
        list(mapped(large, maps.doubler, 1))
    # the last one: what fails takes a cluster of ours with it
    with pytest.raises(LabelmillError, match=re.escape("labelmill[sql]")):
        list(mapped(engine, partial(maps.failing, "MissingExtra"), 1, 2, 3))
