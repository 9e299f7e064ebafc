"""A few of many requests go online before the first batch: what is wrong with model or prompt is not paid 50,000 times."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from pipeline.core.errors import Paused
from pipeline.job.run_options import RunOptions
from pipeline.label import stage as label_stage
from pipeline.label.batches import calls, trial
from tests.batch_server import BatchServer
from tests.conftest import JobMaker, article, command, run, work_of, write_jsonl
from tests.openai_server import Running
from tests.test_batches import LABEL, ONE, batch_job, finish, ledger_of


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
    assert not server.batches and not (work.path / "batches" / "confirmed.json").exists()
    finish(path)  # who runs it again wants it so
    assert lanes(path) == {"online": 8, "batch": 22}


def test_a_trial_that_was_killed_is_judged_all_the_same(make_job: JobMaker, server: BatchServer) -> None:
    nothing = {"choices": [{"index": 0, "message": {"role": "assistant", "content": " "}, "finish_reason": "stop"}]}
    usage = {"usage": {"prompt_tokens": 100, "completion_tokens": 20}, "model": "gpt-6-luna"}
    server.script = lambda body, times: (200, {**nothing, **usage}, {})
    path = batch_job(make_job, server, 30, reask=0)
    work = run(path, last="filter")
    with pytest.raises(Paused):
        label_stage.run(work, RunOptions())
    (work.path / "batches" / "shown.json").unlink()  # as if it was killed once the replies were stored
    with pytest.raises(Paused, match=r"none of the first 8 replies is a label \(8 empty\)"):
        label_stage.run(work, RunOptions())
    assert not server.batches and lanes(path) == {"online": 8}


@pytest.mark.parametrize("status", [404, 405])
def test_an_endpoint_without_an_online_way_gets_its_batches(
    make_job: JobMaker, server: BatchServer, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    server.script = lambda body, times: (status, {"detail": "Not Found"}, {})
    path = batch_job(make_job, server, 30)
    finish(path)
    assert lanes(path) == {"batch": 30}
    assert "answers nothing online, so nothing is tried before the first batch" in caplog.text


@pytest.mark.parametrize(
    ("memory", "tried"), [("as it is", 0), ("of before trials", 0), ("damaged", 8), ("says another", 8)]
)
def test_labels_of_batches_confirm_what_comes_later(
    make_job: JobMaker, server: BatchServer, memory: str, tried: int
) -> None:
    """A source that is added has shards of its own, so the articles answered before are not among those that are pending."""
    path = batch_job(make_job, server, 15)
    finish(path)
    confirmed = work_of(path).path / "batches" / "confirmed.json"
    if memory == "of before trials":
        confirmed.unlink()
    if memory == "damaged":
        confirmed.write_bytes(b"[")
        (confirmed.parent / "submitted.json").write_bytes(b"")
    if memory == "says another":
        confirmed.write_text('["0"]')
    write_jsonl(path.parent / "more.jsonl", [article(n) for n in range(100, 140)])
    sources = [{"type": "files", "path": f"{name}.jsonl", "columns": {"text": "body"}} for name in ("articles", "more")]
    finish(make_job(label={**LABEL, "base_url": server.url}, sources=sources))
    assert lanes(path) == Counter({"batch": 55 - tried, "online": tried}) - Counter()


def test_a_trial_stands_in_the_account_of_its_run(make_job: JobMaker, server: BatchServer) -> None:
    path = batch_job(make_job, server, 30)
    assert command("run", path).returncode == 3
    lines = work_of(path).events_file.read_text().splitlines()
    last = json.loads(lines[-1])
    assert (last["answered"], last["served"]) == (8, {"gpt-6-luna": 8})
    assert last["cost_usd"] == pytest.approx(8 * 2 * ONE)
