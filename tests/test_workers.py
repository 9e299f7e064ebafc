"""Who asks at this moment, as `status` tells it from the ledger alone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipeline.label.ledger import Ledger, open_ledger
from tests.conftest import JobMaker, command, run
from tests.openai_server import Running, Server
from tests.test_label import openai_job, start, wait_for
from tests.test_ledger import key, outcome, wanted

Opener = Callable[[], Ledger]


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Open one more worker of the same ledger."""
    target = tmp_path / "ledger.sqlite" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    ledgers: list[Ledger] = []

    def opener() -> Ledger:
        ledgers.append(open_ledger(target, tmp_path.name))
        ledgers[-1].start()
        return ledgers[-1]

    yield opener
    for ledger in ledgers:
        ledger.close()


@pytest.fixture
def server() -> Iterator[Server]:
    with Running(Server(latency=0.02)) as server:
        yield server


def test_each_worker_has_what_it_holds_and_adds(opened: Opener) -> None:
    one, two, three = opened(), opened(), opened()
    one.claims.claim(wanted(1, 2, 3))
    one.append([outcome(1)])
    one.append([outcome(2), outcome(9, None)])  # what got no answer does not count
    two.claims.claim(wanted(4))
    three.close()  # it ended
    rows = two.workers.all()
    assert [(row.state, row.claims, row.answers, row.adds) for row in rows] == [
        ("answering", 1, 2, True),
        ("starting", 1, 0, True),
    ]
    assert all(row.pid == os.getpid() and row.host and "/" not in row.host for row in rows)
    assert rows[0].answers_a_minute and rows[0].answers_a_minute > 0 == rows[1].answers_a_minute


def test_a_process_that_starts_once_more_is_one_worker(opened: Opener) -> None:
    """A run with a prompt before the label's asks twice: each time the limits are its own, and the way is free at once."""
    ledger = opened()
    ledger.claims.claim(wanted(1))
    ledger.start("something else")
    assert (ledger.claims.workers(), len(ledger.workers.all())) == (1, 1)
    ledger.start("something else")
    assert (ledger.claims.workers(), len(ledger.workers.all())) == (1, 1)
    assert ledger.claims.claim(wanted(1)).granted == {wanted(1)[0].key}


def test_who_adds_nothing(opened: Opener) -> None:
    """No answer for a while, a process that is gone, a lease that ran out; a rate is of lately, not of all time."""
    silent, killed, away = (opened() for _ in range(3))
    for number, ledger in enumerate((silent, killed, away)):
        ledger.claims.claim(wanted(number, number + 10))
        ledger.append([outcome(number)])
    execute = silent.database.execute
    execute("UPDATE worker_answers SET slot = slot - 20, last_at = last_at - 100")
    execute("UPDATE workers SET started_at = started_at - 1000")
    execute("UPDATE workers SET pid = 2147480000 WHERE worker = ?", (killed.claims.worker,))
    execute("UPDATE workers SET lease_until = 1, host = 'elsewhere/boot' WHERE worker = ?", (away.claims.worker,))
    rows = {row.state + row.host[:9] * (row.host == "elsewhere"): row for row in silent.workers.all()}
    assert sorted(rows) == ["gone", "goneelsewhere", "silent"]
    assert [(row.claims, row.answers, row.answers_a_minute, row.adds) for row in rows.values()] == [
        (1, 1, 0.0, False)
    ] * 3
    assert rows["silent"].silent_seconds >= 100 and rows["silent"].seconds >= 1000
    silent.append([outcome(10)])
    assert {row.state for row in silent.workers.all()} == {"answering", "gone"}


def test_a_ledger_of_before_the_counts(opened: Opener, tmp_path: Path) -> None:
    ledger = opened()
    if "://" in ledger.where:
        pytest.skip("PostgreSQL makes what is missing as it is opened")
    ledger.claims.claim([*wanted(1)])
    ledger.database.execute("DROP TABLE worker_answers")
    [row] = ledger.workers.all()
    assert (row.state, row.claims, row.answers, row.answers_a_minute) == ("starting", 1, None, None)
    with closing(open_ledger(tmp_path / "ledger.sqlite", "again")) as again:
        assert again.database.has_table("worker_answers")
        ledger.append([outcome(1)])
    assert ledger.get([key(1)])


@pytest.mark.slow
def test_status_names_the_processes_that_label_and_the_one_that_was_killed(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server, 120, limits={"concurrency": 5})
    run(path, last="filter")
    server.hold = lambda body: sum(server.answered.values()) >= 60  # from then on nobody is answered
    processes = [start(path, "label") for _ in range(2)]
    wait_for(server, 60)
    rows: list[dict[str, Any]] = []
    while len([row for row in rows if row["claims"]]) < 2 or sum(row["answers"] for row in rows) < sum(
        server.answered.values()
    ):
        rows = json.loads(command("status", path, "--json").stdout)["workers"]
    assert {row["pid"] for row in rows} == {process.pid for process in processes}
    assert sum(row["answers"] for row in rows) == sum(server.answered.values()) >= 60
    assert all(row["adds"] for row in rows)
    text = command("status", path).stdout
    assert f"pid {processes[0].pid}  " in text and " a minute" in text
    processes[0].kill()
    processes[0].wait()
    lines = [line for line in command("status", path).stdout.splitlines() if line.startswith("worker ")]
    assert [("adds nothing: its process is gone" in line) for line in lines if f"pid {processes[0].pid} " in line] == [
        True
    ]
    server.released.set()
    assert processes[1].wait(60) == 0
    assert "worker " not in command("status", path).stdout
