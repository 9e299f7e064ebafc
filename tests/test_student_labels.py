"""A student labels: by the provider `student`, into published rows; into a file for reviewers; and what more labels are worth."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.core import plugins, trained
from pipeline.core.errors import ConfigError, ModelError
from pipeline.core.shards import read_order
from pipeline.core.types import LabelColumn
from pipeline.review.sample.label_sets import Predictions
from pipeline.split.assignment import near_eval
from pipeline.train import curve, figures, pictures, training, workplace
from pipeline.train.curve import Point
from pipeline.train.examples import read_eval
from pipeline.train.identity import Training
from pipeline.train.seen_rows import SeenRows, signed
from pipeline.train.teacher import agreement
from tests import teacher
from tests.conftest import JobMaker, article, command, rows, run, work_of, write_jsonl
from tests.openai_server import Server, completion
from tests.test_students import ARTICLES, changed_version, made_job, student_of, version_of

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'labelmill[train]'")


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job with a trained student."""
    path = made_job(tmp_path_factory.mktemp("taught"))
    assert command("train", path).returncode == 0
    return path


def labelled_by(student: Path | str, folder: Path, **label: Any) -> Path:
    """A job of other articles that a student labels."""
    write_jsonl(folder / "articles.jsonl", [teacher.article(number) for number in range(200, 212)])
    source = {"type": "files", "path": "articles.jsonl", "columns": {"text": "body"}}
    config = {"name": "rest", "sources": [source], "label": {"provider": "student", "model": str(student), **label}}
    (folder / "job.yaml").write_text(json.dumps(config))
    return folder / "job.yaml"


# --- the provider ---


def test_a_student_labels_another_job(taught: Path, tmp_path: Path) -> None:
    path = labelled_by(student_of(taught), tmp_path)
    work = run(path)
    published = rows(work, "train") + rows(work, "eval")
    assert len(published) == 12 and {row["label_source"] for row in published} == {"student"}
    right = [set(row["keyphrases"]) == set(teacher.label(row["text"], "nouns")) for row in published]
    assert sum(right) > 8
    [description] = [json.loads(file.read_text()) for file in (work.path / "runs").glob("*.json")]
    assert description["model"].startswith("ranker-1.0.0@") and description["provider"] == "student"
    assert (
        command("ledger", path).stdout.startswith("12 requests: 12 answered")
        and "$0.0000" in command("ledger", path).stdout
    )
    card = (work.versions / "1.0.0" / "README.md").read_text()
    assert "student 12" in card and "given by a model that was trained on labels, each with" in card
    assert "stale" not in command("status", path).stdout


def test_the_ledger_has_a_score_for_each_phrase(taught: Path, tmp_path: Path) -> None:
    path = labelled_by(student_of(taught), tmp_path)
    run(path, last="clean")
    answer = command("try", path, "--text", teacher.article(200)["body"], "--json")
    reply = json.loads(json.loads(answer.stdout)["reply"])
    assert [set(one) for one in reply] == [{"phrase", "score"}] * len(reply) and reply
    assert all(0 < one["score"] <= 1 for one in reply)


def test_its_identity_is_its_weights(taught: Path, tmp_path: Path) -> None:
    from pipeline.label.requests import RequestBuilder

    copy = Path(shutil.copytree(student_of(taught), tmp_path / "elsewhere"))
    (tmp_path / "a").mkdir()
    first = RequestBuilder(work_of(labelled_by(student_of(taught), tmp_path / "a"))).run_id
    (tmp_path / "b").mkdir()
    assert RequestBuilder(work_of(labelled_by(copy, tmp_path / "b"))).run_id == first
    manifest = json.loads((copy / "manifest.json").read_text())
    for part, change in (("options", {"phrases": 2}), ("label", {"name": "words"})):
        changed = manifest | {part: manifest[part] | change}
        (copy / "manifest.json").write_text(json.dumps(changed))
        assert RequestBuilder(work_of(labelled_by(copy, tmp_path / "b"))).run_id != first
    manifest["weights"]["rule.json"] = "0" * 64
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert RequestBuilder(work_of(labelled_by(copy, tmp_path / "b"))).run_id != first
    with pytest.raises(ModelError, match="not what its manifest says"):
        run(tmp_path / "b" / "job.yaml")


