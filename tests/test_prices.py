"""What replies cost: public prices, what a gateway says that it billed, who answered; and quotes that tell the same twice."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.types import Usage
from pipeline.job.label_options import LongPrompts, Price
from pipeline.label.cost import price_list
from pipeline.label.cost.cost_bound import CostBound
from pipeline.label.cost.prices import Prices, billed, dollars
from pipeline.label.ledger import open_ledger
from tests.conftest import JobMaker, command, run, work_of
from tests.openai_server import Server, completion
from tests.test_label import openai_job

pytest.importorskip("genai_prices")
OPENAI, GATEWAY = "https://api.openai.com/v1", "http://127.0.0.1:4000/v1"


@pytest.mark.parametrize(
    ("model", "same_as"),
    [
        ("gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
        ("openai/gpt-4o-mini", "gpt-4o-mini"),
        ("azure/gpt-4o-mini", "gpt-4o-mini"),
        ("claude-haiku-4-5", "anthropic/claude-haiku-4-5-20251001"),
        ("gemini-2.5-flash", "gemini/gemini-2.5-flash"),
        ("mistral-small-latest", "mistral/mistral-small-latest"),
        ("deepseek-chat", "deepseek/deepseek-chat"),
        ("gpt-6-luna", "openai/gpt-6-luna-2026-09-01"),
    ],
)
def test_models_that_people_use_have_a_price(model: str, same_as: str) -> None:
    """At a gateway as at their maker's; whoever names a version names the same model."""
    prices = Prices(base_url=GATEWAY)
    price, other = prices.of(model), prices.of(same_as)
    assert price and price == other and 0 < price.input < price.output
    assert price.cached_input is not None and price.cached_input <= price.input


@pytest.mark.parametrize(
    "model",
    ["meta-llama/Llama-3.1-8B-Instruct", "gpt-oss-120b", "openai/gpt-oss-20b", "google/gemma-3-27b-it", "mistral:7b",
     "deepseek-r1:8b", "mistralai/Mistral-7B-Instruct-v0.3", "deepseek-ai/DeepSeek-V3",
     "gpt-6-luna-pro-of-ours", "qwen3", "", "/models/gpt-4o-mini"],
)  # fmt: skip
def test_what_anybody_may_serve_has_no_price(model: str) -> None:
    assert Prices(base_url=GATEWAY).of(model) is None


def test_an_address_that_the_list_knows_has_prices_of_its_own() -> None:
    assert Prices(base_url="https://api.groq.com/openai/v1").of("llama-3.1-8b-instant")
    assert Prices(base_url=GATEWAY).of("llama-3.1-8b-instant") is None
    routed = Prices(base_url="https://openrouter.ai/api/v1").of("openai/gpt-oss-120b")
    assert routed and routed.source and routed.source.startswith("genai-prices")


def test_the_job_file_comes_first_and_a_missing_list_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Price(input=7, output=8)
    assert Prices({"gpt-4o*": own}).of("gpt-4o-mini") == own
    price_list.listed.cache_clear()
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert Prices().of("gpt-4o-mini") is None and Prices().of("gpt-6-luna")
    price_list.listed.cache_clear()


def test_what_is_reserved_by_depends_on_the_price_of_the_asked_model_alone() -> None:
    assert Prices().table("gpt-6-luna") == Prices().table("unheard-of") == Prices().table(None)
    assert Prices().table("gpt-4o-mini")["gpt-4o-mini"][0] == pytest.approx(0.15)


# --- what came ---


def costs(path: Path) -> list[float | None]:
    ledger = open_ledger(work_of(path).ledger_target, "test")
    try:
        return [cost for (cost,) in ledger.database.execute("SELECT cost_usd FROM replies ORDER BY key")]
    finally:
        ledger.close()


@pytest.mark.parametrize(
    ("header", "cost"),
    [("0.00321", 0.00321), ("3.21e-03", 0.00321), ("0.0", 0.0), *((odd, 30 / 1e6) for odd in ("None", "-1", "nan", "inf", ""))],
)  # fmt: skip
def test_a_gateway_is_believed(make_job: JobMaker, server: Server, header: str, cost: float) -> None:
    server.script = lambda body, _: (200, completion(body, "harbour; city"), {"x-litellm-response-cost": header})
    path = openai_job(make_job, server, 3, prices={"*": {"input": 0.1, "output": 1.0}})
    run(path, last="label")
    assert costs(path) == [pytest.approx(cost)] * 3


def test_a_gateway_is_believed_where_no_price_is_known(make_job: JobMaker, server: Server) -> None:
    server.models = ("house-model",)
    server.script = lambda body, _: (200, completion(body, "harbour; city"), {"X-LiteLLM-Response-Cost": "0.5"})
    path = openai_job(make_job, server, 2, model="house-model")
    run(path, last="label")
    assert costs(path) == [0.5, 0.5]
    assert "cost $1.00" in command("status", path).stdout


