"""`label.share: near_copies`: one request for a group of near-copies, and what each member keeps of the answer."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline import runner
from pipeline.commands.quote import quote
from pipeline.core.errors import ConfigError
from pipeline.core.shards import read_order
from pipeline.label.requests import load_prompt
from pipeline.versions import store
from tests.conftest import JobMaker, command, rows, run, stage, tree, work_of, write_jsonl
from tests.openai_server import Server, completion
from tests.program import Program

OFF = "label.share=null"


def story(number: int, copy: int = 0, extra: str = "") -> dict[str, Any]:
    """A story like no other; its copies differ in a sentence at the end, by which a request is known."""
    draw = random.Random(number)
    words = [
        "".join(draw.choices("bcdfglmnprst", k=2)) + draw.choice(["ana", "orel", "imes", "ulo"]) for _ in range(60)
    ]
    body = " ".join(f"{draw.choice(words).title()} {' '.join(draw.choices(words, k=9))}." for _ in range(12))
    return {
        "id": f"s{number}c{copy}",
        "body": f"{body} Zebrafish{number} lived here. Copy{number}x{copy}. {extra}".strip(),
    }


def sharing_job(make_job: JobMaker, server: Server, articles: list[Any] | None, **label: Any) -> Path:
    sections = {"provider": "openai", "base_url": server.url, "parameters": {"max_output_tokens": 128}, **label}
    return make_job(articles, label={"share": "near_copies", **sections}, sources=[
        {"type": "files", "path": "*.jsonl", "columns": {"text": "body"}}])  # fmt: skip


def asked(server: Server) -> list[str]:
    """The ids of the articles of all requests so far, in order of their ids."""
    found = [re.search(r"Copy(\d+)x(\d+)", body["messages"][-1]["content"]) for body in server.bodies]
    return sorted(f"s{match[1]}c{match[2]}" for match in found if match)


def says(text: str, **others: str) -> Any:
    """A script that answers `text`, about articles with a word of `others` what stands there."""

    def script(body: dict[str, Any], times: int) -> Any:
        content = body["messages"][-1]["content"]
        return 200, completion(body, next((reply for word, reply in others.items() if word in content), text)), None

    return script


GROUP = [story(1), story(2), story(1, 1), story(3), story(1, 2), story(2, 1)]


def test_a_group_is_asked_about_once(make_job: JobMaker, server: Server) -> None:
    work = run(sharing_job(make_job, server, GROUP))
    assert asked(server) == ["s1c0", "s2c0", "s3c0"]
    labels = rows(work, "labels")
    assert [row["id"] for row in labels] == [each["id"] for each in GROUP]
    shared_from = {row["id"]: row["label_shared_from"] for row in labels}
    assert shared_from == {"s1c0": None, "s2c0": None, "s1c1": "s1c0", "s3c0": None, "s1c2": "s1c0", "s2c1": "s2c0"}
    texts = {each["id"]: each["body"] for each in GROUP}
    for row in labels:
        assert row["keyphrases"] and set(row["tiers"]) == {"exact"}
        for phrase, (start, end) in zip(row["keyphrases"], row["offsets"], strict=True):
            assert texts[row["id"]][start:end] == phrase
    row = stage(work, "label")
    assert (row["kept"], row["notes"]) == (6, {"answered": 6, "shared": 3}) and row["state"] == "done"
    assert row["cost_of_labels_usd"] == pytest.approx(row["cost_usd"])
    [runs] = pq.read_table(store.latest(work.versions) / "provenance" / "runs.parquet").to_pylist()  # type: ignore[operator]
    assert runs["rows"] == 6 and runs["input_tokens"] == 3 * 100
    run(work.config.file)
    assert len(server.bodies) == 3


def test_a_member_keeps_what_its_own_text_has(make_job: JobMaker, server: Server) -> None:
    """Also what it is: `Copy1x0` is of the first one only, and nothing is said to be in a text that it is not in."""
    server.script = says("Zebrafish1; Copy1x0; penicillin")
    first, second = rows(run(sharing_job(make_job, server, [story(1), story(1, 1)])), "labels")
    assert (first["keyphrases"], first["tiers"]) == (
        ["Zebrafish1", "Copy1x0", "penicillin"],
        ["exact", "exact", "absent"],
    )
    assert (second["keyphrases"], second["tiers"]) == (["Zebrafish1"], ["exact"])
    assert "shared_dropped" in second["repairs"] and "shared_dropped" not in first["repairs"]


def test_a_member_for_which_nothing_is_left_is_asked_about_itself(make_job: JobMaker, server: Server) -> None:
    """After a second one of the group had its turn: the third and the fourth share what that is answered."""
    server.script = says("Zebrafish1", Copy1x0="Copy1x0")
    articles = [story(1, copy) for copy in range(4)]
    work = run(sharing_job(make_job, server, articles))
    assert asked(server) == ["s1c0", "s1c1"]
    assert [row["label_shared_from"] for row in rows(work, "labels")] == [None, None, "s1c1", "s1c1"]
    server.bodies.clear()
    server.script = lambda body, times: (200, completion(body, re.findall(r"Copy\d+x\d+", str(body))[-1]), None)
    write_jsonl(work.config.folder / "b.jsonl", [story(5, copy) for copy in range(4)])
    work = run(work.config.file)
    assert asked(server) == [f"s5c{copy}" for copy in range(4)]
    assert [row["keyphrases"] for row in rows(work, "labels")][4:] == [[f"Copy5x{copy}"] for copy in range(4)]


def test_growth_pays_nothing_wherever_it_stands(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    path = sharing_job(make_job, server, None)
    write_jsonl(tmp_path / "m.jsonl", [story(1), story(1, 1), story(2)])
    before = {row["id"]: row for row in rows(run(path), "labels")}
    write_jsonl(tmp_path / "a.jsonl", [story(1, 7)])  # before the one that was asked about
    write_jsonl(tmp_path / "z.jsonl", [story(1, 8), story(2, 1)])
    server.bodies.clear()
    after = {row["id"]: row for row in rows(run(path), "labels")}
    assert not server.bodies
    assert {row_id: after[row_id] for row_id in before} == before
    grown = {row_id: row["label_shared_from"] for row_id, row in after.items() if row_id not in before}
    assert grown == {"s1c7": "s1c0", "s1c8": "s1c0", "s2c1": "s2c0"}


def test_off_asks_the_rest_and_on_again_keeps_it(make_job: JobMaker, server: Server) -> None:
    path = sharing_job(make_job, server, GROUP)
    run(path)
    server.bodies.clear()
    work = run(path, OFF)
    assert asked(server) == ["s1c1", "s1c2", "s2c1"]
    own = rows(work, "labels")
    assert not any(row.get("label_shared_from") for row in own)
    assert rows(run(path), "labels") == own and len(server.bodies) == 3


def test_who_turns_it_on_later_keeps_every_digest(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    """A shard, and a version's rows, that share nothing are the ones that they were."""
    path = sharing_job(make_job, server, GROUP)
    work = run(path, OFF)
    before = tree(work.path)
    version = store.latest(work.versions)
    assert version and "label_shared_from" not in pq.read_schema(version / "data" / "train-00000.parquet").names
    assert {name: data for name, data in tree(run(path).path).items() if name in before} == before
    write_jsonl(tmp_path / "grown.jsonl", [story(1, 5)])
    work = run(path)
    assert {name: data for name, data in tree(work.path / "labels").items() if f"labels/{name}" in before} == {
        name.removeprefix("labels/"): data for name, data in before.items() if name.startswith("labels/")
    }
    grown = store.latest(work.versions)
    assert grown and grown != version
    change = store.difference(version, grown)
    assert change.only_adds and change.added == 1
    table = pq.read_table(sorted((grown / "data").glob("train-*"))).to_pylist()
    assert {row["id"]: row["label_shared_from"] for row in table if row["label_shared_from"]} == {"s1c5": "s1c0"}
    assert "label_shared_from" in (grown / "README.md").read_text("utf-8")


