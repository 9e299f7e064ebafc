"""The hard cap of `label.budget_usd`, where what answers is dearer than what was asked: over real HTTP, in three processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import Paused
from pipeline.core.types import Usage
from pipeline.job.label_options import Price
from pipeline.label.cost.prices import Prices, of_a_token
from pipeline.label.ledger.tariffs import MAX_UNCONFIRMED
from tests.conftest import JobMaker, run, stage
from tests.openai_server import Server, completion, keyphrases
from tests.program import Program
from tests.test_label import error, openai_job, start

IN, OUT = 1.0, 4.0  # dollars for a million tokens of the asked model
PRICES = {
    "cheap": {"input": IN, "output": OUT},
    "dear": {"input": 20 * IN, "output": 20 * OUT},
    "dearer": {"input": 90 * IN, "output": 90 * OUT},
}
USAGE = (300, 60)  # tokens of every prompt and reply
REPLY = (USAGE[0] * IN + USAGE[1] * OUT) / 1e6  # dollars of one at the standard tier
FACTORS = {"cheap": 1.0, "dear": 20.0, "dearer": 90.0, "flex": 0.5, "default": 1.0, "priority": 2.0}


class Billing:
    """Answers as another model or tier, and keeps the bill.  `serve` says who answers, by how many were answered before."""

    def __init__(self, server: Server, serve: Callable[[int], tuple[str, str | None]]) -> None:
        self.server, self._serve = server, serve
        self.usd, self.replies = 0.0, 0
        server.models = ("cheap",)
        server.script = self._answer

    def _answer(self, body: dict[str, Any], times: int) -> Any:
        model, tier = self._serve(self.replies)
        self.replies += 1
        self.usd += REPLY * FACTORS[model] * FACTORS[tier or "default"]
        answer = completion(body, keyphrases(body))
        usage = {"prompt_tokens": USAGE[0], "completion_tokens": USAGE[1]}
        return 200, {**answer, "model": model, "service_tier": tier, "usage": usage}, {}


def capped_job(make_job: JobMaker, server: Server, count: int, budget: float, **label: Any) -> Path:
    return openai_job(make_job, server, count, **{"model": "cheap", "prices": PRICES, "budget_usd": budget, **label})


def beyond(factor: float) -> float:
    """The most that one reply may cost beyond what was reserved for it, at the dearest tier of the asked model."""
    return REPLY * factor


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        (None, "priority"),
        ("flex", "default"),
        ("flex", "priority"),
        ("default", "priority"),
        ("priority", "priority"),
        ("flex", "flex"),
        (None, None),
    ],
)
def test_no_tier_of_the_asked_model_passes_the_cap(
    make_job: JobMaker, server: Server, asked: str | None, served: str | None
) -> None:
    bill = Billing(server, lambda _: ("cheap", served))
    budget = 40 * REPLY
    parameters = {"max_output_tokens": 80, **({"service_tier": asked} if asked else {})}
    path = capped_job(make_job, server, 300, budget, parameters=parameters, limits={"concurrency": 20})
    with pytest.raises(Paused, match="is reached"):
        run(path)
    assert 0.5 * budget < bill.usd <= budget
    with pytest.raises(Paused, match="is reached"):
        run(path, first="label")
    assert bill.usd <= budget


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def finish(processes: list[Program]) -> str:
    """What they said; each of them stopped at the cap."""
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [3] * len(processes), said
    return "\n".join(said)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "kills"), [("dear", 0), ("dear", 4), ("dearer", 1)])
def test_a_dearer_model_passes_the_cap_by_eight_replies_at_most(
    make_job: JobMaker, server: Server, model: str, kills: int
) -> None:
    """Three processes; some are killed with all in flight that may be, before anything was answered, and started again."""
    server.latency = 0.5
    bill = Billing(server, lambda _: (model, None))
    budget = 2.5 * REPLY * FACTORS[model]
    path = capped_job(make_job, server, 400, budget, limits={"concurrency": 20})
    run(path, last="filter")
    processes = [start(path, "label") for _ in range(3)]
    for turn in range(kills):
        wait_until(lambda: server.in_flight > 0)
        processes[turn % 3].kill()
        processes[turn % 3].wait()
        processes[turn % 3] = start(path, "label")
    assert "cheap was asked for" in finish(processes)
    assert server.most_in_flight <= MAX_UNCONFIRMED + kills
    assert bill.usd <= budget + (MAX_UNCONFIRMED + kills) * REPLY * FACTORS[model]
    assert kills or bill.usd == pytest.approx(MAX_UNCONFIRMED * REPLY * FACTORS[model])
    asked = bill.replies
    with pytest.raises(Paused, match="is reached"):
        run(path, first="label")
    assert bill.replies == asked  # it stays known
    raised = 200 * REPLY * FACTORS[model]
    finish([start(path, "label", "--set", f"label.budget_usd={raised}") for _ in range(3)])
    assert bill.replies > asked and bill.usd <= raised  # and is reserved for


@pytest.mark.slow
@pytest.mark.parametrize("kills", [0, 2])
def test_a_model_that_becomes_dearer_passes_the_cap_by_what_is_in_flight(
    make_job: JobMaker, server: Server, kills: int
) -> None:
    server.latency = 0.05
    bill = Billing(server, lambda replies: ("cheap" if replies < 200 else "dear", None))
    budget = 600 * REPLY
    path = capped_job(make_job, server, 2000, budget, limits={"concurrency": 10})
    run(path, last="filter")
    processes = [start(path, "label") for _ in range(3)]
    for turn in range(kills):
        wait_until(lambda so_many=80 * (turn + 1): bill.replies >= so_many)
        processes[turn].kill()
        processes[turn].wait()
        processes[turn] = start(path, "label")
    assert "cheap was asked for" in finish(processes)
    assert bill.usd <= budget + (3 * 2 * 10 + kills * 20) * REPLY * FACTORS["dear"]


def stays(count: Callable[[], int], seconds: float = 2.5) -> int:
    """A count, once it has not changed for so long: several times as long as a process waits before it looks again."""
    last, since = count(), time.monotonic()
    deadline = since + 60
    while time.monotonic() - since < seconds:
        assert time.monotonic() < deadline
        if count() != last:
            last, since = count(), time.monotonic()
        time.sleep(0.01)
    return last


@pytest.mark.slow
def test_nothing_is_sent_until_what_was_in_flight_is_settled(make_job: JobMaker, server: Server) -> None:
    """In no process, while a few requests of the former tariff are not answered yet and there is room for many more."""
    server.latency = 0.05
    bill = Billing(server, lambda replies: ("cheap" if replies < 60 else "dear", None))
    arrived: list[int] = []

    def hold(body: dict[str, Any]) -> bool:
        if bill.replies >= 60:
            arrived.append(1)
        return bill.replies >= 60 and len(arrived) in (2, 5, 9)

    server.hold = hold
    path = capped_job(make_job, server, 400, 1000 * REPLY * FACTORS["dear"], limits={"concurrency": 6})
    run(path, last="filter")
    processes = [start(path, "label") for _ in range(3)]
    wait_until(lambda: bill.replies > 60)
    seen = stays(lambda: sum(server.seen.values()))
    assert 0 < server.in_flight <= 3 and 60 < seen < 60 + 3 * 2 * 6
    server.released.set()
    for process in processes:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert sum(server.seen.values()) == 400 and set(server.answered.values()) == {1}


# --- what a reply may be dearer by, beside its model ---


@pytest.mark.slow
def test_more_tokens_than_were_reserved_for_pass_the_cap_by_eight_replies_at_most(
    make_job: JobMaker, server: Server
) -> None:
    """An endpoint that heeds no limit of a reply, and puts a prompt of its own before each."""
    server.latency = 0.3
    cost = (9000 * IN + 2000 * OUT) / 1e6
    answered: list[int] = []

    def script(body: dict[str, Any], times: int) -> Any:
        answered.append(1)
        usage = {"prompt_tokens": 9000, "completion_tokens": 2000}
        return 200, {**completion(body, keyphrases(body)), "usage": usage}, {}

    server.models, server.script = ("cheap",), script
    path = capped_job(make_job, server, 200, 3 * cost, limits={"concurrency": 20})
    run(path, last="filter")
    finish([start(path, "label") for _ in range(3)])
    assert len(answered) <= MAX_UNCONFIRMED
    finish([start(path, "label", "--set", f"label.budget_usd={60 * cost}") for _ in range(3)])
    assert MAX_UNCONFIRMED < len(answered) <= 60


def test_articles_of_more_tokens_than_those_before_are_reserved_for(make_job: JobMaker, server: Server) -> None:
    """After many replies tokens are taken to be fewer than bytes; then come prompts for which that does not hold."""
    bill: list[float] = []

    def script(body: dict[str, Any], times: int) -> Any:
        tokens = 50 if len(bill) < 80 else 1100
        bill.append((tokens * IN + 10 * OUT) / 1e6)
        usage = {"prompt_tokens": tokens, "completion_tokens": 10}
        return 200, {**completion(body, keyphrases(body)), "usage": usage}, {}

    server.models, server.script = ("cheap",), script
    prices = {"cheap": {"input": IN, "output": OUT, "priority": 1.0}}
    parameters = {"max_output_tokens": 10}
    label = {"prices": prices, "parameters": parameters, "limits": {"concurrency": 5}}
    path = openai_job(make_job, server, 400, model="cheap", budget_usd=0.03, **label)
    with pytest.raises(Paused, match="is reached"):
        run(path)
    assert 0.02 < sum(bill) <= 0.03 + 2 * 5 * (1100 * IN + 10 * OUT) / 1e6
    paid = sum(bill)
    with pytest.raises(Paused, match="is reached"):
        run(path, f"label.budget_usd={paid + 0.02}")
    assert paid + 0.01 < sum(bill) <= paid + 0.02


def test_a_reply_that_is_broken_off_tells_who_answers_too(make_job: JobMaker, server: Server) -> None:
    server.latency, server.models = 0.1, ("cheap",)
    answer = {"model": "dear", "usage": {"prompt_tokens": USAGE[0], "completion_tokens": USAGE[1]}}
    sent: list[int] = []

    def script(body: dict[str, Any], times: int) -> Any:
        sent.append(1)
        return 200, {**completion(body, "res", "error"), **answer}, {}

    server.script = script
    budget = 3 * REPLY * FACTORS["dear"]
    with pytest.raises(Paused, match="is reached"):
        run(capped_job(make_job, server, 60, budget, limits={"concurrency": 20}))
    assert len(sent) * REPLY * FACTORS["dear"] <= budget + MAX_UNCONFIRMED * REPLY * FACTORS["dear"]


# --- a price that nobody knows ---


@pytest.mark.slow
def test_a_model_without_a_price_pauses_the_job_and_is_not_forgotten(make_job: JobMaker, server: Server) -> None:
    server.latency, server.models = 0.2, ("cheap",)
    server.script = lambda body, times: (200, {**completion(body, keyphrases(body)), "model": "stranger"}, {})
    path = capped_job(make_job, server, 100, 1.0, limits={"concurrency": 20})
    run(path, last="filter")
    processes = [start(path, "label") for _ in range(3)]
    said = finish(processes)
    assert said.count("stranger answers, whose price is not known") == 3 and "label.prices" in said
    assert sum(server.seen.values()) <= MAX_UNCONFIRMED
    asked = sum(server.seen.values())
    with pytest.raises(Paused, match="price is not known"):
        run(path, first="label")
    assert sum(server.seen.values()) == asked
    known = capped_job(make_job, server, 100, 1.0, prices={**PRICES, "stranger": {"input": 2.0, "output": 2.0}})
    assert stage(run(known, last="label"), "label")["notes"] == {"answered": 100}
    assert sum(server.seen.values()) == 100


@pytest.mark.parametrize(
    ("asked", "served", "same"),
    [
        ("cheap", "cheap-2026-09-01", True),
        ("cheap", "cheap-20260901", True),
        ("cheap", "cheap-001", True),
        ("maker/cheap", "cheap", True),
        ("cheap", "Maker/Cheap@latest", True),
        ("cheap-latest", "cheap-2026-09-01", True),
        ("cheap", None, True),
        ("cheap", "cheap-pro", False),
        ("cheap", "cheap-70b", False),
        ("cheap", "cheaper", False),
    ],
)
def test_a_version_of_the_asked_model_has_its_price(asked: str, served: str | None, same: bool) -> None:
    price = Price(input=1.0, output=2.0)
    assert Prices({asked: price}).of_served(asked, served) == (price if same else None)


def test_a_price_of_the_job_file_is_that_of_versions_that_our_table_has_too() -> None:
    own, usage = Price(input=1.0, output=10.0), Usage(100, 0, 20, 0)
    prices = Prices({"gpt-6-luna": own})
    assert prices.of("gpt-6-luna-2026-11-01") != own  # by itself it is another name
    for served in ("gpt-6-luna-2026-11-01", "openai/gpt-6-luna", None):
        assert prices.of_served("gpt-6-luna", served) == own
        assert prices.cost_usd("gpt-6-luna", served, usage) == pytest.approx(300e-6)
    version = Price(input=3.0, output=30.0)
    given = Prices({"gpt-6-luna": own, "gpt-6-luna-2026-11-01": version})
    assert given.of_served("gpt-6-luna", "gpt-6-luna-2026-11-01") == version
    assert given.of_served("gpt-6-luna", "gpt-5.6-luna") == given.of("gpt-5.6-luna") != own


@pytest.mark.parametrize(
    ("price", "dearest"),
    [
        ({"input": 1.0, "output": 8.0}, (2.0, 16.0)),
        ({"input": 1.0, "output": 8.0, "priority": 0.5, "flex": 0.1}, (1.0, 8.0)),
        ({"input": 1.0, "output": 8.0, "priority": 1.75, "cache_write": 1.25}, (1.25 * 1.75, 14.0)),
        ({"input": 1.0, "output": 8.0, "priority": 1.0, "flex": 3.0}, (3.0, 24.0)),
    ],
)
def test_the_dearest_tier_of_a_price(price: dict[str, float], dearest: tuple[float, float]) -> None:
    found = of_a_token(Price.model_validate(price))
    assert (found[0] * 1e6, found[1] * 1e6) == (pytest.approx(dearest[0]), pytest.approx(dearest[1]))


def test_without_a_budget_nothing_is_held_back(make_job: JobMaker, server: Server) -> None:
    server.latency = 0.1
    Billing(server, lambda replies: ("cheap" if replies < 20 else "dear", None))
    path = openai_job(make_job, server, 120, model="cheap", prices=PRICES, limits={"concurrency": 30})
    assert stage(run(path, last="label"), "label")["notes"] == {"answered": 120}
    assert server.most_in_flight > 2 * MAX_UNCONFIRMED


def test_articles_that_are_turned_down_do_not_use_up_the_first_requests(make_job: JobMaker, server: Server) -> None:
    """The first dozen is too long for the endpoint, which is no reason to wait for anything."""
    Billing(server, lambda _: ("cheap", None))
    answer = server.script
    first = [f"harbour{number}x0" for number in range(12)]
    server.script = lambda body, times: (
        error(400, "bad_words")
        if any(mark in body["messages"][-1]["content"] for mark in first)
        else answer(body, times)
    )
    path = capped_job(make_job, server, 40, 1.0, limits={"concurrency": 4})
    assert stage(run(path, last="label"), "label")["notes"] == {"answered": 28, "rejected": 12}