@pytest.mark.parametrize(
    ("served", "price"),
    [("gpt-6-luna-2026-09-01", "gpt-6-luna"), ("gpt-5.6-luna", "gpt-5.6-luna"), ("openai/gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
     ("a-stranger", "gpt-6-luna")],
)  # fmt: skip
def test_who_answers_is_paid(make_job: JobMaker, server: Server, served: str, price: str) -> None:
    server.script = lambda body, _: (200, completion(body, "harbour; city") | {"model": served}, {})
    path = openai_job(make_job, server, 2)
    run(path, last="label")
    of_served = Prices().of(price)
    assert of_served and costs(path) == [pytest.approx(dollars(of_served, Usage(100, 0, 20)))] * 2


def test_a_budget_is_kept_by_what_a_gateway_bills(make_job: JobMaker, server: Server) -> None:
    """It takes ten times the listed price: what passes the cap is what was under way when that was heard."""
    dear = 10 * (100 * 0.1 + 20 * 0.5) / 1e6
    server.script = lambda body, _: (200, completion(body, "harbour; city"), {"x-litellm-response-cost": str(dear)})
    path = openai_job(make_job, server, 120, budget_usd=100 * dear, limits={"concurrency": 4})
    done = command("run", path)
    assert done.returncode == 3 and "is reached" in done.stderr
    spent = sum(cost or 0 for cost in costs(path))
    assert 50 * dear < spent <= (100 + 8) * dear and len(costs(path)) < 120


def test_a_dearer_gateway_is_reckoned_in_steps() -> None:
    price, usage = Price(input=1, output=2, cached_input=0.5), Usage(1000, 0, 100)
    expected = dollars(price, usage)
    assert billed(price, usage, None, expected) is billed(price, usage, None, expected / 2) is price
    dearer = billed(price, usage, None, expected * 1.3)
    assert 1.3 <= dearer.input <= 1.3 * 1.05 and dearer.output == pytest.approx(2 * dearer.input)
    assert dearer == billed(price, usage, None, expected * 1.301)
    assert billed(price, Usage(0, 0, 0), None, 1.0) is price


def test_an_unknown_price_says_of_which_model_and_what_to_do(make_job: JobMaker, server: Server) -> None:
    server.models = ("house-model",)
    path = openai_job(make_job, server, 2, model="house-model")
    wanted = """label.prices: {"house-model": {input: 0.10, output: 0.50}}"""
    done = command("run", path, "--to", "label")
    assert done.returncode == 0 and wanted in done.stderr
    assert wanted in command("quote", path).stdout
    capped = command("run", path, "--set", "label.budget_usd=1")
    assert capped.returncode == 2 and wanted in capped.stderr


def quoted(path: Path, *more: str) -> Any:
    done = command("quote", path, "--json", *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# --- quotes ---


@pytest.mark.parametrize("where", ["sqlite", "postgres"])
def test_a_second_quote_tells_the_same(
    make_job: JobMaker, server: Server, where: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answers come from the ledger in no time, which says nothing of the rest."""
    if where == "postgres":
        monkeypatch.setenv("LEDGER_URL", request.getfixturevalue("postgres_url"))
    server.latency = 0.1
    path = openai_job(make_job, server, 40, ledger="${LEDGER_URL}" if where == "postgres" else None)
    path.write_text(path.read_text("utf-8").replace("name: test", "name: second-quote"), "utf-8")  # a schema of its own
    run(path, last="filter")
    first = quoted(path, "--sample", "20")
    assert sum(server.seen.values()) == first["sampled"] == 20
    for _ in range(2):
        again = quoted(path, "--sample", "20")
        assert {name: again[name] for name in again if name != "notes"} == {
            name: first[name] for name in first if name != "notes"
        }
    assert first["rest_seconds"][0] > 0.1 and sum(server.seen.values()) == 20


def test_how_many_were_in_flight(make_job: JobMaker, server: Server) -> None:
    """Four at a time in two runs with a break between them are four; one after the other is one."""
    server.latency = 0.1
    for count, most in ((12, 4), (24, 4)):
        path = openai_job(make_job, server, count, limits={"concurrency": most})
        run(path, last="label")
    ledger = open_ledger(work_of(path).ledger_target, "test")
    try:
        assert 2.0 < ledger.report.in_flight() <= 4.3
    finally:
        ledger.close()


def test_an_emptied_ledger_is_not_quoted_as_a_new_job(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server, 4)
    work = run(path, last="label")
    for file in work.path.glob("ledger.sqlite*"):
        file.unlink()
    for more in ((), ("--sample", "2")):
        done = command("quote", path, *more)
        assert done.returncode == 1 and "holds no answers, but this job got 4: put the ledger back" in done.stderr
    assert sum(server.seen.values()) == 4


PRICE = {"*": {"input": 1.0, "output": 1.0}}


def test_what_the_endpoint_may_count_is_bounded(make_job: JobMaker, server: Server) -> None:
    """Three times as many tokens as ours: the quote without a sample holds, one with it says how many."""
    server.models = ("house-model",)

    def thrice(body: dict[str, Any], _: int) -> Any:
        size = sum(len(message["content"]) for message in body["messages"])
        answer = completion(body, "harbour; city; spring")
        return 200, answer | {"usage": {"prompt_tokens": int(size * 0.6), "completion_tokens": 20}}, {}

    server.script = thrice
    path = openai_job(make_job, server, 80, model="house-model", prices=PRICE)
    run(path, last="filter")
    first = quoted(path)
    assert first["input_tokens"] < first["most_input_tokens"] and "at most one a byte" in " ".join(first["notes"])
    sampled = quoted(path, "--sample", "30")
    assert sampled["input_tokens"] < sampled["most_input_tokens"] < first["most_input_tokens"]
    assert "in 30 answers the endpoint counted" in " ".join(sampled["notes"]) and "byte" not in " ".join(
        sampled["notes"]
    )
    plain = quoted(path)  # by the answers that are there
    assert plain["most_input_tokens"] == sampled["most_input_tokens"]
    run(path, last="label")
    spent = sum(cost or 0 for cost in costs(path))
    assert first["input_usd"] < spent <= first["most_usd"]
    assert sampled["paid_usd"] < spent <= sampled["paid_usd"] + sampled["most_usd"]
    assert "as the endpoint counts" not in command("quote", path).stdout


@pytest.mark.parametrize(
    ("label", "exact"),
    [({}, True), ({"model": "openai/gpt-4o-mini"}, True), ({"model": "o4-mini"}, True), ({"model": "claude-haiku-4-5"}, False),
     ({"model": "gpt-neox-20b"}, False), ({"model": "ollama-o1"}, False)],
)  # fmt: skip
def test_whose_tokens_are_counted_exactly(
    make_job: JobMaker, server: Server, label: dict[str, Any], exact: bool
) -> None:
    path = openai_job(make_job, server, 2, **label)
    run(path, last="filter")
    estimate = quoted(path)
    assert (estimate["most_input_tokens"] == estimate["input_tokens"]) is exact
    assert any("may count more" in note for note in estimate["notes"]) is not exact


def test_a_schema_is_sent_and_counted_too(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server, 2, prompt="keyphrases/v2")
    run(path, last="filter")
    estimate = quoted(path)
    assert estimate["input_tokens"] < estimate["most_input_tokens"] and "the JSON schema counts as well" in " ".join(
        estimate["notes"]
    )


def test_a_gateway_that_bills_is_quoted_by_its_sample(make_job: JobMaker, server: Server) -> None:
    server.models = ("house-model",)
    server.script = lambda body, _: (200, completion(body, "harbour; city"), {"x-litellm-response-cost": "0.25"})
    path = openai_job(make_job, server, 30, model="house-model")
    run(path, last="filter")
    estimate = quoted(path, "--sample", "20")
    assert estimate["rest_usd"] == [pytest.approx(2.5, rel=0.2)] * 2 and "not known" not in " ".join(estimate["notes"])


def test_the_job_names_its_own_tokenizer(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server, 2, model="house-model")
    run(path, last="filter")
    estimate = quoted(path, "--set", "tokenizer=cl100k_base")
    assert estimate["most_input_tokens"] == estimate["input_tokens"] and estimate["encoding"] == "cl100k_base"


# --- long prompts ---


def test_a_request_of_a_long_prompt_costs_more_as_a_whole() -> None:
    price = Price(input=1, output=2, cached_input=0.5, long_prompts=LongPrompts(above=1000, input=2, output=1.5))
    assert dollars(price, Usage(1000, 0, 100)) == pytest.approx((1000 * 1 + 100 * 2) / 1e6)
    assert dollars(price, Usage(1001, 1000, 100)) == pytest.approx(2 * (1 * 1 + 1000 * 0.5) / 1e6 + 1.5 * 200 / 1e6)


def test_both_lists_know_of_long_prompts() -> None:
    for model in ("gpt-6-luna", "gpt-6-sol", "gemini-2.5-pro"):
        price = Prices().of(model)
        assert price and price.long_prompts and price.long_prompts.input == 2 and price.long_prompts.output == 1.5
    short = Prices().of("gpt-4o-mini")
    assert short and short.long_prompts is None


def test_a_long_prompt_is_reserved_and_recorded_at_its_price(make_job: JobMaker, server: Server) -> None:
    """100 tokens are counted by the server, so all prompts are long here; the quote says that they are dearer than it tells."""
    price = {
        "input": 0.1,
        "output": 1.0,
        "batch": 1,
        "flex": 1,
        "priority": 1,
        "long_prompts": {"above": 90, "input": 2},
    }
    path = openai_job(make_job, server, 3, prices={"*": price})
    assert "one of over 90 costs 2 times what this quote says (its reply 1.5 times)" in command("quote", path).stdout
    server.script = lambda body, _: (200, completion(body, "harbour; city"), {})
    run(path, last="label")
    assert costs(path) == [pytest.approx((2 * 100 * 0.1 + 1.5 * 20 * 1.0) / 1e6)] * 3
    options = Price.model_validate(price)
    bound, flat = CostBound("m", options, 20), CostBound("m", options.model_copy(update={"long_prompts": None}), 20)
    assert bound.dollars(80) == flat.dollars(80)
    assert bound.dollars(90) == pytest.approx((2 * 91 * 0.1 + 1.5 * 20 * 1.0) / 1e6)
