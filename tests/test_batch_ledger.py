# ruff: noqa: F811 - fixtures of another file
"""Batches in the ledger: claims that outlive every process, settled once whoever settles them, owned by one at a time."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from pipeline.core.types import Reply, Usage
from pipeline.label.ledger import Record, open_ledger, open_ledger_to_read
from pipeline.label.ledger.batches import FOR_EVER, NotOurs
from tests.test_ledger import Opener, key, opened, wanted  # noqa: F401


def record(number: int, usd: float = 0.25, ask: int = 1) -> tuple[Record, float]:
    reply = Reply("a; b", "stop", "m", "r", Usage(10, 0, 2), "batch")
    return Record(key(number), "answered", reply, 1, 0.0, "2026-11-21T00:00:00", usd, ask=ask, lane="batch"), usd


def test_claims_of_a_batch_survive_everybody(opened: Opener) -> None:
    one = opened("asked")
    one.batches.begin("b1", "http://e/v1", "m", "asked batch", one.claims.worker)
    assert one.batches.claims_of("b1").claim(wanted(1, 2, 3, usd=0.5), 1.1).granted == {
        key(1),
        key(2),
    }  # a budget holds for them, too
    one.close()
    two = opened()
    found = two.claims.claim(wanted(1, 2, 3))
    assert (found.granted, found.held, found.in_batches) == ({key(3)}, {key(1), key(2)}, {key(1), key(2)})
    assert [batch.name for batch in two.batches.under_way("http://e/v1")] == ["b1"]
    assert not two.batches.under_way("http://else/v1")
    holding = two.batches.holdings()["b1"]
    assert (holding.claims, holding.reserved_usd, two.report.spending().lost) == (2, 1.0, 0.0)


def test_a_batch_is_settled_once_whoever_settles_it(opened: Opener) -> None:
    one, two = opened(), opened()
    one.batches.begin("b1", "e", "m", "", one.claims.worker)
    one.batches.claims_of("b1").claim(wanted(1, 2, 3, usd=0.5))
    assert set(one.batches.settle("b1", [record(1), record(2)])) == {key(1), key(2)}
    assert set(two.batches.settle("b1", [record(2), record(3), record(9)])) == {key(3)}  # 9 was never in it
    assert two.report.spending().spent == 0.75 and not two.get([key(9)])
    [batch] = one.batches.all()
    assert (batch.answered, batch.rejected) == (3, 0)
    assert one.batches.end(batch, one.claims.worker, state="completed") == 0
    assert not one.batches.under_way() and one.batches.all()[0].settled_at
    assert one.get([key(1)])[key(1)][0].lane == "batch"


def test_what_a_batch_did_not_answer_is_free_again_or_lost(opened: Opener) -> None:
    ledger = opened()
    for name, numbers in (("b1", (1, 2)), ("b2", (3, 4))):
        ledger.batches.begin(name, "e", "m", "", ledger.claims.worker)
        ledger.batches.claims_of(name).claim(wanted(*numbers, usd=0.5))
    one, two = ledger.batches.under_way()
    assert ledger.batches.end(one, ledger.claims.worker) == 2
    assert ledger.report.spending().lost == 0
    assert ledger.batches.end(two, ledger.claims.worker, lost=True) == 2
    assert ledger.report.spending()[:3] == (0, 1.0, 0)
    assert ledger.claims.claim(wanted(1, 2, 3, 4)).granted == {key(1), key(2), key(3), key(4)}
    with pytest.raises(NotOurs):
        ledger.batches.end(two, ledger.claims.worker)


def test_a_batch_has_one_owner_at_a_time(opened: Opener) -> None:
    one, two, three = opened(), opened(), opened()
    one.batches.begin("b1", "e", "m", "", one.claims.worker)
    [batch] = two.batches.under_way()
    assert not two.batches.take_over(batch, two.claims.worker)  # it lives
    with pytest.raises(NotOurs):
        two.batches.note(batch, two.claims.worker, state="uploaded")
    one.claims.end()
    assert two.batches.take_over(batch, two.claims.worker)
    assert not three.batches.take_over(batch, three.claims.worker)  # by what it saw before
    assert two.batches.note(batch, two.claims.worker, state="uploaded", input_file="f").input_file == "f"
    assert two.batches.under_way()[0].input_file == "f"


def test_what_is_learned_of_batches(opened: Opener) -> None:
    ledger = opened()
    ledger.batches.begin("b1", "e", "m", "", ledger.claims.worker)
    ledger.batches.claims_of("b1").claim(wanted(*range(30)))
    [batch] = ledger.batches.under_way()
    assert ledger.batches.limit_bytes("e") is None and ledger.batches.ratio("e", "m") is None
    ledger.batches.note(batch, ledger.claims.worker, limit_bytes=1000, ratio=0.3)
    ledger.batches.settle("b1", [record(number) for number in range(30)])
    assert ledger.batches.limit_bytes("e") == 1000 and ledger.batches.ratio("e", "m") == 0.3
    assert ledger.batches.limit_bytes("else") is None and ledger.batches.ratio("e", "other") is None
    for number in range(3):
        assert ledger.batches.exhausted([key(1)]) == set()
        ledger.batches.begin(f"failing-{number}", "e", "m", "", ledger.claims.worker)
        failing = ledger.batches.get(f"failing-{number}")
        ledger.batches.end(failing, ledger.claims.worker, failures=[(key(1), "server_error", "no", 1)])
    assert ledger.batches.exhausted([key(1), key(2)]) == {key(1)}


def test_a_ledger_of_before_there_were_batches(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    open_ledger(path, "x").close()
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE batches")
        database.execute("DROP TABLE batch_failures")
    reading = open_ledger_to_read(path, "x")
    assert reading.batches.all() == []
    reading.close()
    ledger = open_ledger(path, "x")
    ledger.start()
    ledger.batches.begin("b1", "e", "m", "", ledger.claims.worker)
    ledger.batches.claims_of("b1").claim(wanted(1))
    with sqlite3.connect(path) as database:  # what an earlier version looks at, before it buries a worker
        assert database.execute("SELECT lease_until, host FROM workers WHERE worker = 'b1'").fetchall() == [
            (FOR_EVER, "")
        ]
        assert database.execute("PRAGMA user_version").fetchone() == (3,)
