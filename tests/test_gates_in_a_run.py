"""Gates of evidence in a run: nonsense of a server reaches no label, people are told, and old replies are not asked about again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import JobMaker, command, rows, run, work_of
from tests.openai_server import Server, completion, keyphrases
from tests.test_label import openai_job

NONSENSE = [
    "velvet umbrellas; quantum chess; Xanadu",
    "to be labeled",
    "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head></html>",
    "Read the news article below and give its key phrases: at most 7, the most important first.",
    '{"error": {"message": "overloaded", "type": "server_error"}}',
    "라벨 없음",
    "phrase1; phrase2; phrase3",
    "Traceback (most recent call last):\n  File \"server.py\", line 12, in generate\nRuntimeError: CUDA out of memory",
]  # fmt: skip


def a_fifth_is_nonsense(server: Server, again: bool = True) -> dict[str, str]:
    """Script the server; return text of the question -> the nonsense that it answered."""
    said: dict[str, str] = {}
    numbers: dict[str, int] = {}

    def script(body, times):  # type: ignore[no-untyped-def]
        question = body["messages"][-1]["content"]
        number = numbers.setdefault(question, len(numbers))
        if question in said and again:
            return 200, completion(body, said[question]), {}
        if number % 5 == 0 and question not in said:
            said[question] = NONSENSE[len(said) % len(NONSENSE)]
            return 200, completion(body, said[question]), {}
        return 200, completion(body, keyphrases(body)), {}

    server.script = script
    return said


def test_nothing_of_it_reaches_a_label(make_job: JobMaker, server: Server) -> None:
    said = a_fifth_is_nonsense(server)
    path = openai_job(make_job, server, 40, brake=None)
    done = command("run", path, "--to", "clean")
    assert done.returncode == 0, done.stderr
    work = work_of(path)
    labels, turned_away = rows(work, "labels"), rows(work, "labels", rejected=True)
    assert len(said) >= len(NONSENSE) and len(labels) == 40 - len(said)
    assert all(tier != "absent" for row in labels for tier in row["tiers"])
    assert {row["reason"] for row in turned_away} == {"none_in_article", "no_answer", "prompt_echo"}
    for reason in ("none_in_article", "no_answer", "prompt_echo"):
        assert f"replies are no label ({reason}), such as " in done.stderr
    page = command("report", path)
    assert page.returncode == 0, page.stderr
    assert "velvet umbrellas; quantum chess" in (work.path / "report.html").read_text("utf-8")


def test_what_is_in_doubt_is_asked_again_once(make_job: JobMaker, server: Server) -> None:
    """Its phrases are the article's, but for one that holds a piece of code; asked again, the model says it better, or not."""
    doubtful = lambda body: f"{keyphrases(body)}; velvet ++ umbrellas"  # noqa: E731
    server.script = lambda body, times: (200, completion(body, doubtful(body) if times == 1 else keyphrases(body)), {})
    work = run(openai_job(make_job, server, 3), last="clean")
    assert [row["status"] for row in rows(work, "labels")] == ["ok"] * 3
    assert {*server.seen.values()} == {2}

    server.script = lambda body, times: (200, completion(body, doubtful(body)), {})
    changed = {"max_output_tokens": 127}  # so the requests are others
    work = run(openai_job(make_job, server, 3, parameters=changed, brake=None), last="clean")
    assert [row["reason"] for row in rows(work, "labels", rejected=True)] == ["doubtful"] * 3
    assert rows(work, "labels") == []


def test_a_label_of_nothing_is_asked_again_once(make_job: JobMaker, server: Server) -> None:
    """And never for a reply that was in the ledger before: here the record of what is settled is lost."""
    server.script = lambda body, times: (
        200,
        completion(body, "velvet umbrellas; quantum chess" if times == 1 else keyphrases(body)),
        {},
    )
    path = openai_job(make_job, server, 3)
    work = run(path, last="clean")
    assert [row["status"] for row in rows(work, "labels")] == ["ok"] * 3
    assert {*server.seen.values()} == {2}

    server.script = lambda body, times: (200, completion(body, "velvet umbrellas; quantum chess"), {})
    path.write_text(path.read_text("utf-8").replace("max_output_tokens: 128", "max_output_tokens: 127"), "utf-8")
    work = run(path, "label.reask=0", last="clean")
    before = sum(server.seen.values())
    shutil.rmtree(work.requests.path)
    work = run(path, "label.reask=1", last="clean")
    assert sum(server.seen.values()) == before
    assert {row["reason"] for row in rows(work, "labels", rejected=True)} == {"none_in_article"}


@pytest.mark.parametrize("absent", ["flag", "keep"])
def test_an_abstractive_job_keeps_its_labels(make_job: JobMaker, server: Server, absent: str) -> None:
    server.script = lambda body, times: (200, completion(body, "velvet umbrellas; quantum chess"), {})
    path: Path = openai_job(make_job, server, 12, brake=None)
    work = run(path, f"clean.absent={absent}", last="clean")
    assert len(rows(work, "labels")) == (12 if absent == "keep" else 0)
    assert sum(server.seen.values()) == (12 if absent == "keep" else 24)
