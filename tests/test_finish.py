"""Why replies ended: what is whole, cut, broken off, blocked or not known; the same verdict in any run, over real HTTP."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from pipeline.clean.cleaner import clean_reply, clean_short
from pipeline.clean.cleaner.closing import closes
from pipeline.clean.tasks import classes
from pipeline.core.errors import Paused
from pipeline.core.finish import UNKNOWN, finish_of
from pipeline.core.types import Article, Reply
from pipeline.label.ledger import open_ledger
from tests.conftest import JobMaker, article, command, rows, run, stage, tree, write_jsonl
from tests.openai_server import Server, completion
from tests.test_engine import MARK, events, records, replies
from tests.test_label import openai_job

WHOLE = ("stop", "eos", "eos_token", "end_turn", "stop_sequence", "STOP", "tool_calls", None, "")
CUT = ("length", "max_tokens", "MAX_TOKENS")
TRANSIENT = ("error", "abort", "insufficient_system_resource")
BLOCKED = ("content_filter", "refusal", "SAFETY", "RECITATION")
OTHER = ("function_call", "COMPLETE", "pause_turn", "2", "whatever comes next")
TABLE = {"whole": WHOLE, "cut": CUT, "transient": TRANSIENT, "blocked": BLOCKED, "unknown": OTHER}

LIST = "The harbour; city; res"  # half of "resident"
JSON, HALF_JSON = '{"keyphrases": ["The harbour", "city", "spring"]}', '{"keyphrases": ["The harbour", "city", "spr'


@pytest.mark.parametrize(("reason", "meant"), [(reason, meant) for meant, words in TABLE.items() for reason in words])
def test_the_table(reason: str | None, meant: str) -> None:
    assert finish_of(reason) == meant
    assert meant == "unknown" or finish_of(reason and reason.swapcase()) == meant


@pytest.mark.parametrize(
    "raw",
    [
        JSON,
        '["a", "b"]',
        '```json\n["a", "b"]\n```',
        'Sure:\n["a", "b"]\nThese phrases were cho',
        "```\na; b; c\n```",
        "```\na; b; c\n```\nI chose the",
        "<answer>a; b; c</answer>",
        "<ul><li>a</li><li>b</li></ul>",
        "<think>hm</think>" + JSON,
        "a; b; c</s>",
        "a; b; c<|im_end|>",
        "[INST] what? [/INST] a; b; c</s>",
        "(a, b, c)",
        '"a; b; c"',
        "['a', 'b']",
    ],
)
def test_a_form_that_shows_its_end(raw: str) -> None:
    assert closes(raw)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "a",
        LIST,
        "a; b; c.",
        "a; b;",
        "1. a\n2. b\n3. c",
        HALF_JSON,
        '{"keyphrases": ["a", "b"]',
        '["a", "b"',
        '{"phrase": "a"}\n{"phrase": "b"}',
        '{"phrase": "a"}\n{"phr',
        "```\na; b; c",
        "<answer>a; b; c",
        "<li>a</li><li>b</li>",
        "<ul><li>a</li><li>b</li>",
        "<answer>a</answer> and then",
        '"a"; "b"',
        "<think>a; b</think>",
        "<s>a; b; c",
    ],
)
def test_a_form_that_does_not(raw: str) -> None:
    assert not closes(raw)


@pytest.mark.parametrize("reason", [*WHOLE, *CUT, *TRANSIENT, *BLOCKED, *OTHER])
@pytest.mark.parametrize("raw", [LIST, JSON, HALF_JSON, "The harbour; city;"])
def test_a_reply_comes_to_the_same_whatever_was_cleaned_before(reason: str | None, raw: str) -> None:
    kind = finish_of(reason)
    label = clean_reply(raw, finish_reason=reason)
    assert (UNKNOWN in label.repairs) == (kind == "unknown")
    if kind in ("transient", "blocked"):
        wanted = "truncated" if kind == "transient" else "refusal" if reason == "refusal" else "content_filter"
        assert (label.phrases, label.status) == ([], wanted)
    elif raw == JSON:
        assert (label.phrases, label.status) == (["The harbour", "city", "spring"], "ok")
    elif raw == LIST and kind == "whole":
        assert label.phrases == ["The harbour", "city", "res"]
    else:  # what is not whole loses the phrase that it stopped in
        assert (label.phrases, label.status) == (["The harbour", "city"], "ok")
        assert ("truncated_tail" in label.repairs) == (raw != "The harbour; city;")
    assert clean_reply(raw, finish_reason=reason) == label


@pytest.mark.parametrize(
    ("raw", "reason", "found"),
    [
        ("Interest ra", "max_tokens", ("", "truncated")),
        ("Interest ra", "strange", ("", "truncated")),
        ('{"topic": "Interest rates"}', "strange", ("Interest rates", "ok")),
        ("Interest rates\nThis label cap", "strange", ("Interest rates", "ok")),
        ("Interest rates", "eos", ("Interest rates", "ok")),
        ("Interest rates", "abort", ("", "truncated")),
        ("Interest rates", "SAFETY", ("", "content_filter")),
        ("Interest rates", "refusal", ("", "refusal")),
    ],
)
def test_one_short_label(raw: str, reason: str, found: tuple[str, str]) -> None:
    assert clean_short(raw, finish_reason=reason) == found


@pytest.mark.parametrize(
    ("raw", "reason", "label", "status"),
    [
        ("Art", "stop", ["Art"], "ok"),
        ("Art", "max_tokens", [], "truncated"),  # of Art history?
        ("Art", "strange", [], "truncated"),
        ('{"label": "Art"}', "strange", ["Art"], "ok"),
        ("Art history", "length", ["Art history"], "ok"),
        ("Sport", "length", ["Sports"], "ok"),
        ("Sports", "abort", [], "truncated"),
        ("Sports", "RECITATION", [], "content_filter"),
        ("Sports", "refusal", [], "refusal"),
    ],
)
def test_a_class_that_may_be_half_of_another(raw: str, reason: str, label: list[str], status: str) -> None:
    options = classes.Options.model_validate({"classes": {"Art": [], "Art history": [], "Sports": ["sport"]}})
    found = classes.Task(options, lambda texts: [0]).parse(Reply(raw, reason), Article("1", None, "text", ""))
    assert (found.phrases, found.status) == (label, status)


# --- over HTTP ---


def phrases(work: Any) -> dict[str, list[str]]:
    return {row["id"]: row["keyphrases"] for row in rows(work, "labels")}


@pytest.mark.parametrize("finish", [*TRANSIENT, "ERROR"])
def test_a_reply_that_was_broken_off_is_asked_again_like_a_5xx_and_never_an_answer(
    make_job: JobMaker, server: Server, finish: str
) -> None:
    server.script = replies(LIST, finish)
    work = run(openai_job(make_job, server, 6, reask=0), last="clean")
    assert sum(server.seen.values()) == 7 and len(phrases(work)) == 6
    assert "res" not in phrases(work)["a3"]
    assert {row["finish_reason"] for row in records(work)} == {"stop"} and len(records(work)) == 6
    assert events(work)["attempt_failed"] == 1 and not events(work)["asked_again"]
    money = open_ledger(work.ledger_target, "test").report.spending()
    assert money.lost_requests == 1 and money.lost > 0  # it told of tokens, so it was billed


def test_one_that_is_always_broken_off_fails_and_is_asked_by_the_next_run(
    make_job: JobMaker, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.label.engine.retries._backoff", lambda state: 0.0)
    server.script = replies(LIST, "abort", times=12)
    path = openai_job(make_job, server, 6)
    work = run(path, last="clean")
    assert stage(work, "label")["notes"] == {"answered": 5, "failed": 1}
    [rejected] = rows(work, "labels", rejected=True)
    assert rejected["reason"] == "request_failed" and "finish_abort" in rejected["detail"]
    assert stage(run(path, last="clean"), "clean")["kept"] == 6


@pytest.mark.parametrize(
    ("finish", "why"),
    [
        *((word, "truncated") for word in CUT),
        *((word, "content_filter") for word in ("content_filter", "SAFETY", "RECITATION")),
        ("refusal", "refusal"),
        ("strange", "truncated"),
    ],
)
def test_what_is_cut_blocked_or_not_known_is_asked_once_more(
    make_job: JobMaker, server: Server, finish: str, why: str
) -> None:
    server.script = replies(LIST, finish)
    work = run(openai_job(make_job, server, 6), last="clean")
    [again] = [row for row in records(work) if row["ask"] == 2]
    assert again["reason"] == why and len(phrases(work)) == 6 and "res" not in phrases(work)["a3"]


@pytest.mark.parametrize("finish", [*WHOLE[:-2]])
def test_what_is_whole_is_asked_once(make_job: JobMaker, server: Server, finish: str) -> None:
    server.script = replies("The harbour3x0; city", finish)
    work = run(openai_job(make_job, server, 6), last="clean")
    assert sum(server.seen.values()) == 6 and phrases(work)["a3"] == ["The harbour3x0", "city"]


@pytest.mark.parametrize(("text", "kept"), [(JSON, True), (HALF_JSON, False), (LIST, False)])
def test_an_unknown_word_is_counted_and_kept_only_where_the_form_is_closed(
    make_job: JobMaker, server: Server, text: str, kept: bool
) -> None:
    server.script = replies(text, "strange", times=99)
    path = openai_job(make_job, server, 6)
    result = command("run", path, "--to", "clean")
    assert "1 replies ended with finish_reason 'strange'" in result.stderr if kept else "2 replies" in result.stderr
    assert sum(server.seen.values()) == (6 if kept else 7)
    work = run(path, last="clean")
    assert stage(work, "clean")["notes"] == {UNKNOWN: 1}
    assert f"{UNKNOWN} 1" in command("status", path).stdout
    [label] = [row for row in rows(work, "labels") if row["id"] == "a3"]
    assert label["repairs"][0] == UNKNOWN and ("truncated_tail" in label["repairs"]) == (not kept)
    assert label["keyphrases"] == (["The harbour", "city", "spring"] if kept else ["The harbour", "city"])


def test_a_verdict_does_not_depend_on_what_was_replied_before(make_job: JobMaker, server: Server) -> None:
    """A thousand whole replies by a strange word do not make it a word that is known; nor does the next run."""
    server.script = lambda body, times: (
        200,
        completion(body, LIST if MARK in body["messages"][-1]["content"] else JSON, "strange"),
        {},
    )
    path = openai_job(make_job, server, 80, reask=0, limits={"concurrency": 3}, brake=None)
    first = run(path, last="clean")
    assert phrases(first)["a3"] == ["The harbour", "city"]
    write_jsonl(path.parent / "one.jsonl", [article(3)])
    alone = run(path, "name=alone", "sources.0.path=one.jsonl", last="clean")
    assert phrases(alone)["a3"] == ["The harbour", "city"]


# --- what was stored before ---


def old_workspace(make_job: JobMaker, server: Server, stored: dict[str, str | None]) -> tuple[Path, Any]:
    """A finished job, some of whose replies are stored with a finish reason that was not looked at when they came."""
    path = openai_job(make_job, server, 8)
    server.script = lambda body, times: next(
        (
            (200, completion(body, LIST), {})
            for name in stored
            if f"harbour{name[1:]}x" in body["messages"][-1]["content"]
        ),
        None,
    )
    work = run(path)
    keys = {row["id"]: row["key"] for row in rows(work, "labels")}
    with sqlite3.connect(work.ledger_target) as database:
        for name, finish in stored.items():
            database.execute("UPDATE replies SET finish_reason = ? WHERE key = ?", (finish, bytes.fromhex(keys[name])))
    return path, work


STORED: dict[str, str | None] = {"a1": "error", "a2": "max_tokens", "a3": "strange", "a4": "SAFETY", "a5": None}


def test_an_old_workspace_is_neither_asked_nor_cleaned_anew(make_job: JobMaker, server: Server) -> None:
    path, work = old_workspace(make_job, server, STORED)
    asked, before = sum(server.seen.values()), tree(work.path)
    result = command("run", path)
    assert result.returncode == 0 and sum(server.seen.values()) == asked and tree(work.path) == before


def test_old_replies_are_cleaned_by_the_table_where_they_are_cleaned(make_job: JobMaker, server: Server) -> None:
    """Growing the job asks for the new articles only."""
    path, work = old_workspace(make_job, server, STORED)
    asked = sum(server.seen.values())
    write_jsonl(path.parent / "articles.jsonl", [article(n) for n in range(10)])
    work = run(path, last="review")
    assert sum(server.seen.values()) == asked + 2
    labels, rejected = phrases(work), {row["id"]: row["reason"] for row in rows(work, "labels", rejected=True)}
    assert rejected == {"a1": "truncated", "a4": "content_filter"}
    assert labels["a2"] == labels["a3"] == ["The harbour", "city"] and labels["a5"] == ["The harbour", "city", "res"]


# --- errors of status 200 ---


def with_error(error: Any, choices: Any = None, **more: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    return 200, {"id": "x", "choices": choices, "error": error, **more}, {}


@pytest.mark.parametrize("choices", [None, []])
@pytest.mark.parametrize(
    "told", [{"code": 502, "message": "bad gateway"}, {"code": "502"}, "Bad Gateway", {"type": "overloaded_error"}]
)
def test_an_error_of_status_200_is_tried_again_and_stored_as_no_answer(
    make_job: JobMaker, server: Server, choices: Any, told: Any
) -> None:
    server.script = lambda body, times: with_error(told, choices) if times == 1 else None
    work = run(openai_job(make_job, server, 6, reask=0), last="clean")
    assert set(server.seen.values()) == {2} and len(records(work)) == 6 == len(rows(work, "labels"))
    assert all(row["reply"] and row["ask"] == 1 for row in records(work))
    assert open_ledger(work.ledger_target, "test").report.spending().lost_requests == 0


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"code": 401, "message": "no"}, "refuses the key"),
        ({"code": "invalid_api_key"}, "refuses the key"),
        ({"code": 402, "message": "no"}, "no credit left"),
        ({"code": 429, "type": "insufficient_quota"}, "no credit left"),
        ({"code": 404, "message": "no"}, "has no model"),
    ],
)
def test_an_error_of_status_200_that_holds_for_all_pauses_the_job(
    make_job: JobMaker, server: Server, monkeypatch: pytest.MonkeyPatch, told: Any, said: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-no-longer-valid")
    server.script = lambda body, times: with_error(told)
    with pytest.raises(Paused, match=said):
        run(openai_job(make_job, server, 50, limits={"concurrency": 4}))
    assert sum(server.seen.values()) <= 4


def test_an_error_of_status_200_may_be_of_the_article_or_of_a_parameter(make_job: JobMaker, server: Server) -> None:
    def script(body: dict[str, Any], times: int) -> Any:
        if "max_completion_tokens" in body:
            return with_error(
                {
                    "code": 400,
                    "message": "Unsupported parameter: max_completion_tokens",
                    "param": "max_completion_tokens",
                }
            )
        return with_error({"code": 400, "message": "bad words"}) if MARK in body["messages"][-1]["content"] else None

    server.script = script
    work = run(openai_job(make_job, server, 6, limits={"concurrency": 1}), last="label")
    assert stage(work, "label")["notes"] == {"answered": 5, "rejected": 1}
    assert "max_tokens" in server.bodies[-1] and json.loads(work.compatibility_file.read_text())["changes"]


def test_an_error_within_a_choice_and_half_a_text_is_no_answer(make_job: JobMaker, server: Server) -> None:
    choice = {"message": {"content": LIST}, "finish_reason": "error", "error": {"code": 502, "message": "upstream"}}
    server.script = lambda body, times: (
        (200, {"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}, {}) if times == 1 else None
    )
    work = run(openai_job(make_job, server, 4), last="clean")
    assert len(records(work)) == 4 and not any("res" in found for found in phrases(work).values())
    assert open_ledger(work.ledger_target, "test").report.spending().lost_requests == 4


def test_a_reply_without_choices_is_paid_once_where_it_was_billed(make_job: JobMaker, server: Server) -> None:
    """Billed, it is kept and asked once more; else it is tried again like any failure."""
    usage = {"prompt_tokens": 100, "completion_tokens": 0}
    server.script = lambda body, times: (
        (200, {"choices": [], "usage": usage if MARK in body["messages"][-1]["content"] else None}, {})
        if times == 1
        else None
    )
    work = run(openai_job(make_job, server, 5), last="clean")
    assert set(server.seen.values()) == {2} and len(phrases(work)) == 5
    assert [(row["reply"], row["input_tokens"]) for row in records(work) if row["ask"] == 1 and not row["reply"]] == [
        ("", 100)
    ]
    assert open_ledger(work.ledger_target, "test").report.spending().lost_requests == 4


THEIRS = """
from pipeline.core import contracts
from pipeline.core.types import Label, LabelColumn
from pipeline.job.config import Options