def test_what_is_no_student_is_one_line(taught: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no trained student"):
        run(labelled_by(tmp_path, tmp_path))
    with pytest.raises(ConfigError, match=r"has learned keyphrases, label\.task is topic"):
        run(labelled_by(student_of(taught), tmp_path, task="topic"))
    with pytest.raises(ConfigError, match="give the folder of a student"):
        run(labelled_by("", tmp_path))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        run(labelled_by(tmp_path / "broken", tmp_path))


def test_a_module_runs_only_where_the_job_names_it(
    taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "somebodys_module").mkdir()
    (tmp_path / "somebodys_module" / "student.py").write_text("from pipeline.train.students.ranker import *")
    copy = Path(shutil.copytree(student_of(taught), tmp_path / "copy"))
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {"student": "somebodys_module.student"}))
    with pytest.raises(ModelError, match=r"not built in.*label\.parameters\.student"):
        run(labelled_by(copy, tmp_path))
    assert not any(name.startswith("somebodys_module") for name in sys.modules)
    work = run(labelled_by(copy, tmp_path, parameters={"student": "somebodys_module.student"}))
    assert len(rows(work, "train") + rows(work, "eval")) == 12


def test_an_embedders_module_runs_only_where_the_job_names_it(
    taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "somebodys_vectors").mkdir()
    (tmp_path / "somebodys_vectors" / "planted.py").write_text("from pipeline.topics.embedders.tfidf import *")
    copy = Path(shutil.copytree(student_of(taught), tmp_path / "copy"))
    manifest = json.loads((copy / "manifest.json").read_text())
    linear = plugins.load("students", "linear").Student
    changed = {
        "student": "linear",
        "method": linear.version,
        "options": {"embedder": {"type": "somebodys_vectors.planted"}},
    }
    (copy / "manifest.json").write_text(json.dumps(manifest | changed))
    with pytest.raises(ModelError, match=r"made with 'somebodys_vectors.planted', which is not built in"):
        trained.load(copy)
    assert not any(name.startswith("somebodys_vectors") for name in sys.modules)


def test_what_is_no_student_ends_no_report_and_none_is_lost(taught: Path, tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "manifest.json").write_text('{"curve": {"points": []}}')
    assert pictures.latest(tmp_path) is None
    work = work_of(taught)
    plan = Training(work, version_of(taught), "ranker", work.config.student_options, 5)
    former = work.students / f".{plan.folder.name}" / "former"
    former.parent.mkdir()
    plan.folder.rename(former)
    workplace.put_right(plan)
    assert trained.read_manifest(plan.folder) and not former.parent.exists()


# --- predictions for reviewers ---


def test_predictions_are_of_what_it_was_not_trained_on(taught: Path, tmp_path: Path) -> None:
    file, work = tmp_path / "predicted.jsonl", work_of(taught)
    done = command("train", taught, "--predict", file)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    of_train = {row["id"] for row in rows(work, "train")}
    assert {line["id"] for line in lines} == {f"a{number}" for number in range(ARTICLES)} - of_train
    assert f"{len(of_train)} articles that it was trained on are left out" in done.stdout
    assert f"--predictions {file}" in done.stdout
    assert all(len(line["scores"]) == len(line["keyphrases"]) for line in lines)
    shown = Predictions(work, file)
    [shard] = read_order(work.articles)
    assert shown.model == "predicted.jsonl" and len(list(shown.rows(shard))) == len(lines)


def test_it_is_held_against_gold_labels_that_it_did_not_learn(taught: Path, tmp_path: Path) -> None:
    work = work_of(taught)
    of_train, of_eval = ([row["id"] for row in rows(work, split)][:4] for split in ("train", "eval"))
    gold = [
        {
            "id": row_id,
            "editors": [{"gold": teacher.label(teacher.article(int(row_id[1:]))["body"], "nouns"), "also": []}],
        }
        for row_id in (*of_train, *of_eval)
    ]
    file = write_jsonl(tmp_path / "gold.jsonl", gold)
    done = command("train", taught, "--gold", file)
    assert done.returncode == 0 and "4 articles with a gold label are left out" in done.stdout, done.stderr
    judged = json.loads(command("train", taught, "--gold", file, "--json").stdout)["gold"]
    assert judged["articles"] == 4 and judged["metrics"]["accepted"]["mean"] > 0.7
    only_train = write_jsonl(tmp_path / "train.jsonl", gold[:4])
    done = command("train", taught, "--gold", only_train)
    assert done.returncode == 1 and "that the student was not trained on" in done.stderr


