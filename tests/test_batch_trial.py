"""A few of many requests go online before the first batch: what is wrong with model or prompt is not paid 50,000 times."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.core.errors import Paused
from pipeline.job.run_options import RunOptions
from pipeline.label import stage as label_stage
from pipeline.label.batches import calls, trial
from tests.batch_server import BatchServer
from tests.conftest import JobMaker, run
from tests.openai_server import Running
from tests.test_batches import batch_job, finish, ledger_of


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with Running(BatchServer()) as running:
        yield running  # type: ignore[misc]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls.Pauses, "FIRST", 0.01)
    monkeypatch.setattr(trial, "MANY", 20)


def lanes(path: object) -> dict[str, int]:
    ledger = ledger_of(path)  # type: ignore[arg-type]
    rows = ledger.database.execute("SELECT lane, count(*) FROM replies GROUP BY lane")
    ledger.close()
    return {str(lane): int(count) for lane, count in rows}


def test_eight_of_many_go_first(make_job: JobMaker, server: BatchServer) -> None:
    path = batch_job(make_job, server, 30)
    finish(path)
    assert lanes(path) == {"online": 8, "batch": 22}
    assert set(server.paid.values()) == {1} and len(server.paid) == 30


def test_a_job_that_grows_is_not_tried_again_but_another_prompt_is(make_job: JobMaker, server: BatchServer) -> None:
    finish(batch_job(make_job, server, 30))
    path = batch_job(make_job, server, 60)
    finish(path)
    assert lanes(path) == {"online": 8, "batch": 52}
    finish(path, "label.parameters.max_output_tokens=99")
    assert lanes(path)["online"] == 16


@pytest.mark.parametrize(("count", "wanted"), [(19, 8), (30, 0)])
def test_few_are_their_own_trial_and_none_may_be_wanted(
    make_job: JobMaker, server: BatchServer, count: int, wanted: int
) -> None:
    path = batch_job(make_job, server, count, batch_trial=wanted)
    finish(path)
    assert lanes(path) == {"batch": count}


def test_a_model_that_is_not_there_costs_no_batch(make_job: JobMaker, server: BatchServer) -> None:
    missing = {"error": {"message": "The model `gpt-6-luna` does not exist", "code": "model_not_found"}}
    server.script = lambda body, times: (404, missing, {})
    path = batch_job(make_job, server, 30)
    work = run(path, last="filter")
    with pytest.raises(Paused, match=r"does not exist.*of the 8 requests before the first batch; label.batch_trial: 0"):
        label_stage.run(work, RunOptions())
    assert not server.batches and not server.uploaded


def test_replies_of_which_none_is_a_label_pause_once(make_job: JobMaker, server: BatchServer) -> None:
    nothing = {"choices": [{"index": 0, "message": {"role": "assistant", "content": " "}, "finish_reason": "stop"}]}
    usage = {"usage": {"prompt_tokens": 100, "completion_tokens": 20}, "model": "gpt-6-luna"}
    server.script = lambda body, times: (200, {**nothing, **usage}, {})
    path = batch_job(make_job, server, 30, reask=0)
    work = run(path, last="filter")
    with pytest.raises(Paused, match=r"none of the first 8 replies is a label \(8 empty\).*nothing went into a batch"):
        label_stage.run(work, RunOptions())
    assert not server.batches
    finish(path)  # who runs it again wants it so
    assert lanes(path) == {"online": 8, "batch": 22}
