"""kill -9 at any moment, two machines on one ledger, an endpoint full of faults: answers kept are answers billed, each once."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.label.ledger import open_ledger
from tests.batch_server import FINAL, BatchServer, Plan, refusal
from tests.conftest import JobMaker, article, rows, run, work_of
from tests.openai_server import Running
from tests.program import Program
from tests.test_batches import LABEL

COUNT, BATCHES, KILLS = (int(os.environ.get(name, default)) for name, default in
                         (("STORM_REQUESTS", "1400"), ("STORM_BATCHES", "7"), ("STORM_KILLS", "12")))  # fmt: skip
# Pauses are short, so that much happens between two kills.
LABELLER = """
from pipeline.label.batches import calls, posting
calls.Pauses.FIRST, calls.LONGEST, posting.GRACE_SECONDS = 0.05, 0.5, 3
"""


class Storm(BatchServer):
    """Draws its faults anew for each call, as long as `is_raging`."""

    draw = random.Random(11)
    is_raging = True

    def fault(self, *kinds: Any, share: float = 0.25) -> list[Any]:
        return [self.draw.choice(kinds)] if self.is_raging and self.draw.random() < share else []

    async def create(self, request: Any) -> Any:
        self.posts = self.fault("void", 500, "made 500", 429)
        end = self.draw.choice(["completed", "completed", "expired", "cancelled"]) if self.is_raging else "completed"
        share = 1.0 if end == "completed" else self.draw.random()
        self.plans = [Plan(self.draw.uniform(0.0, 2.0), end, share, self.refuse, repeats=2, unknown=2)]
        return await super().create(request)

    def refuse(self, line: Any) -> dict[str, Any] | None:
        return refusal(500, "server_error") if self.is_raging and self.draw.random() < 0.02 else None

    async def upload(self, request: Any) -> Any:
        self.uploads = self.fault("void", 500)
        return await super().upload(request)

    async def content(self, request: Any) -> Any:
        self.downloads = self.fault("cut", 500)
        return await super().content(request)

    async def retrieve(self, request: Any) -> Any:
        self.retrievals = self.fault("void", 503, share=0.1)
        return await super().retrieve(request)


@pytest.fixture
def server() -> Iterator[Storm]:
    with Running(Storm()) as running:
        yield running  # type: ignore[misc]


def start(job: Path) -> Program:
    return Program("label", job, "--wait", stdout=True, before=LABELLER)


def wait_for_calls(server: Storm, count: int, process: Program) -> None:
    """Until the endpoint was called so often again: how far a process is, however busy the machine."""
    before, until = server.served.total(), time.monotonic() + 20
    while server.served.total() < before + count and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["sqlite", "postgres"])
def test_kills_at_any_moment(
    make_job: JobMaker,
    server: Storm,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    where: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sections: dict[str, Any] = {
        **LABEL,
        "base_url": server.url,
        "limits": {"batch_requests": COUNT // BATCHES},
        "brake": None,
    }
    if where == "postgres":
        monkeypatch.setenv("TEST_LEDGER_URL", request.getfixturevalue("postgres_url"))
        sections["ledger"] = "${TEST_LEDGER_URL}"
    job = make_job([article(n) for n in range(COUNT)], name=tmp_path.name, label=sections)
    run(job, last="filter")
    jobs = [job]
    if where == "postgres":  # another machine, with a folder of its own
        shutil.copytree(tmp_path, tmp_path.with_name(f"{tmp_path.name}_other"))
        jobs.append(tmp_path.with_name(f"{tmp_path.name}_other") / job.name)
    draw, processes = random.Random(3), {number: start(job) for number, job in enumerate(jobs)}
    kills = 0
    for _ in range(KILLS):
        number = draw.randrange(len(jobs))
        wait_for_calls(server, draw.randrange(1, 7), processes[number])
        time.sleep(draw.choice([0.0, 0.0, 0.01, 0.1, 0.5]) * draw.random())  # also between two calls
        kills += processes[number].poll() is None
        processes[number].kill()
        processes[number].wait()
        processes[number] = start(jobs[number])
    server.is_raging = False
    for number in list(processes):
        for _ in range(4):  # one may pause, where the faults came too thick
            out = "".join(processes[number].communicate(timeout=300))
            if processes[number].returncode == 0:
                break
            assert processes[number].returncode == 3, out
            processes[number] = start(jobs[number])
        assert processes[number].returncode == 0, out

    assert kills >= KILLS * 0.7
    print(kills, "kills", len(server.batches), "batches", dict(server.served))
    ledger = open_ledger(work_of(job).ledger_target, tmp_path.name)
    totals, money = ledger.report.totals(), ledger.report.spending()
    batches = list(server.batches.values())
    twice = {question: count for question, count in server.paid.items() if count > 1}
    assert totals["answered"] == COUNT == len(server.paid)
    assert not twice, (len(twice), [(batch.name, batch.status, len(batch.lines)) for batch in batches])
    assert totals["cost_usd"] == pytest.approx(server.billed_usd) and money.spent == pytest.approx(server.billed_usd)
    assert (money.lost, money.reserved) == (0, 0) and not ledger.batches.under_way()
    assert all(batch.status in FINAL for batch in batches) and len(batches) >= BATCHES
    assert len({batch.name for batch in batches}) == len(batches)
    for place in jobs:
        assert len(rows(run(place, first="clean", last="clean"), "labels")) == COUNT
