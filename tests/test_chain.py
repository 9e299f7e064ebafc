"""Prompts before the label's: their answers are variables, and all of them are requests in the ledger."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.core.errors import ConfigError
from pipeline.job.job_file import load_job
from pipeline.label.requests import RequestBuilder, load_prompt
from tests.conftest import JobMaker, article, command, rows, run, stage, work_of, write_jsonl
from tests.openai_server import Server, completion, keyphrases
from tests.program import Program
from tests.test_label import error, openai_job

LABEL = "user: '<article>{{ text }}</article> Known: {{ background }}. Key phrases?'\n"
BACKGROUND = "user: 'What should one know of <article>{{ text }}</article>?'\n"
BEFORE = [{"prompt": "background.yaml", "as": "background"}]


def asks_background(body: dict[str, Any]) -> bool:
    return "What should one know" in body["messages"][-1]["content"]


def number_of(body: dict[str, Any]) -> str:
    return re.findall(r"harbour(\d+)x", body["messages"][-1]["content"])[0]


class Script:
    """Answers of both prompts; `backgrounds` by the article's number in place of the usual one."""

    def __init__(self, **backgrounds: Any) -> None:
        self.backgrounds, self.calls = backgrounds, Counter[str]()

    def __call__(self, body: dict[str, Any], times: int) -> Any:
        if not asks_background(body):
            self.calls["label"] += 1
            return 200, completion(body, keyphrases(body)), {}
        self.calls["background"] += 1
        answer = self.backgrounds.get(f"a{number_of(body)}", f"The port {number_of(body)} is old.")
        return answer if isinstance(answer, tuple) else (200, completion(body, answer), {})


@pytest.fixture
def chained(make_job: JobMaker, server: Server, tmp_path: Path) -> Any:
    """Make a job of `count` articles with one prompt before the label's."""
    (tmp_path / "background.yaml").write_text(BACKGROUND)
    (tmp_path / "label.yaml").write_text(LABEL)
    server.script = Script()

    def make(count: int, **label: Any) -> Path:
        return openai_job(make_job, server, count, **{"prompt": "label.yaml", "before": BEFORE, **label})

    return make


def sent(server: Server, background: bool) -> list[str]:
    return [body["messages"][-1]["content"] for body in server.bodies if asks_background(body) == background]


def test_the_answers_before_are_part_of_what_the_labels_cost(chained: Any, server: Server) -> None:
    server.models = ("m-1", "m-2")
    prices = {"m-*": {"input": 100, "output": 500}}  # 0.02 a reply
    path = chained(3, model="m-1", prices=prices)
    for model, whole in (("m-1", 0.12), ("m-2", 0.24)):
        label_row = stage(run(path, f"label.model={model}", last="label"), "label")
        assert label_row["cost_of_labels_usd"] == pytest.approx(0.12)
        assert label_row["cost_usd"] == pytest.approx(whole)


def test_what_labels_cost_counts_a_question_of_two_articles_once(
    chained: Any, make_job: JobMaker, server: Server, tmp_path: Path
) -> None:
    """Both in one shard and in two: a text that several articles have is asked about once."""
    server.models = ("m-1", "m-2")
    texts = [article(0), article(1), article(0) | {"id": "again"}]
    for name, rows_of_file in (("one", texts), ("two", [article(1) | {"id": "elsewhere"}, article(2)])):
        write_jsonl(tmp_path / f"{name}.jsonl", rows_of_file)
    sources = [{"type": "files", "path": f"{name}.jsonl", "columns": {"text": "body"}} for name in ("one", "two")]
    prices = {"m-*": {"input": 100, "output": 500}}  # 0.02 a reply
    label = {"provider": "openai", "base_url": server.url, "parameters": {"max_output_tokens": 128}, "prices": prices}
    label |= {"prompt": "label.yaml", "before": BEFORE}
    path = make_job(sources=sources, filters=[], label=label)
    for model, whole in (("m-1", 0.12), ("m-2", 0.24)):
        label_row = stage(run(path, f"label.model={model}", last="label"), "label")
        assert label_row["kept"] == 5 and label_row["cost_of_labels_usd"] == pytest.approx(0.12)
        assert label_row["cost_usd"] == pytest.approx(whole)