class Task(contracts.Task):
    column = LabelColumn("mood", many=False)
    prompt = "mine.yaml"

    @staticmethod
    def variables(options):
        return {}

    def parse(self, reply, article):
        return Label([reply.text], [], "ok")
"""


@pytest.mark.parametrize(
    ("finish", "asked", "label", "reason"),
    [
        ("eos", 1, "calm", None),
        ("strange", 2, "calm", None),  # nobody says that its form is closed
        ("max_tokens", 2, "calm", None),
        ("SAFETY", 2, None, "content_filter"),
    ],
)
def test_the_table_holds_for_a_task_of_somebody_else(
    make_job: JobMaker,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    finish: str,
    asked: int,
    label: Any,
    reason: Any,
) -> None:
    server.script = lambda body, times: (200, completion(body, "calm", finish), {})
    path = openai_job(make_job, server, 3, task="their_moods.mood")
    (path.parent / "their_moods").mkdir()
    (path.parent / "their_moods" / "mood.py").write_text(THEIRS)
    (path.parent / "mine.yaml").write_text("user: 'What mood? {{ text }}'\n")
    monkeypatch.syspath_prepend(path.parent)
    work = run(path, last="clean")
    assert sum(server.seen.values()) == 3 * asked
    assert [row["mood"] for row in rows(work, "labels")] == [label] * 3 * (label is not None)
    assert [row["reason"] for row in rows(work, "labels", rejected=True)] == [reason] * 3 * (reason is not None)
    assert all((UNKNOWN in row["repairs"]) == (finish == "strange") for row in rows(work, "labels"))


def test_a_class_of_a_closed_set_shows_its_end(make_job: JobMaker, server: Server) -> None:
    server.script = lambda body, times: (200, completion(body, "Sports", "strange"), {})
    path = openai_job(make_job, server, 3, task="classes")
    work = run(path, "clean={classes: [Sports, Arts, Arts and crafts]}", last="clean")
    assert sum(server.seen.values()) == 3 and {row["label"] for row in rows(work, "labels")} == {"Sports"}
    server.script = lambda body, times: (200, completion(body, "Arts", "strange"), {})
    work = run(path, "name=half", "clean={classes: [Sports, Arts, Arts and crafts]}", last="clean")
    assert sum(server.seen.values()) == 3 + 6
    assert {row["reason"] for row in rows(work, "labels", rejected=True)} == {"truncated"}
