"""The tasks beside key phrases: one short topic, one of a closed set of classes."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.clean.cleaner import clean_short
from pipeline.clean.tasks import classes, topic
from pipeline.core.errors import ConfigError
from pipeline.core.types import Article, Reply
from pipeline.job.job_file import load_job
from pipeline.versions import store
from tests.conftest import JobMaker, article, command, rows, run
from tests.openai_server import Server, completion
from tests.test_label import openai_job

ARTICLE = Article("1", None, "text", "")
SPORTS: dict[str, Any] = {"classes": {"Sports": ["스포츠", "sport"], "Politics": ["정치"], "Arts & Culture": ["문화"]}}


@pytest.mark.parametrize(
    ("raw", "label"),
    [
        ("Environmental impacts of eating meat", "Environmental impacts of eating meat"),
        ('"Interest rates"', "Interest rates"),
        ("Topic: Interest rates.", "Interest rates"),
        ("**Topic:** Interest rates", "Interest rates"),
        ("Interest rates\n\nThis label captures the main idea of the document.", "Interest rates"),
        ("Sure! Here is the topic label: Interest rates", "Interest rates"),
        ("Based on the document, the topic is:\n\nInterest rates", "Interest rates"),
        ("1. Interest rates\n2. Inflation", "Interest rates"),
        ('{"topic": "Interest rates"}', "Interest rates"),
        ('```json\n{"topic": "Interest rates"}\n```', "Interest rates"),
        ("<think>hm, rates</think>Interest rates", "Interest rates"),
        ("Interest rates</s>[INST] next", "Interest rates"),
        ("Health, food and climate", "Health, food and climate"),
        ("주제: 기준금리 인상", "기준금리 인상"),
        ("「金利の引き上げ」", "金利の引き上げ"),
        ("Sujet : hausse des taux", "hausse des taux"),
        ("Environmental impacts of eating meat.", "Environmental impacts of eating meat"),
        ("The topic is AI.", "AI"),
        ("I think the topic is: AI", "AI"),
        ("Title: AI in Korea", "AI in Korea"),
        ("한국은행의 기준금리 동결입니다.", "한국은행의 기준금리 동결"),
        ('Label: "AI" (confidence 0.9)', "AI"),
    ],
)
def test_a_topic_is_the_first_line_without_its_wrapping(raw: str, label: str) -> None:
    assert clean_short(raw) == (label, "ok")


@pytest.mark.parametrize(
    ("raw", "finish", "status"),
    [
        ("", None, "empty"),
        ("  \n", None, "empty"),
        ("I'm sorry, I cannot help with that.", None, "refusal"),
        ("None", None, "no_answer"),
        ("해당 없음", None, "no_answer"),
        ("The document talks about how banks raised their rates in spring.", None, "unparseable"),
        ("one two three four five six seven", None, "unparseable"),
        ("Interest ra", "length", "truncated"),
        ("<think>never ends", None, "truncated"),
    ],
)
def test_no_topic(raw: str, finish: str | None, status: str) -> None:
    assert clean_short(raw, finish_reason=finish) == ("", status)


@pytest.mark.parametrize(
    ("raw", "label"),
    [
        ("Sports", "Sports"),
        ("sports.", "Sports"),
        ("**SPORTS**", "Sports"),
        ("Category: 스포츠입니다.", "Sports"),
        ('{"label": "Sports"}', "Sports"),
        ("The article belongs to Sports.", "Sports"),
        ("이 기사는 정치 분야입니다.", "Politics"),
        ("arts and culture: Arts & Culture", "Arts & Culture"),
        ("arts_&_culture", "Arts & Culture"),
        ("Weather", None),
        ("Sports or Politics", None),
        ("Transportation", None),
        ("not sports", None),
        ("The article isn't about sports.", None),
        ("이 기사는 스포츠가 아닙니다.", None),
    ],
)
def test_a_class_is_one_of_the_set(raw: str, label: str | None) -> None:
    task = classes.Task(classes.Options.model_validate(SPORTS), lambda texts: [0])
    found = task.parse(Reply(raw, "stop"), ARTICLE)
    assert (found.phrases, found.status) == (([label], "ok") if label else ([], "unparseable"))


@pytest.mark.parametrize(
    ("clean", "said"),
    [
        ({}, "clean.classes: missing"),
        ({"classes": ["one"]}, "give two classes or more"),
        ({"classes": {"a": ["x"], "b": ["X"]}}, "'x' stands for both 'a' and 'b'"),
    ],
)
def test_a_set_of_classes_that_is_none(make_job: JobMaker, server: Server, clean: dict[str, Any], said: str) -> None:
    path = openai_job(make_job, server, 1, task="classes")
    with pytest.raises(ConfigError, match=said):
        load_job(path, [f"clean={clean}"])


@pytest.mark.parametrize(
    ("task", "clean", "column", "reply", "label"),
    [
        ("topic", {}, "topic", 'Topic: "A city harbour"\nbecause', "A city harbour"),
        ("classes", SPORTS, "label", "스포츠", "Sports"),
    ],
)
def test_a_job_with_one_label_an_article(
    make_job: JobMaker, server: Server, task: str, clean: dict[str, Any], column: str, reply: str, label: str
) -> None:
    server.script = lambda body, times: (200, completion(body, reply), {})
    path = openai_job(make_job, server, 12, task=task)
    work = run(path, f"clean={clean}")
    assert {row[column] for row in rows(work, "labels")} == {label}
    assert {row[column] for row in rows(work, "train")} == {label}
    last = store.latest(work.versions)
    assert (last and column in (last / "README.md").read_text()) or task == "topic"
    assert label in command("show", path, "labels", "--set", f"clean={clean}").stdout
    sheet = path.parent / "sheet.csv"
    assert command("review", path, "--export", sheet, "--set", f"clean={clean}").returncode == 0
    text = sheet.read_text("utf-8-sig").splitlines()
    assert column in text[0].split(",")
    gold = path.parent / "gold.jsonl"
    ids = [row["id"] for row in rows(work, "labels")]
    words = [label, "정치" if task == "classes" else "something else"]
    gold.write_text("".join(f'{{"id": "{i}", "{column}": "{words[n % 2]}"}}\n' for n, i in enumerate(ids)))
    shown = command("evaluate", path, "--gold", gold, "--set", f"clean={clean}").stdout
    assert "accuracy                     0.500" in shown


def test_classes_that_differ_in_signs_only() -> None:
    task = classes.Task(classes.Options.model_validate({"classes": ["C", "C++", "C#"]}), lambda texts: [0])
    assert [task.parse(Reply(raw, "stop"), ARTICLE).phrases for raw in ("C++", "c#", "C")] == [["C++"], ["C#"], ["C"]]


def test_a_corrected_class_is_one_of_the_set(make_job: JobMaker, server: Server) -> None:
    server.script = lambda body, times: (200, completion(body, "Sports"), {})
    path = openai_job(make_job, server, 3, task="classes")
    override = ("--set", f"clean={SPORTS}")
    run(path, override[1])
    sheet = path.parent / "sheet.csv"
    assert command("review", path, "--export", sheet, *override).returncode == 0
    text = sheet.read_text("utf-8-sig")
    for word, code in (("banana", 1), ("정치", 0)):
        lines = text.splitlines()
        lines[1] = lines[1].removesuffix(",,,") + f",,{word},"
        sheet.write_text("\n".join(lines), "utf-8-sig")
        result = command("review", path, "--import", sheet, *override)
        assert result.returncode == code, result.stderr
        assert code == 0 or "'banana' is no label of this job" in result.stderr
    labels = rows(run(path, override[1]), "train") + rows(run(path, override[1]), "eval")
    assert sorted(row["label"] for row in labels) == ["Politics", "Sports", "Sports"]


def test_labels_of_another_task_are_not_published(make_job: JobMaker, server: Server) -> None:
    path = openai_job(make_job, server, 3)
    run(path)
    result = command("publish", path, "--set", "label.task=topic")
    assert result.returncode == 1 and "publish needs what label makes" in result.stderr
    assert "the labeller or its prompt changed" in result.stderr and "--from label" in result.stderr


def test_the_extractor_names_no_topics(make_job: JobMaker) -> None:
    with pytest.raises(ConfigError, match="extractive finds key phrases, no topic"):
        run(make_job([article(1)], label={"task": "topic", "provider": "extractive"}))


def test_a_topic_of_too_many_words_by_the_job_file() -> None:
    task = topic.Task(topic.Options(max_words=2), lambda texts: [0])
    assert task.parse(Reply("one two three", "stop"), ARTICLE).status == "unparseable"