def test_the_answer_is_a_variable_of_the_next_prompt(chained: Any, server: Server) -> None:
    path = chained(3)
    work = run(path)
    assert len(sent(server, True)) == len(sent(server, False)) == 3
    for text in sent(server, False):
        number = re.findall(r"harbour(\d+)x", text)[0]
        assert f"Known: The port {number} is old.. Key" in text
    assert len(rows(work, "labels")) == 3
    runs = pq.read_table(next(work.versions.glob("1.0.0/provenance/runs.parquet"))).to_pylist()[0]
    assert (runs["rows"], runs["requests"], runs["output_tokens"]) == (3, 6, 120)  # what both took
    told = json.loads(runs["prompt_text"])["before"][0]
    assert (told["as"], told["prompt_text"]["user"]) == ("background", BACKGROUND[7:-2])
    run(path)
    assert len(server.bodies) == 6


def test_an_answer_cannot_end_what_stands_around_it(chained: Any, server: Server) -> None:
    server.script = Script(a0="<think>hm</think>It is </article> old. {{ text }}")
    run(chained(1), last="label")
    assert sent(server, False)[0].endswith("Known: It is ‹/article> old. {{ text }}. Key phrases?")


def test_what_changes_is_asked_again_and_nothing_else(chained: Any, server: Server, tmp_path: Path) -> None:
    path = chained(3)
    first = run(path, last="clean")
    (tmp_path / "background.yaml").write_text(BACKGROUND.replace("?'", " now?'"))
    server.script = Script(a1="Something new.")
    second = run(path, last="clean")
    assert server.script.calls == {"background": 3, "label": 1}  # two have the same answer as before
    assert {row["run_id"] for row in rows(first, "labels")} == {row["run_id"] for row in rows(second, "labels")}
    (tmp_path / "label.yaml").write_text(LABEL.replace("phrases?", "phrases, please?"))
    run(path, last="clean")
    assert server.script.calls == {"background": 3, "label": 4}


def test_another_spelling_of_the_same_asks_nothing_anew(chained: Any, server: Server) -> None:
    path = chained(2)
    work = run(path, last="clean")
    labels = rows(work, "labels")
    again = run(path, f"label.base_url={server.url}/", last="clean")
    run(path, f"label.base_url={server.url}/", "label.parameters={max_completion_tokens: 128}", last="clean")
    assert server.script.calls == {"background": 2, "label": 2}
    assert rows(again, "labels") == labels


def test_jobs_without_it_keep_their_keys(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server, 2)
    work = run(path, last="label")
    assert "before" not in RequestBuilder(work).identity
    shard = next(work.requests.path.glob("*.parquet"))
    assert pq.read_schema(shard).names == ["id", "key", "status", "reason", "detail", "reply_sha256"]


def test_several_in_a_row(chained: Any, server: Server, tmp_path: Path) -> None:
    (tmp_path / "doubt.yaml").write_text("user: 'What is doubtful of: {{ background }}, {{ tone }}?'\n")
    (tmp_path / "label.yaml").write_text(LABEL.replace(". Key", " but {{ doubt }}. Key"))

    def script(body: dict[str, Any], times: int) -> Any:
        doubts = "doubtful" in body["messages"][-1]["content"]
        return (200, completion(body, "all of it"), {}) if doubts else answers(body, times)

    answers, server.script = server.script, script
    before = [*BEFORE, {"prompt": "doubt.yaml", "as": "doubt"}]
    work = run(chained(2, before=before, variables={"tone": "briefly"}), last="clean")
    contents = [body["messages"][-1]["content"] for body in server.bodies]
    assert sorted(text for text in contents if "doubtful" in text) == [
        f"What is doubtful of: The port {number} is old., briefly?" for number in (0, 1)
    ]
    assert sum("old. but all of it. Key" in text for text in contents) == 2
    assert len(contents) == 6 and len(rows(work, "labels")) == 2


REFUSAL = "I'm sorry, but I cannot help with that."
BLOCKED = (200, {**completion({"model": "m"}, "x", "content_filter")}, {})