def test_a_representative_that_is_taken_down_loses_nobody(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    """Nor is its id told any more; and where its text is gone, what joins the group pays nothing all the same."""
    path = sharing_job(make_job, server, None)
    write_jsonl(tmp_path / "a.jsonl", [story(1), story(2)])
    write_jsonl(tmp_path / "b.jsonl", [story(1, 1), story(1, 2), story(3), story(3, 1)])
    labels = {row["id"]: row["keyphrases"] for row in rows(run(path), "labels")}
    assert command("takedown", path, "--id", "s1c0", "--reason", "asked").returncode == 0
    write_jsonl(tmp_path / "a.jsonl", [story(2)])
    write_jsonl(tmp_path / "b.jsonl", [story(1, 1), story(3), story(3, 1), story(1, 9)])  # its shard is made anew
    server.bodies.clear()
    work = run(path)
    assert not server.bodies
    after = {row["id"]: row for row in rows(work, "labels")}
    assert after.keys() == {"s2c0", "s1c1", "s3c0", "s3c1", "s1c9"}
    assert after["s1c1"]["keyphrases"] == labels["s1c1"] == after["s1c9"]["keyphrases"]
    version = store.latest(work.versions)
    assert version
    published = [row for file in (version / "data").glob("*.parquet") for row in pq.read_table(file).to_pylist()]
    told = {row["id"]: row["label_shared_from"] for row in published}
    assert told == {"s2c0": None, "s1c1": "(taken down)", "s1c9": "(taken down)", "s3c0": None, "s3c1": "s3c0"}


def test_a_takedown_takes_the_id_out_of_files_that_stay_otherwise(make_job: JobMaker, server: Server) -> None:
    """The member is eval, the one that is taken down train, or the other way round: no file with its id is taken over."""
    work = run(sharing_job(make_job, server, GROUP))
    assert command("takedown", work.config.file, "--id", "s1c0", "--reason", "asked").returncode == 0
    version = store.latest(run(work.config.file).versions)
    assert version and version.name != "1.0.0"
    for file in (version / "data").glob("*.parquet"):
        for row in pq.read_table(file).to_pylist():
            assert "s1c0" not in (row["id"], row["label_shared_from"])


def test_nobody_is_asked_for_an_answer_that_did_not_come(
    make_job: JobMaker, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bad request does not pay for its whole group: the next run asks again, once."""
    monkeypatch.setattr("pipeline.label.engine.retries._backoff", lambda state: 0.0)
    server.script = lambda body, times: (500, "{}", None) if "Copy1x" in str(body) else None
    path = sharing_job(make_job, server, [story(1), story(1, 1), story(1, 2), story(2)])
    work = run(path, last="label")
    assert set(asked(server)) == {"s1c0", "s2c0"}
    requests = [row for shard in read_order(work.articles) for row in work.requests.read(shard).to_pylist()]
    assert {row["id"]: row["status"] for row in requests} == {
        "s1c0": "failed", "s1c1": "failed", "s1c2": "failed", "s2c0": "answered",
    }  # fmt: skip
    server.script = None
    server.bodies.clear()
    work = run(path)
    assert asked(server) == ["s1c0"]
    assert len(rows(work, "labels")) == 4


def test_a_group_whose_first_is_rejected_goes_on_with_the_second(make_job: JobMaker, server: Server) -> None:
    no = 400, {"error": {"message": "filtered", "code": "content_filter"}}, None
    server.script = lambda body, times: no if "Copy1x0" in str(body) else None
    work = run(sharing_job(make_job, server, [story(2), story(1), story(1, 1), story(1, 2)]))
    assert set(asked(server)) == {"s1c0", "s1c1", "s2c0"}
    assert {row["id"]: row["label_shared_from"] for row in rows(work, "labels")} == {
        "s2c0": None, "s1c1": None, "s1c2": "s1c1",
    }  # fmt: skip
    assert [row["id"] for row in rows(work, "labels", rejected=True)] == ["s1c0"]


def test_the_ends_of_a_chain_share_nothing(make_job: JobMaker, server: Server) -> None:
    """The split puts them into one group, for each is like the next one; what the first is about, the last is not."""
    sentences = [story(n)["body"].partition(" Zebrafish")[0] for n in range(20, 32)]
    chain = [
        {"id": f"s9c{n}", "body": f"Everyone likes it. {' '.join(sentences[n : n + 5])} Copy9x{n}."} for n in range(7)
    ]
    server.script = says("everyone")
    work = run(sharing_job(make_job, server, chain))
    splits = [row for shard in read_order(work.articles) for row in work.split.read(shard).to_pylist()]
    assert len({row["group_id"] for row in splits}) == 1
    assert 1 < len(server.bodies) < len(chain)
    texts = {each["id"]: set(each["body"].split()) for each in chain}
    for row in rows(work, "labels"):
        if other := row["label_shared_from"]:
            assert len(texts[row["id"]] & texts[other]) > 0.4 * len(texts[other])


def test_prompts_before_the_label_are_asked_once_a_group(make_job: JobMaker, server: Server, tmp_path: Path) -> None:
    (tmp_path / "background.yaml").write_text("user: 'What should one know of <article>{{ text }}</article>?'\n")
    (tmp_path / "label.yaml").write_text("user: '<article>{{ text }}</article> Known: {{ background }}. Phrases?'\n")
    before = [{"prompt": "background.yaml", "as": "background"}]
    work = run(sharing_job(make_job, server, GROUP, prompt="label.yaml", before=before))
    assert len(server.bodies) == 6  # three groups, two prompts
    assert (
        len(rows(work, "labels")) == 6
        and stage(work, "label")["cost_usd"] == stage(work, "label")["cost_of_labels_usd"]
    )


def test_the_quote_says_what_it_saves(make_job: JobMaker, server: Server) -> None:
    path = sharing_job(make_job, server, GROUP, model="m-1", prices={"m-1": {"input": 1, "output": 2}})
    run(path, last="filter")
    whole, shared = quote(work_of(path, OFF)), quote(work_of(path))
    assert (whole.to_ask, whole.saved, shared.to_ask) == (6, None, 3)
    assert shared.saved and (shared.saved.articles, shared.saved.requests) == (3, 3)
    assert whole.most_usd and shared.most_usd and shared.saved.most_usd
    assert shared.input_tokens < 0.6 * whole.input_tokens
    assert shared.most_usd + shared.saved.most_usd == pytest.approx(whole.most_usd, rel=0.02)
    assert "3 articles share the answer about a near-copy; that saves 3 requests and $" in command("quote", path).stdout
    server.models = ("m-1",)
    run(path)
    assert len(server.bodies) == shared.to_ask and quote(work_of(path)).to_ask == 0


def test_a_tighter_similarity_takes_back_what_was_shared(make_job: JobMaker, server: Server) -> None:
    path = sharing_job(
        make_job, server, [story(1), story(1, 1, "Rain. " * 3 + " ".join(story(4)["body"].split()[:16]))]
    )
    run(path)
    assert asked(server) == ["s1c0"]
    run(path, "split.similarity=0.98")
    assert asked(server) == ["s1c0", "s1c1"]


def test_a_limit_asks_about_no_other_article(make_job: JobMaker, server: Server) -> None:
    path = sharing_job(make_job, server, [story(1), story(2), story(1, 1), story(2, 1)])
    run(path, last="label", limit=1)
    assert asked(server) == ["s1c0"]
    work = run(path, last="clean", limit=3)
    assert asked(server) == ["s1c0", "s2c0"] and len(rows(work, "labels")) == 3


@pytest.mark.parametrize("task", ["topic", "classes"])
def test_other_tasks_share_their_one_label(make_job: JobMaker, server: Server, task: str) -> None:
    server.script = says("sports")
    path = sharing_job(make_job, server, GROUP, task=task)
    classes = ["clean={classes: [sports, politics]}"] if task == "classes" else []
    work = run(path, *classes)
    assert len(server.bodies) == 3
    assert len([row for row in rows(work, "labels") if row.get("label_shared_from")]) == 3


def test_a_provider_that_asks_nobody_shares_nothing(make_job: JobMaker) -> None:
    path = make_job([story(1)], label={"provider": "extractive", "share": "near_copies"})
    with pytest.raises(ConfigError, match=r"label\.share: 'extractive' asks nobody"):
        load_prompt(work_of(path).config)


@pytest.mark.slow
@pytest.mark.durable
def test_kill_9_between_the_group_and_its_members_pays_nothing_twice(make_job: JobMaker, server: Server) -> None:
    path = sharing_job(make_job, server, [story(1), story(1, 1), story(2), story(3), story(3, 1)])
    work = run(path, last="filter")
    server.hang = lambda body, times: "Copy2x0" in str(body)
    process = Program("label", path, stderr=False)
    deadline = time.monotonic() + 60
    while runner.status(work)["ledger"]["answered"] < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    process.kill()
    process.wait()
    server.hang = None
    work = run(path)
    assert asked(server) == ["s1c0", "s2c0", "s2c0", "s3c0"]  # the one that never came is asked again
    assert sum(server.answered.values()) == 3
    assert [row.get("label_shared_from") for row in rows(work, "labels")] == [None, "s1c0", None, None, "s3c0"]
