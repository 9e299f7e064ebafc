"""The ledger: claims, budgets, two workers, salvage; the same for SQLite and for a real PostgreSQL server."""

from __future__ import annotations

import hashlib
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.core.errors import ConfigError, InputError, LabelmillError
from pipeline.core.types import Article, Reply, Request, Usage
from pipeline.label.engine.question import Ask, Outcome
from pipeline.label.ledger import Ledger, Record, open_ledger
from pipeline.label.ledger import claims as claims_module
from pipeline.label.ledger.claims import Wanted
from tests import postgres
from tests.conftest import ROOT, JobMaker, command, rows, run, work_of
from tests.openai_server import Server, completion, keyphrases
from tests.test_label import error, openai_job, start, wait_for

Opener = Callable[[], Ledger]


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not postgres.binary("initdb"):
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with postgres.running(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens the same ledger again and again, each time as another worker."""
    target: Path | str = tmp_path / "ledger.sqlite"
    if request.param == "postgres":
        target = request.getfixturevalue("postgres_url")
    ledgers = []

    def again() -> Ledger:
        ledgers.append(open_ledger(target, tmp_path.name))
        ledgers[-1].start()
        return ledgers[-1]

    yield again
    for ledger in ledgers:
        ledger.close()


def key(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def wanted(*numbers: int, ask: int = 1, usd: float = 0.0) -> list[Wanted]:
    return [Wanted(key(number), ask, usd) for number in numbers]


def outcome(
    number: int, text: str | None = "a; b", usd: float = 0.0, ask: int = 1, lost: float | None = None
) -> Outcome:
    asked = Ask(Request(key(number), Article(str(number), None, "", "")), ask, lost_usd=lost)
    if text is None:
        return Outcome(asked, failure="timeout")
    reply = Reply(text, "stop", "m", f"r{number}", Usage(10, 1, 2, 3), "flex")
    record = Record(key(number), "answered", reply, 2, 0.5, "2026-11-21T00:00:00", usd, ask=ask, note="cut")
    return Outcome(asked, record, usd)


def test_a_record_comes_back_as_it_was_stored(opened: Opener) -> None:
    ledger = opened()
    ledger.claim(wanted(1))
    ledger.append([outcome(1, "가나\0다 \ud800", 0.25)])
    ledger.claim(wanted(1, ask=2))
    ledger.append([outcome(1, "again", ask=2)])
    first, second = ledger.get([key(1), key(2)])[key(1)]
    assert first.reply == Reply("가나�다 ?", "stop", "m", "r1", Usage(10, 1, 2, 3), "flex")
    assert (first.cost_usd, first.attempts, first.note, second.ask) == (0.25, 2, "cut", 2)
    assert ledger.totals()["records"] == 2 and ledger.totals()["articles"] == 1
    assert ledger.asked_again() == [{"reason": "-", "requests": 1}]
    assert ledger.by_model_and_day()[0]["tier"] == "flex"
    ledger.check()


def test_a_request_is_claimed_once(opened: Opener) -> None:
    one, two = opened(), opened()
    assert one.claim(wanted(1, 2, 3)).granted == {key(1), key(2), key(3)}
    found = two.claim(wanted(2, 3, 4))
    assert (found.granted, found.held) == ({key(4)}, {key(2), key(3)})
    one.append([outcome(1), outcome(2), outcome(3, None)])
    found = two.claim(wanted(2, 3))
    assert (found.granted, found.answered) == ({key(3)}, {key(2)})
    assert two.claim(wanted(2, ask=2)).granted == {key(2)}


def test_what_is_there_already_stays(opened: Opener) -> None:
    one, two = opened(), opened()
    one.append([outcome(1, "first")])
    two.append([outcome(1, "second")])
    assert [record.reply and record.reply.text for record in one.get([key(1)])[key(1)]] == ["first"]


CLAIM = """
import sys; from pathlib import Path; from pipeline.label.ledger import open_ledger; from pipeline.label.ledger.claims import Wanted
target = sys.argv[1] if "://" in sys.argv[1] else Path(sys.argv[1])
ledger = open_ledger(target, sys.argv[2]); ledger.start()
ledger.claim([Wanted(bytes.fromhex(sys.argv[3]), 1, 0.5)]); print("claimed", flush=True); sys.stdin.read()
"""


def test_the_claims_of_a_killed_process_are_taken_over_at_once(opened: Opener, tmp_path: Path) -> None:
    ledger = opened()
    target = ledger.where if "://" not in ledger.where else ledger.where.replace("://", "://labelmill:sesame@")
    process = subprocess.Popen(
        [sys.executable, "-c", CLAIM, target, tmp_path.name, key(1).hex()], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout and process.stdout.readline() == b"claimed\n"
    assert ledger.claim(wanted(1)).held == {key(1)}
    process.kill()
    process.wait()
    assert ledger.claim(wanted(1)).granted == {key(1)}
    money = ledger.spending()
    assert (money.lost, money.lost_requests) == (0.5, 1)  # it may have been sent, and billed


def test_the_claims_of_another_host_are_taken_over_after_its_lease(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims_module, "this_host", lambda: "elsewhere")
    away = opened()
    away.claim(wanted(1, 2))
    monkeypatch.setattr(claims_module, "this_host", lambda: "here")
    here = opened()
    assert here.claim(wanted(1)).held == {key(1)}
    monkeypatch.setattr(claims_module, "LEASE_SECONDS", -1.0)
    away.renew()  # its lease has run out
    monkeypatch.undo()
    assert here.claim(wanted(1)).granted == {key(1)}
    assert away.renew() == set()  # it has lost all of them, and is told so
    assert away.renew() is None


def test_a_budget_holds_over_all_workers(opened: Opener) -> None:
    one, two = opened(), opened()
    assert one.claim(wanted(1, 2, 3, usd=0.3), 1.0).granted == {key(1), key(2), key(3)}
    found = two.claim(wanted(4, usd=0.3), 1.0)
    assert (found.granted, found.unaffordable) == (set(), {key(4)})
    one.append([outcome(1, usd=0.1), outcome(2, None, lost=0.3)])
    assert two.claim(wanted(4, 5, usd=0.3), 1.0).granted == {key(4)}  # 0.1 spent, 0.3 lost, 0.3 reserved
    assert two.spending().spent == pytest.approx(0.1) and two.spending().lost == pytest.approx(0.3)


def test_export(opened: Opener, tmp_path: Path) -> None:
    ledger = opened()
    ledger.append([outcome(number) for number in range(300)])
    assert ledger.export(tmp_path / "all.parquet") == 300
    found = pq.read_table(tmp_path / "all.parquet").to_pylist()
    assert {row["key"] for row in found} == {key(number).hex() for number in range(300)}


def test_a_ledger_of_the_first_format_is_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    with sqlite3.connect(path) as database:
        database.execute(
            """CREATE TABLE replies (key BLOB NOT NULL, ask INTEGER NOT NULL, status TEXT NOT NULL, reply TEXT,
            finish_reason TEXT, model TEXT, request_id TEXT, input_tokens INTEGER, cached_tokens INTEGER,
            output_tokens INTEGER, cost_usd REAL, attempts INTEGER NOT NULL, seconds REAL NOT NULL,
            finished_at TEXT NOT NULL, error_code TEXT, error TEXT, PRIMARY KEY (key, ask))"""
        )
        database.execute(
            "INSERT INTO replies (key, ask, status, reply, cost_usd, attempts, seconds, finished_at)"
            " VALUES (?, 1, 'answered', 'a', 0.5, 1, 1.0, '2026-11-20')",
            (key(1),),
        )
        database.execute("PRAGMA user_version=1")
    ledger = open_ledger(path, "x")
    [record] = ledger.get([key(1)])[key(1)]
    assert record.reply and record.reply.text == "a" and record.lane == "online"
    assert ledger.spending().spent == 0.5
    ledger.close()


def test_salvage_saves_what_can_be_read(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server, 600)
    work = run(path, last="label")
    file = Path(work.ledger_target)
    data = bytearray(file.read_bytes())
    draw = random.Random(3)
    for page in draw.sample(range(8, len(data) // 4096), 12):
        data[page * 4096 : page * 4096 + 512] = bytes(512)
    file.write_bytes(data)
    result = command("ledger", path, "--check")
    assert result.returncode == 1 and "--salvage" in result.stderr
    result = command("ledger", path, "--salvage")
    assert result.returncode == 0, result.stderr
    assert command("ledger", path, "--check").returncode == 0
    saved = open_ledger(file, "test").totals()["records"]
    assert 300 < saved < 600
    asked = sum(server.seen.values())
    for manifest in work.requests.path.glob("*.json"):
        manifest.unlink()  # so that the stage looks again
    run(path, last="clean")
    assert sum(server.seen.values()) == asked + 600 - saved
    assert len(rows(work, "labels")) == 600


def test_salvage_finds_records_that_no_page_leads_to(make_job: JobMaker, server: Server) -> None:
    """The page that leads to all others, and every second kilobyte of reply that flows over, are gone."""
    server.script = lambda body, times: (200, completion(body, keyphrases(body) + "; " + "harbour " * 2000), {})
    path = openai_job(make_job, server, 60, brake=None)
    file = Path(run(path, last="label").ledger_target)
    with sqlite3.connect(file) as database:
        [(root,)] = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'replies'")
    data = bytearray(file.read_bytes())
    data[(root - 1) * 4096 : root * 4096] = random.Random(1).randbytes(4096)
    file.write_bytes(data)
    result = command("ledger", path, "--salvage")
    assert result.stdout.startswith("60 records saved"), result.stdout + result.stderr
    asked = sum(server.seen.values())
    assert run(path, last="label") and sum(server.seen.values()) == asked
    assert command("ledger", path, "--salvage").stdout == "the ledger is sound: nothing to salvage\n"


def test_a_ledger_that_was_emptied_or_is_gone_is_no_new_one(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server, 20)
    file = Path(run(path).ledger_target)
    asked = sum(server.seen.values())
    file.rename(file.with_suffix(".away"))
    with pytest.raises(InputError, match="holds no answers, but this job got 20"):
        run(path)
    file.write_bytes(b"")
    with pytest.raises(InputError, match="it is empty, which a ledger never is"):
        run(path)
    assert sum(server.seen.values()) == asked


@pytest.mark.parametrize("where", ["sqlite", "postgres"])
@pytest.mark.parametrize("killed", [False, True])
def test_two_processes_label_one_job(
    make_job: JobMaker, server: Server, request: pytest.FixtureRequest, tmp_path: Path, where: str, killed: bool
) -> None:
    server.latency = 0.02
    label = {"limits": {"concurrency": 10}}
    if where == "postgres":
        os.environ["TEST_LEDGER_URL"] = request.getfixturevalue("postgres_url")
        label["ledger"] = "${TEST_LEDGER_URL}"  # type: ignore[assignment]
    path = openai_job(make_job, server, 600, **label)
    run(path, f"name={tmp_path.name}", last="filter")
    work = work_of(path, f"name={tmp_path.name}")
    override = ("--set", f"name={tmp_path.name}")
    processes = [start(path, "label", *override) for _ in range(2)]
    wait_for(server, 150)
    if killed:
        processes[0].kill()
        processes[0].wait()
    outputs = [process.communicate(timeout=60)[1] for process in processes]
    assert processes[1].returncode == 0, outputs[1]
    twice = sum(count - 1 for count in server.answered.values())
    assert len(server.answered) == 600
    assert twice <= (10 + 50 if killed else 0)
    assert len(rows(run(path, f"name={tmp_path.name}", last="clean"), "labels")) == 600
    assert "sesame" not in (work.path / "events.jsonl").read_text() + str(outputs)


def test_a_password_never_shows(make_job: JobMaker, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    address = "postgresql://kim:opensesame@127.0.0.1:9/none"
    path = openai_job(make_job, server, 1, ledger="${SECRET_URL}")
    result = command("ledger", path, SECRET_URL=address)
    assert result.returncode == 1 and "127.0.0.1:9/none: the ledger cannot be used" in result.stderr
    assert "opensesame" not in result.stderr and result.stderr.count("\n") == 1
    with pytest.raises(ConfigError, match="a password is only named here"):
        work_of(openai_job(make_job, server, 1, ledger=address))


def test_a_ledger_elsewhere(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    run(openai_job(make_job, server, 3, ledger="shared/ours.sqlite"), last="label")
    assert open_ledger(tmp_path / "shared" / "ours.sqlite", "x").totals()["answered"] == 3
    with pytest.raises((InputError, LabelmillError)):
        (tmp_path / "shared" / "ours.sqlite").write_bytes(b"no database at all, but long enough to be looked at" * 100)
        open_ledger(tmp_path / "shared" / "ours.sqlite", "x")


def test_errors_by_class(make_job: JobMaker, server: Server) -> None:
    server.script = lambda body, times: error(400, "bad_words") if "3x" in body["messages"][-1]["content"] else None
    work = run(openai_job(make_job, server, 5), last="label")
    assert open_ledger(work.ledger_target, "test").errors_by_class()[0]["error"] == "bad_words"