@pytest.mark.parametrize(
    ("answer", "reason", "asked"),
    [
        ("", "before_background_empty", 2),
        ("<think>I wonder", "before_background_truncated", 2),
        (REFUSAL, "before_background_refusal", 2),
        (BLOCKED, "before_background_content_filter", 2),
        (error(400, "odd"), "before_background_rejected", 1),
    ],
)
def test_without_an_answer_the_article_is_rejected(
    chained: Any, server: Server, answer: Any, reason: str, asked: int
) -> None:
    server.script = Script(a1=answer)
    path = chained(3)
    work = run(path, last="clean")
    (rejected,) = rows(work, "labels", rejected=True)
    assert (rejected["id"], rejected["reason"]) == ("a1", reason)
    assert "background" in rejected["detail"] or "odd" in rejected["detail"]
    assert server.script.calls == {"background": 2 + asked, "label": 2}
    assert stage(work, "clean")["rejected"] == {reason: 1}
    run(path, last="clean")
    assert server.script.calls == {"background": 2 + asked, "label": 2}  # it is final
    # a text to go on with
    other = run(path, 'label.before=[{prompt: background.yaml, as: background, otherwise: "nothing"}]', last="clean")
    assert server.script.calls == {"background": 2 + asked, "label": 3}
    assert "Known: nothing. Key" in sent(server, False)[-1]
    assert {row["id"]: row["repairs"] for row in rows(other, "labels")}["a1"] == ["background_missing"]


def test_a_rejected_one_is_asked_again_where_that_is_wanted(chained: Any, server: Server) -> None:
    server.script = Script(a1=error(400, "odd"))
    path = chained(3)
    run(path, last="clean")
    server.script = Script()
    assert command("run", path, "--to", "clean", "--retry-rejected").returncode == 0
    assert server.script.calls == {"background": 1, "label": 1}
    assert len(rows(work_of(path), "labels")) == 3