def test_a_text_that_was_learned_is_known_under_another_id(taught: Path) -> None:
    work = work_of(taught)
    learned = rows(work, "train")[0]
    others = rows(work, "eval")[0]["text_sha256"]
    table = pa.table({"id": ["new", learned["id"], "newer"], "text_sha256": [learned["text_sha256"], others, others]})
    assert SeenRows.of(version_of(taught)).rows(table).to_pylist() == [True, True, False]


def test_a_near_copy_of_what_was_learned_flatters_no_figure(taught: Path, tmp_path: Path) -> None:
    job = Path(shutil.copytree(taught.parent, tmp_path / "job")) / taught.name
    learned = next(row for row in rows(work_of(job), "train") if row["split"] == "train")
    same = teacher.article(int(learned["id"][1:]))
    marks = enumerate((" -", " ;"))
    copies = [same | {"id": f"copy{n}", "body": same["body"].replace(".", mark)} for n, mark in marks]
    write_jsonl(job.parent / "articles.jsonl", [*map(teacher.article, range(ARTICLES)), *copies, teacher.article(300)])
    work = run(job, last="filter")
    of_train = len(rows(work, "train"))
    file = tmp_path / "predicted.jsonl"
    done = command("train", job, "--version", "1.0.0", "--predict", file)
    assert f"{of_train} articles that it was trained on are left out, and 2 near-copies of such" in done.stdout
    ids = {json.loads(line)["id"] for line in file.read_text().splitlines()}
    assert "a300" in ids and not ids & {"copy0", "copy1"}
    gold = write_jsonl(tmp_path / "gold.jsonl", [{"id": one, "gold": ["bridge"]} for one in ("copy0", "copy1", "a300")])
    done = command("train", job, "--version", "1.0.0", "--gold", gold)
    assert "the student was trained on them, and 2 that are near-copies of such" in done.stdout, done.stderr
    assert "articles with gold labels: 1;" in done.stdout


