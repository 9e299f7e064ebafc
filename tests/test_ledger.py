"""The ledger: claims, budgets, two workers, salvage; the same for SQLite and for a real PostgreSQL server."""

from __future__ import annotations

import hashlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.core.errors import ConfigError, InputError, LabelmillError
from pipeline.core.types import Article, Reply, Request, Usage
from pipeline.job.workspace import Workspace
from pipeline.label.engine.request_attempt import AttemptOutcome, RequestAttempt
from pipeline.label.ledger import Ledger, Record, open_ledger
from pipeline.label.ledger import claims as claims_module
from pipeline.label.ledger.claims import Wanted
from pipeline.label.ledger.tariffs import LongPromptFactors, Tariff
from tests.conftest import ROOT, JobMaker, command, rows, run, work_of
from tests.openai_server import Server, completion, keyphrases
from tests.test_label import error, openai_job, start, wait_for

Opener = Callable[..., Ledger]


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens the same ledger again and again, each time as another worker."""
    target: Path | str = tmp_path / "ledger.sqlite"
    if request.param == "postgres":
        target = request.getfixturevalue("postgres_url")
    ledgers = []

    def again(asked: str = "") -> Ledger:
        ledgers.append(open_ledger(target, tmp_path.name))
        ledgers[-1].start(asked)
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
) -> AttemptOutcome:
    asked = RequestAttempt(Request(key(number), Article(str(number), None, "", "")), ask, lost_usd=lost)
    if text is None:
        return AttemptOutcome(asked, failure="timeout")
    reply = Reply(text, "stop", "m", f"r{number}", Usage(10, 1, 2, 3), "flex")
    record = Record(key(number), "answered", reply, 2, 0.5, "2026-11-21T00:00:00", usd, ask=ask, note="cut")
    return AttemptOutcome(asked, record, usd)


def test_a_record_comes_back_as_it_was_stored(opened: Opener) -> None:
    ledger = opened()
    ledger.claims.claim(wanted(1))
    ledger.append([outcome(1, "가나\0다 \ud800", 0.25)])
    ledger.claims.claim(wanted(1, ask=2))
    ledger.append([outcome(1, "again", ask=2)])
    first, second = ledger.get([key(1), key(2)])[key(1)]
    assert first.reply == Reply("가나�다 ?", "stop", "m", "r1", Usage(10, 1, 2, 3), "flex")
    assert (first.cost_usd, first.attempts, first.note, second.ask) == (0.25, 2, "cut", 2)
    assert ledger.report.totals()["records"] == 2 and ledger.report.totals()["articles"] == 1
    assert ledger.report.asked_again() == [{"reason": "-", "requests": 1}]
    assert ledger.report.by_model_and_day()[0]["tier"] == "flex"
    ledger.database.check()


def test_a_request_is_claimed_once(opened: Opener) -> None:
    one, two = opened(), opened()
    assert one.claims.claim(wanted(1, 2, 3)).granted == {key(1), key(2), key(3)}
    found = two.claims.claim(wanted(2, 3, 4))
    assert (found.granted, found.held) == ({key(4)}, {key(2), key(3)})
    one.append([outcome(1), outcome(2), outcome(3, None)])
    found = two.claims.claim(wanted(2, 3))
    assert (found.granted, found.answered) == ({key(3)}, {key(2)})
    assert two.claims.claim(wanted(2, ask=2)).granted == {key(2)}


def test_what_is_there_already_stays(opened: Opener) -> None:
    one, two = opened(), opened()
    one.append([outcome(1, "first")])
    two.append([outcome(1, "second")])
    assert [record.reply and record.reply.text for record in one.get([key(1)])[key(1)]] == ["first"]


@pytest.mark.parametrize("order", ["as they were asked", "mixed", "some of many"])
def test_what_many_keys_took_is_what_each_took(opened: Opener, order: str) -> None:
    ledger, numbers = opened(), list(range(3000))
    ledger.put(outcome(number, usd=number / 7).record for number in numbers if number % 11)
    again = [outcome(number, "again", ask=ask).record for number in numbers[::100] for ask in (2, 3)]
    ledger.put(record for record in again if record is not None)
    asked = {"as they were asked": numbers[300:1700], "mixed": random.Random(1).sample(numbers, 2000)}.get(
        order, numbers[::3]
    )
    keys = [key(number) for number in asked]
    one_by_one = [row for each in keys for row in ledger.taken([each])]
    assert [tuple(row) for row in ledger.taken(keys)] == [tuple(row) for row in one_by_one]
    ledger.put([outcome(asked[2], "a third time", ask=9).record])
    assert len(ledger.taken(keys)) == len(one_by_one) + 1


CLAIM = """
import sys; from pathlib import Path; from pipeline.label.ledger import open_ledger; from pipeline.label.ledger.claims import Wanted
target = sys.argv[1] if "://" in sys.argv[1] else Path(sys.argv[1])
ledger = open_ledger(target, sys.argv[2]); ledger.start()
ledger.claims.claim([Wanted(bytes.fromhex(sys.argv[3]), 1, 0.5)]); print("claimed", flush=True); sys.stdin.read()
"""


def test_the_claims_of_a_killed_process_are_taken_over_at_once(opened: Opener, tmp_path: Path) -> None:
    ledger = opened()
    target = ledger.where if "://" not in ledger.where else ledger.where.replace("://", "://labelmill:sesame@")
    process = subprocess.Popen(
        [sys.executable, "-c", CLAIM, target, tmp_path.name, key(1).hex()], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout and process.stdout.readline() == b"claimed\n"
    assert ledger.claims.claim(wanted(1)).held == {key(1)}
    process.kill()
    process.wait()
    assert ledger.claims.claim(wanted(1)).granted == {key(1)}
    money = ledger.report.spending()
    assert (money.lost, money.lost_requests) == (0.5, 1)  # it may have been sent, and billed


def test_the_claims_of_another_host_are_taken_over_after_its_lease(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims_module, "this_host", lambda: "elsewhere")
    away = opened()
    away.claims.claim(wanted(1, 2))
    monkeypatch.setattr(claims_module, "this_host", lambda: "here")
    here = opened()
    assert here.claims.claim(wanted(1)).held == {key(1)}
    monkeypatch.setattr(claims_module, "LEASE_SECONDS", -1.0)
    away.claims.renew()  # its lease has run out
    monkeypatch.undo()
    assert here.claims.claim(wanted(1)).granted == {key(1)}
    assert away.claims.renew() == set()  # it has lost all of them, and is told so
    assert away.claims.renew() is None


def test_a_budget_holds_over_all_workers(opened: Opener) -> None:
    one, two = opened(), opened()
    assert one.claims.claim(wanted(1, 2, 3, usd=0.3), 1.0).granted == {key(1), key(2), key(3)}
    found = two.claims.claim(wanted(4, usd=0.3), 1.0)
    assert (found.granted, found.unaffordable) == (set(), {key(4)})
    one.append([outcome(1, usd=0.1), outcome(2, None, lost=0.3)])
    assert two.claims.claim(wanted(4, 5, usd=0.3), 1.0).granted == {key(4)}  # 0.1 spent, 0.3 lost, 0.3 reserved
    assert two.report.spending().spent == pytest.approx(0.1) and two.report.spending().lost == pytest.approx(0.3)


# --- tariffs ---

TARIFF = Tariff("asked", 1e-6, 4e-6, 1.0, 100)  # dollars of a token; 1 token a byte; 100 tokens a reply
DEARER = TARIFF._replace(input_usd=1e-5, output_usd=2e-5, raised=1)


def by_tariff(tariff: Tariff, *numbers: int, size: int = 600) -> list[Wanted]:
    most = size * tariff.input_usd + tariff.output_tokens * tariff.output_usd
    return [Wanted(key(number), 1, most, size) for number in numbers]


def test_few_are_claimed_until_a_reply_has_told_who_answers(opened: Opener) -> None:
    one, two = opened("asked"), opened("asked")
    assert len(one.claims.claim(by_tariff(TARIFF, *range(6)), 9.0, TARIFF).granted) == 6
    found = two.claims.claim(by_tariff(TARIFF, *range(6, 12)), 9.0, TARIFF)
    assert (found.granted, found.waiting) == ({key(6), key(7)}, {key(8), key(9), key(10), key(11)})
    assert not found.unaffordable and found.tariff is None
    assert opened("else").claims.claim(by_tariff(TARIFF, 20), 9.0, TARIFF._replace(asked="else")).granted
    one.append([outcome(0, None, lost=1e-9), outcome(1, None)])  # one may have been billed, one was not
    assert len(two.claims.claim(by_tariff(TARIFF, *range(8, 12)), 9.0, TARIFF).granted) == 1
    assert one.append([outcome(2)], TARIFF) == TARIFF
    found = two.claims.claim(by_tariff(TARIFF, *range(30, 90)), 9.0, TARIFF)
    assert len(found.granted) == 60 and found.tariff == TARIFF


def test_where_all_were_lost_one_more_is_claimed_or_nobody_would_ever_know(opened: Opener) -> None:
    ledger = opened("asked")
    assert len(ledger.claims.claim(by_tariff(TARIFF, *range(12)), 9.0, TARIFF).granted) == 8
    assert ledger.claims.may_repeat(key(0), None, 9.0, TARIFF)  # it was not billed
    assert not ledger.claims.may_repeat(key(0), 1e-9, 9.0, TARIFF)
    ledger.append([outcome(number, None, lost=1e-9) for number in range(8)])
    assert ledger.report.spending().lost_requests == 9
    assert ledger.claims.claim(by_tariff(TARIFF, 8, 9), 9.0, TARIFF).granted == {key(8)}
    assert ledger.claims.may_repeat(key(8), 1e-9, 9.0, TARIFF)
    assert len(ledger.claims.claim(by_tariff(TARIFF, 9, 10), 9.0, TARIFF).waiting) == 2
    assert ledger.claims.claim(by_tariff(TARIFF, 9, 10), 9.0, TARIFF, idle=1).granted == {
        key(9)
    }  # the other was turned down


def test_a_dearer_reply_raises_what_all_have_reserved_and_lost(opened: Opener) -> None:
    one, two, other = opened("asked"), opened("asked"), opened("other")
    one.append([outcome(0)], TARIFF)
    assert (
        one.claims.claim(by_tariff(TARIFF, 1, 2), 9.0, TARIFF).granted
        and two.claims.claim(by_tariff(TARIFF, 3), 9.0, TARIFF).granted
    )
    other.claims.claim([Wanted(key(4), 1, 0.001, 600)], 9.0, TARIFF._replace(asked="other"))
    one.append([outcome(1, None, lost=1e-9)])
    small, large = 600 * 1e-6 + 100 * 4e-6, 600 * 1e-5 + 100 * 2e-5
    assert one.report.spending().reserved == pytest.approx(
        2 * small + 0.001
    ) and one.report.spending().lost == pytest.approx(small)
    assert two.append([outcome(3, usd=0.5)], DEARER) == DEARER
    assert one.report.spending().reserved == pytest.approx(
        large + 0.001
    ) and one.report.spending().lost == pytest.approx(large)
    found = one.claims.claim(by_tariff(TARIFF, 5), 9.0, TARIFF)
    assert (found.granted, found.waiting, found.tariff) == (set(), {key(5)}, DEARER)  # reckoned by the old one
    assert two.claims.claim(by_tariff(DEARER, 5), 9.0, DEARER).waiting == {key(5)}  # 2 is not settled yet
    assert not one.claims.may_repeat(key(2), None, 9.0, TARIFF)
    one.append([outcome(2, None, lost=1e-9)])  # by a process that has not heard of it
    assert one.report.spending().lost == pytest.approx(2 * large)
    assert two.claims.claim(by_tariff(DEARER, 5), 9.0, DEARER).granted == {key(5)}


def test_a_raise_reserves_for_long_prompts_what_they_cost(opened: Opener) -> None:
    one, two = opened("asked"), opened("asked")
    one.append([outcome(0)], TARIFF)
    two.claims.claim([*by_tariff(TARIFF, 1, size=599), *by_tariff(TARIFF, 2, size=601)], 9.0, TARIFF)
    one.append([], DEARER, LongPromptFactors(600, 2.0, 1.5))
    short, long = 599 * 1e-5 + 100 * 2e-5, 2 * 601 * 1e-5 + 1.5 * 100 * 2e-5
    assert two.report.spending().reserved == pytest.approx(short + long)
    two.append([outcome(2, None)])
    assert two.report.spending().reserved == pytest.approx(short)


def test_two_that_hear_at_once_come_to_one_tariff(opened: Opener) -> None:
    one, two = opened("asked"), opened("asked")
    dear_in, dear_out = TARIFF._replace(input_usd=1e-5, raised=1), TARIFF._replace(output_usd=2e-5, raised=1)
    assert one.append([], dear_in) == dear_in
    both = two.append([], dear_out)
    assert both == DEARER._replace(raised=2)
    assert one.append([], dear_in) == both == one.start("asked")  # what is known by all is no news
    stranger = both._replace(unpriced="stranger", raised=3)
    assert two.append([], stranger) == stranger
    assert one.claims.claim(by_tariff(stranger, 1), 9.0, stranger).waiting == {key(1)}


def test_the_dead_do_not_hold_back_the_living(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims_module, "LEASE_SECONDS", -1.0)
    dead = opened("asked")
    assert len(dead.claims.claim(by_tariff(TARIFF, *range(8)), 9.0, TARIFF).granted) == 8
    monkeypatch.undo()
    living = opened("asked")
    assert living.claims.claim(by_tariff(TARIFF, 9, 10), 9.0, TARIFF).granted == {key(9)}  # eight are lost
    living.append([outcome(9)], DEARER)
    assert living.report.spending().lost == pytest.approx(8 * (600 * 1e-5 + 100 * 2e-5))


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
    assert ledger.report.spending().spent == 0.5
    ledger.close()


FORMAT_2 = (
    """CREATE TABLE replies (key {bytes} NOT NULL, ask INTEGER NOT NULL, reason TEXT, status TEXT NOT NULL, reply TEXT,
    finish_reason TEXT, model TEXT, tier TEXT, lane TEXT, request_id TEXT, input_tokens INTEGER, cached_tokens INTEGER,
    output_tokens INTEGER, cache_write_tokens INTEGER, cost_usd {real}, attempts INTEGER NOT NULL, seconds {real} NOT NULL,
    finished_at TEXT NOT NULL, error_code TEXT, error TEXT, note TEXT, PRIMARY KEY (key, ask))""",
    "CREATE TABLE claims (key {bytes} NOT NULL PRIMARY KEY, worker TEXT NOT NULL, reserved_usd {real} NOT NULL)",
    """CREATE TABLE workers (worker TEXT NOT NULL PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, born TEXT NOT NULL,
    started_at {real} NOT NULL, lease_until {real} NOT NULL, spent_usd {real} NOT NULL DEFAULT 0,
    lost_usd {real} NOT NULL DEFAULT 0, lost_requests INTEGER NOT NULL DEFAULT 0)""",
    "INSERT INTO replies (key, ask, status, reply, cost_usd, attempts, seconds, finished_at)"
    " VALUES (?, 1, 'answered', 'a', 0.5, 1, 1, '')",
    "INSERT INTO claims VALUES (?, 'w', 0.25)",
    "INSERT INTO workers VALUES ('w', 'gone', 1, '', 0, 1, 0.5, 0.125, 2)",
)


@pytest.mark.parametrize("where", ["sqlite", "postgres"])
def test_a_ledger_of_the_second_format_goes_on(tmp_path: Path, request: pytest.FixtureRequest, where: str) -> None:
    """It was written before there were tariffs; its last worker was killed with a claim."""
    target: Path | str = tmp_path / "old.sqlite"
    if where == "sqlite":
        with sqlite3.connect(target) as database:
            for statement in FORMAT_2:
                values = (key(1),) if "?" in statement else ()
                database.execute(statement.format(bytes="BLOB", real="REAL"), values)
            database.execute("PRAGMA user_version=2")
    else:
        import psycopg

        target = request.getfixturevalue("postgres_url")
        with psycopg.connect(target, autocommit=True) as connection:
            schema = f"labelmill_{tmp_path.name}"
            connection.execute(f'CREATE SCHEMA "{schema}"')
            connection.execute(f'SET search_path = "{schema}"')
            for statement in (*FORMAT_2, "CREATE TABLE format (version INTEGER)", "INSERT INTO format VALUES (2)"):
                values = (key(1),) if "?" in statement else None
                text = statement.format(bytes="BYTEA", real="DOUBLE PRECISION").replace("?", "%s")
                connection.execute(text, values)
    for _ in range(2):  # once upgraded, it opens like any other
        ledger = open_ledger(target, tmp_path.name)
        ledger.start("asked")
        assert ledger.get([key(1)])[key(1)][0].cost_usd == 0.5
        money = ledger.report.spending()
        assert (money.spent, money.lost, money.lost_requests) == (0.5, 0.375, 3)
        ledger.append([], DEARER)
        assert ledger.report.spending().lost == 0.375  # of nobody knows which model
        ledger.close()


@pytest.mark.slow
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
    saved = open_ledger(file, "test").report.totals()["records"]
    assert 300 < saved < 600
    asked = sum(server.seen.values())
    for manifest in work.requests.path.glob("*.json"):
        manifest.unlink()  # so that the stage looks again
    run(path, last="clean")
    assert sum(server.seen.values()) == asked + 600 - saved
    assert len(rows(work, "labels")) == 600


@pytest.mark.slow
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


def test_a_ledger_that_a_newer_labelmill_wrote_is_not_salvaged(make_job: JobMaker, server: Server) -> None:
    """It is sound, and may hold what this one does not know."""
    path = openai_job(make_job, server, 5)
    file = Path(run(path, last="label").ledger_target)
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version=99")
    database.close()
    content = file.read_bytes()
    result = command("ledger", path, "--salvage")
    assert result.returncode == 1 and "written by a newer labelmill (format 99); upgrade labelmill" in result.stderr
    assert file.read_bytes() == content and not list(file.parent.glob("*damaged*"))


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


@pytest.mark.slow
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
    assert open_ledger(tmp_path / "shared" / "ours.sqlite", "x").report.totals()["answered"] == 3
    with pytest.raises((InputError, LabelmillError)):
        (tmp_path / "shared" / "ours.sqlite").write_bytes(b"no database at all, but long enough to be looked at" * 100)
        open_ledger(tmp_path / "shared" / "ours.sqlite", "x")


def test_errors_by_class(make_job: JobMaker, server: Server) -> None:
    server.script = lambda body, times: error(400, "bad_words") if "3x" in body["messages"][-1]["content"] else None
    work = run(openai_job(make_job, server, 5), last="label")
    assert open_ledger(work.ledger_target, "test").report.errors_by_class()[0]["error"] == "bad_words"


def test_the_workers_that_live_and_ask_the_same_are_counted(tmp_path: Path) -> None:
    ledgers = [open_ledger(tmp_path / "ledger.sqlite", "test") for _ in range(4)]
    for ledger, asked in zip(ledgers, ("a", "a", "b", "a"), strict=True):
        ledger.start(asked)
    assert [ledger.claims.workers() for ledger in ledgers] == [3, 3, 1, 3]
    ledgers[1].close()
    ledgers[0].database.execute("UPDATE workers SET pid = 2147480000 WHERE worker = ?", (ledgers[3].claims._worker,))
    assert ledgers[0].claims.workers() == 1
    for ledger in (ledgers[0], ledgers[2], ledgers[3]):
        ledger.close()


def test_a_worker_begins_once_the_others_have_seen_it(make_job: JobMaker, server: Server) -> None:
    """They send by limits that are not divided yet, until they look again; so this one waits, and looks again itself."""
    path = openai_job(make_job, server, 2, limits={"requests_per_minute": 6000})
    work = run(path, last="label")
    other, lives = open_ledger(work.ledger_target, "test"), list[list[int]]()
    [(asked,)] = other.database.execute("SELECT asked FROM workers")
    other.start(asked)

    def end_when_seen() -> None:
        while not _live_workers(work):
            time.sleep(0.01)
        other.close()

    server.script = lambda body, times: lives.append(_live_workers(work))  # type: ignore[func-returns-value]
    openai_job(make_job, server, 4, limits={"requests_per_minute": 6000})
    ending = threading.Thread(target=end_when_seen)
    ending.start()
    run(path, last="label")
    ending.join()
    assert lives == [[2, 1], [2, 1]]


def _live_workers(work: Workspace) -> list[int]:
    """Return how many workers lived, by each event that tells of it."""
    events = [json.loads(line) for line in (work.path / "events.jsonl").read_text().splitlines()]
    return [event["live"] for event in events if event["event"] == "workers"]