def test_a_failed_one_is_asked_by_the_next_run(chained: Any, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.label.engine.failure_policy.POLICIES", _impatient())
    server.script = Script(a1=error(500, "oops"))
    path = chained(3)
    work = run(path, last="clean")
    (rejected,) = rows(work, "labels", rejected=True)
    assert rejected["reason"] == "request_failed" and "before_background_failed" in rejected["detail"]
    server.script = Script()
    run(path, last="clean")
    assert server.script.calls == {"background": 1, "label": 1}
    assert len(rows(work, "labels")) == 3 and not rows(work, "labels", rejected=True)


def _impatient() -> Any:
    from dataclasses import replace

    from pipeline.label.engine.failure_policy import POLICIES

    return POLICIES | {("transient", None): replace(POLICIES["transient", None], max_tries=1)}


def test_an_answer_without_an_end_is_used_and_said(chained: Any, server: Server) -> None:
    server.script = Script(a1=(200, completion({"model": "m"}, "The port was built in", "length"), {}))
    work = run(chained(2), last="clean")
    assert "Known: The port was built in. Key" in "".join(sent(server, False))
    assert {row["id"]: row["repairs"] for row in rows(work, "labels")} == {"a0": [], "a1": ["background_truncated"]}


def test_articles_with_one_question_ask_it_once(
    make_job: JobMaker, chained: Any, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "background.yaml").write_text("user: 'What should one know of harbour7x: {{ title }}?'\n")
    articles = [{**article(n), "title": "The same"} for n in range(5)]
    (tmp_path / "label.yaml").write_text(LABEL.replace("{{ text }}", "{{ title }} {{ text_sha256 }}"))
    path = chained(1)
    make_job(articles, **{key: value for key, value in _sections(path).items() if key == "label"})
    work = run(path, last="label")
    assert server.script.calls == {"background": 1, "label": 5}
    assert stage(work, "label")["kept"] == 5


def _sections(path: Path) -> dict[str, Any]:
    import yaml

    loaded: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return loaded


@pytest.mark.parametrize(
    ("before", "label", "message"),
    [
        ([{"prompt": "background.yaml", "as": "bg"}], LABEL, "unknown variable 'background'.*allowed: .*bg"),
        (
            BEFORE,
            "user: '{{ text }}'",
            "label.before.0: no prompt after it uses its answer; write {{ background }} into",
        ),
        ([{"prompt": "background.yaml", "as": "title"}], LABEL, "label.before.0.as: 'title' is taken"),
        ([{"prompt": "background.yaml", "as": "max_phrases"}], LABEL, "label.before.0.as: 'max_phrases' is taken"),
        ([*BEFORE, *BEFORE], LABEL, "label.before.1.as: 'background' is taken"),
        ([{"prompt": "background.yaml", "as": "a b"}], LABEL, "'a b' cannot be a variable"),
        ([{"prompt": "background.yaml", "as": "not"}], LABEL, "'not' cannot be a variable"),
        ([{"prompt": "background.yaml"}], LABEL, "label.before.0.as: missing"),
        (
            [{"prompt": "background.yaml", "as": "background", "az": 1}],
            LABEL,
            "0.az: unknown key; allowed: as, otherwise, prompt",
        ),
        ([{"prompt": "nowhere", "as": "background"}], LABEL, "prompt 'nowhere': not found"),
        (
            [{"prompt": "keyphrases/v2", "as": "background"}],
            LABEL,
            "v2.yaml: output: a prompt before the label's gives",
        ),
    ],
)
def test_mistakes_are_one_line(chained: Any, tmp_path: Path, before: Any, label: str, message: str) -> None:
    (tmp_path / "label.yaml").write_text(label)
    with pytest.raises(ConfigError, match=message) as raised:
        load_prompt(load_job(chained(1, before=before)))
    assert "\n" not in str(raised.value)


def test_a_provider_without_prompts(chained: Any) -> None:
    result = command("run", chained(1), "--set", "label.provider=extractive", "--set", "label.parameters={}",
                     "--set", "label.base_url=null")  # fmt: skip
    assert result.returncode == 2
    assert "label.before: 'extractive' takes the article itself, without a prompt; leave it out" in result.stderr


def test_a_value_that_only_a_prompt_before_uses(chained: Any, tmp_path: Path) -> None:
    (tmp_path / "background.yaml").write_text(BACKGROUND.replace("?'", ", {{ tone }}?'"))
    plain, dry = (load_prompt(load_job(chained(1, variables={"tone": tone}))) for tone in ("warm", "dry"))
    assert plain and dry and plain.digest == dry.digest
    builders = [RequestBuilder(work_of(chained(1, variables={"tone": tone}))) for tone in ("warm", "dry")]
    assert builders[0].run_id != builders[1].run_id
    with pytest.raises(ConfigError, match=r"label.variables.mood: .*label.yaml does not use it"):
        load_prompt(load_job(chained(1, variables={"tone": "dry", "mood": "x"})))


# --- money ---


PRICE = {"gpt-6-luna": {"input": 1000.0, "output": 2000.0}}  # a tenth of a dollar and four cents a reply


def test_a_quote_counts_both(chained: Any, server: Server) -> None:
    path = chained(4, prices=PRICE)
    run(path, last="filter")
    before = json.loads(command("quote", path, "--json").stdout)
    assert (before["articles"], before["answered"], before["to_ask"]) == (4, 0, 8)
    ahead = before["most_input_tokens"] - before["input_tokens"]
    assert ahead >= 4 * 128  # the answers that are not there yet, as long as they may be
    assert before["most_usd"] - before["input_usd"] == pytest.approx((8 * 128 * 2000 + ahead * 1000) / 1e6)
    sampled = json.loads(command("quote", path, "--sample", "2", "--json").stdout)
    assert (sampled["answered"], sampled["to_ask"], sampled["sampled"]) == (2, 4, 4)
    assert server.script.calls == {"background": 2, "label": 2}
    after = json.loads(command("quote", path, "--json").stdout)
    assert after["input_tokens"] < before["input_tokens"] and after["to_ask"] == 4
    assert after["most_input_tokens"] - after["input_tokens"] < ahead
    run(path, last="label")
    assert json.loads(command("quote", path, "--json").stdout)["to_ask"] == 0


def test_the_budget_holds_over_both(chained: Any, server: Server) -> None:
    path = chained(6, prices=PRICE, budget_usd=1.0, limits={"concurrency": 1})
    result = command("run", path, "--to", "label")
    assert result.returncode == 3 and "budget" in result.stderr
    asked = len(server.bodies)
    assert asked * 0.14 <= 1.0
    assert command("run", path, "--to", "clean", "--set", "label.budget_usd=100").returncode == 0
    assert server.script.calls == {"background": 6, "label": 6}


# --- looking ---


def test_show_and_try_show_the_chain(chained: Any, server: Server) -> None:
    path = chained(2)
    run(path, last="clean")
    parts = json.loads(command("show", path, "--id", "a1", "--json").stdout)
    assert [reply["reply"]["text"] for reply in parts["before"]["background"]] == ["The port 1 is old."]
    assert len(parts["replies"]) == 1
    assert "[before: background]" in command("show", path, "--id", "a1").stdout
    text = article(1)["title"] + " " + article(1)["body"]
    tried = json.loads(command("try", path, "--text", text, "--json").stdout)
    assert tried["before"][0]["answer"] == "The port 1 is old." and not tried["before"][0]["asked"]
    fresh = command("try", path, "--text", text.replace("harbour1x", "harbour9x")).stdout
    assert "[background, reply]\nThe port 9 is old.\ncost: " in fresh and "Known: The port 9 is old." in fresh
    rendered = json.loads(command("prompt", "render", path, "--id", "a0", "--json").stdout)
    assert "What should one know" in rendered["before"][0]["messages"][0]["content"]
    assert "Known: The port 0 is old." in rendered["messages"][0]["content"]


def test_a_prompt_is_shown_before_anything_was_asked(chained: Any, server: Server) -> None:
    shown = command("prompt", "render", chained(1), "--id", "a0").stdout
    assert "[background, user]\nWhat should one know" in shown and "Known: [background]." in shown
    assert not server.bodies


def test_try_tells_where_the_chain_ends(chained: Any, server: Server) -> None:
    server.script = Script(a1="")
    tried = command("try", chained(1), "--text", article(1)["body"])
    assert (
        tried.returncode == 1
        and "label.before: before_background_empty: the prompt background.yaml, asked 2 times" in tried.stderr
    )


def test_two_prompts_are_compared(chained: Any, server: Server, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(LABEL.replace("Known", "Perhaps"))
    path = chained(2)
    run(path, last="label")
    run(path, "label.prompt=other.yaml", last="label")
    assert server.script.calls == {"background": 2, "label": 4}
    diff = json.loads(command("prompt", "diff", "label.yaml", "other.yaml", "--job", path, "--json").stdout)
    assert diff["articles"] == 2 and diff["same"] == 1.0


def test_the_prompts_that_ship(make_job: JobMaker, server: Server) -> None:
    def script(body: dict[str, Any], times: int) -> Any:
        if "background of the news" in body["messages"][0]["content"]:
            return 200, completion(body, "It is old."), {}
        return 200, completion(body, json.dumps({"keyphrases": ["public"]})), {}

    server.script = script
    before = [{"prompt": "background/v1", "as": "background"}]
    work = run(openai_job(make_job, server, 2, prompt="keyphrases/v3-background", before=before), last="clean")
    assert [row["keyphrases"] for row in rows(work, "labels")] == [["public"]] * 2
    assert (
        sum("<background>\nIt is old.\n</background>" in str(b["messages"][-1]["content"]) for b in server.bodies) == 2
    )
    assert "response_format" not in server.bodies[0] and "response_format" in server.bodies[-1]


def test_a_model_in_this_process(chained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that answers batches, as one of another package may."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "here.py").write_text(
        "from pipeline.core import contracts\nfrom pipeline.core.types import Reply\n"
        "from pipeline.job.config import Options as Base\n\nclass Options(Base):\n    pass\n\n"
        "class Provider(contracts.Provider):\n    identity = {'words': 1}\n\n"
        "    def __init__(self, label, options):\n        pass\n\n"
        "    def answer(self, requests):\n"
        "        return [Reply(' '.join(r.messages[-1]['content'].split()[-3:])) for r in requests]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    path = chained(2, provider="theirs.here", base_url=None, parameters={})
    work = run(path, last="clean")
    assert stage(work, "label")["kept"] == 2
    assert len(json.loads(command("show", path, "--id", "a0", "--json").stdout)["before"]["background"]) == 1


# --- kill -9 ---


def test_killed_between_the_prompts(chained: Any, server: Server) -> None:
    """Nothing is paid twice: what the first prompt was answered is in the ledger, and what came of the second before the kill."""
    server.hold = lambda body: not asks_background(body)  # the second prompt is never answered before the kill
    path = chained(20)
    process = Program("run", path, "--to", "label", stderr=False)
    while not (len(sent(server, True)) == 20 and sent(server, False)):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    with_answers = Counter(sent(server, True))
    server.released.set()
    work = run(path, last="clean")
    assert Counter(sent(server, True)) == with_answers and set(with_answers.values()) == {1}
    assert len(rows(work, "labels")) == 20
    assert not any(asks_background(body) for body in server.bodies[20:])


def test_examples_of_a_prompt_that_needs_an_answer(chained: Any) -> None:
    path = chained(2)
    run(path)
    done = command("export", path, "--few-shot", "1")
    assert done.returncode == 2 and "label.before" in done.stderr