def test_all_tables_are_held_against_train_at_once(taught: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many shards there are; a copy of a copy is one, though what is between stands in another shard."""
    work, texts = work_of(taught), [row["text"] for row in rows(work_of(taught), "train")]
    words = texts[0].split()
    copies = [" ".join([*words[: len(words) - cut], *(f"new{n}" for n in range(cut))]) for cut in (6, 12, 18)]
    new = [teacher.article(number)["body"] for number in range(300, 304)]
    shards = [[new[0], copies[2]], [copies[0], new[1]], [], [texts[1], new[2], copies[1]], [new[3]]]
    tables = [
        pa.table({"id": pa.array([f"x{number}{n}" for n in range(len(shard))], pa.string()), "text": pa.array(shard, pa.string()),
                  "text_sha256": pa.array([hashlib.sha256(text.encode()).hexdigest() for text in shard], pa.string())})
        for number, shard in enumerate(shards)
    ]  # fmt: skip
    known = replace(SeenRows.of(version_of(taught)), similarity=0.6)
    searches, rows_signed = list[Any](), list[int]()

    def searched(*given: Any) -> Any:
        searches.append(given)
        return near_eval(*given)

    def counted(given: list[pa.Table]) -> Any:
        rows_signed.extend(map(len, given))
        return signed(given)

    monkeypatch.setattr("pipeline.train.seen_rows.near_eval", searched)
    monkeypatch.setattr("pipeline.train.seen_rows.signed", counted)
    parts = list(known.parted(lambda: iter(tables), work.exchange))
    assert [part.others.column("text").to_pylist() for part in parts] == [
        [text] if text else [] for text in (*new[:2], None, *new[2:])
    ]
    assert [(part.of_train, part.like_train) for part in parts] == [(0, 1), (0, 1), (0, 0), (1, 1), (0, 0)]
    assert len(searches) == 1 and sum(rows_signed) == sum(map(len, shards)) - 1


def test_the_teacher_is_held_against_itself(make_job: JobMaker, server: Server) -> None:
    server.script = lambda body, times: (200, completion(body, f"harbour{body['seed']}; city; spring"), None)
    articles = [article(number) | {"language": "en"} for number in range(12)]
    parameters = {"max_output_tokens": 64, "seed": 1}
    label = {"provider": "openai", "base_url": server.url, "parameters": parameters, "task": "keyphrases"}
    path = make_job(articles, label=label, clean={"absent": "keep"}, split={"eval": 4, "similarity": 1})
    run(path)
    column = LabelColumn("keyphrases", True)
    assert agreement(work_of(path), version_of(path), column) is None
    run(path, "label.parameters.seed=2", last="label", limit=None)
    told = agreement(work_of(path), version_of(path), column)
    assert told and (told["by"], told["articles"]) == ("asked again", 12)
    assert told["mean"] == pytest.approx(2 / 3, abs=1e-3)  # two of three phrases are the same
    other = work_of(path, "label.model=another")
    assert agreement(other, version_of(path), column) is None  # nobody was asked twice


def test_near_copies_stand_for_a_second_question(taught: Path, tmp_path: Path) -> None:
    def grouped(split: str, table: pa.Table) -> pa.Table:
        names = [f"g{number // 2}" for number in range(len(table))] if split == "train" else table.column("group_id")
        return table.set_column(table.column_names.index("group_id"), "group_id", pa.array(names, pa.string()))

    version = changed_version(taught, tmp_path, grouped)
    told = agreement(work_of(taught), version, LabelColumn("keyphrases", True))
    assert told and told["by"] == "near-copies" and told["articles"] == len(rows(work_of(taught), "train")) // 2
    assert 0 <= told["mean"] < 0.2  # the labels of two articles that have little in common


def test_the_figures_stand_in_report_and_card(taught: Path, tmp_path: Path) -> None:
    job = Path(shutil.copytree(taught.parent, tmp_path / "job")) / taught.name
    reached = trained.read_manifest(student_of(job))["figures"]["student"]["f1@m"]["mean"]
    facts = json.loads(command("report", job, "--json").stdout)
    assert facts["student"]["reached"]["mean"] == reached and set(facts["student"]["baselines"]) == {
        "majority",
        "extractive",
    }
    assert facts["learning"] is None
    page = tmp_path / "report.html"
    assert command("report", job, "--output", page).returncode == 0
    assert f"Student ranker on version 1.0.0: {100 * reached:.1f}" in page.read_text()
    write_jsonl(job.parent / "articles.jsonl", [teacher.article(number) for number in range(ARTICLES + 2)])
    work = run(job)
    card = (work.versions / "1.1.0" / "README.md").read_text()
    assert f"![Student ranker on version 1.0.0: {100 * reached:.1f}" in card
    assert (work.versions / "1.1.0" / "pictures" / "student.svg").exists()


def test_figures_by_topic(taught: Path) -> None:
    column = LabelColumn("keyphrases", True)
    examples = read_eval(version_of(taught), column)
    with_topics = [replace(one, topic=f"topic {number % 2}") for number, one in enumerate(examples)]
    by = figures.judge([list(one.phrases) for one in examples], with_topics, examples, column)["by"]
    assert set(by["topic"]) == {"topic 0", "topic 1"} and by["language"] == {}
    assert {of["mean"] for of in by["topic"].values()} == {1.0}


# --- the curve ---

GROUPS = [f"g{number}" for number in range(200)]


def summary(levels: list[float], floor: float, noise: float = 0.2, seed: int = 0) -> dict[str, Any]:
    """The curve of students that reach these levels, each with noise of its own from article to article."""
    random = np.random.default_rng(seed)
    difficulty = random.normal(0, noise, 200)

    def scores(level: float, count: int) -> Any:
        return np.clip(level + difficulty + random.normal(0, noise / 2, (count, 200)), 0, 1)

    points = tuple(Point(share, (round(1000 * share),) * 3, ("a", "b", "c")) for share in (0.1, 0.3))
    points += (Point(1.0, (1000,), ("whole",)),)
    values = [scores(level, 3) for level in levels[:2]] + [scores(levels[2], 1)]
    return curve._summary(points, values, scores(floor, 3), GROUPS, "f1@m")


def test_a_rising_curve_says_what_more_labels_are_worth() -> None:
    rising = summary([0.4, 0.5, 0.6], 0.1)
    more = rising["more"]
    assert more["labels"] == 1000 and 0 < more["low"] < more["mean"] < more["high"] < 0.15
    low, high = (f"{100 * more[name]:.1f}" for name in ("low", "high"))
    assert (
        rising["sentence"]
        == f"another 1,000 labels are worth +{100 * more['mean']:.1f} ({low} to {high}) points of f1@m"
    )
    assert [point["rows"] for point in rising["points"]] == [100, 300, 1000]
    assert rising["fitted"][0][0] == 100 and rising["fitted"][-1][0] == 2000


def test_a_flat_curve_promises_nothing() -> None:
    flat = summary([0.6, 0.6, 0.6], 0.1)
    assert flat["floor"]["learned"] and flat["more"]["low"] < 0 < flat["more"]["high"]
    assert flat["sentence"].endswith(": no gain can be seen")


def test_luck_of_training_is_in_the_interval_or_no_gain_is_sure() -> None:
    random, weights = np.random.default_rng(0), curve._resampled(GROUPS)
    luck = [np.asarray([[0.56], [0.6], [0.64]]), np.asarray([[0.57], [0.6], [0.63]]), np.asarray([[0.6]])]
    values = [level + random.normal(0, 0.01, (len(level), 200)) for level in luck]
    assert curve._drawn(values, weights).std(axis=0)[-1] > 0.03  # all of train is trained on once, and is luck, too
    once = [of_point[:1] for of_point in values]
    assert curve._drawn(once, weights).std(axis=0).max() < 0.002
    points = tuple(Point(share, (round(1000 * share),), ("a",)) for share in (0.1, 0.3, 1.0))
    told = curve._summary(points, once, np.full((1, 200), 0.1), GROUPS, "f1@m")
    assert told["more"]["low"] > 0 and told["sentence"].endswith("so no gain is sure")


@pytest.mark.slow
def test_what_form_alone_gives_is_no_learning() -> None:
    for seed in range(5):
        nothing = summary([0.1, 0.12, 0.15], 0.15, seed=seed)
        assert nothing["sentence"].startswith("nothing is learned: trained on labels shuffled among the articles")


def test_a_curve_that_levels_off_is_not_drawn_on() -> None:
    sizes = np.asarray([100.0, 300.0, 1000.0])
    saturated = curve.gain(sizes, np.asarray([0.3, 0.58, 0.6]))
    rising = curve.gain(sizes, np.asarray([0.4, 0.5, 0.6]))
    assert 0 <= saturated < 0.01 < rising
    shape = curve.fit(sizes, 0.9 - 2 * sizes**-0.5)
    assert (round(shape.a, 6), round(shape.b, 6), shape.exponent) == (0.9, -2, 0.5)


@pytest.mark.parametrize("text", ["", "0", "1.5", "a", "1.0", "0.1;0.3"])
def test_shares_that_are_none(text: str) -> None:
    with pytest.raises(ConfigError, match="--curve"):
        curve.parse(text)


def test_shares_are_in_order_and_with_the_whole() -> None:
    assert curve.parse("0.3,0.1") == (0.1, 0.3, 1.0)


@pytest.mark.slow
def test_the_curve_of_real_and_of_shuffled_labels(taught: Path, tmp_path: Path) -> None:
    done = command("train", taught, "--curve", "0.3,1.0")
    assert done.returncode == 0 and "another 1,000 labels are worth" in done.stdout, done.stderr + done.stdout
    manifest = trained.read_manifest(student_of(taught))
    assert manifest["curve"]["floor"]["learned"] and manifest["curve"]["asked"] == [0.3, 1.0]

    def shuffled(split: str, table: pa.Table) -> pa.Table:
        labels = table.column("keyphrases").to_pylist()
        mixed = labels[7:] + labels[:7]
        return table.set_column(
            table.column_names.index("keyphrases"), "keyphrases", pa.array(mixed, pa.list_(pa.string()))
        )

    work = work_of(taught, "name=shuffled")
    version = changed_version(taught, tmp_path, shuffled)
    plan = Training(work, version, "ranker", work.config.student_options, 0, (0.3, 1.0))
    assert training.train(plan)["curve"]["sentence"].startswith("nothing is learned")
    assert version_of(taught).exists()
